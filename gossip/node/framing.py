"""Framing: cuts a stream of bytes into the lines that it is made of. Pure.

Some programs (telnet) end a line in `\\r\\n`. All `\\r` before a `\\n` are dropped here, before
anything else sees the line: not one alone, because the next peer would drop another one, and the
two would not have the same message.
"""

from gossip.wire import LINE_LIMIT, WireError


class Lines:
    """Lines that end in `\\n`, each at most `limit` bytes long, with any `\\r` at its end."""

    late = "no valid line in time"  # the reason when no line came by the deadline

    def __init__(self, limit: int = LINE_LIMIT):
        self._limit = limit
        self._rest = b""  # the beginning of a line that has not ended yet
        self.fault: WireError | None = None  # why the stream ends after the lines returned last

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that end in `data`, up to the first that is too long."""
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        if len(data) > self._limit:
            for at, line in enumerate(lines):
                if len(line) > self._limit:
                    self.fault = WireError(f"line longer than {self._limit} bytes")
                    del lines[at + 1:]
                    break
        self._rest = lines.pop()
        if b"\r" in data:
            lines = [line.rstrip(b"\r") for line in lines]
        return lines

    def unfinished(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._rest)
