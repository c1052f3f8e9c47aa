"""A graph's history, from output files of networks that never ran."""

import datetime

from gossip.lab.proof import check, graph
from gossip.lab.proof.evidence import Proof
from gossip.lab.proof.records import Records
from tests.tools.folders import START, Folder
from tests.tools.stories import THREE, tell

AT = START.replace(tzinfo=datetime.timezone.utc).timestamp()


def test_the_history_tells_when_the_graph_fell_apart_and_closed_again(tmp_path):
    folder = Folder(tmp_path, 4, [(0, 1), (1, 2), (2, 3)])
    a, b, c, d = folder.peers
    for one, other in ((b, c), (c, b)):
        folder.say(one, 4, f"disconnected:{other}:closed by the other end")
    for second, one, other in ((6, a, d), (6.5, d, a)):  # a link needs both of its ends
        folder.say(one, second, f"connected:{other}")
    records = Records(folder.write()).refresh()
    history = graph.replay(records)[0]
    assert history[-1] == (AT + 6.5, 1)
    spans = graph.spans_apart(history, graph.end_of(records))
    assert [span for span in spans if span[0] > AT + 3] == [(AT + 4, AT + 6.5)]
    assert max(count for at, count in history if at > AT + 3) == 2


def test_a_death_that_cuts_the_graph_is_seen_and_its_links_are_gone(tmp_path):
    folder = Folder(tmp_path, 3, [(0, 1), (1, 2)])
    a, b, c = folder.peers
    folder.die(b, 4)
    for peer in (a, c):
        folder.say(peer, 4.1, f"disconnected:{b}:closed by the other end")
        folder.say(peer, 4.1, f"degree:{peer}=>0")
    records = Records(folder.write(60)).refresh()
    assert graph.replay(records)[0][-1] == (AT + 4, 2)
    snapshot = graph.largest(records)
    assert snapshot.links == [(a, b), (b, c)]
    assert snapshot.degrees == {a: 1, b: 2, c: 1}
    row = check.pieces(Proof(records))
    assert row.holds is False and "2 pieces at the end" in row.details[0]


def test_who_quits_or_ends_with_all_others_leaves_no_pieces(tmp_path):
    folder = Folder(tmp_path, 3, [(0, 1), (1, 2), (0, 2)])
    for second, peer in enumerate(folder.peers, 20):
        folder.say(peer, second / 10, "leaving:" + peer if second == 20 else "peer list:x:")
    for peer in folder.peers[1:]:
        folder.say(peer, 3, f"disconnected:{folder.peers[0]}:left")
    for at, peer in enumerate(folder.peers[1:]):
        folder.say(peer, 30 + at, "stopped:interrupted")
    folder.say(folder.peers[2], 30.5, f"disconnected:{folder.peers[1]}:closed by the other end")
    folder.say(folder.peers[0], 3.1, "stopped:quit")
    records = Records(folder.write()).refresh()
    assert graph.end_of(records) == AT + 30
    assert [count for at, count in graph.replay(records)[0] if at > AT + 2.5] == []


def test_the_hub_whose_last_word_is_the_first_leaves_no_pieces(tmp_path):
    folder = Folder(tmp_path, 3, [(0, 1), (1, 2)])
    for at, peer in enumerate((1, 0, 2)):
        folder.say(folder.peers[peer], 30 + at / 100, "stopped:interrupted")
    assert graph.replay(Records(folder.write()).refresh())[0][-1][1] == 1


def test_who_gets_a_first_link_after_it_began_to_leave_is_no_piece(tmp_path):
    folder = Folder(tmp_path, 4, [(0, 1), (1, 2), (0, 2)])
    late = folder.peers[3]
    folder.say(late, 4, f"leaving:{late}")
    folder.say(late, 4.2, f"connected:{folder.peers[0]}")
    folder.say(late, 4.4, f"disconnected:{folder.peers[0]}:left")
    folder.say(late, 4.5, "stopped:quit")
    records = Records(folder.write(60)).refresh()
    assert graph.replay(records)[0][-1] == (AT + 2, 1)
    assert check.pieces(Proof(records)).holds


def test_who_never_had_a_neighbour_is_told_apart_from_the_graph_of_the_others(tmp_path):
    row = check.pieces(tell(tmp_path, THREE, """
        0.5 5004 starts
        1.2 5004 registered:@8080
        2.0 5004 lives until 60
        60 8080 peer list:@5001:1"""))
    assert row.details == ["127.0.0.1:5004 never had a neighbour"] and row.figures.startswith(
        "the graph of the others was never in more than one piece")


def test_who_gets_a_first_link_to_nobody_else_and_stays_is_a_piece(tmp_path):
    folder = Folder(tmp_path, 4, [(0, 1), (1, 2), (0, 2)])
    folder.say(folder.peers[3], 4.2, f"connected:{folder.peers[0]}")
    assert graph.replay(Records(folder.write(60)).refresh())[0][-1] == (AT + 4.2, 2)
