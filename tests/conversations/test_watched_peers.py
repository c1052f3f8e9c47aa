"""What a peer that watches reports of its neighbours, and whom it shuts out."""

from zlib import crc32

import pytest

from grapevine.addresses import parse_address
from grapevine.monitoring import grammar
from grapevine.monitoring.peer import GAPS, WatchedPeer
from grapevine.signing.grammar import parse_signed
from tests.tools.monitoring import PERIOD, Desk, evidence, signed_again, time_of
from tests.tools.signing import KeyMachine, accept_proof, neighbour, signer
from tests.tools.virtual import NODE, Scene

A, B, C, AWAY = "127.0.0.1:6001", "127.0.0.1:6002", "127.0.0.1:6003", "127.0.0.1:6101"
SEEDS = ["127.0.0.1:8001", "127.0.0.1:8002", "127.0.0.1:8003"]
PEERS = [A, B, C, AWAY]
KICKED = f"connection refused:{NODE}:kicked"


def scene_with(*addresses: str, seeds: int = 1, quiet: bool = False, **settings):
    """Return a scene, its seeds, which name all runs, and neighbours: pairs of machine and end.
    Links stand, and a run of the first neighbour counts, unless all is to be `quiet`."""
    settings = {"liveness_interval": 1_000.0, "monitor": True, "sign": True} | settings
    scene = Scene(WatchedPeer, seeds=SEEDS[:seeds], **settings)
    desks = [Desk(scene, address) for address in SEEDS[:seeds]]
    for desk in desks:
        desk.runs = {address: [signer(address).start] for address in PEERS}
    scene.event("registered:")
    neighbours = [neighbour(scene, address) for address in addresses]
    if addresses and not quiet:
        scene.run(2.5)
        tell(scene, neighbours[0], 1)
        scene.run(3 * PERIOD)
        for desk in desks:
            desk.reports.clear()
    return scene, *desks, *neighbours


def tell(scene: Scene, by, *numbers: int, of: KeyMachine | None = None, later: float = 0.0
         ) -> list[str]:
    """Have a neighbour say messages of its own, or of another origin; return the lines."""
    machine, end = by
    lines = [(of or machine).signed(number, f"text {number}", time=time_of(scene, later))
             for number in numbers]
    end.say(*lines)
    scene.run(0.01)
    return lines


def texts(end) -> list[str]:
    return [line.rpartition(":")[2] for line in end.lines if line.startswith("signed:")]


def requests(machine) -> list[str]:
    return [line for line in machine.said if line.startswith("Liveness Request:")]


# Reports.

def test_a_report_a_period_names_every_neighbour_the_run_and_the_period():
    scene, desk, *_ = scene_with(A, B, quiet=True)
    scene.run(5.5 * PERIOD)
    assert len(desk.reports) in (5, 6)
    assert [(start, period) for start, period, _ in desk.reports] == [
        (scene.node.start_number, period) for period in range(1, len(desk.reports) + 1)]
    assert all(found == {A: (0,) * 5, B: (0,) * 5} for _, _, found in desk.reports)


def test_a_run_that_speaks_counts_for_four_periods_after_most_seeds_have_named_it_last():
    scene, desk, source, _ = scene_with(A, B)
    desk.runs = {}
    for number in range(2, 9):
        tell(scene, source, number)
        scene.run(PERIOD)
    scene.run(PERIOD)
    assert 1 <= desk.said_of(B)[0] <= 4
    desk.runs = {A: [source[0].key.start]}
    desk.reports.clear()
    desk.said.clear()
    for number in range(9, 19):
        tell(scene, source, number)
        scene.run(PERIOD)
    assert 6 <= desk.said_of(B)[0] <= 9, "they are asked again"
    assert 4 <= desk.said.count(f"runs:{A}:{source[0].key.start}") <= 6


