"""Spreading: the part of a node that forwards messages to everyone, once.

New lines are remembered (message_list), written down, and forwarded in the way that `--spread`
names (flood, mongering with rumors, or a tree for each run); duplicates are dropped. Anti-entropy
fetches what did not arrive. A neighbour that says too much in its own name is read more slowly
(origin). Signed gossip spreads by gossip/signing/signed_spreading.py. Another way of spreading
needs a class like `Flood`, a line in `_way_of_spreading`, and a word in WAYS of gossip/settings.py.
"""

import itertools
import types
from collections.abc import Iterator

from gossip import wire
from gossip.node.part import Part
from gossip.overlay.neighbours import NEIGHBOUR
from gossip.spread.anti_entropy import PAUSE, AntiEntropy
from gossip.spread.flood import Flood
from gossip.spread.message_list import OLD, Fresh, MessageList
from gossip.spread.origin import Allowance, Origin
from gossip.spread.rumors import Mongering
from gossip.spread.tree import Tree

SHARE_OF_ROUND = 0.25  # of a liveness round: the longest gathering if neighbours are watched,
# because liveness replies then wait behind it
TRUSTING = types.SimpleNamespace(is_known=lambda run: True)  # every run is, where nothing is signed


def in_batches(lines: list[bytes], beginnings: tuple[bytes, ...]
               ) -> Iterator[tuple[list[bytes], bool]]:
    """Cut lines, in order, into (adjacent gossip, True) and (another line, False). Lines with one
    of the `beginnings` are gossip."""
    def is_gossip(line: bytes) -> bool:
        return line.startswith(beginnings) or wire.is_gossip(line)  # nearly always the former

    for are_gossip, group in itertools.groupby(lines, is_gossip):
        if are_gossip:
            yield list(group), True
        else:
            yield from (([line], False) for line in group)


