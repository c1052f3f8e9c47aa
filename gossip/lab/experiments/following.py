"""The course of a network of processes, from start to proof.

A network of honest peers ends when all is delivered, and the dead are reported. A watched network
ends WATCHED periods after all are linked, or later if messages are still missing: when all have
come, or none for ARRIVING seconds.
"""

import contextlib
import dataclasses
import random
import time

from gossip.addresses import Address, address_of
from gossip.lab.experiments.drawing import FOR_EVER, GOSSIP_INTERVAL
from gossip.lab.experiments.network import Network, orders
from gossip.lab.experiments.status import Ports, choose_ports, seeds_to_start
from gossip.lab.experiments.steps import Steps
from gossip.lab.proof import check, deaths, delivery
from gossip.lab.proof.evidence import Proof, origin_of
from gossip.lab.proof.graph import Pieces
from gossip.lab.proof.records import Records
from gossip.lab.proof.runs import FULL, KICKED, PROBE_TIME, PeerRun
from gossip.programs.starting import hold
from gossip.settings import Settings
from gossip.terminal.command_line import FAILED, CommandError
from gossip.terminal.folders import clear_outputs, command, commands, ports, reserved, shown
from gossip.terminal.input import End
from gossip.terminal.words import many

# Seconds without progress after which a network is given up:
START_LIMIT = 60.0  # until all peers run and are linked
SPREAD_LIMIT = 60.0  # beyond a generator's interval, until all is delivered
BURY_LIMIT = 60.0  # beyond the liveness misses, until the dead are reported
LINGER = delivery.ON_ITS_WAY + 0.2  # seconds of silence before a kill or the end, so that the check
# excuses no missing message because it was on its way
WATCHED = 24  # periods of a watched network, from when all are linked
ARRIVING = 10.0  # seconds without progress after that, in which messages may still arrive
LOOK, LONGEST_LOOK = 0.25, 2.0  # seconds between two looks at the files, at least and at most
REST = 4  # times the length of a look until the next, so that the network has the processor
SAY = 3.0  # seconds between two lines where the screen is no terminal
NAMED = 3  # killed peers that are named; of more only the number is shown
PACED = 10  # peers per core that a watched network with periods of a second may have
SEEDS_PACE = 4  # cores beyond which the pace stays, because seeds share a process


def implied_by_malicious(peers: int, cores: int, asked_for: float) -> dict[str, object]:
    """Return the settings of a watched network that the command line need not name. If no period
    was `asked_for`, periods are longer where many peers share a core, because a full machine makes
    everybody late."""
    period = asked_for
    if period == Settings().report_interval:
        period = max(1.0, peers / (PACED * min(cores, SEEDS_PACE)))
    return {"monitor": True, "report_interval": period, "gossip_count": FOR_EVER,
            "gossip_interval": GOSSIP_INTERVAL * period}


