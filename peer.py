"""A peer: joins through seeds, keeps neighbours, gossips, and notices who dies.

Read top to bottom: what a peer may be told on which link, its threads (generator, liveness,
membership; the listener and the link readers are in gossip/node/node.py, anti-entropy and the
teller of rumors in files of their own), how links begin and end, and one `on_<kind>` method for
every kind of line of the wire (gossip/wire/).

What a peer knows is in tables that own their locks: the message list, the neighbours, the
liveness counts, the peer list, the registrations, the places. This file is where they meet
links: it asks a table what to do, and does it.
"""

import sys

from gossip.chat import doorstep

if __name__ == "__main__" and "--chat" in sys.argv:  # another program: gossip/chat/server.py
    DOORS = doorstep.open_early(sys.argv)
    from gossip.programs.chat_program import chat_main
    sys.exit(chat_main(DOORS))
if __name__ == "__main__" and any(word[:2] == "-c" for word in sys.argv):  # gossip/voidphone/
    from gossip.programs.voidphone_program import module_main
    sys.exit(module_main())

import itertools
import random
import threading
import time

from gossip import wire
from gossip.addresses import Address
from gossip.liveness.rounds import Liveness
from gossip.net.link import Link
from gossip.node.node import WAITING, Node
from gossip.node.output_file import OutputFile, escape
from gossip.overlay import ring
from gossip.overlay.link_check import LinkCheck
from gossip.overlay.neighbours import Admission, Neighbours
from gossip.overlay.peer_list import PeerUnion
from gossip.overlay.places import Places
from gossip.programs.starting import peer_main
from gossip.seeds.cadence import Cadence
from gossip.seeds.registrations import Registrations
from gossip.settings import Settings
from gossip.spread.anti_entropy import AntiEntropy
from gossip.spread.flood import Flood
from gossip.spread.message_list import MessageList
from gossip.spread.mongering import Mongering
from gossip.spread.origin import Origin
from gossip.spread.rumors import Telling
from gossip.spread.spreading import ANSWERS, Spreading

# Roles of a link, as this peer sees the other end.
DIALLED = "a peer that has not answered yet"
OVER = "a peer whose dial is over"
NEIGHBOUR = "a neighbour"
SEED = "a seed"

SHORTEST_WAIT = 0.02  # seconds between two looks of membership, whatever is due
LATE = 0.5  # seconds by which a liveness round has to be late at least to blame nobody
KNOWN_PEERS_PAUSE = 1.0  # seconds between two answers to a neighbour that asks for known peers
KNOWN_PEERS_SENT, SUCCESSORS_SENT = 200, 8  # in one answer; and those next to the asker on the ring
SAY_PORTION = 64 * 1024  # bytes of new messages handed on at once


