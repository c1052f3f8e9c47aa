"""Known runs: which runs a peer believes in, and which it met last at an address.

Rules only; confirming.py carries them out. A run is genuine when more than half of the configured
seeds name it, and denied when more than half have answered without it. If it is neither, the peer
dials the address itself.
"""

import collections
import math
from typing import NamedTuple

from gossip.addresses import Address, parse_address
from gossip.signing import grammar
from gossip.tools import Recent

KNOWN_LIMIT = 100_000  # genuine runs kept; of more, the first goes
OPEN_LIMIT = 1_000  # runs asked about at once; a neighbour may bring at most what it leaves free
UNCONFIRMED_LIMIT = 10_000  # runs kept that were not confirmed; of more, the first goes
REST = 15.0  # seconds between questions about a run that was not confirmed, or that few seeds name
DOUBT = 20.0  # seconds until a run counts that most seeds name, if seeds differed about it before,
# because a neighbour that denied the run asks again after REST
DOUBTED_LIMIT = 10_000  # runs kept on which seeds differed; of more, the first goes
HOMES_LIMIT = 10_000  # addresses; of more, the one where a run was met longest ago goes
NEVER = math.inf

Key = tuple[Address, int]  # a question: address and START; START 0 asks for all runs of the address


def run_of(key: Key) -> bytes:
    """Return the run `IP:PORT:START` that a question is about."""
    return b"%b:%d" % (str(key[0]).encode(), key[1])


def key_of(run: bytes) -> Key:
    """Return the question that asks about a run."""
    address, _, start = run.decode().rpartition(":")
    return parse_address(address), int(start)


class Outcome(NamedTuple):
    """The consequences of an answer: genuine runs, a denied question, an address to dial."""

    genuine: list[bytes]
    denied: Key | None = None
    dial: Key | None = None


class _Question:
    def __init__(self, seeds, start, brought_by):
        self.left = set(seeds)  # the seeds that have not answered
        self.answered = 0  # how many seeds have
        # START -> how many seeds have named it; the START in question is there with 0
        self.naming = collections.Counter({start: 0} if start else {})
        self.brought_by = brought_by  # the neighbour or IP that named the run first; None: a seed


