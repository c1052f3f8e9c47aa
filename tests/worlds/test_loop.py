"""What only the loop has: other threads post calls, and urgent links are served within a round."""

import errno
import socket
import threading
import time

import pytest

from tests.worlds.stages import LoopStage

pytestmark = pytest.mark.parametrize("stage", [LoopStage], indirect=True)


def test_a_call_that_another_thread_posts_wakes_the_loop(stage):
    made = []
    thread = threading.Timer(0.1, stage.loop.post, (made.append, "call"))
    thread.start()
    begun = time.monotonic()
    while not made:
        stage.loop.round(10.0)
    thread.join()
    assert made == ["call"] and time.monotonic() - begun < 9.0
    for number in range(1_000):  # more than the kernel keeps of what wakes it
        stage.loop.post(made.append, number)
    stage.loop.round(1.0)
    assert made[1:] == list(range(1_000))


def test_a_link_that_has_to_say_something_in_time_is_served_before_a_long_round_ends(stage, pair):
    slow = [pair.a.dial(stage.address(pair.b)) for _ in range(20)]
    assert stage.passes(lambda: len(pair.b.links) == 21)
    pair.there.deadline = 1e9  # it is urgent
    pair.a.send(pair.here, b"soon")
    assert stage.passes(lambda: pair.b.heard(pair.there))
    pair.b.acts["took"] = lambda link, data: time.sleep(0.02) or (
        link is pair.b.links[5] and pair.a.send(pair.here, b"urgent"))
    for link in slow:
        pair.a.send(link, b"bulk")
    stage.loop.post(pair.b.note, "posted")  # which is served in the midst of the round, too
    assert stage.passes(lambda: pair.b.words().count("took") == 22)
    order = [detail for what, _, detail in pair.b.told if what == "took"]
    assert order.index(b"urgent") < 19, "before the others of its round"


def test_no_call_overtakes_bytes_that_have_come(stage, pair):
    pair.b.acts["took"] = lambda link, data: data == b"first" and (
        pair.a.send(pair.here, b"second"), pair.b.later(0.0, "call"))
    pair.a.send(pair.here, b"first")
    assert stage.passes(lambda: "call" in pair.b.words())
    assert pair.b.words() == ["accepted", "took", "took", "call"]


def test_a_node_that_ends_in_the_midst_of_a_round_is_served_no_more(stage, pair):

    def kill():
        pair.b.stopping = True  # as a worker does, so that no file tells of its end
        pair.b.world.stop()
        pair.b.world.end("killed")

    stage.loop.post(kill)  # which is ready first
    pair.a.send(pair.here, b"too late")
    stage.loop.round(1.0)
    assert pair.there.closed == "killed" and not pair.b.heard(pair.there)


def test_a_door_for_which_descriptors_are_short_has_strangers_end_and_opens_again(stage,
                                                                                  monkeypatch):
    def fail(door):
        raise OSError(errno.EMFILE, "Too many open files")

    node, other = stage.node(), stage.node()
    node.crowd_out = lambda error: node.note("crowd_out")
    with monkeypatch.context() as shortage:
        shortage.setattr(socket.socket, "accept", fail)
        other.dial(stage.address(node))
        assert stage.passes(lambda: "crowd_out" in node.words())
        begun = time.monotonic()
        assert stage.passes(lambda: node.words().count("crowd_out") == 2)
        assert time.monotonic() - begun > 0.05, "it rests meanwhile"
    assert stage.passes(lambda: "accepted" in node.words())
