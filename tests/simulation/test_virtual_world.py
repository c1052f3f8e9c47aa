"""A virtual world: dials, deadlines, duties, freezing, and waiting that is forbidden."""

import errno
import random

import pytest

from gossip.addresses import address_of
from gossip.node.link import Link
from gossip.node.world import NEVER
from gossip.settings import Settings
from gossip.simulation.virtual_duties import WouldWait
from gossip.simulation.virtual_links import Cables, Cabling
from gossip.simulation.virtual_time import VirtualTime
from gossip.simulation.virtual_world import DEADLINE_LOOK, START, NodeFailed, VirtualWorld
from gossip.spread.flood import CROWDED, MANY, Flood
from gossip.wire import LINE_LIMIT, WireError

SETTINGS = Settings(probe_limit=2.0)
LATENCY = 0.1


class Node:
    """Writes down what its world tells it, and does as little as a node may."""

    def __init__(self, cabling, port, clock=0.0, lag=0.0):
        self.address = address_of("127.0.0.1", port)
        self.settings = SETTINGS
        self.told = []  # words, with what they are about
        self.links = []
        self.words = []  # what this node says when a dialled link stands
        self.limit = None  # seconds until whoever is accepted has to say something
        self.world = VirtualWorld(cabling, self, random.Random(port), clock, lag)

    def new_link(self, connection=None):
        link = Link("a role", SETTINGS, self.world.flusher, self.world.now, connection)
        self.links.append(link)
        return link

    def dial(self, other):
        link = self.new_link()
        link.peer = other.address
        self.world.dial(link)
        return link

    def accept(self, connection, remote):
        self.told.append("accept")
        link = self.new_link(connection)
        if self.limit is not None:
            link.await_line(self.world.now() + self.limit)
        return link

    def up(self, link):
        self.told.append("up")
        for word in self.words:
            link.send(word)

    def lines(self, link, lines):
        self.told += lines

    def fault(self, link, error):
        self.told.append(error if isinstance(error, WireError) else error.errno)
        link.close("fault")

    def ended(self, link):
        self.told.append("ended")
        link.finish()

    def turn(self, now):
        self.told.append(round(now, 3))


class Pair:
    """Two nodes, one of which is to dial the other."""

    def __init__(self, **cables):
        self.time = VirtualTime()
        self.cabling = Cabling(self.time, Cables(**{"latency": (LATENCY, LATENCY), **cables}),
                               random.Random(1))
        self.one, self.other = Node(self.cabling, 5000), Node(self.cabling, 5001)
        for node in (self.one, self.other):
            node.world.listen()

    def linked(self):
        """Link them; return the two links."""
        link = self.one.dial(self.other)
        self.run()
        assert self.one.told == ["up"] and self.other.told == ["accept"]
        self.one.told.clear()
        self.other.told.clear()
        return link, self.other.links[-1]

    def run(self, seconds=10.0):
        self.time.run(self.time.now + seconds)


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
    assert pair.cabling.listener(pair.one.address) is None


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
    here.await_line(pair.time.now + 30.0)
    pair.other.links[0].send(b"in time\n")  # whoever reads looks at the deadline, too
    pair.run(29.9)
    assert pair.one.told == [b"in time"]
    pair.run(0.2)
    assert [str(what) for what in pair.one.told[1:]] == ["no valid line in time", "ended"]


def test_an_infinite_deadline_is_looked_at_now_and_then_as_others_may_move_it(pair):
    link = pair.one.dial(pair.other)
    link.await_no_line()
    pair.run(20.0)
    assert pair.one.told == ["up"]
    link.await_line(pair.time.now)
    pair.run(DEADLINE_LOOK)
    assert isinstance(pair.one.told[1], WireError) and pair.one.told[2:] == ["ended"]


