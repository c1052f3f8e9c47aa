"""Trees: who repeats is pruned, quiet links hear announcements, who lacks news is pushed to."""

import functools

import pytest

from grapevine.peer import Peer
from tests.tools import virtual
from tests.tools.virtual import A, B, C, D, End, Scene, gossip

RUN = f"{A}:7"
neighbours = functools.partial(virtual.neighbours, spread="tree")


def heard(end: End, word: str = "", seconds: float = 0.1) -> list[str]:
    return [line for line in end.hear_all(seconds) if line.startswith(word)]


def begun(*peers: str) -> list[End]:
    """Return neighbours, the first of which is the parent of its run, whose message 1 all know."""
    ends = neighbours(*peers)
    ends[0].say(gossip(A, 1))
    for end in ends[1:]:
        assert heard(end) == [gossip(A, 1)]
    return ends


def test_the_first_message_is_flooded_and_who_repeats_it_is_pruned_once_but_not_the_parent():
    parent, other, third = begun(A, B, C)
    other.say(gossip(A, 1))
    assert heard(other) == [f"status:prune:{RUN}=1"]
    other.say(gossip(A, 1))
    parent.say(gossip(A, 1))
    assert heard(other) == heard(parent) == heard(third) == []
    parent.scene.run(5.0)
    other.say(gossip(A, 1))
    assert heard(other) == [f"status:prune:{RUN}=1"], "it goes on repeating"


def test_a_prune_silences_one_link_for_one_run_until_a_graft():
    parent, other, third = begun(A, B, C)
    other.say(f"status:prune:{RUN}=1")
    parent.say(gossip(A, 2), gossip(D, 1))
    assert heard(other, "gmessage") == [gossip(D, 1)]
    assert heard(third, "gmessage") == [gossip(A, 2), gossip(D, 1)]
    other.say(f"status:graft:{RUN}=1")
    assert heard(other) == [f"status:seen:{RUN}=1-2"], "what was not pushed"
    parent.say(gossip(A, 3))
    assert heard(other, "gmessage") == [gossip(A, 3)]


def test_what_came_together_of_many_runs_goes_on_together():
    parent, other = begun(A, B)
    link, sent = parent.scene.node.neighbours.link(other.machine.address), []
    link.send = sent.append
    lines = [gossip(C, 1, start=start) for start in range(1, 101)]
    parent.say(*lines)
    parent.scene.run(0.1)
    assert sent == ["".join(f"{line}\n" for line in lines).encode()]


def test_a_quiet_link_hears_once_what_was_seen_half_a_second_later():
    parent, other, third = begun(A, B, C)
    other.say(f"status:prune:{RUN}=1")
    parent.scene.run(2.0)
    other.hear_all(0.0)
    parent.say(gossip(A, 2))
    assert heard(other, seconds=0.45) == []
    assert heard(other, seconds=0.4) == [f"status:seen:{RUN}=1-2"]
    assert heard(other, seconds=3.0) == heard(third, "status", 0.0) == []


def test_who_has_announced_as_much_hears_no_announcement():
    parent, other = begun(A, B)
    other.say(f"status:prune:{RUN}=1")
    parent.scene.run(2.0)
    other.hear_all(0.0)
    parent.say(gossip(A, 2))
    parent.scene.run(0.1)
    other.say(f"status:seen:{RUN}=1-2")
    assert heard(other, seconds=3.0) == []


def test_an_announcement_has_the_last_ranges_of_a_run():
    parent, other = begun(A, B)
    other.say(f"status:prune:{RUN}=1")
    parent.say(*[gossip(A, number) for number in range(3, 203, 2)])
    line = heard(other, "status:seen", 3.0)[-1]
    assert line.count(",") == 49 and line.endswith(",201")


def repaired() -> list[End]:
    """Return a parent, and a neighbour that was pruned, and is to push again, because it had what
    the parent has left out."""
    parent, other = begun(A, B)
    other.say(gossip(A, 1))
    assert heard(other) == [f"status:prune:{RUN}=1"]
    parent.scene.run(2.0)
    other.say(f"status:seen:{RUN}=1-2")
    assert heard(other) == [f"status:want:{RUN}=2"]
    other.say(gossip(A, 2), "status:sent")
    assert heard(other) == [f"status:graft:{RUN}=1"]
    return [parent, other]


def test_the_parent_stays_when_a_pruned_link_is_to_push_again():
    parent, other = repaired()
    other.say(gossip(A, 3))
    parent.say(gossip(A, 3))
    assert heard(parent, "status:prune") == []


def test_who_has_pushed_again_what_its_parent_left_out_goes_on_for_five_seconds():
    parent, other = repaired()
    parent.say(gossip(A, 3))
    other.say(gossip(A, 3))
    assert heard(other, "status:prune", 4.0) == []
    other.scene.run(1.0)
    other.say(gossip(A, 3))
    assert heard(other, "status:prune")


