"""The messages of the live page: which are shown, and the figures about all of them.

Of many messages whole ones are left out, never single deliveries, because a wave with holes would
look like a loss. When a message is said, it is settled whether its deliveries find room among the
1,500 that are shown in a second. What is left out is counted, and so is a delivery whose message
is not known yet, or is forgotten. A message that nobody has any more is not waited for.

Values in, events of the stream out; no clock. Times are microseconds.
"""

import collections
import dataclasses
import functools
import math

from gossip.lab.pictures.live_lines import Line
from gossip.lab.pictures.live_states import Node
from gossip.lab.proof.events import GOSSIP
from gossip.tools import Recent

SHOWN_PER_SECOND = 1_500  # deliveries
TEXT = 80  # letters of a message that are shown
REMEMBERED = 20_000  # messages that are known at a time; of more, the oldest are forgotten
EARLY = 1_000  # messages that are known by a delivery alone: the file of who said it is late
NAMED = 50  # nodes that are named that lack a message
LATENCIES, RATES = 30, 5  # seconds over which latency and rate are told
_STEPS = 40 / math.log(10)  # latencies are told within 6 %: forty steps for each power of ten
SECOND = 1_000_000


@functools.lru_cache(maxsize=4_096)
def _parsed(text: str) -> tuple[str, str] | None:
    """Return IP:PORT:RUN:NUMBER and the text of what follows `gmessage:`; None if it is wrong."""
    match = GOSSIP.match(f"gmessage:{text}")
    return match and match.groups()[1:]


@dataclasses.dataclass(slots=True)
class Message:
    """The state of one message."""

    number: int
    at: int
    held: int  # bits of those that have it, as long as somebody lacks it
    waiting: int  # bits of the peers that were up when it was said, are, and lack it
    text: str
    is_shown: bool


@dataclasses.dataclass(slots=True)
class _Second:
    """The deliveries of one second."""

    at: int
    deliveries: int = 0
    latencies: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)


class Messages:
    """All messages that are under way, and the figures of all."""

    def __init__(self):
        self.messages = self.deliveries = self.only_counted = 0
        self._known = Recent(REMEMBERED)  # IP:PORT:RUN:NUMBER -> message
        self._early = Recent(EARLY)  # the same -> bits of those that had it before it was said
        self._lacking: dict[int, Message] = {}  # number -> message that somebody lacks
        self._seconds = collections.deque([_Second(0)], maxlen=LATENCIES + 1)
        self._window = self._promised = 0  # a second, and the deliveries settled to be shown in it

    def generated(self, line: Line, node: Node, expected: int) -> list | None:
        """Return the event of a message that is said; None for one that is only counted, or is
        none. `expected`: the bits of the peers that are up."""
        parsed = _parsed(line.rest.removeprefix("gmessage:"))
        if parsed is None or self._known.get(parsed[0]):
            return None
        self.messages += 1
        held = node.bit | self._early.pop(parsed[0], default=0)
        expected &= ~held  # of one that some had early, the wave would have holes
        is_shown = held == node.bit and self._has_room(line.at // SECOND, expected.bit_count())
        message = Message(self.messages, line.at, held, expected, parsed[1][:TEXT], is_shown)
        self._known.put(parsed[0], message)
        self._lacking.pop(self.messages - REMEMBERED, None)
        if expected:
            self._lacking[message.number] = message
        if not is_shown:
            self.only_counted += 1
            return None
        return [line.at, "generated", node.number, message.number, message.text]

    def received(self, at: int, node: Node, sender: Node | None, text: str,
                 dropped: int = 0) -> list | None:
        """Return the event of a delivery; None when it is only counted, as those of messages up to
        the number `dropped` are. `text` follows `gmessage:`."""
        self.deliveries += 1
        if self._seconds[-1].at != at // SECOND:
            self._seconds.append(_Second(at // SECOND))
        second = self._seconds[-1]
        second.deliveries += 1
        parsed = _parsed(text)
        message = parsed and self._known.get(parsed[0])
        if message is None:
            if parsed is not None:
                self._early.put(parsed[0], self._early.get(parsed[0], default=0) | node.bit)
            return None
        message.held |= node.bit
        if message.waiting & node.bit:
            message.waiting ^= node.bit
            second.latencies[int(math.log(max(1, at - message.at)) * _STEPS)] += 1
            if not message.waiting:
                self._lacking.pop(message.number, None)
        if not message.is_shown or sender is None or message.number <= dropped:
            return None
        return [at, "received", node.number, sender.number, message.number]

    def ended(self, node: Node) -> None:
        """Stop waiting for a peer that has ended, and for what it alone had."""
        for message in list(self._lacking.values()):
            message.waiting &= ~node.bit
            message.held &= ~node.bit
            if not message.waiting or not message.held:
                del self._lacking[message.number]

    def figures(self, now: int) -> dict:
        """Return the figures about messages, at a time."""
        now //= SECOND
        seconds = [second for second in self._seconds if second.at >= now - LATENCIES]
        recent = sum(second.deliveries for second in seconds if now - RATES <= second.at < now)
        steps = sum((second.latencies for second in seconds), collections.Counter())
        missing = next(iter(self._lacking.values()), None)
        return {"messages": self.messages, "deliveries": self.deliveries,
                "counted": self.only_counted, "rate": round(recent / RATES, 1),
                "latency": _quantile(steps, 0.5), "latency99": _quantile(steps, 0.99),
                "missing": missing and {
                    "message": missing.number, "text": missing.text,
                    "nodes": [number for number in range(missing.waiting.bit_length())
                              if missing.waiting >> number & 1][:NAMED]}}

    def _has_room(self, second: int, deliveries: int) -> bool:
        """Settle whether a message is shown; one that is more than a second may show takes the
        room of the seconds after it."""
        passed = max(0, second - self._window)
        self._promised = max(0, self._promised - passed * SHOWN_PER_SECOND)
        self._window = max(second, self._window)
        if self._promised and self._promised + deliveries > SHOWN_PER_SECOND:
            return False
        self._promised += deliveries
        return True


def _quantile(steps: collections.Counter[int], share: float) -> float | None:
    """Return the latency, in milliseconds, below which that share of all is; None without any."""
    rank = share * steps.total()
    for step in sorted(steps):
        rank -= steps[step]
        if rank <= 0:
            return round(math.exp((step + 0.5) / _STEPS) / 1000, 3)
    return None