def test_reports_tell_who_has_brought_forwarded_and_withheld():
    scene, desk, source, forwarder, withholder = scene_with(A, B, C)
    numbers = range(2, 32)
    lines = tell(scene, source, *numbers[:20])
    forwarder[1].say(*lines)
    lines = tell(scene, forwarder, *numbers[20:25], of=source[0])
    tell(scene, source, *numbers[25:])
    scene.run(3 * PERIOD)
    assert desk.said_of(A) == (5, 5, 0, 0, 0), "its own messages do not count for it"
    assert desk.said_of(B) == (30, 5, 5, 0, 0)
    assert desk.said_of(C) == (30, 30, 0, 0, 0)
    assert texts(withholder[1])[1:] == [f"text {number}" for number in numbers]


def test_a_request_a_period_goes_behind_what_was_sent_writes_nothing_and_counts_no_miss():
    scene, desk, source, (other, end) = scene_with(A, B, liveness_misses=1)
    other.is_alive = False
    said = len(requests(other))
    tell(scene, source, 2)
    scene.run(3.5 * PERIOD)
    assert len(requests(other)) == said + 1, "not while one is unanswered"
    assert [line.partition(":")[0] for line in end.lines][-2:] == ["signed", "Liveness Request"]
    assert desk.said_of(B)[:3] == (0, 0, 0), "who does not reply is not judged"
    time = end.lines[-1].split(":")[1]
    end.say(f"Liveness Reply:{float(time) - 1:.6f}:{NODE}:{B}", "status:sent")
    scene.run(1.5 * PERIOD)
    assert desk.said_of(B)[:3] == (0, 0, 0), "a reply to an older request"
    end.say(f"Liveness Reply:{time}:{NODE}:{B}")
    scene.run(1.5 * PERIOD)
    assert desk.said_of(B)[:3] == (1, 1, 0) and len(requests(other)) == said + 2
    assert scene.events("liveness") == [] and end.closed is None


def test_what_is_made_here_is_owed_by_nobody():
    scene, desk, (_, end) = scene_with(A)
    scene.node.originate(["mine"])
    scene.run(3 * PERIOD)
    assert texts(end) == ["mine"] and desk.said_of(A)[:3] == (0, 0, 0)


@pytest.mark.parametrize("named, late", [(3, 0), (2, 20), (1, 1_000), (0, 1_000)])
def test_a_run_counts_once_most_seeds_name_it_and_later_if_they_differ(named, late):
    scene, *desks, source, other = scene_with(A, B, seeds=3, quiet=True)
    for desk in desks[named:]:
        desk.runs = {}
    scene.run(2.5)
    tell(scene, source, 1)
    scene.run(PERIOD)  # the seeds are asked
    for number in range(2, 7):
        tell(scene, source, number)
        scene.run(0.8 * PERIOD)
    scene.run(2 * PERIOD)
    owed = sum(desk.said_of(B)[0] for desk in desks if desk.said_of(B))
    assert scene.events("received:")[-1].endswith("text 6") and source[1].closed is None
    assert owed in {0: [5], 20: [2, 3, 4], 1_000: [0]}[late]


def test_nobody_owes_messages_of_a_run_with_many_gaps():
    scene, desk, source, _ = scene_with(A, B)
    for number in range(2, 21):
        tell(scene, source, 20 * number)
    scene.run(3 * PERIOD)
    assert desk.said_of(B)[:3] == (GAPS - 1, GAPS - 1, 0)


def test_nobody_owes_rumors_and_copies_of_them_are_judged_all_the_same():
    scene, desk, source, (_, end) = scene_with(A, B, spread="rumor")
    source[1].say(*[f"rumor:{source[0].signed(number, 'x', time=time_of(scene))}"
                    for number in range(2, 12)])
    end.say("rumor:gmessage:1:2")
    scene.run(3 * PERIOD)
    assert desk.said_of(B)[1:] == (0, 0, 1, 0) and desk.said_of(B)[0] == 10


def test_along_a_tree_the_first_hundred_numbers_and_one_line_in_four_are_owed():
    scene, desk, source, other, _ = scene_with(A, B, C, spread="tree")
    numbers = range(2, 301)
    tell(scene, other, *numbers, of=source[0])
    scene.run(3 * PERIOD)
    owed = sum(number <= 100 or crc32(f"{source[0].run}:{number}".encode()) % 4 == 0
               for number in numbers)
    assert desk.said_of(C)[:3] == (owed, owed, 0) and 120 < owed < 180
    assert desk.said_of(B)[:3] == (owed, 0, owed)


