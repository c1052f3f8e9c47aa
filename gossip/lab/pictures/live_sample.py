"""The messages that the live page shows, and figures about all.

Of many messages whole ones are left out, never single deliveries, because a wave with holes would
look like a loss. When a message is said, it is settled whether its deliveries find room among the
1,500 that are shown in a second. What is left out is counted, and so is a delivery whose message
is not known yet, or was evicted. Values come in, events of the stream go out; no clock. Times are
microseconds.
"""

import collections
import dataclasses
import functools
import math

from gossip.lab.pictures.live_lines import Line
from gossip.lab.pictures.live_states import Node
from gossip.lab.proof.events import GOSSIP
from gossip.tools import Rate, Recent

SHOWN_PER_SECOND = 1_500  # deliveries
TEXT = 80  # letters of a message that are shown
REMEMBERED = 20_000  # messages that are known at a time; of more, the oldest are evicted
EARLY = 1_000  # messages that are known by a delivery alone, because the origin's file is late
NAMED = 50  # nodes that lack a message and are named, at most
LATENCIES, RATES = 30, 5  # seconds over which latency and rate are told
_STEPS = 40 / math.log(10)  # forty steps for each power of ten tell latencies within 6 %
SECOND = 1_000_000


@functools.lru_cache(maxsize=4_096)
def _parsed(text: str) -> tuple[str, str] | None:
    """Return IP:PORT:RUN:NUMBER and the text of a valid message, without its `gmessage:`."""
    match = GOSSIP.match(f"gmessage:{text}")
    return match and match.groups()[1:]


@dataclasses.dataclass(slots=True)
class Message:  # the state of a message
    number: int
    at: int
    held: int  # bits of peers that have it, as long as somebody lacks it
    waiting: int  # bits of peers that lack it, and have been up since it was said
    text: str
    is_shown: bool


@dataclasses.dataclass(slots=True)
class _Second:  # the deliveries of a second
    at: int
    deliveries: int = 0
    latencies: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)


class Messages:
    """All messages under way, and the figures of all messages."""

    def __init__(self):
        self.messages = self.deliveries = self.only_counted = 0
        self._known = Recent(REMEMBERED)  # IP:PORT:RUN:NUMBER -> message
        self._early = Recent(EARLY)  # the same -> bits of peers that had it before it was said
        self._lacking: dict[int, Message] = {}  # number -> message that somebody lacks
        self._seconds = collections.deque([_Second(0)], maxlen=LATENCIES + 1)
        self._promised = Rate(SHOWN_PER_SECOND, 0)  # deliveries settled to be shown

    def generated(self, line: Line, node: Node, expected: int) -> list | None:
        """Return the event of a new message, if shown. `expected` has the bits of all peers up."""
        parsed = _parsed(line.rest.removeprefix("gmessage:"))
        if parsed is None or self._known.get(parsed[0]):
            return None
        self.messages += 1
        held = node.bit | self._early.pop(parsed[0], default=0)
        expected &= ~held  # a wave with early deliveries would have holes
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
        """Return the event of a delivery, if it is shown. Messages up to `dropped` are not. `text`
        follows `gmessage:`."""
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
        """Stop waiting for an ended peer, and for messages it alone had."""
        for message in list(self._lacking.values()):
            message.waiting &= ~node.bit
            message.held &= ~node.bit
            if not message.waiting or not message.held:
                del self._lacking[message.number]

    def figures(self, now: int) -> dict:
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
                    "lacking": missing.waiting.bit_count(),
                    "nodes": [number for number in range(missing.waiting.bit_length())
                              if missing.waiting >> number & 1][:NAMED]}}

    def _has_room(self, second: int, deliveries: int) -> bool:
        """Settle whether a message is shown. A large message takes the room of later seconds."""
        ahead = self._promised.take(second, 0)  # seconds that earlier messages take
        if ahead and ahead + deliveries / SHOWN_PER_SECOND > 1:
            return False
        self._promised.take(second, deliveries)
        return True


def _quantile(steps: collections.Counter[int], share: float) -> float | None:
    """Return a quantile of the latencies in milliseconds. None without any."""
    rank = share * steps.total()
    for step in sorted(steps):
        rank -= steps[step]
        if rank <= 0:
            return round(math.exp((step + 0.5) / _STEPS) / 1000, 3)
    return None
