"""The module's messages byte by byte, its configuration, its rules without sockets, and a fuzz."""

import collections
import gc
import hashlib
import os
import random
import signal
import socket
import threading
import time

import pytest

from gossip.addresses import address_of, parse_address
from gossip.node.output_file import OutputFile
from gossip.programs.voidphone_program import start_module
from gossip.settings import Settings
from gossip.terminal.command_line import CommandError
from gossip.voidphone import ini, messages, news
from gossip.voidphone.gossip_module import GossipModule
from gossip.voidphone.ini import ConfigError, parse_ini, read_ini
from gossip.voidphone.messages import (
    Announce, Frames, Hello, Notification, Notify, PeerNotification, PeerRequest, PeerResponse,
    Ping, Push, Validation, VerificationRequest, VerificationResponse, parse)
from gossip.voidphone.news import (
    REMEMBERED, UNLIMITED, WAITING, WAITING_BYTES, Memory, Pending, Subscriptions, first_ttl,
    next_ttl)
from gossip.voidphone.view import PUSH_MEMORY, PUSHES, View
from gossip.voidphone.work import EASY, NICE, Search, is_work, search
from gossip.wire import WireError
from tools.modules import work_for, write_ini
from tools.ports import free_address, free_port
from tools.programs import Program
from tools.waiting import wait_until

# Messages.

EXAMPLE = parse_address("1.2.3.4:5001")
NONCE, CHALLENGE = 0x0102030405060708, 0x1112131415161718
EXACT = [
    (Announce(3, 0x0203, b"ab"), "000a 01f4 03 00 0203 6162"),
    (Announce(0, 0xFFFF, b""), "0008 01f4 00 00 ffff"),
    (Announce(255, 0, b"\0"), "0009 01f4 ff 00 0000 00"),
    (Notify(0x0203), "0008 01f5 0000 0203"),
    (Notify(0xFFFF), "0008 01f5 0000 ffff"),
    (Notification(0x0405, 0x0203, b"ab"), "000a 01f6 0405 0203 6162"),
    (Notification(0xFFFF, 0, b""), "0008 01f6 ffff 0000"),
    (Validation(0x0405, True), "0008 01f7 0405 0001"),
    (Validation(0xFFFF, False), "0008 01f7 ffff 0000"),
    (PeerRequest(), "0004 01f8"),
    (PeerResponse(()), "0004 01f9"),
    (PeerResponse((EXAMPLE, parse_address("255.254.253.252:65535"))),
     "0010 01f9 01020304 1389 fffefdfc ffff"),
    (VerificationRequest(NONCE), "000c 01fa 0102030405060708"),
    (VerificationRequest(2**64 - 1), "000c 01fa ffffffffffffffff"),
    (VerificationResponse(NONCE, CHALLENGE, EXAMPLE),
     "001a 01fb 0102030405060708 1112131415161718 01020304 1389"),
    (Hello(EXAMPLE), "000a 01fc 01020304 1389"),
    (Push(0x0506, EXAMPLE), "000c 01fd 0506 01020304 1389"),
    (Ping(), "0004 01fe"),
    (PeerNotification(4, 0x0405, 0x0203, b"ab"), "000c 01ff 04 00 0405 0203 6162"),
    (PeerNotification(255, 0xFFFF, 0, b""), "000a 01ff ff 00 ffff 0000"),
]
FIXED_SIZES = {501: 8, 503: 8, 504: 4, 506: 12, 507: 26, 508: 10, 509: 12, 510: 4}
LEAST_SIZES = {500: 8, 502: 8, 511: 10}


def message(number: int, size: int) -> bytes:
    """A message of a type and size, its body all ones."""
    return size.to_bytes(2, "big") + number.to_bytes(2, "big") + b"\1" * (size - 4)


@pytest.mark.parametrize("value, text", EXACT)
def test_a_message_is_exactly_these_bytes_in_both_directions(value, text):
    data = bytes.fromhex(text)
    assert value.pack() == data
    assert parse(data) == value and type(parse(data)) is type(value)


def test_every_type_has_an_example():
    assert {int(text[5:9], 16) for _, text in EXACT} == set(range(500, 512))


@pytest.mark.parametrize("value, text", [
    (Announce(3, 0x0203, b"ab"), "000a 01f4 03 ff 0203 6162"),
    (Notify(0x0203), "0008 01f5 ffff 0203"),
    (Validation(0x0405, True), "0008 01f7 0405 ffff"),
    (Validation(0x0405, False), "0008 01f7 0405 fffe"),
    (PeerNotification(4, 0x0405, 0x0203, b"ab"), "000c 01ff 04 ff 0405 0203 6162")])
def test_reserved_bits_are_ignored(value, text):
    assert parse(bytes.fromhex(text)) == value


