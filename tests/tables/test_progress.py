"""How far a network is, in words, and how often the runner looks."""

import math
import os
import pathlib
import signal
import sys
import types

import pytest

from grapevine.lab.experiments import commands, following
from grapevine.lab.experiments.bench_library import bench_library
from grapevine.lab.experiments.commands import (
    implied_by, network_parser, planned, short_of_files)
from grapevine.lab import FOR_EVER
from grapevine.lab.experiments.hosts import Host, usage
from grapevine.lab.experiments.following import Progress, until_next_look
from grapevine.lab.experiments.steps import Steps
from grapevine.lab.proof.disturbances import FAILS, HOLDS, UNCLEAR
from grapevine.lab.proof.evidence import Row
from grapevine.lab.proof.records import Records
from grapevine.settings import Settings
from grapevine.terminal.command_line import CommandError
from tests.tools.stories import tell


@pytest.mark.parametrize("took, pause", [(0.0, 0.25), (0.06, 0.25), (0.1, 0.4), (0.3, 1.2),
                                         (0.5, 2.0), (30.0, 2.0)])
def test_a_look_that_takes_long_is_followed_by_a_long_pause(took, pause):
    assert until_next_look(took) == pytest.approx(pause)


@pytest.mark.parametrize("flags, cores, implied", [
    ("--malicious none --peers 500 --once", 2, {"gossip_count": 2, "registrations_per_ip": 500}),
    ("--malicious none --peers 5", 2, {"report_interval": 1.0, "gossip_interval": 0.2,
                                       "gossip_count": FOR_EVER, "monitor": True}),
    ("--malicious forbidden:1 --peers 80", 2, {"report_interval": 2.0, "gossip_interval": 6.4,
                                               "filter": ("casino", "lottery")}),
    ("--malicious drop:1 --peers 50 --report-interval 0.5", 8, {"gossip_interval": 1.0}),
    ("--peers 20 --watch", 2, {"gossip_count": FOR_EVER, "processes": None,
                               "capacity": "fixed:4"}),
    ("--peers 20 --watch --gossip-count 3", 2, {"gossip_count": 3}),
    ("--peers 21 --watch --once", 2, {"gossip_count": 10, "processes": commands.CORES}),
    ("--peers 5 --malicious none --watch", 2, {"capacity": "rule", "processes": None})])
def test_what_the_command_line_implies(flags, cores, implied, monkeypatch):
    monkeypatch.setattr(commands, "CORES", cores)
    parser = network_parser()
    parser.set_defaults(**implied_by(parser.parse_args(flags.split())))
    args = parser.parse_args(flags.split())
    if implied.get("processes"):
        implied["processes"] = cores
    assert {name: getattr(args, name) for name in implied} == implied


class Network:
    """A network of which these peers were killed."""

    def __init__(self, peers, *dead):
        self.peers, self._dead = peers, {f"127.0.0.1:{port}" for port in dead}

    def dead_peers(self):
        return self._dead

    def start(self):
        """All run already."""

    def here(self):
        return None


def progress(folder, story, *dead, **settings):
    """The progress of a network whose files hold these lines: PORT EVENT, one a second."""
    lines = story.splitlines()
    ports = {line.partition(" ")[0] for line in lines}
    tell(folder, *(f"0 {port} starts" for port in ports),
         *(f"{at} {line}" for at, line in enumerate(lines, 1)), **settings)
    peers = [port for port in ports if not port.startswith("8")]
    args = types.SimpleNamespace(plain=False, quiet=True)
    settings = Settings(gossip_count=1, **settings)
    return Progress(Records(folder).refresh(), Network(peers, *dead), settings, Steps(args))


TWO = """5001 connected:@5002
5002 connected:@5001
5001 generated:gmessage:1.000000:@5001:7:1:message 1
5002 generated:gmessage:1.000000:@5002:8:1:message 1
5002 received:@5001:gmessage:1.000000:@5001:7:1:message 1"""
BACK = "\n5001 received:@5002:gmessage:1.000000:@5002:8:1:message 1"


def test_a_network_starts_gossips_and_has_everything(tmp_path):
    before = progress(tmp_path / "." , TWO)
    assert before.linked() and before.started() == "2 peers, 1 links, one piece"
    assert not before.delivered() and before.gossiped() == "2 messages, 1 of 2 delivered"
    (tmp_path / "all").mkdir()
    after = progress(tmp_path / "all", TWO + BACK)
    assert after.delivered() and after.so_far() == "2 peers, 2 messages, 2 of 2 delivered"


