"""Capacities, fitted exponents, pieces of a graph, and a graph's history from output files."""

import collections
import datetime
import math
import random

import pytest

from gossip.addresses import address_of
from gossip.capacity import BY_RULE, Capacity, fixed, parse_capacity, shares
from gossip.proof import check, deaths, graph, powerlaw
from gossip.proof.degrees import PowerLaw
from gossip.proof.evidence import Proof
from gossip.proof.pieces import Pieces
from gossip.proof.records import Records
from tools.folders import START, Folder

AT = START.replace(tzinfo=datetime.timezone.utc).timestamp()


@pytest.mark.parametrize("text, capacity", [
    ("rule", BY_RULE), ("fixed:2", fixed(2)), ("powerlaw:2.5", Capacity("powerlaw", 2.5))])
def test_a_capacity_rule_is_read_as_it_is_written(text, capacity):
    assert parse_capacity(text) == capacity and str(capacity) == text


@pytest.mark.parametrize("text", ["", "fixed:1", "fixed:", "powerlaw:0", "powerlaw:11",
                                  "powerlaw:-1", "powerlaw:nan", "fixed:6 ", "9"])
def test_what_is_no_capacity_rule_is_told(text):
    with pytest.raises(ValueError, match="fixed:K"):
        parse_capacity(text)


@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_drawn_capacities_follow_their_power_law(alpha):
    count, capacity = 20_000, Capacity("powerlaw", alpha)
    drawn = collections.Counter(capacity.of(address_of(f"10.0.{n >> 8}.{n & 255}", 1 + n))
                                for n in range(count))
    expected = shares(alpha, 3, 60)
    assert math.isclose(sum(expected.values()), 1) and set(drawn) <= set(expected)
    for k, share in expected.items():
        assert abs(drawn[k] / count - share) < 5 * math.sqrt(share / count) + 1e-9, k


def test_everyone_computes_the_same_drawn_capacity_and_addresses_differ():
    rule = Capacity("powerlaw", 2.5)
    drawn = [rule.of(address_of("127.0.0.1", port)) for port in range(5000, 5400)]
    assert drawn == [Capacity("powerlaw", 2.5).of(address_of("127.0.0.1", port))
                     for port in range(5000, 5400)]
    assert min(drawn) == 3 and 20 < max(drawn) <= 60


@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_a_fit_finds_the_exponent_that_values_were_drawn_with(alpha):
    law = shares(alpha, 3, 60)
    rng = random.Random(1)
    pulls = []
    for _ in range(100):
        fit = powerlaw.fit(rng.choices(list(law), law.values(), k=400), 3, 60)
        pulls.append((fit.exponent - alpha) / fit.error)
    mean = sum(pulls) / len(pulls)
    spread = math.sqrt(sum((pull - mean) ** 2 for pull in pulls) / len(pulls))
    assert abs(mean) < 0.3 and 0.8 < spread < 1.2  # the error is a standard error


def test_no_exponent_where_values_tell_none():
    assert powerlaw.fit([], 3, 60) is None
    assert powerlaw.fit([4, 4, 4], 4, 4) is None
    assert powerlaw.fit([1, 2, 99], 3, 60) is None
    assert powerlaw.fit([3, 3, 3], 3, 60) is None  # steeper than any


def test_pieces_agree_with_a_search_of_the_whole_graph():
    rng = random.Random(7)
    for _ in range(30):
        pieces, nodes, links = Pieces(), set(), set()
        for _ in range(200):
            node, other = rng.sample(range(12), 2)
            turn = rng.random()
            if turn < 0.2:
                pieces.add(node)
                nodes.add(node)
            elif turn < 0.25:
                pieces.remove(node)
                nodes.discard(node)
                links = {link for link in links if node not in link}
            elif turn < 0.65 and node in nodes and other in nodes:
                pieces.link(node, other)
                links.add(frozenset((node, other)))
            else:
                pieces.unlink(node, other)
                links.discard(frozenset((node, other)))
            assert len(pieces) == count_pieces(nodes, links)


