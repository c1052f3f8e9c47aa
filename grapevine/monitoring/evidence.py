"""Contradictions: two lines of one run that share a number and differ, both signed by its key.

A signature covers the hashes of texts, so the evidence needs no text, and always fits a line:

    contradiction:KEY:HEAD|HEAD

HEAD is SIGNATURE:LENGTHS:gmessage:TIME:IP:PORT:START:NUMBER:HASHES; HASHES are the SHA-256 of each
text, together in base64url. Pure, but for keys.
"""

import math
import re
from typing import NamedTuple

from grapevine import wire
from grapevine.signing import grammar
from grapevine.signing.ed25519 import check
from grapevine.signing.grammar import Signed
from grapevine.tools import ProtocolError

HASH = 32  # bytes

_HEAD = re.compile(rb"(%b):(%b):%b:([A-Za-z0-9_-]+)" % (
    grammar.SIGNATURE, grammar.LENGTHS, wire.HEAD.pattern.removesuffix(b":")))


class Contradiction(NamedTuple):
    """Two contents that the key of a run is said to have signed; `is_true` tells whether it has."""

    text: str  # of the line, behind its first word
    run: bytes
    signed: list[tuple[bytes, bytes, bytes]]  # key, content and signature, twice

    def is_true(self) -> bool:
        return all(check(*each) for each in self.signed)


def contradiction_of(one: Signed, other: Signed) -> Contradiction:
    """Return the evidence of two lines of one run."""
    heads = []
    for each in one, other:
        size = HASH * len(each.messages)
        about = each.content[:-size].removeprefix(b"gossip ")  # LENGTHS, the head, and a colon
        heads.append(f"{grammar.encoded(each.signature)}:{about.decode()}"
                     f"{grammar.encoded(each.content[-size:])}")
    return parse_contradiction(f"{grammar.encoded(one.key)}:{'|'.join(heads)}".encode())


def parse_contradiction(field: bytes) -> Contradiction:
    """Parse what stands behind the first word. ProtocolError unless it proves a contradiction, if
    both signatures are good."""
    word, _, rest = field.partition(b":")
    matches = [_HEAD.fullmatch(part) for part in rest.split(b"|")]
    if len(matches) != 2 or not all(matches) or not re.fullmatch(grammar.KEY, word):
        raise ProtocolError("malformed line 'contradiction'")
    one, other = map(_parse_head, matches)
    run, key = one[0], grammar.key_of(one[0], word)
    if run != other[0] or key is None or one[2] == other[2]:
        raise ProtocolError("no contradiction: other runs, another key, or twice the same")
    if not (one[1].start < other[1].stop and other[1].start < one[1].stop):
        raise ProtocolError("no contradiction: no number in common")
    return Contradiction(field.decode(), run, [(key, *one[2]), (key, *other[2])])


def _parse_head(match: re.Match) -> tuple[bytes, range, tuple[bytes, bytes]]:
    """Return the run of a head, its numbers, and what is signed, with the signature."""
    signature, lengths, run, number, spelled = match.groups()
    head = match[0][match.end(2) + 1:match.end(4)]
    count, first = lengths.count(b",") + 1, int(number)
    hashes = grammar.decoded(spelled) if len(spelled) == math.ceil(HASH * count * 4 / 3) else b""
    if grammar.encoded(hashes).encode() != spelled:
        raise ProtocolError("malformed HASHES in 'contradiction'")
    signed = b"gossip %b:%b:%b" % (lengths, head, hashes), grammar.decoded(signature)
    return run, range(first, first + count), signed
