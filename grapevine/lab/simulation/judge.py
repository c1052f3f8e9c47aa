"""The judge of a virtual network, which knows the truth and looks into all tables.

It hears every event when it is written, and asks what may never happen. When the network has rested
for nine rounds and 80 seconds, it asks whether all has healed.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from grapevine.addresses import Address, parse_address
from grapevine.events import parted
from grapevine.lab.attackers import LyingSeed
from grapevine.lab.simulation.accidents import Conditions
from grapevine.lab.simulation.lives import Lives
from grapevine.monitoring.verdicts import is_bad
from grapevine.prober import Prober
from grapevine.seed import Seed
from grapevine.settings import majority

REST_ROUNDS, REST = 9, 80.0  # liveness rounds and seconds between the unrest and the verdict
MEND_ROUNDS, MEND = 10, 6.0  # the same until a network without seeds must be one piece again
LOOKS = 12.0  # seconds between the two looks at states that should not last: longer than a question
# about a run takes where all calls are late, which may be asked again and again
SPEAKERS = 3  # peers that say something after the rest
HOPS = 12  # links on the way of a message to the last peer, at most
TREE_REPAIR = 3.0  # seconds more: two announcements, by which a part that lost its parent hears
CONFIRMING = 7  # times: a link with a dial to the seeds, a question, and a fetch
UNDECIDED = 2.5  # seconds: a dead seed's answer is awaited, then the address is dialled
MEANWHILE = "while it happened"  # the question that is asked all the time
QUIET_ROUNDS = 8  # rounds before the verdict in which nothing may change
SPIN = 20.0  # calls a second above which a thread spins
STIRS = {"disconnected", "liveness missed", "unregistered"}  # events of unrest
PROBES = sum(seconds for seconds, _ in Seed.STAGES)  # that all stages of a probe take
STANDING = {"NEIGHBOUR", "SEED", "REGISTERED", "SPEAKER", "LISTENER"}  # roles that may stay
REFUSALS = (  # reasons that need no broken rule; the last two meet a connection of an earlier life
    "full", "duplicate", "self", "no Liveness Reply from ", "registered on another",
    "registration refused: ", "unproven", "not signed with the key of ", "unconfirmed")
APART = 12.0  # periods of a watched network in which a peer can show seeds that it reports


class Fault(NamedTuple):
    """A fault in words."""

    question: str  # that has found it
    text: str

    def __str__(self) -> str:
        return f"{self.question}: {self.text}"


class Judge:
    """The judge of a network, which notes all faults."""

    def __init__(self, lives: Lives):
        lives.hear, self.lives = self.heard, lives
        self.faults: list[Fault] = []
        self._event = "at 0.000 nothing"  # that is heard now, or was last, in words
        self._stirred = 0.0, self._event  # the last event of unrest
        self._met: dict[tuple, None] = {}  # (node, its neighbour), of each end of a link

    def ask(self, question: str, wrong: Iterable[str]) -> None:
        """Note the faults that a question has found."""
        self.faults += [Fault(question, words) for words in wrong]

    # While it happens.

    def heard(self, address: Address, event: str) -> None:
        kind, peer, rest = parted(event)
        self._event = f"at {self.lives.net.now:.3f} {address} wrote {event}"
        if kind in STIRS:
            self._stirred = self.lives.net.now, self._event
        if judge := getattr(self, f"on_{kind.replace(' ', '_')}", None):
            judge(address, peer and parse_address(peer), rest)

    def _wrong(self, why: str) -> None:
        """Note that the event must not happen that is heard now."""
        self.ask(MEANWHILE, [f"{self._event}: {why}"])

    def on_refused(self, address: Address, peer: Address, reason: str) -> None:
        if not reason.startswith(REFUSALS):
            self._wrong("nobody here breaks the rules")

    def on_connected(self, address: Address, peer: Address, rest: str) -> None:
        self._met[self.lives.nodes[address], self.lives.nodes.get(peer)] = None

    def on_liveness_missed(self, address: Address, peer: Address, count: str) -> None:
        if int(count) == self.lives.settings.liveness_misses:
            self._blamed(address, peer)

    def on_unconfirmed(self, address: Address, peer: Address, start: str) -> None:
        """Check that a peer has to leave another alone only if that may not have reached seeds."""
        if start:
            return  # a run, which is not genuine
        lives = self.lives
        since = max([lives.undisturbed_since(seed, one) for seed in lives.seeds
                     for one in (address, peer)])
        if lives.net.now - since > APART * lives.settings.report_interval:
            self._wrong("it reports")

    def on_judged(self, address: Address, peer: str, rest: str) -> None:
        if any(is_bad(float(word.partition("=")[2])) for word in rest.split()):
            self._wrong("nobody attacks")

    def on_dead(self, address: Address, peer: Address, rest: str) -> None:
        self._blamed(address, peer)

    def on_removed(self, address: Address, peer: Address, reason: str) -> None:
        """Check that a seed removes a living peer only for a reason."""
        node = self.lives.nodes.get(peer)
        if node is not None and reason != "left" and (reason == "dead" or any(
                link.peer == address and not link.closed for link in node.registrations.links())):
            self._blamed(address, peer)

    def _blamed(self, finder: Address, accused: Address) -> None:
        """Check that a node called dead has been out of reach."""
        lives, settings = self.lives, self.lives.settings
        patience = (settings.liveness_misses + 2) * settings.liveness_interval + PROBES
        since = lives.undisturbed_since(finder, accused)
        if lives.net.now - since > patience:
            self._wrong(f"it lives, and could be reached since {since:.3f}")

    # After the rest.

    def rest(self, conditions: Conditions) -> None:
        """Let the network rest, and ask every question."""
        net, round_ = self.lives.net, conditions.liveness_interval
        end = net.now
        before = {node: node.world.asked.copy() for node in self.lives.nodes.values()}
        if not self.lives.living_seeds():
            net.run(end + MEND_ROUNDS * round_ + MEND)
            self.ask("pieces", self.pieces())
        net.run(end + REST_ROUNDS * round_ + REST)
        first = self.look()
        net.run(net.now + LOOKS)
        self.ask("left over", [words for what, words in self.look().items() if what in first])
        at, event = self._stirred
        if net.now - at < QUIET_ROUNDS * round_:
            self.ask("quiet", [f"no rest: {event}"])
        self.ask("quiet", [f"{node.address} made {count} calls in its thread {thread} in the rest"
                           for node, calls in before.items()
                           for thread, count in (node.world.asked - calls).items()
                           if count > SPIN * (net.now - end)])
        for question in self.pieces, self.links, self.registrations, self.lists, self.messages:
            self.ask(question.__name__, question())
        self._speak(conditions)

    def _speak(self, conditions: Conditions) -> None:
        """Check that new messages arrive everywhere in the time of HOPS links."""
        lives, peers = self.lives, self.lives.peers()
        expected = []  # (peer, messages that it has to have then)
        for piece in lives.pieces():
            speakers = piece[:SPEAKERS]
            expected += [(peer, peers[peer].messages.count() + len(speakers)) for peer in piece]
            for peer in speakers:
                lives.say(peer, "after the rest")
        way = 2 * conditions.latency + conditions.jitter + 2 * conditions.lag
        if conditions.sign:  # each peer may have to ask seeds first, and to fetch the message then
            way *= CONFIRMING
            if len(lives.living_seeds()) < len(lives.seeds):
                way += UNDECIDED
        repair = TREE_REPAIR * (conditions.spread == "tree")
        lives.net.run(lives.net.now + 1.0 + HOPS * way + repair)
        self.ask("after the rest", [
            f"{peer} has {peers[peer].messages.count()} messages, not {count}"
            for peer, count in expected if peers[peer].messages.count() != count])

    def look(self) -> dict[tuple, str]:
        """Return states that should not last, in words, by (kind, object)."""
        found = {}
        for address, node in sorted(self.lives.nodes.items()):
            for link in node.links:
                if link.closed or link.role not in STANDING:
                    found[link] = f"{address} keeps a link to {link.peer}: {link.role}"
            for name, table in vars(node).items():
                for other in self.lives.troubled if isinstance(table, Prober) else ():
                    # those that peers ask about are probed again and again
                    if other in table and name != "prober_of_asked":
                        found["probe", node, name, other] = f"{address} probes {other}"
        for peer, node in self.lives.peers().items():
            for link in node.sync.offering():
                found["offer", link] = f"{peer} still lacks what {link.peer} has offered"
            for other in node.places.dialling:
                if not any(link.peer == other for link in node.links):
                    found["dial", peer, other] = f"{peer} dials {other} without a link"
            for other, row in node.neighbours.rows.items():
                if row.link is None or row.is_suspect:
                    found["row", row] = f"{peer} still waits for {other}"
            if node.way.is_busy():
                found["way", node] = f"{peer} still tells messages"
        return found

    def pieces(self) -> list[str]:
        """Check that the living are in one piece."""
        pieces = self.lives.pieces()
        if self.lives.living_seeds():
            return [f"the peers are in {len(pieces)} pieces"] if len(pieces) > 1 else []
        # without seeds newcomers find nobody, so only peers that met in these lives must be joined
        piece_of = {self.lives.nodes[peer]: piece for piece in pieces for peer in piece}
        return [f"{one.address} and {other.address} were neighbours, and are in different pieces"
                for one, other in self._met if (other, one) in self._met
                and {one, other} <= piece_of.keys() and piece_of[one] is not piece_of[other]]

    def links(self) -> Iterator[str]:
        """Check that every link is the same at both ends."""
        for address, node in self.lives.peers().items():
            for link in node.neighbours.links:
                other = self.lives.nodes.get(link.peer)
                back = other and other.neighbours.link(address)
                if not back or not link.connection.leads_to(back.connection):
                    yield f"{address} has a link to {link.peer}, which has not"

    def messages(self) -> Iterator[str]:
        """Check that all peers of a piece have seen the same messages."""
        peers = self.lives.peers()
        for piece in self.lives.pieces():
            seen = {peer: {key: run.seen.ranges() for key, run in peers[peer].messages.runs.items()}
                    for peer in piece}
            differ = sorted({run.decode() for one in seen.values() for other in seen.values()
                             for run in one if one[run] != other.get(run)
                             and self._can_be_confirmed(run)})
            if differ:
                counts = ", ".join(f"{peer} {peers[peer].messages.count()}" for peer in piece)
                yield f"messages differ: {counts}; of {', '.join(differ)}"

    def _can_be_confirmed(self, run: bytes) -> bool:
        """Tell whether newcomers may take messages of a run: where peers sign, only if its peer
        lives, or most seeds vouch for it."""
        living = any(peer.run.encode() == run for peer in self.lives.peers().values())
        address, _, start = run.decode().rpartition(":")
        vouching = [seed for seed in self.lives.living_seeds().values()
                    if not isinstance(seed, LyingSeed)
                    and int(start) in seed.vouched.starts(parse_address(address))]
        return (not self.lives.settings.sign or living
                or len(vouching) >= majority(len(self.lives.seeds)))

    def registrations(self) -> Iterator[str]:
        """Check that peers are registered with a majority, or all living seeds."""
        seeds = self.lives.living_seeds()
        wanted = min(majority(len(self.lives.seeds)), len(seeds))
        for address, node in self.lives.peers().items():
            links = node.registrations.links()
            if len(links) != wanted:
                yield f"{address} is registered with {len(links)} seeds of {wanted}"
            for link in links:
                row = seeds[link.peer].registry.rows.get(address) if link.peer in seeds else None
                back = row and row.link
                if not back or not link.connection.leads_to(back.connection):
                    yield (f"{address} is registered with {link.peer}, "
                           "which does not list it over this connection")

    def lists(self) -> Iterator[str]:
        """Check that seeds list only living peers, and that peers know them."""
        living, seeds = set(self.lives.peers()), self.lives.living_seeds()
        for seed, node in seeds.items():
            for address, row in sorted(node.registry.rows.items()):
                if address not in living:
                    yield f"seed {seed} lists {address}, which does not live"
                elif row.link is None:
                    yield f"seed {seed} lists {address} without a connection"
        for peer, node in self.lives.peers().items() if seeds else ():
            known = set(node.peer_list.known)
            for what, others in (("knows", known - living),
                                 ("does not know", living - known - {peer})):
                if others:
                    yield f"{peer} {what} {', '.join(map(str, sorted(others)))}"
