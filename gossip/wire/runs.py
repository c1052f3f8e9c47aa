"""The lines about runs: which runs an address has had, and the proof that a key is at home there.

    runs:IP:PORT:START          asks a seed; START is the run in question, or 0
    runs:IP:PORT:START,START,…  answers: all that the seed has verified, nothing when there are none
    proof:KEY:SIGNATURE         stands before the line that it proves, `Liveness Reply:` or
                                `register:`; what is signed is said in signing/signed_lines.py
    proof:KEY:SIGNATURE:TIME    the same before the two lines with which a link begins

Pure.
"""

import re
from typing import NamedTuple

from gossip.addresses import Address
from gossip.wire.fields import (
    ADDRESS, BASE64, TIME, WireError, address_in, from_base64, to_base64)
from gossip.wire.gossip_line import NUMBER_LIMIT

STARTS_LIMIT = 8  # runs of one address that a line names

_RUNS = re.compile(ADDRESS + rb":((?:(?:0|[1-9][0-9]{0,18})(?:,[1-9][0-9]{0,18}){0,7})?)")
_PROOF = re.compile(rb"(" + BASE64 + rb"{43}):(" + BASE64 + rb"{86})(?::" + TIME + rb")?")


class Runs(NamedTuple):
    """A question or an answer: an address, and the STARTs of its runs."""

    address: Address
    starts: tuple[int, ...]
    kind = "runs"


class Proof(NamedTuple):
    """A key of 32 bytes, its signature of 64 bytes over what the next line says; for a link the
    TIME that was signed, else an empty text."""

    key: bytes
    signature: bytes
    time: str = ""
    kind = "proof"


def runs(address: Address, starts) -> bytes:
    """A line that names runs of an address, with its `\\n`."""
    return f"runs:{address}:{','.join(map(str, starts))}\n".encode()


def proof(key: bytes, signature: bytes, time: str = "") -> bytes:
    """The line of a proof, with its `\\n`."""
    line = b"proof:%b:%b" % (to_base64(key), to_base64(signature))
    return b"%b:%b\n" % (line, time.encode()) if time else line + b"\n"


def parse_runs(body: bytes) -> Runs:
    """Read what follows `runs:`; WireError when it is malformed."""
    match = _RUNS.fullmatch(body)
    if match is None:
        raise WireError("malformed runs line")
    starts = tuple(map(int, match[2].split(b","))) if match[2] else ()
    if any(start > NUMBER_LIMIT for start in starts):
        raise WireError("START is larger than 2^63-1")
    return Runs(address_in(match[1]), starts)


def parse_proof(body: bytes) -> Proof:
    """Read what follows `proof:`; WireError when it is malformed."""
    match = _PROOF.fullmatch(body)
    if match is None:
        raise WireError("malformed proof line")
    return Proof(from_base64(match[1]), from_base64(match[2]), (match[3] or b"").decode())
