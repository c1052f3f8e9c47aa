"""A seed that keeps reports: it and the others are a threaded binary tree of keys.

Who is dialled speaks: a seed dials every other seed of config.txt, and believes what is said there,
because nobody else is at that address. To whom it speaks itself, it has to find out:

    A to B, over a link that A has dialled      seed listens:A
    B to A, in answer to that                   seed asks:NONCE
    A to B, over the link that B has dialled    seed confirms:NONCE

Then B speaks to A over the first link. A row is kept under its subject, by the seed that owns this
key in the newest tree, and by every seed over which it came there.
"""

import collections
import functools

from grapevine.addresses import Address, Target
from grapevine.link import Link
from grapevine.monitoring import grammar
from grapevine.monitoring.grammar import Entry, Load
from grapevine.monitoring.rows import Reporters, Row, Rows, lines_of, rows_of
from grapevine.monitoring.tending import LIVING, Tending
from grapevine.monitoring.threaded_tree import ThreadedTree, key_of
from grapevine.node import CONNECT, END, UNIDENTIFIED, UP
from grapevine.signing.proving import with_more
from grapevine.signing.seed import VouchingSeed
from grapevine.tools import ProtocolError
from grapevine.seed import REGISTERED

SPEAKER = "SPEAKER"  # the role of a link to another seed, which this one has dialled
CLAIMANT = "CLAIMANT"  # who has dialled, and says that it is another seed
LISTENER = "LISTENER"  # the same, once that seed has confirmed it

KEPT = 12  # periods for which rows are kept
REPORTERS_LIMIT = 10_000  # peers whose reports are remembered
BACKLOG = 64 << 20  # bytes that may wait for another seed: all rows of a table
REDIAL = 0.5  # seconds until a seed whose link has ended is dialled again


