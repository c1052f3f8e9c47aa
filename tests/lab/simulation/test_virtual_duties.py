"""A virtual world: freezing, duties, and waiting that is forbidden."""

import pytest

from gossip.lab.simulation.virtual_world import START, NodeFailed, WouldWait
from gossip.node.link import ORIGIN_LIMIT
from gossip.node.world import NEVER
from tests.tools.virtual import LATENCY, Node, Pair


@pytest.fixture
def pair():
    return Pair()


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


def test_what_is_handed_over_for_later_is_done_then(pair):
    for after in (3.0, 1.0, 2.0):
        pair.one.world.flusher.take_over(lambda after=after: pair.one.told.append(after), after)
    pair.run(2.5)
    assert pair.one.told == [1.0, 2.0]
    pair.run()
    assert pair.one.told == [1.0, 2.0, 3.0]


def test_waiting_for_room_is_forbidden_loudly_only_while_there_is_none():
    pair = Pair(buffer=1000)
    here, there = pair.linked()
    world = pair.one.world

    def has_room():
        return not here.pauses_origin(world.now())
    world.flusher.wait_until(has_room, 2.0)
    pair.other.world.freeze()
    here.trust()
    here.send(bytes(ORIGIN_LIMIT + 2000))
    assert not has_room()
    with pytest.raises(WouldWait):
        world.flusher.wait_until(has_room, 2.0)


def test_waiting_lets_pass_what_holds_already(pair):
    flusher = pair.one.world.flusher
    flusher.notify()
    flusher.wait_until(lambda: True, 2.0)
    with pytest.raises(WouldWait):
        flusher.wait_until(lambda: False, 2.0)
