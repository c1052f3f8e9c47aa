"""Joints: how many functions and files of the project a line passes in a flood between two sockets.

Forty processes on two cores share their caches, so a function that is called once costs three to
four times what it costs in a loop: the joints are the time that a single message takes.
"""

import functools
import pathlib
import sys
import threading

import pytest

from gossip import wire
from tests.tools.waiting import wait_until

ROOT = str(pathlib.Path(__file__).resolve().parent.parent)
RUN = 1_700_000_000_000  # START of the run whose messages come


class Trace:
    """The functions of the project that the reader of one link calls, while somebody listens."""

    def __init__(self):
        self._read = {}  # thread -> who is at the other end of the link that it reads
        self._of, self._calls = None, []
        self._ours = (f"{ROOT}/gossip/", f"{ROOT}/peer.py")

    def __call__(self, frame, event, argument):
        code, reader = frame.f_code, threading.get_ident()
        if event != "call" or not code.co_filename.startswith(self._ours):
            return
        if code.co_name == "next_lines":
            self._read[reader] = frame.f_locals["self"].peer
        if self._of is not None and self._read.get(reader) == self._of and code.co_name[0] != "<":
            self._calls.append((code.co_filename, code.co_name, code.co_firstlineno))

    def of(self, fake, say):
        """The calls from the first bytes that come from a neighbour after `say()` until its reader
        waits for more. The reader may still be at the end of what came before."""
        self._calls, self._of = [], fake.address
        calls = self._calls
        say()

        def passed():
            names = [name for _, name, _ in calls]
            first = names.index("take") if "take" in names else len(names)
            return calls[first:] if "next_lines" in names[first:] else None

        found = wait_until(passed, what="the end of what a reader does")
        self._of = None
        return found


@pytest.fixture
def traced(net):
    """A peer whose readers are traced, the trace, and six neighbours in the hands of the test."""
    trace = Trace()
    threading.setprofile(trace)
    try:
        peer = net.peer(spread="flood", liveness_interval=3600, antientropy_interval=3600)
        peer.lateness = float  # it is never late: a late one does more
        fakes = [net.fake() for _ in range(6)]
        yield peer, trace, fakes, [net.neighbour(peer, fake) for fake in fakes]
    finally:
        threading.setprofile(None)


def line_of(fake, number):
    return wire.gossip("1.000000", fake.address, RUN, number, "hello").decode()


def least(trace, fake, acts):
    """How many calls, functions and files it takes when nothing else happens: a thread may have to
    wait for its turn, and a process that is late does more."""
    return min((len(calls), len(set(calls)), len({file for file, _, _ in calls}))
               for calls in (trace.of(fake, act) for act in acts))


def test_a_new_line_and_a_known_one_pass_few_functions(traced):
    peer, trace, fakes, ends = traced
    ends[1].say(line_of(fakes[0], 1))  # another peer's message, which a neighbour relays
    assert ends[2].hear_until("gmessage:").endswith(":hello")
    lines = [line_of(fakes[0], number) for number in range(2, 8)]
    acts = [functools.partial(ends[1].say, line) for line in lines]
    calls, functions, files = least(trace, fakes[1], acts)
    sends = 5
    assert calls <= 24 + sends and functions <= 24 and files <= 11
    acts = [functools.partial(ends[3].say, line) for line in lines]
    calls, functions, files = least(trace, fakes[3], acts)
    assert calls <= 4 and files <= 3


def test_a_liveness_reply_passes_few_functions(traced):
    peer, trace, fakes, ends = traced
    ends[0].say(f"Liveness Request:1.000000:{fakes[0].address}")  # the link is known to stand
    ends[0].hear_until("Liveness Reply:")

    def answer(second):
        with peer.turn:  # each reply is awaited, and so counted
            peer.neighbours.next_round(f"{second}.000000", peer.now(), True)  # no miss
        ends[0].say(f"Liveness Reply:{second}.000000:{peer.address}:{fakes[0].address}")

    acts = [functools.partial(answer, second) for second in range(2, 8)]
    calls, functions, files = least(trace, fakes[0], acts)
    assert calls <= 15 and functions <= 14 and files <= 7


def test_the_trace_sees_calls(traced):
    """Or else the others would count nothing."""
    peer, trace, fakes, ends = traced
    calls = trace.of(fakes[0], lambda: ends[0].say(line_of(fakes[0], 1)))
    names = [name for _, name, _ in calls]
    assert {"lines", "take", "feed", "add", "forward", "send"} <= set(names)
    assert sys.getprofile() is None
