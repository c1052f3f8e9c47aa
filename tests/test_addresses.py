"""Addresses: their order, and what is none."""

import random

import pytest

from gossip import wire
from gossip.addresses import address_of, parse_address


def test_addresses_order_by_ip_as_a_number_then_by_port():
    texts = ["9.0.0.1:9", "127.0.0.1:80", "127.0.0.1:5001", "127.0.0.2:1", "[::ffff:0:0:1]:1"]
    addresses = [parse_address(text) for text in texts]
    assert sorted(random.sample(addresses, len(addresses))) == addresses
    assert [str(a) for a in addresses] == texts


@pytest.mark.parametrize("text", [
    "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:05",
    "127.0.0:1", "127.0.0.01:1", "localhost:1", "::1:5001", "[127.0.0.1]:5001", "[::1%lo]:1",
    "127.0.0.1:5 ", "-1:5"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError):
        parse_address(text)


@pytest.mark.parametrize("text, ip", [("127.0.0.1:5001", "127.0.0.1"), ("[::1]:5001", "::1")])
def test_an_address_is_the_same_object_wherever_it_was_read(text, ip):
    address = parse_address(text)
    assert parse_address(address.listed, "#") is address is address_of(ip, 5001)
    listed, = wire.parse(f"peer list:{address.listed}".encode()).addresses
    assert listed is address


def test_a_list_of_nine_thousand_is_read_once_and_then_known():
    line = b"peer list:" + b":".join(b"10.0.%d.%d#5001" % (n >> 8, n & 255) for n in range(9_000))
    first = {id(address) for address in wire.parse(line).addresses}
    before = address_of.cache_info().misses
    assert {id(address) for address in wire.parse(line).addresses} == first
    assert address_of.cache_info().misses == before
