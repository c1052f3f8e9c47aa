"""The screen of a peer on a terminal: sentences, and below them the line that is being typed.

Only the screen's thread writes. It erases the prompt line, prints what has come above it, and draws
it again, in one write. No line is as wide as the terminal, so none is wrapped by it or torn.
"""

import contextlib
import itertools
import os
import queue
import re

from gossip.terminal.line_editor import window
from gossip.terminal.screen import Screen
from gossip.terminal.status_line import columns, cut, fold, terminal_width
from gossip.terminal.words import Sentence, Words

LONGEST = 6  # lines of a sentence; a longer one is cut
_BEFORE_TEXT = re.compile("([0-9:]{8} +[^ ]+  )?")  # of a message: when, and who said it
_COLOURS = {"+": "32", "-": "33", "?": "33", "x": "31", "~": "36", "    me": "36"}
_TYPED = "", [], "typed"  # in the queue: the line that is typed has changed


class PromptScreen(Screen):
    """Shows events in words, or, while `raw` is set, as they stand in the output file."""

    def __init__(self, words: Words, descriptor: int = 1, escapes: bool = True):
        self._words = words
        self._line: tuple[str, int] | None = None  # what is typed, and the cursor's place in it
        self._drawn = self._before = 0  # columns of the prompt line shown, and before the cursor
        self._escapes = escapes and os.environ.get("TERM") != "dumb"
        self.raw = False
        super().__init__(descriptor)
        self._colours = self._escapes and not os.environ.get("NO_COLOR")

    def typed(self, line: tuple[str, int] | None) -> None:
        """The line that is typed, and the cursor's place in it; None: there is no prompt."""
        self._line = line
        with contextlib.suppress(queue.Full):  # what waits there draws the line, too
            self._queue.put_nowait(_TYPED)

    # The screen's thread calls these.

    def _due_in(self) -> float | None:
        return 1.0 if self._words.waiting else None

    def _show(self, item) -> None:
        lines = [] if item is _TYPED else self._lines(item)
        if lines or item is _TYPED:
            self._draw(lines, self._line)

    def _end(self) -> None:
        self._draw(self._told(self._words.rest()), None)

    def _lines(self, item) -> list[str]:
        if isinstance(item, str):
            room = self._room()
            return [line for text in item.split("\n")
                    for line in fold(text, room, min(_BEFORE_TEXT.match(text).end(), room // 2))]
        clock, events, _ = item
        sentences = self._words.tell(clock, events) if events else self._words.rest()
        return self._raw(*item).splitlines() if self.raw else self._told(sentences)

    def _told(self, sentences: list[Sentence]) -> list[str]:
        room = self._room()
        return [line for sentence in sentences for line in self._laid_out(sentence, room)]

    def _laid_out(self, sentence: Sentence, room: int) -> list[str]:
        """The lines of a sentence, in colour; the remark stands at the right edge if it fits."""
        at, head, text, aside = sentence
        said = f"{head} " if len(head) == 1 else f"{head}  " if head else ""
        time = f"{at}  " if 2 * columns(at + said) + 4 <= room else ""
        if 2 * columns(time + said) > room:
            text, said = f"{said}{text}", ""
        indent = columns(time + said)
        lines = list(itertools.islice(fold(text, room - indent), LONGEST + 1))
        if len(lines) > LONGEST:
            lines[-2:] = [cut(lines[-2], room - indent - 1) + "…"]
        gap = room - indent - columns(lines[-1]) - len(aside)
        if aside and gap >= 2:
            lines[-1] += " " * gap + aside
        lines[0] = said + lines[0]
        painted = [self._painted(line, _COLOURS.get(head)) for line in lines]
        return [self._painted(time, "2") + painted[0], *[" " * indent + line
                                                         for line in painted[1:]]]

    def _painted(self, text: str, colour: str | None) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours and colour and text else text

    def _room(self) -> int:
        """The columns that a line may take: one less than the terminal has."""
        return max(2, terminal_width(self._descriptor) - 1)

    def _draw(self, lines: list[str], line: tuple[str, int] | None) -> None:
        """Print lines above the prompt line, and that anew."""
        self._put(self._erased() + "".join(f"{text}\n" for text in lines) + self._prompt(line))

    def _erased(self) -> str:
        """What erases the prompt line. A terminal that has become narrower has wrapped it."""
        if not self._drawn:
            return ""
        if not self._escapes:
            return f"\r{' ' * self._drawn}\r"
        rows = self._before // (self._room() + 1)
        return (f"\x1b[{rows}A" if rows else "") + "\r\x1b[J"

    def _prompt(self, line: tuple[str, int] | None) -> str:
        self._drawn = 0
        if line is None:
            return ""
        room, head = self._room(), self._words.prompt()
        if 2 * len(head) > room:
            head = "> "
        shown, before = window(*line, room - len(head))
        self._drawn, self._before = len(head) + columns(shown), len(head) + before
        return head + shown + "\b" * (self._drawn - self._before)
