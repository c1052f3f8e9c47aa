"""Rumors: one neighbour after the other is told, answers and silence decide who else is."""

import functools
import time

import pytest

from grapevine.peer import Peer
from grapevine.ways import rumors
from tests.tools import virtual
from tests.tools.virtual import A, B, C, D, End, Scene, gossip, neighbour

RUN = f"{A}:7"
neighbours = functools.partial(virtual.neighbours, spread="rumor", rumor_stop=1e-9)


def told(ends: list[End], seconds: float = 0.2) -> dict[End, list[str]]:
    """Return who was told which rumors, without the prefix, within some seconds."""
    ends[0].scene.run(seconds)
    return {end: lines for end in ends
            if (lines := [line.removeprefix("rumor:") for line in end.hear_all(0.0)
                          if line.startswith("rumor:")])}


def test_a_message_is_told_to_one_neighbour_after_the_other_as_long_as_it_is_new_there():
    source, *others = neighbours(A, B, C, D)
    source.say(gossip(A, 1))
    passed = []
    for _ in others:
        (end, lines), = told(others).items()
        assert lines == [gossip(A, 1)] and end not in passed
        passed.append(end)
        end.say(f"status:took:{RUN}=1")
    assert told([source, *others], 5.0) == {}, "all were told, and nobody twice"


def test_after_a_neighbour_that_knew_it_a_coin_decides_whether_another_is_told():
    source, *others = neighbours(A, B, C, D, rumor_stop=1.0)
    source.say(gossip(A, 1))
    (end, _), = told(others).items()
    end.say(f"status:knew:{RUN}=1")
    assert told(others, 5.0) == {}
    source.say(gossip(A, 2))
    (end, _), = told(others).items()
    end.say(f"status:took:{RUN}=2")
    assert len(told(others)) == 1, "took tosses no coin"


@pytest.mark.parametrize("says", ["gmessage", "rumor"])
def test_who_tells_a_message_itself_is_not_told_it_any_more(says):
    source, *others = neighbours(A, B, C)
    source.say(gossip(A, 1))
    (end, _), = told(others).items()
    other, = [each for each in others if each is not end]
    other.say(gossip(A, 1) if says == "gmessage" else f"rumor:{gossip(A, 1)}")
    source.scene.run(0.1)
    end.say(f"status:took:{RUN}=1")
    assert told(others, 5.0) == {}


def test_rumors_of_others_are_answered_whatever_the_own_way_is():
    for spread in ("rumor", "flood", "tree"):
        end = neighbour(Scene(Peer, spread=spread), A)
        other = neighbour(end.scene, B)
        end.say(f"rumor:{gossip(A, 1)}", f"rumor:{gossip(A, 2)}", f"rumor:{gossip(A, 1)}")
        assert other.hear() == "rumor:" * (spread == "rumor") + gossip(A, 1), "as it is told here"
        assert end.hear_until("status:took") == f"status:took:{RUN}=1-2"
        end.say(f"rumor:{gossip(A, 2)}", f"rumor:{gossip(A, 3)}")
        assert end.hear_until("status:took") == f"status:took:{RUN}=3"
        assert end.hear_until("status:knew") == f"status:knew:{RUN}=2"


def test_a_neighbour_without_an_answer_is_silent_and_others_are_told_instead():
    source, *others = neighbours(A, B, C)
    source.say(gossip(A, 1))
    (mute, _), = told(others).items()
    assert told(others, 1.5) == {}
    (end, lines), = told(others, 0.5).items()
    assert end is not mute and lines == [gossip(A, 1)]
    end.say(f"status:took:{RUN}=1")


def test_who_never_answers_gets_everything_plainly_and_who_answers_again_is_told_rumors():
    source, mute = neighbours(A, B)
    source.say(gossip(A, 1))
    assert mute.hear() == f"rumor:{gossip(A, 1)}"
    source.say(gossip(B, 1))
    assert mute.hear() == f"rumor:{gossip(B, 1)}", "its answer may still come"
    source.scene.run(3.0)
    source.say(gossip(A, 2))
    assert mute.hear() == gossip(A, 2)
    mute.say(f"status:knew:{RUN}=2")
    source.say(gossip(A, 3))
    assert mute.hear() == f"rumor:{gossip(A, 3)}"


def test_who_answers_later_rumors_and_not_one_is_not_silent():
    source, other = neighbours(A, B)
    for number in 1, 2:
        source.say(gossip(A, number))
        source.scene.run(0.1)
    other.say(f"status:took:{RUN}=2")
    source.scene.run(3.0)
    other.hear_all(0.0)
    source.say(gossip(A, 3))
    assert other.hear() == f"rumor:{gossip(A, 3)}"


