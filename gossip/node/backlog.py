"""The backlog of a link: bytes that the other end has not taken yet. Pure, not locked.

It holds chunks of whole lines in the order in which they leave. The first
chunk may be half sent already; an urgent chunk overtakes all but a half-sent one.
"""

import collections

JOIN_SIZE = 262_144  # bytes: small chunks are joined into one write up to this size


class Backlog:
    """Chunks that wait to be sent; `size` is the number of their bytes."""

    __slots__ = ("_chunks", "_begun", "size")

    def __init__(self):
        self._chunks: collections.deque[bytes] | tuple = ()  # a deque once there is one: most links
        # never have a backlog, and an empty deque takes 760 bytes
        self._begun = False  # the first chunk is the rest of one that is half sent
        self.size = 0

    def append(self, data: bytes) -> None:
        """Let these bytes leave after all others."""
        self._filled().append(data)
        self.size += len(data)

    def overtake(self, data: bytes) -> None:
        """Let these bytes leave next, but after the rest of a chunk that is half sent."""
        self._filled().insert(1 if self._begun else 0, data)
        self.size += len(data)

    def take(self) -> bytes:
        """Take the next bytes to send, small chunks joined; the caller then calls `sent`."""
        chunks = [self._chunks.popleft()]
        size = len(chunks[0])
        while self._chunks and not self._begun and size < JOIN_SIZE:
            chunks.append(self._chunks.popleft())
            size += len(chunks[-1])
        self.size -= size
        return b"".join(chunks)

    def sent(self, data: bytes, count: int) -> None:
        """The first `count` bytes of `data` have been sent; the rest leaves next."""
        if count == len(data):
            self._begun = False
            return
        self._filled().appendleft(data[count:])
        self._begun = self._begun or count > 0
        self.size += len(data) - count

    def clear(self) -> None:
        """Drop everything."""
        self._chunks = ()
        self._begun = False
        self.size = 0

    def _filled(self) -> collections.deque[bytes]:
        """The chunks, as a deque that can be filled."""
        if not self._chunks:
            self._chunks = collections.deque()
        return self._chunks
