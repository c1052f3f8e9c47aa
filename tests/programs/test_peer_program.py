"""The program peer.py: its port, its signals, its end, and a terminal that is of no use."""

import os
import signal
import socket
import subprocess
import sys
from unittest.mock import Mock

import pytest

from gossip.addresses import address_of, parse_address
from gossip.node.world import NEVER
from gossip.programs import peer_program
from gossip.terminal.command_line import load_seeds
from peer import Peer
from tests.tools.files import events, lines_of
from tests.tools.ports import free_address, free_port
from tests.tools.programs import (
    ROOT, Program, environment, peer_file, run, shell, write_config)
from tests.tools.waiting import wait_until


def test_a_port_in_use_is_named_and_exit_1(flags, config):
    address = parse_address(config.read_text().split()[0])
    with socket.create_server(address.dial):
        code, _, err = run("peer.py", address.port, *flags)
        assert code == 1 and f"port {address.port} is in use" in err
        assert len(err.splitlines()) == 1
        code, _, err = run("seed.py", address, *flags)
        assert code == 1 and str(address.port) in err and len(err.splitlines()) == 1


def test_the_port_is_asked_for_again_and_what_follows_goes_to_the_console(flags, seeds):
    port = free_port()
    code, out, err = run("peer.py", *flags, text=f"port\n99999\n{port}\nsay pasted\nstatus\nquit\n")
    assert (code, err) == (0, "")
    assert out.count("Port to listen on:") == 3 and "messages held: 1" in out
    events = lines_of(peer_file(flags, port))
    assert events[0] == f"started:peer:127.0.0.1:{port}" and events[-1] == "stopped:quit"
    assert any(e.startswith("generated:") and e.endswith(":1:pasted") for e in events)


@pytest.mark.parametrize("typed", [False, True])
def test_the_port_of_a_seed_is_refused(config, flags, typed):
    port = load_seeds(config)[0].port
    code, out, err = run("peer.py", *([] if typed else [port]), *flags,
                         text=f"{port}\n" if typed else "")
    assert code == 2 and not flags[3].exists()
    assert err == (f"peer.py: {port} is the port of a seed in config.txt; take another, for "
                   "example 5001\n")


def test_the_port_that_is_proposed_instead_is_no_seed_s(tmp_path):
    seeds = [free_address(), address_of("127.0.0.1", 5001)]
    code, _, err = run("peer.py", seeds[0].port, "--config", write_config(tmp_path, seeds))
    assert code == 2 and err.endswith("take another, for example 5002\n")


def test_no_input_at_the_prompt_is_one_line_and_exit_2(flags):
    for text in ("", "nonsense\n"):
        code, _, err = run("peer.py", *flags, text=text)
        assert code == 2 and len(err.splitlines()) == 1


def test_quit_ends_a_peer_also_when_nothing_carries_the_leaving_out(net, monkeypatch):
    class Idle(Peer):
        def look_after_links(self, now):
            return NEVER  # as if the thread had died

    monkeypatch.setattr(peer_program, "QUIT_LIMIT", 0.2)
    peer = net._start(Idle, free_address(), {})
    keyboard, end = Mock(lines=lambda: [b"quit"]), Mock()
    peer_program._run_console(peer, peer_program.Console(peer, keyboard, Mock()), False, end)
    end.come.assert_called_once()
    assert events(peer)[-2:] == [f"leaving:{peer.address}", "stopped:interrupted"]


def test_quit_leaves_gracefully_also_where_the_end_of_input_would_be_abrupt(flags, seeds):
    port = free_port()
    with Program("peer.py", port, *flags, "--end-with-input") as peer:
        wait_until(lambda: any(e.startswith("registered:")
                               for e in lines_of(peer_file(flags, port))))
        peer.type("quit\n")
        assert peer.finish()[0] == 0
    assert lines_of(peer_file(flags, port))[-1] == "stopped:quit"


@pytest.mark.parametrize("number, reason", [(signal.SIGINT, "interrupted"),
                                            (signal.SIGTERM, "interrupted")])
def test_signals_end_a_peer_abruptly(flags, seeds, number, reason):
    port = free_port()
    with Program("peer.py", port, *flags) as peer:
        wait_until(lambda: any(e.startswith("registered:")
                               for e in lines_of(peer_file(flags, port))))
        peer.process.send_signal(number)
        code, _, err = peer.finish()
    assert (code, err) == (0, "")
    assert lines_of(peer_file(flags, port))[-1] == f"stopped:{reason}"


@pytest.mark.parametrize("number, signals, last", [
    (signal.SIGTERM, 1, "stopped:quit"), (signal.SIGINT, 1, "stopped:interrupted"),
    (signal.SIGTERM, 2, "stopped:interrupted")])
