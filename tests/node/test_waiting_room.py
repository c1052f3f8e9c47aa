"""The waiting room: the oldest connection of the crowd gives way."""

from gossip.node.node import WaitingRoom


class Waiting:
    def __init__(self, ip):
        self.remote_ip = ip


def links(*ips):
    return [Waiting(ip) for ip in ips]


def test_the_oldest_gives_way_in_a_full_waiting_room():
    a, b, c, d = links(*["127.0.0.1"] * 4)
    room = WaitingRoom(2)
    assert room.enter(a) is None and room.enter(b) is None
    room.leave(a)
    assert room.enter(c) is None and room.enter(d) is b
    assert room.give_way() is c and room.give_way() is d and room.give_way() is None
    assert room.count() == 0


def test_a_host_with_many_connections_pushes_out_none_but_its_own():
    honest, *crowd = links("127.0.0.2", *["127.0.0.1"] * 50)
    room = WaitingRoom(10)
    assert room.enter(honest) is None
    gone = [room.enter(link) for link in crowd]
    assert gone == [None] * 9 + crowd[:41] and room.count() == 10
