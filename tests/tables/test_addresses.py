"""Addresses: one spelling on the wire, several for people; their order; draws by IP."""

import collections
import random
import socket

import pytest

from grapevine.addresses import (
    Name, address_of, by_ip, look_up, parse_address, parse_target, sample)
from grapevine.terminal.command_line import CommandError
from grapevine.terminal.starting import seed_addresses
from tests.tables.samples import peer


def test_addresses_are_in_the_order_of_their_ips_as_numbers_then_of_their_ports():
    texts = ["9.0.0.1:9", "127.0.0.1:80", "127.0.0.1:5001", "127.0.0.2:1", "[::ffff:0:0:1]:1"]
    addresses = [parse_address(text) for text in texts]
    assert sorted(random.Random(1).sample(addresses, len(addresses))) == addresses
    assert [str(address) for address in addresses] == texts


@pytest.mark.parametrize("text", [
    "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:05",
    "127.0.0.1:+5", "127.0.0.1:5 ", " 127.0.0.1:5", "127.0.0.1:5\n", "127.0.0.1:\u0665", "-1:5",
    "127.0.0:1", "127.0.0.01:1", "127.0.0.256:1", "127.1:1", "2130706433:1", "0x7f.0.0.1:1",
    "localhost:1", "[127.0.0.1]:5001", "::1:5001", "[::1:5001", "::1]:5001", "[[::1]]:5001",
    "[::1%lo]:1", "[0::1]:1", "[::01]:1", "[::A]:1", "[0:0:0:0:0:0:0:1]:1", "[::127.0.0.1]:1",
    "[::ffff:127.0.0.1]:1", "[::ffff:7f00:1]:1"])
def test_a_strange_spelling_is_no_address(text):
    with pytest.raises(ValueError):
        parse_address(text)


def test_an_address_knows_its_forms():
    one, other = address_of("127.0.0.1", 65535), address_of("::0001", 1)
    assert (one.text, one.listed, one.file_part) == (
        "127.0.0.1:65535", "127.0.0.1#65535", "127.0.0.1_65535")
    assert (other.text, other.listed, other.file_part) == ("[::1]:1", "[::1]#1", "--1_1")
    assert (one.family, other.family) == (socket.AF_INET, socket.AF_INET6)
    assert one.is_loopback and other.is_loopback and not address_of("128.0.0.1", 1).is_loopback
    assert parse_address("127.0.0.1:65535") is one
    for port in (0, 65536):
        with pytest.raises(ValueError):
            address_of("127.0.0.1", port)


@pytest.mark.parametrize("text, target", [
    ("127.0.0.1:80", "127.0.0.1:80"), ("127.0.0.2 , 80", "127.0.0.2:80"),
    ("127.0.0.2 \t80", "127.0.0.2:80"), ("127.0.0.1,080", "127.0.0.1:80"),
    ("127.0.0.1 :80", "127.0.0.1:80"), ("[::1], 80", "[::1]:80"), ("[0::1] 80", "[::1]:80"),
    ("LocalHost 80", "localhost:80"), ("Host-a:80", "host-a:80"), ("1a 80", "1a:80"),
    ("seed_0.seed. , 80", "seed_0.seed.:80"), ("fd00:: 80", "[fd00::]:80")])
def test_people_may_write_an_address_in_several_ways(text, target):
    assert str(parse_target(text)) == target


@pytest.mark.parametrize("text", [
    "", "localhost", "localhost:", "localhost:x", "other host:80", "a..b:80", "a/b:80", ":80",
    "10.0.0.300:80", "999:80", f"{'a' * 64}:80", f"{'a.' * 127}a:80", "otherhost:0", "h:65536",
    "1 27.0.0.1:80", "127.0.0.1,,80", "127.0.0.1 80 81", "0.0.0.0:1", "[::]:1", "224.0.0.1:1",
    "255.255.255.255:1", "[ff02::1]:1", "[::ffff:127.0.0.1]:1"])
def test_what_leads_to_nobody_is_refused(text):
    with pytest.raises(ValueError):
        parse_target(text)