@pytest.mark.parametrize("number, size", FIXED_SIZES.items())
def test_a_fixed_size_type_has_no_other_size(number, size):
    assert parse(message(number, size)).pack()[2:4] == number.to_bytes(2, "big")
    for wrong in {*range(4, 40), 65_535} - {size}:
        with pytest.raises(WireError, match=f"^message {number} of {wrong} bytes$"):
            parse(message(number, wrong))
        frames = Frames()
        assert frames.feed(message(number, wrong)[:4]) in ([], [message(number, wrong)])
        assert frames.fault or wrong == 4  # its header is enough, the rest need not come


def test_other_types_have_a_least_size():
    for number, least in LEAST_SIZES.items():
        assert parse(message(number, least)).data == b""
        for wrong in range(4, least):
            with pytest.raises(WireError, match=f"message {number} of {wrong} bytes"):
                parse(message(number, wrong))
    for size in range(4, 40):
        if size % 6 == 4:
            assert len(parse(message(505, size)).addresses) == size // 6
        else:
            with pytest.raises(WireError, match=f"message 505 of {size} bytes"):
                parse(message(505, size))


def test_unknown_types_are_refused_by_their_header():
    for number in {*range(0, 500), *range(512, 1024), 65_535}:
        with pytest.raises(WireError, match=f"^unknown type {number}$"):
            parse(message(number, 8))
        frames = Frames()
        assert frames.feed(message(number, 9)[:4]) == []
        assert str(frames.fault) == f"unknown type {number}"


@pytest.mark.parametrize("text", [
    "000a 01f9 01020304 0000", "0010 01f9 01020304 1389 01020304 0000", "000a 01fc 01020304 0000",
    "001a 01fb 0102030405060708 1112131415161718 01020304 0000", "000c 01fd 0005 01020304 0000"])
def test_port_0_is_refused(text):
    with pytest.raises(WireError, match="port 0"):
        parse(bytes.fromhex(text))


def test_the_largest_messages_are_65535_bytes():
    for value, header in ((Announce(0, 1, bytes(65_527)), "ffff 01f4 00 00 0001"),
                          (Notification(1, 1, bytes(65_527)), "ffff 01f6 0001 0001"),
                          (PeerNotification(0, 1, 1, bytes(65_525)), "ffff 01ff 00 00 0001 0001")):
        data = value.pack()
        assert len(data) == 65_535 and data.startswith(bytes.fromhex(header))
        assert Frames().feed(data) == [data] and parse(data) == value
    assert messages.SPREADABLE == 65_525


def test_messages_may_come_byte_by_byte_coalesced_or_cut_anywhere():
    packed = [value.pack() for value, _ in EXACT]
    stream = b"".join(packed)
    assert Frames().feed(stream) == packed
    for cut in range(len(stream) + 1):
        frames = Frames()
        assert frames.feed(stream[:cut]) + frames.feed(stream[cut:]) == packed
        assert not frames.unfinished() and frames.fault is None
    frames, heard = Frames(), []
    for at in range(len(stream)):
        whole = frames.feed(stream[at:at + 1])
        heard += whole
        assert frames.unfinished() != bool(whole)
    assert heard == packed and frames.fault is None


@pytest.mark.parametrize("size", range(4))
def test_a_size_under_4_ends_the_stream_after_what_came_before(size):
    frames, before = Frames(), Notify(1).pack()
    assert frames.feed(before + size.to_bytes(2, "big") + before) == [before]
    assert str(frames.fault) == f"message of {size} bytes"


def test_the_parser_makes_of_any_bytes_a_value_or_an_error():
    rng = random.Random(7)
    packed = [value.pack() for value, _ in EXACT]
    for _ in range(20_000):
        data = rng.randbytes(rng.randint(4, 30)) if rng.random() < 0.3 \
            else mutated(rng.choice(packed), rng)
        if len(data) < 4:
            continue  # framing lets nothing shorter through
        try:
            value = parse(data)
        except WireError:
            continue
        again = value.pack()
        assert again[2:4] == data[2:4] and len(again) == len(data) and parse(again) == value


# The configuration.

LEAST = {"cache_size": 50, "degree": 30, "p2p_address": "127.0.0.1:6001",
         "api_address": "127.0.0.1:7001"}


def config_text(**keys) -> str:
    """The text of a configuration; a key that is None is left out."""
    keys = LEAST | keys
    return "[gossip]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()
                                  if value is not None)


def test_every_key_has_its_meaning_and_its_default():
    config = parse_ini(config_text())
    assert config == (50, 30, parse_address("127.0.0.1:6001"), (parse_address("127.0.0.1:7001"),),
                      5, None, 24, 60, 15)
    assert parse_ini(config_text(p2p_ttl=9, bootstrapper="127.0.0.2:6009", pow_bits=12,
                                 max_connections=40, min_degree=7)) == config._replace(
        p2p_ttl=9, bootstrapper=parse_address("127.0.0.2:6009"), pow_bits=12, max_connections=40,
        min_degree=7)


@pytest.mark.parametrize("degree, most, least", [(1, 2, 1), (2, 4, 1), (3, 6, 1), (6, 12, 3)])
def test_connections_and_the_least_degree_follow_the_degree(degree, most, least):
    config = parse_ini(config_text(degree=degree))
    assert (config.max_connections, config.min_degree) == (most, least)


