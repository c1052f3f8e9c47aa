"""Spreading: what happens to gossip lines at a node, made there or come from a neighbour.

What is new is remembered, written down and handed on, by flooding or by rumor mongering; what
is old is dropped. Rumors are answered: which of them were new here. Link readers, generator
and console call it.
"""

from gossip import wire
from gossip.spread.anti_entropy import AntiEntropy
from gossip.spread.message_list import MessageList

ANSWERS = {"took", "knew"}  # verbs of status lines that answer rumors


class Spreading:
    """Where the message list, the output file and the way of spreading meet."""

    def __init__(self, messages: MessageList, anti_entropy: AntiEntropy | None, spread, output):
        self._messages = messages
        self._anti_entropy = anti_entropy  # None: nothing is ever compared
        self._spread = spread  # a Flood or a Mongering
        self._output = output

    def originate(self, lines: list[bytes]) -> bool:
        """Take lines that were made here; False when the node has said its last word."""
        fresh = self._messages.add(lines, made_here=True)
        if not self._output.write(*[f"generated:{text}" for text in fresh.shown]):
            return False  # what is in no file was never said
        self._spread.forward(fresh.lines, None)
        return True

    def take(self, link, lines: list[bytes]) -> None:
        """Take lines that a neighbour has sent; WireError for the first that is none."""
        rumors = [wire.gossip_part(line) for line in lines if line.startswith(wire.RUMOR)]
        if rumors:
            lines = [wire.gossip_part(line) if line.startswith(wire.RUMOR) else line
                     for line in lines]
        fresh = self._messages.add(lines)
        if rumors and fresh.fault is None:
            self._answer(link, rumors, fresh.lines)
        if fresh.lines:
            head = f"received:{link.peer}:"
            self._output.write(*[head + shown for shown in fresh.shown])
            self._spread.forward(fresh.lines, link)
        if fresh.fault is not None:
            raise fresh.fault

    def _answer(self, link, rumors: list[bytes], fresh: list[bytes]) -> None:
        """Tell who told rumors which of them were new."""
        fresh = set(fresh)
        took = [wire.gossip_key(line) for line in rumors if line in fresh]
        knew = [wire.gossip_key(line) for line in rumors if line not in fresh]
        link.send(b"".join(wire.status_entries("took", wire.entries(took))
                           + wire.status_entries("knew", wire.entries(knew))))
        self._spread.note_known(link, knew)
        if self._anti_entropy is not None:
            self._anti_entropy.compare_now_and_then(link)

    def answered(self, link, message: wire.Status) -> None:
        """A neighbour answers rumors."""
        self._spread.answered(link, message)
