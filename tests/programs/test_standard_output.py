"""--outputs -: the lines of the output file go to standard output, and to no file."""

import os
import signal
import time

import pytest

from gossip.lab.proof import check
from gossip.node.output_file import OutputFile
from gossip.terminal import screen
from gossip.terminal.command_line import OUTPUTS
from tests.tools.files import count, events
from tests.tools.ports import free_port
from tests.tools.programs import ROOT, Program, write_config
from tests.tools.waiting import wait_until


def test_a_reader_that_stops_stops_nothing_and_what_is_kept_is_proved(net):
    """Peer and seed as services; the reader of the peer's output is a pipe that is full."""
    net.seeds(1)
    other, port = net.peer(), free_port()
    address = f"127.0.0.1:{port}"
    command = ("peer.py", port, "--config", write_config(net.folder, net.seed_addresses),
               "--outputs", "-", "--gossip-count", 0, "--liveness-interval", 1)
    with Program(*command) as peer:
        wait_until(lambda: f"connected:{address}" in events(other))
        peer.type("".join(f"say {n} {'x' * 1000}\n" for n in range(500)) + "status\n")
        wait_until(lambda: count(other, f"received:{address}") == 500)
        replies = count(other, f"liveness reply:{address}")
        wait_until(lambda: count(other, f"liveness reply:{address}") > replies + 2)
        code, out, err = peer.finish("quit\n")
    assert code == 0 and "messages held: 500" in err and "received:" not in err
    assert out.count(":generated:") == 500 and out.endswith(":stopped:quit\n")
    assert all(line[19:20] + line[26:27] == ".:" for line in out.splitlines())
    net.end(other, "quit")
    (net.folder / "peer_kept.txt").write_text(out)
    held, rows = check.check_folder(net.folder)
    assert held and "2 runs" in rows, rows
    assert not (ROOT / "-").exists() and not list(OUTPUTS.glob(f"*_{port}.txt"))


@pytest.mark.parametrize("limit, value", [("QUEUE_LIMIT", 3), ("WAITING_LIMIT", 100_000)])
def test_what_a_blocked_pipe_does_not_take_is_counted_and_told(monkeypatch, limit, value):
    monkeypatch.setattr(screen, limit, value)
    reader, writer = os.pipe()
    try:
        output = OutputFile(None, time.time_ns, file=screen.Log(writer))
        while not output.dropped():
            output.write("x" * 10_000, "y")
            assert output._file._queue.qsize() <= 11
        lost = output.dropped()["lines that could not be written"]
        os.set_blocking(reader, False)
        heard = []

        def told():
            output.write("again")
            try:
                heard.append(os.read(reader, 1_000_000))
            except BlockingIOError:
                pass
            return b"lost:" in b"".join(heard)

        wait_until(told)
        output.finish("stopped:quit")
        output.close()
        heard.append(os.read(reader, 1_000_000))
        lines = [line[27:] for line in b"".join(heard).decode().splitlines()]
        notice = next(line for line in lines if line.startswith("lost:"))
        assert int(notice[5:].split()[0]) >= lost == 2 and lines[-1] == "stopped:quit"
    finally:
        os.close(reader)
        os.close(writer)


def test_a_pipe_without_a_reader_is_given_up_at_the_end():
    reader, writer = os.pipe()
    os.close(reader)
    output = OutputFile(None, time.time_ns, file=screen.Log(writer))
    output.write("nobody reads")
    begin = time.monotonic()
    output.close()
    assert time.monotonic() - begin < 30
    os.close(writer)


def test_a_seed_on_standard_output(net):
    seed = free_port()
    config = write_config(net.folder, [f"127.0.0.1:{seed}"])
    with Program("seed.py", seed, "--config", config, "--outputs", "-") as program:
        first = program.process.stdout.readline().decode()
        program.process.send_signal(signal.SIGTERM)
        code, out, err = program.finish()
    assert (code, err) == (0, "") and out.endswith(":stopped:interrupted\n")
    assert first.endswith(f":started:seed:127.0.0.1:{seed}\n")