class KnownRuns:
    """The genuine runs, and the open questions, of one peer."""

    def __init__(self, seeds: list[Address], own_run: bytes = b""):
        self._seeds, self._majority = seeds, len(seeds) // 2 + 1
        # genuine run, the oldest first -> from when on it counts; NEVER while few seeds name it
        self._known: dict[bytes, float] = {own_run: NEVER}
        self._own_run = own_run
        self.is_known = self._known.__contains__  # (run)
        self._doubted = Recent(DOUBTED_LIMIT)  # run on which seeds differed -> True
        self._open: dict[Key, _Question] = {}
        # neighbour, IP of newcomers, or None for seeds -> open questions that it has brought
        self._of_one: collections.Counter[Address | str | None] = collections.Counter()
        self._unconfirmed = Recent(UNCONFIRMED_LIMIT)  # run -> from when on it is asked about again

    def counts(self, run: bytes, now: float) -> bool:
        """Return whether neighbours are judged by messages of a run."""
        return self._known.get(run, NEVER) <= now

    def is_denied(self, run: bytes, now: float) -> bool:
        """Return whether a run was not confirmed lately."""
        return self._unconfirmed.get(run, default=now) > now

    def is_open(self, key: Key) -> bool:
        """Return whether a question is open, and its run not genuine yet."""
        return key in self._open and run_of(key) not in self._known

    def is_asked(self, key: Key) -> bool:
        """Return whether seeds are being asked, even about a genuine run."""
        return key in self._open

    def open(self, key: Key, brought_by: Address | str | None, now: float) -> bool:
        """Open a question of a neighbour, a newcomer's IP, or a seed (None), unless it is open, too
        many are, or its run was denied lately. The caller has looked whether the run is genuine.
        Return whether to ask the seeds."""
        if (key in self._open or self.is_denied(run_of(key), now)
                or self._of_one[brought_by] >= OPEN_LIMIT - len(self._open)):
            return False
        self._open[key] = _Question(self._seeds, key[1], brought_by)
        self._of_one[brought_by] += 1
        return True

    def ask_again(self, key: Key, now: float) -> bool:
        """Ask again about a genuine run that few seeds name, if due."""
        run = run_of(key)
        is_due = self._known.get(run) == NEVER and self.open(key, None, now)
        if is_due:
            self._unconfirmed.put(run, now + REST)
        return is_due

    def answer(self, seed: Address, key: Key, starts, now: float) -> Outcome:
        """Take the STARTs that a seed names; None: it has not answered."""
        question = self._open.get(key)
        if question is None or seed not in question.left:
            return Outcome([])
        question.left.discard(seed)
        if starts is not None:
            question.answered += 1
            question.naming.update(dict.fromkeys(starts, 1))
        new = []
        for start, naming in question.naming.items():
            run = run_of((key[0], start))
            if naming < question.answered:
                self._doubt(run, now)
            if start and naming >= self._majority:
                if self.learn((key[0], start)):
                    new.append(run)
                if self._known[run] == NEVER:
                    self._known[run] = now + DOUBT if self._doubted.get(run) else now
        return self._outcome(key, question, new)

    def _doubt(self, run: bytes, now: float) -> None:
        """Note that seeds differ about a run, or have denied it."""
        if self._doubted.add(run, True) and self._known.get(run, NEVER) < NEVER:
            self._known[run] = now + DOUBT

    def undecided(self, key: Key) -> Outcome:
        """Decide about an open question without seeds."""
        return self._outcome(key, self._open[key], [])

    def _outcome(self, key: Key, question: _Question, new: list[bytes]) -> Outcome:
        """Return what follows so far. All seeds are heard about a genuine run: they may differ."""
        naming, left = question.naming[key[1]], len(question.left)
        if not key[1] or run_of(key) in self._known:
            if not left:
                self._close(key)
            return Outcome(new)
        if left and (question.answered < self._majority or naming + left >= self._majority):
            return Outcome(new)  # the other seeds may decide
        is_denied = question.answered - naming >= self._majority
        return Outcome(new, denied=key) if is_denied else Outcome(new, dial=key)

    def deny(self, key: Key, now: float) -> tuple[bool, Address | str | None]:
        """Deny a run; return whether it was open, and `brought_by`, which is None after the first
        denial, because an honest neighbour may bring the run again and again."""
        question, run = self._close(key), run_of(key)
        if question is None or run in self._known:
            return False, None  # it was found genuine, or denied, meanwhile
        self._doubt(run, now)
        first = self._unconfirmed.get(run) is None
        self._unconfirmed.put(run, now + REST)
        return True, question.brought_by if first else None

    def learn(self, key: Key) -> bool:
        """Note that a run is genuine; return whether that is news."""
        if key in self._open and not self._open[key].left:
            self._close(key)
        run = run_of(key)
        if run in self._known:
            return False
        self._known[run] = NEVER
        self._unconfirmed.pop(run)
        if len(self._known) > KNOWN_LIMIT:
            del self._known[next(known for known in self._known if known != self._own_run)]
        return True

    def _close(self, key: Key) -> _Question | None:
        if (question := self._open.pop(key, None)) is not None:
            self._of_one -= collections.Counter([question.brought_by])  # drops what falls to 0
        return question


class Homes:
    """The run that was met last at each address, and earlier ones. An earlier
    run's messages stay genuine, but no link in its name is accepted."""

    def __init__(self):
        # address -> (STARTs, the last one met at the end; when that was)
        self._met = Recent(HOMES_LIMIT)

    def met(self, address: Address, start: int, now: float) -> None:
        """Note that a run has proved itself at its address."""
        before = [one for one in self._starts(address) if one != start]
        self._met.put(address, ([*before[1 - grammar.STARTS_LIMIT:], start], now))

    def linked(self, address: Address, start: int, now: float) -> None:
        """Note the run of an admitted link, unless one was met there."""
        self._met.add(address, ([start], now))

    def is_over(self, address: Address, start: int) -> bool:
        """Return whether another run was met after this one."""
        return start in self._starts(address)[:-1]

    def is_last(self, address: Address, start: int) -> bool:
        """Return whether this run was met last there, or none was."""
        return self._starts(address)[-1:] in ([], [start])

    def _starts(self, address: Address) -> list[int]:
        return self._met.get(address, default=([], 0.0))[0]

    def not_met(self, address: Address, start: int, since: float) -> None:
        """Note that a run is over if another was met `since` then."""
        starts, at = self._met.get(address, default=([start], since))
        if at > since and start not in starts:
            starts.insert(0, start)
            del starts[:-grammar.STARTS_LIMIT]
