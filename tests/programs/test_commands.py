"""The commands as people use them: processes, exit codes, files, keyboards and screens."""

import os
import signal
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from gossip.addresses import parse_address
from gossip.experiments.network import Network
from gossip.proof import check, graph
from gossip.proof.records import Records
from gossip.settings import Settings
from gossip.terminal import limits
from gossip.terminal.command_line import CommandError
from tools.files import lines_of, one_piece
from tools.ports import free_addresses, free_port, free_range
from tools.programs import ROOT, Program, environment, run, write_config
from tools.waiting import wait_until


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path, free_addresses(2))


@pytest.fixture
def flags(tmp_path, config):
    return ["--config", config, "--outputs", tmp_path / "out"]


@pytest.fixture
def seeds(flags):
    with Program("seed.py", *flags, "--quiet") as program:
        wait_until(lambda: len(list((flags[3]).glob("seed_*.txt"))) == 2)
        yield program


def peer_file(flags, port):
    return flags[3] / f"peer_127.0.0.1_{port}.txt"


@pytest.mark.parametrize("arguments", [
    ["peer.py", "0"], ["peer.py", "x"], ["peer.py", "70000"], ["peer.py", "--host", "0.0.0.0", "1"],
    ["peer.py", "--host", "nowhere", "1"], ["peer.py", "--gossip-interval", "no", "5001"],
    ["peer.py", "--capacity", "fixed:1", "5001"], ["peer.py", "--config", "missing.txt", "5001"],
    ["peer.py", "--wrong"], ["seed.py", "127.0.0.1"], ["runner.py", "--peers", "0"],
    ["runner.py", "--once"], ["runner.py", "nonsense"], ["runner.py", "check", "no such folder"],
    ["runner.py", "--peers", "3", "--kill", "3"], ["runner.py", "--peers", "9", "--base-port",
                                                    "65530"]])