def test_corrupt_lines_are_written_down_and_counted_and_the_link_stays():
    scene, desk, (one, end), (_, other) = scene_with(A, B)
    lines = [one.signed(number, "said", time=time_of(scene)) for number in range(2, 12)]
    for line in lines:
        other.say(f"{line}!")
        scene.run(0.1)
    assert len(scene.events(f"corrupt:{B}:")) == 10
    other.say(*[f"{line}?" for line in lines], lines[0])
    assert end.hear_until(lines[0]) and other.closed is None
    scene.run(3 * PERIOD)
    assert desk.said_of(B)[3] == 20 and desk.said_of(A)[3] == 0


def test_a_line_that_its_origin_has_signed_twice_is_a_contradiction_and_a_copy():
    scene, desk, (one, end), (_, other) = scene_with(A, B)
    first = one.signed(2, "said", time=time_of(scene))
    end.say(first)
    scene.run(0.1)
    other.say(second := signed_again(first))
    assert parse_signed(second.encode()).is_good() and second != first
    assert scene.event(f"disconnected:{A}:contradicted itself")
    scene.run(3 * PERIOD)
    line, = desk.link.lines
    assert grammar.parse(line.encode())[1][0].is_true() and desk.link.closed is None
    assert desk.said_of(B)[:4] == (1, 0, 0, 0)


def test_who_brings_the_same_texts_in_other_lines_is_not_blamed():
    """Their origin has given each neighbour other lines, and is found out."""
    scene, desk, (one, end), (_, other) = scene_with(A, B)
    end.say(one.signed(2, "a", "b", "c", time=time_of(scene)))
    scene.run(0.1)
    other.say(*[one.signed(at, text, time=time_of(scene)) for at, text in zip((2, 3, 4), "abc")])
    assert scene.event(f"disconnected:{A}:contradicted itself")
    scene.run(3 * PERIOD)
    assert desk.said_of(B)[:4] == (3, 0, 0, 0)


def test_forbidden_messages_are_counted():
    scene, desk, (one, end), _ = scene_with(A, B, filter=("virus",))
    end.say(one.signed(2, "a virus", "of two"), one.signed(4, "fine", time=time_of(scene)))
    scene.run(3 * PERIOD)
    assert desk.said_of(A) == (0, 0, 0, 0, 2) and desk.said_of(B) == (1, 1, 0, 0, 0)


def test_the_next_seed_gets_the_last_six_reports_the_newest_first():
    scene, *desks = scene_with(seeds=3)
    scene.run(10.5 * PERIOD)
    told, = [desk for desk in desks if desk.reports]
    newest = told.reports[-1][1]
    assert newest >= 10 and sum(desk.link is not None for desk in desks) == 2
    told.link.hang_up()
    told.world.stop()
    scene.run(3 * PERIOD)
    other, = [desk for desk in desks if desk.reports and desk is not told]
    periods = [period for _, period, _ in other.reports]
    assert periods[:8] == [*range(newest + 1, newest - 5, -1), newest + 2, newest + 3]


def test_a_peer_that_leaves_reports_no_more():
    scene, desk, (_, end) = scene_with(A, quiet=True)
    end.stop_reading()
    scene.node.originate([f"{number} {'x' * 4_000}" for number in range(100)])
    scene.node.leave()
    scene.run(1.0)
    count = len(desk.reports)
    scene.node.monitor(scene.now)
    scene.run(0.1)
    assert len(desk.reports) == count


# Whom seeds shut out.

def refusal(machine: KeyMachine, scene: Scene) -> str:
    """Return what a machine is answered that wants to be a neighbour, behind a proof."""
    end = machine.dial()
    machine.say_connect(end, time_of(scene))
    return end.hear_until("connection", 6.0)


def listed(*addresses: str) -> str:
    return "peer list:" + ":".join(address.replace(":", "#") for address in addresses)


