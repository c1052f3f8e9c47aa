"""Chat servers and their console as processes: sessions, starts, ends, errors."""

import io
import os
import signal
import socket
import subprocess
import sys

import pytest

from grapevine.addresses import address_of
from grapevine.chat import server as chat_server
from grapevine.chat.doorstep import open_doors
from grapevine.chat.server import CHAT, ChatServer
from grapevine.output import Output
from grapevine.worlds.threads import ThreadWorld
from tests.tools.chat import listens
from tests.tools.programs import (
    DEADLINE, ROOT, Network, OutputFile, free_ports, free_range, is_clean, wait_until)


class Folder(Network):
    """The flags of a line of servers, and the programs that a test starts there."""

    def __init__(self, path):
        super().__init__(path)
        self.base = free_range(4, socket.SOCK_DGRAM)
        self.flags = ["--udp-base", str(self.base), "--outputs", str(self.outputs)]

    def file(self, own_id: int) -> OutputFile:
        return OutputFile(self.outputs / f"peer_127.0.0.1_{self.base + own_id}.txt")

    def console(self, *lines: str, more=()) -> tuple[int, str, str]:
        """Carry out lines; return the exit code, the output, and the errors."""
        done = subprocess.run(
            [sys.executable, ROOT / "runner.py", "console", *self.flags, "--settle", "1.5", *more],
            input="".join(f"{line}\n" for line in lines).encode(), capture_output=True, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def neighbour(self, own_id: int) -> socket.socket:
        """Return a bare socket in place of a server."""
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", self.base + own_id))
        return sock


@pytest.fixture
def folder(tmp_path):
    with Folder(tmp_path) as folder:
        yield folder


def starts(ports: list[int]) -> list[str]:
    return [f"{number} start {len(ports)} {port}" for number, port in enumerate(ports)]


def gets(count: int) -> list[str]:
    return [f"{number} get chatLog" for number in range(count)]


# Sessions of a console.

def test_four_servers_have_the_same_four_texts(folder):
    ports, key = free_ports(4), folder.folder / "key"
    key.write_bytes(b"a secret of thirty-two bytes....\n")
    texts = ["First, with a comma", "second  text", "\u00e4\u4e2d\U0001f347", " x "]
    messages = [f"{number} msg {number} {text}" for number, text in enumerate(texts)]
    code, out, err = folder.console(*starts(ports), *gets(1), *messages, *gets(4), "exit", "what",
                                    more=["--chat-key", key])
    assert (code, err) == (0, "")
    empty, *logs, end = out.split("\n")
    assert (empty, end) == ("<empty>", "") and len(logs) == 4
    for log in logs:
        assert all(f",{text}," in f",{log}," for text in texts)
        assert len(log) == len(",".join(texts))
    assert all(folder.file(number).events()[-1] == "stopped:quit" for number in range(4))


@pytest.mark.parametrize("number, code", [
    (signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_servers_end_when_their_console_is_killed(folder, number, code):
    ports = free_ports(2)
    program = folder.start_python(ROOT / "runner.py", "console", *folder.flags,
                                  start_new_session=True)
    program.type(*starts(ports), *gets(2))
    program.shows("<empty>")
    assert all(map(listens, ports))
    os.killpg(program.process.pid, number)  # as a terminal does
    assert program.code() == code and is_clean(program.shown())
    wait_until(lambda: not any(map(listens, ports)))
    for own_id in range(2):
        folder.file(own_id).event("stopped:quit")


def test_why_a_server_cannot_start_is_one_line(folder):
    [port] = free_ports(1)
    with folder.neighbour(0):
        code, out, err = folder.console(f"0 start 1 {port}")
    assert (code, out) == (0, "")
    assert err.startswith("runner.py console: server 0 did not start: peer.py: ")
    assert err.endswith(f"port {folder.base} is in use\n") and err.count("\n") == 1


# Starts and ends.

def test_a_server_opens_its_doors_before_anything_slow_is_imported(folder):
    """A proxy dials a tenth of a second after it has started a server; imports take half of it."""
    code = ("import runpy, sys; sys.argv[:] = sys.argv[1:]\n"
            "from grapevine.chat import doorstep\n"
            "doorstep.open_early = lambda arguments: sys.exit(' '.join(sys.modules))\n"
            "runpy.run_path(sys.argv[0], run_name='__main__')")
    arguments = [ROOT / "peer.py", "--chat", "0", "1", "5001"]
    done = subprocess.run([sys.executable, "-c", code, *arguments],
                          cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=60)
    loaded = set(done.stderr.split())
    assert done.returncode == 1 and "grapevine.chat.doorstep" in loaded
    assert not loaded & {"argparse", "grapevine.wire", "grapevine.node", "grapevine.chat.server"}


def test_no_logs_are_made_for_a_proxy_that_has_hung_up(folder, monkeypatch):
    made, make = [], chat_server.chat_log
    monkeypatch.setattr(chat_server, "chat_log", lambda lines: made.append(1) or make(lines))
    [port] = free_ports(1)
    world = ThreadWorld(address_of("127.0.0.1", folder.base), list(open_doors(folder.base, port)))
    server = ChatServer(address_of("127.0.0.1", folder.base), CHAT, Output(io.BytesIO()), world,
                        "alone", [])
    world.begin(server)
    try:
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as proxy:
            for _ in range(20):
                proxy.sendall(b"msg 1 " + b"x" * 50_000 + b"\n")
            proxy.sendall(b"get chatLog\n" * 1_000)
            wait_until(lambda: made)
        wait_until(lambda: not server.links)
        assert len(made) < 100
    finally:
        assert world.end("over")


def test_the_scripts_of_the_readme_run_servers_under_a_stock_proxy(folder):
    """`process` starts a server, `stopall` ends those that it has started, and nothing else."""
    readme = (ROOT / "grapevine" / "chat" / "README.md").read_text()
    scripts = {}
    for name in ("process", "stopall"):
        at = readme.index(f"# {name}:")
        block = readme[readme.rindex("```sh\n", 0, at) + 6:readme.index("```", at)]
        scripts[name] = folder.folder / name
        scripts[name].write_text(block.replace("python3 -S", f"{sys.executable} -S")
                                 .replace("/path/to/grapevine", str(ROOT)))
        scripts[name].chmod(0o755)
    ports, bystander = free_ports(2), folder.start_python("-S", "-c", "input()")
    (folder.folder / "chat_pids").write_text(f"{bystander.process.pid}\n")  # a server's once
    started = [subprocess.Popen([scripts["process"], str(own_id), "2", str(port), *folder.flags],
                                stdin=subprocess.DEVNULL, cwd=folder.folder)
               for own_id, port in enumerate(ports)]
    try:
        for own_id, process in enumerate(started):
            folder.file(own_id).event("connected:")
            args = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(process.pid)],
                                  capture_output=True, text=True, timeout=30).stdout
            assert str(scripts["process"]) in args, "some courses end servers by this name"
        subprocess.run([scripts["stopall"]], check=True, cwd=folder.folder, timeout=30)
        assert [process.wait(30) for process in started] == [0, 0]
        assert bystander.process.poll() is None
    finally:
        for process in started:
            process.kill()
            process.wait()
