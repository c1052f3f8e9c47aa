"""Several machines with one config.txt, and no flag about addresses.

Each machine is a network namespace of the test, at one end of a cable (namespaces.py).
"""

import contextlib
import socket

import pytest

from gossip.addresses import address_of
from gossip.lab.experiments.network import with_room
from gossip.lab.proof import check
from gossip.lab.proof.records import Records
from gossip.programs.starting import host_of, node_at
from gossip.settings import Settings
from gossip.terminal.command_line import AUTO, CommandError
from tests.tools.files import lines_of, one_piece
from tests.tools.hands import End
from tests.tools.namespaces import Cable, Namespace
from tests.tools.ports import free_address, free_port
from tests.tools.programs import Program, run, write_config
from tests.tools.waiting import wait_until

IPS = ("10.78.0.1", "10.78.0.2")
SEEDS = [address_of(IPS[0], 13_001), address_of(IPS[0], 13_002), address_of(IPS[1], 13_001)]
PORTS = (13_010, 13_011, 13_012)


@pytest.fixture
def machines():
    with Namespace() as one, Namespace() as other:
        Cable(one, IPS[0], other, IPS[1])
        yield one, other


@contextlib.contextmanager
def seeds_on(machine, folder):
    common = ["--config", write_config(folder, SEEDS), "--outputs", folder, "--quiet"]
    with machine.do(Program, "seed.py", *common):
        wait_until(lambda: list(folder.glob("seed_*.txt")))
        yield common


def test_peers_of_two_machines_announce_where_the_others_reach_them(machines, tmp_path):
    with seeds_on(machines[0], tmp_path) as common, seeds_on(machines[1], tmp_path), \
            contextlib.ExitStack() as stack:
        for machine in machines:
            for port in PORTS:
                stack.enter_context(machine.do(
                    Program, "peer.py", port, "--gossip-interval", 0.2, *common))
        wait_until(lambda: one_piece(tmp_path, 6), what="one piece")
        holds, text = wait_until(lambda: (told := check.check_records(
            Records(tmp_path).refresh()))[0] and told, what="delivery")
    assert holds, text
    assert {path.name for path in tmp_path.glob("peer_*.txt")} == {
        f"peer_{ip}_{port}.txt" for ip in IPS for port in PORTS}


def test_a_loopback_address_stays_at_home(machines, tmp_path):
    with seeds_on(machines[0], tmp_path) as common:
        code, _, err = machines[0].do(
            run, "peer.py", PORTS[0], "--host", "127.0.0.1", *common)
        assert (code, err) == (2, "peer.py: 127.0.0.1 cannot be reached from other machines, where "
                                  "the seeds are; give an address in their network, or none\n")
        sock = machines[0].do(socket.create_connection, SEEDS[0].dial, 30, ("127.0.0.1", 0))
        end = End(sock)
        end.say(f"register:127.0.0.1:{PORTS[0]}")
        why = "127.0.0.1 cannot be reached from other machines"
        assert end.hear_until("registration refused") == f"registration refused:{why}"
        end.close()
        own = tmp_path / f"seed_{IPS[0]}_{SEEDS[0].port}.txt"
        wait_until(lambda: f"refused:127.0.0.1:{PORTS[0]}:{why}" in lines_of(own))


def test_a_peer_waits_until_there_is_a_way_to_the_seeds(tmp_path):
    with Namespace() as one, Namespace() as other:
        with pytest.raises(CommandError, match="no way to any seed of the config; is its network"):
            one.do(host_of, AUTO, SEEDS, 0.0)
        common = ["--config", write_config(tmp_path, SEEDS), "--outputs", tmp_path, "--quiet"]
        with one.do(Program, "peer.py", PORTS[0], *common) as peer:
            assert peer.process.stderr.readline() == (
                b"no way to any seed of the config yet; trying for 30 s\n")
            Cable(one, IPS[0], other, IPS[1])
            wait_until(lambda: (tmp_path / f"peer_{IPS[0]}_{PORTS[0]}.txt").exists())


