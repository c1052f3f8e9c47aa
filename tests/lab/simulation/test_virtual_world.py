"""A virtual world: dials, ends, and deadlines."""

import errno
import math

import pytest

from gossip.lab.simulation.virtual_world import DEADLINE_LOOK
from gossip.settings import LATE_FOR
from gossip.wire import LINE_LIMIT, WireError
from tests.tools.virtual import Node, Pair


@pytest.fixture
def pair():
    return Pair()


# Dialling.

def test_a_dial_is_answered_after_two_latencies_and_lines_pass_both_ways(pair):
    pair.one.words = [b"hello\n"]
    link = pair.one.dial(pair.other)
    pair.time.run(0.15)
    assert pair.one.told == [] and pair.other.told == ["accept"]
    pair.time.run(0.25)
    assert pair.one.told == ["up"] and link.remote == str(pair.other.address)
    pair.run()
    assert pair.other.told == ["accept", b"hello"]
    pair.other.links[0].send(b"hello, too\n")
    pair.run()
    assert pair.one.told == ["up", b"hello, too"]


def test_where_nobody_listens_a_dial_is_refused_at_once(pair):
    pair.other.world.wake()
    pair.one.dial(pair.other)
    pair.time.run(0.25)
    assert pair.one.told == [errno.ECONNREFUSED, "ended"] and pair.other.told == []


@pytest.mark.parametrize("silence", ["cut", "power", "far"])
def test_where_no_answer_comes_a_dial_takes_its_whole_time(pair, silence):
    if silence == "cut":
        pair.cabling.cut(frozenset([pair.one.address]))
    elif silence == "power":
        pair.other.world.lose_power()
    else:
        pair = Pair(latency=(1.1, 1.1))
    pair.one.dial(pair.other)
    pair.time.run(1.99)
    assert pair.one.told == []
    pair.run()
    assert pair.one.told == [errno.ETIMEDOUT, "ended"] and pair.other.told == []
    assert pair.one.world.ends() == []


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.15])
def test_a_dial_is_over_as_soon_as_its_link_is_closed(pair, moment):
    link = pair.one.dial(pair.other)
    pair.time.run(moment)
    link.close("no longer wanted")
    pair.time.run(0.18)
    assert pair.one.told[-1:] == ["ended"] and link.reason == "no longer wanted"
    pair.run()
    assert "up" not in pair.one.told and pair.one.told.count("ended") == 1
    assert pair.other.told in ([], ["accept", "ended"])


def test_a_dial_across_a_cut_is_over_as_soon_as_its_link_is_closed(pair):
    pair.cabling.cut(frozenset([pair.one.address]))
    link = pair.one.dial(pair.other)
    pair.time.run(0.5)
    link.close("no longer wanted")
    pair.time.run(0.6)
    assert pair.one.told == ["ended"]
    pair.run()
    assert pair.one.told == ["ended"]


def test_a_connection_that_breaks_before_the_dialler_knows_of_it_is_no_link(pair):
    link = pair.one.dial(pair.other)
    pair.time.run(0.15)
    [end] = pair.other.world.ends()
    end.reset()
    end.other.reset()
    pair.run()
    assert pair.one.told == ["ended"] and pair.other.told == ["accept", "ended"]
    assert link.ended and pair.one.world.ends() == pair.other.world.ends() == []


def test_a_connection_that_the_node_refuses_ends_at_both_ends(pair):
    pair.other.accept = lambda connection, remote: None
    pair.one.dial(pair.other)
    pair.run()
    assert pair.one.told == ["up", "ended"]
    assert pair.one.world.ends() == pair.other.world.ends() == []


# Ends.

def test_a_link_that_is_closed_ends_once_at_both_ends_behind_its_last_words(pair):
    here, there = pair.linked()
    here.send(b"goodbye\n")
    here.close("done")
    here.close("again")
    pair.run()
    assert pair.one.told == ["ended"] and here.reason == "done"
    assert pair.other.told == [b"goodbye", "ended"]
    assert there.reason == "closed by the other end" and not there.cut_short
    assert pair.one.world.ends() == pair.other.world.ends() == []


