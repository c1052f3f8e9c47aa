"""The backlog of a link: bytes that the other end has not taken yet. Pure, not locked.

It holds chunks of whole lines in sending order. An urgent chunk overtakes all others but a
half-sent chunk. Answers are counted apart from what nobody requested, so chunks of both are never
joined.
"""

import collections

from gossip.wire import Answer

JOIN_SIZE = 262_144  # bytes up to which small chunks are joined into one write


class Backlog:
    """Chunks that wait to be sent: `size` bytes in all, `unasked` bytes that are no answers."""

    __slots__ = ("_chunks", "_begun", "size", "unasked")

    def __init__(self):
        # (bytes, whether they are an answer). A deque only once there is a chunk, because most
        # links never have a backlog, and an empty deque takes 760 bytes.
        self._chunks: collections.deque[tuple[bytes, bool]] | tuple = ()
        self._begun = False  # the first chunk is half sent
        self.size = self.unasked = 0

    def append(self, data: bytes) -> None:
        """Send these bytes after all others."""
        asked = type(data) is Answer
        self._filled().append((data, asked))
        self._count(len(data), asked)

    def overtake(self, data: bytes) -> None:
        """Send these bytes next, but after the rest of a chunk that is half sent."""
        asked = type(data) is Answer
        self._filled().insert(1 if self._begun else 0, (data, asked))
        self._count(len(data), asked)

    def take(self) -> tuple[bytes, bool]:
        """Take bytes to send, small chunks joined, and whether they are an answer. Then call
        `sent`."""
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
            return
        self._filled().appendleft((data[count:], asked))
        self._begun = self._begun or count > 0
        self._count(len(data) - count, asked)

    def clear(self) -> None:
        """Drop everything."""
        self._chunks = ()
        self._begun = False
        self.size = self.unasked = 0

    def _count(self, change: int, asked: bool) -> None:
        """Add `change` to the bytes that wait."""
        self.size += change
        if not asked:
            self.unasked += change

    def _filled(self) -> collections.deque[tuple[bytes, bool]]:
        """Return the chunks, as a deque that can be filled."""
        if not self._chunks:
            self._chunks = collections.deque()
        return self._chunks