@pytest.mark.parametrize("line, reason", [
    ("kick:{}:0.500:600.000", "kicked"), ("unconfirmed:{}", "unconfirmed")])
def test_who_is_shut_out_is_left_refused_and_not_dialled(line, reason):
    scene, desk, (bad, end), (_, good) = scene_with(A, B, quiet=True)
    desk.link.say(line.format(A), line.format(A))
    assert scene.event(f"disconnected:{A}:{reason}") and end.ends_within(0.1)
    dialled = len(bad.ends)
    assert refusal(bad, scene) == f"connection refused:{NODE}:{reason}"
    assert len(bad.ends) == dialled, "it is not even probed"
    desk.link.say(listed(A, B))
    scene.run(30.0)
    scene.node.dial_peer(parse_address(A))
    scene.run(1.0)
    assert len(bad.ends) == dialled and good.closed is None
    assert scene.events("unconfirmed:") == [f"unconfirmed:{A}"] * (reason == "unconfirmed")
    assert len(scene.events("disconnected:")) == 1


def test_who_is_shut_out_may_be_gone_and_is_neither_dialled_again_nor_found_dead():
    scene, desk, (one, end) = scene_with(A, quiet=True, liveness_interval=1.0)
    end.break_off()
    one.world.stop()
    assert scene.event(f"disconnected:{A}:")
    desk.link.say(f"unconfirmed:{A}")
    assert scene.event(f"unconfirmed:{A}")
    scene.run(6.0)
    assert scene.events("liveness missed:") == scene.events("dead:") == []
    again = KeyMachine(scene, A)
    scene.run(1.0)
    assert again.ends == [] and refusal(again, scene) == f"connection refused:{NODE}:unconfirmed"


def test_who_is_shut_out_is_passed_over_on_the_ring_and_named_to_nobody():
    scene, desk, (_, end) = scene_with(C, quiet=True, capacity="fixed:2")
    bad, good = KeyMachine(scene, A), KeyMachine(scene, B)
    desk.link.say(f"kick:{A}:0.500:600.000", listed(A, B, AWAY))
    assert good.accept(5.0) and bad.ends == []
    desk.link.say(f"kick:{AWAY}:0.500:600.000")
    scene.run(0.1)
    end.say("known peers")
    assert end.hear_until("known peers:") == "known peers:127.0.0.1#6001:127.0.0.1#6002"


def accept(machine: KeyMachine, end) -> None:
    """Accept the node as a neighbour."""
    time = end.hear_until("proof:").rpartition(":")[2]
    end.say(accept_proof(machine.key, str(machine.address), NODE, time),
            f"connection accepted:{machine.address}")


def test_who_is_kicked_while_it_is_dialled_is_refused():
    scene, desk = scene_with()
    one = KeyMachine(scene, A)
    desk.link.say(listed(A))
    end = one.accept()
    desk.link.say(f"kick:{A}:0.500:600.000")
    scene.run(0.1)
    accept(one, end)
    assert end.hear_until("connection refused:") == KICKED and end.ends_within(0.1)
    assert scene.events("connected:") == [] and scene.node.neighbours.links == []


def test_who_is_kicked_while_it_is_probed_is_refused():
    scene, desk = scene_with()
    one = KeyMachine(scene, A, is_alive=False)
    end = one.dial()
    one.say_connect(end)
    probe = one.accept()
    desk.link.say(f"kick:{A}:0.500:600.000")
    scene.run(0.1)
    time, asker = probe.hear_until("Liveness Request:").split(":", 2)[1:]
    reply = f"Liveness Reply:{time}:{asker}:{A}"
    probe.say(one.key.proof(reply).decode().rstrip(), reply)
    assert end.hear_until("connection") == KICKED