SILENT = TWO.replace("5002 generated:gmessage:1.000000:@5002:8:1:message 1\n", "")


@pytest.mark.parametrize("more", ["", "\n5003 stopped:kicked",
                                  "\n5003 settings:monitor=yes\n5003 misbehaving:drop:1"])
def test_all_is_awaited_that_living_peers_say_but_nothing_of_attackers_and_of_kicked_peers(
        more, tmp_path):
    for at, (story, ends) in enumerate([(TWO + BACK, True), (SILENT, False)]):
        (tmp_path / str(at)).mkdir()
        found = progress(tmp_path / str(at), story + more, monitor=bool(more))
        assert found.delivered() is ends
    more_peers = Network(["5001", "5002", "5003", "5004"])
    assert not Progress(found.records, more_peers, Settings(gossip_count=0), found.steps
                        ).delivered(), "one does not run yet"


@pytest.mark.parametrize("seconds, compared, ends", [
    (1, 0.0, False), (6, 0.0, True), (6, 10.0, False)])
def test_a_rumor_that_was_lost_is_awaited_if_peers_compare_what_they_have(tmp_path, seconds,
                                                                          compared, ends):
    lives = "\n5001 alive:1:0" * seconds + "\n5002 alive:1:0"
    found = progress(tmp_path, TWO + lives, spread="rumor", antientropy_interval=compared)
    assert found.delivered() is ends


def test_a_clock_that_was_set_back_keeps_nobody_waiting(tmp_path):
    found = progress(tmp_path, TWO, antientropy_interval=0.0)
    assert found.delivered(), "nobody waits for what may be lost; and the clock was right"
    with (tmp_path / "peer_127.0.0.1_5001.txt").open("a") as file:
        event = BACK.partition(" ")[2].replace("@", "127.0.0.1:")
        file.write(f"2026-01-02 03:04:00.000000:{event}\n")  # before it was generated
    found.records.refresh()
    assert found.delivered()


@pytest.mark.parametrize("messages, steps", [(1, ["start", "gossip"]), (FOR_EVER, ["start"])])
def test_gossip_without_end_is_no_step_to_wait_for(messages, steps, tmp_path, monkeypatch):
    monkeypatch.setattr(following.time, "sleep", lambda seconds: None)
    begun = []
    running = progress(tmp_path, TWO + BACK)
    running.steps.begin = lambda name, *_: begun.append(name)
    course = Progress(running.records, Network(running.living()),
                      Settings(gossip_count=messages), running.steps)
    assert course.course(0, False, True) and begun == steps


@pytest.mark.parametrize("code, failed", [
    (None, False), (0, False), (1, True), (-signal.SIGTERM, False), (-signal.SIGSEGV, True)])
def test_a_process_has_failed_that_ended_by_an_error_of_its_own(code, failed):
    host = types.SimpleNamespace(process=types.SimpleNamespace(poll=lambda: code))
    assert Host.has_failed(host) == failed


def test_what_a_dead_peer_has_said_is_due_at_all_others(tmp_path):
    said = "\n5003 generated:gmessage:1.000000:@5003:9:1:message 1"
    found = progress(tmp_path, TWO + BACK + said, 5003)
    assert found.gossiped() == "3 messages, 2 of 4 delivered"


def test_a_guest_that_has_left_counts_no_more(tmp_path):
    found = progress(tmp_path, TWO + BACK + "\n5003 connected:@5001\n5003 stopped:quit")
    assert found.started() == "2 peers, 1 links, one piece"


@pytest.mark.parametrize("ended, until", [([], 9), ([1], 0)])
def test_who_makes_no_progress_for_long_or_fails_is_given_up(ended, until, tmp_path, monkeypatch):
    passed = []
    monkeypatch.setattr(following, "time", types.SimpleNamespace(
        monotonic=lambda: len(passed), sleep=passed.append))
    running = progress(tmp_path, TWO)
    running._state = lambda: min(5, len(passed))
    running._network.newly_ended = lambda: [types.SimpleNamespace(
        what="a peer", process=types.SimpleNamespace(poll=lambda: code),
        has_failed=lambda: code > 0) for code in ended]
    assert not running.settle(lambda: False, 3.0) and len(passed) == until