def test_a_deadline_that_is_put_off_is_not_missed(pair):
    link = pair.one.dial(pair.other)
    link.await_line(3.0)
    pair.time.run(2.0)
    link.prolong(5.0)
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
        here.await_line(pair.time.now + 4.0 - number / 20)  # each time sooner
        there.send(b"%d\n" % number)
        pair.run(0.01)
    here.await_no_line()
    for number in range(50):
        there.send(b"%d\n" % number)
        pair.run(0.01)
    before = pair.time.calls
    pair.run(20 * DEADLINE_LOOK)
    assert not here.ended and pair.time.calls - before < 100


@pytest.mark.parametrize("last_words", [[b"too late\n"], []])
def test_after_a_freeze_a_deadline_that_has_passed_comes_before_all_that_waits(pair, last_words):
    link = pair.one.dial(pair.other)
    link.await_line(3.0)
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
    assert [str(what) for what in pair.one.told] == ["up", "no valid line in time", "ended"]


def test_a_line_that_is_too_long_ends_the_link_behind_the_lines_before_it(pair):
    here, there = pair.linked()
    here.send(b"a line\n" + bytes(LINE_LIMIT + 1))
    pair.run()
    assert [str(what) for what in pair.other.told] == [
        str(b"a line"), f"line longer than {LINE_LIMIT} bytes", "ended"]


# Freezing.

def test_a_frozen_nodes_turns_and_bytes_wait_and_come_in_the_order_of_each_connection(pair):
    links = [pair.other.dial(pair.one) for _ in range(5)]
    pair.run()
    pair.one.told.clear()
    pair.one.world.keep("a duty", pair.one.turn, after=1.0)
    pair.one.world.freeze()
    for number in range(10):
        for name, link in zip(b"abcde", links):
            link.send(b"%c%d\n" % (name, number))
        pair.run(1.0)
    for link in links:
        link.close("done")
    pair.run()
    assert pair.one.told == [] and pair.one.world.is_frozen()
    pair.one.world.thaw()
    for name, link in zip(b"abcde", pair.one.links):
        mine = [what for what in pair.one.told if isinstance(what, bytes) and what[0] == name]
        assert mine == [b"%c%d" % (name, number) for number in range(10)]
        assert link.ended
    assert pair.one.told.count("ended") == 5 and pair.one.told.count(30.0) == 1
    names = [what[0] for what in pair.one.told if isinstance(what, bytes)]
    assert names != sorted(names)  # which connection is first is left to chance


def test_the_kernel_of_a_frozen_node_accepts_and_the_node_hears_of_it_later(pair):
    pair.one.world.freeze()
    pair.other.words = [b"hello\n"]
    link = pair.other.dial(pair.one)
    pair.run()
    assert pair.other.told == ["up"] and pair.one.told == []
    link.close("nobody answers")
    pair.run()
    pair.one.world.thaw()
    pair.run()
    assert pair.one.told == ["accept", b"hello", "ended"]
    assert pair.other.told == ["up", "ended"]


def test_what_arrives_at_the_moment_of_the_thaw_comes_behind_what_waited():
    pair = Pair(bandwidth=float("inf"))
    here, there = pair.linked()
    pair.other.world.freeze()
    here.send(b"first\n")
    pair.run()
    here.send(b"second\n")
    here.close("done")
    pair.time.at(pair.time.now + LATENCY, pair.other.world.thaw)
    pair.run()
    assert pair.other.told == [b"first", b"second", "ended"]


# Duties.

def answering(node, *answers):
    """A turn that answers one after the other."""
    answers = iter(answers)

    def turn(now):
        node.turn(now)
        return next(answers)
    return turn


def test_a_turn_comes_first_after_its_wait_and_then_at_each_time_that_it_answers(pair):
    duty = pair.one.world.keep("a duty", answering(pair.one, 5.0, 3.0, NEVER), after=2.0)
    pair.run()
    assert pair.one.told == [2.0, 5.0, 5.0] and duty.turns == 3
    assert duty.label == "'a duty' of 127.0.0.1:5000"


