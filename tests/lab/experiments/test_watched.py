"""Networks that are watched for malicious peers, in virtual time: drawn by number, played, judged.
And the flags that ask for them, live and in virtual time."""

import math
import random

import pytest

import runner
from gossip.addresses import address_of
from gossip.capacity import fixed
from gossip.lab.experiments.accidents import (
    ATTACKS, Conditions, parse_malice, parse_schedule, seed_addresses)
from gossip.lab.experiments.drawing import (
    WATCHED, WATCHED_PEERS, WATCHED_SEEDS, draw_watched)
from gossip.lab.experiments.network import Network, Plan
from gossip.lab.experiments.schedules import WATCHED_ROW, play
from gossip.lab.experiments.verdict import Judge
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.settings import Settings
from gossip.signing import grammar
from tests.tools.ports import free_addresses
from tests.tools.programs import run, write_config
from tests.tools.simulated import CLASSES

NONE = parse_malice("none")


def test_a_number_stands_for_one_schedule_that_is_what_its_text_says():
    malice = parse_malice("drop:4,collude:2:0.5")
    for number in range(30):
        schedule = draw_watched(number, malice)
        assert schedule == draw_watched(number, malice)
        assert parse_schedule(str(schedule)) == schedule
        assert schedule.conditions.malice() == malice
    assert draw_watched(1, malice) != draw_watched(2, malice)
    assert "freeze" in str(draw_watched(2, NONE, peers=1))  # of three that chance wants
    assert "malicious=none" in str(draw_watched(1, NONE))
    assert draw_watched(1, NONE, capacity=fixed(5)).conditions.capacity == fixed(5)
    assert len({draw_watched(number, NONE).conditions.capacity for number in range(50)}) == 5


def test_half_of_the_schedules_bring_all_that_may_befall_such_a_network():
    schedules = [draw_watched(number, NONE) for number in range(100)]
    for schedule in schedules:
        started = {accident.who for accident in schedule.accidents if accident.kind == "start"}
        assert len(started) == WATCHED_PEERS + WATCHED_SEEDS
    kinds = {accident.kind for schedule in schedules for accident in schedule.accidents}
    assert kinds == {"start", "kill", "freeze"}
    assert any(accident.who[0] in schedule.seeds() and accident.kind == "kill"
               for schedule in schedules for accident in schedule.accidents)
    assert any(accident.kind == "start" and accident.at > WATCHED / 3
               for schedule in schedules for accident in schedule.accidents)
    assert {schedule.conditions.churn for schedule in schedules} == {0, 5}
    quiet = [schedule for schedule in schedules if not schedule.conditions.churn
             and all(accident.kind == "start" for accident in schedule.accidents)]
    assert len(quiet) >= 30


def test_its_nodes_monitor_and_sign_and_have_a_filter_where_somebody_says_what_is_forbidden():
    settings = draw_watched(1, parse_malice("forbidden:1")).conditions.settings()
    assert settings.monitor and settings.sign and settings.report_interval == 1.0
    assert "virus" in settings.filter.words
    assert not draw_watched(1, NONE).conditions.settings().filter.words


@pytest.mark.parametrize("peers, interval", [(10, 0.5), (40, 2.0), (200, 2.0)])
def test_peers_gossip_every_two_seconds_as_live_or_twenty_messages_a_second_in_all(peers, interval):
    assert draw_watched(1, NONE, peers=peers).conditions.gossip_interval == interval


@pytest.mark.parametrize("flags, complaint", [
    (["--malicious", "drop:40", "--peers", 40], "leaves nobody honest"),
    (["--malicious", "drop:1"], "need --peers"), (["--malicious", "rob:1"], "'rob' is none of"),
    (["--malicious", "drop:1", "--peers", 4, "--kill", 1], "leave --kill out"),
    (["simulate", "--malicious", "drop"], "is not KIND:COUNT"),
    (["simulate", "--malicious", "none", "--sign"], "leave --gentle, --sign"),
    (["simulate", "--malicious", "drop:40"], "leaves nobody honest"),
    (["simulate", "--capacity", "fixed:3"], "--capacity needs --malicious")])
def test_what_cannot_be_is_refused_in_one_line(flags, complaint, config):
    code, out, err = run("runner.py", *flags, *(["--config", config] if "--peers" in flags else []))
    assert code == 2 and complaint in err and err.count("\n") == 1


@pytest.mark.parametrize("given", [
    {}, {"report_interval": 3.0, "gossip_interval": 5.0}, {"gossip_count": 7}])