def test_a_node_that_ends_closes_its_connections_and_is_not_called_again(pair):
    pair.linked()
    pair.one.dial(pair.other)
    pair.one.world.keep("a duty", pair.one.turn, after=1.0)
    pair.one.world.wake()
    pair.one.world.close()
    pair.run()
    assert pair.one.told == [] and pair.other.told == ["ended"]
    assert pair.one.address not in pair.cabling.listening


def test_a_node_without_power_is_not_called_and_its_neighbour_hears_of_its_return(pair):
    here, there = pair.linked()
    pair.one.world.keep("a duty", pair.one.turn)
    pair.one.world.lose_power()
    there.send(b"are you there?\n")
    pair.run()
    assert pair.one.told == [] and pair.other.told == []
    Node(pair.cabling, 5000).world.listen()
    pair.run()
    assert pair.other.told == ["ended"] and there.reason == "Connection reset by peer"


def test_what_a_connection_did_not_take_is_sent_when_there_is_room():
    pair = Pair(buffer=100)
    here, there = pair.linked()
    sent = [b"%d" % number * 10 for number in range(100, 200)]
    for line in sent:
        here.send(line + b"\n")
    assert here.waiting() > 100
    pair.run(100.0)
    assert pair.other.told == sent and here.waiting() == 0


def test_a_node_that_was_frozen_says_that_it_was_late_before_anything_else(pair):
    here, _ = pair.linked()
    told = len(pair.other.told)
    pair.other.world.freeze()
    here.send(b"a line\n")
    pair.run(3.0)
    pair.other.world.thaw()
    assert pair.other.late == [(pytest.approx(3.0), told)]
    assert pair.other.told[told:] == [b"a line"]


def test_a_frozen_node_holds_up_its_neighbour_and_reads_everything_later():
    pair = Pair(buffer=100)
    here, there = pair.linked()
    pair.other.world.freeze()
    sent = [b"%d" % number * 10 for number in range(100, 200)]
    for line in sent:
        here.send(line + b"\n")
        pair.run(0.1)
    assert pair.other.told == [] and here.waiting() > 100
    pair.other.world.thaw()
    pair.run(100.0)
    assert pair.other.told == sent and here.waiting() == 0


# Deadlines.

def test_a_link_that_rests_is_read_again_at_its_time(pair):
    here, there = pair.linked()
    there.rest_until = pair.time.now + 1.0
    here.send(b"first\n")
    pair.run(0.5)
    here.send(b"second\n")
    pair.run(0.49)
    assert pair.other.told == []
    pair.run(0.02)
    assert pair.other.told == [b"first", b"second"]


@pytest.mark.parametrize("lag", [0.0, 0.3])
def test_what_came_before_the_end_of_a_link_that_rests_is_read_first(lag):
    pair = Pair()
    pair.other = Node(pair.cabling, 5002, lag=lag)
    pair.other.world.listen()
    here, there = pair.linked()
    there.rest_until = pair.time.now + 1.0
    here.send(b"last words\n")
    here.close("done")
    pair.run(0.9)
    assert pair.other.told == []
    pair.run()
    assert pair.other.told == [b"last words", "ended"]


def test_a_link_that_is_closed_while_it_rests_ends_at_once(pair):
    here, there = pair.linked()
    there.rest_until = pair.time.now + 1.0
    here.send(b"never read\n")
    pair.run(0.5)
    there.close("no longer wanted")
    pair.run(0.01)
    assert pair.other.told == ["ended"]


def test_a_line_that_is_due_and_does_not_come_is_missed_at_its_time(pair):
    here, _ = pair.linked()
    here.deadline = pair.time.now + 30.0
    pair.other.links[0].send(b"in time\n")  # whoever reads looks at the deadline, too
    pair.run(29.9)
    assert pair.one.told == [b"in time"]
    pair.run(0.2)
    assert [str(what) for what in pair.one.told[1:]] == ["no valid line in time", "ended"]


