"""The waiting room: the oldest gives way."""

from gossip.node.waiting_room import WaitingRoom


def test_the_oldest_gives_way_in_a_full_waiting_room():
    room = WaitingRoom(2)
    assert room.enter("a") is None and room.enter("b") is None
    room.leave("a")
    assert room.enter("c") is None and room.enter("d") == "b"
    assert room.pop_oldest() == "c" and room.pop_oldest() == "d" and room.pop_oldest() is None