def test_what_the_flag_implies_may_be_given_otherwise(given, monkeypatch, config):
    asked = []
    monkeypatch.setattr(runner, "run_network", lambda *arguments: asked.append(arguments) or 0)
    flags = [word for name, value in given.items()
             for word in (f"--{name.replace('_', '-')}", str(value))]
    runner.start_command(["--config", str(config), "--peers", "5", "--malicious", "drop:1", *flags])
    args, _, settings, *_ = asked[0]
    assert settings.monitor and settings.sign and args.malicious == parse_malice("drop:1")
    for name, value in {"report_interval": 1.0, "gossip_interval": 2.0, **given}.items():
        assert getattr(settings, name) == value
    assert settings.gossip_count == given.get("gossip_count", 1_000_000_000)


class Noted:
    """Stands for a process: notes what it was started with."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def wait_ready(self):
        pass


def test_attackers_live_in_workers_and_know_their_kind(tmp_path, monkeypatch):
    peers, seeds = free_addresses(6), free_addresses(1)
    roles = parse_malice("collude:2,drop:1").deal(peers, random.Random(1))
    monkeypatch.setattr("gossip.lab.experiments.network.WorkerProcess", Noted)
    monkeypatch.setattr("gossip.lab.experiments.network.PeerProcess", Noted)
    config = write_config(tmp_path, seeds)
    net = Network(seeds, seeds, peers, Settings(monitor=True), config, tmp_path, roles)
    net.start(Plan([seeds], None))
    in_workers = {host.arguments[1][0] for host in net.hosts if host.arguments[0] == "peer"}
    assert in_workers == set(roles) and len(net.hosts) == 6


def test_the_judge_hears_when_somebody_is_found_bad_where_nobody_attacks():
    conditions = draw_watched(1, NONE).conditions
    net = VirtualNetwork(1, CLASSES, seed_addresses(1), conditions.settings(), conditions.cables())
    judge = Judge(net)
    net.hear(seed_addresses(1)[0], "judged:127.0.0.1#5000=0.100 127.0.0.1#5001=0.101")
    assert len(judge.faults) == 1 and "127.0.0.1#5001=0.101: nobody attacks" in str(judge.faults[0])
    net.hostile[seed_addresses(1)[0]] = None
    net.hear(seed_addresses(1)[0], "judged:127.0.0.1#5001=0.101")
    assert len(judge.faults) == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [61])
def test_a_watched_schedule_that_once_found_something_holds(number):
    assert [str(fault) for fault in play(draw_watched(number, NONE), CLASSES).faults] == []


def test_of_all_links_between_peers_a_share_breaks_and_is_made_again():
    conditions = Conditions(seeds=1)
    net = VirtualNetwork(1, CLASSES, seed_addresses(1), conditions.settings(), conditions.cables())
    broken, peers = [], [address_of("127.0.0.1", 5000 + number) for number in range(6)]
    net.hear = lambda who, event: broken.append(who) if event.endswith("reset by peer") else None
    for address in [*seed_addresses(1), *peers]:
        net.start(address)
    net.time.run(20.0)
    links = sum(len(peer.neighbours.addresses()) for peer in net.peers()) // 2
    net.churn(0.5, math.inf, 0.0, random.Random(1))  # once
    net.time.run(20.5)
    assert len(broken) == 2 * round(0.5 * links) and set(broken) <= set(peers)
    net.time.run(30.0)
    assert sum(len(peer.neighbours.addresses()) for peer in net.peers()) // 2 >= links - 1


def test_a_signature_is_checked_once_for_all_nodes_of_a_process(monkeypatch):
    checked, schedule = [], draw_watched(3, NONE, peers=6, seeds=1)
    check = grammar.check
    monkeypatch.setattr(grammar, "check", lambda *what: checked.append(what) or check(*what))
    play(schedule, CLASSES, until=12.0)
    assert checked and len(checked) == len(set(checked))
    assert grammar.check(*checked[0]) is True and len(checked) > len(set(checked))


@pytest.mark.parametrize("kind", [kind if kind == "mute" else
                                  pytest.param(kind, marks=pytest.mark.slow) for kind in ATTACKS])
def test_in_virtual_time_attackers_are_kicked_and_nobody_else_is(kind):
    """A peer that is mute, or reports deaths in vain, is kicked by nobody, and harms nobody. How
    soon is not tested here: peers join one after the other, and few are enough reporters at
    first."""
    schedule = draw_watched(1, parse_malice(f"{kind}:2"), peers=10, seeds=2, capacity=fixed(5))
    outcome = play(schedule, CLASSES)
    assert {fault.question for fault in outcome.faults} <= {WATCHED_ROW}, outcome.proof
    tally = outcome.tally
    assert tally.attackers == 2, outcome.proof
    assert len(tally.took) == (0 if kind in ("mute", "falsedead") else 2), outcome.proof
    assert not tally.falsely and not tally.faults, outcome.proof