def test_with_leave_the_first_sigterm_says_goodbye_and_a_second_is_abrupt(
        net, number, signals, last):
    net.seeds(1)
    other, port = net.peer(), free_port()
    silent = net.fake()  # it never hangs up, so that leaving takes its time
    config = write_config(net.folder, net.seed_addresses)
    path = net.folder / f"peer_127.0.0.1_{port}.txt"
    with Program("peer.py", port, "--config", config, "--outputs", net.folder, "--leave") as peer:
        wait_until(lambda: f"connected:127.0.0.1:{port}" in events(other))
        if signals == 2:
            end = net.neighbour(Mock(address=address_of("127.0.0.1", port), settings=net.settings),
                                silent)
        peer.process.send_signal(number)
        if signals == 2:
            end.hear_until("leave:")
            peer.process.send_signal(number)
        code, _, err = peer.finish(timeout=10)
    assert (code, err, lines_of(path)[-1]) == (0, "", last)
    said_goodbye = f"leaving:127.0.0.1:{port}" in lines_of(path)
    assert said_goodbye == (number == signal.SIGTERM)
    wait_until(lambda: any(event.startswith(f"disconnected:127.0.0.1:{port}:")
                           for event in events(other)))
    assert (f"disconnected:127.0.0.1:{port}:left" in events(other)) == said_goodbye


def test_with_leave_a_sigterm_waits_until_the_last_message_is_heard_as_quit_does(net):
    net.seeds(1)
    other, port = net.peer(), free_port()
    config = write_config(net.folder, net.seed_addresses)
    path = net.folder / f"peer_127.0.0.1_{port}.txt"
    with Program("peer.py", port, "--config", config, "--outputs", net.folder, "--leave",
                 "--gossip-count", 0) as peer:
        peer.type("say hello\n")
        wait_until(lambda: path.exists() and ":generated:" in path.read_text())
        peer.process.send_signal(signal.SIGTERM)
        assert peer.finish(timeout=10)[0] == 0
    assert lines_of(path)[-1] == "stopped:quit"
    wait_until(lambda: any(event.startswith("received:") and event.endswith(":hello")
                           for event in events(other)))


@pytest.mark.parametrize("redirection", [
    "<&-", "<&- >&- 2>&-", "</dev/null >/dev/full", "</dev/null 1</dev/null",
    "</dev/null | head -c 1 >/dev/null"])
def test_a_peer_runs_on_without_a_keyboard_or_a_screen(flags, seeds, redirection):
    port = free_port()
    process = shell(f"exec {sys.executable} peer.py {port} --config {flags[1]} "
                    f"--outputs {flags[3]} --gossip-interval 0.05 {redirection}",
                    stderr=subprocess.PIPE, start_new_session=True)
    try:
        wait_until(lambda: any(e.endswith(":message 10")
                               for e in lines_of(peer_file(flags, port))))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        err = process.communicate(timeout=60)[1]
    assert err == b""
    wait_until(lambda: lines_of(peer_file(flags, port))[-1] == "stopped:interrupted")


def test_a_terminal_that_blocks_stops_nothing(flags, seeds):
    port = free_port()
    with Program("peer.py", port, *flags, "--gossip-count", 0) as peer:  # nobody reads its output
        for _ in range(5):
            peer.type("".join(f"say {n} {'x' * 1000}\n" for n in range(400)))
        wait_until(lambda: sum(e.startswith("generated:")
                               for e in lines_of(peer_file(flags, port))) == 2000)


def test_commands_work_from_any_folder_and_leave_git_clean(tmp_path, flags, seeds):
    port = free_port()
    code, _, err = run(ROOT / "peer.py", port, *flags, "--quiet", text="quit\n", cwd=tmp_path,
                       env=environment(PYTHONDONTWRITEBYTECODE="1"))
    assert (code, err) == (0, "")
    assert not list(tmp_path.glob("peer_*")) and peer_file(flags, port).exists()


def test_a_peer_that_leaves_is_not_found_dead_whatever_waits(flags, seeds):
    ports = [free_port(), free_port(), free_port()]
    fast = ["--gossip-count", 0, "--liveness-interval", 0.5]
    with Program("peer.py", ports[0], *flags, *fast), Program("peer.py", ports[1], *flags, *fast):
        for turn in range(1, 6):
            with Program("peer.py", ports[2], *flags, *fast) as leaver:
                linked = f"connected:127.0.0.1:{ports[2]}"
                wait_until(lambda: all(lines_of(peer_file(flags, port)).count(linked) == turn
                                       for port in ports[:2]))
                leaver.type("".join(f"say {turn} {n}\n" for n in range(500)) + "quit\n")
                assert leaver.finish()[0] == 0
            for port in ports[:2]:
                wait_until(lambda port=port: sum(
                    e.startswith("received:") for e in lines_of(peer_file(flags, port))
                ) == 500 * turn)
        assert [e for path in flags[3].glob("*.txt") for e in lines_of(path)
                if e.startswith(("dead", "liveness missed"))] == []
