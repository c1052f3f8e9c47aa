"""A seed: a registry that lists verified peers, and removes dead ones.

A seed believes nobody. Before it lists an address or calls it dead, it probes it over a connection
of its own (gossip/liveness/prober.py), and the verdict comes by a call. How a peer is listed stands
in gossip/registering/admission.py, the list in registry.py beside it; the threads are told in
gossip/README.md. A seed keeps nothing on disk but its output file, and does not gossip.
"""

from gossip.programs import import_quietly

if __name__ == "__main__":
    import_quietly()

import functools
import itertools
import math
import random
import sys
import weakref

from gossip import wire
from gossip.addresses import Address, Target, sample
from gossip.liveness.prober import LAST, USUAL, probers
from gossip.monitoring.deciding import Deciding
from gossip.monitoring.keeping import Keeping
from gossip.node.link import Link
from gossip.node.node import WAITING, Node
from gossip.node.output_file import OutputFile
from gossip.node.part import Part
from gossip.overlay import ring
from gossip.overlay.places import ShutOut
from gossip.programs.seed_program import seed_main
from gossip.registering.admission import REGISTERED, Admission
from gossip.registering.registry import Listing, Registry, Removal
from gossip.settings import LATE_FOR, Settings
from gossip.signing.vouching import Vouching
from gossip.tools import Rate

SILENT_ROUNDS = 3  # rounds without a byte from a registered peer, which is then probed
LONG_LIST = 500  # peers; of a longer list an asker is sent a sample: its successors on the ring,
OTHERS_SENT = 100  # and so many others at random
SAID_TO_SEEDS = {"ask_peer_list", "dead_node", "leave"}
QUICK_AT_ONCE = 256  # quick looks under way in each lane
REPORTS_READ = 1_000  # dead reports of registered peers in a second; more are only counted
REPORTS_OF_ONE = 100  # that a registered peer may make in a second; it has fewer links
REPORTERS = 100_000  # whose numbers of reports are remembered: more than a seed lists
STRANGERS_READ = 50  # dead reports of other seeds in a second, and of anybody else
LOOK_PAUSE = 1.0  # seconds between two lookups of the names of other seeds
UNTRUE = "a report of the death of a peer that answers"  # an offence, where seeds monitor
UNTRUE_LIMIT, UNTRUE_PERIODS = 3, 8  # untrue reports, and periods within which they are too many
RELAY = "a seed that is told"  # the role of a connection to another seed
AT_ONCE = 25  # lines told over one connection
RELAY_PAUSE = 1.0  # seconds between two connections to a seed
WAITING_LIMIT = 2_500  # lines that wait for one seed; more are only counted
TOLD = "told"  # why a connection ends over which lines were sent


