"""Signed lines and proofs, made and verified: a run speaks by the key that its START names.

In a network that signs, START is a hash of the address and the key, so nobody can speak for a run
without its key, and nobody has to be asked about that. A proof shows that the key belongs to the
peer at the address. It precedes a line, and signs a text that is of no use anywhere else:

    Liveness Reply:…                    repeats the TIME and the asker of the request, so is new
    register:IP:PORT to SEEDIP:PORT     so that no seed can use it to register at another seed
    IP:PORT links to IP:PORT at TIME    the beginning of a link: its two ends, and this one dial
"""

import hashlib
import random

from gossip.addresses import Address
from gossip.signing import grammar
from gossip.signing.ed25519 import check, signing_key


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
        lines, most = [], grammar.HASHES_LIMIT
        for at in range(0, len(digests), most):
            hashes = b"".join([digest[:grammar.HASH_SIZE] for digest in digests[at:at + most]])
            head = grammar.signed_head(self._run, first + at, self._key.public, hashes)
            lines.append(grammar.signed(head, self._key.sign(head)))
        return lines

    def proof(self, text: str, time: str = "") -> bytes:
        """Return the proof of a text; `time` is a link's TIME, if any."""
        return grammar.proof(self._key.public, self._key.sign(text.encode()), time)

    @staticmethod
    def is_genuine(signed: grammar.Signed) -> bool:
        """Return whether the key that START names has signed a line."""
        address, _, start = signed.run.decode().rpartition(":")
        return (int(start) == start_of(address, signed.key)
                and check(signed.key, signed.covered, signed.signature))


def proven_start(address: Address, proof: grammar.Proof, text: str) -> int | None:
    """Return the START whose key has signed a text; None if none."""
    is_good = check(proof.key, text.encode(), proof.signature)
    return start_of(str(address), proof.key) if is_good else None


def registering(address: Address, seed: Address) -> str:
    """Return the text that a peer signs to register with a seed."""
    return f"register:{address} to {seed}"


def linking(own: Address, other: Address, time: str) -> str:
    """Return the text that a peer signs to ask for a link, or to accept one."""
    return f"{own} links to {other} at {time}"