def test_usage_errors_are_one_line_and_exit_2(arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1 and err.startswith(arguments[0].split()[0])


def test_a_bad_config_line_is_named(tmp_path):
    (tmp_path / "bad.txt").write_text("127.0.0.1:8080\nwhat is this\n")
    for program in (["peer.py", "5001"], ["seed.py"], ["runner.py"]):
        code, _, err = run(*program, "--config", tmp_path / "bad.txt")
        assert code == 2 and "line 2" in err and len(err.splitlines()) == 1


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


def test_no_input_at_the_prompt_is_one_line_and_exit_2(flags):
    for text in ("", "nonsense\n"):
        code, _, err = run("peer.py", *flags, text=text)
        assert code == 2 and len(err.splitlines()) == 1


def test_what_is_typed_arrives_byte_for_byte(flags, seeds):
    ports = [free_port(), free_port()]
    text = "a:b \u00e4\u4e2d\U0001f347  \x1b[31m \u2028x "
    with Program("peer.py", ports[0], *flags, "--gossip-count", 0) as one, \
            Program("peer.py", ports[1], *flags, "--gossip-count", 0) as other:
        linked = f"connected:127.0.0.1:{ports[1]}"
        wait_until(lambda: linked in lines_of(peer_file(flags, ports[0])))
        one.type(f"say {text}\n")
        one.process.stdin.write(b"say \xff\xfe\nsay " + b"x" * 70_000 + b"\nsay\nhuh\nsay last\n")
        one.process.stdin.flush()
        shown = text.replace("\x1b", "\\x1b").replace("\u2028", "\\u2028")
        wait_until(lambda: any(e.startswith("received:") and e.endswith(":2:last")
                               for e in lines_of(peer_file(flags, ports[1]))))
        assert any(e.startswith("received:") and e.endswith(f":1:{shown}")
                   for e in lines_of(peer_file(flags, ports[1])))
        one.type("messages\npeers\nhelp\nquit\n")
        code, out, err = one.finish()
        other.type("quit\n")
        assert (code, err) == (0, "")
        assert "not UTF-8" in out and "too long" in out and "unknown command" in out
        assert f":1:{shown}" in out and f"neighbours (1): 127.0.0.1:{ports[1]}" in out
        assert "\x1b" not in out and other.finish()[0] == 0


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


def shell(command, **popen):
    return subprocess.Popen(["bash", "-c", command], cwd=ROOT, **popen)


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


def test_seeds_of_the_config_are_started_by_the_runner(tmp_path):
    addresses = free_addresses(3)
    config = write_config(tmp_path, [*addresses, parse_address("203.0.113.9:8080")])
    with Program("runner.py", "--config", config, "--outputs", tmp_path) as runner:
        wait_until(lambda: len(list(tmp_path.glob("seed_*.txt"))) == 3)
        wait_until(lambda: all(lines_of(tmp_path / f"seed_{a.file_part}.txt")
                               for a in addresses))
        runner.process.send_signal(signal.SIGINT)
        code, out, err = runner.finish()
    assert (code, err) == (0, "") and "3 seeds" in out
    assert all(lines_of(tmp_path / f"seed_{a.file_part}.txt")[-1] == "stopped:interrupted"
               for a in addresses)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The files of a small network that was run once, and what the runner printed."""
    folder = tmp_path_factory.mktemp("network")
    config = write_config(folder, free_addresses(3))
    code, out, err = run(
        "runner.py", "--peers", 6, "--base-port", free_range(6), "--kill", 1, "--once",
        "--capacity", "fixed:3", "--gossip-interval", 0.1, "--liveness-interval", 0.5,
        "--config", config, "--outputs", folder)
    return folder, code, out, err


def test_a_network_runs_once_and_proves_itself(network):
    folder, code, out, err = network
    assert (code, err) == (0, ""), out
    assert "300 of 300 deliveries" in out and "1 died" in out and "FAILS" not in out
    assert check.check_folder(folder)[0]
    assert run("runner.py", "check", folder)[0] == 0
    through = [row for row in check.prove(Records(folder).refresh()) if row.name == "broadcast"]
    assert " 0 of them through" not in through[0].figures


def copy(network, tmp_path):
    for path in network[0].glob("*_*.txt"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def edit(folder, kind, start, change, first_only):
    """Change the lines whose event begins like that, in all files of a kind, or only the first;
    returns it."""
    changed = []
    for path in sorted(folder.glob(f"{kind}_*.txt")):
        lines = []
        for line in path.read_text().splitlines():
            if line[27:].startswith(start) and not (first_only and changed):
                lines += change(line)
                changed.append(line)
            else:
                lines.append(line)
        path.write_text("".join(line + "\n" for line in lines))
    return changed[0]


@pytest.mark.parametrize("kind, start, change, row", [
    ("peer", "received:", lambda line: [], "broadcast"),
    ("peer", "received:", lambda line: [line, line], "once"),
    ("seed", "removed:", lambda line: [], "dead"),
    ("seed", "dead report:", lambda line: [], "dead"),
    ("peer", "generated:", lambda line: [], "gossips"),
    ("peer", "generated:", lambda line: [line, line], "once"),
    ("peer", "received:", lambda line: [line + "!"], "broadcast"),
    ("peer", "received:", lambda line: [line.replace("received:127.0.0.1:", "received:127.0.0.2:")],
     "broadcast"),
    ("peer", "started:", lambda line: [], "broadcast"),
    ("seed", "", lambda line: [], "dead"),
    ("peer", "liveness reply:", lambda line: [line, line[:27] + "failed:reader:x"], "threads"),
])
def test_the_check_fails_when_a_line_is_missing_or_repeated(network, tmp_path, kind, start,
                                                            change, row):
    folder = copy(network, tmp_path)
    line = edit(folder, kind, start, change, first_only=kind == "peer")
    holds, text = check.check_folder(folder)
    assert not holds
    failing = [r for r in check.prove(Records(folder).refresh()) if r.holds is False]
    assert row in [r.name for r in failing]
    if start == "received:" and row == "broadcast":
        message = ":".join(line.split("gmessage:")[1].split(":")[1:5])
        assert message in text


@pytest.mark.parametrize("mode", [["--processes", 2], ["--process-per-peer"]])
def test_peers_end_when_their_runner_is_killed(tmp_path, mode):
    config = write_config(tmp_path, free_addresses(1))
    base = free_range(3)
    with Program("runner.py", "--peers", 3, "--base-port", base, "--config", config,
                 "--outputs", tmp_path, "--quiet", *mode) as runner:
        wait_until(lambda: len(list(tmp_path.glob("peer_*.txt"))) == 3)
        wait_until(lambda: all(any(e.startswith("connected:") for e in lines_of(path))
                               for path in tmp_path.glob("peer_*.txt")))
        runner.process.kill()
        wait_until(lambda: all(lines_of(path)[-1] == "stopped:interrupted"
                               for path in tmp_path.glob("*_*.txt")))
    for address in Records(tmp_path).refresh().peers:
        wait_until(lambda: is_free(int(address.address.rpartition(":")[2])))


def is_free(port):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_ctrl_c_ends_a_network_and_its_files_tell_of_no_death(tmp_path):
    config = write_config(tmp_path, free_addresses(2))
    with Program("runner.py", "--peers", 8, "--base-port", free_range(8), "--config", config,
                 "--outputs", tmp_path, start_new_session=True) as runner:
        wait_until(lambda: len(list(tmp_path.glob("peer_*.txt"))) == 8)
        wait_until(lambda: one_piece(tmp_path, 8))
        os.killpg(runner.process.pid, signal.SIGINT)  # as a terminal does: the workers, too
        code, out, err = runner.finish()
    assert (code, err) == (0, "")
    assert all(lines_of(path)[-1] == "stopped:interrupted" for path in tmp_path.glob("*_*.txt"))
    assert graph.history(Records(tmp_path).refresh())[-1][1] == 1


def test_a_peer_killed_in_a_worker_dies_without_a_word(network):
    folder, *_ = network
    runs = Records(folder).refresh().peers
    killed = [run for run in runs if run.ended is None]
    assert len(killed) == 1
    events = lines_of(folder / f"peer_{killed[0].address.replace(':', '_')}.txt")
    assert not any(event.startswith(("stopped", "leaving")) for event in events)
    assert killed[0].linked  # nor does it tell that its links ended


@pytest.mark.slow
def test_each_peer_can_have_a_process_of_its_own(tmp_path):
    config = write_config(tmp_path, free_addresses(2))
    code, out, err = run(
        "runner.py", "--peers", 4, "--process-per-peer", "--base-port", free_range(4), "--once",
        "--kill", 1, "--gossip-interval", 0.1, "--liveness-interval", 0.5, "--capacity",
        "powerlaw:2.5", "--config", config, "--outputs", tmp_path)
    assert (code, err) == (0, ""), out
    assert "120 of 120 deliveries" in out and "1 died" in out


def limited(descriptors, *arguments):
    """Run a command that may have so many files open."""
    line = f"ulimit -n {descriptors}; exec {sys.executable} -B " + " ".join(map(str, arguments))
    with shell(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def test_plot_draws_into_the_folder_and_says_what(network, tmp_path):
    folder = copy(network, tmp_path)
    code, out, err = run("runner.py", "plot", folder)
    assert (code, err) == (0, "")
    assert [line.rpartition("/")[2] for line in out.splitlines()] == [
        "degrees.svg", "network.svg", "report.html"]
    for name in ("degrees.svg", "network.svg"):
        ElementTree.parse(folder / name)
    assert (folder / "network.svg").read_text().count("<circle") == 6
    assert check.check_folder(folder)[0]  # the pictures are no output files
    (tmp_path / "empty").mkdir()
    code, _, err = run("runner.py", "plot", tmp_path / "empty")
    assert code == 1 and len(err.splitlines()) == 1
    assert run("runner.py", "plot", tmp_path / "missing")[0] == 2


def test_peers_spread_over_more_processes_where_descriptors_are_short(tmp_path):
    flags = ["--config", write_config(tmp_path, free_addresses(2)), "--outputs", tmp_path]
    network = ["runner.py", "--peers", 6, "--base-port", free_range(6), "--once", "--processes", 1,
               "--gossip-interval", 0.1, "--capacity", "fixed:3", *flags]
    code, out, err = limited(70, *network)
    assert (code, err) == (0, ""), out
    assert "300 of 300 deliveries" in out
    for path in tmp_path.glob("*_*.txt"):
        path.unlink()
    code, out, err = limited(30, *network)
    assert code == 1 and "open files" in err and len(err.splitlines()) == 1
    assert list(tmp_path.glob("*_*.txt")) == []


def test_a_network_for_which_threads_do_not_suffice_is_not_started(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "threads_allowed", lambda: 100)
    seeds, peers = free_addresses(1), free_addresses(8)
    network = Network(seeds, seeds, peers, Settings(), tmp_path / "config.txt", tmp_path)
    with pytest.raises(CommandError, match="9 nodes take about [0-9]+ threads.* room for 100"):
        network.plan(2)
    monkeypatch.setattr(limits, "threads_allowed", lambda: 1000)
    assert [len(group) for group in network.plan(3).peers] == [3, 3, 2]
    assert network.plan(None).peers is None
    monkeypatch.setattr(limits, "descriptors_allowed", lambda: limits.PROCESS_DESCRIPTORS + 50)
    groups = network.plan(1).peers
    assert len(groups) > 1 and sorted(sum(groups, [])) == peers
    assert all(sum(limits.peer_needs(peer, 8, 1, Settings()).descriptors for peer in group) <= 50
               for group in groups)


def test_a_network_says_which_port_is_in_use_before_it_starts(tmp_path):
    config = write_config(tmp_path, free_addresses(1))
    base = free_range(3)
    with socket.create_server(("127.0.0.1", base + 2)):
        code, _, err = run("runner.py", "--peers", 3, "--base-port", base, "--config", config,
                           "--outputs", tmp_path)
    assert code == 1 and str(base + 2) in err and len(err.splitlines()) == 1
    assert list(tmp_path.glob("peer_*.txt")) == []


def test_commands_work_from_any_folder_and_leave_git_clean(tmp_path, flags, seeds):
    port = free_port()
    code, _, err = run(ROOT / "peer.py", port, *flags, "--quiet", text="quit\n", cwd=tmp_path,
                       env=environment(PYTHONDONTWRITEBYTECODE="1"))
    assert (code, err) == (0, "")
    assert not list(tmp_path.glob("peer_*")) and peer_file(flags, port).exists()


def test_a_network_that_cannot_start_leaves_older_files_alone(tmp_path):
    config = write_config(tmp_path, free_addresses(1))
    (tmp_path / "peer_127.0.0.1_1.txt").write_text("older\n")
    base = free_range(2)
    with socket.create_server(("127.0.0.1", base)):
        assert run("runner.py", "--peers", 2, "--base-port", base, "--config", config,
                   "--outputs", tmp_path)[0] == 1
    assert (tmp_path / "peer_127.0.0.1_1.txt").exists()
    for program in (["runner.py"], ["runner.py", "--peers", 1], ["seed.py"], ["peer.py", base]):
        code, _, err = run(*program, "--config", config, "--outputs", config)
        assert code == 1 and len(err.splitlines()) == 1, err


def test_a_death_by_ctrl_c_that_nobody_reports_fails_the_check(flags, seeds, tmp_path):
    ports = [free_port(), free_port(), free_port()]
    fast = ["--gossip-count", 1, "--gossip-interval", 0.1, "--liveness-interval", 0.3]
    with Program("peer.py", ports[0], *flags, *fast), \
            Program("peer.py", ports[1], *flags, *fast), \
            Program("peer.py", ports[2], *flags, *fast) as dying:
        wait_until(lambda: all(messages_per_run(peer_file(flags, port)) == [3]
                               for port in ports))
        dying.process.send_signal(signal.SIGINT)
        wait_until(lambda: check.check_folder(flags[3])[1].count("1 died; removed"))
        wait_until(lambda: check.check_folder(flags[3])[0])
        died = [run.last for run in Records(flags[3]).refresh().peers
                if run.address == f"127.0.0.1:{ports[2]}"][0]
        run("peer.py", free_port(), *flags, *fast, text="quit\n")  # the seeds write on
        wait_until(lambda: Records(flags[3]).refresh().newest() > died + 5)
    for kind, start in (("peer", "dead:"), ("peer", "reported:"), ("seed", "dead report:"),
                        ("seed", "removed:")):
        edit(flags[3], kind, start, lambda line: [], first_only=False)
    holds, text = check.check_folder(flags[3])
    assert not holds and "has not removed it" in text


def messages_per_run(path):
    runs = []
    for event in lines_of(path):
        if event.startswith("started:"):
            runs.append(0)
        elif event.startswith(("generated:", "received:")):
            runs[-1] += 1
    return runs


def test_runs_of_an_earlier_day_in_the_same_files_do_not_disturb_the_check(flags, seeds):
    ports = [free_port(), free_port()]
    for session in (1, 2):
        with Program("peer.py", ports[0], *flags, "--gossip-interval", 0.05) as one, \
                Program("peer.py", ports[1], *flags, "--gossip-interval", 0.05) as other:
            wait_until(lambda: all(messages_per_run(peer_file(flags, port)) == [20] * session
                                   for port in ports))
            for program in (one, other):
                program.type("quit\n")
            assert one.finish()[0] == other.finish()[0] == 0
    holds, text = check.check_folder(flags[3])
    assert holds, text


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
