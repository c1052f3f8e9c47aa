"""The lines of signing: signed lines, contradictions, runs and proofs; read, made and verified.

KEY, HASHES and SIGNATURE are in base64url without padding, in the one canonical spelling. A proof
shows that a key belongs to the peer at an address. It signs a text that is of no use anywhere else:
a Liveness Reply, which is new, `registering` or `linking`.
"""

import functools
import hashlib
import random
import re
from typing import NamedTuple

from gossip.addresses import Address
from gossip.signing.ed25519 import check, signing_key
from gossip.wire.fields import (
    LINES, NUMBER_LIMIT, PEER, TIME, Field, WireError, declare_kind, from_base64, number_in,
    to_base64)
from gossip.wire.lines import RUN, RUNS_KEPT, SIGNED, check_run

STARTS_LIMIT = 8  # runs of one address that a line names
HASH_SIZE = 16  # bytes of a SHA-256 that name a gossip line
HASHES_LIMIT = 512  # lines that one signed line speaks for

_SIGNED = re.compile(SIGNED + rb"(" + RUN + rb"):([1-9][0-9]{0,18}):"
                     rb"([^:]{43}):([^:]+):([^:]{86})")  # in base64url, see from_base64


class Signed(NamedTuple):
    """The content of `signed:IP:PORT:START:FIRST:KEY:HASHES:SIGNATURE`."""

    run: bytes  # IP:PORT:START
    first: int  # the number of its first message
    last: int  # of the last
    key: bytes
    hashes: bytes  # of the messages, joined
    signature: bytes
    content: bytes  # what was signed


class Contradiction(NamedTuple):
    """Two signed lines of one run with different hashes for one number."""

    run: bytes
    one: Signed
    other: Signed
    line: bytes  # contradiction:SIGNED|SIGNED
    kind = "contradiction"

    def verify(self) -> None:
        """Verify both signatures, because nobody is believed; WireError if one is bad."""
        if not (Signer.is_good(self.one) and Signer.is_good(self.other)):
            raise WireError("a contradiction with a bad signature")


def contradict(one, other, first: int = 1) -> bool:
    """Return whether covers of one run contradict each other from `first` on."""
    first, last = max(first, one.first, other.first), min(one.last, other.last)
    size = max(0, last - first + 1) * HASH_SIZE
    mine, theirs = ((first - line.first) * HASH_SIZE for line in (one, other))
    return one.hashes[mine:mine + size] != other.hashes[theirs:theirs + size]


def signed(run: bytes, first: int, key: bytes, hashes: bytes, sign) -> bytes:
    """Return a signed line, without its `\\n`; `sign` makes the signature of all before it."""
    head = b":".join([b"signed", run, str(first).encode(), to_base64(key), to_base64(hashes)])
    return head + b":" + to_base64(sign(head))


def parse_signed(line: bytes) -> Signed:
    """Read a signed line; WireError when it is malformed."""
    match = _SIGNED.fullmatch(line)
    if match is None:
        raise WireError("malformed signed line")
    run, first = match[1], int(match[2])
    check_run(run)
    key, hashes, signature = map(from_base64, match.group(3, 4, 5))
    count, rest = divmod(len(hashes), HASH_SIZE)
    if rest or count > HASHES_LIMIT:
        raise WireError(f"HASHES are not 1 to {HASHES_LIMIT} hashes of {HASH_SIZE} bytes")
    last = first + count - 1
    if last > NUMBER_LIMIT:
        raise WireError("NUMBER is not between 1 and 2^63-1")
    return Signed(run, first, last, key, hashes, signature, line[:match.start(5) - 1])


def contradiction(one: bytes, other: bytes) -> bytes:
    """Return the line that shows two signed lines, with its `\\n`."""
    return b"contradiction:%b|%b\n" % (one, other)


def parse_contradiction(body: bytes) -> Contradiction:
    """Read what follows `contradiction:`; WireError unless two lines contradict each other."""
    one, other = map(parse_signed, body.split(b"|", 1)) if b"|" in body else (None, None)
    if one is None or one.run != other.run or not contradict(one, other):
        raise WireError("no two signed lines that contradict each other")
    return Contradiction(one.run, one, other, b"contradiction:" + body)


LINES[b"contradiction"] = parse_contradiction


# Runs and proofs.

def _base64(size: int) -> Field:
    return Field(rb"[A-Za-z0-9_-]{%d}" % size, from_base64, lambda data: to_base64(data).decode())


_STARTS = Field(rb"(?:(?:0|[1-9][0-9]{0,18})(?:,[1-9][0-9]{0,18}){0,7})?",
                lambda field: tuple(map(number_in, field.split(b","))) if field else (),
                lambda starts: ",".join(map(str, starts)))
_AT_TIME = Field(b"(?::%b)?" % TIME.pattern, lambda field: field[1:].decode(),
                 lambda time: time and f":{time}")
# A question to a seed about the run with one START, or with START 0 about all runs of an address;
# or the answer: the STARTs of all its runs that the seed has verified, if any.
Runs, runs = declare_kind("runs", "runs:%s:%s", address=PEER, starts=_STARTS)
# A key, and its signature for the next line. `time` is what was signed for a link, else empty.
Proof, proof = declare_kind("proof", "proof:%s:%s%s", key=_base64(43), signature=_base64(86),
                            time=_AT_TIME)


# Making and verifying.

@functools.lru_cache(maxsize=RUNS_KEPT)
def start_of(address: str, key: bytes) -> int:
    """Return the START of a key at `IP:PORT`: 63 bits, not 0."""
    digest = hashlib.sha256(address.encode() + b" " + key).digest()
    return int.from_bytes(digest[:8], "big") >> 1 or 1


def new_signer(address: Address, rng: random.Random | None) -> "Signer":
    """Make a signer with a new key, from `rng` or the system."""
    return Signer(address, (rng or random.SystemRandom()).randbytes(32))


class Signer:
    """The key of one run, and what it signs."""

    def __init__(self, address: Address, secret: bytes):
        """`secret` is 32 random bytes."""
        self._key = signing_key(secret)
        self.start = start_of(str(address), self._key.public)
        self._run = f"{address}:{self.start}".encode()

    def cover(self, first: int, digests: list[bytes]) -> list[bytes]:
        """Return signed lines for messages with these SHA-256, from number `first` on."""
        lines = []
        for at in range(0, len(digests), HASHES_LIMIT):
            hashes = b"".join([digest[:HASH_SIZE] for digest in digests[at:at + HASHES_LIMIT]])
            lines.append(signed(self._run, first + at, self._key.public, hashes, self._key.sign))
        return lines

    def proof(self, text: str, time: str = "") -> bytes:
        """Return the proof of a text; `time` is a link's TIME, if any."""
        return proof(self._key.public, self._key.sign(text.encode()), time)

    @staticmethod
    def is_good(signed: Signed) -> bool:
        """Return whether a signature is good, by the key that START names."""
        address, _, start = signed.run.decode().rpartition(":")
        return (int(start) == start_of(address, signed.key)
                and check(signed.key, signed.content, signed.signature))


def proven_start(address: Address, proof: Proof, text: str) -> int | None:
    """Return the START whose key has signed a text; None if none."""
    is_good = check(proof.key, text.encode(), proof.signature)
    return start_of(str(address), proof.key) if is_good else None


def registering(address: Address, seed: Address) -> str:
    """Return the text that a peer signs to register with this seed."""
    return f"register:{address} to {seed}"


def linking(own: Address, other: Address, time: str) -> str:
    """Return the text that a peer signs when it links."""
    return f"{own} links to {other} at {time}"
