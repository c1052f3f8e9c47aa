"""A peer: joins through seeds, keeps neighbours, gossips, and notices who dies.

Here tables and conversations meet, top to bottom: duties, gossip, liveness, links, newcomers,
seeds, leaving. ANSWERS is the whole protocol. Every method that does not say `Needs no lock` is
called with the node's lock held, and never waits; the tables (grapevine/) decide. Each duty has a
thread of its name: gossip generator, liveness, membership, anti-entropy (worlds/threads.py).

Left out on purpose: encryption, a memory on disk, and, without `--sign`, proof of who said what. A
peer has to be reachable at the address that it announces.
"""

if __name__ == "__main__":
    import os
    import signal
    import sys
    sys.path.append(os.path.dirname(__file__))  # which PYTHONSAFEPATH=1 leaves out
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # silently ends a program that is still starting
    if "--chat" in sys.argv:
        from grapevine.chat.doorstep import open_early
        open_early(sys.argv)  # before slow imports, because a chat server is dialled at once
    from grapevine.terminal.programs import peer_main
    sys.exit(peer_main())  # the classes below are those of `grapevine.peer`

import functools
import itertools
import math

from grapevine import wire
from grapevine.addresses import Address, Target, by_ip, sample
from grapevine.asking import PROBE, Asker, Verdict
from grapevine.events import BROKEN, HERE, THERE
from grapevine.gossiper import Gossiper
from grapevine.link import Link
from grapevine.messages import Added
from grapevine.neighbours import Neighbours, successors
from grapevine.node import END, REASON_LIMIT, UNIDENTIFIED, UP
from grapevine.peer_list import PeerList
from grapevine.places import Places
from grapevine.prober import STRANGERS_LIMIT, Prober
from grapevine.registrations import ANSWER_TIME, Registrations
from grapevine.settings import Settings, capacity_of
from grapevine.tools import Accounts, Backoff, Budget, ProtocolError, Recent

# Roles of a link, besides UNIDENTIFIED and PROBE: what the other end is.
AWAITING_PROBE = "AWAITING_PROBE"  # a newcomer, which this peer probes before it accepts
DIALLED = "DIALLED"  # a peer that was asked to become a neighbour
NEIGHBOUR = "NEIGHBOUR"
SEED = "SEED"
OTHER_SEED = "OTHER_SEED"  # one that does not list this peer: those that do may keep others back

ANSWER_LIMIT = 5.0  # seconds for a dialled peer to accept or refuse, and for a newcomer's probe
STAGES = [(0.25, 256), (2.0, 64)]  # of a newcomer's probe: seconds, and probes at once
LAST_PROBES = [(2.0, 64)]  # the same of last probes
SHORTEST_PAUSE = 0.02  # seconds between two looks after links
UNIT = 3_355  # bytes that cost as much as a line: of gossip in a neighbour's own name, of answers
CONTROL_UNIT = 500  # the same of all other lines, which take longer to handle
KNOWN_PEERS_COST = 100  # lines, of a question for them
COSTS = {NEIGHBOUR: 1, SEED: 10}  # times: a seed has less to say, and all of it is written down
ROUNDS = 2  # in which what it says outweighs the word of a seed: after one, more is on its way
LONGEST_REST = 1.0  # seconds for which a neighbour is not heard at a time
CROWDED = 64 << 10  # bytes that wait for a neighbour, beyond which new bursts wait for it
SAMPLE, NEXT_ON_RING = 200, 8  # peers that a neighbour without a seed is told
UNHEARD = 3.0  # seconds that leaving waits for somebody to hear what was said last
READING, READING_IN_ALL = 3.0, 15.0  # seconds that it waits for others to read on, and to the end
LEAVING_LOOK = 0.02  # seconds between two looks of a leaver
STOOD_STILL = 30.0  # seconds at most that a leaver waits longer because it was late itself


