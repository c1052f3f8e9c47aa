"""Known runs: what seeds say about the runs that a peer meets, and which of them it believes;
homes: which run was met last at an address.

Rules only; confirming.py carries them out. A signature proves that the key of a run has spoken.
Whether the key belongs to who listens at the address, seeds have found out by a dial. A seed may
lie or be silent: a run is genuine when more than half of the configured seeds name it, and denied
as soon as more than half have answered and do not. Between these, the peer dials the address.

Neighbours are judged only by messages of runs that most seeds name, because others may deny what
only this peer has found by its own dial. Whoever was told "no" asks again after REST; so a run on
which seeds ever differed counts only when that is over, too.
"""

import collections
import math
from typing import NamedTuple

from gossip.addresses import Address, parse_address
from gossip.signing import grammar
from gossip.tools import Recent

KNOWN_LIMIT = 100_000  # genuine runs kept; of more, the first goes
OPEN_LIMIT = 1_000  # runs asked about at the same time: one neighbour may have brought as many as
# there is room left for others, so half of these alone, and several together never all
UNCONFIRMED_LIMIT = 10_000  # runs kept that were not confirmed; of more, the first goes
REST = 15.0  # seconds until such a run is asked about again, or one that few seeds name
DOUBT = 20.0  # seconds after most seeds name a run on which they differed, until it counts
DOUBTED_LIMIT = 10_000  # of these kept; of more, the first goes
HOMES_LIMIT = 10_000  # addresses; of more, the one goes at which a run was met longest ago
NEVER = math.inf

Key = tuple[Address, int]  # a question: address and START; START 0 asks for all runs of the address


def run_of(key: Key) -> bytes:
    """The run `IP:PORT:START` that a question is about."""
    return b"%b:%d" % (str(key[0]).encode(), key[1])


def key_of(run: bytes) -> Key:
    """The question that asks about a run."""
    address, _, start = run.decode().rpartition(":")
    return parse_address(address), int(start)


class Outcome(NamedTuple):
    """The consequences of an answer: runs that are genuine now, a question that is settled with no,
    a question for which the address itself is to be dialled."""

    genuine: list[bytes]
    denied: Key | None = None
    dial: Key | None = None


class _Question:
    """A question that is open."""

    __slots__ = ("left", "answered", "naming", "brought_by")

    def __init__(self, seeds, start, brought_by):
        self.left = set(seeds)  # the seeds that have not answered
        self.answered = 0  # how many have
        # START -> how many of them have named it; with the one in question, if none has
        self.naming = collections.Counter({start: 0} if start else {})
        self.brought_by = brought_by  # who named the run first: a neighbour, an IP; None: a seed


