"""The messages of gossip modules and their clients, byte by byte."""

import pytest

from grapevine.tools import ProtocolError
from grapevine.voidphone.messages import Announce, Notify, PeerNotification, cut, parse
from tests.tables.voidphone_examples import EXACT

FIXED_SIZES = {501: 8, 503: 8, 504: 4, 506: 12, 507: 26, 508: 10, 509: 12, 510: 4}
LEAST_SIZES = {500: 8, 502: 8, 511: 10}


def message(number: int, size: int) -> bytes:
    """Return a message of a type and size, its body all ones."""
    return size.to_bytes(2, "big") + number.to_bytes(2, "big") + b"\1" * (size - 4)


def value_of(data: bytes):
    return parse(data)[1]


@pytest.mark.parametrize("value, text", EXACT)
def test_a_message_is_exactly_these_bytes_in_both_directions(value, text):
    data = bytes.fromhex(text)
    assert value.pack() == data
    assert value_of(data) == value and type(value_of(data)) is type(value)


def test_every_type_has_an_example():
    assert {int(text[5:9], 16) for _, text in EXACT} == set(range(500, 512))


@pytest.mark.parametrize("value, text", [
    (Announce(3, 0x0203, b"ab"), "000a 01f4 03 ff 0203 6162"),
    (Notify(0x0203), "0008 01f5 ffff 0203"),
    (PeerNotification(4, 0x0405, 0x0203, b"ab"), "000c 01ff 04 ff 0405 0203 6162")])
def test_reserved_bits_are_ignored(value, text):
    assert value_of(bytes.fromhex(text)) == value


@pytest.mark.parametrize("number, size", FIXED_SIZES.items())
def test_a_fixed_size_type_has_no_other_size(number, size):
    assert value_of(message(number, size)).pack()[2:4] == number.to_bytes(2, "big")
    for wrong in {*range(4, 40), 65_535} - {size}:
        with pytest.raises(ProtocolError, match=f"^message {number} of {wrong} bytes$"):
            parse(message(number, wrong))
        header = message(number, wrong)[:4]
        assert cut(header) == ([header], b""), "its header is enough, the rest need not come"


def test_other_types_have_a_least_size():
    for number, least in LEAST_SIZES.items():
        assert value_of(message(number, least)).data == b""
        for wrong in range(4, least):
            with pytest.raises(ProtocolError, match=f"message {number} of {wrong} bytes"):
                parse(message(number, wrong))
    for size in range(4, 40):
        if size % 6 == 4:
            assert len(value_of(message(505, size)).addresses) == size // 6
        else:
            with pytest.raises(ProtocolError, match=f"message 505 of {size} bytes"):
                parse(message(505, size))


def test_unknown_types_are_refused_by_their_header():
    for number in {*range(0, 500), *range(512, 1024), 65_535}:
        for data in (message(number, 8), message(number, 9)[:4]):
            [found], rest = cut(data)
            assert rest == b""
            with pytest.raises(ProtocolError, match=f"^unknown type {number}$"):
                parse(found)


@pytest.mark.parametrize("text", [
    "000a 01f9 01020304 0000", "0010 01f9 01020304 1389 01020304 0000", "000a 01fc 01020304 0000",
    "001a 01fb 0102030405060708 1112131415161718 01020304 0000", "000c 01fd 0005 01020304 0000"])
def test_port_0_is_refused(text):
    with pytest.raises(ProtocolError, match="port 0"):
        parse(bytes.fromhex(text))


def test_messages_may_come_byte_by_byte_coalesced_or_cut_anywhere():
    packed = [value.pack() for value, _ in EXACT]
    stream = b"".join(packed)
    assert cut(stream) == (packed, b"")
    for at in range(len(stream) + 1):
        before, rest = cut(stream[:at])
        assert rest == b"" or rest == stream[at - len(rest):at]
        assert cut(rest + stream[at:]) == (packed[len(before):], b"")


@pytest.mark.parametrize("size", range(4))
def test_a_size_under_4_is_refused_after_what_came_before(size):
    before = Notify(1).pack()
    (first, wrong), rest = cut(before + size.to_bytes(2, "big") + before)
    assert first == before and rest == b""
    with pytest.raises(ProtocolError, match=f"^message of {size} bytes$"):
        parse(wrong)
