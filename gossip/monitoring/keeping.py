"""Keeping: the part of a seed that keeps the rows of reports.

A row of a report that counts (see Intake) is forwarded hop by hop to the owner of its key by the
newest tree (threaded_tree.py). No row is lost on the way, because the seed that took it in keeps it
for its window, and forwards it again when the tree has changed; what was sent over a link is
repeated on the next link to the same seed. A row that is filed twice counts once.

If several seeds hold rows of a subject, the later ones lend them, seed by seed, to the seed with
the first key of the subject, which decides about it.
"""

from gossip import wire
from gossip.addresses import Address
from gossip.monitoring import grammar
from gossip.monitoring.grammar import REPORTS_KEPT
from gossip.monitoring.other_seeds import LIVING, SPEAKER, SeedLinks, Tending
from gossip.monitoring.rows import Row, Rows, lines_of, rows_in, rows_of
from gossip.monitoring.threaded_tree import ThreadedTree, first_key
from gossip.monitoring.verdicts import PAIRED_FROM
from gossip.node.node import WAITING
from gossip.node.part import Part
from gossip.registering.admission import REGISTERED
from gossip.tools import Rate, Recent

WINDOW = 12  # periods for which rows are kept
CREDIT = 2  # new reports that may come together at first
MOST_CREDIT = 12  # the same after as many silent periods, because this seed may have stood still
HASTE = 0.9  # of a period, after which a peer has credit for one more report
PATIENCE = 100  # tolerated reports that do not count, at once; an honest peer makes six at most
MENDING = 10  # as many more are tolerated after each period
LATE = 3  # periods after which a row comes late
LATE_TURN = 0.15  # of a period: if this seed is later, rows may be, which wait for several turns
REPORTERS_LIMIT = 10_000  # peers that are remembered


class Intake:
    """The reporters of one seed, and which of their reports count.

    A report counts if its PERIOD is higher than before, once a period; or if it is one of the last
    six and was lacking here, because peers keep these for a seed that takes the place of another.
    Its age then follows from its PERIOD. Late reports may come close together, but no more of them
    than periods have passed. Too many others end a link, because they cost less to send than to
    read."""

    def __init__(self, period: float):
        self._period = period  # in seconds
        # address -> (START, the PERIODs of the last six that counted, when the newest came)
        self._reporters = Recent(REPORTERS_LIMIT)
        self._credit = Rate(1 / (HASTE * period), MOST_CREDIT, REPORTERS_LIMIT)
        self._useless = Rate(MENDING / period, PATIENCE, REPORTERS_LIMIT)

    def age(self, peer: Address, start: int, period: int, now: float) -> float | None:
        """Return a report's age in seconds; None if it does not count."""
        latest_run, counted, came = self._reporters.get(peer, default=(None, set(), now))
        counted = counted if latest_run == start else set()
        newest = max(counted, default=0)
        if period <= newest:
            if period <= newest - REPORTS_KEPT or period in counted:
                return None
            counted.add(period)
            return (newest - period) * self._period + now - came
        if latest_run is None:
            self._credit.take(now, MOST_CREDIT - CREDIT, peer)
        if self._credit.take(now, key=peer):  # it comes too soon
            self._credit.take(now, -1, peer)
            return None
        recent = {one for one in counted if one > period - REPORTS_KEPT}
        self._reporters.put(peer, (start, recent | {period}, now))
        return 0.0

    def bears(self, peer: Address, now: float) -> bool:
        """Return whether to tolerate one more report that does not count."""
        return not self._useless.take(now, key=peer)


