"""Reporting: the part of a peer that tells seeds about its neighbours.

Once a period, the duty "monitoring" sends every neighbour a liveness request (watch.py says what
for; nothing is written down, and no miss is counted), and sends one report to one of the seeds that
list this peer. A report is kept for six periods: when its seed is lost, all kept reports go to the
next seed, the newest first, because a seed infers the age of older reports from their PERIOD. Seeds
say which peers are malicious; the node's `linking` shuts these out.
"""

import collections

from gossip import wire
from gossip.addresses import Address
from gossip.monitoring import grammar
from gossip.monitoring.watch import Watch
from gossip.node.part import Part
from gossip.registering.joining import SEED
from gossip.signing.grammar import Contradiction, contradiction, parse_signed
from gossip.signing.known_runs import run_of
from gossip.signing.link_proofs import CONTRADICTED
from gossip.tools import Recent

EVIDENCE_LIMIT = 100  # unknown runs whose contradictions wait


class Reporting(Part):
    """The reports of a peer, and what seeds say of others."""

    ANSWERS = {SEED: {"kick", "unconfirmed", "contradiction"}}

    def __init__(self, node, seed_links):
        self._node = node
        self._seed_links = seed_links  # returns the links to the seeds that list this peer
        self._interval = node.settings.report_interval
        # the newest first
        self._kept: collections.deque[bytes] = collections.deque(maxlen=grammar.REPORTS_KEPT)
        self._period = 0  # of the last report
        self._told = None  # the link to the seed that has had all reports so far
        self._due: float | None = None  # when the next report is
        self._kicked_by: dict[Address, None] = {}  # seeds that have kicked this peer
        self._evidence = Recent(EVIDENCE_LIMIT)  # run not known yet -> its two signed lines
        self.watch = Watch(node.settings, lambda run: (
            node.messages.has_few_gaps(run) and not node.messages.is_liar(run)
            and node.confirming.counts_or_asks(run)))

    def turn(self, now: float) -> float:
        """Ask all neighbours, and report what they did, once a period."""
        if self._due is None:  # the first period is random, so that peers do not act together
            self._due = now + self._interval * self._node.rng.random()
            return self._due
        if self.watch.turn(now):
            self._node.counters.add("periods not judged, as this peer stood still")
        time = wire.format_time(self._node.time())
        for link in self._node.neighbours.links():
            self.watch.asked(link, time, now)
            self._node.spreading.way.say_behind(  # behind all that this peer knows by now
                link, wire.liveness_request(time, self._node.address), urgent=False)
        self._node.confirming.counts_or_asks(self._node.confirming.own_run)
        self._period += 1
        self._kept.appendleft(grammar.report(self._node.spreading.origin.start, self._period,
                                           self.entries()))
        links = [link for link in self._seed_links() if not link.ended]
        if self._told in links:
            self._told.send(self._kept[0])
        elif links:  # another seed needs all of them
            self._told = links[0]
            self._told.send(b"".join(self._kept))
        self._due += self._interval
        if self._due <= now:  # it stood still; no second report follows at once
            self._due = now + self._interval
        return self._due

    def entries(self) -> list[grammar.Entry]:
        """Return the entry of each neighbour for the period that is over."""
        entries = self.watch.entries()
        if len(entries) > grammar.ENTRIES_LIMIT:  # present neighbours first, in random order
            present, rng = set(self._node.neighbours.addresses()), self._node.rng
            entries.sort(key=lambda entry: (entry.peer not in present, rng.random()))
        return entries[:grammar.ENTRIES_LIMIT]

    # What happens to links, and what neighbours and seeds say.

    def on_met(self, link) -> None:
        self.watch.linked(link, self._node.now())

    def on_end(self, link) -> None:
        self.watch.on_end(link)

    def on_kick(self, link, message: grammar.Kick) -> None:
        """Shut out a peer that a seed calls malicious, unless this one."""
        self._check(link)
        if message.address != self._node.address:
            self._shut_out(message.address, "kicked", message.seconds)
        elif link.peer not in self._kicked_by:  # seeds and peers refuse this peer from now on
            self._kicked_by[link.peer] = None
            self._node.output.write(f"kicked:{link.peer}:{message.badness:.3f}")

    def on_unconfirmed(self, link, message: grammar.Unconfirmed) -> None:
        """Shut out a neighbour that rarely names this peer."""
        self._check(link)
        if self._shut_out(message.address, "unconfirmed"):
            self._node.output.write(f"unconfirmed:{message.address}")

    def contradicted(self, one: bytes, other: bytes) -> None:
        """Tell all seeds once that two good signed lines contradict each other. If their run is
        unknown, keep them until it is settled."""
        run = parse_signed(one).run
        if not self._node.confirming.is_known(run):
            self._evidence.put(run, (one, other))
        elif self._condemn(run, line := contradiction(one, other)):
            for link in self._seed_links():
                link.send(line)

    def _condemn(self, run: bytes, line: bytes) -> bool:
        """Shut out a run that contradicted itself; return whether that is news. Its address may
        prove another run to the seeds, so that they do not kick it."""
        if not self.watch.contradicted(run):
            return False
        self._node.output.write(line.decode().rstrip("\n"))
        for link in self._node.neighbours.links():
            if link.run is not None and run_of((link.peer, link.run[0])) == run:
                self._shut_out(link.peer, CONTRADICTED)
        return True

    def on_settled(self, run: bytes, genuine: bool) -> None:
        """Report the contradiction of a run that is genuine now."""
        evidence = self._evidence.pop(run)
        if evidence is not None and genuine:
            self.contradicted(*evidence)

    def on_contradiction(self, link, message: Contradiction) -> None:
        """Verify a seed's proof that a run has contradicted itself."""
        self._check(link)
        if self._node.confirming.is_known(message.run) and not self.watch.is_cheat(message.run):
            message.verify()
            self._condemn(message.run, message.line)

    def _check(self, link) -> None:
        if link not in self._seed_links():
            raise wire.WireError("only a seed that lists this peer may say that")

    def _shut_out(self, peer: Address, reason: str, seconds: float | None = None) -> bool:
        """Refuse a peer, at most for the time of this peer's ban."""
        ban = self._node.settings.ban
        until = self._node.now() + (ban if seconds is None else min(ban, seconds))
        return self._node.linking.shut_out(peer, reason, until)
