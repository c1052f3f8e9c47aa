"""Chat servers: the line, the proxy's protocol, crashes, restarts, and datagrams that lie."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.chat.doorstep import open_doors, open_early
from gossip.chat.log import chat_log
from gossip.chat.server import CHAT, ChatServer
from gossip.net.datagrams import pack, signature
from gossip.node.output_file import OutputFile
from gossip.proof import check
from tools.files import count, events, lines_of, received, wait_event
from tools.hands import End
from tools.ports import free_port, free_udp_range, listens
from tools.programs import ROOT, Program
from tools.waiting import wait_until

A, B = address_of("127.0.0.1", 5001), address_of("127.0.0.1", 5002)


def gossip_line(origin, start, number, text):
    return wire.gossip("1.000000", origin, start, number, text)


def test_the_log_has_the_order_of_arrival_and_each_runs_messages_in_number_order():
    lines = [gossip_line(A, 7, 2, "a2"), gossip_line(B, 9, 1, "b1"), gossip_line(A, 8, 1, "c1"),
             b"signed:x:" + gossip_line(A, 7, 1, "a1")]
    assert chat_log(lines) == b"a1,b1,c1,a2"
    assert chat_log([]) == b"<empty>"


def test_lines_are_packed_into_datagrams_whole():
    rng = random.Random(1)
    for _ in range(200):
        data = b"".join(b"x" * rng.randrange(40) + b"\n" for _ in range(rng.randrange(30)))
        pieces = pack(data, 40)
        assert b"".join(pieces) == data
        assert all(piece.endswith(b"\n") and len(piece) <= 40 for piece in pieces)
    assert pack(b"x" * 50 + b"\ny\n", 40) == [b"x" * 50 + b"\n", b"y\n"]  # too long for any


@pytest.mark.parametrize("arguments", [
    [], ["--chat"], ["--chat", "0", "1"], ["--chat", "1", "1", "5000"], ["--chat", "x", "1", "2"],
    ["--chat", "0", "1", "0"], ["--chat", "0", "1", "5000", "--udp-base", "x"]])
def test_the_doorstep_opens_nothing_for_a_strange_command_line(arguments):
    assert open_early(arguments) is None


def test_the_doorstep_opens_both_doors_or_none():
    udp, tcp = free_udp_range(1), free_port()
    arguments = ["peer.py", "--chat", "0", "1", str(tcp), f"--udp-base={udp}"]
    doors = open_early(arguments)
    assert doors.are(udp, tcp) and listens(tcp)
    assert open_early(arguments) is None
    doors.udp.close()
    assert open_early(arguments) is None  # TCP is taken: UDP is given back
    doors.close()
    open_early(arguments).close()


class Line:
    """Chat servers in this process, and neighbours in the hands of a test."""

    def __init__(self, folder, size):
        self.folder = folder
        self.size = size
        self.base = free_udp_range(size)
        self.servers = {}
        self.socks = []

    def start(self, own_id, key=None, **changes):
        doors = open_doors(self.base + own_id, free_port())
        path = self.folder / f"peer_127.0.0.1_{self.base + own_id}.txt"
        server = ChatServer(own_id, self.size, doors, CHAT._replace(**changes), OutputFile(path),
                            key)
        server.start()
        self.servers[own_id] = server
        return server

    def start_all(self, **changes):
        return [self.start(own_id, **changes) for own_id in range(self.size)]

    def kill(self, own_id):
        """It is gone, without a word."""
        server = self.servers.pop(own_id)
        server.output.finish()
        server.stop()

    def proxy(self, server):
        end = End(socket.create_connection(("127.0.0.1", server._tcp.getsockname()[1]), 30))
        self.socks.append(end)
        return end

    def neighbour(self, own_id):
        """A bare socket in place of a server."""
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", self.base + own_id))
        sock.settimeout(30)
        self.socks.append(sock)
        return sock

    def close(self):
        for sock in self.socks:
            sock.close()
        for server in self.servers.values():
            server.stop()


@pytest.fixture
def line(tmp_path, request):
    before = set(threading.enumerate())
    line = Line(tmp_path, getattr(request, "param", 3))
    yield line
    line.close()
    failed = [event for path in tmp_path.glob("peer_*.txt") for event in lines_of(path)
              if event.startswith("failed:")]
    assert failed == []
    wait_until(lambda: set(threading.enumerate()) <= before, what="all threads to end")


def log(proxy):
    proxy.say("get chatLog")
    return proxy.hear().removeprefix("chatLog ")


def texts(proxy):
    return sorted(log(proxy).split(","))


@pytest.mark.parametrize("line", [8], indirect=True)
def test_a_line_of_eight_has_the_same_texts_everywhere_once(line):
    servers = line.start_all()
    proxies = [line.proxy(server) for server in servers]
    for number in range(40):
        for own_id, proxy in enumerate(proxies):
            proxy.say(f"msg {number} from {own_id} number {number}")
    expected = sorted(f"from {own_id} number {number}" for own_id in range(8)
                      for number in range(40))
    for proxy in proxies:
        wait_until(lambda: texts(proxy) == expected)
    for server in servers:
        wait_until(lambda: len(received(server)) == 280)
    holds, text = check.check_folder(line.folder)
    assert holds, text
    assert "2240 of 2240 deliveries" in text


def test_each_servers_own_messages_stand_in_their_order(line):
    servers = line.start_all()
    proxies = [line.proxy(server) for server in servers]
    for number in range(100):
        proxies[0].say(f"msg 1 {number:03}")
    wait_until(lambda: log(proxies[2]) == ",".join(f"{number:03}" for number in range(100)))


@pytest.mark.parametrize("said", [
    "msg", "msg 1", "msg 1 ", "msg x text", "msg -1 text", "get", "get chatlog", "get chatLog ",
    "crash now", "", "help", "msg  1 text", "GET chatLog"])
def test_a_line_that_is_none_stores_nothing_and_the_connection_stays(line, said):
    server = line.start(0)
    proxy = line.proxy(server)
    proxy.say(said, "msg 7 fine")
    assert log(proxy) == "fine"
    assert count(server, "refused:") == 1 and count(server, "generated:") == 1


def test_strange_bytes_and_ends_of_lines(line):
    proxy = line.proxy(line.start(0))
    proxy.send("msg 1 a b  c\r\nmsg 2 \u00e4\u2028\U0001f347\x01\n".encode() + b"msg 3 \xff\nget ")
    proxy.send(b"chatLog\r\n")
    assert proxy.hear() == "chatLog a b  c,\u00e4\u2028\U0001f347\x01"


def test_a_line_that_is_too_long_ends_only_its_connection(line):
    server = line.start(0)
    proxy, other = line.proxy(server), line.proxy(server)
    proxy.send(b"x" * 131_073)
    assert proxy.hear_end()
    other.say("msg 1 y", "x" * 131_072)
    assert log(other) == "y"


def test_what_does_not_fit_into_a_datagram_is_refused_and_the_longest_that_does_arrives(line):
    servers = line.start_all(key=b"secret")
    proxies = [line.proxy(server) for server in servers]
    proxies[0].say("msg 1 " + "x" * 59_900)
    refused = wait_event(servers[0], "refused:")
    excess = int(refused.split("too long by ")[1].split()[0])
    assert 0 < excess < 200
    proxies[0].say("msg 2 " + "y" * (59_900 - excess + 1), "msg 3 " + "z" * (59_900 - excess))
    wait_until(lambda: log(proxies[2]) == "z" * (59_900 - excess))
    assert count(servers[0], "generated:") == 1


def test_a_log_of_many_mib_is_answered_while_others_talk(line):
    server = line.start(0, rumor_patience=0.01)
    proxy, other = line.proxy(server), line.proxy(server)
    for number in range(250):
        proxy.say(f"msg {number} " + "x" * 50_000)
    wait_until(lambda: server.messages.count() == 250)
    proxy.say("get chatLog")  # not read for the time being
    other.say("msg 1 small")
    wait_until(lambda: server.messages.count() == 251)
    assert len(proxy.hear(30)) >= len("chatLog ") + 250 * 50_001 - 1
    assert log(other).endswith(",small")


def test_a_restarted_server_has_everything_again_older_runs_first(line):
    ends = line.start(0), line.start(2)
    proxies = [line.proxy(server) for server in ends]
    middle = line.proxy(line.start(1))
    for number in range(30):
        middle.say(f"msg 1 m{number}")
    for proxy in proxies:
        wait_until(lambda: len(texts(proxy)) == 30)
    line.kill(1)
    proxies[0].say("msg 1 left")
    proxies[1].say("msg 1 right")
    again = line.start(1)
    proxy = line.proxy(again)
    wait_until(lambda: len(texts(proxy)) == 32)
    runs = [text.split(":")[3] for text in received(again)]
    old = runs.index(max(runs[:30], key=runs[:30].count))
    assert runs[old:old + 30].count(runs[old]) == 30  # the older run in one go
    proxy.say("msg 1 new")
    for other in (*proxies, proxy):
        wait_until(lambda: texts(other) == sorted(
            [*(f"m{number}" for number in range(30)), "left", "right", "new"]))
    wait_event(ends[0], f"connected:127.0.0.1:{line.base + 1}")


def test_a_crash_sends_what_stood_before_it_whatever_window_is_full(line, tmp_path):
    left, right = line.neighbour(0), line.neighbour(2)
    port = free_port()
    with Program("peer.py", "--chat", 1, 3, port, "--udp-base", line.base, "--outputs", tmp_path,
                 "--quiet") as server:
        wait_until(lambda: listens(port))
        proxy = End(socket.create_connection(("127.0.0.1", port), 30))
        line.socks.append(proxy)
        said = [f"text {number} " + "x" * 200 for number in range(500)]
        got = {sock: [] for sock in (left, right)}
        readers = [threading.Thread(target=collect, args=(sock, got[sock], len(said)))
                   for sock in got]
        for reader in readers:
            reader.start()
        proxy.send("".join(f"msg 1 {text}\n" for text in said).encode() + b"crash\nmsg 1 no\n")
        assert server.process.wait(30) == 1
        for reader in readers:
            reader.join(20)
    assert got[left] == got[right] == said
    assert not any(event.startswith("stopped") for event in lines_of(
        tmp_path / f"peer_127.0.0.1_{line.base + 1}.txt"))


def collect(sock, got, wanted):
    """Take the texts of rumors until there are so many."""
    while len(got) < wanted:
        for told in sock.recv(65_536).splitlines():
            if told.startswith(b"rumor:"):
                got.append(told.split(b":", 7)[7].decode())


def test_only_the_neighbours_ports_count(line):
    server = line.start(0)
    stranger = socket.socket(type=socket.SOCK_DGRAM)
    line.socks.append(stranger)
    lie = b"rumor:" + gossip_line(A, 7, 1, "lie") + b"\n"
    stranger.sendto(lie, server.address.dial)
    wait_until(lambda: server.counters.all().get("datagrams from strangers"))
    line.neighbour(2).sendto(lie, server.address.dial)  # in the line, but no neighbour
    wait_until(lambda: server.counters.all()["datagrams from strangers"] == 2)
    assert server.messages.count() == 0


def test_a_key_keeps_out_who_has_none(line):
    key, told = b"secret", b"rumor:" + gossip_line(A, 7, 1, "true") + b"\n"
    server, sock = line.start(0, key=key), line.neighbour(1)
    own, other = address_of("127.0.0.1", line.base + 1), server.address
    for signed in (b"", signature(b"wrong", own, other, told), signature(key, other, own, told),
                   signature(key, own, other, told + b"x\n")):
        sock.sendto(signed + told, other.dial)
    wait_until(lambda: server.counters.all().get("datagrams with a wrong signature") == 4)
    assert server.messages.count() == 0 and count(server, "connected:") == 0
    sock.sendto(signature(key, own, other, told) + told, other.dial)
    wait_until(lambda: server.messages.count() == 1)
    while b"status:took" not in (answer := sock.recv(65_536)):
        pass
    signed, content = answer.split(b"\n", 1)
    assert signed + b"\n" == signature(key, other, own, content)


def test_garbage_datagrams_change_nothing(line):
    rng = random.Random(3)
    server, sock = line.start(0), line.neighbour(1)
    good = [b"rumor:" + gossip_line(A, 7, 1, "x"), b"status:digest:" + b"0" * 32,
            b"status:seen:127.0.0.1:1:1=1-9223372036854775807", b"status:sent",
            b"status:want:127.0.0.1:1:1=1-9223372036854775807", b"register:127.0.0.1:1"]
    for _ in range(3000):
        data = bytearray(rng.choice(good) + b"\n")
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        sock.sendto(data[:rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data,
                    server.address.dial)
    sock.sendto(b"", server.address.dial)
    last = b"rumor:" + gossip_line(A, 8, 1, "the last") + b"\n"
    wait_until(lambda: sock.sendto(last, server.address.dial) and any(
        text.endswith(":the last") for text in received(server)))  # some datagrams are lost
    proxy = line.proxy(server)
    proxy.say("msg 1 alive")
    assert "alive" in log(proxy).split(",")


def test_who_is_silent_is_written_down_and_who_comes_back(line):
    one, other = line.start(0, antientropy_interval=0.1), line.start(1, antientropy_interval=0.1)
    wait_event(one, f"connected:{other.address}")
    line.kill(1)
    wait_event(one, f"disconnected:{other.address}:silent")
    assert events(one)[-1] == f"degree:{one.address}=>0"
    line.start(1)
    wait_until(lambda: count(one, f"connected:{other.address}") == 2)


def test_a_port_that_is_held_for_a_moment_is_waited_for_and_one_in_use_is_named(line, tmp_path):
    flags = ["--udp-base", line.base, "--outputs", tmp_path, "--quiet"]
    held, port = line.neighbour(0), free_port()
    with Program("peer.py", "--chat", 0, 3, port, *flags) as server:
        code, _, err = server.finish()
        assert code == 1 and f"port {line.base}" in err and len(err.splitlines()) == 1
    release = threading.Timer(0.5, held.close)
    with Program("peer.py", "--chat", 0, 3, port, *flags) as server:
        release.start()
        wait_until(lambda: listens(port))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
    release.join()


@pytest.mark.parametrize("arguments, hint", [
    (["--chat", 0, 0, 5000], "ID is from 0 to N-1"), (["--chat", 0, 1, 70_000], "not a port"),
    (["--chat", 0, 1], "expected 3"),
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


def test_messages_are_pushed_along_the_line_without_anti_entropy(line):
    servers = line.start_all(antientropy_interval=0)
    line.proxy(servers[0]).say("msg 1 quick")
    wait_event(servers[2], "received:")
    assert [text.rpartition(":")[2] for text in received(servers[2])] == ["quick"]


def test_the_readme_scripts_run_servers_under_a_stock_proxy(line, tmp_path):
    """`process` starts a server, `stopall` ends those it started and nothing else."""
    readme = (ROOT / "README.md").read_text()
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
        subprocess.run([scripts["stopall"]], check=True, cwd=tmp_path, timeout=30)
        assert [process.wait(30) for process in started] == [0, 0]
        assert bystander.poll() is None
    finally:
        for process in (*started, bystander):
            process.kill()
            process.wait()
        bystander.stdin.close()
