"""Addresses: their order, and what is none."""

import random

import pytest

from gossip import wire
from gossip.addresses import address_of, in_turns, parse_address, parse_typed, sample


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


@pytest.mark.parametrize("text, address", [
    ("127.0.0.1:80", "127.0.0.1:80"), ("127.0.0.2,80", "127.0.0.2:80"),
    ("127.0.0.2 , 80", "127.0.0.2:80"), ("127.0.0.2 \t80", "127.0.0.2:80"),
    ("localhost:80", "127.0.0.1:80"), ("LocalHost 80", "127.0.0.1:80"), ("[::1]:80", "[::1]:80"),
    ("127.0.0.1: 80", "127.0.0.1:80"), ("127.0.0.1 :80", "127.0.0.1:80"),
    ("[::1], 80", "[::1]:80"), ("[::1] 80", "[::1]:80"), ("Host-a:80", "host-a:80"),
    ("seed_0.seed. , 80", "seed_0.seed.:80"), ("1a 80", "1a:80")])
def test_people_may_write_an_address_in_several_ways(text, address):
    assert str(parse_typed(text)) == address


@pytest.mark.parametrize("text", [
    "", "localhost", "localhost:", "localhost:x", "otherhost", "other host:80", "a..b:80", "a/b:80",
    "10.0.0.300:80", "999:80", f"{'a' * 64}:80", f"{'a.' * 127}a:80", "otherhost:0", "h:65536",
    "1 27.0.0.1:80", "::1 80",
    "127.0.0.1,,80", "127.0.0.1 80 81", ":80", "127.0.0.1,080"])
def test_what_is_no_address_in_any_of_them_is_refused(text):
    with pytest.raises(ValueError):
        parse_typed(text)


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


def crowd(ip, count):
    return [address_of(ip, port) for port in range(1, count + 1)]


def test_in_turns_come_the_first_of_each_ip_then_the_second_of_each():
    one, two = crowd("127.0.0.1", 3), crowd("127.0.0.2", 2)
    assert in_turns([*one, *two]) == [one[0], two[0], one[1], two[1], one[2]]
    assert in_turns(reversed(one)) == one[::-1]


@pytest.mark.parametrize("most, counts", [
    (2, [0, 0, 1, 1]), (6, [1, 1, 2, 2]), (9, [1, 2, 3, 3]), (60, [1, 2, 5, 52]),
    (99, [1, 2, 5, 60])])
def test_a_sample_has_equally_many_of_each_ip_that_has_them(most, counts):
    sizes = {"127.0.0.1": 60, "127.0.0.2": 1, "127.0.0.3": 5, "::1": 2}
    everyone = [address for ip, size in sizes.items() for address in crowd(ip, size)]
    drawn = sample(everyone, most, random.Random(most))
    assert len(set(drawn)) == len(drawn) == sum(counts) and set(drawn) <= set(everyone)
    assert sorted(sum(a.ip == ip for a in drawn) for ip in sizes) == counts


def test_a_sample_is_drawn_at_random_and_is_empty_of_nothing():
    everyone = crowd("127.0.0.1", 9) + crowd("127.0.0.2", 9)
    rng = random.Random(1)
    assert {address for _ in range(200) for address in sample(everyone, 1, rng)} == set(everyone)
    assert sample([], 5, rng) == sample(everyone, 0, rng) == []