class KnownRuns:
    """The runs that are genuine, and the questions that are open, of one peer."""

    def __init__(self, seeds: list[Address], own_run: bytes = b""):
        self._seeds = seeds
        # genuine run -> from when on it counts in judgements, NEVER while few seeds name it; in the
        # order in which they were learnt
        self._known: dict[bytes, float] = {own_run: NEVER}
        self._doubted = Recent(DOUBTED_LIMIT)  # run on which seeds differed -> True
        self._open: dict[Key, _Question] = {}
        # neighbour, IP of newcomers, or None for seeds -> open questions that it has brought
        self._of_one: collections.Counter[Address | str | None] = collections.Counter()
        self._unconfirmed = Recent(UNCONFIRMED_LIMIT)  # run -> from when on it is asked about again

    def is_known(self, run: bytes) -> bool:
        """Whether a run is genuine."""
        return run in self._known

    def counts(self, run: bytes, now: float) -> bool:
        """Whether neighbours are judged by messages of a run."""
        return self._known.get(run, NEVER) <= now

    def is_denied(self, run: bytes, now: float) -> bool:
        """Whether a run was not confirmed lately."""
        return self._unconfirmed.get(run, default=now) > now

    def is_open(self, key: Key) -> bool:
        """Whether it is being found out whether a run is genuine, or which are."""
        return key in self._open and run_of(key) not in self._known

    def is_asked(self, key: Key) -> bool:
        """Whether seeds are being asked; they are for a moment after the run is genuine."""
        return key in self._open

    def open(self, key: Key, brought_by: Address | str | None, now: float) -> bool | None:
        """Open a question of a neighbour, of the newcomers from an IP, or of seeds. True: ask the
        seeds. None: they are being asked, or the run is genuine by now. False: not now, as the run
        was denied lately, or too much is asked."""
        if key in self._open or run_of(key) in self._known:
            return None
        if (self.is_denied(run_of(key), now)
                or self._of_one[brought_by] >= OPEN_LIMIT - len(self._open)):
            return False
        self._begin(key, brought_by)
        return True

    def ask_again(self, key: Key, now: float) -> bool:
        """Open a question about a genuine run that few seeds name, unless that was done lately."""
        run = run_of(key)
        if (self._known.get(run) != NEVER or key in self._open or self.is_denied(run, now)
                or self._of_one[None] >= OPEN_LIMIT - len(self._open)):
            return False
        self._unconfirmed.put(run, now + REST)
        self._begin(key, None)
        return True

    def _begin(self, key: Key, brought_by: Address | None) -> None:
        self._open[key] = _Question(self._seeds, key[1], brought_by)
        self._of_one[brought_by] += 1

    def answer(self, seed: Address, key: Key, starts, now: float) -> Outcome:
        """A seed has answered with the runs that it knows; None: it has not answered in time."""
        question = self._open.get(key)
        if question is None or seed not in question.left:
            return Outcome([])
        question.left.discard(seed)
        if starts is not None:
            question.answered += 1
            question.naming.update(dict.fromkeys(starts, 1))
        new = []
        for start, naming in question.naming.items():
            one = key[0], start
            if naming < question.answered:
                self._doubt(run_of(one), now)
            if start and naming > len(self._seeds) // 2 and self._name(one, now):
                new.append(run_of(one))
        if self._is_decided(key, question):
            return self._decide(key, question, new)
        return Outcome(new)

    def _doubt(self, run: bytes, now: float) -> None:
        """Seeds differ about a run, or have denied it."""
        if self._doubted.add(run, True) and self._known.get(run, NEVER) < NEVER:
            self._known[run] = now + DOUBT

    def _name(self, key: Key, now: float) -> bool:
        """Most seeds name a run; answer whether it is genuine only since now."""
        new, run = self._learn(key), run_of(key)
        if self._known[run] == NEVER:
            self._known[run] = now + DOUBT if self._doubted.get(run) else now
        return new

    def _is_decided(self, key: Key, question: _Question) -> bool:
        """Whether no seed that is left can change what follows. Of a genuine run all are heard, as
        they may differ about it."""
        majority = len(self._seeds) // 2 + 1
        can_be_named = question.naming[key[1]] + len(question.left) >= majority
        return not question.left or (
            bool(key[1]) and question.answered >= majority and not can_be_named
            and run_of(key) not in self._known)

    def undecided(self, key: Key) -> Outcome:
        """There is no seed to ask: decide about a question that was opened."""
        question = self._open.get(key)
        return Outcome([]) if question is None else self._decide(key, question, [])

    def _decide(self, key: Key, question: _Question, new: list[bytes]) -> Outcome:
        """All have answered that can make a difference."""
        if not key[1] or run_of(key) in self._known:
            self._close(key)
            return Outcome(new)
        if question.answered - question.naming[key[1]] > len(self._seeds) // 2:
            return Outcome(new, denied=key)
        return Outcome(new, dial=key)

    def prove(self, key: Key) -> Outcome:
        """The run has proved itself at its address."""
        return Outcome([run_of(key)] if self._learn(key) else [])

    def deny(self, key: Key, now: float) -> tuple[bool, Address | str | None]:
        """The run is not confirmed. Return whether that was still the question; and the one
        that has brought the run, if it is the first to bring it. An honest one may know more than
        seeds do, and bring it again and again."""
        question, run = self._close(key), run_of(key)
        if question is None or run in self._known:
            return False, None  # it was found genuine, or denied, meanwhile
        self._doubt(run, now)
        first = self._unconfirmed.get(run) is None
        self._unconfirmed.put(run, now + REST)
        return True, question.brought_by if first else None

    def _learn(self, key: Key) -> bool:
        """A run is genuine; answer whether that is new. Seeds that are asked about it are heard
        out."""
        if key in self._open and not self._open[key].left:
            self._close(key)
        run = run_of(key)
        if run in self._known:
            return False
        self._known[run] = NEVER
        self._unconfirmed.pop(run)
        if len(self._known) > KNOWN_LIMIT:
            del self._known[next(iter(self._known))]
        return True

    def _close(self, key: Key) -> _Question | None:
        """A question is open no longer."""
        question = self._open.pop(key, None)
        if question is not None:
            self._of_one[question.brought_by] -= 1
            if not self._of_one[question.brought_by]:
                del self._of_one[question.brought_by]
        return question


class Homes:
    """The run that a peer met last at each address, and the runs that are over.

    A run is one life of the peer that listens at its address, so the runs of an address follow one
    another, and none comes back: once another run was met there, an earlier one is over, although
    it is genuine for ever. Its messages are; a link in its name is not."""

    def __init__(self):
        # address -> STARTs, the one met last at the end; when that was
        self._met = Recent(HOMES_LIMIT)

    def met(self, address: Address, start: int, now: float) -> None:
        """A run has proved itself at its address."""
        before = [one for one in self._starts(address) if one != start][1 - grammar.STARTS_LIMIT:]
        self._met.put(address, ([*before, start], now))

    def linked(self, address: Address, start: int, now: float) -> None:
        """A link of a genuine run was admitted. That counts if no run was met at its address."""
        self._met.add(address, ([start], now))

    def is_over(self, address: Address, start: int) -> bool:
        """Whether another run was met after this one."""
        return start in self._starts(address)[:-1]

    def is_last(self, address: Address, start: int) -> bool:
        """Whether no other run was met at the address, or none since this one was."""
        return self._starts(address)[-1:] in ([], [start])

    def _starts(self, address: Address) -> list[int]:
        return self._met.get(address, default=([], 0.0))[0]

    def not_met(self, address: Address, start: int, since: float) -> None:
        """A run was looked for at its address since then. If another one was met, it is over."""
        starts, at = self._met.get(address, default=([start], since))
        if at > since and start not in starts:
            starts.insert(0, start)
            del starts[:-grammar.STARTS_LIMIT]
