"""A peer that watches its neighbours: it reports to seeds what they owed and brought, and shuts out
whom seeds kick, or two signatures convict.

Once a period, the duty "monitoring" sends every neighbour a Liveness Request (watch.py says what
for; nothing is written down, and no miss is counted), and one report to one of the seeds that list
this peer. When that seed is lost, the last reports go to the next one.
"""

import collections
import math
from zlib import crc32

from grapevine import wire
from grapevine.addresses import Address, Target
from grapevine.monitoring import grammar
from grapevine.monitoring.evidence import Contradiction, contradiction_of
from grapevine.monitoring.rows import REPORTS_KEPT
from grapevine.monitoring.watch import CORRUPT, FORBIDDEN, Watch
from grapevine.signing import grammar as signing
from grapevine.signing.messages import SignedAdded, SignedMessages
from grapevine.signing.peer import SHOWN, SignedPeer
from grapevine.signing.proving import ProvenLink, with_more
from grapevine.signing.runs import REST
from grapevine.signing.vouched import lasting
from grapevine.tools import ProtocolError, Recent
from grapevine.ways import Flood
from grapevine.ways.tree import Tree
from grapevine.peer import NEIGHBOUR, SEED

DISPUTED = REST + 5.0  # seconds until a run counts that some seeds did not name, or that had proved
# itself here before they did: a neighbour may have denied it, and does not ask again for REST
ASKED_AFTER, COUNTED_FOR = 1.5, 4.0  # periods after which seeds are asked again about a run, and
# for which it counts after they have named it, because they may forget it, and newcomers deny it
GAPS = 8  # ranges that are known of a run, above which it may have filled a neighbour's room
MEMORY_LIMIT = 10_000  # peers that are shut out, runs that are named, or contradicted themselves
TO_ALL, PART = 100, 4  # the first numbers of a run, and one line of so many later on, go to all


class WatchedMessages(SignedMessages):
    CORRUPT_LIMIT = 100  # so that who tampers is judged, and its link stays; a budget bears as many


class WatchedTree(Tree):
    """A tree of which some lines go to all neighbours, which are judged by these alone, because who
    is told to push nothing owes nothing. All peers agree which."""

    def goes_to_all(self, line: bytes) -> bool:
        run, first = wire.gossip_key(line)
        return first <= TO_ALL or not crc32(b"%b:%d" % (run, first)) % PART


