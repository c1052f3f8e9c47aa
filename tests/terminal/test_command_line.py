"""Command lines: flags and the settings they stand for; one line says what is wrong."""

import os
import signal
import threading

import pytest

from gossip.capacity import Capacity, fixed
from gossip.settings import Settings
from gossip.terminal.command_line import (
    OF_SEEDS, CommandError, Parser, add_peer_flags, add_settings, flags_of, peer_settings,
    write_all)
from tests.tools.programs import Program, environment


@pytest.mark.parametrize("arguments", [
    ["peer.py", "0"], ["peer.py", "x"], ["peer.py", "70000"], ["peer.py", "--host", "0.0.0.0", "1"],
    ["peer.py", "--host", "no/where", "1"], ["peer.py", "--gossip-interval", "no", "5001"],
    ["peer.py", "--capacity", "fixed:1", "5001"], ["peer.py", "--config", "missing.txt", "5001"],
    ["peer.py", "--wrong"], ["seed.py", "127.0.0.1"], ["runner.py", "--peers", "0"],
    ["runner.py", "--once"], ["runner.py", "nonsense"], ["runner.py", "check", "no such folder"],
    ["runner.py", "--peers", "3", "--kill", "3"], ["runner.py", "--peers", "9", "--base-port",
                                                    "65530"]])
def test_usage_errors_are_one_line_and_exit_2(arguments, call):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1 and err.startswith(arguments[0].split()[0])


def test_a_bad_config_line_is_named(tmp_path, call):
    (tmp_path / "bad.txt").write_text("127.0.0.1:8080\nwhat is this\n")
    for program in (["peer.py", "5001"], ["seed.py"], ["runner.py"]):
        code, _, err = call(*program, "--config", tmp_path / "bad.txt")
        assert code == 2 and "line 2" in err and len(err.splitlines()) == 1


def test_a_filter_that_leads_to_itself_is_told_in_a_line(tmp_path, call):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    code, _, err = call("peer.py", "5001", "--filter", tmp_path / "loop")
    assert code == 2 and "cannot read" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("per_ip", [256, 0, 7])
def test_the_registrations_of_one_ip_are_passed_on_to_seeds_alone(per_ip):
    settings = Settings(registrations_per_ip=per_ip, gossip_count=3)
    parser = Parser()
    add_settings(parser, *OF_SEEDS)
    passed_on = peer_settings(parser.parse_args(flags_of("seed", settings)))
    assert passed_on == Settings(registrations_per_ip=per_ip)
    assert flags_of("peer", settings) == ["--gossip-count", "3"]
    with pytest.raises(CommandError):
        parser.parse_args(["--registrations-per-ip", "-1"])


@pytest.mark.parametrize("capacity, sign", [
    (Capacity(), False), (fixed(6), True), (Capacity("powerlaw", 2.25), True)])
def test_flags_survive_being_passed_on(capacity, sign):
    settings = Settings(gossip_count=3, gossip_interval=0.5, capacity=capacity, cache_size=7,
                        sign=sign, rate=0, burst=5, file_limit=7)
    parser = Parser()
    add_peer_flags(parser)
    assert peer_settings(parser.parse_args(flags_of("peer", settings))) == settings
    with pytest.raises(CommandError):
        parser.parse_args(["--capacity", "fixed:1"])
    with pytest.raises(CommandError):
        parser.parse_args(["--capacity", "powerlaw:0"])


def test_seeds_are_given_what_they_share_with_peers_alone():
    settings = Settings(gossip_count=3, monitor=True, report_interval=2.0, file_limit=7, ban=9.0)
    assert flags_of("seed", settings) == ["--monitor", "--report-interval", "2.0",
                                            "--file-limit", "7", "--ban", "9.0"]


@pytest.mark.parametrize("name", ["seed.py", "peer.py", "runner.py"])
def test_ctrl_c_during_its_imports_ends_a_program_without_a_traceback(name):
    flags = ["--config", "missing.txt"]  # if it is faster, it says so, and exits
    with Program(name, *flags, env=environment(PYTHONPROFILEIMPORTTIME="1")) as program:
        while b"gossip.addresses" not in program.process.stderr.readline():
            assert program.process.poll() is None
        program.process.send_signal(signal.SIGINT)
        code, _, err = program.finish()
    assert "Traceback" not in err and code in (-signal.SIGINT, 130, 2), err


def test_a_pipe_that_another_program_has_made_non_blocking_gets_all():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    data = os.urandom(1 << 20)
    thread = threading.Thread(target=lambda: (write_all(writer, data), os.close(writer)))
    thread.start()
    with open(reader, "rb") as file:
        assert file.read() == data
    thread.join()
