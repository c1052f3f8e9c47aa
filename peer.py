"""A peer: joins through seeds, keeps neighbours, gossips, and notices who dies.

Read top to bottom: threads, the gossip generator, liveness, membership, leaving, and an `on_<kind>`
method for every kind of line that is answered here and not by a part (gossip/node/part.py). The
parts; each mostly calls those above it, and events go to all:

    confirming   which runs are genuine, if gossip is signed   gossip/signing/confirming.py
    link_proofs  which run is at the other end of a link       gossip/signing/link_proofs.py
    joining      registering with seeds, asking for lists      gossip/registering/joining.py
    learning     of which peers it has heard                   gossip/overlay/peer_list.py
    admitting    what becomes of newcomers                     gossip/overlay/admitting.py
    linking      how links to neighbours begin and end         gossip/overlay/linking.py
    reporting    what neighbours did, told to seeds            gossip/monitoring/reporting.py
    spreading    how a message reaches everyone, once          gossip/spread/spreading.py

Threads: a "link reader" per connection (gossip/net/live_world.py), and those of `start_threads`.

Left out on purpose: nothing is encrypted, or kept on disk but the output file. A peer has to be
reachable at the address that it announces.
"""

import sys

from gossip.programs import import_quietly, run_other_program

if __name__ == "__main__":  # before the slow imports: a chat server has to listen at once
    import_quietly()
    run_other_program(sys.argv)

import functools
import itertools
import math
import random

from gossip import wire
from gossip.addresses import Address, Target
from gossip.liveness.prober import USUAL, probers
from gossip.monitoring.reporting import Reporting
from gossip.node.link import Link
from gossip.node.node import WAITING, Node
from gossip.node.output_file import OutputFile
from gossip.node.world import NEVER
from gossip.overlay.admitting import CHECKED
from gossip.overlay.linking import DIALLED, Linking
from gossip.overlay.neighbours import NEIGHBOUR
from gossip.programs.peer_program import peer_main
from gossip.registering.joining import SEED, Joining
from gossip.settings import Settings
from gossip.signing.confirming import ASKED, Confirming
from gossip.signing.ed25519 import implementation
from gossip.signing.link_proofs import LinkProofs
from gossip.signing.grammar import new_signer
from gossip.signing.signed_spreading import SignedSpreading
from gossip.spread.origin import Restraint, portions
from gossip.spread.spreading import Spreading, in_batches

SLEPT = 0.5  # seconds; a round later than this, and than half an interval, counts no miss
SHORTEST_WAIT = 0.02  # seconds at least between two turns of membership
STUCK = 60.0  # seconds; a peer whose turns are waited for so long answers probes in turns only
LEAVE_LIMIT = 3.0  # seconds that a leaving peer waits for the others to hang up
LEAVE_MORE = 12.0  # seconds more at most, while a neighbour still reads what was sent
LOOK = 0.05  # seconds between two looks of a leaver, whether all is sent and all have hung up


