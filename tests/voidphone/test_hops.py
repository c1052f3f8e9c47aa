"""Hops: how far news go in a line and in a ring of modules."""

import time

import pytest

from tests.tools.carriers import Carrier, passed_on
from tests.tools.module_words import OLD, TYPE, announce, start, told
from tests.tools.waiting import wait_until


@pytest.mark.parametrize("length", [3, 5])
@pytest.mark.parametrize("ttl", [1, 2, 0, 255])
def test_a_line_of_modules_is_reached_as_far_as_the_ttl_says(modules, length, ttl):
    line = [start(modules) for _ in range(length)]
    carriers = [Carrier(modules, *pair) for pair in zip(line, line[1:])]
    announcer = modules.api(line[0])
    subscribers = [modules.api(module, TYPE) for module in line[1:]]
    reach = length - 1 if ttl in (0, 255) else ttl
    announce(announcer, b"counted", ttl)
    assert passed_on(subscribers[:reach]) == [b"counted"] * reach
    announce(announcer, b"to all", 0)
    assert passed_on(subscribers) == [b"to all"] * (length - 1)
    for number, carrier in enumerate(carriers):
        left = 255 if ttl == 0 else ttl - 1 - number
        expected = [(left, b"counted")] if number < reach else []
        assert carrier.carried == [*expected, (255, b"to all")]


def test_in_a_ring_everyone_is_told_once(modules):
    ring = [start(modules) for _ in range(4)]
    for pair in zip(ring, ring[1:] + ring[:1]):
        Carrier(modules, *pair)
    announcer, local = modules.api(ring[0], TYPE), modules.api(ring[0], TYPE)
    left, opposite, right = (modules.api(module, TYPE) for module in ring[1:])
    for ttl, reach in ((0, 4), (2, 4), (1, 3), (0, 4)):
        data = f"{ttl} {time.monotonic()}".encode()
        announce(announcer, data, ttl)
        assert passed_on([local, left, right, opposite][:reach]) == [data] * reach
    wait_until(lambda: sum(module.status().get(OLD, 0) for module in ring[1:]) >= 3,
               what="the copies that came the other way round")
    announce(left, b"back")
    assert passed_on([announcer]) == [b"back"] and told(local).data == b"back"


def test_on_the_wire_ttls_are_those_left_after_this_hop(modules):
    module = start(modules)
    announcer, peer = modules.api(module), modules.neighbour(module)
    for ttl, left in ((1, 0), (2, 1), (254, 253), (255, 254), (0, 255)):
        announce(announcer, b"", ttl)
        message = peer.hear_bytes()
        while message[2:4] != b"\x01\xff":
            message = peer.hear_bytes()
        assert message[:6] == bytes([0, 10, 0x01, 0xff, left, 0])
