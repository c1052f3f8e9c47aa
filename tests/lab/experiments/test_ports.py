"""Ports that are taken: a network gets others, and whoever starts seeds is told who has them."""

import contextlib
import signal
import socket
import threading
import types

import pytest

from gossip.addresses import address_of, parse_address
from gossip.lab.experiments import status as ports
from gossip.lab.experiments.status import Asked, ask_seed
from gossip.terminal.command_line import CommandError, load_seeds
from gossip.terminal.folders import OTHER_CONFIG
from tests.tools.ports import free_addresses, free_range
from tests.tools.programs import Program, run, write_config
from tests.tools.project import copy_project
from tests.tools.waiting import wait_until

LOCAL = "127.0.0.1"


@contextlib.contextmanager
def taken(*numbers):
    """Another program listens on these ports, and says nothing."""
    with contextlib.ExitStack() as stack:
        for number in numbers:
            stack.enter_context(socket.create_server((LOCAL, number)))
        yield


def addresses(first, *offsets):
    return [address_of(LOCAL, first + offset) for offset in offsets]


def test_only_a_port_that_is_taken_is_replaced_and_by_none_that_shall_be_avoided():
    first = free_range(8)
    with taken(first, first + 2, first + 3):
        assert ports.free_instead(addresses(first, 0, 1, 2), addresses(first, 4)) == addresses(
            first, 5, 1, 6)
    assert ports.free_instead(addresses(first, 0, 1, 2), []) == addresses(first, 0, 1, 2)


def test_an_address_of_another_machine_is_no_port_that_is_taken():
    with pytest.raises(CommandError, match="not an address of this machine"):
        ports.free_instead([parse_address("203.0.113.9:8080")], [])


@pytest.fixture
def usual(tmp_path, monkeypatch):
    """What the command line of a network says without flags; its ports, ten in a row, and two such
    blocks above them."""
    first = free_range(30)
    config = write_config(tmp_path, addresses(first, 0, 1, 2))
    monkeypatch.setattr(ports, "CONFIG", config)
    monkeypatch.setattr(ports, "BASE_PORT", first + 5)
    monkeypatch.setattr(ports, "BLOCK", 10)
    return types.SimpleNamespace(config=config, base_port=first + 5, outputs=tmp_path / "out",
                                 first=first, seeds=None)


def chosen(args):
    return ports.choose_ports(args, addresses(args.base_port, 0, 1))


def test_usual_ports_that_are_free_are_kept_without_a_word(usual):
    assert chosen(usual) == (addresses(usual.first, 0, 1, 2), addresses(usual.first, 5, 6),
                             usual.config, "")


def test_usual_ports_that_are_taken_are_replaced_with_one_line(usual):
    first = usual.first
    with taken(first, first + 1, first + 5):
        found = chosen(usual)
    assert found.seeds == addresses(first, 3, 4, 2) and found.peers == addresses(first, 15, 16)
    assert found.config == usual.outputs / OTHER_CONFIG
    assert found.notice == (
        f"ports taken, all or in part: {first}-{first + 1}, {first + 5}-{first + 6}; "
        f"used instead: {first + 3}-{first + 4}, {first + 15}-{first + 16}\n"
        f"another peer joins with: python peer.py --config {found.config} "
        f"--outputs {usual.outputs}")
    usual.outputs.mkdir()
    found.write_config(usual.outputs)
    assert load_seeds(found.config) == found.seeds


@pytest.mark.parametrize("ports_taken, base", [((6,), 15), ((0,), 15), ((6, 15), 25)])
def test_the_peers_of_a_network_beside_another_one_move_together(usual, ports_taken, base):
    """Also where only the seeds meet another network: its dead are dialled again at their ports."""
    with taken(*(usual.first + offset for offset in ports_taken)):
        assert chosen(usual).peers == addresses(usual.first, base, base + 1)


@pytest.mark.parametrize("count, offsets", [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]),
                                            (5, [0, 1, 2, 4, 7])])
def test_a_network_has_as_many_seeds_as_asked_for(usual, count, offsets):
    first, usual.seeds = usual.first, count
    with taken(first + 3):
        found = chosen(usual)
    assert found.seeds == addresses(first, *offsets)
    assert found.peers == addresses(first, 5, 6) and found.notice == ""
    assert (found.config == usual.config) is (count == 3)


def test_ports_that_were_named_are_kept(usual, tmp_path):
    first = usual.first
    with taken(first, first + 5):
        usual.base_port = first + 6
        assert chosen(usual).peers == addresses(first, 6, 7)
        usual.config = tmp_path / OTHER_CONFIG
        usual.config.write_text(f"\n{LOCAL}:{first}\n")
        found = chosen(usual)
        assert (found.seeds, found.config) == (addresses(first, 0), usual.config)
        found.write_config(usual.outputs)
    assert usual.config.read_text() == f"\n{LOCAL}:{first}\n"


def test_seeds_that_other_machines_know_are_kept(usual):
    both = [parse_address("203.0.113.9:8080"), parse_address("203.0.113.9:8081")]
    write_config(usual.config.parent, both)
    assert chosen(usual).seeds == both


