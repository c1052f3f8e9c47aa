"""Rumors: what is told to which neighbour next, and when that ends.

`Rumors` is rules only; `Mongering` sends lines. A. Demers et al., "Epidemic algorithms for
replicated database maintenance", PODC 1987, section 1.4: rumor mongering with feedback and a coin.
A rumor is told to a random neighbour. If it was new there, another neighbour is told; otherwise a
coin decides whether another is.

A rumor without an answer is retried, up to `tries` times in all. Then the neighbour counts as
silent, its rumors go to others, and it is told none until it says something: over TCP an answer,
over datagrams, which may get lost, anything. A neighbour that never answers over TCP may be a peer
that ignores what rumors ask for, and is sent all gossip as in a flood.
"""

import collections
import itertools
from typing import NamedTuple

from gossip import wire
from gossip.intervals import Intervals
from gossip.settings import Settings
from gossip.spread.flood import Flood

HOT_LIMIT = 20_000  # rumors told at the same time; beyond that, the oldest is stopped
HOT_BYTES = 16 << 20  # the same limit, in bytes of their lines
QUEUE_BYTES = 256 << 10  # bytes in one queue; a neighbour with more is passed over
CROWDED = QUEUE_BYTES // 2  # bytes of rumors being told above which new messages wait
SEND_CHARGE = 1_000  # bytes of the window that one sending takes besides its lines

Key = tuple[bytes, int]  # run and number of a message


class _Rumor:
    """A message that is being told."""

    open = 0  # number of links to which it is being told
    stopped = False  # it is told to no further link

    def __init__(self, key: Key, line: bytes, cover: bytes | None, size: int, source):
        self.key, self.line = key, line
        self.cover = cover  # the signed line that covers it, where gossip is signed
        self.size = size  # bytes that it takes
        self.known = {source}  # links to neighbours that have it
        self.asked: set = set()  # that were told it, or will be


class _Unanswered(NamedTuple):
    rumor: _Rumor
    at: float  # when it was told
    tries: int  # attempts so far
    charge: int  # bytes of the window that it takes, its cover included if sent along


class _Channel:
    """The queued and unanswered rumors of one neighbour."""

    def __init__(self):
        self.queue: collections.deque[_Rumor] = collections.deque()  # waiting for the window
        self.queued = 0  # bytes in the queue
        self.unanswered: collections.OrderedDict[Key, _Unanswered] = collections.OrderedDict()
        self.used = 0  # bytes of the window in use
        self.heard = 0.0  # when something last came from the neighbour
        self.silent = False


