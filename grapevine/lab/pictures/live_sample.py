"""The messages that the live page shows, and figures about all.

Of many messages whole ones are left out, never single deliveries, because a wave with holes would
look like a loss. When a message is said, it is settled whether its deliveries find room among the
1,500 that are shown in a second. What is left out is counted, and so is a delivery whose message
is not known yet. Values come in, events of the stream go out; no clock. Times are microseconds.
"""

import collections
import dataclasses
import functools

from grapevine.lab.pictures.live_lines import Line
from grapevine.lab.pictures.live_states import Node
from grapevine.lab.proof.events import GOSSIP
from grapevine.lab.proof.evidence import quantile
from grapevine.tools import Budget, Recent

SHOWN_PER_SECOND = 1_500  # deliveries
TEXT = 80  # letters of a message that are shown
MESSAGES_LIMIT = 20_000  # messages that are known at a time; of more, the oldest are evicted
EARLY = 1_000  # messages that are known by a delivery alone, because the origin's file is late
NAMED = 50  # nodes that lack a message and are named, at most
LATENCIES, LATELY = 10_000, 30  # the newest latencies, of so many seconds, that are told
RATES = 5  # seconds over which the rate is told
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


class Messages:
    """All messages under way, and the figures of all messages."""

    def __init__(self):
        self.messages = self.deliveries = self.only_counted = 0
        self._known = Recent(MESSAGES_LIMIT)  # IP:PORT:RUN:NUMBER -> message
        self._early = Recent(EARLY)  # the same -> bits of peers that had it before it was said
        self._lacking: dict[int, Message] = {}  # number -> message that somebody lacks
        self._latencies: collections.deque[tuple[int, int]] = collections.deque(maxlen=LATENCIES)
        self._seconds = Recent(RATES + 1)  # second -> deliveries
        self._promised = Budget(SHOWN_PER_SECOND, 0)  # deliveries settled to be shown

    def generated(self, line: Line, node: Node, expected: int) -> list | None:
        """Return the event of a new message, if shown. `expected` has the bits of all peers up."""
        parsed = _parsed(line.rest.removeprefix("gmessage:"))
        if parsed is None or self._known.get(parsed[0]):
            return None
        self.messages += 1
        held = node.bit | self._early.pop(parsed[0], 0)
        expected &= ~held  # a wave with early deliveries would have holes
        is_shown = held == node.bit and self._has_room(line.at // SECOND, expected.bit_count())
        message = Message(self.messages, line.at, held, expected, parsed[1][:TEXT], is_shown)
        self._known[parsed[0]] = message
        self._lacking.pop(self.messages - MESSAGES_LIMIT, None)
        if expected:
            self._lacking[message.number] = message
        if not is_shown:
            self.only_counted += 1
            return None
        return [line.at, "generated", node.number, message.number, message.text]

    def received(self, at: int, node: Node, sender: Node | None, text: str) -> list | None:
        """Return the event of a delivery, if it is shown. `text` follows `gmessage:`."""
        self.deliveries += 1
        self._seconds[at // SECOND] = self._seconds.get(at // SECOND, 0) + 1
        parsed = _parsed(text)
        message = parsed and self._known.get(parsed[0])
        if message is None:
            if parsed is not None:
                self._early[parsed[0]] = self._early.get(parsed[0], 0) | node.bit
            return None
        message.held |= node.bit
        if message.waiting & node.bit:
            message.waiting ^= node.bit
            self._latencies.append((at, at - message.at))
            if not message.waiting:
                self._lacking.pop(message.number, None)
        if not message.is_shown or sender is None:
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
        """Return the figures of the stream that are about messages."""
        second, missing = now // SECOND, next(iter(self._lacking.values()), None)
        recent = sum(self._seconds.get(second - ago, 0) for ago in range(1, RATES + 1))
        took = [took / 1000 for at, took in self._latencies if at >= now - LATELY * SECOND]
        return {"messages": self.messages, "deliveries": self.deliveries,
                "counted": self.only_counted, "rate": round(recent / RATES, 1),
                "latency": quantile(took, 0.5) if took else None,
                "latency99": quantile(took, 0.99) if took else None,
                "missing": missing and {
                    "message": missing.number, "text": missing.text,
                    "lacking": missing.waiting.bit_count(),
                    "nodes": [number for number in range(missing.waiting.bit_length())
                              if missing.waiting >> number & 1][:NAMED]}}

    def _has_room(self, second: int, deliveries: int) -> bool:
        """Settle whether a message is shown. A large message takes the room of later seconds."""
        ahead = self._promised.charge(0, second)  # seconds that earlier messages take
        if ahead and ahead + deliveries / SHOWN_PER_SECOND > 1:
            return False
        self._promised.charge(deliveries, second)
        return True
