"""The messages of the module, byte by byte."""

import random

import pytest

from gossip.voidphone import messages
from gossip.voidphone.messages import (
    Announce, Frames, Notification, Notify, PeerNotification, Validation, parse)
from gossip.wire import WireError
from tests.tools.module_examples import EXACT, mutated

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
    (PeerNotification(4, 0x0405, 0x0203, b"ab"), "000c 01ff 04 ff 0405 0203 6162")])
def test_reserved_bits_are_ignored(value, text):
    assert parse(bytes.fromhex(text)) == value


@pytest.mark.parametrize("flags, valid", [(0, False), (1, True), (0xFFFE, False), (0xFFFF, True)])
def test_of_the_flags_of_a_validation_the_lowest_bit_counts(flags, valid):
    assert bool(parse(Validation(0x0405, flags).pack()).flags & messages.VALID) is valid


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
