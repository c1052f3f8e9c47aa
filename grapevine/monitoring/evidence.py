"""Contradictions: two lines of one run that share a number and differ, both signed by its key.

A signature covers the hashes of texts, so the evidence needs no text, and always fits a line:

    contradiction:KEY:HEAD|HEAD

HEAD is SIGNATURE:LENGTHS:gmessage:TIME:IP:PORT:START:NUMBER:HASHES; HASHES are the SHA-256 of each
text, together in base64url. The second one begins with `KEY:` if another key has signed it: who
makes 2^32 keys has two with one START. Pure, but for keys.
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

_HEAD = re.compile(rb"(?:(%b):)?(%b):(%b):%b:([A-Za-z0-9_-]+)" % (
    grammar.KEY, grammar.SIGNATURE, grammar.LENGTHS, wire.HEAD.pattern.removesuffix(b":")))


class Contradiction(NamedTuple):
    """Two contents that a key of a run is said to have signed; `is_true` tells whether it has."""

    text: str  # of the line, behind its first word
    run: bytes
    signed: list[tuple[bytes, bytes, bytes]]  # key, content and signature, twice

    def is_true(self) -> bool:
        return all(check(*each) for each in self.signed)


def contradiction_of(one: Signed, other: Signed) -> Contradiction:
    """Return the evidence of two lines of one run."""
    heads = []
    for each in one, other:
        content, size = each.content, HASH * len(each.texts)
        about = content[:-size].removeprefix(b"gossip ")  # LENGTHS, the head, and a colon
        key = f"{grammar.encoded(each.key)}:" if each is one or each.key != one.key else ""
        heads.append(f"{key}{grammar.encoded(each.signature)}:{about.decode()}"
                     f"{grammar.encoded(content[-size:])}")
    return parse_contradiction("|".join(heads).encode())


def parse_contradiction(field: bytes) -> Contradiction:
    """Parse what stands behind the first word. ProtocolError unless it proves a contradiction, if
    both signatures are good."""
    first, _, second = field.partition(b"|")
    matches = [_HEAD.fullmatch(part) for part in (first, second)]
    if not all(matches) or not matches[0][1]:
        raise ProtocolError("malformed line 'contradiction'")
    one, other = [_parse_head(match, match[1] or matches[0][1]) for match in matches]
    if one[0] != other[0] or None in (one[2][0], other[2][0]) or one[2] == other[2]:
        raise ProtocolError("no contradiction: other runs, another key, or twice the same")
    if not (one[1].start < other[1].stop and other[1].start < one[1].stop):
        raise ProtocolError("no contradiction: no number in common")
    return Contradiction(field.decode(), one[0], [one[2], other[2]])


def _parse_head(match: re.Match, key: bytes) -> tuple[bytes, range, tuple]:
    """Return the run of a head, its numbers, and what is signed: the key, if it is that of the run,
    the content, and the signature."""
    _, signature, lengths, run, number, spelled = match.groups()
    head = match[0][match.end(3) + 1:match.end(5)]
    count, first = lengths.count(b",") + 1, int(number)
    hashes = grammar.decoded(spelled) if len(spelled) == math.ceil(HASH * count * 4 / 3) else b""
    if grammar.encoded(hashes).encode() != spelled:
        raise ProtocolError("malformed HASHES in 'contradiction'")
    content = b"gossip %b:%b:%b" % (lengths, head, hashes)
    signed = grammar.key_of(run, key), content, grammar.decoded(signature)
    return run, range(first, first + count), signed
