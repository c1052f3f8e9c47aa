"""Rumors: a message is told to one neighbour after another, until a coin says that it is stale.

A. Demers et al., "Epidemic algorithms for replicated database maintenance", PODC 1987, section 1.4:
rumor mongering with feedback and a coin. A rumor, `rumor:gmessage:…`, is answered `status:took:` or
`status:knew:`. Whoever took it is one more that tells it; after `knew` a coin decides whether one
neighbour more is told. A neighbour that owes an answer for ANSWER_TIMEOUT is silent: for a while,
or until it answers, it is told nothing, and others instead. One that has never answered may
not know rumors, and gets everything meanwhile, as in a flood.
"""

import collections
import math

from grapevine import wire
from grapevine.ways import Flood

HOT_LIMIT, HOT_BYTES = 20_000, 16 << 20  # rumors told at a time: beyond that the oldest is dropped
CROWDED = 128 << 10  # bytes of rumors, above which new messages wait
WINDOW = 256 << 10  # bytes of unanswered rumors of a neighbour
QUEUE_BYTES = 256 << 10  # that may wait for a neighbour; one that has more is passed over
ANSWER_TIMEOUT = 2.0  # seconds for an answer
SILENCE = 30.0  # seconds for which a silent neighbour is told nothing
OVERHEAD = 1_000  # bytes of the window that a rumor takes beside its line


class Rumor:
    """A message that is told, as long as it is among the hot ones."""

    __slots__ = ("key", "line", "size", "known", "asked")

    def __init__(self, key: wire.Key, line: bytes, source):
        self.key, self.line, self.size = key, line, len(line)
        self.known, self.asked = {source}, set()  # links that have it; that were, or will be, told


class Listener:
    """A neighbour, and the rumors that wait for it, or for its answer."""

    def __init__(self):
        self.queue: collections.deque[Rumor] = collections.deque()
        self.queued = 0  # bytes in the queue
        self.unanswered: dict[wire.Key, tuple[Rumor, float]] = {}  # with when it was told
        self.window = 0  # bytes that the unanswered take
        self.answered_at = -math.inf
        self.silent_until = -math.inf


