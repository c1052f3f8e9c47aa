"""The lines of signing: signed gossip, proofs, questions about runs. Pure, but for keys.

    signed:KEY:SIGNATURE:LENGTHS:gmessage:TIME:IP:PORT:START:NUMBER:TEXT[TEXT…]
    proof:KEY:SIGNATURE[:TIME]
    runs:IP:PORT:STARTS

A run is its key: START is a hash of the address and KEY. Texts that are said at once stand one
behind the other in one line; LENGTHS has their sizes in bytes, and nothing for a single text. They
have the same TIME, and the numbers from NUMBER on. SIGNATURE covers the SHA-256 of each text and
not the texts, so that a contradiction can be proved without them. KEY and SIGNATURE are in
base64url without padding. What has another spelling is malformed, because lines are compared.
"""

import base64
import functools
import hashlib
import re
from typing import NamedTuple

from grapevine import wire
from grapevine.addresses import Address
from grapevine.signing.ed25519 import check, signing_key
from grapevine.tools import ProtocolError

TEXTS_LIMIT, SIZE_LIMIT = 128, 16 << 10  # texts in a line, and bytes of several together
STARTS_LIMIT = 32  # runs in a line `runs:`

KEY, SIGNATURE = rb"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", rb"[A-Za-z0-9_-]{85}[AQgw]"
_LENGTH = b"(?:0|[1-9][0-9]{0,4})"
LENGTHS = b"(?:%b(?:,%b){1,%d})?" % (_LENGTH, _LENGTH, TEXTS_LIMIT - 1)
_SIGNED = re.compile(rb"signed:(%b):(%b):(%b):%b" % (KEY, SIGNATURE, LENGTHS, wire.HEAD.pattern))
_START = "(?:0|[1-9][0-9]{0,18})"


# Proofs and questions.