class Rumors:
    """The rumors that a peer tells, and its neighbours' answers. A link may be any object."""

    def __init__(self, settings: Settings, rng, at_once: int = 1, tries: int = 1):
        """A rumor is told to `at_once` neighbours at the same time. After `tries` attempts without
        an answer a neighbour that has said nothing since the last counts as silent."""
        self._settings, self._rng, self._at_once, self._tries = settings, rng, at_once, tries
        self.hot: collections.OrderedDict[Key, _Rumor] = collections.OrderedDict()  # oldest first
        self.bytes = 0  # that the rumors being told take
        self._ready: list[_Rumor] = []  # rumors for which a neighbour has to be chosen
        self._channels: dict[object, _Channel] = collections.defaultdict(_Channel)
        self._dropped = collections.Counter()

    def add(self, messages: list[tuple[Key, bytes]], source, covers: list[bytes] = ()) -> None:
        """Begin to tell messages that `source` has. `covers`, if any, are their signed lines."""
        before = None
        for (key, line), cover in itertools.zip_longest(messages, covers):
            size = len(line)
            if cover is not None and cover is not before:  # one cover serves all lines behind it
                size, before = size + len(cover), cover
            rumor = self.hot[key] = _Rumor(key, line, cover, size, source)
            self.bytes += size
            self._ready.append(rumor)
        while len(self.hot) > HOT_LIMIT or self.bytes > HOT_BYTES:
            self._stop(next(iter(self.hot.values())))
            self._dropped["rumors told no longer: too many"] += 1

    def note_known(self, link, keys) -> None:
        """Note that a neighbour has these messages, because it sent them."""
        for key in keys:
            if key in self.hot:
                self.hot[key].known.add(link)

    def heard(self, link, now: float) -> bool:
        """Note that something came from a neighbour. Return whether it had been silent."""
        channel = self._channels[link]
        channel.heard = now
        was_silent, channel.silent = channel.silent, False
        return was_silent

    def never_answers(self, link) -> bool:
        """Return whether a silent neighbour has never answered."""
        channel = self._channels.get(link)
        return channel is not None and channel.silent and not channel.heard

    def answered(self, link, entries, knew: bool) -> None:
        """Take an answer about rumors, which were new there, or known (`knew`)."""
        channel = self._channels[link]
        for key in _named(channel.unanswered, entries):
            told = channel.unanswered.pop(key)
            channel.used -= told.charge
            if knew and self._rng.random() < self._settings.rumor_stop:
                self._stop(told.rumor)
            self._closed(told.rumor)

    def turn(self, links, now: float) -> list[tuple[object, list[bytes]]]:
        """Return the rumors to tell now, as (link, lines); others are told those of a link that has
        ended. Covers precede their lines."""
        standing = set(links)
        for link in [link for link in self._channels if link not in standing]:
            self._give_up(link)
            del self._channels[link]
        tellings = self._repeat(now)
        while True:
            self._choose(links)
            self._take(tellings, now)
            if not self._ready:  # else the neighbour has told this peer those rumors
                return [(link, _lines_of(told)) for link, told in tellings.items() if told]

    def next_at(self) -> float | None:
        """Return when the next retry is due; None if nothing is unanswered."""
        first = [next(iter(channel.unanswered.values())).at
                 for channel in self._channels.values() if channel.unanswered]
        return min(first) + self._settings.rumor_patience if first else None

    def flush(self, links, last: list[bytes]) -> list[tuple[object, list[bytes]]]:
        """Return all queued rumors, and the last lines for silent neighbours. A process that is
        about to end calls this, so it ignores the windows, and leaves the queues as they are."""
        self._choose(links)
        flushed = [(link, _lines_of(channel.queue))
                   for link, channel in self._channels.items() if channel.queue]
        return flushed + [(link, last) for link in links
                          if link in self._channels and self._channels[link].silent]

    def dropped(self) -> dict[str, int]:
        return dict(self._dropped)

    def _choose(self, links) -> None:
        """Choose the same neighbours for many rumors, to send these together."""
        ready, self._ready = [rumor for rumor in self._ready if not rumor.stopped], []
        if not ready:
            return
        channels = [(link, self._channels[link]) for link in links]
        self._rng.shuffle(channels)
        channels.sort(key=lambda entry: (  # neighbours whose window is full come last
            bool(entry[1].queue) or entry[1].used >= self._settings.rumor_window))
        for rumor in ready:
            for link, channel in channels:
                if rumor.open == self._at_once:
                    break
                if (link not in rumor.asked and link not in rumor.known and not channel.silent
                        and channel.queued < QUEUE_BYTES):
                    rumor.asked.add(link)
                    rumor.open += 1
                    channel.queue.append(rumor)
                    channel.queued += rumor.size
            if not rumor.open:
                self._stop(rumor)

    def _take(self, tellings: dict, now: float) -> None:
        """Move rumors from the queues to the tellings, within the windows."""
        for link, channel in self._channels.items():
            batch, covers = tellings.setdefault(link, []), {None}
            while channel.queue and channel.used < self._settings.rumor_window:
                rumor = channel.queue.popleft()
                channel.queued -= rumor.size
                if link in rumor.known:
                    self._closed(rumor)
                    continue
                charge = len(rumor.line) + (0 if batch else SEND_CHARGE)
                if rumor.cover not in covers:
                    covers.add(rumor.cover)
                    charge += len(rumor.cover)
                channel.used += charge
                channel.unanswered[rumor.key] = _Unanswered(rumor, now, 1, charge)
                batch.append(rumor)

    def _repeat(self, now: float) -> dict[object, list[_Rumor]]:
        """Retry overdue rumors, and give up a rumor after its last try. A neighbour that has sent
        nothing since that try counts as silent."""
        tellings = {}
        for link, channel in self._channels.items():
            batch = tellings[link] = []
            while channel.unanswered:
                key, told = next(iter(channel.unanswered.items()))
                if told.at + self._settings.rumor_patience > now:
                    break
                if told.tries < self._tries:
                    channel.unanswered[key] = told._replace(at=now, tries=told.tries + 1)
                    channel.unanswered.move_to_end(key)
                    batch.append(told.rumor)
                elif channel.heard >= told.at:  # the neighbour lives: only this rumor was lost
                    del channel.unanswered[key]
                    channel.used -= told.charge
                    self._closed(told.rumor)
                else:
                    channel.silent = True
                    self._give_up(link)
                    batch.clear()
        return tellings

    def _give_up(self, link) -> None:
        """Take all rumors from a link, so that others are told them."""
        channel = self._channels[link]
        rumors = [*(told.rumor for told in channel.unanswered.values()), *channel.queue]
        channel.unanswered.clear()
        channel.queue.clear()
        channel.queued = channel.used = 0
        for rumor in rumors:
            self._closed(rumor)

    def _closed(self, rumor: _Rumor) -> None:
        """End one telling of a rumor."""
        rumor.open -= 1
        if not rumor.stopped:
            self._ready.append(rumor)

    def _stop(self, rumor: _Rumor) -> None:
        """Tell a rumor to no further link."""
        rumor.stopped = True
        if self.hot.pop(rumor.key, None) is not None:
            self.bytes -= rumor.size