def test_the_address_is_the_one_from_which_most_seeds_are_reached(machines):
    far = address_of("10.99.0.1", 1)  # no way there
    assert machines[1].do(host_of, AUTO, [far, *SEEDS], 0.0) == IPS[1]
    assert machines[1].do(host_of, "10.78.0.7", SEEDS, 0.0) == "10.78.0.7"
    assert host_of(AUTO, [address_of("127.0.0.2", 1)], 0.0) == "127.0.0.1"
    assert host_of(AUTO, [address_of("::1", 1)], 0.0) == "::1"
    assert machines[0].do(node_at, 13_002, SEEDS) == SEEDS[1]
    assert machines[1].do(node_at, 13_002, SEEDS) == address_of(IPS[1], 13_002)


def test_seeds_of_a_network_list_all_its_peers_on_one_ip_unless_a_flag_says_how_many():
    usual = Settings()
    assert with_room(usual, 256) == usual
    assert with_room(usual, 257) == usual._replace(registrations_per_ip=257)
    few, all_of_them = (usual._replace(registrations_per_ip=limit) for limit in (3, 0))
    assert with_room(few, 257) == few and with_room(all_of_them, 257) == all_of_them


QUICK = ["--processes", 1, "--gossip-interval", 0.1, "--liveness-interval", 0.5]


@pytest.mark.slow
@pytest.mark.parametrize("peers, flags", [
    (6, QUICK), (6, ["--kill", 1, *QUICK]), (30, [])])
def test_a_runner_on_each_machine_proves_its_own_and_all_files_prove_the_network(
        machines, tmp_path, peers, flags):
    config, folders = write_config(tmp_path, SEEDS), [tmp_path / "one", tmp_path / "other"]
    with contextlib.ExitStack() as stack:
        runners = [stack.enter_context(machine.do(
            Program, "runner.py", "--peers", peers, "--once", "--config", config, "--outputs",
            folder, *flags)) for machine, folder in zip(machines, folders)]
        for runner, ip in zip(runners, reversed(IPS)):
            code, out, err = runner.finish(timeout=400)
            assert (code, err) == (0, ""), out
            assert f" of {peers} peers, " in out and f"peers of {ip}: 5000 5001 " in out, out
    for folder, ip in zip(folders, reversed(IPS)):
        code, out, _ = run("runner.py", "check", folder)
        assert code == 1 and f"tells who generated it: put the files of {ip} beside these\n" in out
    code, out, err = run("runner.py", "check", "--together", *folders)
    assert (code, err) == (0, ""), out
    assert f"{2 * peers} runs generated {20 * peers} messages" in out


@pytest.mark.slow
def test_more_peers_on_one_ip_than_a_seed_lists_are_one_network(machines, tmp_path):
    config = write_config(tmp_path, [address_of(IPS[0], 13_001)])
    code, out, err = machines[0].do(
        run, "runner.py", "--peers", 260, "--processes", 1, "--once", "--gossip-count", 1,
        "--base-port", 14_000, "--config", config, "--outputs", tmp_path / "outputs")
    assert (code, err) == (0, ""), out


def test_addresses_may_be_typed_with_a_blank(tmp_path):
    seed, port = free_address(), free_port()
    common = ["--config", write_config(tmp_path, [seed]), "--outputs", tmp_path, "--quiet"]
    with Program("seed.py", seed.ip, seed.port, *common), \
            Program("peer.py", *common, "127.0.0.2", port):
        wait_until(lambda: f"registered:127.0.0.2:{port}" in lines_of(
            tmp_path / f"seed_127.0.0.1_{seed.port}.txt"))
    hint = "(see peer.py --help)\n"
    assert run("peer.py", port, "127.0.0.2", *common)[::2] == (
        2, f"peer.py: argument PORT: '{port} 127.0.0.2' is not IP:PORT {hint}")
    assert run("peer.py", "", *common)[::2] == (
        2, f"peer.py: argument PORT: '' is not a port (1 to 65535) {hint}")
    assert "no seed of the config has an address like [::1]; " in run(
        "peer.py", "::1", port, *common)[2]
