"""Rumors: which of them goes to which neighbour next, and when it is told no longer.

Rules only: no socket, no clock. A. Demers et al., "Epidemic algorithms for replicated database
maintenance", PODC 1987, section 1.4: rumor mongering with feedback and a coin. A rumor goes to
a random neighbour among those not known to have it. When that neighbour did not have it,
another one is told; when it had, a coin decides whether another one is told.

What a neighbour has not answered is told again after a while, some times; then the neighbour
is silent and told nothing until something is heard of it, and its rumors go to others. At most
a window of bytes is unanswered by one neighbour: what is meant for it waits. By TCP, "heard"
is an answer; by datagrams, which may get lost, it is anything at all.
"""

import collections
import math
import threading
from typing import NamedTuple

from gossip.intervals import Intervals

HOT_LIMIT = 20_000  # rumors told at a time; beyond that the oldest is told to nobody else
HOT_BYTES = 16 << 20  # bytes of their lines; the same
QUEUE_BYTES = 256 << 10  # that may wait for one neighbour's window; beyond that it is passed over
SEND_CHARGE = 1_000  # bytes that one sending costs in the window beside its lines

Key = tuple[bytes, int]  # run and number of a message


class Telling(NamedTuple):
    """How rumors are told; lengths in bytes, times in seconds."""

    stop: float  # probability that a useless telling is the last one of a rumor
    at_once: int  # neighbours that are told a rumor at the same time
    window: int  # what may be unanswered by one neighbour
    patience: float  # until an unanswered rumor is told again
    tries: int  # tellings until the neighbour counts as silent


class _Rumor:
    """A message that is being told."""

    __slots__ = ("key", "line", "known", "asked", "open", "stopped")

    def __init__(self, key: Key, line: bytes, source):
        self.key = key
        self.line = line
        self.known = {source}  # links that lead to those who have it
        self.asked = set()  # links that lead to those who were told, or are to be
        self.open = 0  # links that are being told it
        self.stopped = False  # nobody else is told


class _Unanswered(NamedTuple):
    """One telling that has not been answered."""

    rumor: _Rumor
    at: float  # when
    tries: int  # how often so far
    charge: int  # bytes of the window that it takes


class _Channel:
    """What is meant for one neighbour."""

    __slots__ = ("queue", "queued", "unanswered", "used", "heard", "silent")

    def __init__(self):
        self.queue: collections.deque[_Rumor] = collections.deque()  # waiting for the window
        self.queued = 0  # bytes of them
        self.unanswered: collections.OrderedDict[Key, _Unanswered] = collections.OrderedDict()
        self.used = 0  # bytes of the window that are unanswered
        self.heard = 0.0  # when something came from there
        self.silent = False


