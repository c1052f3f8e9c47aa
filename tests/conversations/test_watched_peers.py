"""What a peer that watches reports of its neighbours."""

from zlib import crc32

import pytest

from grapevine import messages
from grapevine.monitoring import grammar
from grapevine.monitoring.peer import GAPS
from grapevine.signing.grammar import parse_signed
from grapevine.worlds.virtual import START
from tests.tools.monitoring import (
    A, AWAY, B, C, PERIOD, signed_again, tell, time_of, watched_scene)
from tests.tools.signing import KeyMachine
from tests.tools.virtual import NODE


def texts(end) -> list[str]:
    return [line.rpartition(":")[2] for line in end.lines if line.startswith("signed:")]


def requests(machine) -> list[str]:
    return [line for line in machine.said if line.startswith("Liveness Request:")]


def test_a_report_a_period_names_every_neighbour_the_run_and_the_period():
    scene, desk, *_ = watched_scene(A, B, quiet=True)
    scene.run(5.5 * PERIOD)
    assert len(desk.reports) in (5, 6)
    assert [(start, period) for start, period, _ in desk.reports] == [
        (scene.node.start_number, period) for period in range(1, len(desk.reports) + 1)]
    assert all(found == {A: (0,) * 5, B: (0,) * 5} for _, _, found in desk.reports)


def test_a_run_that_speaks_counts_for_four_periods_after_most_seeds_have_named_it_last():
    scene, desk, source, _ = watched_scene(A, B)
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
    scene, desk, source, forwarder, withholder = watched_scene(A, B, C)
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
    scene, desk, source, (other, end) = watched_scene(A, B, liveness_misses=1)
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


def test_replies_to_the_rounds_of_liveness_count_as_well():
    scene, desk, source, (other, end) = watched_scene(A, B, liveness_interval=25.0)
    assert scene.events("liveness reply:"), "rounds of liveness are written down as ever"
    tell(scene, source, 2)
    scene.run(3 * PERIOD)
    assert desk.said_of(B)[:3] == (1, 1, 0)


@pytest.mark.parametrize("hours", [1, -1])
def test_neighbours_owe_what_is_said_after_all_clocks_were_set(hours):
    scene, desk, source, _ = watched_scene(A, B)
    true = scene.node.time
    scene.node.time = lambda: true() + hours * 3_600
    tell(scene, source, *range(2, 7))
    scene.run(3 * PERIOD)
    assert desk.said_of(B)[:3] == (5, 5, 0)


def test_what_is_made_here_is_owed_by_nobody():
    scene, desk, (_, end) = watched_scene(A)
    scene.node.originate(["mine"])
    scene.run(3 * PERIOD)
    assert texts(end) == ["mine"] and desk.said_of(A)[:3] == (0, 0, 0)


@pytest.mark.parametrize("named, is_proved, late", [
    (3, False, 0), (3, True, 20), (2, False, 20), (1, True, 1_000), (0, True, 1_000)])
def test_a_run_counts_once_most_seeds_name_it_and_later_if_they_differ(named, is_proved, late):
    """Or if it had proved itself here before: one that answers all but a peer and the seeds, and
    these when that peer has denied it, had the peer kicked by all its neighbours."""
    scene, *desks, source, other = watched_scene(A, B, seeds=3, quiet=True)
    for desk in desks[named:]:
        desk.runs = {}
    scene.run(2.5)
    origin = source[0] if is_proved else KeyMachine(scene, AWAY)
    tell(scene, source, 1, of=origin)
    scene.run(PERIOD)  # the seeds are asked
    for number in range(2, 7):
        tell(scene, source, number, of=origin)
        scene.run(0.8 * PERIOD)
    scene.run(2 * PERIOD)
    owed = sum(desk.said_of(B)[0] for desk in desks if desk.said_of(B))
    assert scene.events("received:")[-1].endswith("text 6") and source[1].closed is None
    assert owed in {0: [5], 20: [2, 3, 4], 1_000: [0]}[late]


@pytest.mark.parametrize("before, after, counts", [(15, 16, True), (31, 0, True), (16, 1, False)])
def test_a_run_counts_only_if_seeds_will_still_name_it_to_others(before, after, counts):
    """Its address could show them other keys until they forget it, and those who ask then deny it:
    an honest peer was kicked for what it had to refuse."""
    scene, desk, source, other = watched_scene(A, B, quiet=True)
    origin = KeyMachine(scene, AWAY)
    desk.runs = {AWAY: [*range(1, before + 1), origin.key.start, *range(101, 101 + after)]}
    scene.run(2.5)
    tell(scene, source, 1, of=origin)
    scene.run(PERIOD)  # the seed is asked
    tell(scene, source, 2, of=origin)
    scene.run(3 * PERIOD)
    assert scene.events("received:")[-1].endswith("text 2")
    assert desk.said_of(B)[:2] == ((1, 1) if counts else (0, 0))