def test_the_bootstrapper_itself_has_no_bootstrapper():
    assert parse_ini(config_text()).bootstrapper is None
    assert parse_ini(config_text(bootstrapper="localhost:6001")).bootstrapper is None
    assert parse_ini(config_text(bootstrapper="127.0.0.1:6002")).bootstrapper \
        == parse_address("127.0.0.1:6002")


def test_what_belongs_to_other_modules_is_ignored(tmp_path):
    path = tmp_path / "voidphone.ini"
    path.write_bytes(b"\xef\xbb\xbfhostkey = /hostkey.pem\r\na line\n  indented: %(x)s\n\n"
                     b"[dht]\ncache_size = wrong\nname = caf\xe9\n[DEFAULT]\np2p_ttl = 77\n"
                     b"; a comment\n" + config_text().encode().replace(b"=", b" =\t") +
                     b"# another\n  min_degree = 4\r\nstrange = %d\n[onion auth]\ndegree = 1\n")
    assert read_ini(path) == parse_ini(config_text(min_degree=4))
    path.write_bytes(b"\xef\xbb\xbf" + config_text(p2p_ttl=1).encode() + b"p2p_ttl = 2\n[a]\n[a]\n")
    assert read_ini(path) == parse_ini(config_text(p2p_ttl=2))  # said twice: the last counts


def test_addresses_may_be_ipv6_for_modules_and_names_for_all():
    config = parse_ini(config_text(p2p_address="localhost:6001", bootstrapper="localhost:6002",
                                   api_address="[::1]:7001"))
    assert config.p2p_address == parse_address("127.0.0.1:6001")
    assert config.bootstrapper == parse_address("127.0.0.1:6002")
    assert config.api_address == (parse_address("[::1]:7001"),)
    assert parse_ini(config_text(api_address="localhost:7001")).api_address[0] \
        == parse_address("127.0.0.1:7001")


def test_the_api_of_a_name_with_both_listens_on_ipv4_first(monkeypatch):
    def both(host, port, family, kind):
        found = [(socket.AF_INET6, kind, 6, "", ("::1", port, 0, 0)),
                 (socket.AF_INET, kind, 6, "", ("127.0.0.1", port))]
        return [entry for entry in found if family in (0, entry[0])]

    monkeypatch.setattr(ini.socket, "getaddrinfo", both)
    config = parse_ini(config_text(api_address="both:7001", p2p_address="both:6001"))
    assert [str(address) for address in config.api_address] == ["127.0.0.1:7001", "[::1]:7001"]
    assert config.p2p_address == parse_address("127.0.0.1:6001")


@pytest.mark.parametrize("key", LEAST)
def test_a_missing_key_is_named(key):
    for value in (None, "", '""'):
        with pytest.raises(ConfigError, match=f"^{key} .*expected is "):
            parse_ini(config_text(**{key: value}))
    with pytest.raises(ConfigError, match=r"\[gossip\]"):
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
    with pytest.raises(ConfigError, match=f"^{key} = .*expected is ") as caught:
        parse_ini(config_text(**{key: value}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change, words", [
    ({"degree": None}, "degree is missing"), ({"cache_size": "x"}, "cache_size = x: expected"),
    ({"p2p_address": "[::1]:6001"}, "p2p_address = ::1: expected is an IPv4 address"),
    ({"p2p_address": "0.0.0.0:6001"}, "p2p_address = 0.0.0.0:6001: expected"),
    (None, "cannot read")])
def test_a_wrong_file_ends_the_program_with_one_line_and_exit_2(tmp_path, change, words):
    path = tmp_path / "missing.ini" if change is None else write_ini(tmp_path, **change)
    with Program("peer.py", "-c", path, "--outputs", tmp_path / "out") as program:
        code, out, err = program.finish()
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert err.startswith("peer.py: ") and words in err and str(path) in err


@pytest.mark.parametrize("arguments", [["-c"], ["-c", "FILE", "-v", "x"], ["-c", "FILE", "-s", "0"],
                                       ["-c", "FILE", "5001"]])
