"""A link that a node holds may end, break a rule, or make the node fail; duties and their times."""

import pytest

from grapevine.node import Duty
from grapevine.seed import Seed
from grapevine.worlds.virtual import NodeFailed
from tests.tools.virtual import A, End, Scene


def baking() -> tuple[Scene, Duty, list[float]]:
    """Return a node with a duty, which it does every minute, and sooner when somebody asks; and
    when it did."""
    scene, baked = Scene(Seed), []

    def bake(now: float) -> float:
        baked.append(round(now, 1))
        return now + 60.0

    return scene, scene.node.schedule("oven", bake, 60.0), baked


def test_a_duty_is_done_when_it_is_due_and_at_the_soonest_moment_that_was_asked_for():
    scene, oven, baked = baking()
    scene.run(130.0)
    assert baked == [60.0, 120.0]
    for due in 150.0, 140.0, 170.0:
        oven.by(due)
    scene.run(25.0)
    assert baked[2:] == [140.0]
    oven.wake()
    oven.wake()
    scene.run(50.0)
    assert baked[3:] == [155.0]
    scene.run(20.0)
    assert baked[4:] == [215.0]


@pytest.mark.parametrize("due", [5.0, float("-inf")])
def test_a_duty_that_is_asked_for_at_a_moment_that_is_over_makes_nobody_late(due):
    scene, oven, baked = baking()
    scene.run(10.0)
    told = scene.events("late:")
    oven.by(due)
    scene.run(0.1)
    assert baked == [10.0] and scene.events("late:") == told and not scene.node.is_late()


def test_who_stood_still_and_is_stopped_before_any_duty_is_done_says_so():
    scene, _, baked = baking()
    scene.run(50.0)
    scene.world.freeze()
    scene.run(30.0)
    scene.node.stop("interrupted")
    late, stopped = scene.event("late:", 0.0), scene.event("stopped:", 0.0)
    assert float(late.partition(":")[2]) >= 20.0 and stopped and baked == []


def test_a_duty_for_which_no_thread_was_left_is_done_when_it_is_asked_for_again(monkeypatch):
    def lack_thread(*arguments, **keywords):
        raise OSError("no thread left")

    scene, oven, baked = baking()
    with monkeypatch.context() as patch:
        patch.setattr(scene.world, "later", lack_thread)
        with pytest.raises(OSError):
            oven.by(1.0)
    oven.by(2.0)
    scene.run(3.0)
    assert len(baked) == 1


def refused(*lines: str) -> End:
    """Return a connection that a seed holds for a second, while these lines wait."""
    end = Scene(Seed).machine(A).dial()
    end.say("register:nonsense", *lines)
    assert end.hear().startswith("registration refused:")
    return end


def test_a_held_link_may_end():
    end = refused("peer list")
    scene, [link] = end.scene, end.scene.node.links
    scene.run(2.0)
    scene.node.hold(link, lambda: False)
    end.break_off()
    scene.run(4.0)
    made = scene.net.made
    scene.run(6.0)
    assert not scene.node.links and scene.net.made == made  # nobody looks after it any more


def test_a_link_ends_if_what_waited_while_it_was_held_makes_the_node_fail():
    end = refused("peer list", "peer list")
    end.scene.node.on_ask_peer_list = None  # which cannot be called
    with pytest.raises(NodeFailed):
        end.scene.run(1.1)
    assert end.ends_within(0.5)