@dataclasses.dataclass
class Progress:
    """The state of a network, as its files show it so far."""

    _records: Records
    _network: Network
    _settings: Settings
    _end: End
    steps: Steps

    def living(self) -> list[PeerRun]:
        dead = self._network.dead_peers()
        return [run for run in self._records.peers
                if run.address not in dead and not run.superseded
                and run.ended in (None, KICKED, FULL)]  # or else it is a guest that has left

    def _all_run(self) -> bool:
        return len(self.living()) + len(self._network.dead_peers()) >= len(self._network.peers)

    def linked(self) -> bool:
        """Tell whether all peers are up and have a neighbour."""
        alone = len(self._network.peers) == 1
        return self._all_run() and (alone or all(run.linked for run in self.living()))

    def delivered(self) -> bool:
        """Tell whether all messages are generated, and have reached all living peers."""
        runs = [run for run in self.living() if run.ended != FULL]
        if not self._all_run() or not self._all_said(runs):
            return False
        here = self._network.here()
        if here is None and len(runs) == len(self._records.peers):
            made = sum(len(run.generated) for run in runs)
            return all(len(run.received) + len(run.generated) >= made for run in runs)
        # the last words of the dead may have died with them; peers elsewhere go on
        made = set().union(*(run.generated.keys() | run.received.keys() for run in runs))
        return _have_all(runs, {message for message in made
                                if here is None or origin_of(message) in here})

    def honest_have_all(self) -> bool:
        """Tell whether honest peers, except kicked peers, have each other's messages."""
        runs = [run for run in self._records.honest().peers if run.ended is None]
        made = {message for run in runs for message in run.generated}
        return self._all_said(runs) and _have_all(runs, made)

    def _all_said(self, runs: list[PeerRun]) -> bool:
        return all(run.by_generator >= self._settings.gossip_count for run in runs)

    def buried(self) -> bool:
        """Tell whether every killed peer was found dead, removed and passed on."""
        proof = Proof(self._records, self._network.here())
        killed = self._network.dead_peers()
        for run in self._records.peers:
            if run.address not in killed or run.superseded:
                continue
            neighbours = any(other.had_link(run.address, run.last) for other in self.living())
            found = deaths.found_dead(proof, run) or any(  # by a peer elsewhere
                dead == run.address and max(times) >= run.last
                for (_, dead), times in proof.told.items())
            if (run.ended is None and not run.is_dead(proof.newest)  # yet, for the check
                    or neighbours and not (found and deaths.is_told(proof, run))
                    or deaths.death(proof, run)[0]):
                return False
        return True

    def _state(self) -> tuple:
        """Return numbers that change while the network makes progress."""
        peers = self._records.peers
        return (len(peers), sum(run.first_linked is not None for run in peers),
                sum(len(run.generated) + len(run.received) + len(run.dead) for run in peers),
                sum(len(run.removed) for run in self._records.seeds))

    def settle(self, done, patience: float) -> bool:
        """Look until `done()` holds. False after `patience` seconds without progress, or if a peer
        fails. KeyboardInterrupt when a signal comes."""
        state, end = None, 0.0
        while True:
            began = time.monotonic()
            self._records.refresh()
            self.steps.show()
            if done():
                return True
            if self._state() != state:
                state, end = self._state(), time.monotonic() + patience
            if time.monotonic() > end:
                return False
            ended = self._network.newly_ended()
            for host in ended:
                self.steps.say(f"{host.what} has ended (exit code {host.ended()})")
            if any(host.ended() > 0 for host in ended):
                return False
            self._end.pause(until_next_look(time.monotonic() - began))

    def follow(self, kill: int) -> bool:
        """Wait for deliveries, kill peers, wait for reports. False if it takes too long."""
        network, settings = self._network, self._settings
        patience = settings.gossip_interval + SPREAD_LIMIT
        self.steps.begin("gossip", self.gossiped)
        if settings.gossip_count < FOR_EVER and not self.settle(self.delivered, patience):
            return False
        asking = delivery.ANSWER_TIME + PROBE_TIME if settings.sign else 0  # excused, too
        mending = delivery.ANNOUNCED if settings.spread == "tree" else 0
        self._end.pause(LINGER + mending + (settings.liveness_interval + asking if kill else 0))
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

    def watch(self) -> bool:
        """Wait for WATCHED periods, from when all are linked. False if a peer fails."""
        end = time.monotonic() + WATCHED * self._settings.report_interval
        self.steps.begin("watch", self.watched, lambda: end - time.monotonic())
        if not self.settle(lambda: time.monotonic() >= end, float("inf")):
            return False
        if self._settings.gossip_count < FOR_EVER:
            self.settle(self.honest_have_all, ARRIVING)  # or the check tells
        return True

    def go_on(self, is_watched: bool) -> None:
        self.steps.begin("until Ctrl-C", self.watched if is_watched else self.so_far)
        while True:
            self.settle(lambda: False, float("inf"))

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
        made = max(most, sum(len(run.generated) for run in self._records.peers))  # or elsewhere
        due = made * len(runs) - sum(len(run.generated) for run in runs)
        delivered = sum(len(run.received) for run in runs)
        return f"{made:,} messages, {delivered:,} of {due:,} delivered"

    def so_far(self) -> str:
        died = len(self._network.dead_peers())
        return f"{len(self.living())} peers, {self.gossiped()}{f', {died} died' if died else ''}"

    def watched(self) -> str:
        """Tell which peers were kicked so far, and how many messages exist."""
        kicked = {kick.peer for seed in self._records.seeds for kick in seed.kicks}
        attackers = {run.address for run in self._records.peers if run.malice is not None}
        honest = len(kicked - attackers)
        whom = [f"{len(kicked & attackers)} of {len(attackers)} attackers"] if attackers else []
        whom += [f"{honest} honest"] if honest or not attackers else []
        made = sum(len(run.generated) for run in self._records.peers)
        return f"{' and '.join(whom)} kicked, {made:,} messages"

    def found_dead(self, peers: list[str]) -> str:
        runs = self.living()
        if len(peers) > 1:
            found = {peer for run in runs for peer in run.dead}.intersection(peers)
            return f"{len(found)} of {len(peers)} found dead"
        if found := [run.address for run in runs if peers[0] in run.dead]:
            return f"found dead by {' '.join(ports(found))}"
        last = {run.address: run.last for run in self._records.peers}
        waiting = sum(run.had_link(peers[0], last.get(peers[0], 0.0)) for run in runs)
        return f"no answer for its {many(waiting, 'neighbour')}"


