"""Addresses and links that stand for peers where rules are tested without a socket; a pulse that
is set late."""

from gossip.addresses import Address, address_of


def peer(port: int) -> Address:
    return address_of("127.0.0.1", port)


class FakeLink:
    ended = False
    run = None  # that has proved itself
    cover = None  # that came last
    heard = 0.0

    def close(self, reason: str) -> None:
        self.ended = True


def run_late(node, seconds: float) -> None:
    """From now on a node's process runs its threads that late; with 0 it is on time again."""
    node.lateness = lambda: seconds