class Mongering(Flood):
    """The way of spreading that tells one neighbour after the other. Nothing is gathered."""

    duty_name = "rumors"  # of the duty that calls `turn`
    ANSWERED = {"took", "knew"}  # verbs of status lines for `answered`

    def __init__(self, links, node, at_once: int, tries: int):
        super().__init__(links, node.flusher, node.now, lambda: 0.0)
        self.rumors = Rumors(node.settings, node.rng, at_once, tries)
        self.note_known, self.dropped = self.rumors.note_known, self.rumors.dropped
        self.duty = None  # calls `turn`, once it is kept
        self._over_tcp = tries == 1  # over datagrams a neighbour that never answers may be gone
        self._idle = False  # nothing is due, so `turn` waits until it is hurried

    def forward(self, lines: list[bytes], source, covers: list[bytes] = ()) -> None:
        self.rumors.add([(wire.gossip_key(line), line) for line in lines], source, covers)
        if self._over_tcp and (silent := list(filter(self.rumors.never_answers, self._links()))):
            data = b"\n".join([*wire.covered(lines, covers), b""])
            for link in silent:  # it may be a peer that ignores what rumors ask for
                if link is not source:
                    link.send(data)
        self.tell()

    def tell(self) -> None:
        tellings = self.rumors.turn(self._links(), self._now())
        for link, lines in tellings:
            link.send(wire.rumors(lines))
        if self._idle and tellings:
            self.duty.hurry()
        self._flusher.notify()  # has all who wait for room look again

    def flush(self, last: list[bytes]) -> None:
        """Send all queued rumors, beyond the windows, and the lines forwarded last."""
        for link, lines in self.rumors.flush(self._links(), last):
            link.send(wire.rumors(lines))

    def answered(self, link, message: wire.Status) -> None:
        self.rumors.heard(link, self._now())
        self.rumors.answered(link, message.entries, message.verb == "knew")
        self.tell()

    def on_end(self, link) -> None:
        self.tell()  # to others what was told to a link that stands no more

    def turn(self, now: float) -> float | None:
        """Send rumors. Return when the next retry is due, None if nothing is unanswered."""
        self._idle = False
        self.tell()
        due = self.rumors.next_at()
        self._idle = due is None
        return due

    def all_sent(self) -> bool:
        return not self.rumors.hot

    def has_room(self) -> bool:
        """Return whether few enough rumors are told to make new messages. Above that neighbours
        would be passed over, because their queues are full."""
        return self.rumors.bytes < CROWDED


def _lines_of(rumors) -> list[bytes]:
    """Return the lines of rumors, grouped behind their covers."""
    return wire.covered([rumor.line for rumor in rumors],
                        [rumor.cover for rumor in rumors if rumor.cover is not None])


def _named(unanswered, entries) -> list[Key]:
    """Return the unanswered keys that the entries name. A hostile answer may name the range
    1-9223372036854775807, so this has to take bounded time."""
    if sum(last - first + 1 for _, ranges in entries for first, last in ranges) <= len(unanswered):
        return [(run, number) for run, ranges in entries for first, last in ranges
                for number in range(first, last + 1) if (run, number) in unanswered]
    named = {run: Intervals(ranges) for run, ranges in entries}
    return [key for key in unanswered if key[0] in named and key[1] in named[key[0]]]