def test_a_wrong_command_line_is_one_line_and_exit_2(tmp_path, arguments):
    path = write_ini(tmp_path)
    with Program("peer.py", *(path if word == "FILE" else word for word in arguments)) as program:
        code, out, err = program.finish()
    assert (code, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("key, host", [("p2p_address", "127.0.0.1"), ("api_address", "127.0.0.1"),
                                       ("api_address", "localhost")])
def test_a_port_in_use_is_exit_1(tmp_path, key, host):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        path = write_ini(tmp_path, **{key: f"{host}:{port}"})
        with Program("peer.py", "-c", path, "--outputs", tmp_path / "out", "--quiet") as program:
            code, out, err = program.finish()
    assert (code, out) == (1, "") and len(err.splitlines()) == 1
    assert f"127.0.0.1:{port}: port {port} is in use" in err


def test_the_first_api_address_of_this_machine_counts_and_none_behind_one_in_use(tmp_path):
    config = read_ini(write_ini(tmp_path))
    here, elsewhere = config.api_address[0], address_of("192.0.2.1", 7001)
    for addresses in ((elsewhere, here), (here, elsewhere)):
        module = unstarted(config._replace(api_address=addresses), tmp_path)
        start_module(module)
        socket.create_connection(here.dial, 5).close()
        module.stop()
    with socket.create_server(here.dial):
        module = unstarted(config._replace(api_address=(here, free_address())), tmp_path)
        with pytest.raises(CommandError, match=f"{here}: port {here.port} is in use") as caught:
            start_module(module)
        assert caught.value.code == 1


def unstarted(config, folder) -> GossipModule:
    return GossipModule(config, Settings(), OutputFile(folder / "module.txt"))


# News.

def item(number: int, data_type: int = 1) -> news.Item:
    return news.Item(number, data_type, b"digest")


def push(number: int = 1, data: bytes = b"x", ttl: int = 3) -> PeerNotification:
    return PeerNotification(ttl, number, 1, data)


def test_subscriptions_end_with_their_connection():
    table = Subscriptions()
    for link, data_type in (("a", 1), ("a", 2), ("b", 1), ("b", 1), ("c", 3)):
        table.add(link, data_type)
    assert table.count() == 4
    assert table.of(1) == ["a", "b"] and table.of(1, but="a") == ["b"] and table.of(9) == []
    table.forget("a")
    table.forget("a")
    table.forget("nobody")
    assert table.of(1) == ["b"] and table.of(2) == [] and table.count() == 2
    table.add("a", 2)
    for link in "abc":
        table.forget(link)
    assert table.count() == 0 and not table._links and not table._types


def test_a_message_is_new_once_in_its_time():
    memory = Memory(60.0, 10)
    assert memory.add(item(1), 0.0) and not memory.add(item(1), 59.9)
    assert memory.add(item(1), 60.0) and not memory.add(item(1), 119.9)
    assert memory.add(item(1, data_type=2), 60.0) and memory.add(item(2), 60.0)
    assert memory.add(item(1)._replace(digest=b"other"), 60.0)
    assert memory.count() == 4 and memory.dropped() == 0
    assert memory.add(item(3), 1000.0) and memory.count() == 1


@pytest.mark.parametrize("most, bound", [(50, 65_536), (70_000, 70_000)])
def test_the_memory_is_bounded_and_counts_what_goes_early(most, bound):
    memory = Memory(60.0, most)
    for number in range(bound + 10):
        assert memory.add(item(number), 0.0)
    assert memory.count() == bound and memory.dropped() == 10
    assert not memory.add(item(10), 1.0) and memory.add(item(0), 1.0)
    assert REMEMBERED == 65_536


def test_ids_of_what_waits_are_random_and_unique():
    pending = Pending(random.Random(1), 5.0)
    numbers = [pending.add(push(), item(n), (), "a", 0.0)[0] for n in range(WAITING)]
    assert len(set(numbers)) == WAITING and set(numbers) <= set(range(65_536))
    assert numbers[:100] != sorted(numbers[:100])
    assert pending.dropped() == {}
    pending.add(push(), item(-1), (), "a", 0.0)
    assert pending.count() == WAITING and pending.validated(numbers[0], "a") is None
    assert pending.validated(numbers[1], "a") is not None
    other = Pending(random.Random(2), 5.0)
    assert [other.add(push(), item(n), (), "a", 0.0)[0] for n in range(3)] != numbers[:3]


def test_the_first_validation_by_one_who_was_notified_counts():
    pending = Pending(random.Random(1), 5.0)
    number, alone = pending.add(push(), item(1), {"sender"}, ["a", "b"], 0.0)
    second, not_alone = pending.add(push(2), item(2), (), ["b"], 0.0)
    assert alone and not not_alone
    assert pending.validated(number, "c") is None and pending.validated(second, "a") is None
    assert pending.count() == 2
    waiting = pending.validated(number, "b")
    assert waiting.message == push() and waiting.senders == {"sender"}
    assert pending.validated(number, "a") is None and pending.validated(number, "b") is None
    unknown = next(n for n in range(65_536) if n not in (number, second))
    assert pending.validated(unknown, "b") is None
    assert pending.count() == 1
    assert pending.dropped() == {"validations of what does not wait": 5}
    assert pending.validated(second, "b").message == push(2) and pending.count() == 0


def test_one_who_has_gone_has_no_say():
    pending = Pending(random.Random(1), 5.0)
    number, _ = pending.add(push(), item(1), ["sender"], ["a", "b"], 0.0)
    pending.forget("a")
    pending.forget("sender")
    assert pending.validated(number, "a") is None
    assert pending.validated(number, "b").senders == set()


def test_what_nobody_validates_in_time_is_dropped():
    pending = Pending(random.Random(1), 5.0)
    assert pending.expire(0.0) is None
    early, _ = pending.add(push(1), item(1), (), "a", 10.0)
    late, _ = pending.add(push(2), item(2), (), "a", 12.0)
    assert pending.expire(14.9) == 15.0 and pending.count() == 2
    assert pending.expire(15.0) == 17.0 and pending.count() == 1
    assert pending.validated(early, "a") is None and pending.validated(late, "a")
    assert pending.expire(17.0) is None
    assert pending.dropped()["messages without a validation in time"] == 1


def test_what_waits_is_at_most_64_mib_and_the_oldest_goes():
    pending, data = Pending(random.Random(1), 5.0), bytes(1 << 20)
    numbers = [pending.add(push(n, data), item(n), (), "a", n)[0] for n in range(64)]
    assert WAITING_BYTES == 64 << 20 and pending.count() == 64 and pending.dropped() == {}
    pending.add(push(64, b"x"), item(64), (), "a", 64)
    assert pending.count() == 64 and pending.validated(numbers[0], "a") is None
    assert pending.dropped()["messages dropped: too many wait for validation"] == 1
    for number in numbers[1:5]:  # what was validated makes room
        assert pending.validated(number, "a")
    for n in range(65, 69):
        pending.add(push(n, data), item(n), (), "a", n)
    assert pending.count() == 64 and pending.validated(numbers[5], "a")
    assert pending.dropped()["messages dropped: too many wait for validation"] == 1


def test_a_copy_raises_the_ttl_of_what_waits_and_marks_its_sender():
    pending = Pending(random.Random(1), 5.0)
    number, _ = pending.add(push(ttl=3), item(1), ["a"], ["m"], 0.0)
    for sender, ttl in (("b", 2), ("c", 7), ("d", 5)):
        pending.copy(item(1), sender, ttl)
    pending.copy(item(2), "e", 200)  # does not wait
    waiting = pending.validated(number, "m")
    assert waiting.message == push(ttl=7) and waiting.senders == set("abcd")
    pending.copy(item(1), "f", UNLIMITED)
    number, _ = pending.add(push(ttl=254), item(1), ["a"], ["m"], 0.0)
    pending.copy(item(1), "b", UNLIMITED)
    assert pending.validated(number, "m").message.ttl == UNLIMITED


def test_a_message_that_was_forgotten_while_it_waits_may_come_again():
    """With a memory shorter than the patience, the same message waits twice."""
    for order in ((0, 1), (1, 0)):
        pending = Pending(random.Random(1), 5.0)
        numbers = [pending.add(push(), item(1), (), "m", now)[0] for now in (0.0, 1.0)]
        assert all(pending.validated(numbers[at], "m") for at in order)
        assert pending.count() == 0 and pending.expire(99.0) is None


def test_the_ttl_of_an_announce_and_what_is_left_of_it():
    assert {ttl: first_ttl(ttl) for ttl in (0, 1, 2, 254, 255)} == {
        0: 255, 1: 0, 2: 1, 254: 253, 255: 254}
    assert {ttl: next_ttl(ttl) for ttl in (0, 1, 2, 254, 255)} == {
        0: None, 1: 0, 2: 1, 254: 253, 255: 255}


@pytest.mark.parametrize("announced, hops", [(1, 1), (2, 2), (3, 3), (254, 254), (255, 255)])
def test_an_announce_goes_as_many_hops_as_it_says(announced, hops):
    ttl, gone = first_ttl(announced), 1
    while (ttl := next_ttl(ttl)) is not None:
        gone += 1
    assert gone == hops


# The view.

OWN = address_of("127.0.0.1", 5000)


def peer(number: int):
    return address_of("127.0.0.1", 5000 + number)


def view_of(degree=4, min_degree=2, max_connections=8, cache_size=10, own=OWN, seed=1) -> View:
    return View(own, degree, min_degree, max_connections, cache_size, random.Random(seed))


def fill(view, count: int) -> None:
    for number in range(1, count + 1):
        assert view.admit(peer(number), number, dialled=False).accepted


def test_a_place_is_taken_while_an_address_is_dialled():
    view = view_of(degree=2)
    assert not view.begin_dial(OWN) and not view.begin_dial(OWN, needed=True)
    assert view.begin_dial(peer(1)) and not view.begin_dial(peer(1))
    assert view.begin_dial(peer(2)) and not view.begin_dial(peer(3))
    assert view.begin_dial(peer(3), needed=True)
    view.end_dial(peer(1))
    view.end_dial(peer(3))
    assert view.admit(peer(2), "two", dialled=True).accepted
    assert not view.begin_dial(peer(2), needed=True)  # is a neighbour
    assert view.begin_dial(peer(3)) and not view.begin_dial(peer(4))
    assert view.remove(peer(2), "two") and view.begin_dial(peer(4))


@pytest.mark.parametrize("own, dialled_first, dialled_second, stays", [
    (1, True, False, "first"), (1, False, True, "second"), (1, True, True, "second"),
    (1, False, False, "second"), (3, True, False, "second"), (3, False, True, "first"),
    (3, True, True, "second"), (3, False, False, "second")])
def test_of_two_links_of_a_pair(own, dialled_first, dialled_second, stays):
    """The one dialled by the smaller address stays; of two in one direction the newer."""
    view = view_of(own=peer(own))
    assert view.admit(peer(2), "first", dialled_first) == (True, [])
    accepted, parted = view.admit(peer(2), "second", dialled_second)
    assert accepted == (stays == "second")
    assert parted == ([(peer(2), "first", "replaced")] if accepted else [])
    assert view.links() == [stays] and view.link(peer(2)) == stays
    assert not view.remove(peer(2), "second" if stays == "first" else "first")
    assert view.remove(peer(2), stays) and view.links() == []


def test_above_max_connections_a_random_neighbour_but_the_newcomer_is_dropped():
    dropped = set()
    for seed in range(40):
        view = view_of(max_connections=3, seed=seed)
        fill(view, 3)
        accepted, parted = view.admit(peer(9), "new", dialled=False)
        (other, link, reason), = parted
        assert accepted and link == other.port - 5000 and reason == "one too many"
        assert peer(9) in view.addresses() and other not in view.addresses()
        assert len(view.addresses()) == 3 and view.known() == [other]
        assert not view.remove(other, link)
        assert view.admit(peer(9), "newer", dialled=False).parted == [
            (peer(9), "new", "replaced")]  # no more of them than before
        dropped.add(other)
    assert dropped == {peer(1), peer(2), peer(3)}


@pytest.mark.parametrize("degree, neighbours, min_degree, dialled", [
    (8, 0, 1, 4), (8, 1, 1, 3), (8, 3, 1, 2), (8, 6, 1, 1), (8, 7, 1, 0), (8, 7, 8, 1),
    (8, 8, 8, 0), (8, 9, 8, 0), (1, 0, 1, 1), (2, 1, 1, 0), (3, 1, 1, 1)])
def test_a_505_fills_half_of_the_free_places(degree, neighbours, min_degree, dialled):
    view = view_of(degree=degree, min_degree=min_degree, max_connections=20, cache_size=100)
    fill(view, neighbours)
    told = [peer(number) for number in range(20, 60)]
    chosen = view.heard_of([OWN, *told, *told, *view.addresses()])
    assert len(chosen) == dialled == len(set(chosen)) and set(chosen) <= set(told)
    assert set(view.known()) == set(told)
    assert len(view.heard_of([peer(99)])) == min(1, dialled)


def test_places_of_dials_under_way_are_not_free_for_a_505():
    view = view_of(degree=4, min_degree=4)
    for number in (1, 2, 3):
        view.begin_dial(peer(number))
    assert len(view.heard_of([peer(1), peer(7), peer(8)])) == 1
    assert peer(1) not in view.known()
    view.begin_dial(peer(7))
    assert view.heard_of([peer(8)]) == []


def test_a_505_is_drawn_from_at_random():
    told = [peer(number) for number in range(20, 40)]
    assert len({view_of(degree=2, seed=seed).heard_of(told)[0] for seed in range(100)}) > 10


def test_the_cache_keeps_what_was_heard_of_last():
    view = view_of(cache_size=3)
    view.heard_of([peer(number) for number in (1, 2, 3, 4)])
    assert view.known() == [peer(4), peer(3), peer(2)]
    view.pushed(peer(2), 0.0)
    view.pushed(peer(9), 0.0)
    view.pushed(OWN, 0.0)
    assert view.known() == [peer(9), peer(2), peer(4)]
    view.admit(peer(2), "two", dialled=True)
    view.pushed(peer(2), 0.0)
    view.heard_of([peer(2)])
    assert view.known() == [peer(9), peer(4)]  # neighbours are not known besides
    view.forget(peer(9))
    view.remove(peer(2), "two")
    assert view.known() == [peer(2), peer(4)]


def test_below_min_degree_neighbours_are_lacking():
    view = view_of(min_degree=2)
    assert view.lacks_neighbours()
    fill(view, 1)
    assert view.lacks_neighbours()
    fill(view, 2)
    assert not view.lacks_neighbours()


def test_a_push_is_passed_on_once_per_address_and_10_seconds():
    view = view_of()
    assert view.pushed(peer(1), 0.0) and not view.pushed(peer(1), 9.9)
    assert view.pushed(peer(2), 5.0) and PUSH_MEMORY == 10.0
    assert view.pushed(peer(1), 10.0) and not view.pushed(peer(2), 10.0)
    assert not view.pushed(peer(1), 19.9) and view.pushed(peer(1), 20.0)
    for number in range(PUSHES + 100):
        view.pushed(address_of("127.0.0.9", 1 + number), 21.0)
    assert len(view._pushed) <= PUSHES + 1


# The proof of work.

VECTOR = 0x1281846  # the smallest challenge with 24 bits for nonce 0


def test_the_test_vector_is_work():
    assert is_work(0, VECTOR, 24) and is_work(0, VECTOR, 0)
    assert not any(is_work(0, VECTOR - step, 24) for step in range(1, 1000))
    assert not is_work(1, VECTOR, 24)
    most = next(bits for bits in range(24, 65) if not is_work(0, VECTOR, bits))
    assert all(not is_work(0, VECTOR, bits) for bits in range(most, 65))


def test_a_search_ends_just_before_the_test_vector():
    assert search(0, 24, VECTOR - 5000, 1, lambda: True) == VECTOR
    assert search(0, 24, VECTOR - 5000, 5, lambda: True) == VECTOR


@pytest.mark.parametrize("nonce, bits", [(0, 0), (0, 1), (5, 8), (NONCE, 12), (2**64 - 1, 12)])
def test_the_first_challenge_that_does_the_work_is_found(nonce, bits):
    assert Search(nonce, bits).run() == work_for(nonce, bits)


def children(parent: int) -> set[int]:
    """The processes whose parent that is, and which have not ended."""
    return {pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc")))
            if status(pid)[:1] != ["Z"] and status(pid)[1:2] == [str(parent)]}


def status(pid: int) -> list[str]:
    """State and parent of a process, or nothing when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[:2]
    except OSError:
        return []


def living(pids) -> set[int]:
    return {pid for pid in pids if status(pid)[:1] not in ([], ["Z"])}


def test_more_bits_are_searched_for_in_workers_that_end_with_the_search():
    before, descriptors_before = children(os.getpid()), descriptors()
    for nonce, bits in ((0, EASY + 1), (NONCE, 18)):
        assert is_work(nonce, Search(nonce, bits).run(), bits)
        assert children(os.getpid()) == before
    assert descriptors() == descriptors_before


class Searching:
    """A search that cannot be done, in a thread of its own."""

    def __init__(self):
        self.search = Search(1, 64)
        self.found: list[int | None] = []
        self._thread = threading.Thread(target=lambda: self.found.append(self.search.run()))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self.search.cancel()
        self._thread.join(60)
        assert not self._thread.is_alive()


def test_workers_are_one_per_core_and_nice_and_end_when_cancelled():
    before, fds = children(os.getpid()), descriptors()
    with Searching() as searching:
        wait_until(lambda: len(children(os.getpid()) - before) == os.cpu_count())
        workers = children(os.getpid()) - before
        own = os.getpriority(os.PRIO_PROCESS, 0)
        wait_until(lambda: all(os.getpriority(os.PRIO_PROCESS, pid) == max(own, NICE)
                               for pid in workers))
    assert searching.found == [None] and not living(workers) and descriptors() == fds


@pytest.mark.parametrize("bits", [EASY, 64])
def test_a_search_that_was_cancelled_before_starts_no_worker(bits):
    cancelled = Search(1, bits)
    cancelled.cancel()
    assert cancelled.run() is None


def test_a_worker_that_cannot_be_started_leaves_no_descriptor(monkeypatch):
    before = descriptors()
    monkeypatch.setattr("gossip.voidphone.work.sys.executable", "/no/such/python")
    with pytest.raises(OSError):
        Search(1, 64).run()
    assert descriptors() == before


def test_workers_end_when_their_parent_is_killed():
    script = "from gossip.voidphone.work import Search; Search(1, 64).run()"
    with Program("-c", script, preexec_fn=lambda: os.nice(3)) as program:
        wait_until(lambda: len(children(program.process.pid)) == os.cpu_count())
        workers = children(program.process.pid)
        parents = min(19, os.getpriority(os.PRIO_PROCESS, 0) + 3)
        wait_until(lambda: all(  # no nicer than that, though their parent was nice already
            os.getpriority(os.PRIO_PROCESS, pid) == max(parents, NICE) for pid in workers))
        program.process.send_signal(signal.SIGKILL)
        program.process.wait(10)
        wait_until(lambda: not living(workers), what="the workers to end")


# Rules that meet in the node.


def test_a_copy_that_comes_at_the_same_moment_counts(modules):
    """The second sender's copy comes between the first one's entries in two tables."""
    module = modules.module()
    first, second, third = (modules.neighbour(module) for _ in range(3))
    client = modules.api(module, 1)
    remember, count, counted = module.memory.add, module.counters.add, threading.Event()

    def remember_slowly(item, now):
        new = remember(item, now)
        if new:
            second.say(push(ttl=9))
            counted.wait(0.3)
        return new

    def count_and_tell(what):
        count(what)
        if what == "messages that were old":
            counted.set()

    module.memory.add, module.counters.add = remember_slowly, count_and_tell
    first.say(push(ttl=3))
    notification = client.hear()
    assert counted.wait(60)
    client.say(Validation(notification.id, True))
    assert third.hear_kind("peer_notification") == push(ttl=8)
    second.say(PeerRequest())
    while (heard := second.hear()).kind != "peer_response":
        assert heard.kind == "push"


def test_data_whose_ids_are_all_in_use_stops_nobody(modules):
    module, data = modules.module(), b"said very often"
    digest = hashlib.sha256(data).digest()
    for number in range(65_536):
        module.memory.add(news.Item(number, 1, digest), time.monotonic())
    client, announcer = modules.api(module, 1), modules.api(module)
    announcer.say(Announce(0, 1, data), Announce(0, 1, b"other"))
    assert [client.hear().data, client.hear().data] == [data, b"other"]


# A fuzz on the wire.

FUZZ_TYPE = 0x0203  # of the data in EXACT


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident() -> int:
    """Bytes of memory of this process."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A message with some bytes behind its header changed; now and then also its header, or
    with bytes added or gone, its size mostly right again."""
    data = bytearray(data)
    for _ in range(rng.randint(0, 3) if len(data) > 4 else 0):
        data[rng.randrange(4, len(data))] = rng.choice([0, 1, 127, 255, rng.randrange(256)])
    if rng.random() < 0.1:
        at, kind = rng.randrange(len(data)), rng.randrange(4)
        if kind == 0:
            data[rng.randrange(4)] = rng.randrange(256)
        elif kind == 1:
            del data[at:at + rng.randint(1, 9)]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 30))
        else:
            data[at:at] = rng.choice([b"\0" * 6, b"\xff" * 6, b"\x01\xf4", b"\x7f\0\0\1\0\1"])
        if kind and rng.random() < 0.7:
            data[:2] = len(data).to_bytes(2, "big")
    return bytes(data)


def pour(end, data: bytes) -> None:
    """Say that much and no more, and wait until the module has done with it."""
    end.sock.settimeout(60)
    try:
        end.sock.sendall(data)
        end.sock.shutdown(socket.SHUT_WR)
        while end.sock.recv(65_536):
            pass
    except OSError as error:
        assert not isinstance(error, TimeoutError)  # else the module has had enough of it
    end.close()


def state(module) -> tuple:
    """What must be as it was when all is over."""
    return (threading.active_count(), descriptors(), module.link_count(),
            module.subscriptions.count(), module.pending.count(), module.doorway.count(),
            module.view.addresses())


SAID_BY = {
    "a module": [value for value, _ in EXACT if value.kind in ("announce", "notify", "validation")],
    "a stranger": [Hello(address_of("127.0.0.1", 5001)), Ping(), VerificationResponse(
        NONCE, CHALLENGE, address_of("127.0.0.1", 5001))],
    "a neighbour": [PeerRequest(), Ping(), Push(9, address_of("127.0.0.1", 1)),
                    PeerNotification(4, 0x0405, FUZZ_TYPE, b"ab"),
                    PeerNotification(255, 0x0405, FUZZ_TYPE, bytes(3000))]}


@pytest.fixture
def parsed(monkeypatch):
    """Counts the messages that come to the parser of a module."""
    count, real, own = collections.Counter(), messages.parse, threading.current_thread()

    def counting(data):
        if threading.current_thread() is not own:
            count["messages"] += 1
        return real(data)

    monkeypatch.setattr(messages, "parse", counting)
    return count


@pytest.mark.parametrize("kind, total", [("a module", 7000), ("a stranger", 6000),
                                         ("a neighbour", 7000)])
def test_random_and_mutated_messages_change_nothing(modules, parsed, kind, total):
    module = modules.module(patience=0.5, memory=1.0, degree=1, max_connections=50)
    honest, subscriber = modules.neighbour(module), modules.api(module, FUZZ_TYPE)
    rng, fuzzer = random.Random(kind), free_address()
    usual, all_packed = [[value.pack() for value in values] for values in (
        SAID_BY[kind], [value for value, _ in EXACT])]
    opened = {"a module": lambda: modules.api(module), "a stranger": lambda: modules.dial(module),
              "a neighbour": lambda: modules.neighbour(module, fuzzer)}[kind]
    before, reached, memory = state(module), 0, None
    while reached < total:
        batch = [rng.randbytes(rng.randint(1, 40)) if rng.random() < 0.03 else
                 mutated(rng.choice(usual if rng.random() < 0.95 else all_packed), rng)
                 for _ in range(rng.randint(1, 40))]
        end, parsed_before = opened(), parsed["messages"]
        pour(end, b"".join(batch))
        reached += parsed["messages"] - parsed_before  # some ended the connection, unread ones
        honest.drain()                                 # behind them do not count
        subscriber.drain()
        if memory is None and reached > total // 3:
            memory = resident()
    wait_until(lambda: state(module) == before, what=f"{state(module)} to become {before}")
    assert resident() < memory + (16 << 20)
    assert len(module.view.known()) <= module.config.cache_size
    fresh, announcer = modules.api(module, 9), modules.api(module)
    announcer.say(Announce(0, 9, b"after all that"))
    notification = fresh.hear()
    assert notification.data == b"after all that"
    fresh.say(Validation(notification.id, True))
    wait_until(lambda: honest.hear_kind("peer_notification").data == b"after all that")
