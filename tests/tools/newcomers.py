"""Newcomers in the hands of a test, and a peer without a free place for them."""

from gossip.capacity import fixed
from tests.tools.fakes import run_late
from tests.tools.hands import FakePeer
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until


class Says(FakePeer):
    """Answers each of those who want to be its neighbours with the same lines."""

    def __init__(self, net, *answers, address=None):
        self.said = answers
        super().__init__(address or free_address())
        net.ends.append(self)

    def reply(self, line):
        if line.startswith("Connection with Peer:"):
            return "".join(f"connection {said.format(self.address)}\n" for said in self.said)
        return super().reply(line)


def ask(net, peer, address):
    """A hand-made connection that asks for a link in this address's name."""
    end = net.dial(peer)
    end.say(f"Connection with Peer:{address}")
    return end


def rounds(peer, number):
    """Wait for so many further liveness rounds."""
    until = peer.linking.places._round + number
    wait_until(lambda: peer.linking.places._round >= until)


def full_peer(net, own, *others, **changes):
    """A peer whose places are all held by hand-made neighbours, and that is never late; their
    ends."""
    peer = net.peer(own, capacity=fixed(len(others)), liveness_interval=60, **changes)
    run_late(peer, 0.0)
    return peer, [net.neighbour(peer, net.fake(address)) for address in others]