class Seed(Node):
    """A seed, known by the address that it listens on."""

    kind = "seed"
    ANSWERS = {WAITING: SAID_TO_SEEDS, REGISTERED: SAID_TO_SEEDS}

    def __init__(self, address: Address, seeds: list[Target], settings: Settings,
                 output: OutputFile, world, rng: random.Random | None = None):
        super().__init__(address, settings, output, world, seeds)
        self.rng = rng or random.Random()
        self.others = [seed for seed in seeds if seed != address]
        self.registry = Registry(settings, output.write)
        self.probers = probers(self.probe, self.now, settings.probe_tries, settings.probes_at_once,
                               settings.quick_look, QUICK_AT_ONCE, settings.probe_limit)
        self.relays = Relays(self, self.others)
        self.vouching = Vouching(self, self.probers[LAST].ask)
        self.keeping = Keeping(self, seeds)
        self.seed_links = self.keeping.links
        self.deciding = Deciding(self, self.keeping)
        self.admission = Admission(self)
        self._from_peers = Rate(REPORTS_READ)
        self._from_one = Rate(REPORTS_OF_ONE, keys=REPORTERS)
        self._least_from_one = Rate(1, keys=REPORTERS)  # though other peers report too much
        self._from_seeds, self._old_from_seeds, self._from_others = (
            Rate(STRANGERS_READ) for _ in range(3))
        self._disbelieved = ShutOut({UNTRUE: UNTRUE_LIMIT if settings.monitor else 0}, settings.ban,
                                    UNTRUE_PERIODS * settings.report_interval)
        self.made_of(self.admission, self.relays, self.vouching, self.keeping, self.seed_links,
                     self.deciding)
        self._look_at = 0.0  # when to look for silent peers again
        self._looked_at = -math.inf  # when the names of other seeds were looked up last

    def settings_shown(self) -> str:
        return f"seeds={len(self.others) + 1}"

    def start_threads(self) -> None:
        self.world.begin()  # the listener and the link flusher
        self.lookout = self.keep("lookout", self.look_after_registrations)
        if self.settings.monitor:
            self.seed_links.duty = self.keep("seed links", self.seed_links.dial_missing)
            self.keep("monitoring", self.monitor, after=self.settings.report_interval)

    def on_ask_peer_list(self, link: Link, message: wire.Bare) -> None:
        """Send the list, or a sample of it, without the asker."""
        listed, asker = self.registry.addresses(), link.peer
        told = listed
        if len(listed) > LONG_LIST:  # what a peer needs for its ring link, and enough to draw from
            next_after = ring.successors(asker, listed) if asker is not None else ()
            told = sorted({*sample(listed, OTHERS_SENT, self.rng),
                           *itertools.islice(next_after, ring.SUCCESSORS_SENT)})
        link.send(wire.peer_list([address for address in told if address != asker]))
        others = len(listed) - 1
        row = self.registry.row(asker, link)
        if row is not None and row.others != others:
            row.others = others
            self.output.write(f"peer list:{asker}:{others}")

    # Deaths.

    def sift(self, link: Link, lines: list[bytes]) -> list[bytes]:
        """Look up the names of seeds if a stranger reports a death."""
        places = self.whereabouts
        if (places.names and link.role == WAITING and link.remote_ip not in places.ips
                and any(line.startswith(b"Dead Node:") for line in lines)
                and self.now() - self._looked_at >= LOOK_PAUSE):
            found = self.world.look_up(places.names)
            with self.turn:
                places.update(found)
                self._looked_at = self.now()
        return lines

    def on_dead_node(self, link: Link, message: wire.DeadNode) -> None:
        """Find out whether a peer is dead, as another node says."""
        now, dead = self.now(), message.dead
        is_peer, is_seed = link.role == REGISTERED, link.remote_ip in self.whereabouts.ips
        row, removal = self.registry.row(dead), self.registry.removal(dead, now)
        old = removal is not None and removal.was_told(now)
        budget = (self._from_peers if is_peer else self._from_others if not is_seed
                  else self._old_from_seeds if old else self._from_seeds)
        reporter = self.registry.row(link.peer)  # a peer without a row has only the budget of all
        if (is_peer and (self._disbelieved.reason(link.peer, now) is not None
                         or reporter is not None and not self._from_one.spend(now, key=link.peer))
                or not (budget.spend(now) or is_peer and None not in (row, reporter)
                        and self._least_from_one.spend(now, key=link.peer))):
            self.counters.add("dead reports not looked at")
            return
        self.output.write(f"dead report:{message.line}")
        if is_peer and not (reporter and reporter.link is link and message.reporter == link.peer):
            self._reject(message, "not the reporter's own registration")
        elif not (is_peer or is_seed):
            self._reject(message, "neither a registered peer nor a seed")
        elif row is None and removal is None:
            self._reject(message, "not registered here")
        elif removal is None or not (removal.passed_on if is_peer else old):  # else it is old news
            self._probe(dead, row, functools.partial(self._judge_report, message, row, is_peer))

    def _was_untrue(self, reporter: Address, now: float) -> None:
        """Ignore a peer for a while whose reports prove untrue."""
        if (self._disbelieved.reason(reporter, now) is None
                and self._disbelieved.note(reporter, UNTRUE, 1, now) is not None):
            self.output.write(f"disbelieved:{reporter}")

    def _reject(self, report: wire.DeadNode, reason: str) -> None:
        self.output.write(f"rejected:{report.line}:{reason}")

    def _judge_report(self, report: wire.DeadNode, row: Listing | None, is_peers: bool,
                      alive: bool | None, again: bool = False) -> None:
        """Judge a report after the probe. Only a registered peer's report is told to other seeds.
        If nothing was found out, probe `again`, because nobody repeats a report."""
        now = self.now()
        if alive and is_peers and not again:
            self._was_untrue(report.reporter, now)
        if alive is not False:
            if not again:
                self._reject(report, "it answers" if alive else "too busy to find out")
            if alive is None and row is not None and not row.is_doubted:
                self._probe_later(row, functools.partial(self._judge_report, report, row, is_peers,
                                                         again=True))
            return
        self.registry.remove(row, "dead", now)
        removal = self.registry.removal(report.dead, now)
        if not is_peers:
            if removal is not None and not removal.was_told(now):
                self._tell_peers(report, removal)
        elif removal is None:
            self._reject(report, "not registered here")
        elif not removal.passed_on:
            removal.passed_on = True
            self._tell_peers(report, removal)
            self.relays.tell(wire.dead_node(*report))

    def _probe_later(self, row: Listing, verdict) -> None:
        """Probe a peer again, because this seed was busy or late."""
        def probe():
            row.is_doubted = False
            if self.registry.row(row.address) is row:
                self._probe(row.address, row, verdict)

        row.is_doubted = True
        self.flusher.take_over(probe, LATE_FOR)

    def _tell_peers(self, report: wire.DeadNode, removal: Removal) -> None:
        """Tell all registered peers of a death. Write that down once per removal."""
        if removal.told == -math.inf:
            self.output.write(f"passed on:{report.line}")
        removal.told, line = self.now(), wire.dead_node(*report)
        for link in self.registry.links():
            link.send(line)

    def on_leave(self, link: Link, message: wire.Leave) -> None:
        if link in self.admission.newcomers:
            link.close("left")
        elif not self.registry.remove(self.registry.row(message.address, link), "left", self.now()):
            self.counters.add("leaves in the name of others")

    # Lost and silent connections.

    def on_end(self, link: Link) -> None:
        """Probe a registered peer whose connection broke, because it may return."""
        row = self.registry.row(link.peer, link) if link.role == REGISTERED else None
        if row is not None:
            row.link = None
            self._probe_lost(row)

    def _probe(self, address: Address, row: Listing | None, verdict) -> None:
        """Probe a peer that was reported or lost, the first listed first."""
        self.probers[USUAL].ask(address, verdict, since=math.inf if row is None else row.since)

    def _probe_lost(self, row: Listing) -> None:
        self._probe(row.address, row, functools.partial(self._judge_lost, row))

    def _judge_lost(self, row: Listing, alive: bool | None) -> None:
        """Remove a peer that is gone. If it lives, give it some time to come back."""
        if alive is False:
            self.registry.remove(row, "gone", self.now())
        elif alive:
            outstayed = functools.partial(self._outstayed, weakref.ref(row))
            self.flusher.take_over(outstayed, self.settings.grace)
        else:
            self._probe_later(row, functools.partial(self._judge_lost, row))

    def _outstayed(self, lost: weakref.ref) -> None:
        """Remove a peer that has not come back in time. A late seed probes it again instead,
        because the peer may have come back, and nobody has looked yet."""
        row = lost()  # None once the peer has registered again, because then nobody needs the row
        if row is not None and self.registry.row(row.address) is row and self.is_late():
            self.withhold()
            self._probe_later(row, functools.partial(self._judge_lost, row))
        else:
            self.registry.remove(row, "gone", self.now())

    def look_after_registrations(self, now: float) -> float:
        """Write once a round that it is up; probe silent peers."""
        if self._look_at <= now:
            interval = self.settings.liveness_interval
            self._look_at = now + interval
            self.output.note(f"alive:{interval:g}")
            for row in self.registry.silent(now - SILENT_ROUNDS * interval, now):
                self._probe(row.address, row,
                            functools.partial(self._judge_silent, row, row.link))
        return self._look_at

    def _judge_silent(self, row: Listing, link: Link, alive: bool | None) -> None:
        """Judge a silent peer after its probe, unless `_judge_lost` will, as its connection broke.
        Say something to a peer that lives, so that a connection breaks whose end is dead."""
        twice, stands = row.probed(alive), self.registry.row(row.address, link) is row
        if stands and twice:
            self.registry.remove(row, "gone", self.now())
        elif stands and alive:
            row.known_alive = self.now()
            link.send(wire.REGISTERED)

    def monitor(self, now: float) -> float:
        self.keeping.turn(now)
        self.deciding.turn(now)
        return now + self.settings.report_interval

    def status(self) -> dict[str, object]:
        with self.turn:
            return {"address": str(self.address), "registered": len(self.registry.addresses()),
                    **self.counts()}