class Spreading(Part):
    """The messages of a node, which spread over its `links()`. The node has to have an `rng`."""

    ANSWERS = {NEIGHBOUR: {"status"}}
    BEGINNINGS = (wire.GOSSIP,)  # of lines that `take` expects, besides gossip with prefixes
    ALLOWANCE = Allowance

    def __init__(self, node, links, at_once: int = 1, tries: int = 1, on_offence=None, watch=None,
                 start: int | None = None, runs=TRUSTING, messages: MessageList | None = None):
        """Call `on_offence(link, reason, count)` for `forbidden` messages, or a `flood`. Tell
        `watch` (monitoring/watch.py), if any, which lines are new, and over which link they came.
        `start` is the START of this run, by default the time; `runs` tells which are genuine,
        and `messages` is the list, where gossip is signed."""
        settings = node.settings
        self._watch, self._on_offence = watch, on_offence
        start = int(node.time() * 1000) if start is None else start
        self.origin = Origin(node.address, start)
        self._allowance = self.ALLOWANCE(settings.rate, settings.burst)
        # of what was requested, so that who offers without end is not free
        self._requested = self.ALLOWANCE(settings.rate, settings.burst + settings.cache_size)
        self.messages = messages or MessageList(settings, f"{node.address}:{start}".encode())
        self.anti_entropy = AntiEntropy(self.messages, node, links, runs)
        self.gathering = node.gathering
        if settings.monitor:
            most = settings.liveness_interval * SHARE_OF_ROUND
            self.gathering = lambda: min(node.gathering(), most)
        self.way = self._way_of_spreading(node, links, at_once, tries)
        self._compares = settings.antientropy_interval > 0  # else nothing is ever compared
        self._output, self._links = node.output, links
        self._now, self._time = node.now, node.time
        self._repetitions = 0  # duplicates on links that have ended
        self.silent = False  # originate nothing more

    def _way_of_spreading(self, node, links, at_once: int, tries: int):
        """Make the way that `--spread` names. Every way has the public names of Flood. A way with a
        `duty_name` also has a `turn(now)`, and is given the `duty` that calls it."""
        if node.settings.spread == "rumor":
            return Mongering(links, node, at_once, tries)
        if node.settings.spread == "tree":
            return Tree(links, node, self.messages, self.anti_entropy.catch_up.awaits)
        return Flood(links, node.flusher, node.now, self.gathering)

    def keep_duties(self, keep) -> None:
        if self._compares or self.way.FETCHES:
            self.anti_entropy.duty = keep("anti-entropy", self.anti_entropy.turn)
        if self.way.duty_name is not None:
            self.way.duty = keep(self.way.duty_name, self.way.turn)

    # What is made here.

    def make(self, texts: list[str]) -> list[bytes]:
        """Return the lines of new messages. Make none, and raise TooLong, if a text is too long."""
        return self.origin.lines(texts, self._time())

    def originate(self, lines: list[bytes]) -> bool:
        """Remember and forward lines made here. Return False after the node's last word."""
        if self.silent:
            return False
        fresh = (self.messages.add_block(lines, made_here=True)
                 or self.messages.add(self.behind_covers(lines), made_here=True))
        if not self._output.write_lines("generated:", fresh.shown):
            return False  # the last word is in the file, so nothing more is sent
        if self._watch is not None:
            self._watch.fresh(fresh.lines, None, self._now(), owed=True)
        if fresh.lines:
            self.way.forward(fresh.lines, None, fresh.covers)
        return True

    def behind_covers(self, lines: list[bytes]) -> list[bytes]:
        """Return lines made here as they are. A network that signs overrides this."""
        return lines

    # What comes from neighbours.

    def take_block(self, link, lines: list[bytes]) -> bool:
        """Take lines, however many, that all continue one run, which is not signed. Return whether
        they do."""
        fresh = self.messages.add_block(lines)
        if fresh is None:
            return False
        if self._watch is not None:
            self._tell_watch(link, fresh)
        self._hand_on(link, fresh)
        if f":{link.peer}:" in fresh.shown:  # otherwise nothing is in its own name
            self._charge(link, fresh.lines)
        return True

    def take(self, link, lines: list[bytes]) -> None:
        """Take a neighbour's gossip lines; WireError for the first invalid line."""
        rumors = [wire.gossip_part(line) for line in lines if line.startswith(wire.RUMOR)]
        if rumors:
            lines = [wire.gossip_part(line) if line.startswith(wire.RUMOR) else line
                     for line in lines]
        fresh = self.messages.add(lines, brought_by=link.peer)
        if fresh.forbidden:
            self._write_forbidden(link, fresh.forbidden)
        if rumors and fresh.fault is None:
            self._answer(link, rumors, fresh.lines)
        if self._watch is not None:
            self._tell_watch(link, fresh)
        if fresh.lines:
            self._hand_on(link, fresh)
        new = [*fresh.lines, *fresh.refused, *map(str.encode, fresh.forbidden)]
        self._charge(link, new)
        if fresh.fault is not None:
            raise fresh.fault

    def _tell_watch(self, link, fresh: Fresh) -> None:
        """Tell what is new. Nobody owes a message that neighbours had before they met this peer,
        because they take the copy of this peer for a duplicate."""
        catch_up = self.anti_entropy.catch_up
        old = catch_up.old(fresh.lines, self._time())
        lines = [line for line in fresh.lines if line not in old] if old else fresh.lines
        self._watch.fresh(lines, link, self._now(), owed=not catch_up.awaits(link))
        self._watch.fresh([*old, *fresh.refused], link, self._now(), owed=False)

    def _hand_on(self, link, fresh: Fresh) -> None:
        """Write down a neighbour's new lines, and forward them."""
        if self._output.write_lines(f"received:{link.peer}:", fresh.shown):
            self.way.forward(fresh.lines, link, fresh.covers)

    def _write_forbidden(self, link, shown: list[str]) -> None:
        self._output.write(*[f"forbidden:{link.peer}:{text}" for text in shown])
        if self._watch is not None:
            self._watch.broken(link, "forbidden", len(shown))
        self._on_offence(link, "forbidden", len(shown))

    def _charge(self, link, *said: list[bytes]) -> None:
        """Charge a neighbour for what is its own of these lines, on another account if they were
        requested. Above the allowance its link rests; a flood of what was not requested ends it."""
        cost = self._allowance.cost(link.peer, *said)
        if cost is None:
            return
        is_answer, now = self.anti_entropy.catch_up.awaits(link), self._now()
        allowance = self._requested if is_answer else self._allowance
        rest, floods = allowance.spend(link.peer, cost, now)
        if rest:
            link.rest_until = max(link.rest_until, now + rest)
        if floods and not is_answer:
            self._output.write(f"flood:{link.peer}")
            self._on_offence(link, "flood", 1)

    def _answer(self, link, rumors: list[bytes], new: list[bytes]) -> None:
        """Tell a neighbour which of its rumors were new here."""
        new = set(new)
        took = [wire.gossip_key(line) for line in rumors if line in new]
        knew = [wire.gossip_key(line) for line in rumors if line not in new]
        link.send(wire.Answer(b"".join(wire.status_entries("took", wire.entries(took))
                                       + wire.status_entries("knew", wire.entries(knew)))))
        self.way.note_known(link, knew)
        if self._compares:
            self.anti_entropy.compare(link, PAUSE)

    def on_status(self, link, message: wire.Status) -> None:
        if message.verb in self.way.ANSWERED:
            self.way.answered(link, message)
        self.anti_entropy.on_status(link, message)

    def on_met(self, link) -> None:
        if self._compares:
            self.anti_entropy.compare(link)

    def on_end(self, link) -> None:
        """Note that a link has ended. Other links take over its offer and its rumors."""
        self._repetitions, link.repetitions = self._repetitions + link.repetitions, 0
        self.anti_entropy.on_end(link)
        self.way.on_end(link)

    def on_listed(self, addresses) -> None:
        if self.messages.vouch(addresses):
            self.anti_entropy.compare_anew()

    def dropped(self) -> dict[str, int]:
        dropped = {**self.messages.dropped(), **self.anti_entropy.dropped(), **self.way.dropped()}
        dropped[OLD] += self._repetitions + sum(link.repetitions for link in self._links())
        return dropped