def test_an_infinite_deadline_is_looked_at_now_and_then_as_others_may_move_it(pair):
    link = pair.one.dial(pair.other)
    link.deadline = math.inf
    pair.run(20.0)
    assert pair.one.told == ["up"]
    link.deadline = pair.time.now
    pair.run(DEADLINE_LOOK)
    assert isinstance(pair.one.told[1], WireError) and pair.one.told[2:] == ["ended"]


def test_a_deadline_that_is_put_off_is_not_missed(pair):
    link = pair.one.dial(pair.other)
    link.deadline = 3.0
    pair.time.run(2.0)
    link.deadline = 5.0
    pair.time.run(4.0)
    assert pair.one.told == ["up"]
    pair.time.run(5.0)
    pair.run()
    assert pair.one.told[2:] == ["ended"]


def test_whoever_is_accepted_and_says_nothing_is_missed(pair):
    pair.other.limit = 3.0
    pair.one.dial(pair.other)
    pair.run()
    assert [str(what) for what in pair.other.told] == ["accept", "no valid line in time", "ended"]


def test_a_deadline_is_looked_at_seldom_however_often_it_is_moved(pair):
    here, there = pair.linked()
    for number in range(50):
        here.deadline = pair.time.now + 4.0 - number / 20  # each time sooner
        there.send(b"%d\n" % number)
        pair.run(0.01)
    here.deadline = math.inf
    for number in range(50):
        there.send(b"%d\n" % number)
        pair.run(0.01)
    before = pair.time.calls
    pair.run(20 * DEADLINE_LOOK)
    assert not here.ended and pair.time.calls - before < 100


@pytest.mark.parametrize("last_words, heard", [
    ([b"in time\n"], [b"in time", "no valid line in time"]), ([], [])])
def test_after_a_freeze_what_waits_is_looked_at_before_a_deadline_that_has_passed(
        pair, last_words, heard):
    link = pair.one.dial(pair.other)
    link.deadline = 3.0
    pair.time.run(1.0)
    pair.one.world.freeze()
    there = pair.other.links[0]
    for word in last_words:
        there.send(word)
    there.close("over")
    pair.time.run(20.0)
    assert pair.one.told == ["up"]
    pair.one.world.thaw()
    pair.run()
    assert ([str(what) for what in pair.one.told]
            == ["up", *map(str, heard), "ended"])


def test_what_came_while_a_process_stood_still_counts_as_nobody_knows_when_it_came(pair):
    link = pair.one.dial(pair.other)
    link.deadline = 3.0
    pair.time.run(1.0)
    pair.one.world.freeze()
    pair.time.run(10.0)
    pair.other.links[0].send(b"a line\n")
    pair.time.run(20.0)
    pair.one.world.thaw()
    pair.run()
    assert [str(what) for what in pair.one.told] == [
        "up", str(b"a line"), "no valid line in time", "ended"]


def test_a_line_that_is_too_long_ends_the_link_behind_the_lines_before_it(pair):
    here, there = pair.linked()
    here.send(b"a line\n" + bytes(LINE_LIMIT + 1))
    pair.run()
    assert [str(what) for what in pair.other.told] == [
        str(b"a line"), f"line longer than {LINE_LIMIT} bytes", "ended"]


def test_a_process_that_stood_still_is_late_by_that_time_for_some_seconds(pair):
    world = pair.one.world
    assert world.lateness() == world.worst_lateness() == 0.0
    world.freeze()
    pair.run(3.0)
    world.thaw()
    assert world.lateness() == pytest.approx(3.0)
    pair.run(LATE_FOR - 0.1)
    assert world.lateness() == pytest.approx(3.0)
    pair.run(0.2)
    assert world.lateness() == 0.0 and world.worst_lateness() == pytest.approx(3.0)
    assert pair.other.world.lateness() == pair.other.world.worst_lateness() == 0.0


def test_a_process_that_is_frozen_twice_stood_still_from_the_first_time_on(pair):
    world = pair.one.world
    world.freeze()
    pair.run(3.0)
    world.freeze()
    pair.run(0.5)
    world.thaw()
    assert world.lateness() == pytest.approx(3.5)
