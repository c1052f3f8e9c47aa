"""The configuration of a gossip module."""

import socket

import pytest

from grapevine.addresses import parse_address
from grapevine.voidphone import ini

LEAST = {"cache_size": 50, "degree": 30, "p2p_address": "127.0.0.1:6001",
         "api_address": "127.0.0.1:7001"}


def config_text(**keys) -> str:
    """The text of a configuration; a key that is None is left out."""
    keys = LEAST | keys
    return "[gossip]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()
                                  if value is not None)


def parse_ini(text: str):
    return ini.parse_ini(text.encode())


def test_every_key_has_its_meaning_and_its_default():
    config = parse_ini(config_text())
    assert config == (50, 30, parse_address("127.0.0.1:6001"), parse_address("127.0.0.1:7001"),
                      5, None, 24, 60, 15)
    assert parse_ini(config_text(p2p_ttl=9, bootstrapper="127.0.0.2:6009", pow_bits=12,
                                 max_connections=40, min_degree=7)) == config._replace(
        p2p_ttl=9, bootstrapper=parse_address("127.0.0.2:6009"), pow_bits=12, max_connections=40,
        min_degree=7)


@pytest.mark.parametrize("keys, degree, most, least", [
    ({"degree": 1}, 1, 2, 1), ({"degree": 2}, 2, 4, 1), ({"degree": 3}, 3, 6, 1),
    ({"degree": 6}, 6, 12, 3), ({"degree": 10, "max_connections": 3}, 3, 3, 3),
    ({"degree": 10, "max_connections": 3, "min_degree": 1}, 3, 3, 1)])
def test_a_module_wants_no_more_neighbours_than_it_may_have(keys, degree, most, least):
    """It would dial and replace neighbours for ever."""
    config = parse_ini(config_text(**keys))
    assert (config.degree, config.max_connections, config.min_degree) == (degree, most, least)


def test_what_belongs_to_other_programs_is_ignored_and_blanks_are_none():
    data = (b"\xef\xbb\xbfhostkey = /hostkey.pem\r\na line\n  indented: %(x)s\n\n[dht]\n"
            b"cache_size = wrong\nname = caf\xe9\n[DEFAULT]\np2p_ttl = 77\n; a comment\n= no key\n"
            + config_text().encode().replace(b"=", b" =\t")
            + b"# another\n  min_degree = 4\r\nstrange = %d\nalone\n[onion auth]\ndegree = 1\n")
    assert ini.parse_ini(data) == parse_ini(config_text(min_degree=4))
    data = b"\xef\xbb\xbf" + config_text(p2p_ttl=1).encode() + b"P2P_TTL: 2\n[a]\n[a]\n"
    assert ini.parse_ini(data) == parse_ini(config_text(p2p_ttl=2)), "said twice: the last counts"


@pytest.mark.parametrize("key, value, address", [
    ("bootstrapper", None, None), ("bootstrapper", "", None),
    ("bootstrapper", "localhost:6001", None),  # it is the bootstrapper itself
    ("bootstrapper", "127.0.0.1:6002", "127.0.0.1:6002"),
    ("bootstrapper", "localhost:6002", "127.0.0.1:6002"),
    ("p2p_address", "localhost:6001", "127.0.0.1:6001"),
    ("api_address", "[::1]:7001", "[::1]:7001"),  # of modules alone
    ("api_address", "localhost:7001", "127.0.0.1:7001")])
def test_addresses_may_be_ipv6_for_modules_and_names_for_all(key, value, address):
    assert getattr(parse_ini(config_text(**{key: value})), key) == (
        address and parse_address(address))


def test_the_api_of_a_name_with_both_listens_on_ipv4(monkeypatch):
    def both(host, port, family, kind):
        found = [(socket.AF_INET6, kind, 6, "", ("::1", port, 0, 0)),
                 (socket.AF_INET, kind, 6, "", ("127.0.0.1", port))]
        return [entry for entry in found if family in (0, entry[0])]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    config = parse_ini(config_text(api_address="both:7001", p2p_address="both:6001"))
    assert config.api_address == parse_address("127.0.0.1:7001")
    assert config.p2p_address == parse_address("127.0.0.1:6001")


@pytest.mark.parametrize("key", LEAST)
def test_a_missing_key_is_named(key):
    for value in (None, "", '""'):
        with pytest.raises(ValueError, match=f"^{key} .*expected is "):
            parse_ini(config_text(**{key: value}))
    with pytest.raises(ValueError, match=r"\[gossip\]"):
        parse_ini(config_text().replace("[gossip]", "[other]"))


WRONG_NUMBERS = ["x", "-1", "1.5", "+3", "1e3", "\u0663", "9" * 30, "9" * 5000]
WRONG_ADDRESSES = ["127.0.0.1", "6001", ":6001", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
                   "127.0.0.1:x", "127.0.0.1:\u0663", "::1:6001", "[127.0.0.1]:6001",
                   "[::1]", "no such name.invalid:6001", "a..b:6001", "127.0.0.1:" + "9" * 5000]


@pytest.mark.parametrize("key, value", [
    *((key, value) for key in ("cache_size", "degree", "p2p_ttl", "pow_bits", "max_connections",
                               "min_degree") for value in WRONG_NUMBERS),
    *((key, "0") for key in ("cache_size", "degree", "p2p_ttl", "max_connections", "min_degree")),
    ("pow_bits", "257"), ("min_degree", "31"), ("p2p_ttl", "256"),
    *((key, value) for key in ("p2p_address", "api_address", "bootstrapper")
      for value in WRONG_ADDRESSES),
    *((key, value) for key in ("p2p_address", "bootstrapper")
      for value in ("[::1]:6001", "0.0.0.0:6001", "[::]:6001", "224.0.0.1:6001")),
    ("api_address", "[::ffff:127.0.0.1]:7001"), ("api_address", "[::1%nothing]:7001")])
def test_a_wrong_value_is_named_with_what_is_expected(key, value):
    with pytest.raises(ValueError, match=f"^{key} = .*expected is ") as caught:
        parse_ini(config_text(**{key: value}))
    assert "\n" not in str(caught.value)
