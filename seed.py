"""A seed: lists peers that it has probed, probes those that are lost or reported, tells of deaths.

Here its tables and conversations meet: registering, deaths, relays, lost and silent connections.
Every method is called with the node's lock held, one at a time, and never waits
(grapevine/node.py). A seed believes nobody: it probes before it lists, and before it removes.
"""

if __name__ == "__main__":
    import os
    import signal
    import sys
    sys.path.append(os.path.dirname(__file__))  # which PYTHONSAFEPATH=1 leaves out
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # silently ends a program that is still starting
    from grapevine.terminal.programs import seed_main
    sys.exit(seed_main())  # the classes below are those of `grapevine.seed`

import functools
import itertools

from grapevine import wire
from grapevine.addresses import Address, Target, parse_address, sample
from grapevine.asking import PROBE, Asker, Verdict
from grapevine.link import Link
from grapevine.neighbours import successors
from grapevine.node import CONNECT, END, INTRODUCTION, UNIDENTIFIED, UP
from grapevine.prober import STRANGERS_LIMIT, Prober
from grapevine.registry import Listing, Registry, Removal
from grapevine.settings import Settings
from grapevine.tools import Accounts, Budget

# Roles of a link, besides UNIDENTIFIED and PROBE: what the other end is.
AWAITING_PROBE = "AWAITING_PROBE"  # a peer that registers, and is probed first
REGISTERED = "REGISTERED"  # a peer
RELAY = "RELAY"  # a seed that is told of deaths

LONG_LIST = 500  # peers; of a longer list, an asker is told a part:
SAMPLE, NEXT_ON_RING = 100, 8  # so many drawn at random, and the next so many on the ring
REFUSED_REST = 1.0  # seconds for which a connection is not read after a refusal
WORD = 1.0  # seconds for an older registration to show that it stands
GRACE = 60.0  # seconds for a living peer to come back after its connection broke
SILENT_ROUNDS = 3  # rounds without a byte, after which a peer is probed
LISTED_RATE, LISTED_BURST = 1, 20  # times a second, and at once, that one address is listed anew
REPORTS = 50  # dead reports that are read a second, of all other seeds, and of all strangers
RELAYED, RELAY_PAUSE = 25, 1.0  # deaths told over one connection to a seed; seconds between two
RELAY_LIMIT = 10_000  # deaths that may wait for one seed


