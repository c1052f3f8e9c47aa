"""Message lists that tell each other what they take, among attackers, in an order left to chance.

Links cut what is said into pieces; texts, covers and runs are forgotten early. No line of an honest
neighbour may ever look corrupt, and nobody takes what the run's key has not signed.
"""

import collections
import hashlib
import random

import pytest

from gossip import wire
from gossip.settings import Settings
from gossip.signing import covers
from gossip.signing import grammar
from gossip.signing.signed_messages import SignedMessages
from gossip.signing.signed_spreading import SignedSpreading
from gossip.spread.spreading import in_batches
from tests.tools.fakes import FakeLink, peer
from tests.tools.texts import sifted

SPELLINGS = 3  # of a signature: who has the key can make many


def signature(key, head, spelling):
    return hashlib.sha512(key + head + bytes([spelling])).digest()


def is_good(signed):
    return any(signature(signed.key, signed.content, spelling) == signed.signature
               for spelling in range(SPELLINGS))


class Origin:
    """A run, and what its key signs."""

    def __init__(self, number):
        self.address, self._start, self._key = peer(5000 + number), 1 + number, bytes([number]) * 32
        self.run = f"{self.address}:{self._start}".encode()

    def lines(self, first, count, text):
        return [wire.gossip("1.000000", self.address, self._start, number, text)
                for number in range(first, first + count)]

    def cover(self, first, lines, spelling=0):
        hashes = [hashlib.sha256(line).digest()[:grammar.HASH_SIZE] for line in lines]
        return grammar.signed(self.run, first, self._key, b"".join(hashes),
                              lambda head: signature(self._key, head, spelling))


class Neighbour(FakeLink):
    def __init__(self, address):
        self.peer = address


class Honest(Origin):
    """A peer: it takes what comes, and tells the others."""

    def __init__(self, number, rng):
        super().__init__(number)
        self.messages = SignedMessages(Settings(
            cache_size=rng.choice([2, 5, 20, 1_000]), corrupt_limit=rng.choice([0, 3]),
            runs_kept=rng.choice([3, 1_000])), self.run, is_good)
        self.others = []
        self._rng, self._made = rng, 0
        self._links = {}
        self.coming = collections.defaultdict(list)  # who -> lines on their way from there

    def say(self, count):
        lines = self.lines(self._made + 1, count, "true")
        fresh = self.messages.add([self.cover(self._made + 1, lines), *lines], made_here=True)
        self._made += count
        assert fresh.lines == lines
        self._tell(fresh, None)
        return lines

    def _tell(self, fresh, source):
        for other in self.others:
            if other is not source and self._rng.random() < 0.9:
                other.coming[self] += wire.covered(fresh.lines, fresh.covers)

    def ask(self, other, runs):
        lines, _ = other.messages.texts([(run, [(1, 100)]) for run in runs],
                                        self._rng.choice([100, 1_000, 100_000]))
        self.coming[other] += [*lines, b"status:sent"]

    def read(self):
        """Take a piece of what comes from somebody; return what was new in it."""
        waiting = [source for source, lines in self.coming.items() if lines]
        if not waiting:
            return []
        source, size = self._rng.choice(waiting), self._rng.randint(1, 9)
        link = self._links.setdefault(source, Neighbour(source.address))
        piece, self.coming[source] = self.coming[source][:size], self.coming[source][size:]
        taken = []
        for batch, is_gossip in in_batches(sifted(self.messages, piece, link),
                                            SignedSpreading.BEGINNINGS):
            if is_gossip:
                fresh = self.messages.add(batch, link=link)
                assert not isinstance(source, Honest) or (fresh.corrupt, fresh.fault) == ([], None)
                self._tell(fresh, source)
                taken += fresh.lines
        return taken


def lie(rng, attacker, said):
    """A few lines of an attacker, signed well or not at all, among what it has heard."""
    first = rng.randint(1, 8)
    lines = attacker.lines(first, rng.randint(1, 4), rng.choice(["this", "this", "that"]))
    words = [attacker.cover(first, lines, rng.randrange(SPELLINGS)), *lines]
    said += words
    for _ in range(rng.randint(0, 4)):
        words.insert(rng.randrange(len(words)), rng.choice(said))
    if rng.random() < 0.3:
        words.reverse()
    if rng.random() < 0.2:
        words[0] = words[0][:-1] + b"A"
    return [word for word in words if rng.random() < 0.8], lines


@pytest.mark.parametrize("seed", [0, *(pytest.param(more, marks=pytest.mark.slow)
                                      for more in (50, 100, 150))])
def test_no_honest_neighbour_ever_looks_corrupt(seed, monkeypatch):
    for chance in range(seed, seed + 50):
        rng = random.Random(chance)
        monkeypatch.setattr(covers, "TEXTLESS_LIMIT", rng.choice([1, 2, 5, 1_000]))
        peers = [Honest(number, rng) for number in range(rng.choice([2, 3, 4]))]
        for one in peers:
            one.others = [other for other in peers if other is not one]
        attackers = [Origin(100 + number) for number in range(rng.choice([1, 2]))]
        runs = [origin.run for origin in peers + attackers]
        said, signed = [b"status:sent"], set()
        for _ in range(400):
            one, turn = rng.choice(peers), rng.random()
            if turn < 0.08:
                signed.update(one.say(rng.randint(1, 4)))
            elif turn < 0.2:
                one.ask(rng.choice(one.others), rng.choices(runs, k=3))
            elif turn < 0.5:
                attacker = rng.choice(attackers)
                words, lines = lie(rng, attacker, said)
                signed.update(lines)
                one.coming[attacker] += words
                said += one.messages.texts([(rng.choice(runs), [(1, 9)])], 200)[0]
            else:
                assert signed.issuperset(one.read())