@pytest.mark.parametrize("seconds, ban, lasts", [(20.0, 600.0, 20), (60_000.0, 30.0, 30)])
def test_a_ban_lasts_as_long_as_the_seed_says_but_no_longer_than_the_setting(seconds, ban, lasts):
    scene, desk, (one, _) = scene_with(A, quiet=True, ban=ban)
    desk.link.say(f"kick:{A}:0.500:{seconds:.3f}")
    scene.run(lasts - 1)
    assert refusal(one, scene) == KICKED
    scene.run(2)
    assert refusal(one, scene) == f"connection accepted:{NODE}"


def test_an_unconfirmed_neighbour_is_left_alone_for_the_time_of_a_ban():
    scene, desk, (one, _) = scene_with(A, quiet=True, ban=30.0)
    desk.link.say(f"unconfirmed:{A}")
    scene.run(29.0)
    assert refusal(one, scene).endswith(":unconfirmed")
    scene.run(2.0)
    assert refusal(one, scene) == f"connection accepted:{NODE}"
    desk.link.say(f"unconfirmed:{A}")
    scene.run(0.1)
    assert len(scene.events(f"unconfirmed:{A}")) == 2


def test_a_shorter_kick_does_not_shorten_a_ban():
    scene, desk, (one, _) = scene_with(A, quiet=True)
    desk.link.say(f"kick:{A}:0.500:600.000", f"kick:{A}:0.500:1.000")
    scene.run(10.0)
    assert refusal(one, scene) == KICKED


# A line with `gmessage:` in it is gossip to neighbours: that of evidence is a corrupt one.
SENTENCES = [f"kick:{B}:0.500:600.000", f"unconfirmed:{B}", evidence(B)]


@pytest.mark.parametrize("line", SENTENCES[:2], ids=["kick", "unconfirmed"])
def test_a_neighbour_that_speaks_like_a_seed_breaks_a_rule(line):
    scene, _, (_, end), (_, other) = scene_with(A, B, quiet=True)
    end.say(line)
    kind = line.partition(":")[0]
    assert scene.event("refused:") == f"refused:{A}:unexpected '{kind}' while NEIGHBOUR"
    scene.run(1.0)
    assert end.closed and other.closed is None


@pytest.mark.parametrize("line", SENTENCES, ids=["kick", "unconfirmed", "contradiction"])
def test_a_seed_that_does_not_list_this_peer_is_not_heard(line):
    scene, desk, (_, end) = scene_with(B, quiet=True)
    del desk.replies[f"register:{NODE}"]
    desk.link.hang_up()
    seed = desk.accept(5.0)
    assert seed.hear() == f"register:{NODE}"
    seed.say(line)
    assert scene.event("refused:").startswith(f"refused:{SEEDS[0]}:")
    scene.run(1.0)
    assert seed.closed and end.closed is None


def test_a_peer_that_is_kicked_itself_writes_that_once_for_each_seed():
    scene, *desks, (_, end) = scene_with(A, seeds=3, quiet=True)
    scene.run(1.0)
    for desk in desks:
        if desk.link is not None:
            desk.link.say(f"kick:{NODE}:0.500:600.000", f"kick:{NODE}:0.600:600.000",
                          f"unconfirmed:{NODE}")
    scene.run(1.0)
    assert sorted(scene.events("kicked:")) == [
        f"kicked:{desk.address}:0.500" for desk in desks if desk.link is not None]
    assert end.closed is None and scene.events("unconfirmed:") == []


def test_who_hangs_up_three_links_with_a_request_unanswered_is_refused_for_a_ban():
    scene, _ = scene_with(ban=60.0)
    one = KeyMachine(scene, A)
    one.replies[f"Connection with Peer:{NODE}"] = f"connection refused:{A}:full"

    def link(answers: bool) -> None:
        one.is_alive = True  # for the probe
        end = one.link(time_of(scene))
        one.is_alive = answers
        assert scene.pass_until(lambda: any(line.endswith(f":{NODE}") for line in end.lines)
                                or answers, 2 * PERIOD)
        scene.run(1.5 * PERIOD if answers else 0.1)
        end.hang_up()
        scene.run(0.1)

    for answers in False, False, True, False, False, False:
        link(answers)
    one.is_alive = True
    assert refusal(one, scene) == f"connection refused:{NODE}:answers nothing"
    scene.run(61.0)
    assert refusal(one, scene) == f"connection accepted:{NODE}"