def test_a_run_that_seeds_do_not_name_is_asked_about_again():
    scene, desk, source, other = watched_scene(A, B, quiet=True)
    desk.runs = {}
    scene.run(2.5)
    tell(scene, source, 1)
    scene.run(5 * PERIOD)
    assert desk.said.count(f"runs:{A}:{source[0].key.start}") == 1, "not while it says nothing"
    desk.runs = {A: [source[0].key.start]}
    for number in range(2, 7):
        tell(scene, source, number)
        scene.run(PERIOD)
    scene.run(2 * PERIOD)
    assert 1 <= desk.said_of(B)[0] < 5


def test_a_line_that_came_before_its_run_was_known_counts_as_brought():
    scene, desk, _, (_, early), (_, late) = watched_scene(A, B, C)
    line = KeyMachine(scene, AWAY).signed(1, "x", time=f"{START + scene.now + 1:.6f}")
    for end in early, late:
        end.say(line)
        scene.run(0.1)
    scene.run(3 * PERIOD)
    assert desk.said_of(A)[:2] == (1, 1) and desk.said_of(B)[:2] == (1, 0)


def test_lines_that_had_no_room_count_as_brought(monkeypatch):
    """Else forbidden lines, which one peer alone gets, leave gaps to those to which it forwards
    what lies between, and which hear all of it from another later."""
    monkeypatch.setattr(messages, "RUN_GAPS", 4)
    scene, desk, (machine, source), (_, early) = watched_scene(A, B)
    lines = [machine.signed(number, "x", time=time_of(scene)) for number in range(2, 22)]
    for end, some in (early, lines[1::2]), (source, lines):
        end.say(*some)
        scene.run(0.1)
    scene.run(3 * PERIOD)
    assert scene.node.messages.dropped["no room"] and desk.said_of(B)[:2] == (20, 0)


def test_nobody_owes_messages_of_a_run_with_many_gaps():
    scene, desk, source, _ = watched_scene(A, B)
    for number in range(2, 21):
        tell(scene, source, 20 * number)
    scene.run(3 * PERIOD)
    assert desk.said_of(B)[:3] == (GAPS - 1, GAPS - 1, 0)


def test_nobody_owes_rumors_and_copies_of_them_are_judged_all_the_same():
    scene, desk, source, (_, end) = watched_scene(A, B, spread="rumor")
    rumors = [f"rumor:{source[0].signed(number, 'x', time=time_of(scene))}"
              for number in range(2, 12)]
    source[1].say(*rumors)
    scene.run(0.1)
    end.say(*rumors[:4], "rumor:gmessage:1:2")
    scene.run(3 * PERIOD)
    assert desk.said_of(B) == (4, 0, 0, 1, 0)


def test_along_a_tree_the_first_hundred_numbers_and_one_line_in_four_are_owed():
    scene, desk, source, other, _ = watched_scene(A, B, C, spread="tree")
    numbers = range(2, 301)
    tell(scene, other, *numbers, of=source[0])
    scene.run(3 * PERIOD)
    owed = sum(number <= 100 or crc32(f"{source[0].run}:{number}".encode()) % 4 == 0
               for number in numbers)
    assert desk.said_of(C)[:3] == (owed, owed, 0) and 120 < owed < 180
    assert desk.said_of(B)[:3] == (owed, 0, owed)


def test_corrupt_lines_are_written_down_and_counted_and_the_link_stays():
    scene, desk, (one, end), (_, other) = watched_scene(A, B)
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
    scene, desk, (one, end), (_, other) = watched_scene(A, B)
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


def test_forbidden_messages_are_counted():
    scene, desk, (one, end), _ = watched_scene(A, B, filter=("virus",))
    end.say(one.signed(2, "a virus", "of two"), one.signed(4, "fine", time=time_of(scene)))
    scene.run(3 * PERIOD)
    assert desk.said_of(A) == (0, 0, 0, 0, 2) and desk.said_of(B) == (1, 1, 0, 0, 0)


def test_the_next_seed_gets_the_last_six_reports_the_newest_first():
    scene, *desks = watched_scene(seeds=3)
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
    scene, desk, (_, end) = watched_scene(A, quiet=True)
    end.stop_reading()
    scene.node.originate([f"{number} {'x' * 4_000}" for number in range(100)])
    scene.node.leave()
    scene.run(1.0)
    count = len(desk.reports)
    scene.node.monitor(scene.now)
    scene.run(0.1)
    assert len(desk.reports) == count


def test_nobody_is_judged_by_a_run_that_contradicted_itself():
    scene, desk, (one, end), _, (_, third) = watched_scene(A, B, C)
    tell(scene, (one, end), *range(2, 10))
    third.say(one.signed(9, "other", time=time_of(scene)))
    assert scene.event("disconnected:")
    third.say(one.signed(10, "later", time=time_of(scene)))
    scene.run(3 * PERIOD)
    assert scene.events("received:")[-1].endswith(":later"), "which is taken all the same"
    assert desk.said_of(B)[1] == 0 and desk.said_of(C)[1] == 0
