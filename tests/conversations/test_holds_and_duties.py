"""A link that a node holds may end, break a rule, or make the node fail; duties and their times."""

import pytest

from grapevine.asking import LineNode
from grapevine.tools import ProtocolError
from grapevine.worlds.virtual import NodeFailed
from tests.tools.virtual import End, Scene

A = "127.0.0.1:6001"


class Shop(LineNode):
    """A node that sells what it has, one by one; a customer waits while the shelf is empty."""

    ANSWERS = {"UNIDENTIFIED": {"buy": "on_buy", "look": "on_look"}}

    def __init__(self, address, settings, output, world, seeds):
        super().__init__(address, settings, output, world)
        self.shelf = 1

    def start(self) -> None:
        self.world.listen(self.accepted)

    def parse(self, message: bytes) -> tuple[str, tuple]:
        kind = message.decode().rstrip()
        if kind not in ("buy", "look"):
            raise ProtocolError("we do not sell that")
        return kind, ()

    def on_buy(self, link) -> None:
        self.shelf -= 1
        link.send(b"sold\n")
        self.hold(link, lambda: self.shelf > 0)

    def on_look(self, link) -> None:
        link.send(b"%d there\n" % self.shelf)


class ClumsyShop(Shop):
    def on_look(self, link) -> None:
        raise RuntimeError("clumsy")


class Baker(Shop):
    """A node with a duty: it bakes for each minute, and sooner when somebody asks."""

    def start(self) -> None:
        super().start()
        self.baked: list[float] = []
        self.oven = self.keep("oven", self.bake, 60.0)

    def bake(self, now: float) -> float:
        self.baked.append(round(now, 1))
        return now + 60.0


def customer(kind=Shop) -> tuple[Scene, End]:
    scene = Scene(kind)
    return scene, scene.machine(A).dial()


def test_a_duty_is_done_when_it_is_due_and_at_the_soonest_moment_that_was_asked_for():
    scene = Scene(Baker)
    baker = scene.node
    scene.run(130.0)
    assert baker.baked == [60.0, 120.0]
    baker.oven.by(150.0)
    baker.oven.by(140.0)
    baker.oven.by(170.0)
    scene.run(25.0)
    assert baker.baked[2:] == [140.0]
    baker.oven.hurry()
    baker.oven.hurry()
    scene.run(50.0)
    assert baker.baked[3:] == [155.0]
    scene.run(20.0)
    assert baker.baked[4:] == [215.0]


def test_a_duty_for_which_no_thread_was_left_is_done_when_it_is_asked_for_again(monkeypatch):
    def lack_thread(*arguments, **keywords):
        raise OSError("no thread left")

    scene = Scene(Baker)
    baker = scene.node
    with monkeypatch.context() as patch:
        patch.setattr(scene.world, "later", lack_thread)
        with pytest.raises(OSError):
            baker.oven.by(baker.now() + 1.0)
    baker.oven.by(baker.now() + 2.0)
    scene.run(3.0)
    assert len(baker.baked) == 1


def test_a_held_link_may_end():
    scene, end = customer()
    end.say("buy", "look")
    scene.run(0.1)
    end.break_off()
    scene.run(6.0)
    made = scene.net.made
    scene.run(6.0)
    assert not scene.node.links and scene.net.made == made  # nobody looks after it any more


def test_a_broken_rule_among_lines_that_waited_ends_the_link():
    scene, end = customer()
    end.say("buy", "look", "steal", "look")
    end.hear()
    scene.node.shelf = 1
    assert end.hear_all() == ["1 there"] and end.closed
    assert scene.event("refused:").endswith(":we do not sell that")


def test_a_link_ends_if_what_waited_while_it_was_held_makes_the_node_fail():
    scene, end = customer(ClumsyShop)
    end.say("buy", "buy", "buy", "look", "buy")
    with pytest.raises(NodeFailed):
        scene.run(1.0)
        scene.node.shelf = 5
        scene.run(1.0)
    assert end.ends_within(0.5)