def test_a_hurried_duty_is_called_once_at_once_and_then_when_it_answered_last(pair):
    duty = pair.one.world.keep("a duty", answering(pair.one, 8.0, 6.0, 8.0, NEVER))
    for _ in range(2):
        pair.time.at(1.0, duty.hurry)
    pair.run()
    assert pair.one.told == [0.0, 1.0, 6.0, 8.0]


def test_a_turn_that_answers_none_is_called_only_when_hurried_and_never_is_for_good(pair):
    duty = pair.one.world.keep("a duty", answering(pair.one, None, NEVER))
    pair.run()
    assert pair.one.told == [0.0]
    duty.hurry()
    pair.run()
    duty.hurry()
    pair.run()
    assert pair.one.told == [0.0, 10.0]


@pytest.mark.parametrize("answer, called", [(9.0, [0.0, 0.0]), (NEVER, [0.0])])
def test_a_duty_hurried_during_its_turn_is_called_again_unless_it_is_over(pair, answer, called):
    def turn(now):
        pair.one.turn(now)
        if len(pair.one.told) == 1:
            duty.hurry()
            return answer

    duty = pair.one.world.keep("a duty", turn)
    pair.run()
    assert pair.one.told == called


def test_a_threads_delay_makes_duties_late_but_not_much(pair):
    late = Node(pair.cabling, 5002, lag=0.5)
    for _ in range(20):
        late.world.keep("a duty", late.turn, after=1.0)
    pair.run()
    assert len(late.told) == 20 and 1.0 <= min(late.told) < max(late.told) <= 1.5


def test_a_nodes_clock_may_be_ahead_but_seconds_are_the_same_for_all(pair):
    ahead = Node(pair.cabling, 5002, clock=100.0)
    pair.run()
    assert ahead.world.now() == pair.one.world.now() == 10.0
    assert pair.one.world.time() == START + 10.0 and ahead.world.time() == START + 110.0


# What no node may do.

def test_a_node_that_raises_is_named_with_what_it_was_about(pair):
    def turn(now):
        raise KeyError("a table")

    pair.one.world.keep("a duty", turn)
    with pytest.raises(NodeFailed, match="127.0.0.1:5000, 'a duty' .*KeyError.*a table"):
        pair.run()
    pair.linked()[0].send(b"hello\n")
    pair.other.lines = lambda link, lines: turn(0.0)
    with pytest.raises(NodeFailed, match="127.0.0.1:5001, a connection of .*KeyError"):
        pair.run()


def test_what_is_handed_over_is_done_soon_and_in_order(pair):
    for number in range(3):
        pair.one.world.flusher.take_over(lambda number=number: pair.one.told.append(number))
    assert pair.one.told == []
    pair.run()
    assert pair.one.told == [0, 1, 2]


def test_flooding_beyond_what_may_wait_is_forbidden_loudly(pair):
    links = [pair.one.new_link() for _ in range(MANY)]  # so that the flusher is to send it
    flood = Flood(lambda: links, pair.one.world.flusher)

    def bring_too_much(now):
        for _ in range(5):
            flood.forward([bytes(CROWDED // 4)], None)

    pair.one.world.keep("a duty", bring_too_much)
    with pytest.raises(NodeFailed, match="a duty.*WouldWait"):
        pair.run()


def test_waiting_for_room_is_forbidden_loudly_only_while_there_is_none():
    pair = Pair(buffer=1000)
    here, there = pair.linked()
    flusher = pair.one.world.flusher
    flusher.wait_for_room([here])
    pair.other.world.freeze()
    here.trust()
    here.send(bytes(SETTINGS.origin_limit + 2000))
    assert not flusher.has_room([here])
    with pytest.raises(WouldWait):
        flusher.wait_for_room([here])


def test_a_condition_lets_pass_what_holds_already(pair):
    condition = pair.one.world.flusher.condition()
    with condition:
        condition.notify_all()
        assert condition.wait_for(lambda: True)
        with pytest.raises(WouldWait):
            condition.wait_for(lambda: False)
        with pytest.raises(WouldWait):
            condition.wait(1.0)
