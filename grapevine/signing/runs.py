"""The runs that are genuine, and the open questions about others. Pure.

A good signature says that a key has spoken; a run is genuine if the key was at home at its address.
It is when more than half of the seeds name it, or when it has proved itself to a dial. It is denied
when more than half have answered without it. If seeds that lie, are down or say nothing decide
neither, its address is dialled as soon as they cannot confirm it any more.
"""

import collections
import enum

from grapevine.addresses import Address, Target
from grapevine.intervals import Intervals, Range
from grapevine.signing.grammar import read_run, run_of
from grapevine.tools import Recent

GENUINE_LIMIT, DENIED_LIMIT = 100_000, 40_000  # runs that are remembered; the latter above the RUNS
# of messages.py, or those of the dead are asked about, and written down, without end
OPEN_LIMIT = 1_000  # open questions, beyond which each link may have
SURE = 8  # of its own
REST, LONGEST_REST = 15.0, 600.0  # seconds until a denied run is asked about again; if it is only
# offered, twice as many each time: once seeds began anew, they deny those of the dead for ever
QUESTIONS = 50  # that a seed may owe an answer to at a time
OFFER_LIMIT = 100  # ranges of an unknown run that are remembered of a neighbour
ANY = 0  # in place of a START: all runs of the address


class Outcome(enum.Enum):
    """The state of a question after an answer."""

    WAIT = "others may still answer"
    DENY = "more than half do not name it"
    DIAL = "seeds do not decide it"


class Question:
    """An open question about one run, or about all runs of an address."""

    def __init__(self, run: bytes, seeds, brought_by):
        self.run, (self.address, self.start) = run, read_run(run)
        self.brought_by = brought_by  # the link over which the run, or a list, came first
        self.left = dict.fromkeys(seeds)  # those that are still to answer
        self.answers: dict[Address, tuple[int, ...]] = {}  # where a seed is -> the STARTs it names
        self.offers: dict[object, Intervals] = {}  # link -> its messages of this run
        self.is_dialled = False  # because seeds have not decided it
        self.is_repeated = False  # the run was denied before

    def votes(self, chosen=set) -> collections.Counter[int]:
        """Return how many seeds name each START; `chosen` says which of an answer count."""
        return collections.Counter(
            start for starts in self.answers.values() for start in chosen(starts))

    def offer(self, link, ranges: list[Range]) -> None:
        """Note that a neighbour has these messages."""
        offered = self.offers.setdefault(link, Intervals())
        for first, last in ranges:
            if len(offered) < OFFER_LIMIT:
                offered.add(first, last)


class Turns:
    """The questions that wait for one seed, and those to which it owes an answer. Each neighbour
    has its turn, and may have half of what others leave of QUESTIONS, or one: so the questions of
    one never keep those of others waiting, nor one that others have brought later, too."""

    def __init__(self, seed: Target):
        self._seed = seed
        self.asked: dict[Question, object] = {}  # for whom, the oldest first
        self._waiting: dict[object, collections.deque[Question]] = {}  # by neighbour

    def add(self, question: Question, neighbour) -> None:
        self._waiting.setdefault(neighbour, collections.deque()).append(question)

    def waiting(self) -> list[tuple[Question, object]]:
        """Return the questions that wait, and for whom."""
        return [(question, neighbour) for neighbour, questions in self._waiting.items()
                for question in questions]

    def next(self) -> list[Question]:
        """Return those that are to be asked now."""
        asked, turns = [], collections.Counter(self.asked.values())
        while self._waiting:
            neighbour = min(self._waiting, key=turns.__getitem__)
            if 0 < turns[neighbour] >= QUESTIONS - len(self.asked):
                break
            question = self._waiting[neighbour].popleft()
            if not self._waiting[neighbour]:
                del self._waiting[neighbour]
            if question not in self.asked and self._seed in question.left:
                self.asked[question] = neighbour
                turns[neighbour] += 1
                asked.append(question)
        return asked


class Runs:
    def __init__(self, seeds: list[Target], own_run: bytes):
        self._seeds, self._own_run = list(dict.fromkeys(seeds)), own_run
        self._genuine, self._denied = Recent(GENUINE_LIMIT), Recent(DENIED_LIMIT)
        self.open: dict[bytes, Question] = {}  # run -> the question about it
        self._of_one: collections.Counter = collections.Counter()  # link -> its open questions
        self.rests_by_link = False  # a denied run rests for the links that brought it, not for all

    def is_genuine(self, run: bytes) -> bool:
        return run in self._genuine or run == self._own_run

    def may_ask(self, run: bytes, brought_by, now: float, is_offer: bool = False) -> bool:
        """Tell whether a question may be opened: none is open, the run was not denied lately (or
        this link had not brought it then), and there is room. Each link may use half of what others
        leave, so that there is some for all, and if there are too many for that, still a few.
        `is_offer`: nobody has said a line of the run, so nothing new of it is missed."""
        own = self._of_one[brought_by]
        at, rest = self._denied.get(self._rest(run, brought_by), (0.0, 0.0))
        return (run not in self.open and at + (rest if is_offer else min(rest, REST)) <= now
                and (own < SURE or 2 * own < OPEN_LIMIT - (len(self.open) - own)))

    def _rest(self, run: bytes, link) -> tuple:
        return run, link if self.rests_by_link else None

    def ask(self, run: bytes, brought_by) -> Question:
        """Open a question."""
        self._of_one[brought_by] += 1
        question = self.open[run] = Question(run, self._seeds, brought_by)
        question.is_repeated = self._rest(run, brought_by) in self._denied
        return question

    def reopen(self, question: Question) -> None:
        """Ask the seeds anew what they have not decided."""
        question.left, question.is_dialled = dict.fromkeys(self._seeds), False
        question.answers.clear()

    def answer(self, question: Question, seed: Target, at: Address | None,
               starts: tuple[int, ...] | None) -> tuple[list[bytes], Outcome]:
        """Take the STARTs that a seed at this address names, None if it does not answer; two lines
        of config.txt that lead to one seed have one voice. Return the runs that most seeds name by
        now, and what follows for the one in question."""
        question.left.pop(seed, None)
        if starts is not None:
            question.answers[at] = starts
        votes, half = question.votes(), len(self._seeds) / 2
        named = [run_of(question.address, start) for start, count in votes.items() if count > half]
        return named, self._outcome(question, votes[question.start], half)

    def _outcome(self, question: Question, named: int, half: float) -> Outcome:
        if self.open.get(question.run) is not question:
            return Outcome.WAIT  # for nothing: it is settled
        if question.start == ANY:
            return Outcome.WAIT if question.left else Outcome.DENY
        if len(question.answers) - named > half:
            return Outcome.DENY
        question.is_dialled = named + len(question.left) <= half
        return Outcome.DIAL if question.is_dialled else Outcome.WAIT

    def settle(self, run: bytes, is_genuine: bool, now: float) -> Question | None:
        """Note a verdict; return the question about this run, if there was one."""
        question = self.open.pop(run, None)
        if question is not None:
            question.left.clear()
            self._of_one[question.brought_by] -= 1
            if not self._of_one[question.brought_by]:
                del self._of_one[question.brought_by]
        if is_genuine:
            self._genuine[run] = True
        elif question is not None and question.start != ANY:
            links = question.brought_by, *question.offers
            for key in dict.fromkeys([self._rest(run, link) for link in links]):
                _, rest = self._denied.get(key, (0.0, REST / 2))
                self._denied[key] = now, min(2 * rest, LONGEST_REST)
        return question