class Relays(Part):
    """The lines of a seed that wait for other seeds. To each seed there is one connection at a time
    with a limited number of lines, because it reads a limited number of reports in a second."""

    def __init__(self, node: Seed, seeds: list[Target]):
        self._node = node
        self._lines: dict[Target, list[bytes]] = {seed: [] for seed in seeds}
        self._under_way: set[Target] = set()  # seeds with a connection, or a pause after one

    def tell(self, line: bytes) -> None:
        """Tell every other seed a line, in its turn."""
        for seed, lines in self._lines.items():
            if len(lines) >= WAITING_LIMIT:
                self._node.counters.add("reports too many for another seed")
                continue
            lines.append(line)
            if seed not in self._under_way:
                self._dial(seed)

    def _dial(self, seed: Target) -> None:
        if self._lines[seed]:
            self._under_way.add(seed)
            self._node.dial(self._node.new_link(RELAY, seed), "relay")
        else:
            self._under_way.discard(seed)

    def on_up(self, link: Link) -> None:
        if link.role == RELAY:
            lines = self._lines[link.target]
            link.send(b"".join(lines[:AT_ONCE]))
            del lines[:AT_ONCE]
            link.close(TOLD)

    def on_end(self, link: Link) -> None:
        """Dial again after a pause. The lines are lost if the seed was not reached."""
        if link.role == RELAY:
            lines = self._lines[link.target]
            if link.reason != TOLD:
                self._node.output.write(f"not told:{link.peer}:{link.reason}")
                self._node.counters.add("reports that another seed could not be told", len(lines))
                lines.clear()
            dial = functools.partial(self._dial, link.target)
            self._node.flusher.take_over(dial, after=RELAY_PAUSE)


def command() -> int:  # of `pip install`, too
    return seed_main(Seed)


if __name__ == "__main__":
    sys.exit(command())