def count_pieces(nodes, links):
    left, count = set(nodes), 0
    while left:
        count += 1
        todo = [left.pop()]
        while todo:
            at = todo.pop()
            found = {other for link in links if at in link for other in link} & left
            left -= found
            todo += found
    return count


def test_the_history_tells_when_the_graph_fell_apart_and_closed_again(tmp_path):
    folder = Folder(tmp_path, 4, [(0, 1), (1, 2), (2, 3)])
    a, b, c, d = folder.peers
    for one, other in ((b, c), (c, b)):
        folder.say(one, 4, f"disconnected:{other}:closed by the other end")
    for second, one, other in ((6, a, d), (6.5, d, a)):  # a link needs both of its ends
        folder.say(one, second, f"connected:{other}")
    records = Records(folder.write()).refresh()
    history = graph.history(records)
    assert history[-1] == (AT + 6.5, 1)
    spans = graph.spans_apart(history, graph.end_of(records))
    assert [span for span in spans if span.begin > AT + 3] == [graph.Span(AT + 4, AT + 6.5, 2)]


def test_a_death_that_cuts_the_graph_is_seen_and_its_links_are_gone(tmp_path):
    folder = Folder(tmp_path, 3, [(0, 1), (1, 2)])
    a, b, c = folder.peers
    folder.die(b, 4)
    for peer in (a, c):
        folder.say(peer, 4.1, f"disconnected:{b}:closed by the other end")
        folder.say(peer, 4.1, f"degree:{peer}=>0")
    records = Records(folder.write(60)).refresh()
    assert graph.history(records)[-1] == (AT + 4, 2)
    snapshot = graph.largest(records)
    assert snapshot.at == AT + 4 and snapshot.links == [(a, b), (b, c)]
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
    assert [count for at, count in graph.history(records) if at > AT + 2.5] == []


def test_the_hub_whose_last_word_is_the_first_leaves_no_pieces(tmp_path):
    folder = Folder(tmp_path, 3, [(0, 1), (1, 2)])
    for at, peer in enumerate((1, 0, 2)):
        folder.say(folder.peers[peer], 30 + at / 100, "stopped:interrupted")
    assert graph.history(Records(folder.write()).refresh())[-1][1] == 1


@pytest.mark.parametrize("cut", [False, True])
def test_a_living_peer_that_is_removed_fails_the_check_unless_it_was_cut_off(tmp_path, cut):
    folder = Folder(tmp_path, 4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    a, b, c, d = folder.peers
    for one, other in ((a, b), (c, d)) if cut else ((a, b), (b, c), (c, d)):
        folder.say(one, 4.5, f"liveness reply:{other}:1.000")
    for seed_says in (f"dead report:Dead Node:{d}:1.000000:{a}", f"removed:{d}:dead"):
        folder.say(folder.seed, 5, seed_says)
    row = deaths.dead(Proof(Records(folder.write()).refresh()))
    assert row.holds is cut
    assert cut or row.details == [f"seed {folder.seed} removed {d}, which lived"]


def test_the_degrees_row_shows_the_exponent_that_capacities_predict(tmp_path):
    rule = Capacity("powerlaw", 2.5)
    folder = Folder(tmp_path, 120, [], capacity="powerlaw 2.5")
    for peer in folder.peers:
        port = int(peer.rpartition(":")[2])
        folder.say(peer, 3, f"degree:{peer}=>{rule.of(address_of('127.0.0.1', port))}")
    law = PowerLaw(Records(folder.write()).refresh())
    assert law.fitted == law.predicted and law.degrees == law.capacities
    assert abs(law.fitted.exponent - 2.5) < 3 * law.fitted.error
    row = check.degrees(Proof(Records(tmp_path).refresh()))
    assert f"a = {law.fitted} for k from 3 to" in row.figures and "minimum 3" in row.figures
