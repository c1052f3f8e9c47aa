"""Signed lines: made, read, and everything that is none."""

import hashlib

import pytest

from gossip import wire
from gossip.signing import grammar
from gossip.signing.grammar import Signer, start_of
from tests.tools.fakes import peer

OWN = peer(5001)


@pytest.fixture(scope="module")
def signer():
    return Signer(OWN, bytes(range(32)))


def digests(count):
    return [hashlib.sha256(b"%d" % number).digest() for number in range(count)]


def test_a_signed_line_names_its_run_its_numbers_and_their_hashes(signer):
    [line] = signer.cover(7, digests(3))
    read = grammar.parse_signed(line)
    assert read.run == f"{OWN}:{signer.start}".encode() and (read.first, read.last) == (7, 9)
    assert read.hashes == b"".join(digest[:16] for digest in digests(3))
    assert line.startswith(read.content) and signer.is_good(read)


def test_what_is_said_at_once_is_covered_by_one_line_up_to_its_limit(signer):
    read = [grammar.parse_signed(line) for line in signer.cover(1, digests(1_025))]
    assert [(one.first, one.last) for one in read] == [(1, 512), (513, 1_024), (1_025, 1_025)]
    assert all(map(signer.is_good, read))


def test_a_run_is_its_key_at_its_address():
    key = bytes(32)
    digest = hashlib.sha256(b"127.0.0.1:5001 " + key).digest()
    assert start_of("127.0.0.1:5001", key) == int.from_bytes(digest[:8], "big") // 2
    assert start_of("127.0.0.1:5002", key) != start_of("127.0.0.1:5001", key)
    assert 1 <= start_of("127.0.0.1:5001", key) < 2**63


def test_nobody_speaks_for_a_run_with_another_key_or_from_another_address(signer):
    other = Signer(OWN, bytes(32))
    read = grammar.parse_signed(signer.cover(1, digests(1))[0])
    run = f"{OWN}:{other.start}".encode()
    elsewhere = f"127.0.0.1:5009:{signer.start}".encode()
    for false in run, elsewhere:
        line = grammar.signed(false, 1, read.key, read.hashes, signer._key.sign)
        assert not signer.is_good(grammar.parse_signed(line))


@pytest.mark.parametrize("change", [
    lambda line: line + b"=", lambda line: line[:-1], lambda line: line.upper(),
    lambda line: line.replace(b":1:", b":01:"), lambda line: line.replace(b":1:", b":0:"),
    lambda line: line + b":", lambda line: b"signed:", lambda line: line * 9,
    lambda line: line[:-1] + (b"B" if line[-1:] == b"A" else bytes([line[-1] + 1])),
    lambda line: line.replace(b"127.0.0.1", b"127.0.0.01"),
    lambda line: line.replace(b"127.0.0.1", b"localhost")])
def test_a_line_has_one_spelling(change, signer):
    with pytest.raises(wire.WireError):
        grammar.parse_signed(change(signer.cover(1, digests(1))[0]))


def test_as_many_hashes_as_a_line_may_have_and_not_one_more():
    key, signature = bytes(32), bytes(64)

    def line(hashes, first=1):
        return grammar.signed(b"127.0.0.1:5001:7", first, key, hashes, lambda head: signature)
    assert grammar.parse_signed(line(bytes(16 * 512))).last == 512
    for hashes in bytes(16 * 513), bytes(15), b"":
        with pytest.raises(wire.WireError):
            grammar.parse_signed(line(hashes))
    assert grammar.parse_signed(line(bytes(16), first=2**63 - 1)).first == 2**63 - 1
    with pytest.raises(wire.WireError):
        grammar.parse_signed(line(bytes(32), first=2**63 - 1))
