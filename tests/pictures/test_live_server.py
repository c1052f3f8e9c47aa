"""The server of the live page: who may, what is refused, and that nobody makes it stand still."""

import contextlib
import json
import socket
import threading
import time

import pytest

from grapevine.lab.pictures import live_server
from grapevine.lab.pictures.live_requests import Gate, Refused
from grapevine.lab.pictures.live_server import Server, Visit
from tests.tools.pictures import add, text
from tests.tools.programs import free_ports, wait_until
from tests.tools.stories import THREE, tell

SAFE = ["Content-Security-Policy: default-src 'none'", "frame-ancestors 'none'",
        "Referrer-Policy: no-referrer", "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff"]


class Served:
    """A server in a thread of its own, and its clients."""

    def __init__(self, folder, do=None):
        self.server = Server(folder, free_ports(1)[0], do)
        self.follow = self.server.follow
        self.path = self.server.gate.page
        self._end, self._open = threading.Event(), []
        self._thread = threading.Thread(target=self.server.serve, args=(self._end.wait,),
                                        daemon=True)
        self._thread.start()

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=60)
        self._open.append(sock)
        return sock

    def ask(self, data):
        """All that is answered to these bytes."""
        sock = self.connect()
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        return read_all(sock)

    def request(self, path=None, method="GET", host=None, body=b"", **fields):
        host = f"127.0.0.1:{self.server.port}" if host is None else host
        lines = [f"{method} {self.path if path is None else path} HTTP/1.1", f"Host: {host}",
                 *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def get(self, path="", **fields):
        return self.ask(self.request(self.path + path, **fields))

    def order(self, body, **fields):
        fields = {"Content_Type": "application/json", "Content_Length": len(body), **fields}
        return self.ask(self.request(self.path + "do", "POST", body=body, **{
            name: value for name, value in fields.items() if value is not None}))

    def stream(self):
        sock = self.connect()
        sock.sendall(self.request(self.path + "stream"))
        return sock.makefile("rb")

    def close(self):
        self._end.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        for sock in self._open:
            sock.close()


def read_all(sock):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := sock.recv(65_536):
            data += more
    return data.decode()


def status(answer):
    return int(answer.split(" ", 2)[1])


def block(stream):
    """The next block of a stream, as a value."""
    for line in stream:
        if line.startswith(b"data: "):
            return json.loads(line[6:])
    raise AssertionError("the stream has ended")


def events_until(stream, kind):
    """All events up to the first block that has one of this kind."""
    found = []
    while not any(event[1] == kind for event in found):
        found += block(stream)["events"]
    return found


@pytest.fixture
def served(tmp_path):
    tell(tmp_path, THREE)
    found = Served(tmp_path)
    yield found
    found.close()


@pytest.fixture
def ordered(tmp_path):
    """A server with buttons, and the orders it was given."""
    orders = []
    found = Served(tmp_path, lambda order: orders.append(order) or (200, "done"))
    yield found, orders
    found.close()


# What it serves.

def test_the_page_loads_nothing_from_elsewhere(served):
    answer = served.get()
    assert status(answer) == 200 and all(line in answer for line in SAFE)
    assert "http" not in answer.partition("\r\n\r\n")[2].replace("http://www.w3.org/", "")
    assert "script-src 'sha256-" in answer and "style-src 'sha256-" in answer


def test_a_stream_tells_the_past_then_what_comes(served, tmp_path):
    stream = served.stream()
    first = block(stream)
    assert first["figures"]["peers"] == 3 and "begin" in first["figures"]
    assert [event[1] for event in first["events"]][:3] == ["node", "started", "state"]
    add(tmp_path / "peer_127.0.0.1_5001.txt", text(80, "leaving:127.0.0.1:5001"))
    assert [event[3] for event in events_until(stream, "leaving") if event[1] == "state"] == [
        "left"]


def test_the_verdict_is_told(served):
    stream = served.stream()
    assert block(stream)["figures"]["verdict"] is None
    served.server.tell("holds", "The proof holds.")
    told = wait_until(lambda: block(stream)["figures"]["verdict"])  # though nothing happens
    assert told == {"is": "holds", "text": "The proof holds."}


def test_pages_begin_anew_when_another_network_begins(tmp_path):
    served = Served(tmp_path)
    stream = served.stream()
    block(stream)
    tell(tmp_path, THREE)
    assert not all(stream.readline() for _ in range(100))  # it ends, and a browser comes back
    assert len(events_until(served.stream(), "connected")) > 10
    served.close()


def test_the_last_lines_of_a_node_are_shown(served):
    answer = wait_until(lambda: status(found := served.get("node/2")) == 200 and found)
    lines = answer.partition("\r\n\r\n")[2].splitlines()
    assert all(line in answer for line in SAFE)
    assert len(lines) == 60 and "liveness reply" in lines[-2]


def test_the_report_is_shown_once_it_is_made_and_may_do_nothing(served, tmp_path):
    report = served.server.gate.report
    assert status(served.ask(served.request(report))) == 404
    (tmp_path / "report.html").write_text("<script>1</script>")
    answer = served.ask(served.request(report))
    assert answer.endswith("<script>1</script>") and "sandbox allow-scripts;" in answer
    assert block(served.stream())["figures"]["report"] == report


# Who may.

def raw(*lines):
    return "\r\n".join([*lines, "", ""]).encode()


def test_each_refusal_has_its_status_and_is_safe(served):
    host, path, wrong = f"Host: 127.0.0.1:{served.server.port}", served.path, "/" + "A" * 22 + "/"
    get = f"GET {path} HTTP/1.1"
    cases = [
        (404, served.request("/")), (404, served.request(wrong)), (404, served.request(path[:-1])),
        (404, served.request("/favicon.ico")), (404, served.request(path + "other")),
        (404, served.request(path + "../" + path)), (404, served.request("*")),
        (404, served.request("/caf\xe9/")),
        (404, served.request(f"http://127.0.0.1:{served.server.port}{path}")),
        (404, served.request(path + "node/99")), (404, served.request(path + "node/x")),
        (404, served.request(path + "node/-1")), (404, served.request(path + "node/../x")),
        (404, served.request(path + "stream?x")),
        (403, served.request(host="evil.example")), (403, served.request(host="127.0.0.1")),
        (403, served.request(host="")), (403, served.request("/", host="evil.example")),
        (403, raw(get)), (403, raw(get, host, host)), (403, raw(get, host, "Host: evil.example")),
        (403, served.request(Origin="http://evil.example")), (403, served.request(Origin="null")),
        (403, raw(get, host, "Origin: http://" + host[6:], "Origin: null")),
        (403, served.request(Origin=f"https://127.0.0.1:{served.server.port}")),
        (405, served.request(method="POST")), (405, served.request(path + "do")),
        (501, served.request(method="OPTIONS")), (501, served.request(path + "stream", "PUT")),
        (400, raw("hello, you all", host)), (400, raw("GET / HTTP/x", host)),
        (505, raw("GET / HTTP/2.0", host)), (414, b"GET /" + b"a" * 70_000),
        (431, b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000),
        (431, raw("GET / HTTP/1.1", *["X: y"] * 200)),
    ]
    for expected, data in cases:
        answer = served.ask(data)
        assert (status(answer), data[:200]) == (expected, data[:200])
        assert all(line in answer for line in SAFE), data[:200]
        assert answer.partition("\r\n\r\n")[2].count("\n") == 1 and "<" not in answer


def test_localhost_and_its_origin_are_let_in(served):
    host = f"localhost:{served.server.port}"
    assert status(served.get(host=host, Origin=f"http://{host}")) == 200


def judge(gate, method, target, host="localhost"):
    fields = live_server.http.client.HTTPMessage()
    fields["Host"] = host
    return gate.judge(method, target, fields)


def test_the_report_has_a_token_of_its_own_which_opens_nothing_else():
    gate = Gate(80)  # which browsers leave out
    assert judge(gate, "GET", gate.report) == judge(gate, "GET", gate.report, "127.0.0.1:80")
    assert judge(gate, "GET", gate.page) == ""
    of_report = gate.report.removesuffix("report")
    for method, target in [("GET", gate.page + "report"), ("GET", of_report), ("GET", "/report"),
                           ("GET", of_report + "stream"), ("GET", of_report + "node/0"),
                           ("POST", of_report + "do"), ("GET", of_report + "report/")]:
        with pytest.raises(Refused) as refusal:
            judge(gate, method, target)
        assert refusal.value.status == 404, target


# Orders.

def test_an_order_is_carried_out_where_there_are_buttons(ordered, served):
    assert status(served.order(b"{}")) == 404
    served, orders = ordered
    body = json.dumps({"do": "kill", "node": "127.0.0.1:5001"}).encode()
    assert status(served.order(body)) == 200
    assert status(served.order(body, Content_Type="application/json; charset=utf-8")) == 200
    assert orders == [{"do": "kill", "node": "127.0.0.1:5001"}] * 2


@pytest.mark.parametrize("expected, body, fields", [
    (415, b"{}", {"Content_Type": "text/plain"}), (415, b"{}", {"Content_Type": None}),
    (415, b"{}", {"Content_Type": "application/x-www-form-urlencoded"}),
    (411, b"{}", {"Content_Length": None}), (411, b"{}", {"Content_Length": "-1"}),
    (411, b"{}", {"Content_Length": "2, 2"}),
    (413, b"{}", {"Content_Length": "4097"}), (413, b" " * 100_000, {}),
    (400, '{"do": "say"}'.encode("utf-16"), {}), (400, b"", {}), (400, b"[]", {}),
    (400, b"1", {}), (400, b"{", {}), (400, b"\xff", {}),
    (400, b"[" * 4000, {}), (400, b'{"do": 1}', {}), (400, b'{"text": ["a"]}', {}),
    (400, b'{"text": "a\\nkill"}', {}), (400, b'{"text": "a\\u2028b"}', {}),
    (403, b"{}", {"Origin": "http://evil.example"})])
def test_orders_that_are_none_are_refused(ordered, expected, body, fields):
    served, orders = ordered
    answer = served.order(body, **fields)
    assert status(answer) == expected and all(line in answer for line in SAFE)
    assert orders == []


def test_an_order_that_is_cut_off_is_not_carried_out(ordered):
    served, orders = ordered
    assert served.order(b'{"do": "kill"}', Content_Length=200) == "" and orders == []


def test_an_order_that_takes_long_stops_no_page(tmp_path):
    is_over = threading.Event()
    served = Served(tmp_path, lambda order: (200, str(is_over.wait(60))))
    body = served.request(served.path + "do", "POST", body=b"{}", Content_Length=2,
                          Content_Type="application/json")
    waiting = served.connect()
    waiting.sendall(body)
    stream = served.stream()
    assert block(stream) and block(stream)
    is_over.set()
    assert read_all(waiting).endswith("True\n")
    served.close()


# Nobody makes it stand still.

def test_a_request_that_drips_is_ended_in_time(served, monkeypatch):
    monkeypatch.setattr(Visit, "timeout", 0.2)
    for begin in b"", b"GET", b"GET / HTTP/1.1\r\nHost: x":
        sock = served.connect()
        sock.sendall(begin)
        assert read_all(sock) == ""


def test_who_does_not_hang_up_or_talks_on_after_the_answer_is_left(served, monkeypatch):
    monkeypatch.setattr(Visit, "timeout", property(  # short once the request is read
        lambda visit: 0.2 if hasattr(visit, "command") else 60.0))
    silent, loud = served.connect(), served.connect()
    for sock in silent, loud:
        sock.sendall(served.request("/"))
        assert status(read_all(sock)) == 404
    with pytest.raises(ConnectionError):
        wait_until(lambda: loud.send(b"x" * 1024) < 0)
    wait_until(lambda: not served.server.open)


def test_a_thousand_connections_that_say_nothing_keep_nobody_out(served):
    stream = served.stream()
    block(stream)
    before = threading.active_count()
    for _ in range(1_000):
        served.connect()
    assert status(served.get()) == 200 and block(stream)["events"] == []
    assert len(served.server.open) <= live_server.CONNECTIONS
    wait_until(lambda: threading.active_count() <= before + live_server.CONNECTIONS)


def test_streams_are_limited_and_a_page_that_hangs_up_leaves_its_place(served, monkeypatch):
    monkeypatch.setattr(live_server, "STREAMS", 1)
    with served.stream() as stream:
        block(stream)
        refused = served.connect()
        refused.sendall(served.request(served.path + "stream"))
        assert refused.recv(12) == b"HTTP/1.1 503"
    served._open[0].close()
    wait_until(lambda: not any(served.server.open.values()))
    assert block(served.stream())["figures"]["peers"] == 3


def test_a_page_that_does_not_read_is_dropped_and_others_are_served(tmp_path, monkeypatch):
    monkeypatch.setattr(live_server, "STALLED", 0.3)
    add(tmp_path / "peer_127.0.0.1_5001.txt", text(0, "started:peer:127.0.0.1:5001"),
        text(1, *["rejected:Dead Node:127.0.0.1:5002:1.0:127.0.0.1:5003:" + "x" * 190] * 60_000))
    served = Served(tmp_path)
    page_that_stalls = served.stream()
    wait_until(lambda: not served.follow.is_behind and served.follow.log)
    assert page_that_stalls.read(1)
    wait_until(lambda: not served.server.open)
    monkeypatch.undo()
    assert len(events_until(served.stream(), "started")) > 2
    served.close()


def test_who_reads_a_large_report_slowly_gets_all_of_it(served, tmp_path, monkeypatch):
    """The reader is never idle as long as one `send` may last, but all lasts longer."""
    monkeypatch.setattr(live_server, "STALLED", 1.5)
    report = b"x" * 15_000_000
    (tmp_path / "report.html").write_bytes(report)

    def gets_all() -> bool:
        sock = served.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sock.sendall(served.request(served.server.gate.report))
        read, began = 0, time.monotonic()
        with contextlib.suppress(ConnectionError):
            while data := sock.recv(200_000):
                read += len(data)
                threading.Event().wait(0.03)
        return read > len(report) and time.monotonic() - began > live_server.STALLED

    assert any(gets_all() for _ in range(5)), "a busy machine may keep the reader idle"