def test_who_died_lacks_nothing_and_is_found_dead(tmp_path):
    found = progress(tmp_path, TWO + BACK.replace("5001 r", "5003 r").replace("@5002:8", "@5002:8"),
                     5003)
    assert found.found_dead(["127.0.0.1:5003"]) == "no answer for its 0 neighbours"
    (tmp_path / "found").mkdir()
    found = progress(tmp_path / "found", TWO + BACK + "\n5003 connected:@5001\n5001 dead:@5003:4.0",
                     5003)
    assert found.delivered() and found.so_far().endswith(", 1 died")
    assert found.found_dead(["127.0.0.1:5003"]) == "found dead by 5001"
    assert found.found_dead(["127.0.0.1:5003", "127.0.0.1:5009"]) == "1 of 2 found dead"


@pytest.mark.parametrize("attackers, kicked, words", [
    ([], [], "0 honest kicked"), ([], [5001], "1 honest kicked"),
    ([5001], [], "0 of 1 attackers kicked"), ([5001, 5002], [5001], "1 of 2 attackers kicked"),
    ([5001], [5001, 5003], "1 of 1 attackers and 1 honest kicked")])
def test_kicks_are_told_apart_by_who_attacked(attackers, kicked, words, tmp_path):
    story = ["8080 settings:seeds=1", "5002 connected:@5003", "5001 connected:@5003",
             "5003 generated:gmessage:1.000000:@5003:7:1:message 1",
             *(f"{peer} {word}" for peer in attackers
               for word in ("settings:monitor=yes", "misbehaving:drop:1")),
             *(f"8080 removed:@{peer}:malicious:0.900" for peer in kicked)]
    assert progress(tmp_path, "\n".join(story)).watched() == f"{words}, 1 messages"


def test_the_plan_of_a_network_is_one_line():
    args = types.SimpleNamespace(peers=9, kill=1, once=True, outputs=pathlib.Path("out"),
                                 malicious="drop:2")
    assert planned(args, 10, 2) == ("9 peers; each gossips 10 messages; 2 of them attack (drop:2); "
                                 "then 1 of them is killed.   (out)\n")
    args = types.SimpleNamespace(peers=9, kill=0, once=False, outputs=pathlib.Path("out"),
                                 malicious="")
    assert planned(args, FOR_EVER, 0) == (
        "9 peers; each gossips without end; Ctrl-C ends them.   (out)\n")


@pytest.mark.parametrize("flags, allowed, needed", [
    ("--peers 60 --processes 2", 599, "600"), ("--peers 60 --processes 2", 600, ""),
    ("--peers 61 --processes 9", 300, "366"), ("--peers 60 --process-per-peer", 300, "360"),
    ("--peers 1000 --processes 1", math.inf, "")])
def test_a_warning_tells_that_too_few_files_may_be_open(flags, allowed, needed):
    warning = short_of_files(network_parser().parse_args(flags.split()), allowed)
    assert warning.startswith(
        f"a process may need {needed} open files, and may have {allowed} " if needed else "")
    assert bool(warning) == bool(needed)


def test_a_pipe_gets_the_rows_of_the_proof(capfd):
    steps = Steps(types.SimpleNamespace(plain=False, quiet=False), 0.0)
    steps.begin("gossip", lambda: "12 messages")
    steps.say_proof([Row("once", FAILS, "1 message received twice", ["by 5001"])], "what next")
    steps.say_late("/")
    told, row, detail, late = capfd.readouterr().out.splitlines()
    assert told.endswith(" s  gossip: 12 messages")
    assert (row, detail) == ("once       FAILS   1 message received twice", f"{'':<18} by 5001")
    assert late == ("not everything happened as it should, or in time. The last step is gossip: 12 "
                    "messages")


@pytest.mark.parametrize("verdict, in_time, code, says", [
    (HOLDS, True, 0, "once       holds"), (FAILS, True, 1, "once       FAILS"),
    (UNCLEAR, True, 3, "once       unclear"), ("", True, 0, "once"),
    (HOLDS, False, 1, "not everything happened")])
def test_a_network_that_ends_once_is_proved(verdict, in_time, code, says, tmp_path, monkeypatch,
                                            capfd):
    monkeypatch.setattr(commands.check, "prove", lambda *_: [Row("once", verdict, "")])
    ended = progress(tmp_path, TWO)
    ended.steps.begin("gossip", ended.gossiped)
    assert commands.finish(ended, None, in_time, None, "demo") == code
    assert says in capfd.readouterr().out

def test_what_processes_cost_is_zero_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.delattr(os, "sysconf")  # as on Windows
    assert usage([]) == (0.0, 0.0, 0.0)


def test_the_library_is_measured_on_linux_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(CommandError, match="needs Linux"):
        bench_library()
