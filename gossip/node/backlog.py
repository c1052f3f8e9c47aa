"""The backlog of a link: bytes that its other end has not taken yet. Pure values."""

import collections

from gossip.wire import Answer

JOIN_SIZE = 262_144  # bytes up to which small chunks of a backlog are joined into one write
SMALL, TINY = 1_000, 120  # bytes: to a small chunk tiny data are joined at once, because another
# chunk would take 120 bytes more; larger data are not copied, because many links share them


class Backlog:
    """Bytes that the other end has not taken yet: chunks of whole lines, in sending order. Answers
    are counted apart from what nobody requested, so chunks of both are never joined."""

    __slots__ = ("_chunks", "_begun", "size", "unasked")

    def __init__(self):
        # (bytes, whether they are an answer). A deque only once there is a chunk, because most
        # links never have a backlog, and an empty deque takes 760 bytes.
        self._chunks: collections.deque[tuple[bytes, bool]] | tuple = ()
        self._begun = False  # the first chunk is half sent
        self.size = self.unasked = 0  # bytes in all, and of them those that are no answers

    def append(self, data: bytes) -> None:
        """Send these bytes after all others."""
        asked = type(data) is Answer
        if len(self._chunks) > 1:  # the first may be half sent
            last, of_last = self._chunks[-1]
            if of_last is asked and len(last) < SMALL and len(data) < TINY:
                self._chunks[-1] = last + data, asked
                self._count(len(data), asked)
                return
        self._insert(len(self._chunks), data, asked)

    def overtake(self, data: bytes) -> None:
        """Send these bytes next, after the rest of a half-sent chunk."""
        self._insert(1 if self._begun else 0, data, type(data) is Answer)

    def _insert(self, at: int, data: bytes, asked: bool) -> None:
        if not self._chunks:
            self._chunks = collections.deque()
        self._chunks.insert(at, (data, asked))
        self._count(len(data), asked)

    def _count(self, change: int, asked: bool) -> None:
        self.size += change
        if not asked:
            self.unasked += change

    def take(self) -> tuple[bytes, bool]:
        """Take bytes to send, and whether they are an answer. Then call `sent`."""
        data, asked = self._chunks.popleft()
        size, chunks = len(data), [data]
        while (self._chunks and not self._begun and size < JOIN_SIZE
               and self._chunks[0][1] is asked):
            chunks.append(self._chunks.popleft()[0])
            size += len(chunks[-1])
        self._count(-size, asked)
        return b"".join(chunks), asked

    def sent(self, data: bytes, count: int, asked: bool) -> None:
        """Note that the first `count` bytes of `data` have been sent. The rest is sent next."""
        if count == len(data):
            self._begun = False
        else:
            self._insert(0, data[count:], asked)
            self._begun = self._begun or count > 0