class Keeping(Part):
    """The rows of a seed. `seeds` are all, in the order of config.txt."""

    ANSWERS = {WAITING: {"ask_tree"}, REGISTERED: {"ask_tree", "report"},
               SPEAKER: {"tree", "load", "rows", "part"}}

    def __init__(self, node, seeds: list[Address]):
        self._node, self._own = node, node.address
        self._seeds = seeds if node.address in seeds else [*seeds, node.address]
        self._others = [seed for seed in seeds if seed != node.address]
        self._period = node.settings.report_interval
        self.links = SeedLinks(node, self._others, self._said_first)
        self._intake = Intake(self._period)
        self._taken_in = self._table()  # reported to this seed
        self._held = self._table()  # rows whose keys are its own
        self._lent = self._table()  # rows of subjects that it decides about, held by others
        self.tending = Tending(self._own, self._seeds, self._period, self.links.heard, node.now())
        self.tree = ThreadedTree.alone(self._own)  # the newest that this seed knows
        # other seed -> what was forwarded to it by this tree
        self._handed = {seed: self._table() for seed in self._others}
        self._moved = 0  # rows forwarded to other owners since the last `load:` in the file
        self.late = Recent(REPORTERS_LIMIT)  # reporter whose rows came late -> for how long
        self._newest = Recent(REPORTERS_LIMIT)  # reporter -> when its newest row was reported
        self._counted_in = self._hops = 0  # rows taken in since that `load:`, and their hops

    def _table(self) -> Rows:
        return Rows(WINDOW * self._period, self._node.counters)

    def on_report(self, link, message: grammar.Report) -> None:
        """Keep and forward the rows of a report, if it counts."""
        now, node = self._node.now(), self._node
        if any(entry.peer == link.peer for entry in message.entries):
            raise wire.WireError("a report that names its own reporter")
        age = None
        if (node.settings.monitor and node.registry.row(link.peer, link) is not None
                and node.vouching.run_of(link.peer) in (None, message.start)):
            age = self._intake.age(link.peer, message.start, message.period, now)
        if age is None:
            node.counters.add("reports that do not count")
            if not self._intake.bears(link.peer, now):
                raise wire.WireError("too many reports that do not count")
            return
        node.output.write(f"report:{link.peer}:{message.period}:{len(message.entries)}")
        unknown = [entry.peer for entry in message.entries if node.registry.row(entry.peer) is None
                   and node.vouching.latest_run(entry.peer) is None]
        if unknown:
            node.counters.add("entries about unknown peers", len(unknown))
            node.vouching.look_at(node.rng.choice(unknown))  # this seed may have been restarted
        known = [entry for entry in message.entries if entry.peer not in unknown]
        rows = self._wanted(rows_of(message._replace(entries=known), link.peer, now - age), now)
        self._counted_in += len(rows)
        self._hops += sum(len(self.tree.path(self._own, row.key)) for row in rows)
        self._taken_in.file(rows, now)
        self._hand_on(rows, now)

    def _wanted(self, rows: list[Row], now: float) -> list[Row]:
        """Return the rows without a banned peer."""
        is_banned = self._node.deciding.is_banned
        return [row for row in rows if not is_banned(row.reporter, now)
                and not is_banned(row.entry.peer, now)]

    def on_rows(self, link, message: grammar.Rows) -> None:
        now = self._node.now()
        self._hand_on(self._wanted(rows_in(message, now), now), now)

    def on_part(self, link, message: grammar.Part) -> None:
        now = self._node.now()
        self._lend(self._wanted(rows_in(message, now), now), now)

    def _hand_on(self, rows: list[Row], now: float) -> None:
        """File this seed's own rows. Forward the rest one hop."""
        by_hop: dict[Address | None, list] = {}  # None: rows of this seed
        for row in rows:
            by_hop.setdefault(self.tree.next_hop(self._own, row.key), []).append(row)
        self._note_late(self._held.file(by_hop.pop(None, []), now), now)
        for seed, some in by_hop.items():
            self.links.send(seed, lines_of(self._handed[seed].file(some, now), now))

    def _note_late(self, rows: list[Row], now: float) -> None:
        """Note reporters that may have been out of reach: those that they name may be so still.
        Rows are late if they are old, or if their reporter was silent before, because what waited
        on a link comes all at once, as if it were new. Old rows that come right after a new tree
        count only shortly, because most have only moved. The oldest do not count, because they name
        nobody any more, and a seed that has just dropped its own gets them lent again."""
        longest, named = LATE * self._period, PAIRED_FROM * self._period
        moving = self.tending.since() > now - longest
        for row in rows:
            before = self._newest.get(row.reporter, default=row.at)
            self._newest.put(row.reporter, max(before, row.at))
            silent = row.at > before + longest
            if silent or now - named < row.at < now - longest:
                wait = longest if moving and not silent else named
                until = max(now + wait, self.late.get(row.reporter, now, 0.0))
                self.late.put(row.reporter, until, until)

    def _lend_parts(self, now: float) -> None:
        """Lend the rows of subjects that another seed decides about."""
        self._lend([row for subject in self._held.subjects() if not self._has_first_key(subject)
                    for row in self._held.of(subject)], now)

    def _lend(self, rows: list[Row], now: float) -> None:
        """Keep lent rows of subjects decided about here. Lend others further."""
        mine = [row for row in rows if self._has_first_key(row.subject)]
        self._note_late(self._lent.file(mine, now), now)
        others = [row for row in rows if not self._has_first_key(row.subject)]
        before = self.tree.predecessor(self._own)
        if others and before is not None:
            self.links.send(before, lines_of(others, now, grammar.part))

    def _has_first_key(self, subject: Address) -> bool:
        """Return whether this seed decides about a subject by the newest tree."""
        return self.tree.owner(first_key(subject)) == self._own

    def on_tree(self, link, message: grammar.Tree) -> None:
        """Take the tree of another seed, if it is newer."""
        tree = ThreadedTree(*message)
        if any(seed not in self._seeds for seed in (tree.author, *tree.seeds())):
            raise wire.WireError("a tree with somebody in it who is no seed")
        self._take_over(tree)
        self.tending.said(link.peer, tree)

    def _take_over(self, tree: ThreadedTree) -> None:
        """Take a newer tree, and forward rows by it."""
        if tree <= self.tree:
            return
        now, line = self._node.now(), grammar.tree(*tree)
        self.links.to_all(line)  # before any row, so that no row comes back by the old
        self.tree, self._handed = tree, {seed: self._table() for seed in self._others}
        self.tending.took(tree, now)
        self._node.output.write(line.decode().rstrip("\n"))
        moved = self._held.take_out(*tree.interval(self._own))
        self._moved += len(moved)
        # they would be missing until their owner lends them
        self._lent.file([row for row in moved if self._has_first_key(row.subject)], now)
        self._hand_on([*moved, *self._taken_in.all()], now)
        self._lend_parts(now)

    def _said_first(self, seed: Address) -> bytes:
        return (grammar.tree(*self.tree) + self._node.deciding.said_first()
                + lines_of(self._handed[seed].all(), self._node.now()))

    def on_load(self, link, message: grammar.Load) -> None:
        self.tending.told(link.peer, message, self._node.now())

    def on_ask_tree(self, link, message: wire.Bare) -> None:
        if not self._node.settings.monitor:
            raise wire.WireError("this seed keeps no reports")
        link.send(grammar.tree(*self.tree) + grammar.loads(self._rows_by_seed()))

    def _load(self) -> grammar.Load:
        return grammar.Load(self._held.count(), tuple(self._held.quantiles()))

    def _rows_by_seed(self) -> list[tuple[Address, int]]:
        """Return how many rows each seed of the tree says it holds."""
        loads = self.tending.loads(grammar.Load(self._held.count(), ()))
        return [(seed, loads[seed].rows) for seed in self.tree.seeds() if seed in loads]

    def turn(self, now: float) -> None:
        """Tell the others, mend the tree, lend rows, and write the load."""
        late = max(self._node.lateness(), self._node.turn.waited())
        self.tending.turn(now, late > LATE_TURN * self._period)
        if self.tending.behind == now:
            self._node.output.note(f"behind:{late:.3f}")
        for table in self._all_tables():
            table.expire(now)
        self.links.drop_silent(now - LIVING * self._period)
        self.links.to_all(grammar.tree(*self.tree) + grammar.load(*self._load()))
        if self.tending.is_keeper(now):
            self._take_over(self.tending.mended(self.tree, self._load(), now))
        self._lend_parts(now)
        rows = [held for _, held in self._rows_by_seed()]
        mean = sum(rows) / max(1, len(rows))
        self._node.output.write(
            f"load:{self._held.count()}:{max(rows, default=0)}/{mean:.1f}:{self._moved}:"
            f"{self._hops / max(1, self._counted_in):.2f}")
        self._moved = self._counted_in = self._hops = 0

    def _all_tables(self) -> list[Rows]:
        return [self._taken_in, self._held, self._lent, *self._handed.values()]

    # What `deciding` asks for.

    def judged_here(self, now: float) -> list[Address]:
        """Return the subjects that this seed can decide about now."""
        subjects = sorted({*self._held.subjects(), *self._lent.subjects()})
        return [subject for subject in subjects if self.tending.decides(subject, now)]

    def rows_of(self, subject: Address) -> list[Row]:
        rows = {row.identity: row for table in (self._held, self._lent)
                for row in table.of(subject)}
        return list(rows.values())

    def is_silent(self, reporter: Address, now: float) -> bool:
        """Return whether a reporter's rows have ceased to come lately, so that some may be on their
        way, because a seed that forwards them reads late. A peer that never reports is not."""
        newest = self._newest.get(reporter, default=now)
        return LATE * self._period < now - newest < PAIRED_FROM * self._period

    def forget(self, peer: Address) -> None:
        for table in self._all_tables():
            table.forget(peer)
