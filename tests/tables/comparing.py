"""Two message lists with their anti-entropy, as tests of it compare them."""

import collections

from grapevine import wire
from grapevine.sync import Sync
from grapevine.wire import Status
from tests.tables.samples import A, B, C, message_list, run_of

RUN, RUN_B, RUN_C = run_of(A), run_of(B), run_of(C)


class Node:
    """A message list and its anti-entropy. Nodes stand for the links to them."""

    def __init__(self, *lines: bytes, interval: float = 10.0, **settings):
        self.messages = message_list(*lines, **settings)
        self.sync = Sync(self.messages, interval)

    def hear(self, link, said: bytes, now: float = 0.0) -> bytes:
        """Take a line of a neighbour; return the answer and the next question to it."""
        if wire.gossip_form(said):
            self.messages.add([said])
            return b""
        status, = wire.parse(said)[1]
        answer = self.sync.heard(link, status, now)
        want = self.sync.next_want(now) if status.verb in ("seen", "sent") else None
        return answer + (want[1] if want and want[0] is link else b"")

    def offer(self, link, *entries: tuple, now: float = 0.0) -> None:
        """Hear that a neighbour has seen something."""
        self.sync.heard(link, Status("seen", entries=list(entries)), now)

    def wanted(self, now: float = 0.0):
        """Return the link that is asked, and for what; None if nobody is."""
        want = self.sync.next_want(now)
        return want and (want[0], wire.parse(want[1][:-1])[1][0].entries)

    def sent(self, link, *lines: bytes, now: float = 0.0) -> None:
        """Hear a portion, and its end."""
        self.messages.add(list(lines))
        self.sync.heard(link, Status("sent"), now)


def compare(one: Node, other: Node, now: float = 0.0) -> list[bytes]:
    """Let two tell each other their digests; return all lines until both are silent."""
    said, waiting = [], collections.deque()
    for teller, hearer in ((one, other), (other, one)):
        waiting.append((teller, hearer, wire.say_digest(teller.messages.digest())))
    while waiting:
        teller, hearer, data = waiting.popleft()
        for told in data.splitlines():
            said.append(told)
            if answer := hearer.hear(teller, told, now):
                waiting.append((hearer, teller, answer))
    return said


def verbs(said: list[bytes]) -> collections.Counter:
    return collections.Counter(told.split(b":")[1].decode() for told in said
                               if told.startswith(b"status:"))
