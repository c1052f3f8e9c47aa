"""Where descriptors are short, the oldest link that is not verified gives way."""

import math

from gossip.node.node import WAITING, WaitingRoom
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


def test_who_introduces_itself_while_it_is_chosen_to_give_way_stays(net):
    """The listener chooses outside of a turn."""
    peer = net.peer()
    peer.waiting_room = WaitingRoom(1)
    older, newcomer, last = (peer.new_link(WAITING) for _ in range(3))
    peer.await_introduction(older)
    older.trust()  # its reader is about to have it leave the room
    peer.await_introduction(newcomer)
    newcomer.deadline = math.inf  # as a seed does that probes it
    peer.await_introduction(last)
    peer.await_introduction(peer.new_link(WAITING))
    assert [link.ended for link in (older, newcomer, last)] == [False, False, True]
