"""Keeping: how the seeds hold the rows of all reports, each row at one of them. A part of a seed.

Which seed holds which keys is said by the tree (threaded_tree.py), a value of which every seed has
the newest version that it has heard of. A row that a peer has reported goes hop by hop to the owner
of its key. When the tree changes, each seed hands on what is no longer its own.

Nothing is lost: the seed to which a peer has reported keeps the rows for their window, and hands
them on again when the tree has changed. What goes to a seed over a link is said again on the next
link to it. To file a row twice changes nothing.

Once a period, in its turn, each seed tells all others the tree and its load, and one of them mends
the tree (tending.py). A subject may be cut in two: then its rows are lent to the seed before, as
far as to the one that holds the first key of the subject. That one decides about it.

Which reports count is said by intake.py, how seeds know each other by seed_links.py. Whom the seed
has banned is asked of its part `deciding`. Link readers and the duty "monitoring" call this.
"""

import threading

from gossip import wire
from gossip.addresses import Address
from gossip.monitoring.intake import Intake
from gossip.monitoring.rows import Rejection, Row, Rows, lines_of, rows_in, rows_of
from gossip.monitoring.seed_links import SeedLinks
from gossip.monitoring.tending import LIVING, Tending
from gossip.monitoring.threaded_tree import ThreadedTree, first_key

WINDOW = 12  # periods for which rows are kept
NOTHING = 0, -1  # the first and the last key of a seed that the tree leaves out