class Rumors:
    """The rumors that a peer tells, and what its neighbours have answered. A neighbour is
    known by its link, whatever that is."""

    def __init__(self, telling: Telling, rng):
        self._telling = telling
        self._rng = rng
        self._lock = threading.Lock()  # guards everything below
        self._hot: collections.OrderedDict[Key, _Rumor] = collections.OrderedDict()
        self._bytes = 0  # of their lines
        self._ready: list[_Rumor] = []  # hot, and somebody is to be found to tell
        self._channels: dict[object, _Channel] = {}
        self._queued: dict[object, _Channel] = {}  # those with a queue
        self._repeat_at = math.inf  # nothing unanswered is due before
        self._dropped = collections.Counter()

    def add(self, messages: list[tuple[Key, bytes]], source) -> None:
        """These messages are new; the neighbour `source` has them."""
        with self._lock:
            for key, line in messages:
                rumor = self._hot[key] = _Rumor(key, line, source)
                self._bytes += len(line)
                self._ready.append(rumor)
            while len(self._hot) > HOT_LIMIT or self._bytes > HOT_BYTES:
                self._stop(next(iter(self._hot.values())))
                self._dropped["rumors told no longer: too many"] += 1

    def note_known(self, link, keys) -> None:
        """A neighbour has these: it has told them itself."""
        with self._lock:
            for key in keys:
                if key in self._hot:
                    self._hot[key].known.add(link)

    def heard(self, link, now: float) -> bool:
        """Something came from a neighbour; answer whether it had been silent."""
        with self._lock:
            channel = self._channel(link)
            channel.heard = now
            was_silent, channel.silent = channel.silent, False
            return was_silent

    def answered(self, link, entries, knew: bool) -> None:
        """A neighbour has taken what it was told (run and ranges each), or knew it before."""
        with self._lock:
            channel = self._channels.get(link)
            if channel is None:
                return
            for key in _named(channel.unanswered, entries):
                told = channel.unanswered.pop(key)
                channel.used -= told.charge
                rumor = told.rumor
                if knew and self._rng.random() < self._telling.stop:
                    self._stop(rumor)
                self._closed(rumor)

    def turn(self, links, now: float) -> list[tuple[object, list[bytes]]]:
        """What is to be told now: (link, lines) for some of the links."""
        with self._lock:
            self._forget_others(links)
            tellings = self._repeat(now) if now >= self._repeat_at else {}
            self._choose(links)
            self._take(tellings, now)
            while self._ready:  # some have come from those who were to be told
                self._choose(links)
                self._take(tellings, now)
            return [(link, lines) for link, lines in tellings.items() if lines]

    def next_at(self) -> float | None:
        """When something unanswered is due; None while there is nothing."""
        with self._lock:
            due = self._first_due()
            return due if due < math.inf else None

    def on_end(self, link) -> None:
        """A link has ended: others are told what it was to be told."""
        with self._lock:
            if link in self._channels:
                self._give_up(link)
                del self._channels[link]

    def flush(self, links, last: list[bytes]) -> list[tuple[object, list[bytes]]]:
        """What has not been told once so far, whatever the windows say; to those who are silent
        the last lines, in case they listen again. For a process that is about to end: what is
        flushed stays in the queues."""
        with self._lock:
            self._choose(links)
            flushed = [(link, [rumor.line for rumor in channel.queue])
                       for link, channel in self._channels.items() if channel.queue]
            return flushed + [(link, last) for link in links
                              if link in self._channels and self._channels[link].silent]

    def count(self) -> int:
        """How many rumors are being told."""
        with self._lock:
            return len(self._hot)

    def dropped(self) -> dict[str, int]:
        """What was dropped since the start, and how often."""
        with self._lock:
            return dict(self._dropped)

    # All of these expect the lock.

    def _forget_others(self, links) -> None:
        """A turn that had begun with older links has made the channel of one that ended anew."""
        standing = set(links)
        for link in [link for link in self._channels if link not in standing]:
            self._give_up(link)
            del self._channels[link]

    def _choose(self, links) -> None:
        """Find neighbours to tell for every rumor that needs some: the same for as many as
        possible, so that they travel together."""
        ready, self._ready = [rumor for rumor in self._ready if not rumor.stopped], []
        if not ready:
            return
        channels = [(link, self._channels.get(link) or self._channel(link)) for link in links]
        self._rng.shuffle(channels)
        channels.sort(key=self._occupied)
        for rumor in ready:
            for link, channel in channels:
                if rumor.open == self._telling.at_once:
                    break
                if (link not in rumor.asked and link not in rumor.known and not channel.silent
                        and channel.queued < QUEUE_BYTES):
                    self._assign(rumor, link, channel)
            if not rumor.open:
                self._stop(rumor)

    def _occupied(self, entry: tuple[object, _Channel]) -> bool:
        """Whether a neighbour's window is full: others come first."""
        return bool(entry[1].queue) or entry[1].used >= self._telling.window

    def _channel(self, link) -> _Channel:
        return self._channels.setdefault(link, _Channel())

    def _assign(self, rumor: _Rumor, link, channel: _Channel) -> None:
        """A rumor is to be told to a neighbour as soon as the window allows."""
        rumor.asked.add(link)
        rumor.open += 1
        channel.queue.append(rumor)
        channel.queued += len(rumor.line)
        self._queued[link] = channel

    def _take(self, tellings: dict, now: float) -> None:
        """Move what the windows have room for from the queues to the tellings."""
        for link, channel in list(self._queued.items()):
            batch = tellings.setdefault(link, [])
            while channel.queue and channel.used < self._telling.window:
                rumor = channel.queue.popleft()
                channel.queued -= len(rumor.line)
                if link in rumor.known:
                    self._closed(rumor)
                    continue
                charge = len(rumor.line) + (0 if batch else SEND_CHARGE)
                channel.used += charge
                channel.unanswered[rumor.key] = _Unanswered(rumor, now, 1, charge)
                batch.append(rumor.line)
            if batch:
                self._repeat_at = min(self._repeat_at, now + self._telling.patience)
            if not channel.queue:
                del self._queued[link]

    def _repeat(self, now: float) -> dict[object, list[bytes]]:
        """Tell again what was not answered in time, and give up what never was; who has said
        nothing at all since then counts as silent."""
        tellings = {}
        for link, channel in self._channels.items():
            batch = tellings[link] = []
            while channel.unanswered:
                key, told = next(iter(channel.unanswered.items()))
                if told.at + self._telling.patience > now:
                    break
                if told.tries < self._telling.tries:
                    channel.unanswered[key] = told._replace(at=now, tries=told.tries + 1)
                    channel.unanswered.move_to_end(key)
                    batch.append(told.rumor.line)
                elif channel.heard >= told.at:  # it lives: only this has been lost
                    del channel.unanswered[key]
                    channel.used -= told.charge
                    self._closed(told.rumor)
                else:
                    channel.silent = True
                    self._give_up(link)
                    batch.clear()
        self._repeat_at = self._first_due()
        return tellings

    def _first_due(self) -> float:
        """When the first of what is unanswered is due; infinity when nothing is."""
        first = [next(iter(channel.unanswered.values())).at
                 for channel in self._channels.values() if channel.unanswered]
        return min(first, default=math.inf) + self._telling.patience

    def _give_up(self, link) -> None:
        """Nobody answers there: others are told instead."""
        channel = self._channels[link]
        self._queued.pop(link, None)
        rumors = [*(told.rumor for told in channel.unanswered.values()), *channel.queue]
        channel.unanswered.clear()
        channel.queue.clear()
        channel.queued = channel.used = 0
        for rumor in rumors:
            self._closed(rumor)

    def _closed(self, rumor: _Rumor) -> None:
        """One telling of a rumor is over."""
        rumor.open -= 1
        if not rumor.stopped:
            self._ready.append(rumor)

    def _stop(self, rumor: _Rumor) -> None:
        """Begin no other telling of a rumor."""
        rumor.stopped = True
        if self._hot.pop(rumor.key, None) is not None:
            self._bytes -= len(rumor.line)


def _named(unanswered, entries) -> list[Key]:
    """Those of the keys that the entries name, without counting through what a stranger may
    claim: 1-9223372036854775807 is one range, too."""
    if sum(last - first + 1 for _, ranges in entries for first, last in ranges) <= len(unanswered):
        return [(run, number) for run, ranges in entries for first, last in ranges
                for number in range(first, last + 1) if (run, number) in unanswered]
    named = {run: Intervals(ranges) for run, ranges in entries}
    return [key for key in unanswered if key[0] in named and key[1] in named[key[0]]]
