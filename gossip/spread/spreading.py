"""Spreading: how a message reaches everyone, once. A part of a node; this folder's files meet here.

New lines are remembered (message_list), written down, and handed on by the way of spreading that
`--spread` names (flood, or mongering with rumors); old ones are dropped. Anti-entropy fetches what
did not arrive that way. A neighbour that says too much in its own name is read more slowly
(allowance).

A third way of spreading is a class like `Flood`, a line in `way_of_spreading`, and a word in WAYS
of gossip/settings.py.
"""

from gossip import wire
from gossip.addresses import Address
from gossip.node.part import Part
from gossip.overlay.neighbours import NEIGHBOUR
from gossip.settings import WAYS, Settings
from gossip.spread.allowance import Allowance
from gossip.spread.anti_entropy import AntiEntropy
from gossip.spread.flood import Flood
from gossip.spread.message_list import OLD, Fresh, MessageList
from gossip.spread.mongering import Mongering
from gossip.spread.origin import Origin
from gossip.spread.rumors import Telling
from gossip.spread.run import sha256
from gossip.spread.waiting_lines import WaitingLines

BARE = (wire.GOSSIP, wire.SIGNED)  # beginnings of lines without a prefix
MOST_LINES = 500  # gossip lines that are handled together
CORRUPT_SHOWN = 500  # characters of a corrupt line in the output file
TO_RUMORS = {"took", "knew"}  # verbs of status lines that answer rumors
SHARE_OF_ROUND = 0.25  # of a liveness round: the longest gathering where neighbours are watched,
# because liveness replies wait behind it


def way_of_spreading(node, links, gathering, at_once: int, tries: int):
    """Make the way of spreading that `--spread` names; for `gathering` see Flood, for `at_once` and
    `tries` Telling.

    Every way has `forward(lines, source, covers)`, `say_behind(link, data, urgent)`,
    `answered(link, message)`, `note_known(link, keys)`, `on_end(link)`, `hurry()`,
    `has_room()`, `wait_for_room(turn)` (which leaves the present turn meanwhile), `all_sent()`,
    `stop()`, `dropped()`, and `duty_name`: None, or a name. With a name it has a `turn(now)` as
    well, and is given the `duty` that calls it. ValueError for a way that is not known.
    """
    settings: Settings = node.settings
    if settings.spread == "flood":
        return Flood(links, node.flusher, node.now, gathering)
    if settings.spread == "rumor":
        return Mongering(links, Telling(
            stop=settings.rumor_stop, at_once=at_once, window=settings.rumor_window,
            patience=settings.rumor_patience, tries=tries),
            node.now, node.rng, node.flusher.condition(), settings.origin_wait)
    raise ValueError(f"{settings.spread!r} is no way of spreading: {', '.join(WAYS)}")


def in_batches(lines: list[bytes], signs: bool) -> list[tuple[list[bytes], bool]]:
    """Cut lines that arrived together, in their order: (gossip lines that stand together, but not
    too many, True), (any other line by itself, False). Where gossip is signed, signed lines go with
    it."""
    batches: list[tuple[list[bytes], bool]] = []
    gossip: list[bytes] | None = None  # the batch that the next gossip line belongs to
    for line in lines:
        if (line.startswith(wire.GOSSIP) or wire.is_gossip(line)  # nearly always the former
                or signs and line.startswith(wire.SIGNED)):
            if gossip is None or len(gossip) == MOST_LINES:
                gossip = []
                batches.append((gossip, True))
            gossip.append(line)
        else:
            gossip = None
            batches.append(([line], False))
    return batches


class Trusting:
    """Where nothing is signed, every run is taken as genuine."""

    def is_known(self, run: bytes) -> bool:
        return True

    def is_denied(self, run: bytes, neighbour: Address | None) -> bool:
        return False


