"""The node inside a program: a peer that tells the program what happens, and the thread `hand`.

No thread of the program ever holds the node's lock, so that a handler of signals that raises leaves
nothing half done: what the program wants of its nodes goes through queues to the hand.
"""

import collections
import contextlib
import functools
import io
import itertools
import math
import os
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from grapevine import wire
from grapevine.addresses import Address
from grapevine.library.deaths import DeathsAtOnce
from grapevine.library.errors import Refused
from grapevine.library.messages import Program
from grapevine.output import Output
from grapevine.settings import majority
from grapevine.worlds.threads import wait_for_readers

WAIT_POLL = 0.02  # seconds between two looks whether a wait is over
PORTION = 64 << 10  # characters of messages that are sent at once
GATHER = 0.002  # seconds after which the next are sent, and within which they have one TIME
FIRST = 0.02  # seconds at most until the first message of a pause is sent
SAID, SAID_CHARACTERS = 2_000, 4 << 20  # messages, and their characters, that may wait to be sent
UNJOINED = 5.0  # seconds after which the program is told that too few seeds list it, and why
ASKS_AGAIN = 1.0  # seconds within which a neighbour asks for what it still lacks
STAYS = 2.0  # seconds linked, after which a neighbour hardly leaves at the same time


class Nowhere(io.BytesIO):
    """The output file of a node without one."""

    def write(self, data) -> int:
        return len(data)


class ProgramOutput(Output):
    """The output of a peer: messages go to the program, and all events to the file, if there is
    one."""

    def __init__(self, file, program: Program):
        super().__init__(file)
        self._program, self._is_kept = program, not isinstance(file, Nowhere)
        self._has_told_unproven = False

    def write(self, *events: str) -> None:
        super().write(*events)
        for event in events:
            if event.startswith("not read:"):
                self._program.error(event)
            elif event.endswith(":unproven") and not self._has_told_unproven:
                self._has_told_unproven = True
                self._program.error(f"{event}; sign=True is for all peers, or for none")

    def write_lines(self, head: str, lines: list[bytes]) -> None:
        if self._is_kept:
            super().write_lines(head, lines)
        if head.startswith("received:"):
            self._program.inbox.put(head[len("received:"):-1], lines)

    def finish(self, last_word: str) -> None:
        super().finish(last_word)
        self._program.ended()

    def failed(self, event: str) -> None:
        super().failed(event)
        self._program.error(event)


