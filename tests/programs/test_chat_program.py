"""The program peer.py --chat: its ports, its command line, and the scripts of the README."""

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.tools.chat import log
from tests.tools.files import lines_of
from tests.tools.hands import End
from tests.tools.ports import free_port, listens
from tests.tools.programs import ROOT, Program
from tests.tools.waiting import wait_until


def test_a_port_that_is_held_for_a_moment_is_waited_for_and_one_in_use_is_named(line, tmp_path):
    flags = ["--udp-base", line.base, "--outputs", tmp_path, "--quiet"]
    held, port = line.neighbour(0), free_port()
    with Program("peer.py", "--chat", 0, 3, port, *flags) as server:
        code, _, err = server.finish()
        assert code == 1 and f"port {line.base}" in err and len(err.splitlines()) == 1
    release = threading.Timer(0.5, held.close)
    with Program("peer.py", "--chat", 0, 3, port, *flags) as server:
        release.start()
        wait_until(lambda: any(":started:" in path.read_text()
                               for path in tmp_path.glob("peer_*.txt")))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
    release.join()


@pytest.mark.parametrize("arguments, hint", [
    (["--chat", 0, 0, 5000], "ID is from 0 to N-1"),
    (["--chat", 0, "9" * 5_000, 5000], "ID is from 0 to N-1"),
    (["--chat", 0, 1, 70_000], "not a port"), (["--chat", 0, 1], "expected 3"),
    (["--chat", 0, 1, 5000, "--chat-key", "/nonexistent"], "read"),
    (["--chat", 0, 1, 5000, "--liveness-interval", 3], "unrecognized")])
def test_a_wrong_command_line_is_one_line_and_exit_2(arguments, hint):
    with Program("peer.py", *arguments) as program:
        code, _, err = program.finish()
    assert code == 2 and hint in err and len(err.splitlines()) == 1


def test_a_server_reads_no_standard_input_and_needs_no_standard_output(line, tmp_path):
    port = free_port()
    script = tmp_path / "script"
    script.write_text("0 msg 0 text\nexit\n")
    with open(script, "rb") as typed, open("/dev/full", "wb") as full, \
            Program("peer.py", "--chat", 0, 1, port, "--udp-base", line.base, "--outputs",
                    tmp_path, stdin=typed, stdout=full, stderr=full) as server:
        wait_until(lambda: listens(port))
        proxy = End(socket.create_connection(("127.0.0.1", port), 30))
        line.socks.append(proxy)
        for number in range(100):
            proxy.say(f"msg {number} text", "unknown")
        assert len(log(proxy).split(",")) == 100
        assert server.process.poll() is None and os.lseek(typed.fileno(), 0, os.SEEK_CUR) == 0


def test_the_readme_scripts_run_servers_under_a_stock_proxy(line, tmp_path):
    """`process` starts a server, `stopall` ends those it started and nothing else."""
    readme = (ROOT / "gossip" / "chat" / "README.md").read_text()
    scripts = {}
    for name in ("process", "stopall"):
        at = readme.index(f"# {name}:")
        block = readme[readme.rindex("```sh\n", 0, at) + 6:readme.index("```", at)]
        scripts[name] = tmp_path / name
        scripts[name].write_text(block.replace("python3 -S", f"{sys.executable} -S")
                                 .replace("/path/to/grapevine", str(ROOT)))
        scripts[name].chmod(0o755)
    ports = [free_port(), free_port()]
    flags = ["--udp-base", str(line.base), "--outputs", str(tmp_path)]
    bystander = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / "chat_pids").write_text(f"{bystander.pid}\n")  # its id was a server's once
    started = [subprocess.Popen([scripts["process"], str(own_id), "2", str(port), *flags],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=tmp_path)
               for own_id, port in enumerate(ports)]
    try:
        files = [tmp_path / f"peer_127.0.0.1_{line.base + own_id}.txt" for own_id in (0, 1)]
        wait_until(lambda: all(map(lines_of, files)))
        for process in started:  # some courses end servers by this name
            args = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(process.pid)],
                                  capture_output=True, text=True, timeout=30).stdout
            assert str(scripts["process"]) in args
        subprocess.run([scripts["stopall"]], check=True, cwd=tmp_path, timeout=30)
        assert [process.wait(30) for process in started] == [0, 0]
        assert bystander.poll() is None
    finally:
        for process in (*started, bystander):
            process.kill()
            process.wait()
        bystander.stdin.close()
