"""The verdict on a virtual network: whether it healed, by what its nodes know of one another.

The proof (lab/proof/) reads files and knows no more than they say. This judge knows the truth: it
hears every event when it is written, and looks into the tables of all nodes when they have had a
rest. What is wrong while it happens is noted in `faults`; other methods return it, in words.
"""

from gossip.addresses import Address, parse_address
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.lab.proof.graph import Pieces
from gossip.settings import majority
from gossip.wire import parse as parse_line

QUIET_ROUNDS = 8  # rounds before the verdict in which nothing may change
SPIN = 20.0  # turns of a duty per second: above this it spins, for all of a rest
STIRS = {"connected", "disconnected", "liveness missed", "unregistered"}  # events of unrest
FORGOTTEN = 1.0  # seconds from the end of a link until what belonged to it is gone
PASSED_ON = 12.0  # seconds from a report until the seed has probed, and told others of the death
BAD = 0.10  # badness of a peer, above which it is charged
STANDING = {"a neighbour", "a seed", "a registered peer"}  # roles of links that may stay


class Judge:
    """Hears what happens in one network, and says what is wrong."""

    def __init__(self, network: VirtualNetwork):
        self.network = network
        self.faults: list[str] = []  # what was wrong while it happened
        self._stirred: tuple[float, str] = (0.0, "nothing")  # the last event of unrest
        self._misses: dict[tuple, int] = {}  # (peer, neighbour) -> misses in a row
        self._reports: dict[tuple, float] = {}  # (seed, dead) -> when it heard of the death last
        self._removals: dict[tuple, float] = {}  # (seed, peer) -> when it was removed last
        self._rejected: dict[tuple, None] = {}  # (seed, dead): it did not believe the last report
        self._to_pass_on: dict[tuple, float] = {}  # (seed, dead) -> when a peer reported it first
        self._met: dict[tuple, None] = {}  # pairs of lives that were neighbours
        self._rest_began = 0.0
        self._turns: dict = {}  # duty -> turns when the rest began
        network.hear = self.heard

    # While it happens.

    def heard(self, address: Address, event: str) -> None:
        """Judge an event that a node has written."""
        kind, _, rest = event.partition(":")
        if kind in STIRS:
            self._stirred = self.network.time.now, f"{address} wrote {event}"
        judge = getattr(self, f"on_{kind.replace(' ', '_')}", None)
        if judge is not None:
            judge(address, rest, event)

    def _wrong(self, address: Address, event: str, why: str) -> None:
        self.faults.append(f"at {self.network.time.now:.3f} {address} wrote {event}: {why}")

    def on_started(self, address: Address, rest: str, event: str) -> None:
        """Forget a seed's earlier life, of which it knows nothing."""
        for known in self._removals, self._to_pass_on:
            for key in [key for key in known if key[0] == address]:
                del known[key]

    def on_failed(self, address: Address, rest: str, event: str) -> None:
        self._wrong(address, event, "no thread may fail")

    def on_refused(self, address: Address, rest: str, event: str) -> None:
        if "expected" in rest:
            self._wrong(address, event, "nobody here breaks the rules")

    def on_connected(self, address: Address, rest: str, event: str) -> None:
        life = self.network.life
        self._met[life(address), life(parse_address(rest))] = None

    def on_disconnected(self, address: Address, rest: str, event: str) -> None:
        """The link that the smaller address has dialled stays, of two of a pair."""
        now = self.network.time.now
        self.network.time.at(now + FORGOTTEN, self._has_dropped_offers, address, now)
        peer, _, reason = rest.partition(":duplicate")
        if peer == rest:
            return
        other = parse_address(peer)
        row = self.network.nodes[address].neighbours.row(other)
        if row is not None and row.link is not None and row.dialler != min(address, other):
            self._wrong(address, event, "the link that the larger address dialled stays")

    def _has_dropped_offers(self, address: Address, ended: float) -> None:
        """A peer that was up and not frozen since a link has ended keeps no offer of it."""
        node = self.network.nodes.get(address)
        if node is None or node.world.is_frozen() or self.network.troubled[address] >= ended:
            return
        for link in node.spreading.anti_entropy.catch_up.offering():
            if link.ended:
                self.faults.append(f"{address} keeps an offer of {link.peer} {FORGOTTEN:.0f} s "
                                   f"after the end of that link, at {ended:.3f}")

    def on_liveness_reply(self, address: Address, rest: str, event: str) -> None:
        self._misses[address, rest.rpartition(":")[0]] = 0

    def on_liveness_missed(self, address: Address, rest: str, event: str) -> None:
        """Misses are counted in a row: one more than before, or from 1 on; a suspect whose last
        probe has found nothing out misses its last round anew."""
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
        """A seed passes a death on once, which a peer that it lists has reported."""
        report, now = parse_line(rest.encode()), self.network.time.now
        about = address, report.dead
        self._reports[about] = now
        if self.network.nodes[address].registry.row(report.reporter) is not None:
            self._rejected.pop(about, None)
            died = self.network.troubled[report.dead]
            if self._to_pass_on.get(about, -1.0) < died:
                self._to_pass_on[about] = now
                self.network.time.at(now + PASSED_ON, self._has_passed_on, *about, died, now)

    def on_rejected(self, address: Address, rest: str, event: str) -> None:
        dead = parse_line(":".join(rest.split(":")[:6]).encode()).dead
        self._rejected[address, dead] = None

    def on_passed_on(self, address: Address, rest: str, event: str) -> None:
        """Nobody has to tell a seed of a death that has believed a report."""
        self._reports[address, parse_line(rest.encode()).dead] = self.network.time.now

    def _has_passed_on(self, seed: Address, dead: Address, died: float, reported: float) -> None:
        """A seed that believed a report has told every other seed that it could reach."""
        network = self.network
        if (dead in network.nodes or network.troubled[dead] > died or (seed, dead) in self._rejected
                or self._removals.get((seed, dead), -1.0) < died):
            return  # it was only cut off, or lived on; or it was removed and passed on before
        for other in network.seeds:
            if (other != seed and network.undisturbed_since(seed, other) < reported
                    and self._reports.get((other, dead), -1.0) < died):
                self.faults.append(f"{seed} heard at {reported:.3f} that {dead} is dead, removed "
                                   f"it, and has not told {other}")

    def on_removed(self, address: Address, rest: str, event: str) -> None:
        """If it lives, it must have been out of reach, or have gone elsewhere."""
        if ":malicious:" in rest:
            return  # the proof tells whether it is
        peer, _, reason = rest.rpartition(":")
        accused = parse_address(peer)
        self._removals[address, accused] = self.network.time.now
        node = self.network.nodes.get(accused)
        if node is not None and reason != "left" and (reason == "dead" or any(
                link.peer == address and not link.ended for link in node.joining.links())):
            self._blamed(address, accused, event)

    def on_judged(self, address: Address, rest: str, event: str) -> None:
        """Where nobody attacks, nobody is found bad."""
        for word in () if self.network.hostile else rest.split():
            if float(word.partition("=")[2]) > BAD:
                self._wrong(address, f"judged:{word}", "nobody attacks")

    def _blamed(self, finder: Address, accused: Address, event: str) -> None:
        """A node calls another dead: it must not have been in reach all the time."""
        network, settings = self.network, self.network.settings
        patience = ((settings.liveness_misses + 2) * settings.liveness_interval
                    + settings.probe_tries * settings.probe_limit)
        if network.time.now - network.undisturbed_since(finder, accused) > patience:
            self._wrong(finder, event, "it lives, and could be reached since "
                                       f"{network.in_reach_since(finder, accused):.3f}")

    # After the rest.

    def begin_rest(self) -> None:
        """Count the turns of all duties from now on."""
        self._rest_began = self.network.time.now
        self._turns = {duty: duty.turns for node in self.network.nodes.values()
                       for duty in node.world.duties}

    def look(self) -> dict[tuple, str]:
        """Return states that should not last, as two looks find them: (kind, object) -> words."""
        found = {}
        for address, node in sorted(self.network.nodes.items()):
            for link in node.links():
                if link.ended or link.role not in STANDING:
                    state = "ended" if link.ended else link.role
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
        """The graph of the living is one piece. While no seed lives, newcomers can find nobody:
        then those who were neighbours once in their present lives have to be in one piece."""
        graph = self._graph()
        if self.network.living_seeds():
            return [f"the peers are in {len(graph)} pieces"] if len(graph) > 1 else []
        lives = {self.network.life(peer.address): peer.address for peer in self.network.peers()}
        return [f"{lives[one]} and {lives[other]} were neighbours, and are in different pieces"
                for one, other in self._met if one in lives and other in lives
                and not graph.joined(lives[one], lives[other])]

    def _graph(self) -> Pieces:
        return Pieces({peer.address: peer.neighbours.addresses()
                       for peer in self.network.peers()})

    def in_pieces(self) -> list[list]:
        """Return the living peers, piece by piece."""
        peers = {peer.address: peer for peer in self.network.peers()}
        return [[peers[address] for address in sorted(piece)]
                for piece in sorted(self._graph().all(), key=min)]

    def links(self) -> list[str]:
        """Every link of neighbours stands at both ends and is the same."""
        wrong = []
        for node in self.network.peers():
            for address in node.neighbours.addresses():
                link = node.neighbours.link(address)
                other = self.network.nodes.get(address)
                back = None if other is None or address in self.network.seeds else (
                    other.neighbours.link(node.address))
                if back is None or not link.connection.leads_to(back.connection):
                    wrong.append(f"{node.address} has a link to {address}, which has not")
        return wrong

    def messages(self) -> list[str]:
        """Everybody living has seen the same messages, as far as links lead."""
        return [f"messages differ: {', '.join(f'{p.address} {p.messages.count()}' for p in peers)}"
                f"; of {', '.join(runs)}" for peers in self.in_pieces()
                if (runs := _runs_that_differ(self.network, peers))]

    def registrations(self) -> list[str]:
        """Everybody is registered with a majority, or with all seeds there are."""
        seeds = {node.address: node for node in self.network.living_seeds()}
        wanted = min(majority(len(self.network.seeds)), len(seeds))
        wrong = []
        for node in self.network.peers():
            links = [link for link in node.joining.links() if not link.ended]
            if len(links) != wanted:
                wrong.append(f"{node.address} is registered with {len(links)} seeds of {wanted}")
            for link in links:
                row = seeds[link.peer].registry.row(node.address) if link.peer in seeds else None
                if row is None or row.link is None or not link.connection.leads_to(
                        row.link.connection):
                    wrong.append(f"{node.address} is registered with {link.peer}, "
                                 f"which does not list it over this connection")
        return wrong

    def lists(self) -> list[str]:
        """Seeds list only the living, over standing connections, and peers know exactly them."""
        wrong = []
        living = {node.address for node in self.network.peers()}
        seeds = self.network.living_seeds()
        for seed in seeds:
            listed = set(seed.registry.addresses())
            wrong += [f"seed {seed.address} lists {address}, which does not live"
                      for address in sorted(listed - living)]
            wrong += [f"seed {seed.address} lists {address} without a connection"
                      for address in sorted(listed & living)
                      if seed.registry.row(address).link is None]
        for node in self.network.peers() if seeds else ():
            known = set(node.peer_list.addresses())
            for what, others in (("knows", known - living),
                                 ("does not know", living - known - {node.address})):
                if others:
                    wrong.append(f"{node.address} {what} {', '.join(map(str, sorted(others)))}")
        return wrong

    def quiet(self) -> list[str]:
        """The last eight rounds were quiet, and nobody spins."""
        now, (at, event) = self.network.time.now, self._stirred
        is_quiet = now - at >= QUIET_ROUNDS * self.network.settings.liveness_interval
        wrong = [] if is_quiet else [f"no rest: at {at:.3f} {event}"]
        for duty, before in self._turns.items():
            if duty.turns - before > SPIN * (now - self._rest_began):
                wrong.append(f"{duty.label} took {duty.turns - before} turns in the rest")
        return wrong