class Rumors(Flood):
    def __init__(self, node):
        super().__init__(node)
        self._hot: dict[wire.Key, Rumor] = {}  # all that are told, the oldest first
        self._size = 0  # bytes of them
        self._idle: list[Rumor] = []  # rumors that need another listener
        self._listeners: dict[object, Listener] = {}  # by link
        self._dropped = 0
        self._window = WINDOW
        self._looking = node.schedule("rumors", self._look, math.inf)

    # What the node tells.

    def new(self, lines: list[bytes], source) -> None:
        longest = wire.LINE_LIMIT - len(wire.RUMOR)
        long = [line for line in lines if len(line) > longest]  # because of what stands before it
        if long:
            self.push(long, self.node.gossip_links(), source)
            lines = [line for line in lines if len(line) <= longest]
        for line in lines:
            key = wire.gossip_key(line)
            if key in self._hot:  # its origin has said this number twice
                self._drop(self._hot[key])
            self._hot[key] = rumor = Rumor(key, line, source)
            self._size += rumor.size
            self._idle.append(rumor)
        while len(self._hot) > HOT_LIMIT or self._size > HOT_BYTES:
            self._drop(next(iter(self._hot.values())))
            self._dropped += 1
        now = self.node.now()
        mute = [link for link, each in self._listeners.items()
                if now < each.silent_until and each.answered_at < 0]
        if lines:
            self.push(lines, mute, source)
        self._tell()

    def repeated(self, link, lines: list[bytes]) -> None:
        for line in lines:
            if line in self.node.messages.texts:
                rumor = self._hot.get(wire.gossip_key(line))
                if rumor is not None:
                    rumor.known.add(link)

    def heard(self, link, status: wire.Status) -> None:
        if status.verb not in ("took", "knew"):
            return
        listener = self._listeners.setdefault(link, Listener())
        listener.silent_until, listener.answered_at = -math.inf, self.node.now()
        for key in status.named_among(listener.unanswered):
            rumor = self._take_back(listener, key)
            if status.verb == "knew" and self.node.rng.random() < self.node.settings.rumor_stop:
                self._drop(rumor)
        self._tell()

    def ended(self, link) -> None:
        listener = self._listeners.pop(link, None)
        if listener is not None:
            self._take_all_back(listener)
            self._tell()

    def finish(self) -> None:
        """Tell what waits, whatever windows said."""
        self._window = math.inf
        self._tell()

    def has_room(self) -> bool:
        return self._size < CROWDED

    def is_busy(self) -> bool:
        return bool(self._hot)

    def counts(self) -> dict[str, int]:
        return {"rumors": len(self._hot), "neighbours that were told rumors": len(self._listeners),
                "rumors dropped, too many": self._dropped}

    # Telling.

    def _tell(self) -> None:
        """Tell as much as windows allow."""
        batches = collections.defaultdict(list)
        while True:
            self._choose()
            for link, listener in self._listeners.items():
                batches[link] += self._due(link, listener)
            if not self._idle:
                break
        for link, batch in batches.items():
            if batch:
                link.send(b"".join([b"%b%b\n" % (wire.RUMOR, rumor.line) for rumor in batch]))
        self._looking.by(self._look_at())

    def _choose(self) -> None:
        """Choose listeners for idle rumors: the same for many, so that they go together; those
        whose windows are full come last."""
        idle, self._idle = list(filter(self._is_hot, self._idle)), []
        if not idle:
            return
        links = list(self.node.gossip_links())
        self.node.rng.shuffle(links)
        listeners = [(link, self._listeners.setdefault(link, Listener())) for link in links]
        now = self.node.now()
        listeners.sort(key=lambda pair: bool(pair[1].queue) or pair[1].window >= self._window)
        for rumor in idle:
            for link, listener in listeners:
                if not (link in rumor.asked or link in rumor.known
                        or now < listener.silent_until or listener.queued >= QUEUE_BYTES):
                    rumor.asked.add(link)
                    listener.queue.append(rumor)
                    listener.queued += rumor.size
                    break
            else:
                self._drop(rumor)

    def _due(self, link, listener: Listener) -> list[Rumor]:
        """Take off the queue what the window of a listener allows to tell now."""
        due, now = [], self.node.now()
        while listener.queue and listener.window < self._window:
            rumor = listener.queue.popleft()
            listener.queued -= rumor.size
            if link in rumor.known:  # it has told this peer meanwhile
                self._idle.append(rumor)
                continue
            if rumor.key in listener.unanswered:
                self._take_back(listener, rumor.key)
            listener.window += rumor.size + OVERHEAD
            listener.unanswered[rumor.key] = rumor, now
            due.append(rumor)
        return due

    # Those that do not answer.

    def _look_at(self) -> float:
        return ANSWER_TIMEOUT + min(
            [next(iter(listener.unanswered.values()))[1]
             for listener in self._listeners.values() if listener.unanswered], default=math.inf)

    def _look(self, now: float) -> float:
        """Give up what was not answered in time, and who is silent."""
        if self.node.is_late():  # answers may have come, and not be read yet
            return self.node.late_until
        for listener in self._listeners.values():
            for key, (_, told_at) in list(listener.unanswered.items()):
                if told_at + ANSWER_TIMEOUT > now:
                    break
                self._take_back(listener, key)
                if listener.answered_at < told_at:
                    listener.silent_until = now + SILENCE
            if now < listener.silent_until:
                self._take_all_back(listener)
        self._tell()
        return self._look_at()

    def _take_back(self, listener: Listener, key: wire.Key) -> Rumor:
        """A listener has answered, or will not: the rumor may go to another one."""
        rumor, _ = listener.unanswered.pop(key)
        listener.window -= rumor.size + OVERHEAD
        self._idle.append(rumor)
        return rumor

    def _take_all_back(self, listener: Listener) -> None:
        for key in list(listener.unanswered):
            self._take_back(listener, key)
        self._idle += listener.queue
        listener.queue.clear()
        listener.queued = 0

    def _drop(self, rumor: Rumor) -> None:
        """Tell a rumor to nobody else."""
        if self._is_hot(rumor):
            del self._hot[rumor.key]
            self._size -= rumor.size

    def _is_hot(self, rumor: Rumor) -> bool:
        return self._hot.get(rumor.key) is rumor
