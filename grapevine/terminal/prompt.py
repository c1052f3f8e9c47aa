"""Events in words on a terminal, above a last line: the prompt of a peer, or what seeds have to do.

Only the screen's thread writes. With a single write it erases the last line, prints new lines and
draws it again. Only raw events may be wider than the terminal, and wrap.
"""

import codecs
import itertools
import re
import time

from grapevine.terminal.command_line import terminal_width
from grapevine.terminal.screen import CLOCK, Screen, columns, cut, fold, obeys, width_of
from grapevine.terminal.words import Narrator, Sentence

HISTORY = 200  # lines that arrow up finds again
LINE_LIMIT = 131_073  # characters of a line; further ones are dropped
END_OF_INPUT = b"quit"  # the meaning of Ctrl-D on an empty line
SENTENCE_LIMIT = 6  # lines of a sentence; a longer one is cut
TELL_POLL = 0.25  # seconds until a look whether what waits is to be told

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
_BEFORE_TEXT = re.compile("([0-9:]{8} +[^ ]+  )?")  # the time and the origin of a message
_COLOURS = {"+": "32", "-": "33", "?": "33", "x": "31", "~": "36", "    me": "36"}


class LineEditor:
    """The line that is being typed. The bytes of a key (`ESC [ 1 ; 5 C`) may come in pieces."""

    def __init__(self):
        self.before = self.after = ""  # what stands before and after the cursor
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._part = ""  # the beginning of an incomplete key
        self._history: list[str] = []
        self._place = 0  # in the history, of the line that is shown
        self._draft = ""  # the line that was typed before arrow up

    def feed(self, data: bytes) -> list[bytes]:
        """Take keys, and return the lines that Enter ended."""
        typed = self._decoder.decode(data)
        if self._part == "\x1b" and typed[:1] not in ("[", "O"):
            self._part = ""  # the key Esc alone
        typed, self._part = self._part + typed, ""
        lines: list[bytes] = []
        for key in _KEYS.finditer(typed):
            if key["part"]:
                self._part = key["part"][:64]
            elif key["text"]:
                self.before += key["text"][:LINE_LIMIT - len(self.before) - len(self.after)]
            else:
                self._press(key[0], lines)
        return lines

    def view(self) -> tuple[str, int]:
        """Return the line, with unprintable characters as blanks, and the cursor."""
        shown = "".join(c if c.isprintable() else " " for c in self.before + self.after)
        return shown, len(self.before)

    def _press(self, key: str, lines: list[bytes]) -> None:
        """Obey a key. Ctrl, Alt, Shift and unknown keys are ignored."""
        if len(key) > 1:
            key = re.sub(";[0-9]+", "", key[2:])
            key = key[-1:] if key[:-1] == "1" and key != "1~" else key
        key = _MEANINGS.get(key, "")
        text, cursor = self.before + self.after, len(self.before)
        left, right = max(0, cursor - 1), cursor + 1
        while left > 0 and not width_of(text[left]):  # a combining mark of the letter before
            left -= 1
        while right < len(text) and not width_of(text[right]):
            right += 1
        last_word = "".join(self.before.rsplit(maxsplit=1)[-1:])
        kept = {  # -> where what stays before the cursor ends, and where what follows it begins
            "left": (left, left), "right": (right, right), "home": (0, 0),
            "end": (len(text), len(text)), "backspace": (left, cursor), "delete": (cursor, right),
            "end of input": (cursor, right), "cut before": (0, cursor),
            "cut after": (cursor, len(text)),
            "cut word": (len(self.before.rstrip()) - len(last_word), cursor)}
        if key == "enter":
            lines.append(self._enter())
        elif key == "end of input" and not text:
            lines.append(END_OF_INPUT)
        elif key in ("up", "down"):
            self._recall(-1 if key == "up" else 1)
        elif key in kept:
            end, begin = kept[key]
            self.before, self.after = text[:end], text[begin:]

    def _enter(self) -> bytes:
        line = self.before + self.after
        if line.strip() and self._history[-1:] != [line]:
            self._history = [*self._history, line][-HISTORY:]
        self._place, self._draft = len(self._history), ""
        self.before = self.after = ""
        return line.encode(errors="surrogateescape")

    def _recall(self, way: int) -> None:
        if self._place == len(self._history):
            self._draft = self.before + self.after
        if 0 <= self._place + way <= len(self._history):
            self._place += way
            self.before, self.after = (*self._history, self._draft)[self._place], ""


def window(text: str, cursor: int, room: int) -> tuple[str, int]:
    """Return what fits around the cursor, and the columns before the cursor."""
    start, before = cursor, 0
    while start > 0 and before + width_of(text[start - 1]) <= room:
        start -= 1
        before += width_of(text[start])
    return cut(text[start:], room), before