class Peer(Node):
    """A peer, known by the address that it listens on and announces."""

    kind = "peer"
    ANSWERS = {
        WAITING: {"liveness_request"}, DIALLED: {"liveness_request"}, CHECKED: {"liveness_request"},
        NEIGHBOUR: {"liveness_request", "liveness_reply"}, SEED: {"dead_node"},
    }

    def __init__(self, address: Address, seeds: list[Target], settings: Settings,
                 output: OutputFile, world, rng: random.Random | None = None):
        super().__init__(address, settings, output, world, seeds)
        self.rng = rng or random.Random()
        self.leaving = False  # set once, by `quit`
        self._leave_until = 0.0  # when a leaver's present wait ends, but for neighbours that read
        self._told_leave: list[Link] | None = None  # links to the seeds that were told `leave`
        signer = new_signer(address, rng) if settings.sign else None
        lanes = probers(self.probe, self.now, 1, settings.probes_at_once)
        self.confirming = Confirming(self, seeds, signer, lanes[USUAL].ask)
        self.link_proofs = LinkProofs(self, signer, self.confirming, lanes)
        self.joining = Joining(self, seeds, self.confirming.registration)
        self.linking = Linking(self, self.joining, lanes, self.link_proofs)
        self.neighbours, self.peer_list = self.linking.neighbours, self.linking.peer_list
        self.reporting = Reporting(self, self.joining.links)
        self._watch = self.reporting.watch if settings.monitor else None
        links, on_offence = self.neighbours.links, self.linking.offended
        if signer is None:
            self.spreading = Spreading(self, links, on_offence=on_offence, watch=self._watch)
        else:
            self.spreading = SignedSpreading(
                self, links, signer, self.confirming, on_offence, self._watch,
                self.reporting.contradicted if settings.monitor else None)
        self.messages = self.spreading.messages
        self.made_of(self.linking.learning, self.linking.admitting, self.linking, self.joining,
                     self.confirming, self.reporting, self.spreading, self.link_proofs)
        # Where lines are watched, or in a tree, a repetition says something too.
        self._sifts = not (self._watch or self.spreading.way.HEARS_REPETITIONS)
        self._without_known_covers = self.messages.without_known_covers if settings.sign else None
        self._generated = 0  # messages so far
        self._restraint = Restraint(settings.origin_wait)
        self._round_due: float | None = None  # when the next round is due

    def settings_shown(self) -> str:
        return f"{self.settings.words()}:start={self.spreading.origin.start}"

    def start_threads(self) -> None:
        """Start all threads but link readers, which come with their links."""
        self.world.begin()  # "listener", which hands connections to `accept`; "link flusher"
        if self.settings.gossip_count:
            self.keep("gossip generator", self.generate, after=self.settings.gossip_interval)
        self.keep("liveness", self.check_liveness)
        self.membership = self.keep("membership", self.look_after_links)
        self.spreading.keep_duties(self.keep)  # "anti-entropy", and "rumors" where they are told
        if self.settings.monitor:
            self.keep("monitoring", self.reporting.turn)

    def stop(self, reason: str = "interrupted") -> None:
        with self.turn:
            self.spreading.way.hurry()
            super().stop(reason)

    # The gossip generator, and how messages enter the network.

    def generate(self, now: float) -> float:
        """Gossip the next of `message 1` to `message 10`; answer when the one after it is due."""
        if self.leaving:
            return NEVER
        lateness = self.lateness() if self.all_begun() else math.inf  # starting nodes is work
        if wait := self._restraint.wait(now, lateness, self.has_room()):
            return now + wait
        self._generated += 1
        self.spreading.originate(self.spreading.make([f"message {self._generated}"]))
        last = self._generated == self.settings.gossip_count
        return NEVER if last else now + self.settings.gossip_interval

    def has_room(self) -> bool:
        """Return whether neighbours read fast enough for new messages."""
        now = self.now()
        return (not any(link.pauses_origin(now) for link in self.neighbours.links())
                and self.spreading.way.has_room())

    def gossip(self, texts: list[str]) -> list[bytes]:
        """Originate messages, for the console or a program; return their lines, none if the peer
        has had its last word. TooLong when a text does not fit into a line, ValueError when it is
        not one line. Waits for neighbours that read slowly, so no turn may call it."""
        made: list[bytes] = []
        left: list[list[bytes]] | None = None  # portions to send, once the lines are made
        while left is None or left:
            self.flusher.wait_until(self.has_room, self.settings.origin_wait)
            with self.turn:
                if left is None:
                    made = self.spreading.make(texts)
                    left = list(portions(made))
                if left and not self.spreading.originate(left.pop(0)):
                    return []
        return made

    # Liveness, and the dead report.

    def check_liveness(self, now: float) -> float:
        """Every interval: count misses, unless this peer was late; ask neighbours and seeds for a
        sign of life, have suspects probed, dial those whose link broke, give up surplus links."""
        if self.leaving:
            return NEVER
        interval = self.settings.liveness_interval
        if self._round_due is None:  # the first round: not at once, and not all peers together
            self._round_due = now + interval * self.rng.uniform(0.5, 1.0)
            return self._round_due
        late = self.is_late() or now - self._round_due > max(SLEPT, interval / 2)
        self.whereabouts.note_missing(self.world.missing_ip())
        time_asked = wire.format_time(self.time())
        found = self.neighbours.next_round(time_asked, now, late)
        self.withhold(found.withheld)
        request = wire.liveness_request(time_asked, self.address)
        for link in found.ask:
            link.send(request, urgent=True)
        for peer in found.suspects:
            self.probe(peer, functools.partial(self._judge, peer), "last probe")
        for peer in found.lost:
            self.linking.dial(peer, chosen=False)  # who made that link is not known any more
        self.joining.next_round(late)
        self.linking.next_round(now)
        self._round_due = now + interval
        return self._round_due

    def _judge(self, peer: Address, alive: bool | None) -> None:
        """Take what the last probe of a suspect found; None: it could not find out."""
        row = self.neighbours.row(peer)
        if row is None or not row.suspect:  # it has answered or linked again meanwhile
            return
        if alive is None:
            row.postpone()
        elif alive and row.spare():
            self.linking.probed(row.link, True)
        elif alive:
            self.linking.give_up_silent(peer, "silent, but alive", row.link)
        elif self.joining.report(wire.DeadNode(peer, wire.format_time(self.time()), self.address),
                                 f"dead:{peer}"):  # nothing is said after the last word
            self.linking.bury(peer, "dead", row.link)

    # Membership, and leaving.

    def look_after_links(self, now: float) -> float:
        """Register with a majority of the seeds, then keep links to peers."""
        if self.leaving:
            return self._leave(now)
        self.joining.keep_registrations(now)
        self.linking.keep_links(now)
        if not self.joining.ask_for_list(now):
            self.linking.learning.ask_somebody()
        due = min(self.joining.next_at(), self.linking.places.next_at(now))
        return max(now + SHORTEST_WAIT, due)

    def quit(self) -> None:
        """Leave gracefully: the turns of membership say goodbye, and the last stops the node."""
        with self.turn:
            if not self.leaving:
                self.leaving = self.spreading.silent = True
                self._leave_until = self.now() + LEAVE_LIMIT
                self.output.write(f"leaving:{self.address}")
                self.spreading.way.hurry()
                self.membership.hurry()

    def _leave(self, now: float) -> float:
        """Send the gossip that waits; then tell neighbours and seeds `leave`, and let them read it
        and hang up; then stop. A neighbour that comes meanwhile is told when it is met."""
        links, told, unread = self.neighbours.links(), self._told_leave, {}
        if told is None:
            waits = not self.spreading.way.all_sent()
        else:
            waits = links or self.neighbours.dialling() or not all(link.ended for link in told)
            unread = {link: size for link in links if (size := link.unread())}
        if (now < self._leave_until and waits or now < self._leave_until + LEAVE_MORE
                and any(link.is_read(now, LEAVE_LIMIT) for link in unread)):
            return now + LOOK
        if told is not None:
            for link, size in unread.items():
                self.output.write(f"not read:{link.peer}:{size} bytes")
            self.stop("quit")
            return NEVER
        self._told_leave = self.joining.asked()
        for link in [*links, *self._told_leave]:
            link.send(wire.leave(self.address))
        self._leave_until = now + LEAVE_LIMIT
        return now + LOOK

    def disconnect(self, link: Link, reason: str, who: Address | None = None) -> None:
        if link.role == ASKED:  # a seed that is slow to answer breaks no rule
            link.close(reason)
            return
        self.linking.broke_rules(link, reason)
        super().disconnect(link, reason, who)

    # What others say.

    def sift(self, link: Link, lines: list[bytes], in_turn: bool = False) -> list[bytes]:
        """Drop duplicates, most lines of a flood; outside of a turn only if `_sifts`. Answer probes
        at once, because they wait less than turns may last; but not if stuck in one."""
        if (link.role == WAITING and len(lines) == 1 and lines[0].startswith(b"Liveness Request:")
                and self.turn.waited() < STUCK):
            self.on_line(link, lines[0])
            return []
        if link.role != NEIGHBOUR or not (self._sifts or in_turn):
            return lines
        new = list(itertools.filterfalse(self.messages.holds, lines))
        link.repetitions += len(lines) - len(new)
        return self._without_known_covers(new, link) if self._without_known_covers and new else new

    def lines(self, link: Link, lines: list[bytes]) -> None:
        """Take the lines that came together over a link; all but gossip mostly come alone. Drop
        repetitions again, as other links may have brought them; most new gossip continues a run."""
        if link.probe is not None:
            super().lines(link, lines)
            return
        if len(lines) == 1 and not (wire.GOSSIP in lines[0] or lines[0].startswith(wire.SIGNED)):
            self.on_line(link, lines[0])
            return
        if link.role == NEIGHBOUR:
            if self._watch is not None:
                self._watch.noted(link, lines)
            came, lines = lines, Peer.sift(self, link, lines, True)  # that of a program waits
            if len(lines) < len(came) and self.spreading.way.HEARS_REPETITIONS:
                self.spreading.way.repeated(link, came)
            if (lines and lines[0].startswith(self.spreading.BEGINNINGS)
                    and self.spreading.take_block(link, lines)):
                return
        for batch, is_gossip in in_batches(lines, self.spreading.BEGINNINGS):
            if is_gossip and link.role == NEIGHBOUR:  # perhaps only since the line before
                self.spreading.take(link, batch)
            else:
                self.on_line(link, batch[0])
            self.turn.share()
            if link.ended:
                return

    def on_liveness_request(self, link: Link, message: wire.LivenessRequest) -> None:
        reply = wire.liveness_reply(*message, self.address)
        if link.role == WAITING:  # mostly not in a turn, see `sift`
            reply = self.confirming.proof_of_life(link, reply) + reply
            self.joining.probed(message.address, link.remote_ip)
        elif self._watch is not None:  # all before it was forwarded, or waits in the backlog
            self.spreading.way.say_behind(link, reply)
            return
        link.send(reply, urgent=True)

    def on_liveness_reply(self, link: Link, message: wire.LivenessReply) -> None:
        if message.asker != self.address or message.replier != link.peer:
            raise wire.WireError("Liveness Reply to somebody else, or by somebody else")
        if self.linking.admitting.checks:
            self.linking.admitting.still_stands(link)
        if self._watch is not None:
            offering = self.spreading.anti_entropy.catch_up.offering()
            self._watch.replied(link, message.time, self.now(), caught_up=link not in offering)
        took = self.neighbours.replied(link.peer, message.time, self.now())
        if took is not None:
            self.output.put(f"liveness reply:{link.peer}:", f"{took * 1000:.3f}")

    def on_dead_node(self, link: Link, message: wire.DeadNode) -> None:
        """Believe a seed's report of a death, unless the neighbour answered lately."""
        self.output.write(f"told:{link.peer}:{message.line}")
        row = self.neighbours.row(message.dead)
        theirs = None if row is None else row.link
        lives = theirs is not None and self.now() - row.answered < self.settings.liveness_interval
        if message.dead != self.address and not lives:
            self.linking.bury(message.dead, "told dead", theirs)

    def status(self) -> dict[str, object]:
        """Count what there is and everything that was dropped."""
        with self.turn:
            return {
                "address": str(self.address),
                "neighbours": f"{len(self.neighbours.addresses())} of {self.neighbours.capacity}",
                "seeds": len(self.joining.links()),
                "known peers": len(self.peer_list.addresses()),
                "messages held": self.messages.count(),
                **({"signatures by": implementation().NAME} if self.settings.sign else {}),
                **self.spreading.dropped(), **self.counts()}


def command() -> int:  # of `pip install`
    run_other_program(sys.argv)
    return peer_main(Peer)


if __name__ == "__main__":
    sys.exit(peer_main(Peer))