class _Telling(DeathsAtOnce):
    """Overrides of a peer inside a program, which is told, and waited for."""

    def __init__(self, program: Program, *arguments):
        super().__init__(*arguments)
        self._program, self._majority = program, majority(len(self.registrations.rows))
        self._is_alone_from = math.inf  # when seeds know who has joined together with this peer
        # link of a neighbour -> from when on that counts as having heard all that was said
        self._hears_from: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def start(self) -> None:
        super().start()
        self.output.write("deaths:at once")  # so that nobody looks for misses before them
        self.later(UNJOINED, self.tell_unjoined)

    def tell_unjoined(self) -> None:
        if not self._program.joined.is_set() and not self.is_leaving:
            why = [f"{seed} ({'listed' if row.is_registered else row.failure or 'no answer'})"
                   for seed, row in self.registrations.rows.items()]
            self._program.error(
                f"fewer than {self._majority} of the seeds list this peer: {', '.join(why)}; this "
                f"program serves {', '.join(self._program.serves()) or 'none of them'}")

    def receive(self, link, lines: list[bytes]) -> list[bytes]:
        """Take no more of a neighbour while the program's inbox is full, if that waits."""
        new = super().receive(link, lines)
        inbox = self._program.inbox
        if inbox.waits and inbox.is_full():
            self.hold(link, lambda: self.is_leaving or not inbox.is_full())
        return new

    def enter(self, link, peer: Address, is_dialled: bool) -> None:
        is_new = self.neighbours.link(peer) is None
        super().enter(link, peer, is_dialled)
        if self.neighbours.link(peer) is not link:
            return  # it was turned away after all
        if self._has_said() and self.settings.antientropy_interval:
            self._hears_from[link] = self.now() + ASKS_AGAIN
        if is_new:
            self._program.call(self._program.on_neighbour, str(peer))

    def told_own(self, link, is_rest: bool) -> None:
        super().told_own(link, is_rest)
        self._hears_from[link] = 0.0 if is_rest else self.now() + ASKS_AGAIN

    def _has_said(self) -> bool:
        return self.run.encode() in self.messages.runs

    def tell_death(self, peer: Address) -> None:
        self._program.call(self._program.on_death, str(peer))

    def on_registered(self, link) -> None:
        super().on_registered(link)
        if len(self.registrations.links()) >= self._majority and not self._program.joined.is_set():
            self._is_alone_from = self.now() + ASKS_AGAIN
            self._program.joined.set()

    def is_alone(self) -> bool:
        """Tell whether a majority of the seeds know no other peer, and nobody has linked."""
        return (len(self.listed) >= self._majority and not self.peer_list.known
                and not self.neighbours.links)

    def is_complete(self) -> bool:
        """Tell whether it has all that its neighbours have, or is alone. While seeds that it serves
        are young, they may know only peers that have begun anew, too."""
        if any(self.now() < seed.grown_at for seed in self._program.seeds()):
            return False
        if not self.settings.antientropy_interval:
            return self.is_alone() or bool(self.neighbours.links)
        return self.is_alone() or self.has_caught_up()

    def leave(self, until: float | None = None) -> None:
        """Wait for two neighbours that can have heard what was said, or one that stays, unless
        nobody can."""
        now = self.now()
        heard = [row for row in self.neighbours.rows.values()
                 if row.link is not None and self._hears_from.get(row.link, now) <= now]
        enough = min(2, max(1, len(self.peer_list.known)))
        one_stays = any(now - row.since >= STAYS for row in heard)
        has_nobody = self.is_alone() and now >= self._is_alone_from
        self.is_unheard = (self._has_said() and not has_nobody
                           and len(heard) < enough and not one_stays)
        super().leave(until)


@functools.cache
def program_class(kind: type) -> type:
    """Return the class of peers of this class inside a program; it takes a Program first."""
    return type("ProgramPeer", (_Telling, kind), {})


def _locked() -> threading.Lock:
    """Return a lock that the hand releases. `get` of a queue never ends, before Python 3.13, if a
    handler of signals outlasts its timeout; an error of a handler can leave an Event locked."""
    lock = threading.Lock()
    lock.acquire()
    return lock


