"""The messages of the live page: which are shown, and the figures about all of them.

Of many messages whole ones are left out, never single deliveries: a wave with holes would look
like a loss. When a message is said, it is settled whether its deliveries find room among the
1,500 that are shown in a second. What is left out is counted. A delivery whose message nobody
was seen to say yet, or has long been forgotten, is counted as well. A message that nobody has any
more is not waited for.

Values in, events of the stream out; no clock. Times are microseconds.
"""

import collections
import dataclasses
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


@dataclasses.dataclass(slots=True)
class Message:
    """The state of one message."""

    number: int
    at: int
    held: int  # bits of those that have it, as long as somebody lacks it
    waiting: int  # bits of the peers that were up when it was said, are, and lack it
    text: str
    is_shown: bool
    line: str  # what follows `gmessage:`


class _Second:
    """The deliveries of one second."""

    def __init__(self, at: int):
        self.at = at
        self.deliveries = 0
        self.latencies: collections.Counter[int] = collections.Counter()  # step -> how many


class Messages:
    """All messages that are under way, and the figures of all."""

    def __init__(self):
        self.messages = self.deliveries = self.only_counted = 0
        self.latencies_from = 0  # of what was delivered before that time, no latency is taken
        # IP:PORT:RUN:NUMBER -> message, oldest first
        self._known: collections.OrderedDict[str, Message] = collections.OrderedDict()
        self._by_line: dict[str, Message] = {}  # the same by what follows `gmessage:`
        self._lacking: dict[int, Message] = {}  # number -> message that somebody lacks
        self._early = Recent(EARLY)  # what follows `gmessage:` -> bits of those that had it before
        self._seconds: collections.deque[_Second] = collections.deque(maxlen=LATENCIES + 1)
        self._window = self._promised = 0  # a second, and the deliveries settled to be shown in it

    def generated(self, line: Line, node: Node, expected: int) -> list | None:
        """The event of a message that is said; None for one that is only counted, or is none.
        `expected`: the bits of the peers that are up."""
        match = GOSSIP.match(line.rest)
        if match is None or match[2] in self._known:
            return None
        self.messages += 1
        text = line.rest.removeprefix("gmessage:")
        held = node.bit | self._early.pop(text, default=0)
        expected &= ~held  # of one that some had early, the wave would have holes
        is_shown = held == node.bit and self._has_room(line.at // SECOND, expected.bit_count())
        message = Message(self.messages, line.at, held, expected, match[3][:TEXT], is_shown, text)
        self._known[match[2]] = self._by_line[text] = message
        if expected:
            self._lacking[message.number] = message
        if len(self._known) > REMEMBERED:
            _, oldest = self._known.popitem(last=False)
            self._by_line.pop(oldest.line, None)
            self._lacking.pop(oldest.number, None)
        if not is_shown:
            self.only_counted += 1
            return None
        return [line.at, "generated", node.number, message.number, message.text]

    def received(self, at: int, node: Node, sender: Node | None, text: str,
                 dropped: int = 0) -> list | None:
        """Return the event of a delivery; None when it is only counted, as those of messages up to
        the number `dropped` are. `text` follows `gmessage:`."""
        self.deliveries += 1
        second = self._second(at) if at >= self.latencies_from else None
        if second is not None:
            second.deliveries += 1
        message = self._by_line.get(text)
        if message is None and (match := GOSSIP.match("gmessage:" + text)):
            message = self._known.get(match[2])  # its line was changed on its way
        if message is None:
            self._early.put(text, self._early.get(text, default=0) | node.bit)
            return None
        message.held |= node.bit
        if message.waiting & node.bit:
            message.waiting ^= node.bit
            if second is not None:
                second.latencies[int(math.log(max(1, at - message.at)) * _STEPS)] += 1
            if not message.waiting:
                self._lacking.pop(message.number, None)
        if not message.is_shown or sender is None or message.number <= dropped:
            return None
        return [at, "received", node.number, sender.number, message.number]

    def ended(self, node: Node) -> None:
        """A peer has ended: no message waits for it any more, and what it alone had is lost."""
        for message in list(self._lacking.values()):
            message.waiting &= ~node.bit
            message.held &= ~node.bit
            if not message.waiting or not message.held:
                del self._lacking[message.number]

    def figures(self, now: int) -> dict:
        """The figures about messages, at a time."""
        now //= SECOND
        seconds = [second for second in self._seconds if second.at >= now - LATENCIES]
        recent = sum(second.deliveries for second in seconds if now - RATES <= second.at < now)
        steps: collections.Counter[int] = collections.Counter()
        for second in seconds:
            steps.update(second.latencies)
        return {"messages": self.messages, "deliveries": self.deliveries,
                "counted": self.only_counted, "rate": round(recent / RATES, 1),
                "latency": _quantile(steps, 0.5), "latency99": _quantile(steps, 0.99),
                "missing": self._missing()}

    def _missing(self) -> dict | None:
        message = next(iter(self._lacking.values()), None)
        if message is None:
            return None
        nodes = [number for number in range(message.waiting.bit_length())
                 if message.waiting >> number & 1]
        return {"message": message.number, "nodes": nodes[:NAMED], "text": message.text}

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

    def _second(self, at: int) -> _Second:
        if not self._seconds or self._seconds[-1].at != at // SECOND:
            self._seconds.append(_Second(at // SECOND))
        return self._seconds[-1]


def _quantile(steps: collections.Counter[int], share: float) -> float | None:
    """The latency, in milliseconds, below which that share of all is; None without any."""
    rank = share * steps.total()
    for step in sorted(steps):
        rank -= steps[step]
        if rank <= 0:
            return round(math.exp((step + 0.5) / _STEPS) / 1000, 3)
    return None
