"""Following: starts a network of processes, waits for what has to happen, and prints the proof.

A network of honest peers ends when all is delivered, and the dead are reported. One that is
watched for malicious peers ends so many periods after all are linked, and when the honest have
what the honest have said by then: the proof tells who was found out.
"""

import contextlib
import random
import time

from gossip.addresses import Address
from gossip.experiments.drawing import GOSSIP_INTERVAL
from gossip.experiments.malice import Malice
from gossip.experiments.network import Network, Orders, Plan
from gossip.experiments.ports import choose_ports
from gossip.experiments.progress import Progress
from gossip.experiments.steps import NetworkSteps, status_line_of
from gossip.programs.seed_program import local_seeds
from gossip.proof import check, delivery
from gossip.proof.records import Records
from gossip.settings import Settings
from gossip.terminal import advice
from gossip.terminal.command_line import FAILED, show
from gossip.terminal.folders import clear_outputs, reserved
from gossip.terminal.signals import End

# Seconds without any progress after which a network is given up:
START_LIMIT = 60.0  # until all peers run and are linked
SPREAD_LIMIT = 60.0  # beyond a generator's interval, until all is delivered
BURY_LIMIT = 60.0  # beyond the liveness misses, until the dead are reported
LINGER = delivery.ON_ITS_WAY + 0.2  # seconds without gossip before a kill or the end, after which
# the check excuses no missing message as one that was on its way
WATCHED = 24  # periods of a network that is watched, from when all are linked
ARRIVING = 10.0  # seconds without progress after that, in which messages may still arrive
FOR_EVER = 1_000_000_000  # messages
IMPLIED = {  # by --malicious, where the command line does not name it
    "monitor": True, "report_interval": 1.0, "gossip_interval": GOSSIP_INTERVAL,
    "gossip_count": FOR_EVER}


def run_network(args, peers: list[Address], settings: Settings, processes: int | None,
                once: bool, kill: int, malice: Malice | None = None, live_page=None) -> int:
    """Start a network, follow it, kill `kill` peers; with `once` end it and print the proof. With
    `malice`, which may be empty, it is watched for malicious peers. `live_page(do, orders)` serves
    a page of it; with `once` until Ctrl-C."""
    with reserved(args.outputs):
        return _run(args, peers, settings, processes, once, kill, malice, live_page)


def _run(args, peers: list[Address], settings: Settings, processes: int | None, once: bool,
         kill: int, malice: Malice | None, live_page) -> int:
    ports = choose_ports(args, peers)
    if once and settings.gossip_count == FOR_EVER:  # until about the end, so that all can arrive
        settings = settings._replace(gossip_count=1 + int(
            WATCHED * settings.report_interval / settings.gossip_interval))
    roles = {} if malice is None else malice.deal(ports.peers, random.Random())
    end, records = End(), Records(args.outputs)
    in_time = None
    with contextlib.ExitStack() as pages:
        with Network(ports.seeds, local_seeds(ports.seeds), ports.peers, settings, ports.config,
                     args.outputs, roles) as network:
            plan = network.plan(processes)
            clear_outputs(args.outputs)
            ports.write_config(args.outputs)
            steps = NetworkSteps(network, records, status_line_of(args))
            if ports.notice:
                steps.say(ports.notice)
            progress = Progress(records, network, settings, end, steps, args.quiet)
            try:
                page = pages.enter_context(_page(live_page, network, plan))
                steps.begin_start(_gossip(settings), kill, malice, once, args.outputs)
                network.start(plan, look=lambda: end.pause(0))
                if malice is None:
                    in_time = _follow(network, progress, settings, kill, end)
                else:
                    in_time = _watch(progress, settings)
                if not once:
                    steps.begin_rest(malice is not None)
                while not once:  # deaths meanwhile are part of the experiment
                    progress.settle(lambda: False, float("inf"))
            except KeyboardInterrupt:
                if once:
                    raise
            finally:
                progress.finish()
        if not once:
            records.refresh()
            steps.say_ended(args.outputs)
            return 0
        return _judge(records, in_time, steps, page, end, args)


def _gossip(settings: Settings) -> str:
    """How much each peer gossips, in words."""
    count = settings.gossip_count
    return "without end" if count == FOR_EVER else f"{count} message{'' if count == 1 else 's'}"


def _page(live_page, network: Network, plan: Plan):
    """The page of a network, to be used in a `with`; None where none is asked for."""
    if live_page is None:
        return contextlib.nullcontext()
    orders = Orders(network)
    return live_page(orders.do, orders.words(plan.peers is None))


def _judge(records: Records, in_time: bool, steps: NetworkSteps, page, end: End, args) -> int:
    """Print the proof, and show it on the page until Ctrl-C; the exit code."""
    if not in_time:
        steps.say("not everything happened as it should, or in time:")
    rows = check.with_texts(records, check.prove(records.refresh()))
    text = check.format_rows(rows)
    if steps.are_shown:
        steps.say_proof(rows, *_what_next(args, page))
    else:
        show(text)
    holds = check.holds(rows) and in_time
    if page is not None:
        page.tell(holds, text)
        end.wait()
    return 0 if holds else FAILED


def _what_next(args, page) -> list[str]:
    """What a person may do after a proof, in lines."""
    plot = advice.command("plot", args.outputs), "a page of this proof, with pictures"
    again = f"python runner.py {args.again} --watch", "the same again, live in a browser"
    if page is None:
        return [advice.commands(plot, again)]
    return [advice.commands(plot), "The live page stays until Ctrl-C."]


def _follow(network: Network, progress: Progress, settings: Settings, kill: int,
            end: End) -> bool:
    """Wait for the deliveries (not where gossip never ends), kill peers, wait until the deaths
    are reported; False when it takes too long."""
    patience = settings.gossip_interval + SPREAD_LIMIT
    if not progress.settle(progress.linked, START_LIMIT):
        return False
    progress.steps.begin_gossip()
    if settings.gossip_count < FOR_EVER and not progress.settle(progress.delivered, patience):
        return False
    end.pause(LINGER + (settings.liveness_interval if kill else 0))
    dead = network.dead_peers()
    living = [peer for peer in network.peers if str(peer) not in dead]
    dying = random.sample(living, min(kill, len(living)))
    network.kill(dying)
    if dying:
        progress.steps.begin_deaths(sorted(map(str, dying)))
    rounds = (settings.liveness_misses + 2) * settings.liveness_interval
    return progress.settle(progress.buried, rounds + BURY_LIMIT)


def _watch(progress: Progress, settings: Settings) -> bool:
    """Let WATCHED periods go by after all are linked; False when that takes too long. What was
    said then arrives, or the check tells; that is waited for unless gossip never ends."""
    if not progress.settle(progress.linked, START_LIMIT):
        return False
    end = time.monotonic() + WATCHED * settings.report_interval
    progress.steps.begin_watch(end)
    if not progress.settle(lambda: time.monotonic() >= end, float("inf")):
        return False
    if settings.gossip_count < FOR_EVER:
        progress.settle(progress.honest_have_all, ARRIVING)
    return True
