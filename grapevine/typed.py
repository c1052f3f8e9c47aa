"""Text that people write, in files and on keyboards, is read by one rule.

A byte order mark at its beginning and a `\\r` before a line end mean nothing; a last line needs no
line end. Blanks around what stands in a line of a file mean nothing, and neither do empty lines.
"""

import collections
import re
import select
from collections.abc import Iterator

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
READ_SIZE = 65_536
LONGEST = 1 << 20  # bytes kept of a line: more than any message needs, also as JSON
NESTED = 100  # brackets of JSON, outside of its strings: more overflow the stack of a thread
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?')  # or the beginning of one: no text is looked at twice


def plain_lines(data: bytes) -> list[bytes]:
    """Return the lines of what a person wrote, blanks and all."""
    return [line.rstrip(b"\r") for line in data.removeprefix(BYTE_ORDER_MARK).split(b"\n")]


def lines_of(data: bytes, comment: str = "\n") -> Iterator[tuple[int, str]]:
    """Yield the numbers and texts of the lines of a file in which something stands. ValueError for
    a line that is no text."""
    for number, line in enumerate(plain_lines(data), 1):
        try:
            text = line.decode().partition(comment)[0].strip()
        except UnicodeDecodeError:
            raise ValueError(f"line {number}: not UTF-8 text") from None
        if text:
            yield number, text


def parse_json(text: str) -> object:
    """Return the value of JSON that a program wrote, maybe to do harm. ValueError if it is none."""
    import json  # here, because most programs read none

    outside = _STRING.sub("", text)
    if outside.count("[") + outside.count("{") > NESTED:
        raise ValueError("too many brackets")
    return json.loads(text)


class Keyboard:
    """The lines of typed, piped or pasted input, read from a descriptor. For one thread at a time.

    It reads no `sys.stdin`, so that a thread that waits for input does not delay the end."""

    def __init__(self, descriptor: int = 0):
        self._descriptor = descriptor
        self._lines: collections.deque[bytes] = collections.deque()  # that nobody has taken
        self._rest: bytes | None = None  # the beginning of the next line; None: nothing came yet
        self._has_ended = False

    def line(self) -> bytes | None:
        """Wait for the next line; return None at the end of input."""
        self._fill()
        return self._lines.popleft() if self._lines else None

    def lines(self) -> list[bytes] | None:
        """Wait for lines, and return all that came; None at the end."""
        self._fill()
        lines, self._lines = list(self._lines), collections.deque()
        return lines or None

    def _fill(self) -> None:
        while not self._lines and not self._has_ended:
            data = self._read()
            if not data:
                self._has_ended = True
                data = b"\n" if self._rest else b""
            if self._rest is None:
                data = data.removeprefix(BYTE_ORDER_MARK)
            first, *others = data.split(b"\n")
            *whole, self._rest = [((self._rest or b"") + first)[:LONGEST], *others]
            self._lines += [line.rstrip(b"\r") for line in whole]

    def _read(self) -> bytes:
        """Return the next bytes, from a file: `os.read` does not turn what a console of Windows has
        into UTF-8."""
        try:
            with open(self._descriptor, "rb", buffering=0, closefd=False) as file:
                while (data := file.read(READ_SIZE)) is None:  # whoever shares it set O_NONBLOCK
                    select.select([self._descriptor], [], [])
                return data
        except OSError:
            return b""  # closed, missing, or a terminal that another program reads
