"""Signed lines and proofs, made and judged: a run speaks by the key that its START names.

In a network that signs, START is no time but a hash of the address and the key. So whoever has not
the key cannot speak for the run, and nobody has to be asked about that. Whether a key belongs to
who listens at the address is another question. A proof answers it: it stands before a line of
which it is the signature, in answer to a Liveness Request (`Liveness Reply:…`, which repeats the
time and the asker of the request, so nobody can have heard it before), when a peer registers
(`register:IP:PORT to SEEDIP:PORT`, so that no seed can use it at another), or when a link begins
(`IP:PORT links to IP:PORT at TIME`, so that nobody can use it at another end, or for another dial).
"""

import hashlib
import random

from gossip.addresses import Address
from gossip.signing import grammar
from gossip.signing.ed25519 import SigningKey, check


def start_of(address: str, key: bytes) -> int:
    """The START of the run that this public key makes at an address `IP:PORT`: 63 bits of a hash,
    at least 1."""
    digest = hashlib.sha256(address.encode() + b" " + key).digest()
    return int.from_bytes(digest[:8], "big") >> 1 or 1


def new_signer(address: Address, rng: random.Random | None) -> "Signer":
    """A signer with a new key: drawn from `rng` so that a run can be repeated, or else from the
    system, which nobody can foresee."""
    return Signer(address, (rng or random.SystemRandom()).randbytes(32))


class Signer:
    """The key of one run, and what it signs."""

    def __init__(self, address: Address, secret: bytes):
        """`secret` is 32 random bytes."""
        self._key = SigningKey(secret)
        self.start = start_of(str(address), self._key.public)
        self._run = f"{address}:{self.start}".encode()

    def cover(self, first: int, digests: list[bytes]) -> list[bytes]:
        """The signed lines for messages of this run, from the number `first` on; `digests` are the
        SHA-256 of their lines."""
        lines = []
        for at in range(0, len(digests), grammar.HASHES_LIMIT):
            hashes = b"".join(digest[:grammar.HASH_SIZE]
                              for digest in digests[at:at + grammar.HASHES_LIMIT])
            head = grammar.signed_head(self._run, first + at, self._key.public, hashes)
            lines.append(grammar.signed(head, self._key.sign(head)))
        return lines

    def proof(self, text: str, time: str = "") -> bytes:
        """The line of a proof: this key has signed the text, which names the TIME of a link."""
        return grammar.proof(self._key.public, self._key.sign(text.encode()), time)

    @staticmethod
    def is_genuine(signed: grammar.Signed) -> bool:
        """Whether the key of a signed line is the one that its START names, and has signed it."""
        address, _, start = signed.run.decode().rpartition(":")
        return (int(start) == start_of(address, signed.key)
                and check(signed.key, signed.covered, signed.signature))


def proven_start(address: Address, proof: grammar.Proof, text: str) -> int | None:
    """The START of the run at this address whose key has signed the text; None without one."""
    if not check(proof.key, text.encode(), proof.signature):
        return None
    return start_of(str(address), proof.key)


def registering(address: Address, seed: Address) -> str:
    """Return the text that a peer signs to register with a seed."""
    return f"register:{address} to {seed}"


def linking(own: Address, other: Address, time: str) -> str:
    """Return the text that a peer signs to ask for a link, or to accept one."""
    return f"{own} links to {other} at {time}"
