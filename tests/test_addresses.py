"""Addresses: their order, and what is none."""

import random

import pytest

from gossip.addresses import parse_address


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
