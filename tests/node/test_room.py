"""Where descriptors are short, the oldest link that is not verified gives way."""

from tests.tools.files import count
from tests.tools.waiting import wait_until


def test_a_link_that_is_not_verified_makes_room(modules):
    module = modules.module()
    stranger = modules.dial(module)
    wait_until(lambda: module.waiting_room.count() == 1)
    module.make_room("too many open files")
    assert stranger.hear_end() and count(module, "refused:") == 1
    module.make_room("too many open files")  # nobody is left who could go
    assert module.status()["times that descriptors were short"] == 2


def test_a_connection_that_has_not_introduced_itself_makes_room(net):
    peer, neighbour = net.peer(), net.fake()
    end, stranger = net.neighbour(peer, neighbour), net.dial(peer)
    wait_until(lambda: peer.waiting_room.count() == 1)
    peer.make_room("too many open files")
    assert stranger.hear_end() and peer.neighbours.link(neighbour.address) is not None
    end.say(f"Liveness Request:1.000000:{neighbour.address}")
    assert end.hear_until("Liveness Reply:")
