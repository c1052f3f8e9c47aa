"""Registration history: with which seeds a peer was registered, by its own word."""

import collections

from gossip.proof.events import Registered


class RegistrationHistory:
    """What one run says of seeds, in order."""

    def __init__(self):
        self.words: dict[str, list[Registered]] = collections.defaultdict(list)  # seed -> in order
        self._all: list[tuple[str, Registered]] = []  # of all seeds, in order

    def add(self, seed: str, word: Registered) -> None:
        """Take a word about a seed."""
        self.words[seed].append(word)
        self._all.append((seed, word))

    def ever(self) -> set[str]:
        """The seeds that it was registered with at some time."""
        return {seed for seed, word in self._all if word.lost is None}

    def of(self, seed: str) -> list[Registered]:
        """What it says of a seed."""
        return self.words.get(seed, [])

    def last(self, seed: str, at: float) -> Registered | None:
        """What it had said of a seed last, at that time."""
        return next((word for word in reversed(self.of(seed)) if word.at <= at), None)

    def stands(self, seed: str, at: float) -> bool:
        """Whether it was registered there at that time."""
        word = self.last(seed, at)
        return word is not None and word.lost is None

    def stands_from(self, seed: str, begin: float, end: float) -> bool:
        """Whether it was registered there in all that time."""
        return self.stands(seed, begin) and not any(
            begin < word.at <= end for word in self.of(seed))

    def is_lost(self, seed: str, at: float) -> bool:
        """Whether it was not registered there at that time, and has said why."""
        word = self.last(seed, at)
        return word is not None and word.lost is not None

    def since_with(self, count: int) -> float | None:
        """When it was registered with so many seeds at once first; None: never."""
        standing = set()
        for seed, word in self._all:
            (standing.add if word.lost is None else standing.discard)(seed)
            if len(standing) >= count:
                return word.at
        return None