class Seed(Asker):
    """A seed, known by the address that it listens on."""

    STAGES = [(0.25, 256), (2.0, 64), (2.0, 64)]  # of a probe: seconds, and probes at once
    LOOKS_INTO_ALL = False  # that another seed calls dead, also into who is not listed here
    CROWD = CUT_OFF = {UNIDENTIFIED, AWAITING_PROBE}
    PACED = {UNIDENTIFIED, AWAITING_PROBE, REGISTERED}
    _SAID = {"register": "on_register", "ask_peer_list": "on_ask_peer_list",
             "dead_node": "on_dead_node", "leave": "on_leave"}
    ANSWERS = {
        UNIDENTIFIED: _SAID,
        PROBE: Asker.PROBING,
        AWAITING_PROBE: {"register": "on_impatience", "ask_peer_list": "on_ask_peer_list",
                         "leave": "on_leave"},
        REGISTERED: {**_SAID, END: "registration_ended"},
        RELAY: {UP: "relay_waiting", END: "relay_ended"},
    }

    def __init__(self, address: Address, settings: Settings, output, world, seeds: list[Target]):
        super().__init__(address, settings, output, world)
        self.registry = Registry(settings.registrations_per_ip)
        self.prober = Prober(self, self.STAGES, STRANGERS_LIMIT)  # of newcomers
        self.prober_of_lost = Prober(self, self.STAGES)  # of peers whose connections broke
        self.prober_of_listed = Prober(self, self.STAGES)  # of others, whom none of those delay
        self.others = [seed for seed in seeds if seed != address]
        self._seed_ips = {seed: seed.ip for seed in self.others if isinstance(seed, Address)}
        self._waiting: dict[Target, list[bytes]] = {}  # seed -> deaths to tell it of
        self._listed = Accounts(10_000, LISTED_RATE, LISTED_BURST)  # peer -> how often
        self._reports = {is_seed: Budget(REPORTS, REPORTS) for is_seed in (True, False)}
        output.write(f"started:seed:{address}", f"settings:seeds={len(seeds)}", "late:0.000")

    def start(self) -> None:
        self.world.listen(self.accepted)
        self.schedule("lookout", self.look_after_registrations)

    # Registering.

    def on_register(self, link: Link, text: str) -> None:
        try:
            peer = parse_address(text)
        except ValueError as error:
            self.turn_away(link, link.remote, str(error)[:300])
            return
        row = self.registry.row_of(link)
        if peer.ip != link.remote.ip:
            self.turn_away(link, link.remote, f"{peer.ip} is not your IP")
        elif row is not None and link.peer == peer:
            row.repeated_at = self.now()
            link.send(wire.say("registered"))
        elif row is not None:
            self.turn_away(link, peer, f"this connection is {link.peer}'s")
        elif self._listed.of(peer).charge(0, self.now()):
            self.turn_away(link, peer, "registered too often lately")
        else:
            link.role, link.peer, link.deadline = AWAITING_PROBE, peer, None
            self.prober.ask(peer, functools.partial(self.verified, link, self.now()), link)

    def on_impatience(self, link: Link, text: str) -> None:
        """A peer repeats `register` while it is being probed; the answer will come."""

    def turn_away(self, link: Link, who: Address, reason: str) -> None:
        """Refuse a registration; the connection may say something else a little later."""
        self.write_refusal(who, reason)
        link.send(wire.say("registration_refused", reason))
        if link.role == AWAITING_PROBE:
            link.role, link.peer = UNIDENTIFIED, None
            self.expect(link, INTRODUCTION)
        self.hold(link, None, REFUSED_REST)

    def verified(self, link: Link, asked: float, alive: Verdict, awaited: Listing | None = None
                 ) -> None:
        """List a peer that answers. If another connection is registered for its address, that one
        has a second to repeat `register`, as peers do that a seed probes; if it does, it stands."""
        if link.closed:
            return
        row = self.registry.rows.get(link.peer)
        if not alive:
            self.turn_away(link, link.peer, f"no Liveness Reply from {link.peer}")
        elif not self.registry.has_room(link.peer):
            self.turn_away(link, link.peer, "too many of your IP are registered")
        elif row is None or row.link is None:
            self.list_peer(link)
        elif row.repeated_at >= asked - WORD:
            self.turn_away(link, link.peer, "registered on another connection, which stands")
        elif awaited is None:
            self.later(WORD, self.verified, link, asked, alive, row)
        elif row is awaited and not self.is_late():
            self.list_peer(link)
        else:  # it may not be read yet, or another newcomer was listed, and has a second, too
            self.prober.ask(link.peer, functools.partial(self.verified, link, self.now()), link)

    def list_peer(self, link: Link) -> None:
        self.trust(link, REGISTERED, link.peer)
        self._listed.of(link.peer).charge(1, self.now())
        older = self.registry.register(link.peer, link, self.now())
        self.output.write(f"registered:{link.peer}")
        if older is not None and older.link is not None:
            older.link.close("registered again")
        link.send(wire.say("registered"))

    def on_ask_peer_list(self, link: Link) -> None:
        """Send the list, or a sample of it, without the asker."""
        told, row = self.registry.ordered, self.registry.row_of(link)
        count = len(told) - (row is not None)
        if len(told) > LONG_LIST:
            near = successors(link.peer, told) if row is not None else ()
            drawn = sample(self.registry.of_ip, SAMPLE, self.rng)
            told = sorted({*drawn, *itertools.islice(near, NEXT_ON_RING)})
        link.send(wire.say("peer_list", [peer for peer in told if peer != link.peer]))
        if row is not None and row.told != count:
            row.told = count
            self.output.write(f"peer list:{link.peer}:{count}")

    # Deaths.

    def on_dead_node(self, link: Link, dead: Address, time: str, reporter: Address) -> None:
        """Find out whether a peer is dead, as a registered peer or another seed says."""
        now, line = self.now(), wire.say("dead_node", dead, time, reporter)
        own_row = self.registry.row_of(link)
        is_seed = own_row is None and link.remote.ip in self._seed_ips.values()
        if not (self._reports[is_seed] if own_row is None else own_row.reports).spend(1, now):
            self.counters["reports not read"] += 1
            return
        shown = line.decode().rstrip()
        self.output.write(f"dead report:{shown}")
        is_own = own_row is not None and reporter == link.peer  # a report of a peer of this seed
        if is_seed and self.LOOKS_INTO_ALL:
            self.registry.assume_removed(dead)
        row, removal = self.registry.rows.get(dead), self.registry.removed.get(dead)
        if not (is_own or is_seed):
            self.output.write(f"rejected:{shown}:neither a peer's own report nor a seed's")
        elif row is None and removal is None:
            self.output.write(f"rejected:{shown}:not registered here")
        elif row is None and removal.has_left:
            self.output.write(f"rejected:{shown}:it has left")
        elif removal is None or not (removal.is_passed_on if is_own else removal.is_told):
            (self.prober_of_lost if row is None else self.prober_of_listed).ask(
                dead, functools.partial(self.judge_report, dead, row, line, is_own))

    def judge_report(self, dead: Address, row: Listing | None, line: bytes, is_own: bool,
                     alive: Verdict) -> None:
        """Judge a report by the probe."""
        shown = line.decode().rstrip()
        if alive:
            self.output.write(f"rejected:{shown}:it answers")
            return
        self.remove(dead, row, "dead")
        removal = self.registry.removed.get(dead)
        if removal is None or removal.has_left:  # it has registered again meanwhile, or left
            self.output.write(f"rejected:{shown}:not registered here")
        else:
            self.tell_of_death(removal, line, is_own)

    def tell_of_death(self, removal: Removal, line: bytes, is_own: bool) -> None:
        """Tell this seed's peers of a death, and the other seeds, if a peer of its own found it."""
        is_news, is_to_relay = not removal.is_told, is_own and not removal.is_passed_on
        removal.is_told, removal.is_passed_on = True, removal.is_passed_on or is_own
        if is_news:
            self.output.write(f"passed on:{line.decode().rstrip()}")
        for link in self.registry.links() if is_news or is_to_relay else ():
            link.send(line)
        for seed in self.others if is_to_relay else ():
            self.relay(seed, line)

    def remove(self, peer: Address, row: Listing | None, reason: str) -> None:
        """Remove exactly this row, and end its connection."""
        if self.registry.remove(peer, row, reason == "left"):
            self.output.write(f"removed:{peer}:{reason}")
            if row.link is not None:
                row.link.close(reason)

    def on_leave(self, link: Link, who: Address) -> None:
        if who == link.peer:
            self.remove(who, self.registry.row_of(link), "left")
            link.close("left")

    # Relays: what other seeds are told, over one short connection at a time to each.

    def relay(self, seed: Target, *lines: bytes) -> None:
        """Tell a seed soon; without lines, only find out where its name leads."""
        if seed not in self._waiting:
            self._waiting[seed] = []
            self.dial(RELAY, seed, CONNECT)
        if len(self._waiting[seed]) < RELAY_LIMIT:
            self._waiting[seed] += lines
        else:
            self.counters["deaths not told"] += len(lines)

    def relay_waiting(self, link: Link) -> None:
        """A seed is up: tell it."""
        lines = self._waiting[link.peer]
        self._seed_ips[link.peer] = link.remote.ip
        link.send(b"".join(lines[:RELAYED]))
        link.close("told")
        del lines[:RELAYED]

    def relay_ended(self, link: Link, error: OSError | None) -> None:
        if link.closed != "told" and self._waiting[link.peer]:
            self.output.write(f"not told:{link.remote or link.peer}:{link.closed}")
            self.counters["deaths not told"] += len(self._waiting[link.peer])
            self._waiting[link.peer] = []
        self.later(RELAY_PAUSE, self._relay_more, link.peer)

    def _relay_more(self, seed: Target) -> None:
        if lines := self._waiting.pop(seed):
            self.relay(seed, *lines)

    # Lost and silent connections.

    def registration_ended(self, link: Link, error: OSError | None) -> None:
        row = self.registry.row_of(link)
        if row is not None:
            row.link, row.lost_at = None, self.now()
            self.prober_of_lost.ask(
                link.peer, functools.partial(self.judge_lost, link.peer, row))

    def judge_lost(self, peer: Address, row: Listing, alive: Verdict) -> None:
        """Judge a peer whose connection broke: it is gone, or has some time to come back."""
        if alive:
            self.later(GRACE, self.judge_absent, peer, row)
        else:
            self.remove_gone(peer, row, row.lost_at, "connection broke")

    def judge_absent(self, peer: Address, row: Listing) -> None:
        """Remove a peer that did not come back, unless this seed may have missed that."""
        if self.is_late():
            self.later(GRACE, self.judge_absent, peer, row)
        else:
            self.remove_gone(peer, row, row.lost_at, "did not come back")

    def remove_gone(self, peer: Address, row: Listing, since: float, why: str) -> None:
        self.remove(peer, row, f"gone:{self.now() - since:.3f}:{why}")

    def look_after_registrations(self, now: float) -> float:
        """Every round: tell that this seed is up, find out where names lead, probe silent peers."""
        interval = self.settings.liveness_interval
        self.output.write(f"alive:{interval:g}")
        for seed in self.others:
            if not isinstance(seed, Address):
                self.relay(seed)
        for peer, row in self.registry.silent(now - SILENT_ROUNDS * interval):
            self.prober_of_listed.ask(
                peer, functools.partial(self.judge_silent, peer, row, row.link))
        return now + interval

    def judge_silent(self, peer: Address, row: Listing, link: Link, alive: Verdict) -> None:
        """Say something to a silent peer that lives: a connection that is dead then breaks. One
        that has said something meanwhile is not silent, however slow new connections are."""
        if alive:
            link.heard_at = self.now()  # it is not silent for now
            link.send(wire.say("registered"))
        elif (row.link is link and self.now() - link.heard_at
              >= SILENT_ROUNDS * self.settings.liveness_interval):
            self.remove_gone(peer, row, link.heard_at, "silent")

    def status(self) -> dict[str, object]:
        return {"address": self.address, "registered": len(self.registry.ordered), **self.counters}
