"""The log: all events that pages are shown, bounded, so that a late page sees what was.

The log is a row of blocks, each of events that were written together. When it is larger than its
limit, the deliveries of the oldest messages go first, whole messages at a time; then what is only
told in words, and misses, block by block. Starts, links, states and deaths stay.

One thread writes and reads. A block's events are kept as the bytes of their JSON, joined as long
as they belong to one message, or to none.
"""

import collections
import itertools
import json

LIMIT = 32 * 1024 * 1024  # bytes, with what the log itself needs
PART, BLOCK = 150, 150  # bytes that a part takes beside its text, and a block beside its parts
JOINED = 64 * 1024  # bytes up to which old blocks without deliveries are joined
MANY = 10_000  # blocks; with so many more than twice what was left the last time, old ones join
RECENT = 1_000  # of the newest none is joined: pages are about to read them
MORE = 1024 * 1024  # bytes by which a log grows that has nothing more to leave out, for now
LEAST = {"story", "liveness missed", "liveness reply", "reported", "rejected", "stopped",
         "registered", "unregistered"}  # kinds that go when no message is left
_encode = json.JSONEncoder(separators=(",", ":")).encode
_KEPT, _LEAST = 0, -1  # in the place of a message's number: what is no delivery


class Log:
    """The events since `begin`, in blocks with numbers of their own."""

    def __init__(self, forgotten=lambda number: None):
        self.size = 0
        self.first = 0  # the number of the first block that is there
        self.joined_at: list[int] = []  # each time when blocks were joined: the first that was not
        self._many = MANY
        self._try_at = 0  # the size with which it is tried again to leave out words
        self._forgotten = forgotten  # called with the number of each message that is dropped
        self._blocks: collections.deque[list[tuple[int, bytes]]] = collections.deque()
        # message -> blocks with events of it; by age
        self._holds: collections.OrderedDict[int, list[list]] = collections.OrderedDict()

    @property
    def end(self) -> int:
        """The number of the block that comes next."""
        return self.first + len(self._blocks)

    def add(self, events: list[list], begin: int) -> None:
        """Put in a block; its times become times since `begin`."""
        parts: list[tuple[int, list[str]]] = []
        for event in events:
            owner = _owner(event)
            if not parts or parts[-1][0] != owner:
                parts.append((owner, []))
            parts[-1][1].append(_text(event, begin))
        block = [(owner, ",".join(texts).encode()) for owner, texts in parts]
        self._blocks.append(block)
        self.size += BLOCK + sum(map(_size, block))
        for owner in {owner for owner, _ in block if owner > 0}:
            self._holds.setdefault(owner, []).append(block)
        self._shrink()
        if len(self._blocks) > self._many:
            self._join()
            self._many = 2 * len(self._blocks) + MANY

    def read(self, number: int, most: int) -> tuple[list[bytes], int]:
        """(events of the blocks from this number on, the number of the block after them): of as
        many blocks as make about `most` bytes, one at least."""
        found: list[bytes] = []
        size = 0
        while number < self.end and size < most:
            for _, text in self._blocks[number - self.first]:
                found.append(text)
                size += len(text)
            number += 1
        return found, number

    def behind(self, number: int, most: int) -> bool:
        """Whether a reader that has come to this number lacks more than so many bytes."""
        lacks = 0
        for index in range(self.end - 1, number - 1, -1):
            lacks += sum(len(text) for _, text in self._blocks[index - self.first])
            if lacks > most:
                return True
        return False

    def _shrink(self) -> None:
        while self.size > LIMIT and self._holds:
            number, blocks = self._holds.popitem(last=False)
            for block in blocks:
                self._drop(block, number)
            self._forgotten(number)
        if self.size > max(LIMIT, self._try_at):
            for block in self._blocks:
                self._drop(block, _LEAST)
                if self.size <= LIMIT * 9 // 10:
                    break
            self._try_at = self.size + MORE

    def _join(self) -> None:
        """Join blocks that hold no deliveries: those of a day would be many."""
        end, blocks = self.end, collections.deque()
        old = len(self._blocks) - RECENT
        for place, block in enumerate(self._blocks):
            if blocks and place < old and _may_join(blocks[-1], block):
                self.size -= BLOCK + sum(map(_size, blocks[-1])) + sum(map(_size, block))
                blocks[-1] = _joined(blocks[-1] + block)
                self.size += sum(map(_size, blocks[-1]))
            else:
                blocks.append(block)
        self._blocks, self.first = blocks, end - len(blocks)
        self.joined_at.append(end - RECENT)

    def _drop(self, block: list[tuple[int, bytes]], owner: int) -> None:
        self.size -= sum(_size(part) for part in block if part[0] == owner)
        block[:] = [part for part in block if part[0] != owner]


def _text(event: list, begin: int) -> str:
    at, kind, *rest = event
    if kind == "received":  # most are: the same as below, but faster
        return f'[{at - begin},"received",{rest[0]},{rest[1]},{rest[2]}]'
    return _encode([at - begin, kind, *rest])


def _owner(event: list) -> int:
    """The number of the message that an event is of; else which events go with it."""
    kind = event[1]
    if kind == "received":
        return event[4]
    if kind == "generated":
        return event[3]
    return _LEAST if kind in LEAST else _KEPT


def _size(part: tuple[int, bytes]) -> int:
    return PART + len(part[1])


def _may_join(*blocks: list[tuple[int, bytes]]) -> bool:
    return (all(owner <= 0 for block in blocks for owner, _ in block)
            and sum(len(text) for block in blocks for _, text in block) <= JOINED)


def _joined(parts: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The same with neighbouring parts of one owner as one."""
    return [(owner, b",".join([text for _, text in group]))
            for owner, group in itertools.groupby(parts, key=lambda part: part[0])]