class WatchedPeer(SignedPeer):
    MESSAGES = WatchedMessages
    parse = staticmethod(grammar.parse)
    ANSWERS = with_more(SignedPeer.ANSWERS, {
        SEED: {"kick": "on_kick", "unconfirmed": "on_unconfirmed",
               "contradiction": "on_contradiction"}})

    def __init__(self, address: Address, settings, output, world, seeds: list[Target]):
        super().__init__(address, settings, output, world, seeds)
        self.watch = Watch(owes=settings.spread != "rumor")
        self._named = Recent(MEMORY_LIMIT)  # run that most seeds name -> (since when its messages
        # count; when it was named last)
        self._heard_of = Recent(1_000)  # run with new messages in this period -> who brought one
        self.runs.rests_by_link = True  # or who gets it denied here makes this peer withhold it
        self._cheats = Recent(MEMORY_LIMIT)  # run that has contradicted itself -> True
        self._shut_out = Recent(MEMORY_LIMIT)  # peer -> (until when, why)
        self._period = 0  # of the last report
        self._kept: collections.deque[bytes] = collections.deque(maxlen=REPORTS_KEPT)
        self._told = None  # the link to the seed that has had all reports

    def start(self) -> None:
        super().start()
        self.schedule("monitoring", self.monitor,
                      self.rng.random() * self.settings.report_interval)

    def make_way(self) -> Flood:
        return WatchedTree(self) if self.settings.spread == "tree" else super().make_way()

    # What neighbours bring.

    def handle(self, link: ProvenLink, lines: list[bytes]) -> None:
        if link.role == NEIGHBOUR:
            self.watch.copies(link, lines)
        super().handle(link, lines)

    def receive_rumors(self, link: ProvenLink, lines: list[bytes]) -> None:
        self.watch.copies(link, map(wire.rumor_told, lines))
        super().receive_rumors(link, lines)

    def brought(self, link: ProvenLink, added: SignedAdded) -> None:
        self.watch.came_early(link, added.unknown + added.no_room)
        for signed in added.entered:
            if self.way.goes_to_all(signed.line):
                self.watch.new(link, signed, self.time(), self.now(),
                               self._counts_since(link, signed.run))
        self.watch.count(link, FORBIDDEN, len(added.forbidden))
        super().brought(link, added)

    def _counts_since(self, link: ProvenLink, run: bytes) -> float:
        """Return since when neighbours owe messages of a run: since most seeds have named it, as
        long as they do, because a neighbour may have found out that it is not genuine."""
        self._heard_of[run] = link
        since, named_at = self._named.get(run, (math.inf, 0.0))
        is_named = named_at >= self.now() - COUNTED_FOR * self.settings.report_interval
        has_few_gaps = len(self.messages.runs[run].seen) <= GAPS
        return since if is_named and has_few_gaps and run not in self._cheats else math.inf

    def answered(self, question, link: ProvenLink, starts: tuple[int, ...] | None) -> None:
        proved = {start for start in starts or ()
                  if self.runs.is_genuine(signing.run_of(question.address, start))}
        super().answered(question, link, starts)
        for start, count in question.votes(lasting).items():
            run = signing.run_of(question.address, start)
            if 2 * count > len(self.registrations.rows):
                is_disputed = len(question.answers) > count or start in proved
                now = self.now()
                since, _ = self._named.get(run, (now + (DISPUTED if is_disputed else 0.0), 0.0))
                self._named[run] = since, now

    def _ask_about_runs(self) -> None:
        """Ask seeds about runs that have said something, and were not named lately."""
        before = self.now() - ASKED_AFTER * self.settings.report_interval
        for run, link in self._heard_of.items():
            if self._named.get(run, (0.0, -math.inf))[1] < before:
                self.ask_about(run, link)
        self._heard_of.clear()

    def on_corrupt(self, link: ProvenLink, line: bytes) -> None:
        """Write down and count a line that nobody has signed."""
        self.watch.count(link, CORRUPT, 1)
        self.output.write(f"corrupt:{link.peer}:{line.decode(errors='backslashreplace')[:SHOWN]}")

    def on_liveness_reply(self, link: ProvenLink, time: str, asker: Address, replier: Address
                          ) -> None:
        super().on_liveness_reply(link, time, asker, replier)
        self.watch.replied(link, float(time))

    # Links.

    def enter(self, link: ProvenLink, peer: Address, is_dialled: bool) -> None:
        if fault := self._fault_of(link):  # a kick has come while it was dialled
            self.turn_away(link, fault)
            return
        super().enter(link, peer, is_dialled)
        self.watch.linked(link, self.now())

    def fault_of_identity(self, link: ProvenLink) -> str:
        return super().fault_of_identity(link) or self._fault_of(link)

    def _fault_of(self, link: ProvenLink) -> str:
        until, why = self._shut_out.get(link.peer, (0.0, ""))
        if link.run in self._cheats:
            return "contradicted itself"
        return why if self.now() < until else ""

    def dial_peer(self, peer: Address) -> None:
        if self._shut_out.get(peer, (0.0, ""))[0] > self.now():
            self.places.pass_over(peer, self.now())
        else:
            super().dial_peer(peer)

    def neighbour_ended(self, link: ProvenLink, error: OSError | None) -> None:
        self.watch.ended(link)
        super().neighbour_ended(link, error)

    # Once a period.

    def monitor(self, now: float) -> float:
        """Ask all neighbours for a sign of life, and report what they did."""
        if not self.is_leaving:
            time = wire.format_time(self.time())
            for link in self.neighbours.links:
                if self.watch.may_ask(link, float(time)):
                    link.send(wire.say("liveness_request", time, self.address))
            self._ask_about_runs()
            self._report()
        return now + self.settings.report_interval

    def _report(self) -> None:
        """Tell a seed that answers what neighbours did. Of too many, chance names some."""
        self._period += 1
        entries = self.entries()
        if len(entries) > grammar.ENTRIES:
            entries = self.rng.sample(entries, grammar.ENTRIES)
        self._kept.append(grammar.say("report", self.start_number, self._period, entries))
        links = [row.link for row in self.registrations.rows.values()
                 if row.is_registered and row.unanswered <= 1]
        if self._told in links:
            self._told.send(self._kept[-1])
        elif links:  # from the newest, a seed infers the age of the others
            self._told = links[0]
            self._told.send(b"".join(reversed(self._kept)))

    def entries(self) -> list[grammar.Entry]:
        """Return what this peer reports of its neighbours in the period that ends."""
        return self.watch.entries()

    # What seeds say, and two signatures prove.

    def on_kick(self, link: ProvenLink, peer: Address, badness: float, seconds: float) -> None:
        if peer != self.address:
            self._shut(peer, "kicked", seconds)
        else:  # seeds and peers refuse this peer from now on
            self.output.write(f"kicked:{link.remote}:{badness:.3f}")

    def on_unconfirmed(self, link: ProvenLink, peer: Address) -> None:
        """A neighbour never names this peer in its reports, so it cannot be judged."""
        if peer != self.address and self._shut(peer, "unconfirmed", self.settings.ban):
            self.output.write(f"unconfirmed:{peer}")

    def _shut(self, peer: Address, why: str, seconds: float) -> bool:
        """Refuse a peer, for this peer's own ban at most, and no shorter than before; return
        whether it was not refused."""
        now, before = self.now(), self._shut_out.get(peer, (0.0, ""))
        is_news = before[0] <= now
        self._shut_out[peer] = max(before, (now + min(seconds, self.settings.ban), why))
        self.peer_list.discard(peer)
        if self.neighbours.rows.get(peer) is not None:
            self.unlink(peer, why)
        return is_news

    def contradicted(self, one: signing.Signed, other: signing.Signed) -> None:
        """Tell all seeds of two lines that a genuine run has signed."""
        if one.run not in self._cheats:
            evidence = contradiction_of(one, other)
            self._condemn(evidence)
            for link in self.registrations.links():
                link.send(grammar.say("contradiction", evidence))

    def on_contradiction(self, link: ProvenLink, evidence: Contradiction) -> None:
        """A seed tells of two signatures. They say something about this run alone, whoever is at
        its address."""
        if evidence.run not in self._cheats and evidence.run != self.run.encode():
            if not evidence.is_true():
                raise ProtocolError("a contradiction that nobody has signed")
            self._condemn(evidence)

    def _condemn(self, evidence: Contradiction) -> None:
        """Refuse a run from now on, and judge nobody by it."""
        self._cheats[evidence.run] = True
        self.output.write(f"contradiction:{evidence.text}")
        self.watch.contradicted(evidence.run)
        for link in self.neighbours.links:
            if link.run == evidence.run:
                self._shut(link.peer, "contradicted itself", self.settings.ban)
