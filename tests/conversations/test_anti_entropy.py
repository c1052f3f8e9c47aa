"""Anti-entropy with one neighbour or two, as the node says it. Values: tables/test_sync.py.

The session in grapevine/WIRE.md is kept here."""

import functools

import pytest

import grapevine.messages
from grapevine.peer import Peer
from tests.tools import virtual
from tests.tools.virtual import A, B, C, gossip, neighbour, with_seed

NOTHING, ALL = "0" * 32, "f" * 16
neighbours = functools.partial(
    virtual.neighbours, antientropy_interval=10.0, liveness_interval=1000.0)


def test_the_session_of_the_wires_page():
    """The end that dials begins, so the test says the first digest here."""
    end, other = neighbours("127.0.0.1:5099", "127.0.0.1:5002")
    one = "127.0.0.1:5003"
    other.say(*[gossip(one, number, f"message {number}", 1795212848487) for number in (1, 2)])
    end.hear_all(0.1)
    end.say(f"status:digest:{NOTHING}")
    assert end.hear_all(0.1) == [f"status:seen:{one}:1795212848487=1-2", f"status:show:{ALL}"]
    end.say("status:seen:", f"status:show:{ALL}")
    assert end.hear_all(0.1) == []  # it has been told unasked
    end.say(f"status:want:{one}:1795212848487=1-2")
    assert end.hear_all(0.1) == [
        *[gossip(one, number, f"message {number}", 1795212848487) for number in (1, 2)],
        "status:sent"]


def test_a_digest_is_said_to_a_random_neighbour_every_interval_and_at_once_by_who_has_dialled():
    one, other = neighbours(A, B)
    one.scene.run(60.0)
    said = [line for end in (one, other) for line in end.lines]
    assert said == [f"status:digest:{NOTHING}"] * len(said) and 5 <= len(said) <= 6
    assert one.lines and other.lines
    scene, _ = with_seed(Peer, A, antientropy_interval=100.0)
    end = scene.machine(A).accept()
    end.say(f"connection accepted:{A}")
    assert end.hear_until("status:", 0.1) == f"status:digest:{NOTHING}"


# Fetching.

def test_what_is_lacking_is_asked_for_and_what_comes_is_forwarded():
    one, other = neighbours(A, B)
    one.say(gossip(C, 2))
    one.say(f"status:seen:{C}:7=1-5 {B}:8=1 {B}:6=1")
    assert one.hear() == f"status:want:{B}:6=1 {B}:8=1 {C}:7=1,3-5"
    one.say(gossip(C, 1), gossip(C, 3), *[gossip(B, 1, start=at) for at in (6, 8)], "status:sent")
    assert one.hear() == f"status:want:{C}:7=4-5"
    one.say(gossip(C, 4), gossip(C, 5), "status:sent")
    assert one.hear_all() == []
    assert len(other.hear_all()) == 7


def test_one_neighbour_at_a_time_is_asked_and_another_after_two_seconds():
    one, other = neighbours(A, B)
    for end in (one, other):
        end.say(f"status:seen:{C}:7=1")
    want = f"status:want:{C}:7=1"
    assert one.hear(0.1) == want
    assert other.hear(1.8) is None
    assert other.hear(0.3) == want
    other.say(gossip(C, 1), "status:sent")
    assert one.hear_until("gmessage:") == gossip(C, 1)


def test_when_the_neighbour_that_was_asked_leaves_another_is_asked_at_once():
    one, other = neighbours(A, B)
    for end in (one, other):
        end.say(f"status:seen:{C}:7=1")
    one.hear(0.1)
    one.hang_up()
    assert other.hear(0.1) == f"status:want:{C}:7=1"


def test_what_a_neighbour_was_asked_for_and_has_no_more_is_written_down_once():
    end, = neighbours(A)
    end.say(f"status:gone:{C}:7=1-4", f"status:seen:{B}:6=1 {C}:7=1-5")
    end.hear_until("status:want:")
    end.say(gossip(C, 5), *[f"status:gone:{A}:9=1 {C}:7=1-3,5-9"] * 3, "status:sent")
    end.say(*[f"status:gone:{C}:7=4"] * 3)
    end.hear_all()
    assert end.scene.events("gone:") == [f"gone:{A}:{C}:7={numbers}" for numbers in ("1-3", "4")]