def encoded(data: bytes) -> str:
    """Return bytes in base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(field: bytes) -> bytes:
    """Return the bytes that a field spells."""
    return base64.urlsafe_b64decode(field + b"==")


_FIELDS = wire.FIELDS | {
    "KEY": (KEY, decoded, encoded),
    "SIGNATURE": (SIGNATURE, decoded, encoded),
    "STARTS": (f"(?:{_START}(?:,{_START}){{0,{STARTS_LIMIT - 1}}})?".encode(),
               lambda field: tuple(map(int, field.split(b","))) if field else (),
               lambda starts: ",".join(map(str, starts)))}
_RUNS = wire.Form("runs:ADDRESS:STARTS", _FIELDS)
_PROOF, _PROOF_AT = [wire.Form(spelling, _FIELDS)
                     for spelling in ("proof:KEY:SIGNATURE", "proof:KEY:SIGNATURE:TIME")]


def parse(line: bytes) -> tuple[str, tuple]:
    """Parse any line but gossip, as wire.parse does."""
    if line.startswith(b"runs:"):
        return "runs", _RUNS.read(line)
    if line.startswith(b"proof:"):
        return "proof", (_PROOF_AT if line.count(b":") > 2 else _PROOF).read(line)
    return wire.parse(line)


def say_runs(address: Address, starts) -> bytes:
    return _RUNS.say(address, starts)


class Proof(NamedTuple):
    """A `proof:` line: the other end has the key, if the signature fits its next line."""

    key: bytes
    signature: bytes
    time: str = ""  # of a link: the dialler's clock

    def start(self, address: Address, text: str) -> int | None:
        """Return the START whose key has signed a text; None if it has not."""
        is_good = check(self.key, text.encode(), self.signature)
        return start_of(address.text, self.key) if is_good else None


# Texts that are signed. Each begins otherwise, so that no signature serves two purposes.

def registering(own: Address, seed: Address) -> str:
    return f"register:{own} to {seed}"


def linking(own: Address, other: Address, time: str) -> str:
    return f"{own} links to {other} at {time}"


def accepting(own: Address, other: Address, time: str) -> str:
    return f"{own} accepts {other} at {time}"


def replying(time: str, asker: Address, replier: Address) -> str:
    return wire.say("liveness_reply", time, asker, replier).decode().rstrip()


def start_of(address: str, key: bytes) -> int:
    """Return the START of a key at `IP:PORT`: 63 bits of a hash, not 0."""
    digest = hashlib.sha256(address.encode() + b" " + key).digest()
    return int.from_bytes(digest[:8], "big") >> 1 or 1


def run_of(address: Address, start: int) -> bytes:
    return f"{address}:{start}".encode()


def read_run(run: bytes) -> tuple[Address, int]:
    """Return the address and the START of a run."""
    return wire.origin_of(run), int(run.rpartition(b":")[2])


# Signed gossip.

class Signed:
    """A signed line whose START is that of its key; its signature is not checked yet. What only a
    line that is wanted needs is made when it is asked for: most lines are not."""

    def __init__(self, line: bytes, key: bytes, signature: bytes, lengths: bytes, head: bytes,
                 run: bytes, first: int, texts: list[bytes]):
        """`head` is from `gmessage:` to the colon before NUMBER, `first` the first number."""
        self.line, self.key, self.signature = line, key, signature
        self._lengths, self._head, self.texts = lengths, head, texts
        self.run, self.first, self.last = run, first, first + len(texts) - 1

    @property
    def numbers(self) -> range:
        return range(self.first, self.last + 1)

    @property
    def messages(self) -> list[bytes]:
        """Return the gossip line of each message."""
        return [b"%b%d:%b" % (self._head, number, text)
                for number, text in enumerate(self.texts, self.first)]

    @property
    def content(self) -> bytes:
        """Return what is signed."""
        return _content(self._lengths, b"%b%d" % (self._head, self.first), self.texts)

    def is_good(self) -> bool:
        """Tell whether its key has signed it."""
        return check(self.key, self.content, self.signature)


def parse_signed(line: bytes) -> Signed | None:
    """Parse a signed line; None if it is malformed, or START is not that of its key."""
    match = _SIGNED.match(line)
    if match is None:
        return None
    key, signature, lengths, run, number = match.groups()
    head = line[match.end(3) + 1:match.start(5)]
    texts = _split(line[match.end():], lengths)
    last = int(number) + len(texts) - 1
    if not texts or last > wire.NUMBER_LIMIT or len(line) > match.end(3) + 1 + wire.GOSSIP_LIMIT:
        return None
    public = key_of(run, key)
    if public is None:
        return None
    try:
        b"\n".join(texts).decode()  # a text is UTF-8 by itself
    except UnicodeDecodeError:
        return None
    return Signed(line, public, decoded(signature), lengths, head, run, int(number), texts)


def _split(texts: bytes, lengths: bytes) -> list[bytes]:
    """Return the single texts; none if they do not have these lengths."""
    if not lengths:
        return [texts]
    split, at = [], 0
    for length in map(int, lengths.split(b",")):
        split.append(texts[at:at + length])
        at += length
    return split if at == len(texts) <= SIZE_LIMIT else []


def _content(lengths: bytes, head: bytes, texts: list[bytes]) -> bytes:
    """Return what is signed of a line; `head` is from `gmessage:` to NUMBER."""
    hashes = b"".join([hashlib.sha256(text).digest() for text in texts])
    return b"gossip %b:%b:%b" % (lengths, head, hashes)


@functools.lru_cache(maxsize=8_192)
def key_of(run: bytes, field: bytes) -> bytes | None:
    """Return the key that a KEY spells, if the run is its."""
    key = decoded(field)
    try:
        address = wire.origin_of(run)
    except ProtocolError:
        return None
    return key if run == run_of(address, start_of(address.text, key)) else None


class Signer:
    """The key of one run, and what it signs."""

    def __init__(self, address: Address, secret: bytes):
        """`secret` is 32 random bytes."""
        self._key = signing_key(secret)
        self.start = start_of(address.text, self._key.public)

    def proof(self, text: str, *time: str) -> bytes:
        """Return the proof of a text; that of a link has a TIME, too."""
        form = _PROOF_AT if time else _PROOF
        return form.say(self._key.public, self._key.sign(text.encode()), *time)

    def sign(self, messages: list[bytes]) -> list[bytes]:
        """Return the signed lines of gossip lines with the same TIME."""
        lines, size, following = [], 0, None  # first message and texts of each; of the last one
        for message in messages:
            head = wire.HEAD.match(message)
            number, text = int(head[2]), message[head.end():]
            if (number != following or len(lines[-1][1]) == TEXTS_LIMIT
                    or size + len(text) > SIZE_LIMIT):
                lines.append((message, []))
                size = 0
            lines[-1][1].append(text)
            size, following = size + len(text), number + 1
        return [signed_line(self._key, first, texts) for first, texts in lines]


def signed_line(key, first: bytes, texts: list[bytes]) -> bytes:
    """Return the line of texts that are said together; `first` is the first message."""
    lengths = b",".join([b"%d" % len(text) for text in texts]) if len(texts) > 1 else b""
    head = first[:wire.HEAD.match(first).end() - 1]
    signature = key.sign(_content(lengths, head, texts))
    return b"signed:%b:%b:%b:%b:%b" % (
        encoded(key.public).encode(), encoded(signature).encode(), lengths, head, b"".join(texts))
