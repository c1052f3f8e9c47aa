"""The line editor: keys in, as bytes; the line being typed, its cursor, and whole lines out.

Pure: it knows neither the terminal nor the screen. A key that sends several bytes (`ESC [ 1 ; 5 C`)
is read up to its final byte, also when it comes in pieces. Keys without a meaning here do nothing.
"""

import codecs
import re

from gossip.terminal.status_line import width_of

HISTORY = 200  # lines that arrow up finds again
LONGEST = 131_073  # characters of a line; what is typed beyond them is dropped
END_OF_INPUT = b"quit"  # what Ctrl-D on an empty line stands for

_KEYS = re.compile(r"""
    \x1b \[ \[? [0-?]* [ -/]* [@-~]       # arrows, Home, Delete, …: up to the final byte
    | \x1b O .                            # the same keys, in another mode of the terminal
    | (?P<part> \x1b (?: \[ [0-?]* [ -/]* | O )? \Z)
    | \x1b [^\x1b]                        # with Alt
    | (?P<text> [^\x00-\x08\x0a-\x1f\x7f]+ )
    | .""", re.DOTALL | re.VERBOSE)
_MEANINGS = {
    "\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace", "\x04": "end of input",
    "\x01": "home", "\x02": "left", "\x05": "end", "\x06": "right", "\x0b": "cut after",
    "\x0e": "down", "\x10": "up", "\x15": "cut before", "\x17": "cut word",
    "A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end",
    "1~": "home", "7~": "home", "4~": "end", "8~": "end", "3~": "delete",
}
_MODIFIERS = re.compile(";[0-9]+")


class LineEditor:
    """The line that is being typed. For one thread."""

    def __init__(self):
        self.text = ""
        self.cursor = 0  # characters before it
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._part = ""  # of a key that has not come whole
        self._history: list[str] = []
        self._place = 0  # of the line that is shown, in the history
        self._draft = ""  # what was typed before arrow up

    def feed(self, data: bytes) -> list[bytes]:
        """Take keys; return the lines that Enter has ended."""
        typed = self._decoder.decode(data)
        if self._part == "\x1b" and typed[:1] not in ("[", "O"):
            self._part = ""  # the key Esc alone
        typed, self._part = self._part + typed, ""
        lines: list[bytes] = []
        for key in _KEYS.finditer(typed):
            if key["part"]:
                self._part = key["part"][:64]
            elif key["text"]:
                self._insert(key["text"])
            else:
                self._press(_meaning(key[0]), lines)
        return lines

    def view(self) -> tuple[str, int]:
        """The line as it can be shown, character for character, and the cursor's place in it."""
        return "".join(c if c.isprintable() else " " for c in self.text), self.cursor

    def _insert(self, text: str) -> None:
        text = text[:LONGEST - len(self.text)]
        self.text = self.text[:self.cursor] + text + self.text[self.cursor:]
        self.cursor += len(text)

    def _press(self, key: str | None, lines: list[bytes]) -> None:
        before, after = self.text[:self.cursor], self.text[self.cursor:]
        if key == "enter":
            lines.append(self._enter())
        elif key == "end of input" and not self.text:
            lines.append(END_OF_INPUT)
        elif key in ("delete", "end of input"):
            self._set(before, after[self._step(1):])
        elif key == "backspace":
            self._set(before[:self.cursor - self._step(-1)], after)
        elif key == "left":
            self.cursor -= self._step(-1)
        elif key == "right":
            self.cursor += self._step(1)
        elif key == "home":
            self.cursor = 0
        elif key == "end":
            self.cursor = len(self.text)
        elif key == "cut before":
            self._set("", after)
        elif key == "cut after":
            self._set(before, "")
        elif key == "cut word":
            self._set(re.sub(r"\S*\s*\Z", "", before), after)
        elif key in ("up", "down"):
            self._recall(-1 if key == "up" else 1)

    def _set(self, before: str, after: str) -> None:
        self.text, self.cursor = before + after, len(before)

    def _step(self, way: int) -> int:
        """How many characters one step of the cursor is: a letter goes with the marks above it."""
        place = self.cursor + way
        while 0 < place < len(self.text) and not width_of(self.text[place]):
            place += way
        return abs(min(max(place, 0), len(self.text)) - self.cursor)

    def _enter(self) -> bytes:
        line = self.text
        if line.strip() and self._history[-1:] != [line]:
            self._history = [*self._history, line][-HISTORY:]
        self._place = len(self._history)
        self._draft = ""
        self._set("", "")
        return line.encode(errors="surrogateescape")

    def _recall(self, way: int) -> None:
        place = self._place + way
        if not 0 <= place <= len(self._history):
            return
        if self._place == len(self._history):
            self._draft = self.text
        self._place = place
        self._set((*self._history, self._draft)[place], "")


def _meaning(key: str) -> str | None:
    """What a key does; one with Ctrl, Alt or Shift does the same as without."""
    if len(key) > 1:
        key = _MODIFIERS.sub("", key[2:])
        key = key[-1:] if key[:-1] == "1" and key != "1~" else key
    return _MEANINGS.get(key)


def window(text: str, cursor: int, room: int) -> tuple[str, int]:
    """The part of a long line around the cursor that fits into so many columns, and the columns
    in it before the cursor."""
    start = cursor
    taken = 0
    while start > 0 and taken + width_of(text[start - 1]) <= room:
        start -= 1
        taken += width_of(text[start])
    before, end = taken, cursor
    while end < len(text) and taken + width_of(text[end]) <= room:
        taken += width_of(text[end])
        end += 1
    return text[start:end], before