def test_verbs_of_ways_of_spreading_need_no_answer():
    end, = neighbours(A)
    end.say(f"status:prune:{A}:7=1", f"status:graft:{A}:7=1", f"status:took:{A}:7=1",
            f"status:knew:{A}:7=1", f"status:gone:{A}:7=1", "status:meet seen:", "status:sent")
    assert end.hear_all(5.0) == [] and end.closed is None


def test_what_had_no_room_is_fetched_once_a_seed_has_named_its_origin():
    scene, seed = with_seed(Peer, "127.0.0.1:4001", antientropy_interval=1000.0,
                            liveness_interval=1000.0, rate=0)
    end = neighbour(scene, A)
    for first in range(1, 30_001, 1_000):
        end.say(*[gossip(A, 1, "", start) for start in range(first, first + 1_000)])
        scene.run(0.01)
    end.say(gossip(C, 1))
    assert scene.pass_until(lambda: scene.node.status().get("no room") == 1, 1.0)

    def compare() -> list[str]:
        """Return what the node asks for, once it is told that the neighbour has a message of C."""
        end.hear_all(1.0)
        end.say("status:digest:" + "1" * 32, f"status:seen:{C}:7=1")
        return [line.partition(":")[2] for line in end.hear_all(0.1) if "seen" not in line]

    assert len(compare()) == 1  # status:parts
    assert compare() == []
    seed.replies["peer list"] = "peer list:127.0.0.1#6003"
    seed.ends[0].say("peer list:127.0.0.1#6003")
    assert compare() == [f"want:{C}:7=1"]
    end.say(gossip(C, 1), "status:sent")
    assert scene.event(f"received:{A}:{gossip(C, 1)}")


def test_what_a_neighbour_has_no_more_is_written_once_each_and_never_asked_for_again():
    end, = neighbours(A)
    runs = " ".join([f"{B}:{start}=1-9" for start in range(1, 301)])
    end.say("status:digest:" + "1" * 32, f"status:seen:{runs}")
    end.say(end.hear_until("status:want:").replace("want", "gone"), "status:sent")
    for _ in range(2):
        heard = end.hear_all(110.0)
        assert not any(line.startswith("status:want:") for line in heard)
        assert len(end.scene.events("gone:")) == 300
        end.say("status:digest:" + "2" * 32, f"status:seen:{runs}")


def test_gaps_of_others_neither_end_the_link_of_a_newcomer_nor_hide_a_run_without_any(monkeypatch):
    """Whoever fills all gaps with large numbers would make a vector of more than 8 MiB, which
    waits for a newcomer that has to hear everything; and its link would end, whenever it comes."""
    monkeypatch.setattr(grapevine.messages, "VECTOR_BYTES", 60_000)
    end, = neighbours(A, rate=0)
    for start in range(1, 9):
        end.say(*[gossip(A, 10**18 + 2 * at, "", start) for at in range(500)])
    end.say(gossip(B, 1))
    end.scene.run(0.1)
    newcomer = neighbour(end.scene, C)
    newcomer.say(f"status:digest:{NOTHING}", f"status:show:{ALL}")
    seen = [line for line in newcomer.hear_all(0.5) if line.startswith("status:seen:")]
    assert seen[0].startswith(f"status:seen:{B}:7=1 "), "what has fewest gaps comes first"
    assert 40_000 < sum(map(len, seen)) <= 61_000
    newcomer.say(f"status:seen:{A}:9={','.join(str(2 * at) for at in range(1, 100))} {B}:8=1")
    assert newcomer.hear_until("status:want:").startswith(f"status:want:{B}:8=1 ")


@pytest.mark.parametrize("digest", [NOTHING, "1" * 32])
def test_who_says_messages_with_which_digests_are_equal_hides_nothing_from_a_newcomer(digest):
    """A newcomer with nothing, or with one message of that peer, would hear that both have the
    same. Such messages can be found by solving equations, because a digest is an XOR."""
    end, = neighbours(A)
    end.say(gossip(B, 1))
    end.scene.node.messages.digest = lambda: digest
    newcomer = neighbour(end.scene, C)
    newcomer.say(f"status:digest:{digest}")
    assert newcomer.hear_until("status:seen:") == f"status:seen:{B}:7=1"
