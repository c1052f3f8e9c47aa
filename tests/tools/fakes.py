"""Addresses and links that stand for peers where rules are tested without a socket."""

from gossip.addresses import Address, address_of


def peer(port: int) -> Address:
    return address_of("127.0.0.1", port)


class FakeLink:
    ended = False