def _runs_that_differ(network: VirtualNetwork, peers: list) -> list[str]:
    """Return the runs of which these peers, which links join, should all have seen the same
    messages, and have not. Where gossip is signed, a run that has ended cannot prove itself, and
    seeds that were started again do not know it: its messages stay with those who took them while
    it was known, and with neighbours that take them, too."""
    seen = {peer.address: peer.messages.seen() for peer in peers}
    runs = [run for run in sorted({run for one in seen.values() for run in one})
            if any(one.get(run) != seen[peers[0].address].get(run) for one in seen.values())]
    return [run.decode() for run in runs
            if not network.settings.sign or _is_vouched_for(network, run)
            or any(_was_not_told(peer, run, seen) for peer in peers)]


def _is_vouched_for(network: VirtualNetwork, run: bytes) -> bool:
    """Return whether a run lives, or more than half of all seeds live, are honest, and know it."""
    text, _, start = run.decode().rpartition(":")
    address, start = parse_address(text), int(start)
    node = network.nodes.get(address)
    if node is not None and node.spreading.origin.start == start:
        return True
    knowing = [seed for seed in network.honest_seeds() if seed.vouching.knows(address, start)]
    return len(knowing) >= majority(len(network.seeds))


def _was_not_told(peer, run: bytes, seen: dict) -> bool:
    """Return whether a peer takes what a run has said, and lacks some that a neighbour has."""
    return peer.confirming.is_known(run) and any(
        peer.messages.lacking([(run, seen[other][run])])
        for other in peer.neighbours.addresses() if run in seen.get(other, ()))