class Keeping:
    """The rows of one seed. `seeds` are all, in the order of config.txt."""

    def __init__(self, node, seeds: list[Address]):
        self._node = node
        self._own = node.address
        self._seeds = seeds if node.address in seeds else [*seeds, node.address]
        self._others = [seed for seed in seeds if seed != node.address]
        self._period = node.settings.report_interval
        self.links = SeedLinks(node, self._others, self._said_first)
        self._intake = Intake(self._period)
        self._taken_in = self._table()  # reported to this seed
        self._held = self._table()  # rows whose keys are its own
        self._lent = self._table()  # rows of subjects that it decides about, held by others
        self.tending = Tending(self._own, self._seeds, self._period, self.links.heard, node.now())
        self._lock = threading.Lock()  # guards everything below
        self._tree = ThreadedTree.alone(self._own)
        self._handed = self._tables()  # what was handed to each other seed by this tree
        self._moved = 0  # rows handed to other owners, since the last `load:` in the file
        self._hops = [0, 0]  # of how many rows taken in since then, and their hops to the owner

    def _table(self) -> Rows:
        return Rows(WINDOW * self._period)

    def _tables(self) -> dict[Address, Rows]:
        return {seed: self._table() for seed in self._others}

    @property
    def tree(self) -> ThreadedTree:
        """The newest tree that this seed has heard of."""
        with self._lock:
            return self._tree

    # Rows in.

    def on_report(self, link, message: wire.Report) -> None:
        """A peer reports. What does not count is only counted, unless it is too much."""
        now, node = self._node.now(), self._node
        if any(entry.peer == link.peer for entry in message.entries):
            raise wire.WireError("a report that names its own reporter")
        age = self._age_of(link, message, now)
        if age is None:
            node.counters.add("reports that do not count")
            if not self._intake.bears(link.peer, now):
                raise wire.WireError("too many reports that do not count")
            return
        node.output.write(f"report:{link.peer}:{message.period}:{len(message.entries)}")
        self._take_in(rows_of(message, link.peer, now - age), now)

    def _age_of(self, link, message: wire.Report, now: float) -> float | None:
        """How old a report is; None: it does not count."""
        node, peer = self._node, link.peer
        if not node.settings.monitor or not node.registry.is_registered(peer, link):
            return None
        if node.vouching.run_of(peer) not in (None, message.start):
            return None
        return self._intake.age(peer, message.start, message.period, now)

    def noted_rejection(self, accuser: Address, accused: Address) -> None:
        """A peer has reported a death in vain: the accused answers."""
        if self._node.settings.monitor:
            now = self._node.now()
            self._take_in([Rejection(accuser, accused, self._own, now)], now)

    def _take_in(self, rows: list[Row | Rejection], now: float) -> None:
        """Keep what was found or reported here, and hand it on."""
        rows = self._wanted(rows, now)
        tree = self.tree
        hops = sum(len(tree.path(self._own, row.key)) for row in rows)
        with self._lock:
            self._hops = [self._hops[0] + len(rows), self._hops[1] + hops]
        for row in rows:
            self._taken_in.file(row, now)
        self._hand_on(rows, now)

    def _wanted(self, rows: list[Row | Rejection], now: float) -> list[Row | Rejection]:
        """The rows that have nothing to do with a peer that is banned."""
        named = dict.fromkeys(peer for row in rows for peer in (row.subject, row.other))
        banned = {peer for peer in named if self._node.deciding.is_banned(peer, now)}
        return [row for row in rows if not banned & {row.subject, row.other}] if banned else rows

    def on_rows(self, link, message: wire.Rows) -> None:
        """Rows on their way to the owners of their keys."""
        now = self._node.now()
        self._hand_on(self._wanted(rows_in(message, now), now), now)

    def on_rejected_death(self, link, message: wire.RejectedDeath) -> None:
        """The same with a death that was reported in vain."""
        now = self._node.now()
        row = Rejection(message.accuser, message.accused, message.seed, now - message.age)
        self._hand_on(self._wanted([row], now), now)

    # Rows on.

    def _hand_on(self, rows: list[Row | Rejection], now: float) -> None:
        """File what is this seed's own, and hand the rest to the next seeds on its way; again, when
        the tree has changed meanwhile."""
        done = None
        while rows and done is not self.tree:
            with self._lock:
                done, handed = self._tree, self._handed
            self._hand_on_by(done, handed, rows, now)

    def _hand_on_by(self, tree: ThreadedTree, handed: dict[Address, Rows], rows, now) -> None:
        by_hop: dict[Address | None, list] = {}  # None: it is here that they belong
        for row in rows:
            by_hop.setdefault(tree.next_hop(self._own, row.key), []).append(row)
        for row in by_hop.pop(None, ()):
            self._held.file(row, now)
        for seed, some in by_hop.items():
            news = [row for row in some if handed[seed].file(row, now)]
            self.links.send(seed, lines_of(news, now))

    def _hand_on_foreign(self, now: float, others: tuple = ()) -> None:
        """Hand on the rows that are no longer this seed's own, and others. Those that it goes on to
        decide about are as good as lent: they must not be missing until their new owner lends
        them."""
        tree = self.tree
        moved = self._held.take_out(*(tree.interval(self._own) if self._own in tree else NOTHING))
        for row in moved:
            if isinstance(row, Row) and tree.owner(first_key(row.subject)) == self._own:
                self._lent.file(row, now)
        with self._lock:
            self._moved += len(moved)
        self._hand_on([*moved, *others], now)

    # The tree.

    def on_tree(self, link, message: wire.Tree) -> None:
        """Another seed tells its tree."""
        tree = ThreadedTree(*message)
        if any(seed not in self._seeds for seed in (tree.author, *tree.seeds())):
            raise wire.WireError("a tree with somebody in it who is no seed")
        self._take_over(tree)
        self.tending.said(link.peer, tree)

    def _take_over(self, tree: ThreadedTree) -> None:
        """Take a newer tree. It is said before anything is handed on by it, so that rows never go
        back to where they came from."""
        if not tree.newer_than(self.tree):
            return
        self.links.to_all(_line_of(tree))
        now = self._node.now()
        with self._lock:
            if not tree.newer_than(self._tree):
                return
            self._tree, self._handed = tree, self._tables()
        self.tending.took(tree, now)
        self._node.output.write(_line_of(tree).decode().rstrip("\n"))
        self._hand_on_foreign(now, self._taken_in.all())
        self._lend(now)

    def _said_first(self, seed: Address) -> bytes:
        """What is said on a new link to another seed before anything else."""
        with self._lock:
            tree, handed = self._tree, self._handed[seed]
        return (_line_of(tree) + self._node.deciding.said_first(seed)
                + lines_of(handed.all(), self._node.now()))

    def on_load(self, link, message: wire.Load) -> None:
        """Another seed tells how many rows it holds."""
        self.tending.told(link.peer, message, self._node.now())

    def on_ask_tree(self, link, message: wire.AskTree) -> None:
        """Anybody asks for the tree and the loads."""
        if not self._node.settings.monitor:
            raise wire.WireError("this seed keeps no reports")
        tree, loads = self.tree, self.tending.loads(self._load())
        held = [(seed, loads[seed].rows) for seed in tree.seeds() if seed in loads]
        link.send(_line_of(tree) + wire.loads(held))

    # A turn, once a period.

    def turn(self, now: float) -> None:
        """Tell the others, mend the tree if it is this seed that does, and lend rows."""
        self.tending.turn(now)
        self._expire(now)
        self.links.drop_silent(now - LIVING * self._period)
        self._hand_on_foreign(now)
        self.links.to_all(_line_of(self.tree) + wire.load(*self._load()))
        if self.tending.is_keeper(now):
            self._take_over(self.tending.mended(self.tree, self._load(), now))
        self._lend(now)
        self._write_load()

    def _expire(self, now: float) -> None:
        for table in self._all_tables():
            table.expire(now)

    def _all_tables(self) -> list[Rows]:
        with self._lock:
            return [self._taken_in, self._held, self._lent, *self._handed.values()]

    def _load(self) -> wire.Load:
        return wire.Load(self._held.count(), tuple(self._held.quantiles()))

    def _lend(self, now: float) -> None:
        """Lend the rows of a subject that another seed decides about to the seed before this."""
        tree = self.tree
        self._pass_loans(tree, [row for subject in self._held.subjects()
                                if tree.owner(first_key(subject)) != self._own
                                for row in self._held.of(subject)], now)

    def on_part(self, link, message: wire.Part) -> None:
        """Rows are lent by the seed behind, to this seed or to one before it."""
        tree, now = self.tree, self._node.now()
        rows = self._wanted(rows_in(message, now), now)
        for row in rows:
            if tree.owner(first_key(row.subject)) == self._own:
                self._lent.file(row, now)
        self._pass_loans(tree, [row for row in rows
                                if tree.owner(first_key(row.subject)) != self._own], now)

    def _pass_loans(self, tree: ThreadedTree, rows: list[Row], now: float) -> None:
        before = tree.predecessor(self._own) if self._own in tree else None
        if rows and before is not None:
            self.links.send(before, lines_of(rows, now, wire.part))

    def _write_load(self) -> None:
        """Write down how the load is shared out, and what has moved since last time."""
        loads, tree = self.tending.loads(self._load()), self.tree
        rows = [loads[seed].rows for seed in tree.seeds() if seed in loads]
        with self._lock:
            moved, (taken_in, hops) = self._moved, self._hops
            self._moved, self._hops = 0, [0, 0]
        mean = sum(rows) / max(1, len(rows))
        self._node.output.write(f"load:{loads[self._own].rows}:{max(rows, default=0)}/{mean:.1f}:"
                                f"{moved}:{hops / max(1, taken_in):.2f}")

    # For who decides.

    def to_all(self, lines: bytes) -> None:
        """Say something to all other seeds."""
        self.links.to_all(lines)

    def judged_here(self, now: float) -> list[Address]:
        """The subjects that this seed decides about, and has for so long that it has their rows."""
        subjects = sorted({*self._held.subjects(), *self._lent.subjects()})
        return [subject for subject in subjects if self.tending.decides(subject, now)]

    def rows_of(self, subject: Address) -> list[Row]:
        """All rows of a subject that are here, its own and lent ones."""
        rows = {row.identity: row for table in (self._held, self._lent)
                for row in table.of(subject)}
        return list(rows.values())

    def rejections(self, accuser: Address) -> list[Rejection]:
        """The deaths that a peer has reported in vain."""
        return self._held.rejections(accuser)

    def forget(self, peer: Address) -> None:
        """Drop all rows about a peer and by it."""
        for table in self._all_tables():
            table.forget(peer)


def _line_of(tree: ThreadedTree) -> bytes:
    return wire.tree(tree.version, tree.author, tree.starts)
