"""A seed: a registry of peers. It lists whom it has verified, and removes whom it finds dead.

Read top to bottom: what may be said on which connection, registration, the peer list, deaths.
A seed never believes: before it lists or removes an address it probes it
(gossip/liveness/prober.py), on a thread of its own, so that no reader waits. Whom it lists is in
gossip/seeds/registry.py. The listener and the readers of connections are in gossip/node/node.py.
"""

import random
import sys
import threading
import time

from gossip import wire
from gossip.addresses import Address
from gossip.liveness.pool import Pool
from gossip.liveness.prober import Prober
from gossip.node.link import Link
from gossip.node.counters import Budget
from gossip.node.node import WAITING, Node
from gossip.node.output_file import OutputFile
from gossip.programs.seed_program import seed_main
from gossip.seeds.registry import Registry
from gossip.settings import Settings

# Roles of a connection, as this seed sees the other end.
REGISTERED = "a registered peer"
SEED = "a seed that is told"

REPORTS_READ = 1_000  # dead reports per second that are looked at; more are counted


class Seed(Node):
    """One seed, known by the address that it listens on."""

    kind = "seed"
    ALLOWED = {
        WAITING: {"register", "ask_peer_list", "dead_node", "leave"},
        REGISTERED: {"register", "ask_peer_list", "dead_node", "leave"},
    }

    def __init__(self, address: Address, seeds: list[Address], settings: Settings,
                 output: OutputFile, rng: random.Random | None = None):
        super().__init__(address, settings, output)
        self.rng = rng or random.Random()
        self.others = [seed for seed in seeds if seed != address]
        self.seed_ips = {seed.ip for seed in seeds}
        self.registry = Registry(settings)
        self.prober = Prober(self, settings.probe_tries, settings.probes_at_once)
        self.relays = Pool(self, "relay", settings.probes_at_once)
        self._reports = Budget(REPORTS_READ)
        self._grace_due = threading.Event()  # a registration's time to come back has begun
        self._verifying_lock = threading.Lock()  # guards _verifying
        self._verifying: dict[Link, Address] = {}  # connections that wait for their probe

    def settings_shown(self) -> str:
        return f"seeds={len(self.others) + 1}"

    def start_threads(self) -> None:
        self.start_thread("listener", self.listener.run, self.accept, self.make_room)
        self.start_thread("link flusher", self.flusher.run)
        self.start_thread("grace", self._keep_grace)

    def wake(self) -> None:
        self._grace_due.set()

    # Registration.

    def on_register(self, link: Link, message: wire.Register) -> None:
        """Verify a newcomer; repeat the answer while its verification stands."""
        address = message.address
        if address.ip != link.remote_ip:
            self.write_refusal(link.remote, f"{address} is not its IP")
            link.send(wire.registration_refused(f"{address.ip} is not your IP"))
        elif self.registry.is_registered(address, link):
            link.send(wire.REGISTERED)
        elif link.role == REGISTERED and link.peer != address:
            self._refuse(link, address, f"this connection is {link.peer}'s")
        else:
            self._verify(link, address)

    def _refuse(self, link: Link, address: Address, reason: str) -> None:
        self.write_refusal(address, reason)
        link.send(wire.registration_refused(reason))

    def _verify(self, link: Link, address: Address) -> None:
        """Have the address probed, once per connection at a time."""
        with self._verifying_lock:
            if link in self._verifying:
                return
            busy = len(self._verifying) >= self.settings.verifying_limit
            if not busy:
                self._verifying[link] = address
        if busy:
            self._refuse(link, address, "too many registrations at once, try again")
            return
        link.await_line(float("inf"))  # the next word is ours
        self._waiting_room.leave(link)
        self.prober.ask(address, lambda alive: self._verified(link, address, alive),
                        wanted=lambda: not link.ended, first=True)

    def _verified(self, link: Link, address: Address, alive: bool | None) -> None:
        """The prober's verdict on an address that wants to be listed."""
        with self._verifying_lock:
            self._verifying.pop(link, None)
        if link.ended:
            return
        if not alive:
            self._refuse(link, address, f"no Liveness Reply from {address}" if alive is False
                         else "too busy to find out whether you answer, try again")
            if link.role == WAITING:
                self.await_introduction(link)
            return
        self.introduced(link, REGISTERED, address)
        older = self.registry.register(address, link)
        self.output.drain(self.registry.changes)
        if older is not None and older is not link:
            older.close("registered again")
        link.send(wire.REGISTERED)
        if link.ended:
            self._connection_lost(link)

    # The peer list.

    def on_ask_peer_list(self, link: Link, message: wire.AskPeerList) -> None:
        """Send everyone on the list but the asker; shuffled where not all fit into a line."""
        addresses = [a for a in self.registry.addresses() if a != link.peer]
        line = wire.peer_list(addresses)
        if len(line) > wire.LINE_LIMIT // 2:
            self.rng.shuffle(addresses)
            line = wire.peer_list(addresses)
        link.send(line)
        if link.peer is not None and self.registry.list_changed(link.peer, link, len(addresses)):
            self.output.write(f"peer list:{link.peer}:{len(addresses)}")

    # Deaths.

    def on_dead_node(self, link: Link, message: wire.DeadNode) -> None:
        """A peer or another seed says that somebody is dead. Find out."""
        if not self._reports.spend(time.monotonic()):
            self.counters.add("dead reports not looked at")
            return
        self.output.write(f"dead report:{message.line}")
        if link.role == REGISTERED:
            if message.reporter != link.peer or not self.registry.is_registered(link.peer, link):
                self._reject(message, "not the reporter's own registration")
            elif not self.registry.is_known(message.dead, time.monotonic()):
                self._reject(message, "not registered here")
            else:
                self._examine(message, self._judge_report)
        elif link.remote_ip in self.seed_ips:
            self._examine(message, self._judge_relay)
        else:
            self._reject(message, "neither a registered peer nor a seed")

    def _reject(self, report: wire.DeadNode, reason: str) -> None:
        self.output.write(f"rejected:{report.line}:{reason}")

    def _examine(self, report: wire.DeadNode, judge) -> None:
        row = self.registry.row(report.dead)
        self.prober.ask(report.dead, lambda alive: judge(report, row, alive))

    def _judge_report(self, report: wire.DeadNode, row, alive: bool | None) -> None:
        """A registered peer's report, after the probe."""
        now = time.monotonic()
        if alive is not False:
            self._reject(report, "it answers" if alive else "too busy to find out")
        elif self._remove(report.dead, row, "dead"):
            self._pass_on(report)
        elif self.registry.lately_removed(report.dead, now):
            self._pass_on(report)
        else:
            self._reject(report, "not registered here")

    def _judge_relay(self, report: wire.DeadNode, row, alive: bool | None) -> None:
        """Another seed's report, after the probe: told to our peers, never to seeds again."""
        if alive is not False:
            self._reject(report, "it answers" if alive else "too busy to find out")
            return
        self._remove(report.dead, row, "dead")
        if self.registry.tell(report.dead, time.monotonic()):
            self._tell_peers(report)

    def _pass_on(self, report: wire.DeadNode) -> None:
        """Tell every other seed and all registered peers of a death, once per removal."""
        if not self.registry.pass_on(report.dead):
            return
        self.registry.tell(report.dead, time.monotonic())
        self._tell_peers(report)
        for seed in self.others:
            self.relays.run(self._tell_seed, seed, report)

    def _tell_peers(self, report: wire.DeadNode) -> None:
        for link in self.registry.links():
            link.send(wire.dead_node(report))

    def _tell_seed(self, seed: Address, report: wire.DeadNode) -> None:
        """Bring a report to another seed over a fresh connection; on a thread of the relays."""
        link = self.new_link(SEED, seed)
        try:
            link.connect(self.address, seed, self.settings.probe_limit)
            link.send(wire.dead_node(report))
        except OSError:
            self.counters.add("reports that another seed could not be told")
        finally:
            self._release(link)

    def _remove(self, address: Address, row, reason: str) -> bool:
        """Take a registration off the list and close its connection, so that the peer, if it
        lives, notices; answer whether it was on the list."""
        removed, link = self.registry.remove(address, row, reason, time.monotonic())
        self.output.drain(self.registry.changes)
        if link is not None:
            link.close("removed")
        return removed

    def on_leave(self, link: Link, message: wire.Leave) -> None:
        """A peer ends gracefully; that counts on its own registration only."""
        if self.registry.is_registered(message.address, link):
            self._remove(message.address, self.registry.row(message.address), "left")
        else:
            self.counters.add("leaves in the name of others")

    # Lost connections.

    def on_end(self, link: Link) -> None:
        with self._verifying_lock:
            self._verifying.pop(link, None)
        if link.role == REGISTERED and not self.stopping.is_set():
            self._connection_lost(link)

    def _connection_lost(self, link: Link) -> None:
        """A registered peer's connection is gone: gone, or given a minute to come back."""
        address = link.peer
        row = self.registry.lost(address, link)
        if row is not None:
            self.prober.ask(address, lambda alive: self._judge_lost(address, row, alive))

    def _judge_lost(self, address: Address, row, alive: bool | None) -> None:
        if alive is False:
            self._remove(address, row, "gone")
            return
        self.registry.spare(address, row, time.monotonic() + self.settings.grace)
        self._grace_due.set()

    def _keep_grace(self) -> None:
        """The thread that removes peers which lost their connection and did not come back."""
        while not self.stopping.is_set():
            for address, row in self.registry.outstayed(time.monotonic()):
                self._remove(address, row, "gone")
            next_at = self.registry.next_at()
            self._grace_due.wait(None if next_at is None else next_at - time.monotonic())
            self._grace_due.clear()

    def status(self) -> dict[str, object]:
        """Counts of what there is and of everything that was dropped."""
        return {"address": self.address, "registered": len(self.registry.addresses()),
                **self.counters.all()}


if __name__ == "__main__":
    sys.exit(seed_main(Seed))