def test_a_repaired_run_may_be_forgotten_at_once_because_many_others_have_news():
    parent, other = begun(A, B)
    other.say(gossip(A, 1))
    assert heard(other, "status:prune")
    peers = [f"127.0.0.1:{10_000 + at}" for at in range(1_001)]
    for at in range(0, 999, 100):
        parent.say(*[gossip(peer, 1) for peer in peers[at:min(at + 100, 999)]])
        parent.scene.run(1.0)
    other.say(*[f"status:seen:{peer}:7=1-2" for peer in [A, *peers]])
    assert heard(other, "status:want")
    other.say(gossip(A, 2), *[gossip(peer, 2) for peer in peers[:999]],
              *[gossip(peer, 1) for peer in peers[999:]], "status:sent")
    assert heard(other, "gmessage") == [] and other.closed is None


def test_of_many_that_were_pruned_eight_replace_a_parent():
    parent, *others = begun(*[f"127.0.0.1:{6001 + n}" for n in range(20)])
    for end in others:
        end.say(gossip(A, 1))
        heard(end)
    parent.hang_up()
    assert sum(bool(heard(end, "status:graft")) for end in others) == 8


def test_a_parent_that_repeats_the_latest_message_long_after_gives_way_to_who_was_faster():
    parent, other = begun(A, B)
    parent.scene.run(6.0)
    other.say(gossip(A, 2))
    parent.say(gossip(A, 2))
    assert heard(parent, "status") == [f"status:prune:{RUN}=1"]
    other.say(gossip(A, 3))
    assert heard(parent, "gmessage") == [gossip(A, 3)]


def test_what_an_origin_says_after_its_first_message_waits_a_moment_once():
    end, = neighbours(A)
    node = end.scene.node
    node.originate(["one", "two"])
    node.originate(["three"])
    assert len(heard(end, "gmessage", 0.03)) == 1 and node.way.is_busy()
    assert len(heard(end, "gmessage", 0.1)) == 2 and not node.way.is_busy()
    node.originate(["four", "five"])
    assert len(heard(end, "gmessage", 0.03)) == 2


@pytest.mark.parametrize("do", ["leave", "much"])
def test_what_is_held_back_leaves_before_its_peer_and_is_never_much(do):
    end, = neighbours(A)
    node = end.scene.node
    node.originate(["one", "two"])
    if do == "leave":
        node.leave()
    else:
        node.originate(["x" * 50_000] * 3)
    assert len(heard(end, "gmessage", 0.03)) == (2 if do == "leave" else 5)


def test_without_neighbours_nothing_is_held_back():
    scene = Scene(Peer, spread="tree")
    scene.node.originate(["one", "two"])
    assert not scene.node.way.is_busy()


def test_the_run_that_was_used_longest_ago_is_flooded_again():
    parent, other = begun(A, B)
    other.say(f"status:prune:{RUN}=1")
    for at in range(0, 1_000, 100):
        parent.say(*[gossip(A, 1, start=1_000 + at + n) for n in range(100)])
        parent.scene.run(1.0)
    heard(other)
    parent.say(gossip(A, 2))
    assert gossip(A, 2) in heard(other, "gmessage")


def test_in_a_flood_of_new_runs_most_get_no_tree_and_all_are_passed_on():
    parent, other = neighbours(A, B)
    parent.say(*[gossip(A, 1, start=1_000 + n) for n in range(900)])
    assert len(heard(other, "gmessage", 1.0)) == 900
    assert 200 <= other.scene.node.way.counts()["runs with a parent"] < 500


def test_more_prunes_than_a_neighbour_may_say_are_ignored():
    parent, other = neighbours(A, B)
    runs = [f"{A}:{1_000 + n}" for n in range(400)]
    for at in range(0, 400, 50):
        parent.say(*[gossip(A, 1, start=1_000 + n) for n in range(at, at + 50)])
        parent.scene.run(0.5)
    heard(other)
    for at in range(0, 400, 100):
        other.say("status:prune:" + " ".join(f"{run}=1" for run in runs[at:at + 100]))
    parent.scene.run(0.01)
    assert 200 <= other.scene.node.way.counts()["links not pushed to"] < 300


def test_own_messages_are_pushed_to_all_that_did_not_prune():
    end, other = neighbours(A, B)
    node = end.scene.node
    node.originate(["one"])
    heard(end), heard(other)
    other.say(f"status:prune:{node.run}=1")
    end.scene.run(0.5)
    other.hear_all(0.0)
    node.originate(["two"])
    assert len(heard(end, "gmessage")) == 1 and heard(other, "gmessage") == []