class Peer(Node):
    """One peer, known by the address that it listens on and announces."""

    kind = "peer"
    ALLOWED = {
        WAITING: {"connect", "liveness_request"},
        DIALLED: {"accepted", "refused", "liveness_request"},
        NEIGHBOUR: {"liveness_request", "liveness_reply", "status", "leave", "refused",
                    "ask_known_peers", "known_peers"},
        SEED: {"registered", "registration_refused", "peer_list", "dead_node"},
    }

    def __init__(self, address: Address, seeds: list[Address], settings: Settings,
                 output: OutputFile, rng: random.Random | None = None):
        super().__init__(address, settings, output)
        self.rng = rng or random.Random()
        self.origin = Origin(address, time.time_ns() // 1_000_000)
        self.messages = MessageList(settings, f"{address}:{self.origin.start}".encode())
        self.anti_entropy = AntiEntropy(self.messages, settings)
        self.neighbours = Neighbours(address, settings)
        self.spread = (
            Flood(self.neighbours.links, self.flusher) if settings.spread == "flood" else
            Mongering(self.neighbours.links, Telling(
                stop=settings.rumor_stop, at_once=1, window=settings.rumor_window,
                patience=settings.rumor_patience, tries=1), self.rng))  # TCP loses nothing
        self.spreading = Spreading(
            self.messages, self.anti_entropy if settings.antientropy_interval else None,
            self.spread, output)
        self.liveness = Liveness(settings.liveness_misses,
                                 self.neighbours.capacity + settings.spare_links)
        self.link_check = LinkCheck(self.stopping)
        self.peer_list = PeerUnion(address)
        self.registrations = Registrations(seeds, settings, self.rng)
        self.places = Places(address, self.neighbours.capacity, settings, self.rng)
        self.list_cadence = Cadence(
            settings.retry_first, settings.liveness_interval, time.monotonic())
        self._asked: Link | None = None  # the neighbour that owes us the peers it knows
        self._originating = threading.Lock()  # one at a time, and nobody once we leave
        self.leaving = threading.Event()  # we have said `leave`, or are about to
        self._membership_due = threading.Event()  # something changed: membership looks again

    def settings_shown(self) -> str:
        return f"{self.settings.words()}:start={self.origin.start}"

    def start_threads(self) -> None:
        self.start_thread("listener", self.listener.run, self.accept, self.make_room)
        self.start_thread("link flusher", self.flusher.run)
        self.start_thread("gossip generator", self._generate)
        self.start_thread("liveness", self._keep_liveness)
        self.start_thread("membership", self._keep_membership)
        if self.settings.spread == "rumor":
            self.start_thread("rumors", self.spread.run)
        if self.settings.antientropy_interval:
            self.start_thread("anti-entropy", self.anti_entropy.run, self.neighbours.links,
                              self.stopping, self.rng)

    def wake(self) -> None:
        self._membership_due.set()
        self.link_check.wake()
        self.spread.stop()
        self.anti_entropy.wake()

    # The gossip generator: its thread, and how messages enter the network.

    def _generate(self) -> None:
        """Gossip `message 1` to `message 10`, one per interval."""
        for number in range(1, self.settings.gossip_count + 1):
            if self.stopping.wait(self.settings.gossip_interval) or self.leaving.is_set():
                return
            self.gossip([f"message {number}"])

    def gossip(self, texts: list[str]) -> None:
        """Originate messages. Waits while a neighbour that still moves has much waiting.

        Called by the generator and the console, never by a link reader. TooLong when a text
        does not fit.
        """
        lines = self.origin.lines(texts, time.time())
        at = 0
        while at < len(lines):
            first, size = at, 0
            while at < len(lines) and size < SAY_PORTION:
                size += len(lines[at])
                at += 1
            self.flusher.wait_for_room(self.neighbours.links())
            with self._originating:
                if self.leaving.is_set() or not self.spreading.originate(lines[first:at]):
                    return

    # The liveness thread.

    def _keep_liveness(self) -> None:
        """Every interval: ask neighbours and seeds for a sign of life, give up surplus links."""
        interval = self.settings.liveness_interval
        due = time.monotonic() + interval * self.rng.uniform(0.5, 1.0)
        while not self.stopping.wait(max(0.0, due - time.monotonic())):
            if self.leaving.is_set():
                return
            now = time.monotonic()
            late = now - due > max(LATE, interval / 2)
            self._liveness_round(now, late)
            self._registrations_round()
            self.places.next_round(now)
            self._give_up_surplus(settled=interval)
            self._membership_due.set()
            due = now + interval

    def _liveness_round(self, now: float, late: bool) -> None:
        """Count misses, ask everyone once, have suspects probed, dial those whose link broke."""
        time_asked = wire.format_time(time.time())
        turn = self.liveness.next_round(time_asked, now, late)
        events = [f"liveness missed:{peer}:{misses}" for peer, misses in turn.missed]
        events += [f"liveness request:{peer}" for peer in turn.ask]
        if events:
            self.output.write_escaped(events)
        request = wire.liveness_request(time_asked, self.address)
        for peer in turn.ask:
            link = self.neighbours.link(peer)
            if link is not None:
                link.send(request, urgent=True)
        for peer in turn.suspects:
            if not self.start_thread("last probe", self._last_probe, peer):
                self._last_probe(peer)  # no thread is left: this one probes
        for peer in turn.lost:
            self._dial(peer)

    def _last_probe(self, peer: Address) -> None:
        """The thread that asks once more, over a fresh connection, before calling it dead."""
        alive = self.probe(peer)
        if self.stopping.is_set():
            return
        link = self.neighbours.link(peer)
        if alive is not False and link is not None and self.liveness.spare(peer, link.heard):
            return
        suspect, link = self.liveness.verdict(peer)
        if not suspect:
            return
        if alive is not False:
            self._part(peer, "silent, but alive", link)
            return
        self.output.write(f"dead:{peer}")
        self.peer_list.discard(peer)
        self._part(peer, "dead", link)
        report = wire.DeadNode(peer, wire.format_time(time.time()), self.address)
        for seed, link in self.registrations.links():
            link.send(wire.dead_node(report))
            self.output.write(f"reported:{seed}:{report.line}")

    def _registrations_round(self) -> None:
        repeat, silent = self.registrations.next_round()
        for link in repeat:
            link.send(wire.register(self.address))
        for link in silent:
            link.close("silent")

    def _give_up_surplus(self, settled: float) -> None:
        """Give up links beyond capacity: those `settled` seconds old, and far too many."""
        for peer, link in self.neighbours.surplus(time.monotonic(), settled, self.rng):
            link.send(wire.refused(self.address, "full"), urgent=True)
            self.places.leave_alone(peer)
            self._part(peer, "given up", link)

    # The membership thread: seeds, the ring, the other places.

    def _keep_membership(self) -> None:
        """Register with a majority of the seeds, keep the ring link, fill the places."""
        ring_stood = False
        while not self.stopping.is_set() and not self.leaving.is_set():
            now = time.monotonic()
            self._keep_registrations(now)
            ring_stands = self._keep_neighbours(now)
            if ring_stood and not ring_stands:
                self.list_cadence.hurry(now)
            ring_stood = ring_stands
            if self.list_cadence.due(now):
                self._ask_for_peers()
            due = [self.registrations.next_at(), self.places.next_at(now),
                   self.list_cadence.next_at()]
            next_at = min(moment for moment in due if moment is not None)
            self._membership_due.wait(max(SHORTEST_WAIT, next_at - time.monotonic()))
            self._membership_due.clear()

    def _ask_for_peers(self) -> None:
        """Ask a seed for its list; without a seed, a neighbour for the peers that it knows."""
        seed, links = self.registrations.in_turn(), self.neighbours.links()
        if seed is not None:
            seed.send(wire.ASK_PEER_LIST)
        elif links:
            self._asked = self.rng.choice(links)
            self._asked.send(wire.ASK_KNOWN_PEERS)

    def _keep_registrations(self, now: float) -> None:
        for link in self.registrations.overdue(now):
            link.close("no answer to register")
        for seed, link in self.registrations.next_dials(self._link_to_seed, now):
            if not self.start_thread("link reader", self._dial_seed, link):
                self._release(link)
                self.registrations.ended(seed, link, now)

    def _keep_neighbours(self, now: float) -> bool:
        """Dial for the ring, then for a free place; answer whether the ring link stands."""
        listed = self.peer_list.addresses()
        linked, dialling = self.neighbours.addresses(), self.neighbours.dialling()
        successor = self.places.ring_dial(listed, linked, dialling, now)
        if successor is not None:
            self._dial(successor, for_ring=True)
            dialling.add(successor)
        other = self.places.ordinary_dial(listed, linked, dialling, now)
        if other is not None:
            self._dial(other)
        successor = self.places.successor(listed, now)
        return successor is None or successor in linked

    def _link_to_seed(self, seed: Address) -> Link:
        return self.new_link(SEED, seed)

    def _dial_seed(self, link: Link) -> None:
        """The thread that connects to a seed, asks to be registered, and reads the link."""
        try:
            link.connect(self.address, link.peer, self.settings.probe_limit)
        except OSError as error:
            link.close(error.strerror or str(error))
            self._release(link)
            self.on_end(link)
            return
        link.send(wire.register(self.address))
        self.serve(link)

    # How links to peers begin.

    def _dial(self, peer: Address, for_ring: bool = False) -> None:
        """Ask a peer to become a neighbour, unless it is one or is being asked already."""
        if self.leaving.is_set() or not self.neighbours.begin_dial(peer, for_ring):
            return
        link = self.new_link(DIALLED, peer)
        if not self.start_thread("link reader", self._dial_peer, link):
            self._release(link)
            self.neighbours.end_dial(peer)

    def _dial_peer(self, link: Link) -> None:
        """The thread that connects to a peer, asks it, and reads the link."""
        link.await_line(time.monotonic() + self.settings.answer_limit)
        try:
            link.connect(self.address, link.peer, self.settings.probe_limit)
        except OSError:
            self._release(link)
            self.on_end(link)
            return
        link.send(wire.connect(self.address))
        self.serve(link)

    def _dial_failed(self, peer: Address) -> None:
        self.places.unreachable(peer, time.monotonic())
        self.peer_list.unreachable(peer)
        self.neighbours.end_dial(peer)
        self._membership_due.set()

    def on_connect(self, link: Link, message: wire.Connect) -> None:
        """Somebody wants to become a neighbour."""
        asker = message.address
        if asker.ip != link.remote_ip:
            link.send(wire.refused(self.address, "another IP"))
            self.disconnect(link, f"{asker} is not its IP")
            return
        if self.leaving.is_set():
            link.close("leaving")
            return
        link.hold()  # gossip flows once it is admitted, but the answer comes first
        admission = self.neighbours.admit(asker, link, asker, time.monotonic())
        standing = admission.ask
        if standing is not None and not self._still_answers(standing):
            admission = self.neighbours.admit(asker, link, asker, time.monotonic(), standing)
        if not admission.accepted:
            link.release(wire.refused(self.address, admission.reason))
            self.disconnect(link, admission.reason, asker)
            return
        self._welcome(link, asker, admission)
        link.release(wire.accepted(self.address))
        self._meet(link)

    def on_accepted(self, link: Link, message: wire.Accepted) -> None:
        """The peer that was dialled has taken us."""
        peer = link.peer
        if message.address not in (peer, self.address):
            raise wire.WireError(f"{message.address} answered instead")
        admission = self.neighbours.admit(peer, link, self.address, time.monotonic())
        if not admission.accepted:
            self._dial_over(link)
            link.send(wire.refused(self.address, admission.reason))
            self.disconnect(link, admission.reason)
            return
        self._welcome(link, peer, admission)
        self.neighbours.end_dial(peer)
        self._meet(link)

    def _still_answers(self, standing: Link) -> bool:
        """Ask for a sign of life on the link that stands while another wants its place."""
        request = wire.liveness_request(wire.format_time(time.time()), self.address)
        return self.link_check.answers(
            standing, lambda: standing.send(request, urgent=True), self.settings.link_check_limit)

    def _welcome(self, link: Link, peer: Address, admission: Admission) -> None:
        """The table has taken the link: count it, and end the one that it replaces."""
        self.introduced(link, NEIGHBOUR, peer)
        replaced = admission.replaced
        if replaced is not None:
            self.anti_entropy.on_end(replaced)
            replaced.send(wire.refused(self.address, "duplicate"))
            replaced.close(admission.reason)
        self.liveness.linked(peer, link, admission.serial, time.monotonic())
        if self.neighbours.link(peer) is not link:
            self.liveness.forget(peer, link)  # somebody ended it meanwhile
        self.places.linked(peer)
        self.output.drain(self.neighbours.changes)

    def _meet(self, link: Link) -> None:
        """Both ends have agreed: compare what was seen."""
        if self.leaving.is_set():
            link.send(wire.leave(self.address))
            return
        if self.settings.antientropy_interval:
            self.anti_entropy.meet(link)
        if link.peer not in self.peer_list:
            self.list_cadence.hurry(time.monotonic())  # the seeds know more than we do
        self._give_up_surplus(settled=float("inf"))  # only if there are far too many
        self._membership_due.set()

    def on_refused(self, link: Link, message: wire.Refused) -> None:
        """A peer that was dialled does not take us, or a neighbour gives the link up."""
        peer, reason = link.peer, message.reason[:100]
        if link.role == NEIGHBOUR:
            if reason == "full":
                self.places.leave_alone(peer)
            self._part(peer, escape(reason), link)
            return
        self.counters.add("dials that were refused")
        for_ring = self._dial_over(link)
        self.places.refused(peer, for_ring, time.monotonic())
        if reason == "full":
            self.places.leave_alone(peer)
        self.liveness.forget(peer)  # if it was lost to us: it lives
        link.close("refused")
        self._membership_due.set()

    def _dial_over(self, link: Link) -> bool:
        """A dial has had its answer; answer whether it was for the ring."""
        link.role = OVER
        return self.neighbours.end_dial(link.peer)

    # How links end.

    def disconnect(self, link: Link, reason: str, who: Address | None = None) -> None:
        """Disconnect somebody for what they did; a neighbour is then left alone for a while."""
        if link.role == NEIGHBOUR:
            self.places.leave_alone(link.peer)
            self.places.refused(link.peer, for_ring=True, now=time.monotonic())
            self._part(link.peer, escape(reason[:100]), link)
        super().disconnect(link, escape(reason), who)

    def _part(self, peer: Address, reason: str, link: Link | None) -> None:
        """End the link to a neighbour for good, or count one no more whose link broke."""
        known = self.liveness.forget(peer, link)
        if link is not None:
            known = self.neighbours.remove(peer, link, reason) or known
            self.output.drain(self.neighbours.changes)
            link.close(reason)
        if known:
            self.places.link_broke()
        self._membership_due.set()

    def on_end(self, link: Link) -> None:
        """The reader of a link is about to end."""
        self.link_check.wake()
        if not self.stopping.is_set():
            self._leave_tables(link)
        self.anti_entropy.on_end(link)
        self.spread.on_end(link)
        self.anti_entropy.fetch()

    def _leave_tables(self, link: Link) -> None:
        if link.role == SEED:
            self.peer_list.seed_lost(link.peer)
            if (self.registrations.ended(link.peer, link, time.monotonic())
                    and not self.leaving.is_set()):
                self.output.write(f"unregistered:{link.peer}:{link.reason}")
            self._membership_due.set()
        elif link.role == DIALLED:
            self._dial_failed(link.peer)
        elif link.role == NEIGHBOUR:
            if self.leaving.is_set():
                self._part(link.peer, "left", link)
            elif self.neighbours.remove(link.peer, link, link.reason):
                self._lost(link.peer, link)

    def _lost(self, peer: Address, link: Link) -> None:
        """A link broke. That is not death: it counts as misses while we try again."""
        self.liveness.lost(peer, link)
        self.output.drain(self.neighbours.changes)
        self.places.link_broke()
        now = time.monotonic()
        if not self.registrations.links():
            self.list_cadence.hurry(now)  # no seed will tell us of others; neighbours may
        if self.places.redial_at_once(peer, now):
            self._dial(peer)
        else:
            self.places.leave_alone(peer)
            self.places.refused(peer, for_ring=True, now=now)
        self._membership_due.set()

    def quit(self) -> None:
        """Leave gracefully: tell neighbours and seeds, behind the gossip that waits for them,
        so that nothing is lost and nobody reports a death; they hang up when they have read it.
        Who becomes a neighbour meanwhile is told in `_meet`."""
        with self._originating:
            self.leaving.set()
        self.output.write(f"leaving:{self.address}")
        self.spread.wait_until_sent(self.settings.leave_limit)
        seeds = [link for _, link in self.registrations.links()]
        for link in [*self.neighbours.links(), *seeds]:
            link.send(wire.leave(self.address))
        self.flusher.wait_until(
            lambda: not self.neighbours.links() and not self.neighbours.dialling()
            and all(link.ended for link in seeds), self.settings.leave_limit)
        self.stop("quit")

    # What neighbours say.

    def on_lines(self, link: Link, lines: list[bytes]) -> None:
        """Handle what arrived together, in order; gossip that stands together as one batch.

        In a flood most lines are repetitions: those are left out before anything else.
        """
        if link.role == NEIGHBOUR:
            lines = self.messages.unknown(lines)
        gossip = []
        for line in lines:
            if line.startswith(wire.GOSSIP) or wire.is_gossip(line):
                gossip.append(line)
                continue
            if gossip:
                self.on_gossip(link, gossip)
                gossip = []
            self.on_line(link, line)
            if link.ended:
                return
        if gossip:
            self.on_gossip(link, gossip)

    def on_gossip(self, link: Link, lines: list[bytes]) -> None:
        """What is new is remembered, written down and forwarded; what is old is dropped."""
        if link.role != NEIGHBOUR:
            raise wire.WireError("'gmessage' is expected from neighbours only")
        self.spreading.take(link, lines)

    def on_liveness_request(self, link: Link, message: wire.LivenessRequest) -> None:
        link.send(wire.liveness_reply(message, self.address), urgent=True)

    def on_liveness_reply(self, link: Link, message: wire.LivenessReply) -> None:
        if message.asker != self.address or message.replier != link.peer:
            raise wire.WireError("Liveness Reply to somebody else, or by somebody else")
        self.link_check.replied(link)
        took = self.liveness.reply_from(link.peer, message.time, time.monotonic())
        if took is not None:
            self.output.write(f"liveness reply:{link.peer}:{took * 1000:.3f}")

    def on_leave(self, link: Link, message: wire.Leave) -> None:
        if message.address != link.peer:
            self.counters.add("leaves in the name of others")
            return
        self.peer_list.discard(link.peer)
        self._part(link.peer, "left", link)

    def on_ask_known_peers(self, link: Link, message: wire.AskKnownPeers) -> None:
        """A neighbour has no seed to ask. It is told whom seeds have named and who is linked
        here; of hearsay only its next successors, for the ring. Once a second at most."""
        now = time.monotonic()
        if now - link.answered < KNOWN_PEERS_PAUSE:
            self.counters.add("questions for known peers not answered")
            return
        link.answered = now
        known = sorted({*self.peer_list.named(), *self.neighbours.addresses()} - {link.peer})
        told = set(self.rng.sample(known, min(len(known), KNOWN_PEERS_SENT)))
        everyone = ring.successors(link.peer, self.peer_list.addresses())
        told.update(itertools.islice(everyone, SUCCESSORS_SENT))
        link.send(wire.known_peers(sorted(told - {link.peer})))

    def on_known_peers(self, link: Link, message: wire.KnownPeers) -> None:
        """A neighbour's word counts only as an answer, and only while no seed can be asked."""
        if link is not self._asked or self.registrations.links():
            self.counters.add("known peers told in vain")
            return
        self._asked = None
        if self.peer_list.hear(message.addresses):
            self._membership_due.set()

    def on_status(self, link: Link, message: wire.Status) -> None:
        if message.verb in ANSWERS:
            self.spreading.answered(link, message)
        else:
            self.anti_entropy.on_status(link, message)

    # What seeds say.

    def on_registered(self, link: Link, message: wire.Registered) -> None:
        if self.registrations.answered(link.peer, link):
            self.output.write(f"registered:{link.peer}")
            link.send(wire.ASK_PEER_LIST)
            self.list_cadence.hurry(time.monotonic())

    def on_registration_refused(self, link: Link, message: wire.RegistrationRefused) -> None:
        self.disconnect(link, f"registration refused: {message.reason}")

    def on_peer_list(self, link: Link, message: wire.PeerList) -> None:
        if self.peer_list.add(link.peer, message.addresses):
            listed = ":".join(address.listed for address in sorted(message.addresses))
            self.output.write(f"peer list:{link.peer}:{listed}")
            self._membership_due.set()

    def on_dead_node(self, link: Link, message: wire.DeadNode) -> None:
        """A seed tells of a death; who answered us within the last interval is kept."""
        self.output.write(f"told:{link.peer}:{message.line}")
        dead = message.dead
        lately = self.settings.liveness_interval
        if dead == self.address or self.liveness.answered_within(dead, lately, time.monotonic()):
            return
        self.peer_list.discard(dead)
        self._part(dead, "told dead", self.neighbours.link(dead))

    # For the console.

    def status(self) -> dict[str, object]:
        """Counts of what there is and of everything that was dropped."""
        return {
            "address": self.address,
            "neighbours": f"{len(self.neighbours.addresses())} of {self.neighbours.capacity}",
            "seeds": len(self.registrations.links()),
            "known peers": len(self.peer_list.addresses()),
            "messages held": self.messages.count(),
            **self.messages.dropped(),
            **self.anti_entropy.catch_up.dropped(),
            **self.spread.dropped(),
            **self.counters.all(),
        }


if __name__ == "__main__":
    sys.exit(peer_main(Peer))
