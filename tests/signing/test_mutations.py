"""Signed lines and the gossip lines that they cover, changed in every way: none is taken."""

import base64
import hashlib
import random

import pytest

from gossip import wire
from gossip.settings import Settings
from gossip.signing import grammar
from gossip.signing.grammar import Signer, proven_start, registering
from gossip.signing.signed_messages import SignedMessages
from gossip.signing.signed_spreading import SignedSpreading
from gossip.spread.spreading import in_batches
from tests.tools.fakes import peer
from tests.tools.texts import sifted

TIMES = 10_000
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def said(port, key, first, count):
    """What a peer signs: its signed lines, and the gossip lines behind them."""
    signer = Signer(peer(port), bytes([key]) * 32)
    lines = [wire.gossip("1700000000.000000", peer(port), signer.start, number, f"text: {number}")
             for number in range(first, first + count)]
    return signer.cover(first, [hashlib.sha256(line).digest() for line in lines]), lines


@pytest.fixture(scope="module")
def valid():
    """The signed lines and the gossip lines of two keys at one address, and of another address."""
    runs = [said(5001, 1, 1, 3), said(5001, 1, 4, 2), said(5001, 2, 1, 3), said(5002, 1, 1, 3)]
    return ([line for covers, _ in runs for line in covers],
            [line for _, lines in runs for line in lines])


class Mutator:
    """Changes lines, each time in a way that chance picks."""

    def __init__(self, lines, rng):
        self._lines, self._rng = lines, rng
        self._ways = [
            self.flip, self.swap_bytes, self.cut, self.insert, self.truncate, self.extend,
            self.grow, self.swap_fields, self.take_field, self.drop_field, self.misspell_number,
            self.misspell_base64, self.change_base64]

    def __call__(self):
        """A line that is none of the valid ones."""
        while True:
            line = self._rng.choice(self._ways)(self._rng.choice(self._lines))
            if line not in self._lines:
                return line

    def flip(self, line):
        at = self._rng.randrange(len(line))
        return line[:at] + bytes([line[at] ^ 1 << self._rng.randrange(8)]) + line[at + 1:]

    def swap_bytes(self, line):
        at = self._rng.randrange(1, len(line))
        return line[:at - 1] + line[at:at + 1] + line[at - 1:at] + line[at + 1:]

    def cut(self, line):
        at = self._rng.randrange(len(line))
        return line[:at] + line[at + self._rng.randint(1, 20):]

    def insert(self, line):
        at = self._rng.randrange(len(line))
        return line[:at] + self._rng.randbytes(self._rng.randint(1, 9)) + line[at:]

    def truncate(self, line):
        return line[:self._rng.randrange(len(line))]

    def extend(self, line):
        return line + self._rng.choice([b"A", b"=", b" ", b"\0", b"\r", b"\n", b":", b":A", line])

    def grow(self, line):
        fields = line.split(b":")
        fields[self._rng.randrange(1, len(fields))] *= self._rng.choice([2, 100, 1_000])
        return b":".join(fields)[:wire.LINE_LIMIT]

    def swap_fields(self, line):
        fields = line.split(b":")
        one, other = self._rng.sample(range(len(fields)), 2)
        fields[one], fields[other] = fields[other], fields[one]
        return b":".join(fields)

    def take_field(self, line):
        """One to three fields are those of another valid line."""
        fields, others = line.split(b":"), self._rng.choice(self._lines).split(b":")
        for at in self._rng.sample(range(1, len(fields)), self._rng.randint(1, 3)):
            fields[at] = others[at]
        return b":".join(fields)

    def drop_field(self, line):
        fields = line.split(b":")
        del fields[self._rng.randrange(len(fields))]
        return b":".join(fields)

    def misspell_number(self, line):
        """Other spellings of a number, and other numbers."""
        fields = line.split(b":")
        numbers = [at for at, field in enumerate(fields) if field.isdigit()]
        at = self._rng.choice(numbers)
        field = fields[at]
        fields[at] = self._rng.choice([
            b"0" + field, b"+" + field, b"-" + field, b" " + field, field + b" ", b"0x1", b"",
            field[:1] + b"_" + field[1:], field + b".0", field + b"e0", "\u0661".encode(),
            b"%d" % (int(field) + 2**63), b"%d" % (int(field) + 2**64), b"0", b"9" * 5_000,
            b"%d" % (2**63 - 1)])
        return b":".join(fields)

    def misspell_base64(self, line):
        """Other spellings of the same bytes, which a lenient reader takes."""
        fields = line.split(b":")
        at = self._rng.randrange(1, len(fields))
        field = fields[at]
        fields[at] = self._rng.choice([
            field + b"=", field + b"==", field.replace(b"-", b"+").replace(b"_", b"/"),
            *(field[:9] + other + field[9:] for other in (b"\n", b"=", b"!")),
            _next_in_base64(field, 1), _next_in_base64(field, 2), _next_in_base64(field, 3)])
        return b":".join(fields)

    def change_base64(self, line):
        """Well spelled, but another key, hash or signature."""
        fields = line.split(b":")
        at = self._rng.randrange(max(1, len(fields) - 3), len(fields))
        try:
            data = bytearray(base64.urlsafe_b64decode(fields[at] + b"=="))
        except ValueError:
            data = bytearray(fields[at])
        data[self._rng.randrange(len(data))] ^= 1 << self._rng.randrange(8)
        fields[at] = base64.urlsafe_b64encode(data).rstrip(b"=")
        return b":".join(fields)


