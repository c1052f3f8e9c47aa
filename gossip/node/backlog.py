"""The backlog of a link: bytes that the other end has not taken yet. Pure, not locked.

It holds chunks of whole lines in the order in which they leave. The first
chunk may be half sent already; an urgent chunk overtakes all but a half-sent one. Answers, which
the other end has asked for, are told apart to the last byte: they are never joined with others.
"""

import collections

from gossip.wire import Answer

JOIN_SIZE = 262_144  # bytes: small chunks are joined into one write up to this size


class Backlog:
    """Chunks that wait to be sent; `size` is the number of their bytes, and `unasked` the number of
    those that are no answers."""

    __slots__ = ("_chunks", "_begun", "size", "unasked")

    def __init__(self):
        self._chunks: collections.deque[bytes] | tuple = ()  # a deque once there is one: most links
        # never have a backlog, and an empty deque takes 760 bytes
        self._begun = False  # the first chunk is the rest of one that is half sent
        self.size = self.unasked = 0

    def append(self, data: bytes) -> None:
        """Let these bytes leave after all others."""
        self._filled().append(data)
        self._count(data, len(data))

    def overtake(self, data: bytes) -> None:
        """Let these bytes leave next, but after the rest of a chunk that is half sent."""
        self._filled().insert(1 if self._begun else 0, data)
        self._count(data, len(data))

    def take(self) -> bytes:
        """Take the next bytes to send, small chunks joined; the caller then calls `sent`."""
        data = self._chunks.popleft()
        chunks, size, kind = [data], len(data), type(data)
        while (self._chunks and not self._begun and size < JOIN_SIZE
               and type(self._chunks[0]) is kind):
            chunks.append(self._chunks.popleft())
            size += len(chunks[-1])
        self._count(data, -size)
        return data if len(chunks) == 1 else kind(b"".join(chunks))

    def sent(self, data: bytes, count: int) -> None:
        """The first `count` bytes of `data` have been sent; the rest leaves next."""
        if count == len(data):
            self._begun = False
            return
        rest = data if count == 0 else type(data)(data[count:])
        self._filled().appendleft(rest)
        self._begun = self._begun or count > 0
        self._count(rest, len(rest))

    def clear(self) -> None:
        """Drop everything."""
        self._chunks = ()
        self._begun = False
        self.size = self.unasked = 0

    def _count(self, data: bytes, change: int) -> None:
        """So many bytes more, or fewer, wait of the kind that `data` is of."""
        self.size += change
        if type(data) is not Answer:
            self.unasked += change

    def _filled(self) -> collections.deque[bytes]:
        """The chunks, as a deque that can be filled."""
        if not self._chunks:
            self._chunks = collections.deque()
        return self._chunks
