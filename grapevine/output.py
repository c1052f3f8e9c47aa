"""The output file of a node: a line for each event, written at once. The node's lock guards it.

A line is `YYYY-MM-DD HH:MM:SS.ffffff:EVENT` in UTC. Of what others sent, every character that is
not printable is shown as its code, and a backslash is doubled, so an event is always one line. A
full disk costs lines and stops nobody: as soon as there is room, `lost:N` tells how many. Those of
the beginning wait, or what follows would be taken for words of an earlier life.
"""

import re
import time

from grapevine.wire import GOSSIP, gossip_part

_UNUSUAL = re.compile(r"[^ -\[\]-~]")  # all but printable ASCII without the backslash
_PLAIN = bytes({ord("\n"), *range(ord(" "), 127)} - {ord("\\")})  # needs no escaping
_CLOCK = slice(11, 23)  # of a stamp: HH:MM:SS.mmm
_NOT_SHOWN = ("late:", "alive:", "tried:", "gone:")  # which say nothing to a person at a terminal


def escape(text: str) -> str:
    """Return a text in which everything is printable."""
    return text if text.isprintable() and "\\" not in text else _UNUSUAL.sub(_shown, text)


def _shown(match: re.Match) -> str:
    character = match[0]
    if character.isprintable():
        return "\\\\" if character == "\\" else character
    if character.isascii():
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode()


class Output:
    """Appends to a file without a buffer; `show(HH:MM:SS.mmm EVENT)` is told what a person reads.

    `file` has write(bytes), close(), and, if it may take a part, tell() and truncate(size); `clock`
    returns Unix nanoseconds."""

    def __init__(self, file, show=None, clock=time.time_ns):
        self._file, self._show, self._clock = file, show, clock
        self._second, self._date = -1, ""  # the date of the second that was formatted last
        self.lost = 0  # lines that the disk refused and the file does not tell of yet
        self._beginning: bytes | None = None  # first lines that the disk refuses; None: none yet
        self._is_finished = False

    def write(self, *events: str) -> None:
        """Write events, escaped, with the same time."""
        self._put("", "\n".join(map(escape, events)))

    def write_lines(self, head: str, lines: list[bytes]) -> None:
        """Write an event for each line of gossip: the head, and the line from `gmessage:` on."""
        data = b"\n".join([line if line.startswith(GOSSIP) else gossip_part(line)
                           for line in lines])
        text = data.decode()
        if data.translate(None, _PLAIN):  # a look at all lines of a burst is much faster
            text = "\n".join(map(escape, text.split("\n")))
        self._put(head, text)

    def finish(self, last_word: str) -> None:
        """Write the last word. What comes later is not written."""
        self.write(last_word)
        self._is_finished = True

    def failed(self, event: str) -> None:
        """Write an error of the node's own code, even after the last word."""
        is_finished, self._is_finished = self._is_finished, False
        self.write(event)
        self._is_finished = is_finished

    def close(self) -> None:
        self._is_finished = True
        self._file.close()

    def _put(self, head: str, events: str) -> None:
        """Write escaped events, with `\\n` between them, behind the same head."""
        if self._is_finished or not events:
            return
        stamp = self._stamp()
        begin = f"\n{stamp}{head}"
        lines = f"{begin[1:]}{events.replace(chr(10), begin)}\n"
        if self.lost:  # by itself, because it may fit where nothing else does
            self._append(f"{stamp}lost:{self.lost}\n".encode(), 0)
        self._append(lines.encode(), events.count("\n") + 1)
        if self._show is not None:
            for event in events.split("\n"):
                if not event.startswith(_NOT_SHOWN):
                    self._show(f"{stamp[_CLOCK]} {head}{event}")

    def _append(self, data: bytes, count: int) -> None:
        """Write whole lines; take back a part that did fit, or the next line would follow it. Where
        it begins the file alone knows, because others may have emptied it."""
        data, written = (self._beginning or b"") + data, 0
        try:
            written = self._file.write(data)
            if 0 < written < len(data):
                self._file.truncate(self._file.tell() - written)
        except (OSError, ValueError):
            pass  # the disk is full, the file was closed, or a device has no size
        if written == len(data):
            self.lost, self._beginning = 0, b""
        elif self._beginning is None:
            self._beginning = data
        else:
            self.lost += count

    def _stamp(self) -> str:
        second, microseconds = divmod(self._clock() // 1000, 1_000_000)
        if second != self._second:
            self._second = second
            self._date = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(second))
        return f"{self._date}.{microseconds:06d}:"