def test_a_seed_that_does_not_answer_gets_no_report():
    scene, *desks = scene_with(seeds=3, liveness_interval=1.5 * PERIOD)
    scene.run(3 * PERIOD)
    told, = [desk for desk in desks if desk.reports]
    count = len(told.reports)
    told.replies[f"register:{NODE}"] = ""
    scene.run(4.4 * PERIOD)
    assert told.link.closed is None, "it may still answer"
    other, = [desk for desk in desks if desk.reports and desk is not told]
    assert len(told.reports) <= count + 3 and len(other.reports) >= 5


# Two signatures.

def test_a_contradiction_is_told_to_all_seeds_once_with_evidence_that_is_true():
    scene, *desks, (one, end), (_, other) = scene_with(A, B, seeds=3, quiet=True)
    scene.run(1.0)
    end.say(one.signed(3, "one", "more"), one.signed(5, "five"))
    other.say(one.signed(4, "other"))
    assert scene.event(f"disconnected:{A}:contradicted itself") and end.ends_within(0.1)
    scene.run(1.0)
    listing = [desk for desk in desks if desk.link is not None]
    line, = listing[0].link.lines
    assert len(listing) == 2 and listing[1].link.lines == [line]
    assert scene.events("contradiction:") == [line]
    kind, (found,) = grammar.parse(line.encode())
    assert kind == "contradiction" and found.is_true() and found.run.decode() == one.run
    other.say(one.signed(5, "another"))
    listing[0].link.say(line)
    scene.run(1.0)
    assert listing[0].link.lines == [line] and len(scene.events("contradiction:")) == 1
    assert other.closed is None


def test_what_a_seed_has_told_already_is_not_told_again():
    scene, desk, (one, end), (_, other) = scene_with(A, B, quiet=True)
    desk.link.say(evidence(A))
    assert scene.event("contradiction:")
    other.say(one.signed(8, "one"), one.signed(8, "other"))
    scene.run(1.0)
    assert len(scene.events("contradiction:")) == 1 and desk.link.lines == []


def test_a_run_that_contradicted_itself_is_refused_for_good_and_another_one_is_not():
    scene, desk, (one, end) = scene_with(A, quiet=True, ban=20.0)
    line = evidence(A)
    desk.link.say(line)
    assert scene.event("contradiction:") == line
    assert scene.event(f"disconnected:{A}:contradicted itself") and end.ends_within(0.1)
    scene.run(10.0)
    one.key, old = signer(A, "other"), one.key
    assert refusal(one, scene) == f"connection refused:{NODE}:contradicted itself"
    scene.run(11.0)
    assert refusal(one, scene) == f"connection accepted:{NODE}"
    one.key = old
    assert refusal(one, scene) == f"connection refused:{NODE}:contradicted itself"


def test_a_run_that_contradicted_itself_is_no_neighbour_by_a_dial_either():
    scene, desk = scene_with()
    one = KeyMachine(scene, A)
    desk.link.say(evidence(A), listed(A))
    end = one.accept()
    accept(one, end)
    assert end.hear_until("connection refused:").endswith(":contradicted itself")
    assert scene.events("connected:") == []


def test_evidence_about_a_run_says_nothing_about_the_one_that_is_a_neighbour_now():
    scene, desk, (_, end) = scene_with(A, quiet=True)
    desk.link.say(evidence(A, signer(A, "old")), evidence(NODE, scene.node._signer))
    scene.run(0.1)
    assert len(scene.events("contradiction:")) == 1 and end.closed is None


def test_a_seed_that_tells_of_signatures_that_are_not_good_is_not_heard_on():
    scene, desk, (_, end) = scene_with(A, quiet=True)
    word = evidence(A).split(":")[2]
    desk.link.say(evidence(A).replace(word, "A" * 85 + "Q", 1))
    assert scene.event("refused:").startswith(f"refused:{SEEDS[0]}:a contradiction that nobody")
    assert end.closed is None and scene.events("contradiction:") == []