def _have_all(runs: list[PeerRun], messages: set[str]) -> bool:
    return all(messages <= run.received.keys() | run.generated.keys() for run in runs)


def until_next_look(took: float) -> float:
    """Return the seconds until the next look, after one of `took` seconds."""
    return min(LONGEST_LOOK, max(LOOK, REST * took))


def planned(args, gossip: int) -> str:
    """Tell which steps a network will take."""
    malice, kill = args.malicious, args.kill
    plan = [f"each gossips {'without end' if gossip == FOR_EVER else many(gossip, 'message')}"]
    if malice:
        attack = "attacks" if malice.count() == 1 else "attack"
        plan.append(f"{malice.count()} of them {attack} ({malice})")
    if kill:
        plan.append(f"then {kill} of them {'is' if kill == 1 else 'are'} killed")
    plan += [] if args.once else ["Ctrl-C ends them"]
    return f"{args.peers} peers; {'; '.join(plan)}.   ({shown(args.outputs)})\n"


def ports_beside_page(args, peers: list[Address]) -> Ports:
    """Choose ports while that of the page is held, so that nodes get others. CommandError if it is
    taken, or is a node's all the same."""
    page = address_of(args.watch_host or "127.0.0.1", args.watch_port)
    with hold(page):
        used = choose_ports(args, peers)
    if page in {*used.seeds, *used.peers}:
        raise CommandError(f"port {page.port} is a node's; choose another --watch-port", FAILED)
    return used


def run_network(args, peers: list[Address], settings: Settings, processes: int | None,
                live_page=None) -> int:
    """Start a network and follow it. With `args.once`, end it and print the proof. Without
    `processes`, each peer has its own. `live_page(do, orders)` serves a page of the network."""
    once, malice = args.once, args.malicious
    with contextlib.ExitStack() as stack:
        stack.enter_context(reserved(args.outputs))
        has_port = live_page is not None and args.watch_port
        used = ports_beside_page(args, peers) if has_port else choose_ports(args, peers)
        if once and settings.gossip_count == FOR_EVER:  # until about the end, so that all arrive
            settings = settings._replace(gossip_count=1 + int(
                WATCHED * settings.report_interval / settings.gossip_interval))
        roles = {} if malice is None else malice.deal(used.peers, random.Random())
        local = seeds_to_start(used.seeds, args.config)  # before End, so that Ctrl-C ends its wait
        end, records, steps = End(), Records(args.outputs), Steps(args, SAY)
        in_time = page = None
        with Network(used.seeds, local, used.peers, settings, used.config, args.outputs,
                     roles) as network:
            plan = network.plan(processes)
            clear_outputs(args.outputs)
            used.write_config(args.outputs)
            if used.notice:
                steps.say(used.notice)
            progress = Progress(records, network, settings, end, steps)
            try:
                if live_page is not None:
                    allowed = orders(plan.peers is None)
                    page = stack.enter_context(live_page(network.carry_out, allowed))
                if steps.are_shown:
                    steps.say(planned(args, settings.gossip_count))
                steps.begin("start", progress.started)
                network.start(plan, look=lambda: end.pause(0))
                in_time = progress.settle(progress.linked, START_LIMIT) and (
                    progress.follow(args.kill) if malice is None else progress.watch())
                if not once:
                    progress.go_on(malice is not None)
            except KeyboardInterrupt:
                if once:
                    raise
            finally:
                steps.end()
        if not once:
            if steps.are_shown:
                made = sum(len(run.generated) for run in records.refresh().peers)
                steps.say(f"Ended. {len(network.peers)} peers, {made:,} messages. "
                          f"The proof: {command('check', args.outputs)}")
            return 0
        if not in_time:
            steps.say_late(args.outputs)
        rows = check.with_texts(records, check.prove(records.refresh(), network.here()))
        plot = command("plot", args.outputs), "a page of this proof, with pictures"
        again = f"python runner.py {args.again} --watch", "such a network, live in a browser"
        steps.say_proof(rows, commands(plot, again) if page is None else
                        f"{commands(plot)}\nThe live page stays until Ctrl-C.")
        holds = check.holds(rows) and in_time
        if page is not None:
            page.tell(holds, check.format_rows(rows))
            end.wait()
        return 0 if holds else FAILED
