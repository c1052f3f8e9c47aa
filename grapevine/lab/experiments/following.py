"""The course of a network, from start to proof, as its output files show it.

A network of honest peers ends when all is delivered, and the dead are reported. A watched network
ends WATCHED periods after all are linked, or later if messages are still missing: when all have
come, or none for ARRIVING seconds.
"""

import random
import time
from collections.abc import Callable

from grapevine.lab import FOR_EVER
from grapevine.lab.experiments.network import Network
from grapevine.lab.experiments.steps import Steps
from grapevine.lab.proof import deaths, delivery
from grapevine.lab.proof.clocks import put_right
from grapevine.lab.proof.disturbances import FAILS, YET
from grapevine.lab.proof.evidence import Proof, Row
from grapevine.lab.proof.graph import Pieces
from grapevine.lab.proof.records import Records
from grapevine.lab.proof.runs import KICKED, PeerRun
from grapevine.settings import Settings
from grapevine.terminal.folders import ports
from grapevine.terminal.words import many


# Seconds without progress after which a network is given up:
START_LIMIT = 60.0  # until all peers run and are linked
SPREAD_LIMIT = 60.0  # beyond a generator's interval, until all is delivered
BURY_LIMIT = 60.0  # beyond the liveness misses, until the dead are reported
LINGER = 0.2  # seconds of silence before a kill or the end, beyond the time in which a message
# crosses the network, so that the check can tell of each whether it did
WATCHED = 24  # periods of a watched network, from when all are linked
ARRIVING = 10.0  # seconds without progress after that, in which messages may still arrive
SHORTEST_LOOK, LONGEST_LOOK = 0.25, 2.0  # seconds between two looks at the files
REST = 4  # times the length of a look until the next, so that the network has the processor
NAMED = 3  # killed peers that are named; of more only the number is shown


