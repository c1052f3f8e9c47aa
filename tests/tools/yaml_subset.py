"""Read the part of YAML that the recipes in gossip/machines use.

Maps and lists by indentation, plain and quoted words, lists on a line, `|` texts without empty
lines or `#`; no anchors. The recipes' test compares the result with PyYAML's where there is one.
"""

import json


def documents(text: str) -> list:
    """Return the values of all documents in the text."""
    return [_Block(part).value() for part in ("\n" + text).split("\n---\n")]


class _Block:
    """Lines that wait to be read, each with its indentation."""

    def __init__(self, text: str):
        self._lines = [(len(line) - len(line.lstrip()), line.strip()) for line in text.splitlines()
                       if line.strip() and not line.strip().startswith("#")]

    def value(self):
        indent, first = self._lines[0]
        return self._items(indent) if first.startswith("- ") else self._pairs(indent)

    def _items(self, indent: int) -> list:
        items = []
        while self._lines and self._lines[0][0] == indent and self._lines[0][1].startswith("- "):
            item = self._lines[0][1][2:]
            self._lines[0] = (indent + 2, item)
            items.append(self.value() if ": " in item else _word(self._lines.pop(0)[1]))
        return items

    def _pairs(self, indent: int) -> dict:
        pairs = {}
        while self._lines and self._lines[0][0] == indent:
            key, _, rest = self._lines.pop(0)[1].partition(":")
            if rest.strip() == "|":
                pairs[key] = self._text(indent)
            else:
                pairs[key] = _word(rest.strip()) if rest else self.value()
        return pairs

    def _text(self, indent: int) -> str:
        lines = []
        while self._lines and self._lines[0][0] > indent:
            lines.append(self._lines.pop(0)[1] + "\n")
        return "".join(lines)


def _word(text: str):
    if text[0] in '["' or text in ("true", "false") or text.isdigit():
        return json.loads(text)
    return text