def test_of_the_addresses_of_a_name_the_lowest_that_fits_is_dialled(monkeypatch):
    ips, asked = ["10.0.0.9", "10.0.0.8", "127.0.0.1"], []

    def getaddrinfo(host, port, family, kind):
        asked.append((host, family))
        return [(family, kind, 6, "", (ip, port)) for ip in ips]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    name, far = Name("host", 80), peer(1, "10.0.0.1")
    assert look_up(name, far) == [peer(80, "10.0.0.8"), peer(80, "10.0.0.9"), peer(80)]
    assert look_up(name, peer(1))[0] == peer(80)
    del ips[2]
    assert look_up(name, peer(1, "::1"))[0] == peer(80, "10.0.0.8"), "better than nobody"
    for ips[:] in ["fe80::1%eth0"], ["::ffff:10.0.0.8"]:  # of one interface; no plain IP
        with pytest.raises(OSError):
            look_up(name, far)
    assert asked == [("host", socket.AF_INET)] * 2 + [
        ("host", socket.AF_INET6)] + [("host", socket.AF_INET)] * 2
    assert look_up(far, peer(1)) == [far] and len(asked) == 5, "an address leads to itself"


def test_from_nowhere_a_name_leads_to_ipv4_first_and_to_loopback_last(monkeypatch):
    """As on Debian, where a machine knows its own name as 127.0.1.1, too."""
    ips = ["::1", "127.0.1.1", "fd79::1", "10.0.0.5"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, family, kind: [
        (family, kind, 6, "", (ip, port)) for ip in ips if family == socket.AF_UNSPEC])
    assert [address.ip for address in look_up(Name("host", 80))] == [
        "10.0.0.5", "fd79::1", "127.0.1.1", "::1"]


def test_a_seed_listens_where_others_reach_it_and_not_on_loopback_if_they_are_elsewhere(
        monkeypatch):
    leads = {"mine": ["127.0.0.1", "127.0.1.1"], "theirs": ["198.51.100.1"]}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, family, kind: [
        (family, kind, 6, "", (ip, port)) for ip in leads[host]])
    mine, theirs = Name("mine", 80), Name("theirs", 81)
    assert seed_addresses(None, [mine]) == seed_addresses(80, [mine]) == [peer(80)]
    for target in (None, 80):
        with pytest.raises(CommandError, match="mine:80 leads to 127.0.0.1 here"):
            seed_addresses(target, [mine, theirs])
    leads["mine"] = ["198.51.100.2", "127.0.0.1"]
    assert seed_addresses(None, [mine]) == [peer(80)]
    with pytest.raises(CommandError, match="no seed of the config"):
        seed_addresses(None, [theirs])


# Samples.

CROWDS = {"127.0.0.1": 60, "127.0.0.2": 1, "127.0.0.3": 5, "::1": 2}
EVERYONE = [peer(port, ip) for ip, size in CROWDS.items() for port in range(1, size + 1)]


@pytest.mark.parametrize("most, counts", [
    (0, [0, 0, 0, 0]), (2, [0, 0, 1, 1]), (6, [1, 1, 2, 2]), (9, [1, 2, 3, 3]),
    (60, [1, 2, 5, 52]), (99, [1, 2, 5, 60])])
def test_a_sample_has_equally_many_of_each_ip_that_has_so_many(most, counts):
    drawn = sample(by_ip(EVERYONE), most, random.Random(most))
    assert len(set(drawn)) == len(drawn) == sum(counts) and set(drawn) <= set(EVERYONE)
    assert sorted(sum(one.ip == ip for one in drawn) for ip in CROWDS) == counts


def test_one_address_is_drawn_as_often_as_sixty_of_another_ip():
    rng = random.Random(1)
    drawn = collections.Counter(sample(by_ip(EVERYONE), 1, rng)[0] for _ in range(4_000))
    assert set(drawn) == set(EVERYONE) and sample({}, 5, rng) == []
    for ip in CROWDS:
        assert abs(sum(drawn[one] for one in drawn if one.ip == ip) - 1_000) < 150