class Hand(contextlib.AbstractContextManager["Hand"]):
    """The thread by which a program reaches into its nodes: it starts them, does what is asked in
    order, and ends them. Every method may be called in a handler of signals. As a context manager
    it ends its nodes if what stands inside fails, as by such a handler."""

    def __init__(self) -> None:
        self.nodes: list = []  # which the thread alone changes
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        self._questions: queue.SimpleQueue = queue.SimpleQueue()
        self._said: collections.deque = collections.deque()  # ((text, TIME), number) of messages
        self._moment = 0.0  # Unix seconds of the TIME of the latest
        self._is_idle, self._is_ending = False, False
        self._process = os.getpid()

    def start(self, begin: Callable[[], None]) -> None:
        """`begin()` adds nodes that have begun, one at least. What it raises is raised here.
        Refused if no thread can be started, as in some interpreters within a process."""
        outcome: queue.SimpleQueue = queue.SimpleQueue()
        try:
            self._thread = threading.Thread(target=self._live, args=(begin, outcome), name="hand",
                                            daemon=True)
            self._thread.start()
        except RuntimeError as error:
            raise Refused(f"nodes need threads: {error}") from None
        error = outcome.get()
        if error is not None:
            raise error

    def __exit__(self, error: object, *_: object) -> None:
        if error is not None:
            self.request_end()

    # The program calls these.

    def is_here(self) -> bool:
        """Tell whether this process has the nodes, and not one from which it was forked."""
        return os.getpid() == self._process

    def has_room(self, size: int) -> bool:
        """Tell whether texts of about so many characters may wait to be sent."""
        return len(self._said) < min(SAID, 1 + SAID_CHARACTERS // (size + 1))

    def say(self, *texts: str, waits: bool = True) -> tuple[dict[int, int], str]:
        """Have the only node say texts; return the number of each, and their TIME. The first of a
        pause is sent before this returns, because Python would let a thread that goes on run for
        5 ms."""
        node, numbers = self.nodes[0], {}  # place in `texts` -> number
        if not 0.0 <= node.time() - self._moment < GATHER:
            self._moment = node.time()
        stamp = wire.format_time(self._moment)
        done = _locked() if waits and self._is_idle else None
        try:
            # one call in C, so that neither a handler of signals nor another thread comes between
            # a number and its place in the queue
            self._said.extend(zip(zip(texts, itertools.repeat(stamp)),
                                  map(numbers.setdefault, itertools.count(), node.numbers)))
        finally:
            self._calls.put(done and done.release)
        if done is not None:
            done.acquire(timeout=FIRST)
        return numbers, stamp

    def call(self, call: Callable[[], object] | None) -> None:
        """Have a call made, after all that was said and asked before. None only wakes the hand."""
        self._calls.put(call)

    def ask(self, node: Any, question: Callable[[], Any]) -> Any:
        """Have a question answered with the node's lock held, and return the answer."""
        def ask() -> None:
            with node.world.lock:
                answers.append(question())
            done.release()

        answers: list = []
        done = _locked()
        self._questions.put(ask)
        self.call(None)
        while not done.acquire(timeout=WAIT_POLL):
            if not self._thread.is_alive():  # nobody else is in the nodes any more
                return question()
        return answers[0]

    def join(self, seconds: float) -> None:
        """Wait until the nodes have ended, so many seconds at most. At the end of the program other
        threads stand still, and nothing ends any more."""
        if not sys.is_finalizing():
            self._thread.join(seconds)

    def request_end(self) -> None:
        """Have the nodes end without a word."""
        self._is_ending = True
        self.call(None)

    def end(self, seconds: float = 5.0) -> None:
        """End the nodes without a word, and wait for that."""
        self.request_end()
        self.join(seconds)

    # The thread.

    def _live(self, begin: Callable[[], None], outcome: queue.SimpleQueue) -> None:
        try:
            begin()
        except BaseException as error:
            outcome.put(error)
        else:
            outcome.put(None)
            self.nodes[0].world.live(self._work)
        for node in self.nodes:
            node.world.end("interrupted")

    def _work(self) -> None:
        while not self._is_ending:
            self._is_idle = self._calls.empty()
            calls = [self._calls.get()]
            self._is_idle = False
            calls += [self._calls.get() for _ in range(self._calls.qsize())]
            left = said = len(self._said)  # not what comes meanwhile, of which there may be no end
            while left > 0 and not self._is_ending:
                left -= self._say_portion()
            for call in calls:
                if call is not None:
                    call()
            self._answer()
            if said:
                time.sleep(GATHER)

    def _answer(self) -> bool:
        """Answer what was asked; tell whether the nodes are to end."""
        while not self._questions.empty():
            self._questions.get()()
        return self._is_ending

    def _say_portion(self) -> int:
        """Say what waits, PORTION at most, once neighbours have read what was sent before; return
        how many messages that was."""
        node, lines, size = self.nodes[0], [], 0
        while self._said and size < PORTION:
            (text, stamp), number = self._said.popleft()
            lines.append((stamp, wire.make_gossip(stamp, node.run, number, text)))
            size += len(text)
        wait_for_readers(node, self._answer)
        sealed = [line for _, same in itertools.groupby(lines, lambda one: one[0])
                  for line in node.seal([line for _, line in same])]
        with node.world.lock:
            if not node.is_leaving and not node.stopping:
                node.publish(sealed)
        return len(lines)
