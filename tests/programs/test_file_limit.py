"""--file-limit: every program that starts nodes has it, and runner.py passes it on; a full disk."""

import signal

import pytest

from gossip.settings import MIB
from tests.tools.files import lines_of
from tests.tools.modules import write_ini
from tests.tools.ports import free_address, free_addresses, free_port, free_range, free_udp_range
from tests.tools.programs import Program, run, write_config
from tests.tools.waiting import wait_until


def seed(folder):
    address, = free_addresses(1)
    return f"seed_{address.file_part}", ["seed.py", address,
                                         "--config", write_config(folder, [address])]


def peer(folder):
    address, = free_addresses(1)
    return f"peer_{address.file_part}", ["peer.py", address.port, "--config",
                                         write_config(folder, free_addresses(1))]


def chat(folder):
    base = free_udp_range(1)
    return f"peer_127.0.0.1_{base}", ["peer.py", "--chat", 0, 1, free_port(), "--udp-base", base]


def module(folder):
    address = free_address()
    return f"module_{address.file_part}", ["peer.py", "-c", write_ini(folder, p2p_address=address)]


@pytest.mark.parametrize("kind", [seed, peer, chat, module])
def test_a_full_file_of_every_kind_of_node_gets_two_lines_and_no_more(tmp_path, kind):
    name, command = kind(tmp_path)
    path = tmp_path / f"{name}.txt"
    path.write_bytes(b"x" * (MIB - 1) + b"\n")
    with Program(*command, "--outputs", tmp_path, "--file-limit", 1, "--quiet") as program:
        wait_until(lambda: path.stat().st_size > MIB)
        program.process.send_signal(signal.SIGTERM)
        code, _, err = program.finish()
    assert (code, err) == (0, "") and lines_of(path)[1:] == ["full:1", "stopped:interrupted"]


@pytest.mark.parametrize("command", [["--once"], ["--process-per-peer", "--once"]])
def test_the_runner_passes_it_on_to_peers(tmp_path, command):
    config = write_config(tmp_path, free_addresses(1))
    code, _, err = run(
        "runner.py", "--peers", 2, "--base-port", free_range(2), "--gossip-count", 1,
        "--gossip-interval", 0.1, "--liveness-interval", 1, "--config", config, "--outputs",
        tmp_path, "--quiet", "--file-limit", 7, *command)
    assert (code, err) == (0, "") and limits(tmp_path, "peer_*") == ["7"] * 2


def test_the_runner_passes_it_on_to_modules_and_chat_servers(tmp_path):
    code, _, err = run("runner.py", "module", "--peers", 3, "--pow-bits", 0, "--base-port",
                       free_range(6), "--outputs", tmp_path, "--file-limit", 7)
    assert (code, err) == (0, "") and limits(tmp_path, "module_*") == ["7"] * 3
    with Program("runner.py", "console", "--udp-base", free_udp_range(1), "--outputs", tmp_path,
                 "--file-limit", 8) as console:
        assert console.finish(f"0 start 1 {free_port()}\n0 msg 1 text\nexit\n")[0] == 0
    assert limits(tmp_path, "peer_*") == ["8"]


def limits(folder, pattern):
    """What the `settings:` lines of output files say of the limit."""
    return [line.partition("file-limit=")[2].partition(":")[0]
            for path in folder.glob(f"{pattern}.txt") for line in lines_of(path)
            if line.startswith("settings:")]


def test_a_full_disk_is_told_once_and_its_lines_are_counted_in_status(tmp_path):
    name, command = peer(tmp_path)
    (tmp_path / f"{name}.txt").symlink_to("/dev/full")
    with Program(*command, "--outputs", tmp_path, "--gossip-count", 0) as program:
        program.type("say one\nsay two\nstatus\n")
        code, out, err = program.finish("quit\n")
    told = [line for line in out.splitlines() if " lost:" in line]
    assert (code, err, len(told)) == (0, "", 1) and told[0].endswith(
        f"{name}.txt: No space left on device; they are counted")
    counted, = [line for line in out.splitlines() if line.startswith("lines that could not")]
    assert int(counted.rpartition(": ")[2]) >= 5