class KeepingSeed(VouchingSeed):
    CROWD = VouchingSeed.CROWD | {CLAIMANT}
    parse = staticmethod(grammar.parse)
    ANSWERS = with_more(VouchingSeed.ANSWERS, {
        UNIDENTIFIED: {"listen": "on_listen", "ask_tree": "on_ask_tree"},
        REGISTERED: {"report": "on_report", "ask_tree": "on_ask_tree"},
        SPEAKER: {UP: "listen", "is_it_you": "on_is_it_you", "it_is_me": "on_it_is_me",
                  "tree": "on_tree", "load": "on_load", "rows": "on_rows", END: "speaker_ended"}})

    def __init__(self, address: Address, settings, output, world, seeds: list[Target]):
        super().__init__(address, settings, output, world, seeds)
        self.period = settings.report_interval
        self._seeds = list(dict.fromkeys([*seeds, address]))
        self._where: dict[Target, Address] = {  # of a name since this seed has reached it
            seed: seed for seed in self._seeds if isinstance(seed, Address)}
        self._speakers: dict[Target, Link] = {}  # of each other seed, since it was dialled last
        self._listeners: dict[Address, Link] = {}  # the latest link on which each seed has listened
        self._claims: dict[str, Link] = {}  # NONCE -> the link on which this seed has said it
        self._to_confirm: dict[Address, str] = {}  # seed -> NONCE that it has said last
        self.rows = Rows()
        self.reporters = Reporters(REPORTERS_LIMIT, self.period)
        self.tending = Tending(address, self.period, self.now())
        self._moved = self._counted = self._hops = 0  # rows, since `load:` was written
        self._due = self.now()  # when the next turn is

    def start(self) -> None:
        super().start()
        self._due += self.rng.random() * self.period
        self.schedule("monitoring", self.monitor, self._due - self.now())
        for seed in self.others:
            self.dial_seed(seed)

    # The other seeds.

    def dial_seed(self, seed: Target) -> None:
        self._speakers[seed] = self.dial(SPEAKER, seed, CONNECT)

    def listen(self, link: Link) -> None:
        """A dial has reached a seed, which is to speak."""
        self._where[link.peer] = link.remote
        self.trust(link, SPEAKER, link.remote)
        link.heard_at = self.now()
        link.send(grammar.say("listen", self.address))

    def speaker_ended(self, link: Link, error: OSError | None) -> None:
        seed = next(seed for seed, speaker in self._speakers.items() if speaker is link)
        self.later(REDIAL, self.dial_seed, seed)

    def on_listen(self, link: Link, seed: Address) -> None:
        """Somebody says that it is another seed, which is asked over its own link."""
        if seed == self.address or seed not in self.seeds() or seed.ip != link.remote.ip:
            raise ProtocolError(f"{seed} is no seed of this network, or not its IP")
        link.role, link.peer = CLAIMANT, seed
        nonce = self.rng.randbytes(16).hex()
        self._claims = {each: claim for each, claim in self._claims.items() if not claim.closed}
        self._claims[nonce] = link
        link.send(grammar.say("is_it_you", nonce))
        self.confirm(link)

    def on_is_it_you(self, link: Link, nonce: str) -> None:
        self._to_confirm[link.peer] = nonce
        for other in self.links:
            if other.peer == link.peer and other.role in (CLAIMANT, LISTENER):
                self.confirm(other)

    def confirm(self, link: Link) -> None:
        """Say to who claims to be a seed what that seed has asked, which helps nobody else."""
        if link.peer in self._to_confirm:
            link.send(grammar.say("it_is_me", self._to_confirm[link.peer]))

    def on_it_is_me(self, link: Link, nonce: str) -> None:
        """A seed confirms that it listens over another link: tell it everything there."""
        claim = self._claims.pop(nonce, None)
        if claim is None or claim.closed or claim.peer != link.peer:
            return
        if link.peer in self._listeners:
            self._listeners[link.peer].close("listens over another link")
        self.trust(claim, LISTENER, link.peer)
        claim.limit = BACKLOG
        self._listeners[link.peer] = claim
        claim.send(self.said_first(link.peer))

    def said_first(self, seed: Address) -> bytes:
        """Return what a seed is told that begins to listen: the tree, and what goes over it."""
        tree = self.tending.tree
        rows = [row for row in self.rows.all()
                if tree.next_hop(self.address, key_of(row.subject)) == seed]
        return grammar.say("tree", *tree) + lines_of(rows, self.now())

    def to_all(self, data: bytes) -> None:
        for link in self._listeners.values():
            link.send(data)

    def seeds(self) -> list[Address]:
        """Return where the seeds are, in the order of config.txt, and this one at last if it is not
        in there."""
        return [self._where[seed] for seed in self._seeds if seed in self._where]

    def _living(self, now: float) -> set[Address]:
        """Return the seeds that speak and listen. Who says nothing is dialled anew, and has to show
        that it listens anew, because the system of a frozen one accepts every dial."""
        since = now - LIVING * self.period
        for link in self._speakers.values():
            if link.deadline is None and link.heard_at < since:
                link.close("silent")
                if link.peer in self._listeners:
                    self._listeners[link.peer].close("silent")
        listening = {seed for seed, link in self._listeners.items() if not link.closed}
        return {self.address, *(link.peer for link in self._speakers.values()
                                if link.heard_at >= since and link.peer in listening)}

    # Rows.

    def on_report(self, link: Link, start: int, period: int, entries: tuple[Entry, ...]) -> None:
        """Keep and forward the rows of a report, if it counts."""
        now = self.now()
        if any(entry.peer == link.peer for entry in entries):
            raise ProtocolError("a report that names its own reporter")
        if self.registry.row_of(link) is None or start != self.vouched.latest(link.peer):
            return
        age = self.reporters.age(link.peer, start, period, now)
        if age is None:
            return
        self.output.write(f"report:{link.peer}:{period}:{len(entries)}")
        known = [entry for entry in entries if entry.peer in self.registry.rows
                 or self.vouched.starts(entry.peer)]
        if len(known) < len(entries):  # this seed may have been restarted
            unknown = self.rng.choice([entry.peer for entry in entries if entry not in known])
            self.prober_of_asked.ask(unknown, lambda alive: None)
        rows = rows_of(link.peer, start, period, now - age, known)
        self._counted += len(rows)
        self._hops += sum(len(self.tending.tree.path(self.address, key_of(row.subject)))
                          for row in rows)
        self.file(rows)

    def on_rows(self, link: Link, age: float, side: str, reporter: Address, start: int, period: int,
                entries: tuple[Entry, ...]) -> None:
        self.file(rows_of(reporter, start, period, self.now() - age, entries, (side,)))

    def file(self, rows: list[Row]) -> None:
        """Keep rows, and forward those that are news."""
        since = self.now() - KEPT * self.period
        self.hand_on(self.rows.file([row for row in rows if row.at >= since]))

    def hand_on(self, rows) -> None:
        """Forward rows that other seeds keep by one hop."""
        hop_of = functools.cache(
            lambda subject: self.tending.tree.next_hop(self.address, key_of(subject)))
        by_hop = collections.defaultdict(list)
        for row in rows:
            by_hop[hop_of(row.subject)].append(row)
        for seed, some in by_hop.items():
            if seed in self._listeners:
                self._listeners[seed].send(lines_of(some, self.now()))

    # The tree.

    def on_tree(self, link: Link, version: int, author: Address, starts) -> None:
        tree = ThreadedTree(version, author, starts)
        if not {author, *tree.seeds()} <= set(self.seeds()):
            raise ProtocolError("a tree with somebody in it who is no seed")
        if version <= self.time():  # else a liar could leave no number for any later tree
            self.take_over(tree)

    def take_over(self, tree: ThreadedTree) -> None:
        """Take a newer tree, and forward rows by it."""
        first, last = self.tending.tree.interval(self.address)
        if not self.tending.adopt(tree, self.now()):
            return
        line = grammar.say("tree", *tree)
        self.to_all(line)  # before any row, so that no row comes back by the old
        self.output.write(line.decode().rstrip())
        moved = [row for row in self.rows.all() if first <= key_of(row.subject) <= last
                 and tree.owner(key_of(row.subject)) != self.address]
        self._moved += len(moved)
        self.hand_on(self.rows.all())

    def on_load(self, link: Link, rows: int, keys: tuple[int, ...]) -> None:
        self.tending.told(link.peer, Load(rows, keys), self.now())

    def on_ask_tree(self, link: Link) -> None:
        link.send(grammar.say("tree", *self.tending.tree)
                  + grammar.say("loads", self.tending.rows()))

    # Once a period.

    def monitor(self, now: float) -> float:
        """Notice what is late, tell the others the tree and the load, and mend the tree."""
        late, self._due = now - self._due, max(now, self._due) + self.period
        self.rows.expire(now - KEPT * self.period)
        living = self._living(now)
        if self.tending.look(now, late, self.is_late()):
            self.output.write(f"behind:{late:.3f}")
        load = self.rows.load(*self.tending.tree.interval(self.address))
        self.tending.told(self.address, load, now)
        self.to_all(grammar.say("tree", *self.tending.tree) + grammar.say("load", *load))
        self.take_over(self.tending.mended(
            [seed for seed in self.seeds() if seed in living], now))
        rows = [count for _, count in self.tending.rows()]
        self.output.write(
            f"load:{load.rows}:{max(rows, default=0)}/{sum(rows) / max(1, len(rows)):.1f}:"
            f"{self._moved}:{self._hops / max(1, self._counted):.2f}")
        self._moved = self._counted = self._hops = 0
        return self._due

    def status(self) -> dict[str, object]:
        load = self.rows.load(*self.tending.tree.interval(self.address))
        return {**super().status(), "rows": load.rows, "rows evicted": self.rows.evicted}
