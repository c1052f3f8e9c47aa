"""Nodes that speak no lines: frames of bytes, datagrams, two doors. In all worlds."""

import pytest

from grapevine.link import Link
from grapevine.node import UNIDENTIFIED, UP, Node
from grapevine.tools import ProtocolError

SHOP = "SHOP"


class Shop(Node):
    """Sells over two doors, in frames of a byte for the length; a datagram is answered by a
    datagram."""

    ANSWERS = {
        UNIDENTIFIED: {"buy": "on_buy"},
        SHOP: {UP: "came_in", "sold": "on_sold"},
    }

    def start(self) -> None:
        self.stock, self.heard_of, self.orders = 3, [], []
        self.world.listen(self.accepted)
        self.world.listen(self.accepted, 1)
        self.world.hear(self.heard_datagram, 2)

    def cut(self, link, data: bytes) -> list[bytes]:
        data, frames = link.rest + data, []
        while data and len(data) > data[0]:
            frames.append(data[1:data[0] + 1])
            data = data[data[0] + 1:]
        link.rest = data
        return frames

    def parse(self, frame: bytes) -> tuple[str, tuple]:
        word, _, detail = frame.decode().partition(" ")
        if not word:
            raise ProtocolError("an empty frame")
        return word, (detail,)

    def say(self, link, text: str) -> None:
        link.send(bytes([len(text)]) + text.encode())

    def on_buy(self, link, what: str) -> None:
        self.stock -= 1
        self.say(link, f"sold {what}")
        self.hold(link, lambda: self.stock > 0)

    def heard_datagram(self, data: bytes, remote) -> None:
        self.heard_of.append(data)
        if data == b"open?":
            self.world.post(b"yes", remote, 2)

    # As a customer.

    def came_in(self, link) -> None:
        for order in self.orders:
            self.say(link, order)

    def on_sold(self, link, what: str) -> None:
        self.heard_of.append(what.encode())


@pytest.fixture
def pair(stage):
    return stage.with_doors(Shop), stage.with_doors(Shop)


def call(node, act) -> None:
    """Have something done in a call of a node."""
    lock = getattr(node.world, "lock", None)
    if lock is None:
        act()
    else:
        with lock:
            act()


def order(customer: Shop, shop: Shop, door: int, *orders: str) -> Link:
    customer.orders, links = list(orders), []
    call(customer, lambda: links.append(customer.dial(SHOP, shop.doors[door], 2.0)))
    return links[0]


def test_datagrams_are_heard_and_posted(stage, pair):
    customer, shop = pair

    def asks() -> bool:
        call(customer, lambda: customer.world.post(b"open?", shop.doors[2], 2))
        return stage.passes(lambda: customer.heard_of, 0.5)

    assert any(asks() for _ in range(20)), "some may get lost"
    assert customer.heard_of[0] == b"yes" and shop.heard_of[0] == b"open?"
    call(customer, lambda: customer.world.post(bytes(1 << 17), shop.doors[2], 2))  # which is lost


def test_a_link_whose_other_end_is_gone_takes_no_more_also_while_it_is_held(stage, pair):
    customer, shop = pair
    order(customer, shop, 0, "buy 1", "buy 2", "buy 3", "buy 4")
    assert stage.passes(lambda: len(customer.heard_of) == 3)
    [link] = shop.links
    assert link.is_held and link.takes()
    call(customer, lambda: [each.close("gone") for each in list(customer.links)])

    def is_gone() -> bool:
        call(shop, lambda: link.takes() and shop.say(link, "are you there"))
        return not link.takes()

    assert stage.passes(is_gone)


def test_a_link_that_has_ended_keeps_no_beginning_of_a_message(stage, pair):
    customer, shop = pair
    link = order(customer, shop, 0)
    assert stage.passes(lambda: shop.links)
    [there] = shop.links
    call(customer, lambda: link.send(b"\xffbuy much"))
    assert stage.passes(lambda: there.rest)
    call(customer, lambda: link.close("gone"))
    assert stage.passes(lambda: not shop.links) and there.rest == b""


def test_a_stop_closes_every_door(stage, pair):
    customer, shop = pair
    failures: list[str] = []
    shop.output.failed = failures.append
    call(shop, lambda: shop.stop("closed"))
    links = [order(customer, shop, door) for door in (0, 1)]
    assert stage.passes(lambda: all(link.closed for link in links))
    assert all("refused" in link.closed for link in links)
    assert not failures, "a datagram from nobody comes of a door that is shut"