class WordsScreen(Screen):
    """A screen that shows events in words, or raw as in the output file, above a last line."""

    _line: tuple[str, int] | None = ("", 0)  # what follows the prompt, and the cursor there

    def __init__(self, words: Narrator, descriptor: int = 1):
        self.words, self.raw = words, False
        self._drawn = self._before = 0  # columns of the last line, and before the cursor
        self._has_escapes = obeys(descriptor)
        super().__init__(descriptor)

    # The screen's thread calls the rest.

    def _due_in(self) -> float | None:
        return TELL_POLL if self.words.is_waiting() else None

    def _present(self, items: list, is_last: bool) -> None:
        if self._line is None:
            self._drawn = 0  # because the shell has the terminal, and its line is not erased
        lines: list[str] = []
        for item in items:
            lines += self._answer(item) if isinstance(item, str) else self._event(*item)
        if is_last:
            lines += self._laid_out(self.words.rest())
        elif not items:
            now = time.time()
            lines += self._laid_out(self.words.tell(
                f"{time.strftime('%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03}"))
        self._draw(lines, None if is_last else self._line)

    def _answer(self, answer: str) -> list[str]:
        """Return an answer as lines that fit; messages are folded below their texts."""
        room, lines = self._room(), []
        for text in answer.split("\n"):
            lines += fold(text, room, min(_BEFORE_TEXT.match(text).end(), room // 2))
        return lines

    def _event(self, line: str, seed) -> list[str]:
        sentences = self.words.tell(line[:CLOCK - 1], line[CLOCK:], seed)
        return [self._raw(line, seed)] if self.raw else self._laid_out(sentences)

    def _laid_out(self, sentences: list[Sentence]) -> list[str]:
        """Return sentences as coloured lines, with remarks at the right edge."""
        laid_out, whole = [], self._room()
        for at, head, text, aside in sentences:
            said = f"{head} " if len(head) == 1 else f"{head}  " if head else ""
            stamp = f"{at}  " if 2 * columns(at + said) + 4 <= whole else ""
            if 2 * columns(stamp + said) > whole:
                text, said = f"{said}{text}", ""
            indent = columns(stamp + said)
            room = whole - indent
            lines = list(itertools.islice(fold(text, room), SENTENCE_LIMIT + 1))
            if len(lines) > SENTENCE_LIMIT:
                lines[-2:] = [cut(lines[-2], room - 1) + "…"]
            gap = room - columns(lines[-1]) - len(aside)
            if aside and gap >= 2:
                lines[-1] += " " * gap + aside
            first, *others = (self._painted(line, _COLOURS.get(head))
                              for line in [said + lines[0], *lines[1:]])
            laid_out += [self._painted(stamp, "2") + first, *(" " * indent + o for o in others)]
        return laid_out

    def _room(self) -> int:
        """Return the columns of the longest line that does not wrap."""
        return max(2, terminal_width(self._descriptor) - 1)

    def _draw(self, lines: list[str], line: tuple[str, int] | None) -> None:
        """Erase the last line, print lines, and draw the last line below."""
        room, erased, prompt = self._room(), "", ""
        if self._drawn and self._has_escapes:
            rows = self._before // (room + 1)  # above the cursor, if the terminal became narrower
            erased = (f"\x1b[{rows}A" if rows else "") + "\r\x1b[J"
        elif self._drawn:
            erased = f"\r{' ' * self._drawn}\r"
        self._drawn = 0
        if line is not None:
            head = self.words.prompt(room)
            shown, before = window(*line, room - len(head))
            self._drawn, self._before = len(head) + columns(shown), len(head) + before
            prompt = head + shown + "\b" * (self._drawn - self._before)
        self._put(erased + "".join(f"{text}\n" for text in lines) + prompt)


class PromptScreen(WordsScreen):
    """A screen with a prompt."""

    def __init__(self, words: Narrator, keys, descriptor: int = 1):
        """`keys` are those of a terminal (keys.py)."""
        self._keys, self._editor, self._line = keys, LineEditor(), None
        super().__init__(words, descriptor)

    def lines(self) -> list[bytes] | None:
        """Wait for lines, and return all that came; None at the end."""
        lines: list[bytes] = []
        while not lines:
            self.typed(self._editor.view() if self._keys.is_in_front() else None)
            keys = self._keys.read()
            if keys is None:
                self.typed(None)
                return None
            lines = self._editor.feed(keys)
        self.typed(self._editor.view())
        return lines

    def typed(self, line: tuple[str, int] | None) -> None:
        """Show the typed line and the cursor, or no prompt for None."""
        self._line = line
        self._has_items.set()

    def close(self) -> None:
        super().close()
        self._keys.give_back()