class Progress:
    """The state of a network, as its files show it so far."""

    def __init__(self, records: Records, network: Network, settings: Settings, steps: Steps):
        self.records, self.steps = records, steps
        self._network, self._settings = network, settings

    def living(self) -> list[PeerRun]:
        dead = self._network.dead_peers()
        return [run for run in self.records.peers
                if run.address not in dead and not run.superseded
                and run.ended in (None, KICKED)]  # or else it is a guest that has left

    def _all_run(self) -> bool:
        return len(self.living()) + len(self._network.dead_peers()) >= len(self._network.peers)

    def linked(self) -> bool:
        """Tell whether all peers are up and have a neighbour, or were kicked."""
        alone = len(self._network.peers) == 1
        return self._all_run() and (alone or all(
            run.linked or run.ended == KICKED for run in self.living()))

    def delivered(self) -> bool:
        """Tell whether all messages of honest peers are generated, and have reached all to which
        they had a way."""
        runs = [run for run in self.living() if run.ended is None and run.malice is None]
        if not self._all_run() or any(
                run.by_generator < self._settings.gossip_count for run in runs):
            return False
        all_get_all = self._settings.antientropy_interval and not self._settings.monitor
        if all_get_all and self._network.here() is None and len({
                len(run.received) + len(run.generated) for run in runs}) > 1:  # is soon counted
            return False
        return self._is_proven(delivery.broadcast)

    def buried(self) -> bool:
        """Tell whether every killed peer was found dead, removed and passed on."""
        return self._is_proven(deaths.dead)

    def _is_proven(self, row: Callable[[Proof], Row]) -> bool:
        """Tell whether a row of the proof neither fails nor may still hold."""
        found = row(Proof(put_right(self.records), self._network.here()))
        return found.verdict != FAILS and not any(
            words.endswith(YET) for words in found.details)

    def _state(self) -> tuple:
        """Return numbers that change while the network makes progress."""
        peers = self.records.peers
        return (len(peers), sum(bool(run.links) for run in peers),
                sum(len(run.generated) + len(run.received) for run in peers),
                sum(len(run.told("dead")) for run in peers),
                sum(len(seed.told("removed")) for seed in self.records.seeds))

    def settle(self, done, patience: float) -> bool:
        """Look until `done()` holds. False after `patience` seconds without progress, or if a
        process fails."""
        state, end = None, 0.0
        while True:
            began = time.monotonic()
            self.records.refresh()
            self.steps.show()
            if done():
                return True
            if self._state() != state:
                state, end = self._state(), time.monotonic() + patience
            if time.monotonic() > end:
                return False
            ended = self._network.newly_ended()
            for host in ended:
                self.steps.say(f"{host.what} has ended (exit code {host.process.poll()})")
            if any(host.has_failed() for host in ended):
                return False
            time.sleep(until_next_look(time.monotonic() - began))

    def course(self, kill: int, is_watched: bool, once: bool) -> bool:
        """Start the network, and follow it to its end, which is Ctrl-C unless `once`. Return False
        if something takes too long."""
        self.steps.begin("start", self.started)
        self._network.start()
        in_time = self.settle(self.linked, START_LIMIT) and (
            self._watch() if is_watched else self._follow(kill))
        if not once:
            self.steps.begin("until Ctrl-C", self.watched if is_watched else self.so_far)
            while True:
                self.settle(lambda: False, float("inf"))
        return in_time

    def _follow(self, kill: int) -> bool:
        """Wait for deliveries, kill peers, wait for reports. False if it takes too long."""
        network, settings = self._network, self._settings
        if settings.gossip_count < FOR_EVER:
            self.steps.begin("gossip", self.gossiped)
            if not self.settle(self.delivered, settings.gossip_interval + SPREAD_LIMIT):
                return False
        crossing = delivery.CROSSING.get(settings.spread, delivery.LONGEST_CROSSING)
        asking = settings.liveness_interval + delivery.SEEDS_ASKED * settings.sign
        time.sleep(LINGER + crossing + asking * bool(kill))
        dead = network.dead_peers()
        living = [peer for peer in network.peers if str(peer) not in dead]
        if dying := random.sample(living, min(kill, len(living))):
            network.kill(dying)
            names = sorted(map(str, dying))
            few = f"{' '.join(ports(names))} {'is' if len(names) == 1 else 'are'}"
            self.steps.begin(f"{few if len(names) <= NAMED else len(names)} killed",
                             lambda: self.found_dead(names))
        rounds = (settings.liveness_misses + 2) * settings.liveness_interval
        return self.settle(self.buried, rounds + BURY_LIMIT)

    def _watch(self) -> bool:
        """Wait for WATCHED periods, from when all are linked. False if a process fails."""
        end = time.monotonic() + WATCHED * self._settings.report_interval
        self.steps.begin("watch", self.watched, lambda: end - time.monotonic())
        if not self.settle(lambda: time.monotonic() >= end, float("inf")):
            return False
        if self._settings.gossip_count < FOR_EVER:
            self.settle(self.delivered, ARRIVING)  # or the check tells
        return True

    # How far it is, in words.

    def started(self) -> str:
        runs = self.living()
        graph = Pieces({run.address: run.linked for run in runs})
        links = sum(len(run.linked) for run in runs) // 2
        pieces = "one piece" if len(graph) == 1 else f"{len(graph)} pieces"
        return f"{len(runs)} peers, {links} links, {pieces}"

    def gossiped(self) -> str:
        runs = self.living()
        most = max((len(run.received) + len(run.generated) for run in runs), default=0)
        made = max(most, sum(len(run.generated) for run in self.records.peers))  # or elsewhere
        due = made * len(runs) - sum(len(run.generated) for run in runs)
        delivered = sum(len(run.received) for run in runs)
        return f"{made:,} messages, {delivered:,} of {due:,} delivered"

    def so_far(self) -> str:
        died = len(self._network.dead_peers())
        return f"{len(self.living())} peers, {self.gossiped()}{f', {died} died' if died else ''}"

    def watched(self) -> str:
        """Tell which peers were kicked so far, and how many messages exist."""
        kicked = {kick.peer for seed in self.records.seeds for kick in seed.kicks}
        attackers = {run.address for run in self.records.peers if run.malice is not None}
        honest = len(kicked - attackers)
        whom = [f"{len(kicked & attackers)} of {len(attackers)} attackers"] if attackers else []
        whom += [f"{honest} honest"] if honest or not attackers else []
        made = sum(len(run.generated) for run in self.records.peers)
        return f"{' and '.join(whom)} kicked, {made:,} messages"

    def found_dead(self, peers: list[str]) -> str:
        runs = self.living()
        found_dead = [(peer, run.address) for run in runs for _, peer, _ in run.told("dead")]
        if len(peers) > 1:
            return f"{len({*peers} & {peer for peer, _ in found_dead})} of {len(peers)} found dead"
        if found := dict.fromkeys(finder for peer, finder in found_dead if peer == peers[0]):
            return f"found dead by {' '.join(ports(found))}"
        last = {run.address: run.last for run in self.records.peers}
        died = last.get(peers[0], 0.0)
        waiting = sum(any(link.end >= died for link in run.links.get(peers[0], ())) for run in runs)
        return f"no answer for its {many(waiting, 'neighbour')}"


def until_next_look(took: float) -> float:
    """Return the seconds until the next look, after one of `took` seconds."""
    return min(LONGEST_LOOK, max(SHORTEST_LOOK, REST * took))