def _next_in_base64(field, step):
    """The last letter changed, often only in bits that stand for nothing."""
    at = BASE64.find(field[-1:])
    return field[:-1] + BASE64[(at ^ step) % 64:][:1]


def genuine(line):
    try:
        return Signer.is_good(grammar.parse_signed(line))
    except wire.WireError:
        return False


def proven(line):
    """The START that a proof and the text behind it prove; None when they prove nothing."""
    proof, text = b":".join(line.split(b":")[:3]), b":".join(line.split(b":")[3:])
    try:
        message = wire.parse(proof)
    except wire.WireError:
        return None
    if message.kind != "proof":
        return None
    return proven_start(peer(5001), message, text.decode(errors="replace"))


def fresh_lines(messages, lines):
    """What a peer that signs takes of lines: as its link reader does, up to a fault."""
    taken = []
    for batch, is_gossip in in_batches(sifted(messages, lines), SignedSpreading.BEGINNINGS):
        if is_gossip:
            fresh = messages.add(batch)
            taken += fresh.lines
            if fresh.fault is not None:
                break
        else:
            with pytest.raises(wire.WireError):
                wire.parse(batch[0])
            break
    return taken


def message_list():
    return SignedMessages(Settings(corrupt_limit=0), b"", Signer.is_good)


def test_no_changed_signed_line_is_genuine(valid):
    covers, _ = valid
    mutated = Mutator(covers, random.Random(1))
    assert all(map(genuine, covers))
    assert [line for line in (mutated() for _ in range(TIMES)) if genuine(line)] == []


def test_behind_changed_signed_lines_no_message_is_taken(valid):
    covers, lines = valid
    messages, mutated = message_list(), Mutator(covers, random.Random(2))
    for _ in range(TIMES):
        changed = mutated()
        assert fresh_lines(messages, [changed, *lines[:2]]) == [], changed
    assert messages.runs() == messages.count() == 0
    assert fresh_lines(messages, covers + lines) == lines


def test_behind_their_true_signed_lines_no_changed_message_is_taken(valid):
    covers, lines = valid
    messages, mutated = message_list(), Mutator(lines, random.Random(3))
    for _ in range(TIMES):
        changed = mutated()
        if wire.is_gossip(changed) and wire.gossip_part(changed) in lines:
            continue  # a prefix is no part of the message
        assert fresh_lines(messages, [*covers, changed]) == [], changed
    assert messages.runs() == messages.count() == 0
    assert fresh_lines(messages, covers + lines) == lines


@pytest.mark.parametrize("texts", [
    pytest.param(["Liveness Reply:1700000000.000000:127.0.0.1:8080:127.0.0.1:5001",
                  "Liveness Reply:1700000000.000001:127.0.0.1:8081:127.0.0.1:5001"],
                 marks=pytest.mark.slow),
    [registering(peer(5001), peer(8080)), registering(peer(5001), peer(8081))]])
def test_no_changed_proof_proves_anything(texts):
    """Neither another proof of the text, nor the same proof of another one."""
    signers = [Signer(peer(5001), bytes([key]) * 32) for key in (1, 2)]
    valid = {signer.proof(text)[:-1] + b":" + text.encode(): signer.start
             for signer in signers for text in texts}
    mutated = Mutator(list(valid), random.Random(4))
    assert {line: proven(line) for line in valid} == valid
    assert [line for line in (mutated() for _ in range(TIMES)) if proven(line) is not None] == []
