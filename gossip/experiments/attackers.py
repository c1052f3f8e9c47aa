"""Attackers: seeds and peers that lie, for simulations and tests; no program starts one otherwise.

A class of an attacker is made from the class of an honest node, which is handed in.
"""

import collections
import hashlib

from gossip import wire
from gossip.addresses import Address
from gossip.signing.signed_lines import new_signer

TOO_LATE = 3.0  # seconds until a late answer; a peer waits for two
INVENTED = 2  # runs that a liar adds to an answer


def lying(seed_class: type, lie: str) -> type:
    """A seed that lies to all who ask about runs, in the way of LIES (accidents.py)."""
    class Liar(seed_class):
        """It is honest in all else."""

        ANSWERED_BY = {**seed_class.ANSWERED_BY, "runs": "lies"}

        def start_threads(self) -> None:
            super().start_threads()
            self.lies = _LIARS[lie](self)
    return Liar


class _Inventing:
    """Names every run that is asked for, and invented ones."""

    def __init__(self, seed):
        self._rng = seed.rng

    def on_runs(self, link, message: wire.Runs) -> None:
        asked = [start for start in message.starts if start]
        invented = [self._rng.randint(1, wire.NUMBER_LIMIT) for _ in range(INVENTED)]
        link.send(wire.runs(message.address, asked + invented))


class _Late:
    """Answers the truth when nobody waits for it any more."""

    def __init__(self, seed):
        self._seed = seed
        self._due: collections.deque = collections.deque()  # (when, link, question)
        self._duty = seed.keep("late answers", self._turn)

    def on_runs(self, link, message: wire.Runs) -> None:
        self._due.append((self._seed.now() + TOO_LATE, link, message))
        self._duty.hurry()

    def _turn(self, now: float) -> float | None:
        """Answer what is due."""
        while self._due and self._due[0][0] <= now:
            _, link, message = self._due.popleft()
            self._seed.vouching.on_runs(link, message)
        return self._due[0][0] if self._due else None


class _Silent:
    """Does not answer."""

    def __init__(self, seed):
        """It needs nothing of the seed."""

    def on_runs(self, link, message: wire.Runs) -> None:
        """Say nothing."""


class _Denying(_Silent):
    """Names no run."""

    def on_runs(self, link, message: wire.Runs) -> None:
        link.send(wire.runs(message.address, []))


_LIARS = {"false": _Inventing, "late": _Late, "never": _Silent, "none": _Denying}


def forging(peer_class: type) -> type:
    """A peer that makes up runs in the names of others, with keys of its own."""
    class Forger(peer_class):
        """It is honest until `forge` is called."""

        def forge(self, victim: Address, texts: list[str]) -> None:
            """Tell all neighbours what a run has said that the victim never had."""
            signer = new_signer(victim, self.rng)
            lines = [wire.gossip(wire.format_time(self.time()), victim, signer.start, number, text)
                     for number, text in enumerate(texts, 1)]
            covers = signer.cover(1, [hashlib.sha256(line).digest() for line in lines])
            for link in self.neighbours.links():
                link.send(b"".join(line + b"\n" for line in [*covers, *lines]))
    return Forger
