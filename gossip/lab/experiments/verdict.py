"""The verdict on a virtual network, by the tables of its nodes.

The proof (lab/proof/) knows no more than the files say. The judge here knows the truth, because it
hears every event when it is written, and looks into the tables of all nodes when these have rested
for nine rounds and 80 seconds.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gossip.addresses import Address, parse_address
from gossip.lab.experiments.accidents import Conditions
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.monitoring.verdicts import THRESHOLD
from gossip.settings import majority
from gossip.signing.confirming import ANSWER_LIMIT
from gossip.wire import parse as parse_line

REST_ROUNDS, REST = 9, 80.0  # liveness rounds and seconds between the unrest and the verdict
MEND_ROUNDS, MEND = 10, 6.0  # the same until a network without seeds must be one piece again
LOOKS = 5.0  # seconds between the two looks at states that should not last
SPEAKERS = 3  # peers that say something after the rest
HOPS = 12  # links on the way of a message to the last peer, at most
MEANWHILE = "while it happened"  # the question that is asked all the time
QUIET_ROUNDS = 8  # rounds before the verdict in which nothing may change
SPIN = 20.0  # turns a second above which a duty spins
STIRS = {"connected", "disconnected", "liveness missed", "unregistered"}  # events of unrest
FORGOTTEN = 1.0  # seconds from the end of a link until its state is gone
PASSED_ON = 12.0  # seconds from a report until the seed has probed and told other seeds
STANDING = {"a neighbour", "a seed", "a registered peer"}  # roles of links that may stay


class Fault(NamedTuple):
    """A fault in words."""

    question: str  # that has found it
    text: str

    def __str__(self) -> str:
        return f"{self.question}: {self.text}"


class Judge:
    """The judge of a network, which notes all faults."""

    def __init__(self, network: VirtualNetwork):
        self.network = network
        self.faults: list[Fault] = []
        self._stirred: tuple[float, str] = (0.0, "nothing")  # the last event of unrest
        self._misses: dict[tuple, int] = {}  # (peer, neighbour) -> misses in a row
        self._reports: dict[tuple, float] = {}  # (seed, dead) -> when it last heard of the death
        self._removals: dict[tuple, float] = {}  # (life of a seed, peer) -> when it last removed it
        self._rejected: set[tuple] = set()  # (seed, dead): it rejected the last report
        # (life of a seed, dead) -> when a peer first reported it
        self._to_pass_on: dict[tuple, float] = {}
        self._met: dict[tuple, None] = {}  # (life, that of its neighbour), of each end of a link
        network.hear = self.heard

    def ask(self, question: str, wrong: Iterable[str]) -> None:
        """Note the faults that a question has found."""
        self.faults += [Fault(question, words) for words in wrong]

    # While it happens.

    def heard(self, address: Address, event: str) -> None:
        kind, _, rest = event.partition(":")
        if kind in STIRS:
            self._stirred = self.network.time.now, f"{address} wrote {event}"
        if judge := getattr(self, f"on_{kind.replace(' ', '_')}", None):
            judge(address, rest, event)

    def _wrong(self, address: Address, event: str, why: str) -> None:
        self.ask(MEANWHILE, [f"at {self.network.time.now:.3f} {address} wrote {event}: {why}"])

    def on_failed(self, address: Address, rest: str, event: str) -> None:
        self._wrong(address, event, "no thread may fail")

    def on_refused(self, address: Address, rest: str, event: str) -> None:
        if "expected" in rest:
            self._wrong(address, event, "nobody here breaks the rules")

    def on_connected(self, address: Address, rest: str, event: str) -> None:
        self._met[self.network.life(address), self.network.life(parse_address(rest))] = None

    def on_disconnected(self, address: Address, rest: str, event: str) -> None:
        """Check that of two links the smaller address's own stays."""
        now = self.network.time.now
        self.network.time.at(now + FORGOTTEN, self._has_dropped_offers, address, now)
        peer, duplicate, _ = rest.partition(":duplicate")
        row = self.network.nodes[address].neighbours.row(parse_address(peer)) if duplicate else None
        if row and row.link is not None and row.dialler != min(address, parse_address(peer)):
            self._wrong(address, event, "the link that the larger address dialled stays")

    def _has_dropped_offers(self, address: Address, ended: float) -> None:
        """Check that a peer has forgotten the offers of an ended link."""
        node = self.network.nodes.get(address)
        if node is None or node.world.is_frozen() or self.network.troubled[address] >= ended:
            return
        self.ask(MEANWHILE, [f"{address} keeps an offer of {link.peer} {FORGOTTEN:.0f} s after the "
                             f"end of that link, at {ended:.3f}"
                             for link in node.spreading.anti_entropy.catch_up.offering()
                             if link.ended])

    def on_liveness_reply(self, address: Address, rest: str, event: str) -> None:
        self._misses[address, rest.rpartition(":")[0]] = 0

    def on_liveness_missed(self, address: Address, rest: str, event: str) -> None:
        """Check that misses are counted in a row. A suspect may miss its last round anew."""
        peer, _, text = rest.rpartition(":")
        count, limit = int(text), self.network.settings.liveness_misses
        before = self._misses.get((address, peer), 0)
        if count not in (1, before + 1) and not count == before == limit:
            self._wrong(address, event, "it has answered since")
        self._misses[address, peer] = count
        if count == limit:
            self._blamed(address, parse_address(peer), event)

    def on_dead(self, address: Address, rest: str, event: str) -> None:
        self._blamed(address, parse_address(rest), event)

    def on_dead_report(self, address: Address, rest: str, event: str) -> None:
        """Expect a seed to pass on the report of a listed peer."""
        report, now = parse_line(rest.encode()), self.network.time.now
        self._reports[address, report.dead] = now
        if self.network.nodes[address].registry.row(report.reporter) is not None:
            self._rejected.discard((address, report.dead))
            died = self.network.troubled[report.dead]
            about = self.network.life(address), report.dead
            if self._to_pass_on.get(about, -1.0) < died:
                self._to_pass_on[about] = now
                self.network.time.at(now + PASSED_ON, self._has_passed_on, address, report.dead,
                                     died, now)

    def on_rejected(self, address: Address, rest: str, event: str) -> None:
        report = parse_line(":".join(rest.split(":")[:6]).encode())
        self._rejected.add((address, report.dead))

    def on_passed_on(self, address: Address, rest: str, event: str) -> None:
        """Note that this seed knows of a death."""
        self._reports[address, parse_line(rest.encode()).dead] = self.network.time.now

    def _has_passed_on(self, seed: Address, dead: Address, died: float, reported: float) -> None:
        """Check that a seed has passed on a death that it believed."""
        network = self.network
        if (dead in network.nodes or network.troubled[dead] > died or (seed, dead) in self._rejected
                or self._removals.get((network.life(seed), dead), -1.0) < died):
            return  # it was only cut off, or lived on; or it was removed and passed on before
        self.ask(MEANWHILE, [
            f"{seed} heard at {reported:.3f} that {dead} is dead, removed it, has not told {other}"
            for other in network.seeds
            if other != seed and network.undisturbed_since(seed, other) < reported
            and self._reports.get((other, dead), -1.0) < died])

    def on_removed(self, address: Address, rest: str, event: str) -> None:
        """Check that a seed removes a living peer only for a reason."""
        if ":malicious:" in rest:
            return  # the proof tells whether it is
        peer, _, reason = rest.rpartition(":")
        accused = parse_address(peer)
        self._removals[self.network.life(address), accused] = self.network.time.now
        node = self.network.nodes.get(accused)
        if node is not None and reason != "left" and (reason == "dead" or any(
                link.peer == address and not link.ended for link in node.joining.links())):
            self._blamed(address, accused, event)

    def on_judged(self, address: Address, rest: str, event: str) -> None:
        """Check that nobody is found bad where nobody attacks."""
        for word in () if self.network.hostile else rest.split():
            if float(word.partition("=")[2]) > THRESHOLD:
                self._wrong(address, f"judged:{word}", "nobody attacks")

    def _blamed(self, finder: Address, accused: Address, event: str) -> None:
        """Check that a node called dead has been out of reach."""
        network, settings = self.network, self.network.settings
        patience = ((settings.liveness_misses + 2) * settings.liveness_interval
                    + settings.probe_tries * settings.probe_limit)
        if network.time.now - network.undisturbed_since(finder, accused) > patience:
            self._wrong(finder, event, "it lives, and could be reached since "
                                       f"{network.in_reach_since(finder, accused):.3f}")

    # After the rest.

    def rest(self, conditions: Conditions) -> None:
        """Let the network rest, and ask every question."""
        time, round_ = self.network.time, conditions.liveness_interval
        end = time.now
        turns = {duty: duty.turns for node in self.network.nodes.values()
                 for duty in node.world.duties}
        if not self.network.living_seeds():
            time.run(end + MEND_ROUNDS * round_ + MEND)
            self.ask("pieces", self.pieces())
        time.run(end + REST_ROUNDS * round_ + REST)
        first = self.look()
        time.run(time.now + LOOKS)
        self.ask("left over", [words for what, words in self.look().items() if what in first])
        at, event = self._stirred
        if time.now - at < QUIET_ROUNDS * round_:
            self.ask("quiet", [f"no rest: at {at:.3f} {event}"])
        self.ask("quiet", [f"{duty.label} took {duty.turns - before} turns in the rest"
                           for duty, before in turns.items()
                           if duty.turns - before > SPIN * (time.now - end)])
        for question in self.pieces, self.links, self.registrations, self.lists, self.messages:
            self.ask(question.__name__, question())
        self._speak(conditions)

    def _speak(self, conditions: Conditions) -> None:
        """Check that new messages arrive everywhere in the time of HOPS links."""
        network, time = self.network, self.network.time
        expected = []  # (peer, messages that it has to have then)
        for peers in network.in_pieces():
            speakers = peers[:SPEAKERS]
            expected += [(peer, peer.messages.count() + len(speakers)) for peer in peers]
            for peer in speakers:
                network.say(peer.address, ["after the rest"])
        way = 2 * conditions.latency + conditions.jitter + 2 * conditions.lag
        if conditions.sign and len(network.honest_seeds()) < majority(conditions.seeds):
            way += ANSWER_LIMIT + network.settings.probe_limit  # runs have to prove themselves
        rumor = conditions.spread == "rumor"  # it may die, and come by anti-entropy
        time.run(time.now + 1.0 + HOPS * way
                 + (4 * conditions.antientropy_interval if rumor else 0.0))
        self.ask("after the rest", [
            f"{peer.address} has {peer.messages.count()} messages, not {count}"
            for peer, count in expected if peer.messages.count() != count])

    def look(self) -> dict[tuple, str]:
        """Return states that should not last, in words, by (kind, object)."""
        found = {}
        for address, node in sorted(self.network.nodes.items()):
            for link in node.links():
                state = "ended" if link.ended else link.role
                if state not in STANDING:
                    found["link", link] = f"{address} keeps a link to {link.peer}: {state}"
        for node in self.network.peers():
            peer = node.address
            for link in node.spreading.anti_entropy.catch_up.offering():
                if link not in node.neighbours.links():
                    found["offer", link] = f"{peer} keeps an offer of {link.peer}, no neighbour"
            for other in node.neighbours.dialling():
                if not any(link.peer == other for link in node.links()):
                    found["dial", peer, other] = f"{peer} dials {other} without a link"
            if node.linking.admitting.checks:
                found["check", node] = f"{peer} checks a standing link"
            if not node.spreading.way.all_sent():
                found["rumor", node] = f"{peer} still tells rumors"
            if node.neighbours.lost():
                found["counted", node] = f"liveness of {peer} counts others than its neighbours"
        for seed in self.network.living_seeds():
            for address in seed.registry.addresses():
                row = seed.registry.row(address)
                if row.probed_at is not None:
                    found["probe", row, row.probed_at] = f"{seed.address} still probes {address}"
        return found

    def pieces(self) -> list[str]:
        """Check that the living are in one piece."""
        graph = self.network.graph()
        if self.network.living_seeds():
            return [f"the peers are in {len(graph)} pieces"] if len(graph) > 1 else []
        # without seeds newcomers find nobody, so only peers that met in these lives must be joined
        lives = {self.network.life(peer.address) for peer in self.network.peers()}
        return [f"{one} and {other} were neighbours, and are in different pieces"
                for (one, life), (other, its_life) in self._met
                if {(one, life), (other, its_life)} <= lives and not graph.joined(one, other)
                and ((other, its_life), (one, life)) in self._met]

    def links(self) -> Iterator[str]:
        """Check that every link is the same at both ends."""
        peers = {node.address: node for node in self.network.peers()}
        for node in peers.values():
            for address in node.neighbours.addresses():
                link = node.neighbours.link(address)
                back = address in peers and peers[address].neighbours.link(node.address)
                if not back or not link.connection.leads_to(back.connection):
                    yield f"{node.address} has a link to {address}, which has not"

    def messages(self) -> list[str]:
        """Check that all peers of a piece have seen the same messages."""
        return [f"messages differ: {', '.join(f'{p.address} {p.messages.count()}' for p in peers)}"
                f"; of {', '.join(runs)}" for peers in self.network.in_pieces()
                if (runs := _runs_that_differ(self.network, peers))]

    def registrations(self) -> Iterator[str]:
        """Check that peers are registered with a majority, or all living seeds."""
        seeds = {node.address: node for node in self.network.living_seeds()}
        wanted = min(majority(len(self.network.seeds)), len(seeds))
        for node in self.network.peers():
            links = [link for link in node.joining.links() if not link.ended]
            if len(links) != wanted:
                yield f"{node.address} is registered with {len(links)} seeds of {wanted}"
            for link in links:
                row = seeds[link.peer].registry.row(node.address) if link.peer in seeds else None
                back = row and row.link
                if not back or not link.connection.leads_to(back.connection):
                    yield (f"{node.address} is registered with {link.peer}, "
                           "which does not list it over this connection")

    def lists(self) -> Iterator[str]:
        """Check that seeds list only living peers, and that peers know them."""
        living = {node.address for node in self.network.peers()}
        seeds = self.network.living_seeds()
        for seed in seeds:
            for address in sorted(seed.registry.addresses()):
                if address not in living:
                    yield f"seed {seed.address} lists {address}, which does not live"
                elif seed.registry.row(address).link is None:
                    yield f"seed {seed.address} lists {address} without a connection"
        for node in self.network.peers() if seeds else ():
            known = set(node.peer_list.addresses())
            unknown = living - known - {node.address}
            for what, others in ("knows", known - living), ("does not know", unknown):
                if others:
                    yield f"{node.address} {what} {', '.join(map(str, sorted(others)))}"


def _runs_that_differ(network: VirtualNetwork, peers: list) -> list[str]:
    """Return the runs whose messages differ among joined peers without an excuse. Where gossip is
    signed, a run that has ended cannot prove itself, and restarted seeds do not know it, so its
    messages stay with peers that took them before."""
    seen = {peer.address: peer.messages.seen() for peer in peers}
    runs = [run for run in sorted({run for one in seen.values() for run in one})
            if any(one.get(run) != seen[peers[0].address].get(run) for one in seen.values())]
    return [run.decode() for run in runs
            if not network.settings.sign or network.is_vouched_for(run)
            or any(peer.confirming.is_known(run)  # so it takes what it lacks
                   and peer.messages.lacking([(run, seen[other][run])])
                   for peer in peers for other in peer.neighbours.addresses()
                   if run in seen.get(other, ()))]