class Spreading(Part):
    """The messages of one node (which needs an `rng` besides what every Node has). They spread
    over the links that `links()` returns."""

    ANSWERS = {NEIGHBOUR: {"status"}}

    def __init__(self, node, links, at_once: int = 1, tries: int = 1, signer=None, runs=None,
                 on_offence=None, watch=None, on_contradiction=None):
        """Where gossip is signed, `signer` (gossip/signing/signed_lines.py) has the `start` of
        this run, `cover(first, digests)` and `is_genuine(signed)`; `runs` (signing/confirming.py)
        tells by `is_known(run)` whether a run is genuine, by `is_denied(run, neighbour)` whether
        its messages would neither be taken nor wait; `meet(run, link)` begins to find that out, and
        `is_open(run)` tells whether that is going on. Then `on_settled(run)` is called.
        `on_offence(link, reason, count)` is told of what a neighbour did wrong: `corrupt` lines,
        `forbidden` messages, or a `flood`. `watch` (monitoring/watch.py), if any, is told what came
        new, and over which link; `on_contradiction(one, other)`, of two good signed lines of one
        run that name different messages for one number."""
        settings = node.settings
        self._watch = watch
        self._on_offence = on_offence
        self._on_contradiction = on_contradiction
        self._signer = signer
        self._runs = runs or Trusting()
        self._waiting = WaitingLines()
        start = int(node.time() * 1000) if signer is None else signer.start
        self.origin = Origin(node.address, start)
        own_run = f"{node.address}:{start}".encode()
        self._allowance = Allowance(settings.rate, settings.burst)
        self.messages = MessageList(settings, own_run, signer and signer.is_genuine,
                                    self._runs.is_known, self._runs.is_denied, self._checks_early)
        self.anti_entropy = AntiEntropy(self.messages, node, links, self._runs)
        self.gathering = node.gathering
        if settings.monitor:
            most = settings.liveness_interval * SHARE_OF_ROUND
            self.gathering = lambda: min(node.gathering(), most)
        self.way = way_of_spreading(node, links, self.gathering, at_once, tries)
        self._compares = settings.antientropy_interval > 0  # else nothing is ever compared
        self._output, self._write_sparingly = node.output, node.write_sparingly
        self._now, self._time = node.now, node.time
        self._links = links
        self._repetitions = 0  # that links had brought which have ended
        self._silent = False  # nothing more is originated here

    def keep_duties(self, keep) -> None:
        """Begin the duties that spreading needs, by `keep(name, turn)`."""
        if self._compares:
            self.anti_entropy.duty = keep("anti-entropy", self.anti_entropy.turn)
        if self.way.duty_name is not None:
            self.way.duty = keep(self.way.duty_name, self.way.turn)

    # What is made here.

    def make(self, texts: list[str]) -> list[bytes]:
        """The lines of new messages with these texts; TooLong (and none made) when one is."""
        return self.origin.lines(texts, self._time())

    def originate(self, lines: list[bytes]) -> bool:
        """Take lines that were made here; False when the node has said its last word."""
        if self._silent:
            return False
        fresh = (self.messages.add_block(lines, made_here=True)
                 or self.messages.add([*self.signed(lines), *lines], made_here=True))
        if not self._output.write_lines("generated:", fresh.shown):
            return False  # the last word is in the file: nothing more is said
        if self._watch is not None:
            self._watch.fresh(fresh.lines, None, self._now(), owed=True)
        if fresh.lines:
            self.way.forward(fresh.lines, None, fresh.covers)
        return True

    def signed(self, lines: list[bytes]) -> list[bytes]:
        """The signed lines that cover lines made here, where gossip is signed."""
        if self._signer is None or not lines:
            return []
        first = wire.gossip_key(lines[0])[1]
        return self._signer.cover(first, [sha256(line).digest() for line in lines])

    def fall_silent(self) -> bool:
        """Originate nothing from now on; False when this was called before."""
        spoke, self._silent = not self._silent, True
        return spoke

    # What comes from neighbours.

    def take_block(self, link, lines: list[bytes]) -> bool:
        """Take lines that came together from a neighbour if they are nothing but gossip that
        continues a run, as nearly always; answer whether they were."""
        fresh = self.messages.add_block(lines)
        if fresh is None:
            return False
        if self._watch is not None:
            self._tell_watch(link, fresh)
        self._hand_on(link, fresh)
        if f":{link.peer}:" in fresh.shown:  # else it says nothing in its own name
            self._charge(link, lines, fresh)
        return True

    def take(self, link, lines: list[bytes]) -> None:
        """Take gossip lines that a neighbour has sent; WireError for the first invalid one. Among
        corrupt lines no rumor is answered: not all were read."""
        rumors = [wire.gossip_part(line) for line in lines if line.startswith(wire.RUMOR)]
        if self._signer is not None:  # nobody has signed a prefix
            lines = [line if line.startswith(BARE) else wire.gossip_part(line) for line in lines]
        elif rumors:
            lines = [wire.gossip_part(line) if line.startswith(wire.RUMOR) else line
                     for line in lines]
        fresh = self._remember(lines, link.peer, link)
        if fresh.forbidden:
            self._write_forbidden(link, fresh.forbidden)
        if fresh.corrupt:
            self._write_corrupt(link, fresh.corrupt)
        elif rumors and fresh.fault is None:
            self._answer(link, rumors, [*fresh.lines, *[line for _, line, _ in fresh.unknown]])
        if self._watch is not None:
            self._tell_watch(link, fresh)
        if fresh.lines:
            self._hand_on(link, fresh)
        if fresh.unknown:
            self._keep_waiting(link, fresh.unknown)
        if fresh.checks:
            self._charge_checks(link, fresh.checks)
        self._charge(link, lines, fresh)
        if fresh.fault is not None:
            raise fresh.fault

    def _tell_watch(self, link, fresh: Fresh) -> None:
        """Tell the watch what a neighbour has brought."""
        self._watch.fresh(fresh.lines, link, self._now(),
                          owed=not self.anti_entropy.catch_up.awaits(link))
        self._watch.fresh(fresh.refused, link, self._now(), owed=False)

    def _remember(self, lines: list[bytes], neighbour, link=None) -> Fresh:
        """Remember what is new of the lines of a neighbour, before anybody counts it."""
        fresh = self.messages.add(lines, link=link, brought_by=neighbour)
        if self._on_contradiction is not None:
            for one, other in fresh.contradictions:
                self._on_contradiction(one, other)
        return fresh

    def _hand_on(self, link, fresh: Fresh) -> None:
        """Write down new lines that a neighbour has brought, and forward them."""
        if self._output.write_lines(f"received:{link.peer}:", fresh.shown):
            self.way.forward(fresh.lines, link, fresh.covers)

    def _keep_waiting(self, link, unknown: list[tuple[bytes, bytes, bytes]]) -> None:
        """Lines have come of runs that are not known: keep them until it is known whether these are
        genuine."""
        if self._watch is not None:
            self._watch.brought([line for _, line, _ in unknown], link)
        met = {run: self._runs.meet(run, link) for run, _, _ in unknown}
        for run, line, cover in unknown:
            if met[run]:
                self._waiting.add(run, line, cover, link)
        for run, under_way in met.items():
            if under_way and not self._runs.is_open(run):  # `meet` has settled it at once
                self.on_settled(run)

    def on_settled(self, run: bytes) -> None:
        """A run was found to be genuine, then its lines go on as if they came now; or not."""
        waiting, genuine = self._waiting.take(run), self._runs.is_known(run)
        if not genuine:
            self.anti_entropy.catch_up.denied(run)
            return
        for link, lines in waiting:
            fresh = self._remember(lines, link.peer)
            if self._watch is not None:
                self._watch.confirmed([*fresh.lines, *fresh.refused], self._now())
            if fresh.forbidden:
                self._write_forbidden(link, fresh.forbidden)
            if fresh.lines:
                self._hand_on(link, fresh)
            self._allowance.check(link.peer, fresh.checks, self._now())
        self.anti_entropy.fetch()

    def _write_corrupt(self, link, lines: list[bytes]) -> None:
        for line in lines:
            shown = line.decode(errors="replace")[:CORRUPT_SHOWN]
            self._write_sparingly(f"corrupt:{link.peer}:{shown}", "corrupt lines not written")
        if self._watch is not None:
            self._watch.broken(link, "corrupt", len(lines))
        self._on_offence(link, "corrupt", len(lines))

    def _write_forbidden(self, link, shown: list[str]) -> None:
        self._output.write(*[f"forbidden:{link.peer}:{text}" for text in shown])
        if self._watch is not None:
            self._watch.broken(link, "forbidden", len(shown))
        self._on_offence(link, "forbidden", len(shown))

    def _charge(self, link, lines: list[bytes], fresh: Fresh) -> None:
        """Charge a neighbour for what it says in its own name without being asked: beyond its
        allowance its link rests, and a flood ends it."""
        signed = () if self._signer is None else [line for line in lines
                                                  if line.startswith(wire.SIGNED)]
        new = fresh.lines
        if fresh.unknown or fresh.refused:
            new = [*new, *[line for _, line, _ in fresh.unknown], *fresh.refused]
        cost = self._allowance.cost(link.peer, new, signed, fresh.covers)
        if cost is None or self.anti_entropy.catch_up.awaits(link):
            return
        now = self._now()
        excess = self._allowance.spend(link.peer, cost, now)
        if excess is None:
            return
        link.rest_until = max(link.rest_until, now + excess.rest)
        if excess.is_flood:
            self._output.write(f"flood:{link.peer}")
            self._on_offence(link, "flood", 1)

    def _checks_early(self, neighbour: Address | None) -> bool:
        return self._allowance.checks_early(neighbour, self._now())

    def _charge_checks(self, link, checks: dict[Address, int]) -> None:
        """Have neighbours pay for signatures that were checked, also for those that were asked for:
        what they let in gives the checks back. Beyond its account the link rests."""
        now = self._now()
        rest = self._allowance.check(link.peer, checks, now)
        if rest:
            link.rest_until = max(link.rest_until, now + rest)

    def _answer(self, link, rumors: list[bytes], fresh: list[bytes]) -> None:
        """Tell a neighbour which of its rumors were new here."""
        fresh = set(fresh)
        took = [wire.gossip_key(line) for line in rumors if line in fresh]
        knew = [wire.gossip_key(line) for line in rumors if line not in fresh]
        link.send(wire.Answer(b"".join(wire.status_entries("took", wire.entries(took))
                                       + wire.status_entries("knew", wire.entries(knew)))))
        self.way.note_known(link, knew)
        if self._compares:
            self.anti_entropy.compare_now_and_then(link)

    def on_status(self, link, message: wire.Status) -> None:
        """A neighbour answers rumors, or compares what it has seen."""
        if message.verb in TO_RUMORS:
            self.way.answered(link, message)
        else:
            self.anti_entropy.on_status(link, message)

    # Links.

    def on_met(self, link) -> None:
        """Two have become neighbours: compare what was seen, if anything is ever compared."""
        if self._compares:
            self.anti_entropy.compare(link)

    def on_end(self, link) -> None:
        """A link has ended: what it offered is asked of others, what it lacked is told others."""
        self._repetitions, link.repetitions = self._repetitions + link.repetitions, 0
        self.anti_entropy.on_end(link)
        self.way.on_end(link)

    def on_listed(self, addresses) -> None:
        """A seed names these addresses: there is room for what they have said."""
        if self.messages.vouch(addresses):
            self.anti_entropy.compare_anew()

    def dropped(self) -> dict[str, int]:
        """Return the counts of everything dropped since the start."""
        dropped = {**self.messages.dropped(), **self._waiting.dropped(),
                   **self.anti_entropy.dropped(), **self.way.dropped()}
        dropped[OLD] += self._repetitions + sum(link.repetitions for link in self._links())
        return dropped
