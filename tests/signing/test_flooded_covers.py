"""Covers by the thousand: who has a key may make as many as it likes, and they may overlap."""

import hashlib
import random
import tracemalloc

import pytest

from gossip import wire
from gossip.settings import Settings
from gossip.signing import covers
from gossip.signing import grammar
from gossip.signing.covers import TEXTLESS_LIMIT
from gossip.signing.signed_messages import SignedMessages
from tests.tools.fakes import FakeLink, peer
from tests.tools.texts import sifted

ORIGIN, START, KEY = peer(5001), 7, bytes(32)
MIB = 1 << 20


def message_list(**settings):
    """A message list to which every signature is good, but one of ones."""
    return SignedMessages(Settings(**settings), b"", lambda signed: signed.signature != b"\1" * 64)


def gossip(number):
    return wire.gossip("1.000000", ORIGIN, START, number, f"text {number}")


def cover(first, count, serial=0):
    """A signed line for messages from `first` on; who has the key can make many for the same."""
    hashes = b"".join(hashlib.sha256(gossip(number)).digest()[:grammar.HASH_SIZE]
                      for number in range(first, first + count))
    return grammar.signed(f"{ORIGIN}:{START}".encode(), first, KEY, hashes,
                          lambda head: serial.to_bytes(64, "big"))


def kept(messages, lines):
    """Those of these signed lines that are kept."""
    return [line for line in lines if not sifted(messages, [line])]


def garbage(rng, line, signed):
    """Lines of every kind that is refused, as different from one another as may be."""
    number = rng.randrange(2**60)
    return rng.choice([
        b"signed:" + rng.randbytes(30), signed[:rng.randrange(8, len(signed))],
        signed.replace(b":1:", b":%d:" % number, 1)[:-86] + b"AQEB" * 21 + b"AQ",
        line.replace(b":7:", b":%d:" % number), line + b"%d" % number])


@pytest.mark.parametrize("total", [10_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_garbage_leaves_nothing_behind(total):
    messages, rng, link = message_list(corrupt_limit=0), random.Random(1), FakeLink()
    link.peer = ORIGIN
    signed, line = cover(1, 3), gossip(1)
    messages.add([signed, line], link=link)
    tracemalloc.start()
    try:
        for _ in range(total // 100):
            lines = [garbage(rng, line, signed) for _ in range(100)]
            fresh = messages.add(sifted(messages, lines, link), link=link)
            assert fresh.lines == [] and len(fresh.corrupt) == 100
        del lines, fresh
        assert tracemalloc.get_traced_memory()[0] < MIB / 4
    finally:
        tracemalloc.stop()
    assert messages.count() == messages.runs() == 1 and kept(messages, [signed]) == [signed]


def test_covers_that_wait_take_a_bounded_room(monkeypatch):
    monkeypatch.setattr(covers, "TEXTLESS_LIMIT", 50)
    messages = message_list()
    wide = cover(1, 512)
    tracemalloc.start()
    try:
        for serial in range(500):
            messages.add([wide[:-86] + cover(1, 1, serial)[-86:]])
        assert tracemalloc.get_traced_memory()[0] < 100 * 2 * len(wide)
    finally:
        tracemalloc.stop()


def test_the_bytes_of_covers_that_wait_count_among_those_that_are_held():
    wide = cover(1, 512)
    messages = message_list(cache_bytes=10 * len(wide))
    messages.add([cover(1, 20), *map(gossip, range(1, 21))])
    assert messages.count() == 20
    messages.add([cover(100, 512, serial) for serial in range(10)])
    assert messages.count() == 0


def test_covers_go_with_their_texts():
    messages = message_list(cache_size=10)
    signed = [cover(number, 2, number) for number in range(1, 101)]
    for number, line in enumerate(signed, 1):
        messages.add([line, gossip(number)])
    assert messages.count() == 10 and kept(messages, signed) == signed[-10:]


def test_a_cover_is_compared_with_what_others_say_together_not_with_each(monkeypatch):
    compared = []
    whole = grammar.contradict
    monkeypatch.setattr(grammar, "contradict",
                        lambda *args: compared.append(args) or whole(*args))
    messages = message_list()
    same = cover(1, 512)
    messages.add([same[:-86] + cover(1, 1, serial)[-86:] for serial in range(TEXTLESS_LIMIT)])
    compared.clear()
    messages.add([cover(1, 512, 2 * TEXTLESS_LIMIT)])
    assert len(compared) == 1


@pytest.mark.parametrize("first,count", [(1, 3), (2, 4), (4, 9), (1, 9), (6, 1), (3, 2)])
def test_a_contradiction_is_found_wherever_it_is(first, count):
    """Three covers are kept, with a gap between them; each number is contradicted in turn."""
    for number in range(first, first + count):
        messages, link = message_list(), FakeLink()
        link.peer = ORIGIN
        messages.add([cover(1, 3), cover(2, 1), cover(2, 3), cover(7, 2), cover(7, 4)], link=link)
        good = cover(first, count)
        fields = good.split(b":")
        hashes = bytearray(grammar.parse_signed(good).hashes)
        hashes[(number - first) * grammar.HASH_SIZE] ^= 1
        bad = grammar.signed(b":".join(fields[1:4]), first, KEY, bytes(hashes),
                             lambda head: bytes(64))
        spoken_of = number in {1, 2, 3, 4, 7, 8, 9, 10}
        assert messages.add([bad], link=link).corrupt == [bad] * spoken_of