def test_a_network_runs_with_other_seeds_and_the_next_one_with_the_usual_ones(tmp_path):
    seeds = free_addresses(2)
    project = copy_project(tmp_path, seeds)
    other = project / "outputs" / "network" / OTHER_CONFIG
    network = ["runner.py", "--peers", 2, "--once", "--gossip-interval", 0.05, "--base-port"]
    with taken(seeds[0].port):
        code, out, err = run(*network, free_range(2), cwd=project)
    assert (code, err) == (0, ""), out
    first, second, *_ = out.splitlines()
    assert first.startswith(f"ports taken, all or in part: {seeds[0].port}; used instead: ")
    assert second == (
        f"another peer joins with: python peer.py --config {other.relative_to(project)} "
        f"--outputs {other.parent.relative_to(project)}")
    assert load_seeds(other)[1] == seeds[1] and load_seeds(other)[0] != seeds[0]
    assert not (other.parent / f"seed_{seeds[0].file_part}.txt").exists()
    code, out, err = run(*network, free_range(2), cwd=project)
    assert (code, err) == (0, "") and "ports taken" not in out
    assert not other.exists() and (other.parent / f"seed_{seeds[0].file_part}.txt").exists()


def test_a_second_runner_says_that_the_seeds_run_already(flags, seeds):
    before = {path: path.read_bytes() for path in flags[3].iterdir()}
    wait_until(lambda: run("runner.py", *flags) == (
        1, "", "runner.py: the seeds run already; go on with: python peer.py\n"))
    assert all(path.read_bytes().startswith(text) for path, text in before.items())


def test_a_runner_says_that_some_seeds_run_already(flags, config):
    first, second = load_seeds(config)
    with Program("seed.py", second, "--quiet", *flags) as program:
        wait_until(lambda: ask_seed(second).took is not None)
        code, out, err = run("runner.py", *flags)
        program.process.send_signal(signal.SIGINT)
        assert program.finish()[0] == 0
    assert (code, out) == (1, "")
    assert err == (f"runner.py: 1 of 2 seeds run already ({second.port}); start each of the others "
                   "with: python seed.py IP:PORT\n")


def test_a_network_starts_the_seeds_that_do_not_run_already_and_its_peers_join_all(flags, config):
    first, second = load_seeds(config)
    with Program("seed.py", second, "--quiet", *flags) as program:
        wait_until(lambda: ask_seed(second).took is not None)
        assert ports.seeds_to_start([first, second], config) == [first]
        own = flags[3] / "own"
        code, out, err = run("runner.py", "--peers", 3, "--once", "--gossip-interval", 0.05,
                             "--base-port", free_range(3), "--config", config, "--outputs", own)
        program.process.send_signal(signal.SIGINT)
        assert program.finish()[0] == 0
    assert (code, err) == (0, ""), out
    assert (f"0 messages of 0 peers, and of 1 seeds\n{'':18}seeds of 127.0.0.1: {second.port}\n"
            in out)
    assert [path.name for path in own.glob("seed_*")] == [f"seed_{first.file_part}.txt"]


def test_a_machine_without_a_seed_needs_one_elsewhere_that_answers(tmp_path, capfd, monkeypatch):
    far = [parse_address("203.0.113.9:8080"), parse_address("203.0.113.9:8081")]
    monkeypatch.setattr(ports, "WAY_LIMIT", 0.3)
    monkeypatch.setattr(ports, "ask_seed", lambda seed: Asked(seed, None, "no answer"))
    with pytest.raises(CommandError, match="no seed of the config is an address of this machine, "
                                           "and none elsewhere answers"):
        ports.seeds_to_start(far, tmp_path / "x.txt")
    assert capfd.readouterr().err == "no seed of the config answers yet; trying for 0.3 s\n"
    monkeypatch.setattr(ports, "ask_seed", lambda seed: Asked(seed, seed.port - 8080 or None))
    assert ports.seeds_to_start(far, tmp_path / "x.txt") == []


def answering(listener, answer):
    """Answers whoever connects first, and hangs up."""
    sock, _ = listener.accept()
    with sock, contextlib.suppress(OSError):  # it need not read all of it
        sock.recv(100)
        sock.sendall(answer)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n",
                                    b"known peers:127.0.0.1#1\n", b"\xff" * 200_000],
                         ids=["nothing", "HTTP", "a peer", "a line without an end"])
def test_another_program_on_the_port_of_a_seed_is_named(answer, tmp_path):
    with socket.create_server((LOCAL, 0)) as listener:
        port = listener.getsockname()[1]
        config = write_config(tmp_path, [*free_addresses(1), address_of(LOCAL, port)])
        thread = threading.Thread(target=answering, args=(listener, answer), daemon=True)
        thread.start()
        code, out, err = run("runner.py", "--config", config, "--outputs", tmp_path / "out")
        thread.join(60)
    assert (code, out) == (1, "") and not (tmp_path / "out").exists()
    assert err == f"runner.py: another program has port {port}: change config.txt\n"


def test_a_program_that_says_nothing_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(ports, "PORT_PATIENCE", 0.2)
    with socket.create_server((LOCAL, 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CommandError, match=f"another program has port {port}: change x.txt"):
            ports.check_seed_ports([address_of(LOCAL, port)], tmp_path / "x.txt")
