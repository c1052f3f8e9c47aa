"""Chat servers: the line, the proxy's protocol, crashes, restarts."""

import contextlib
import socket
import threading

import pytest

from gossip.chat import server as chat_server
from gossip.chat.server import CHAT, QUIET, TRIES
from gossip.lab.proof import check
from tests.tools.chat import A, gossip_line, log, texts
from tests.tools.files import count, events, lines_of, received, wait_event
from tests.tools.hands import End
from tests.tools.ports import free_port, listens
from tests.tools.programs import Program
from tests.tools.waiting import wait_until


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


@pytest.mark.parametrize("line", [2], indirect=True)
def test_more_texts_at_once_than_a_neighbours_queue_holds_all_arrive(line):
    server, neighbour = line.start_all(antientropy_interval=0, rumor_patience=5.0)
    line.proxy(server).send(b"".join(b"msg 1 %d\n" % number for number in range(10_000)))
    wait_until(lambda: len(received(neighbour)) == 10_000)


@pytest.mark.parametrize("line", [2], indirect=True)
def test_servers_that_differ_for_good_are_in_no_haste(line):
    one = line.start(0, cache_size=1)
    with one.turn:
        one.messages.add([gossip_line(A, 7, number, "x") for number in range(1, 10)])
    other = line.start(1, cache_size=1)
    wait_until(lambda: len(received(other)) == 1)
    wait_until(lambda: not one._in_haste() and not other._in_haste())
    assert one.messages.digest() != other.messages.digest()


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


@pytest.mark.parametrize("line", [2], indirect=True)
def test_a_neighbour_that_does_not_answer_is_told_four_times(line):
    server, neighbour = line.start(0), line.neighbour(1)
    line.proxy(server).say("msg 1 text")
    heard = [neighbour.recv(65_536)]
    while b":text" not in heard[-1]:
        heard.append(neighbour.recv(65_536))
    wait_until(lambda: not server.mongering.rumors.hot)
    neighbour.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(neighbour.recv(65_536))
    assert sum(b":text" in datagram for datagram in heard) == 4


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


def test_no_logs_are_made_for_a_proxy_that_has_hung_up(line, monkeypatch):
    made, make, server = [], chat_server.chat_log, line.start(0)
    monkeypatch.setattr(chat_server, "chat_log", lambda texts: made.append(1) or make(texts))
    proxy = line.proxy(server)
    proxy.say("msg 1 " + "x" * 50_000, *["get chatLog"] * 5_000)
    wait_until(lambda: made)
    proxy.close()  # it has read nothing, so its system resets the connection
    wait_until(lambda: not server.links(), what="all its lines to be read")
    assert len(made) < 2_500


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


def test_a_crash_sends_what_was_said_long_before_it_to_a_neighbour_that_is_silent(line, tmp_path):
    neighbour, port = line.neighbour(0), free_port()
    with Program("peer.py", "--chat", 1, 3, port, "--udp-base", line.base, "--outputs", tmp_path,
                 "--quiet") as server:
        wait_until(lambda: listens(port))
        proxy = End(socket.create_connection(("127.0.0.1", port), 30))
        line.socks.append(proxy)
        proxy.send(b"msg 1 early\n")
        for _ in range(TRIES):
            while b":early" not in neighbour.recv(65_536):
                pass
        threading.Event().wait(2 * CHAT.rumor_patience)  # it is silent soon after the last try
        for command in (b"msg 1 last\n", b"get chatLog\n"):
            proxy.send(command)
        assert proxy.hear() == "chatLog early,last"
        proxy.send(b"crash\n")
        assert server.process.wait(30) == 1
        while b":last" not in neighbour.recv(65_536):
            pass


def collect(sock, got, wanted):
    """Take the texts of rumors until there are so many."""
    while len(got) < wanted:
        for told in sock.recv(65_536).splitlines():
            if told.startswith(b"rumor:"):
                got.append(told.split(b":", 7)[7].decode())


def test_who_is_silent_is_written_down_and_who_comes_back(line):
    one, other = line.start(0, antientropy_interval=0.1), line.start(1, antientropy_interval=0.1)
    wait_event(one, f"connected:{other.address}")
    line.kill(1)
    wait_event(one, f"disconnected:{other.address}:silent")
    assert events(one)[-1] == f"degree:{one.address}=>0"
    line.start(1)
    wait_until(lambda: count(one, f"connected:{other.address}") == 2)


@pytest.mark.parametrize("line, agreed", [(2, False), (2, True)], indirect=["line"])
def test_a_server_does_not_end_before_its_neighbour_says_that_it_knows_the_same(line, monkeypatch,
                                                                                agreed):
    monkeypatch.setattr("gossip.chat.server.LAST_WORDS", 60.0)
    server, neighbour = line.start(0), line.neighbour(1)

    def tell(digest):
        neighbour.sendto(f"status:digest:{digest}\n".encode(), ("127.0.0.1", line.base))

    tell(server.messages.digest() if agreed else "f" * 32)
    wait_until(lambda: server.neighbours[0].heard and server._in_haste() != agreed)
    ending = threading.Thread(target=server.finish_talking)
    ending.start()
    ending.join(3 * QUIET)
    assert ending.is_alive()
    tell(server.messages.digest())
    ending.join(30)
    assert not ending.is_alive()


def test_messages_are_pushed_along_the_line_without_anti_entropy(line):
    servers = line.start_all(antientropy_interval=0)
    line.proxy(servers[0]).say("msg 1 quick")
    wait_event(servers[2], "received:")
    assert [text.rpartition(":")[2] for text in received(servers[2])] == ["quick"]