def test_who_has_much_to_answer_is_told_last():
    source, *others = neighbours(A, B, C)
    source.say(*[gossip(A, number, "x" * 65_400) for number in range(1, 5)])
    (slow, _), = told(others, 0.1).items()
    for number in range(5, 15):
        source.say(gossip(A, number))
        (quick, _), = told(others, 0.05).items()
        assert quick is not slow
        quick.say(f"status:took:{RUN}={number}")


def silenced() -> list[End]:
    """Return a source, and a neighbour that has answered its first rumor, but not the second."""
    source, other = neighbours(A, B)
    source.say(gossip(A, 1))
    other.hear()
    other.say(f"status:took:{RUN}=1")
    source.say(gossip(A, 2))
    assert other.hear() == f"rumor:{gossip(A, 2)}"
    source.scene.run(3.0)
    return [source, other]


def test_who_has_answered_before_and_is_silent_now_is_told_nothing_until_it_answers():
    source, other = silenced()
    source.say(gossip(A, 3))
    assert other.hear_all(3.0) == []
    other.say(f"status:took:{RUN}=2")
    source.say(gossip(A, 4))
    assert other.hear() == f"rumor:{gossip(A, 4)}"


@pytest.mark.parametrize("name, limit", [("HOT_LIMIT", 3), ("HOT_BYTES", 3 * len(gossip(A, 1)))])
def test_of_too_many_rumors_the_oldest_are_told_no_more_which_is_counted(monkeypatch, name, limit):
    monkeypatch.setattr(rumors, name, limit)
    source, _ = neighbours(A, B)
    source.say(*[gossip(A, number) for number in range(1, 6)])
    source.scene.run(0.1)
    status = source.scene.node.status()
    assert (status["rumors"], status["rumors dropped, too many"]) == (3, 2)


def test_a_line_that_is_too_long_for_a_rumor_is_passed_on_plainly():
    source, *others = neighbours(A, B, C)
    line = "x" * (131_072 - len(gossip(A, 1)) - 1) + ":" + gossip(A, 1)
    source.say(line)
    assert [end.hear() for end in others] == [line, line]
    source.scene.run(5.0)
    assert not any(end.closed for end in others)


def test_who_was_frozen_calls_nobody_silent_whose_answer_waits():
    source, other = neighbours(A, B)
    source.say(*[gossip(A, number, "x" * 10_000) for number in range(1, 31)])
    count = len(told([other])[other])
    world = source.scene.world
    world.freeze()
    other.say(f"status:took:{RUN}=1-{count}")
    source.scene.run(5.0)
    world.thaw()
    assert len(told([other], 2.0)[other]) == 30 - count


def test_a_silent_neighbour_is_tried_again_after_half_a_minute():
    source, other = silenced()
    source.scene.run(31.0)
    source.say(gossip(A, 3))
    assert other.hear() == f"rumor:{gossip(A, 3)}"


@pytest.mark.parametrize("how", ["hang_up", "break_off"])
def test_a_link_that_has_ended_with_a_rumor_unanswered_is_told_no_other(how):
    source, other = neighbours(A, B)
    source.say(gossip(A, 1))
    assert other.hear() == f"rumor:{gossip(A, 1)}"
    getattr(other, how)()
    source.scene.run(0.5)
    way = source.scene.node.way
    assert not way.is_busy() and way.counts()["neighbours that were told rumors"] <= 1


def test_too_much_for_all_queues_is_bounded():
    source, other = neighbours(A, B)
    source.say(*[gossip(A, number, "x" * 60_000) for number in range(1, 21)])
    assert len(told([other])[other]) < 8
    node = other.scene.node
    assert node.way.counts()["rumors"] < 12 and node.is_crowded()


def test_an_answer_that_names_everything_costs_nothing_and_settles_what_was_asked():
    source, *others = neighbours(A, B, C)
    source.say(gossip(A, 1))
    (end, _), = told(others).items()
    end.say(f"status:took:{RUN}=1-{2**63 - 1}")
    assert len(told(others)) == 1


def test_who_leaves_tells_what_still_waits():
    source, other = neighbours(A, B)
    lines = [gossip(A, number, "x" * 10_000) for number in range(1, 31)]
    source.say(*lines)
    heard = told([other])[other]
    other.scene.node.leave()
    heard += told([other])[other]
    assert heard == lines


def test_a_rumor_behind_thousands_of_prefixes_costs_no_more_than_its_bytes():
    one, other = neighbours(A, B)
    before = time.process_time()
    one.say(*["rumor:" * 20_000 + gossip(A, 1)] * 40)
    assert other.hear() == f"rumor:{gossip(A, 1)}"
    assert one.hear_until("status:knew:") == f"status:knew:{RUN}=1"
    one.scene.run(1.0)
    assert time.process_time() < before + 0.5, "to cut off one after the other took 1.5 s"