class Peer(Asker, Gossiper):
    """A peer, known by the address that it listens on and announces."""

    CROWD = {UNIDENTIFIED, AWAITING_PROBE}
    PACED = CUT_OFF = {UNIDENTIFIED, AWAITING_PROBE, DIALLED}
    ANSWERS = {
        UNIDENTIFIED: {"liveness_request": "on_probe", "connect": "on_connect"},
        PROBE: Asker.PROBING,
        AWAITING_PROBE: {"liveness_request": "on_liveness_request"},
        DIALLED: {UP: "introduce_self", "liveness_request": "on_liveness_request",
                  "accepted": "on_accepted", "refused": "on_refused", END: "dial_ended"},
        NEIGHBOUR: {"liveness_request": "on_liveness_request", "status": "on_status",
                    "liveness_reply": "on_liveness_reply", "refused": "on_given_up",
                    "leave": "on_leave", "ask_known_peers": "on_ask_known_peers",
                    "known_peers": "on_known_peers", END: "neighbour_ended"},
        SEED: {UP: "register", "registered": "on_registered", "peer_list": "on_peer_list",
               "registration_refused": "on_registration_refused", "dead_node": "on_dead_node",
               END: "registration_ended"},
        OTHER_SEED: {UP: "ask_for_list", "peer_list": "on_other_list"},
    }

    def __init__(self, address: Address, settings: Settings, output, world, seeds: list[Target]):
        capacity, interval = capacity_of(address, settings.capacity), settings.liveness_interval
        self.peer_list = PeerList(address, interval)
        super().__init__(address, settings, output, world, self.peer_list.has_named)
        self.neighbours = Neighbours(address, capacity, settings.liveness_misses, world.rng)
        self.places = Places(address, capacity, settings.capacity, interval, self.rng)
        self.registrations = Registrations(seeds, self.rng)
        self.prober = Prober(self, STAGES, STRANGERS_LIMIT)  # of newcomers
        self.last_probes = Prober(self, LAST_PROBES)  # of suspects, which no stranger delays
        self._generated = 0  # messages of the generator
        self._accounts = Accounts(1_000, settings.rate, settings.burst)  # of neighbours, and seeds
        self._redialled = Recent(10_000)  # neighbour -> when it was dialled because its link broke
        self._lists = Backoff(0.5, interval)  # of questions for lists
        self._wanted = Budget(0.2, 3)  # of those that others cause
        self._teller: Link | None = None  # the neighbour that was asked for the peers it knows
        output.write(f"started:peer:{address}",
                     f"settings:{settings.shown()}:start={self.start_number}", "late:0.000")

    def start(self) -> None:
        """Listen, and begin all duties; not at the same moment as other peers."""
        settings, part = self.settings, self.rng.uniform(0.5, 1.0)
        self.world.listen(self.accepted)
        self.membership = self.schedule("membership", self.look_after_links)
        self.schedule("liveness", self.check_liveness, part * settings.liveness_interval)
        if settings.gossip_count:
            self.schedule("gossip generator", self.generate, settings.gossip_interval)
        if settings.antientropy_interval:
            self.schedule("anti-entropy", self.compare_with_somebody,
                          part * settings.antientropy_interval)

    # Gossip.

    def generate(self, now: float) -> float:
        """Make `message 1`, `message 2` and so on; return when the next one is due."""
        self._generated += 1
        self.originate([f"message {self._generated}"])
        is_last = self._generated >= self.settings.gossip_count
        return math.inf if is_last else now + self.settings.gossip_interval

    def gossip_links(self) -> list[Link]:
        return self.neighbours.links

    def is_crowded(self) -> bool:
        """Tell whether much waits for a neighbour that reads slowly. Needs no lock."""
        now = self.now()
        return not self.way.has_room() or any(
            link.is_crowded(now, CROWDED) for link in self.neighbours.links)

    def handle(self, link: Link, lines: list[bytes]) -> None:
        """Take the lines that came together over a link; adjacent gossip is taken together."""
        if link.role != NEIGHBOUR:
            super().handle(link, lines)
            return
        new = self.messages.drop_known(lines)
        if len(new) < len(lines):
            self.way.repeated(link, lines)
            if not new:
                return
        takers = {wire.GOSSIP: self.receive, wire.RUMOR: self.receive_rumors, None: super().handle}
        for form, group in wire.by_form(new):
            if link.is_held or link.closed:
                link.pending += group
            else:
                takers[form](link, group)
                if form == wire.RUMOR:
                    self.charge(link, 1)  # for the answer

    def handle_one(self, link: Link, line: bytes) -> None:
        super().handle_one(link, line)
        if link.role in COSTS:
            self.charge(link, COSTS[link.role] * (1 + len(line) / CONTROL_UNIT))

    def brought(self, link: Link, added: Added) -> None:
        """Charge a neighbour for new messages of its own."""
        lines, own = added.messages + added.forbidden, f"{link.peer}:".encode()
        if b"\n".join(lines).find(own) >= 0:  # several times faster than `in`
            self.charge(link, sum([max(1, len(line) / UNIT) for line, run in zip(
                lines, wire.runs_of(lines)) if run.startswith(own)]))

    def charge(self, link: Link, cost: float) -> None:
        """Charge a neighbour for what it says in its own name, and for answers to it, and a seed
        for all it says. Above its budget it is heard more slowly, so that TCP slows it down; what
        it forwards is free."""
        if rest := self._accounts.of(link.peer).charge(cost, self.now()):
            self.hold(link, None, min(rest, LONGEST_REST))

    def compare_with_somebody(self, now: float) -> float:
        """Compare what both have seen with a random neighbour."""
        if self.neighbours.links and not self.is_leaving:
            self.compare(self.rng.choice(self.neighbours.links))
        return now + self.settings.antientropy_interval

    def on_status(self, link: Link, status: wire.Status) -> None:
        self.charge(link, self.heard(link, status) / UNIT)

    # Liveness, and the dead report.

    def check_liveness(self, now: float) -> float:
        """Every round: count misses, unless this peer was late; ask neighbours and seeds for a sign
        of life, probe suspects, dial those whose links broke, give up surplus links."""
        if self.is_leaving:
            return math.inf
        time = wire.format_time(self.time())
        missed, asked, suspects = self.neighbours.next_round(time, now, self.is_late())
        seeds = len(self.registrations.links())
        self.output.write(f"alive:{self.settings.liveness_interval:g}:{seeds}",
                          *[f"liveness missed:{peer}:{count}" for peer, count in missed],
                          *[f"liveness request:{peer}" for peer in asked])
        for peer in asked:
            self.neighbours.link(peer).send(wire.say("liveness_request", time, self.address))
        for peer in suspects:
            self.last_probes.ask(
                peer, functools.partial(self.judge, peer, self.neighbours.rows[peer]))
        for peer, row in list(self.neighbours.rows.items()):
            if row.link is None and not row.is_suspect:
                self.dial_peer(peer)
        self.repeat_registrations()
        if self.registrations.links():
            self.peer_list.forget_old(now)
            self.give_up_surplus(now)
        else:
            for peer in sample(by_ip(self.peer_list.lost), 1, self.rng):
                self.dial_peer(peer)
        self.membership.wake()
        return now + self.settings.liveness_interval

    def judge(self, peer: Address, row, alive: Verdict) -> None:
        """Take what the last probe of a suspect found."""
        if self.neighbours.rows.get(peer) is not row or not row.is_suspect:
            return  # it has replied, or linked again
        if alive is not Verdict.REFUSED and not row.is_silent():
            row.clear_suspicion()  # its line is slow, and new connections may be, too
        elif alive:
            self.peer_list.remember(peer)  # maybe no list names it any more
            self.unlink(peer, "silent, but alive")
        else:
            self.declare_dead(peer)

    def declare_dead(self, peer: Address) -> None:
        silent = self.now() - self.neighbours.rows[peer].silent_since
        self.output.write(f"dead:{peer}:{silent:.3f}")
        self.report(peer)
        self.remove_dead(peer, "dead")

    def report(self, dead: Address) -> None:
        """Tell all seeds that list this peer of a death."""
        line = wire.say("dead_node", dead, wire.format_time(self.time()), self.address)
        for link in self.registrations.links():
            self.output.write(f"reported:{link.remote}:{line.decode().rstrip()}")
            link.send(line)

    def remove_dead(self, peer: Address, reason: str) -> None:
        self.peer_list.discard(peer)
        self.peer_list.remember(peer)
        self.unlink(peer, reason)

    def on_probe(self, link: Link, time: str, asker: Address) -> None:
        """Answer a probe. If it is a seed's that lists this peer, show that the registration
        stands, because somebody else may want to register in the name of this peer."""
        self.on_liveness_request(link, time, asker)
        if link.remote.ip == asker.ip:
            registration = self.registrations.probed_by(asker, self.now())
            if registration is not None:
                registration.send(wire.say("register", str(self.address)))

    def on_liveness_reply(self, link: Link, time: str, asker: Address, replier: Address) -> None:
        if asker != self.address or replier != link.peer:
            raise ProtocolError("Liveness Reply to somebody else, or by somebody else")
        took = self.neighbours.replied(link.peer, time, self.now())
        if took is not None:
            self.output.write(f"liveness reply:{link.peer}:{took * 1000:.3f}")

    def on_dead_node(self, link: Link, dead: Address, time: str, reporter: Address) -> None:
        """A seed tells of a death. Believe it, unless the neighbour has said something within two
        rounds; of one whose link broke, this peer goes on to count misses, and finds out itself."""
        report = wire.say("dead_node", dead, time, reporter).decode().rstrip()
        self.output.write(f"told:{link.remote}:{report}")
        row = self.neighbours.rows.get(dead)
        if row is not None and row.link is None:
            self.peer_list.discard(dead)
        elif dead != self.address and (row is None or self.now() - row.link.heard_at
                                       >= ROUNDS * self.settings.liveness_interval):
            self.remove_dead(dead, "told dead")

    # Links: dialled for the ring and for free places, given up, broken.

    def look_after_links(self, now: float) -> float:
        """Register with a majority of the seeds, ask for lists, dial peers; return when to look
        again."""
        if self.is_leaving:
            return math.inf
        for seed in self.registrations.to_dial(now):
            self.registrations.rows[seed].link = self.dial(SEED, seed, ANSWER_TIME)
        if now >= self._lists.due:
            self._lists.failed(now)
            self.ask_for_lists()
        linked = set(self.neighbours.linked())
        counted = self.peer_list.named_among(linked)
        for peer in self.places.choose(self.peer_list.known, linked, counted, now):
            self.dial_peer(peer)
        due = min(self._lists.due, self.registrations.next_at(now), self.places.next_at(now))
        return max(now + SHORTEST_PAUSE, due)

    def dial_peer(self, peer: Address) -> None:
        """Ask a peer to become a neighbour, unless it is being asked."""
        if peer not in self.places.dialling and not self.is_leaving:
            self.places.dialling.add(peer)
            self.dial(DIALLED, peer, ANSWER_LIMIT)

    def introduce_self(self, link: Link) -> None:
        link.send(wire.say("connect", self.address))

    def on_accepted(self, link: Link, by: Address) -> None:
        if by not in (link.peer, self.address):  # some say whom they accept
            raise ProtocolError(f"{by} answered instead")
        if self.is_leaving:
            link.send(wire.say("leave", self.address))  # to one that counts it as a neighbour
            link.close("leaving")
        else:
            self.enter(link, link.peer, is_dialled=True)

    def on_refused(self, link: Link, by: Address, reason: str) -> None:
        """A dialled peer refuses. It lives, so a link that broke is no sign of its death."""
        row = self.neighbours.rows.get(link.peer)
        if row is not None and row.link is None:
            self.neighbours.remove(link.peer)
            self.peer_list.remember(link.peer)
        if self.neighbours.link(link.peer) is None:  # else it has dialled, too
            self.places.refused(link.peer, self.now())
        if reason == "full":
            self.want_lists()  # maybe no list has named the nearest peers yet
        link.close("refused")

    def dial_ended(self, link: Link, error: OSError | None) -> None:
        self.places.dialling.discard(link.peer)
        if link.closed != "refused" and self.neighbours.link(link.peer) is None:
            self.places.pass_over(link.peer, self.now())
            self.peer_list.unreachable(link.peer, self.now())
        self.membership.by(self.now() + SHORTEST_PAUSE)  # the next dial may end as soon

    def enter(self, link: Link, peer: Address, is_dialled: bool) -> None:
        """A link is a neighbour's from now on."""
        if self.neighbours.link(peer) is not None:  # it has accepted this one, so that one is dead
            self.unlink(peer, "duplicate")
        self.places.dialling.discard(peer)
        self.places.linked(peer)
        self.peer_list.lost.pop(peer, None)
        self.trust(link, NEIGHBOUR, peer)
        self.neighbours.enter(peer, link, is_dialled, self.now())
        self.output.write(f"connected:{peer}", self.degree())
        if not is_dialled:
            link.send(wire.say("accepted", self.address))
        else:
            self.compare(link)  # one end begins
        self.membership.wake()

    def degree(self) -> str:
        return f"degree:{self.address}=>{len(self.neighbours.links)}"

    def unlink(self, peer: Address, reason: str, who: str = HERE) -> None:
        """Forget a neighbour, and end its link, if it has one; `who` wants that."""
        link = self.neighbours.link(peer)
        self.neighbours.remove(peer)
        if link is not None:
            self.write_end(peer, reason, who)
            link.close(reason)
        self.membership.wake()

    def write_end(self, peer: Address, reason: str, who: str) -> None:
        self.output.write(f"disconnected:{peer}:{reason[:REASON_LIMIT]}:{who}", self.degree())

    def give_up_surplus(self, now: float) -> None:
        named = self.peer_list.named_among(self.neighbours.rows)
        for peer in self.neighbours.surplus(now, named, self.settings.liveness_interval):
            self.neighbours.link(peer).send(wire.say("refused", self.address, "full"))
            self.places.refused(peer, now)
            self.unlink(peer, "given up")

    def on_given_up(self, link: Link, by: Address, reason: str) -> None:
        """A neighbour gives the link up."""
        self.places.refused(link.peer, self.now())
        self.unlink(link.peer, reason, THERE)

    def on_leave(self, link: Link, who: Address) -> None:
        if who == link.peer:
            self.peer_list.discard(who)
            self.unlink(who, "left", THERE)

    def refuse(self, link: Link, reason: str) -> None:
        """A neighbour that broke a rule is not dialled for a while."""
        super().refuse(link, reason)
        if self.neighbours.link(link.peer) is link:
            self.places.refused(link.peer, self.now())
            self.unlink(link.peer, reason)

    def neighbour_ended(self, link: Link, error: OSError | None) -> None:
        """A link has ended. It broke, unless this peer has ended it, or leaves."""
        if self.neighbours.link(link.peer) is link:
            if self.is_leaving:
                self.unlink(link.peer, "left", THERE)
            else:
                self.link_broke(link.peer, link.closed)
        self.gossip_ended(link)

    def link_broke(self, peer: Address, reason: str) -> None:
        """The neighbour misses every round from now on; dial it at once, but only once a round."""
        now = self.now()
        self.neighbours.link_broke(peer, now)
        self.write_end(peer, reason, BROKEN)
        if now - self._redialled.get(peer, -math.inf) <= self.settings.liveness_interval:
            self.places.refused(peer, now)
        else:
            self._redialled[peer] = now
            self.dial_peer(peer)
        self.membership.wake()

    # Newcomers. Each is probed at the address that it announces before it is accepted, because
    # nothing else shows that the address is its own.

    def on_connect(self, link: Link, asker: Address) -> None:
        if self.is_leaving:
            link.close("leaving")
        elif asker.ip != link.remote.ip:
            self.turn_away(link, "another IP")
        else:
            link.role, link.peer = AWAITING_PROBE, asker
            self.expect(link, ANSWER_LIMIT)
            if fault := self.fault_of(link):
                self.turn_away(link, fault)
            else:
                self.prober.ask(asker, functools.partial(self.probed, link), link)

    def fault_of(self, link: Link) -> str:
        """Return why a newcomer is refused, or nothing. Of two peers that dial each other, the
        dial of the lower one stays."""
        asker = link.peer
        if asker in self.places.dialling and self.address < asker:
            return "duplicate"
        if asker not in self.peer_list:
            self.want_lists()
        named = self.peer_list.named_among([asker, *self.neighbours.rows])
        return self.neighbours.fault_of(asker, named)

    def probed(self, link: Link, alive: Verdict) -> None:
        if link.closed is None and not self.is_leaving:
            if fault := self.fault_of(link) if alive else "full":
                self.turn_away(link, fault)
            else:
                self.enter(link, link.peer, is_dialled=False)

    def turn_away(self, link: Link, reason: str) -> None:
        if reason == "full" and not self.registrations.links():
            self.peer_list.hear((link.peer,))  # no seed tells of it; it may know only full peers
        link.send(wire.say("refused", self.address, reason))
        self.refuse(link, reason)
        if reason == "duplicate" and self.neighbours.doubt(link.peer, self.now()):
            self.dial_peer(link.peer)

    # Seeds, and what they and others say of other peers.

    def register(self, link: Link) -> None:
        """A seed is up; note where its name has led."""
        row = self.registrations.rows[link.peer]
        if row.address != link.remote and link.peer != link.remote:
            self.output.write(f"seed:{link.peer}={link.remote}")
        row.address = link.remote
        link.send(wire.say("register", str(self.address)))

    def on_registered(self, link: Link) -> None:
        self.trust(link, SEED, link.peer)
        if self.registrations.registered(link.peer):
            self.output.write(f"registered:{link.remote}")
            self.ask_for_list(link)

    def on_registration_refused(self, link: Link, reason: str) -> None:
        self.refuse(link, f"registration refused: {reason}")

    def repeat_registrations(self) -> None:
        """Show the seeds that this peer lives, see that they do, and ask one more for its list."""
        repeat, silent = self.registrations.next_round()
        for link in repeat:
            link.send(wire.say("register", str(self.address)))
        for link in silent:
            link.close("no answer to register")
        for seed in self.registrations.one_more():
            self.dial(OTHER_SEED, seed, min(ANSWER_LIMIT, self.settings.liveness_interval))

    def overdue(self, link: Link) -> None:
        if link.role == SEED:
            link.close("no answer to register")
        else:
            super().overdue(link)

    def registration_ended(self, link: Link, error: OSError | None) -> None:
        is_news = self.registrations.ended(link.peer, link.closed, self.now())
        if not self.is_leaving:
            self.output.write(f"{'unregistered' if is_news else 'tried'}:"
                              f"{link.remote or link.peer}:{link.closed}")
        self.membership.wake()

    def ask_for_list(self, link: Link) -> None:
        link.send(wire.say("ask_peer_list"))

    def ask_for_lists(self) -> None:
        """Ask all seeds; if there is none, a neighbour."""
        registered = self.registrations.links()
        for link in registered:
            self.ask_for_list(link)
        if not registered and self.neighbours.links:
            self._teller = self.rng.choice(self.neighbours.links)
            self._teller.send(wire.say("ask_known_peers"))

    def want_lists(self) -> None:
        """Ask for lists soon, because somebody came whom none has named."""
        now = self.now()
        if self._lists.due > now + 0.5 and self._wanted.spend(1, now):
            self._lists.reset()
            self._lists.due = now + 0.25
            self.membership.by(self._lists.due)

    def on_peer_list(self, link: Link, addresses: tuple[Address, ...]) -> None:
        if self.peer_list.learn(link.peer, addresses, self.now()):
            listed = ":".join([address.listed for address in addresses])
            self.output.write(f"peer list:{link.remote}:{listed}")
            self.membership.wake()

    def on_other_list(self, link: Link, addresses: tuple[Address, ...]) -> None:
        if self.peer_list.learn(link.peer, addresses, self.now()):
            self.membership.wake()
        link.close("told")

    def on_ask_known_peers(self, link: Link) -> None:
        """Tell a neighbour without a seed of others, as many as it may need."""
        known = sorted({*self.peer_list.known, *self.neighbours.linked()} - {link.peer})
        near = itertools.islice(successors(link.peer, known), NEXT_ON_RING)
        told = sorted({*sample(by_ip(known), SAMPLE, self.rng), *near})
        link.send(wire.say("known_peers", told))
        self.charge(link, KNOWN_PEERS_COST)

    def on_known_peers(self, link: Link, addresses: tuple[Address, ...]) -> None:
        """Take what a neighbour knows if it was asked, because it may invent any number."""
        if link is self._teller and not self.registrations.links():
            self._teller = None
            self.peer_list.hear(addresses)
            self.membership.wake()

    # Leaving.

    def leave(self, until: float | None = None) -> None:
        """Say goodbye, and stop once all have read it and hung up. If nobody can have heard what
        was said last, wait a little for somebody first; else for its sending to begin. While this
        peer stood still nobody could show that, so no wait ends with its lateness, unless that
        has no end."""
        until = self.now() + UNHEARD if until is None else until
        may_go = max(until, min(self.late_until, until + STOOD_STILL))
        if not self.is_unheard:
            may_go = min(may_go, self.said_at + LEAVING_LOOK)
        if self.is_leaving:
            return
        if self.now() < may_go:
            self.later(LEAVING_LOOK, self.leave, until)
            return
        self.way.finish()
        self.is_leaving = True
        self.output.write(f"leaving:{self.address}")
        for link in self.links:
            if link.role == AWAITING_PROBE or link.role in (DIALLED, SEED) and link.remote is None:
                link.close("leaving")
        dialled = [link for link in self.links if link.role == DIALLED]  # some may have accepted
        goodbye = self.neighbours.links + [  # seeds may list it whose answer was not read yet
            link for link in self.links if link.role == SEED]
        for link in goodbye:
            link.send(wire.say("leave", self.address))
        self.leave_when_read(goodbye + dialled, self.now(), self.now() + READING_IN_ALL)

    def leave_when_read(self, goodbye: list[Link], since: float, until: float) -> None:
        """Stop, unless somebody still reads what waits for it, maybe in the system's buffers, or
        has to say whether it has accepted; `since`: when one last did, or said something."""
        left = [link for link in goodbye if link.closed is None]
        late = min(self.late_until, until + STOOD_STILL)
        since = max([since, late, *(max(link.taken_at, link.heard_at) for link in left)])
        if left and self.now() < min(since + READING, max(until, late + READING)):
            self.later(LEAVING_LOOK, self.leave_when_read, left, since, until)
            return
        self.output.write(*[f"not read:{link.peer}:{len(link.waiting)} bytes"
                            for link in left if link.waiting])
        self.stop("quit")

    def status(self) -> dict[str, object]:
        """Return what there is, and counts of everything that was dropped."""
        return {
            "address": self.address,
            "neighbours": f"{len(self.neighbours.links)} of {self.neighbours.capacity}",
            "seeds": len(self.registrations.links()), "known peers": len(self.peer_list.known),
            "messages held": self.messages.count(), "runs": len(self.messages.runs),
            **self.messages.dropped, **self.peer_list.dropped, **self.counters, **self.way.counts(),
            "lines lost": self.output.lost}
