"""A peer that speaks lines of JSON, for programs in other languages."""

import json
import select
import signal
import subprocess
import time

import pytest

from tests.tools.files import lines_of
from tests.tools.ports import free_port
from tests.tools.programs import Program, peer_file, run
from tests.tools.waiting import wait_until


class JsonPeer(Program):
    """A peer with --json: what it says, object by object."""

    def __init__(self, flags, *more):
        self.port = free_port()
        super().__init__("peer.py", self.port, "--json", *more, *flags)
        self._rest = b""

    def tell(self, *commands) -> None:
        self.type("".join(command if isinstance(command, str) else json.dumps(command) + "\n"
                          for command in commands))

    def hear(self, timeout=60, **wanted) -> dict:
        """The next object with these values."""
        deadline = time.monotonic() + timeout
        while True:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                said = json.loads(line)
                if wanted.items() <= said.items():
                    return said
                continue
            assert select.select([self.process.stdout], [], [],
                                 max(0.0, deadline - time.monotonic()))[0], f"no {wanted}"
            data = self.process.stdout.read1(65_536)
            assert data, "it has ended"
            self._rest += data


@pytest.fixture
def pair(flags, seeds):
    with JsonPeer(flags) as one, JsonPeer(flags) as other:
        one.hear(event="connected", peer=f"127.0.0.1:{other.port}")
        yield one, other


@pytest.mark.parametrize("kind, words", [("--json", '{"say": "hello"}\n'),
                                         ("--raw", "say hello\nquit\n")])
def test_what_is_said_before_a_peer_has_joined_is_heard_though_its_input_ends(
        flags, seeds, kind, words):
    with JsonPeer(flags, "--gossip-count", 0) as other:
        other.hear(event="joined")
        code, _, err = run("peer.py", free_port(), kind, "--gossip-count", 0, *flags, text=words)
        assert (code, err) == (0, "")
        assert other.hear(event="received")["text"] == "hello"


def test_what_one_program_says_the_other_reads(pair):
    one, other = pair
    texts = ["hello", "a\\b\"c\x00\u2028\x1b[31m", "漢😀", "x" * 65_000]
    one.tell(*({"say": text} for text in texts))
    for number, text in enumerate(texts, 1):
        heard = other.hear(event="received")
        made = one.hear(event="generated")
        assert (heard["text"], heard["number"]) == (text, number)
        assert heard["origin"] == heard["from"] == f"127.0.0.1:{one.port}"
        assert {key: heard[key] for key in ("origin", "run", "number", "time", "text")} == {
            key: made[key] for key in ("origin", "run", "number", "time", "text")}


def test_status_peers_and_leaving(pair, seeds):
    one, other = pair
    one.tell({"do": "status"}, {"do": "peers"})
    status = one.hear(event="status")
    assert status["address"] == f"127.0.0.1:{one.port}" and status["messages_held"] == 0
    peers = one.hear(event="peers")
    assert peers["neighbours"] == [f"127.0.0.1:{other.port}"]
    assert peers["known"] in ([], peers["neighbours"])  # the list of a seed may come later
    one.tell({"do": "leave"})
    assert other.hear(event="disconnected")["detail"] == "left"
    code, out, err = one.finish()
    assert (code, err) == (0, "") and '"detail": "quit"' in out.splitlines()[-1]
    code, out, err = other.finish()  # its input ends: it leaves, too
    assert (code, err) == (0, "") and '{"event": "leaving"' in out


def test_joining_is_told_once_with_the_number_of_seeds(flags, seeds):
    with JsonPeer(flags) as peer:
        assert peer.hear() == {"event": "started", "peer": f"127.0.0.1:{peer.port}"}
        assert peer.hear(event="settings")["detail"].startswith("gossip-count=0:")
        assert peer.hear(event="joined") == {"event": "joined", "seeds": 2}


def test_the_generator_runs_if_it_is_asked_for(flags, seeds):
    with JsonPeer(flags, "--gossip-count", 2, "--gossip-interval", 0.05) as peer:
        for text in ("message 1", "message 2"):
            assert peer.hear(event="generated")["text"] == text


@pytest.mark.parametrize("line, why", [
    ("hello\n", "not JSON"), ("[1]\n", "neither"), ('{"say": 1}\n', "one line"),
    ('{"say": ""}\n', "one line"), ('{"say": "a\\nb"}\n', "one line"),
    ('{"say": "a\\r"}\n', "one line"), ('{"do": "dance"}\n', "leave"), ('{"do": []}\n', "leave"),
    ('{"say": "x", "do": "leave"}\n', "neither"), ('{"say": "\\ud800"}\n', "surrogates"),
    ("\xff\n", "not JSON"), ("[" * 100_000 + "\n", "not JSON"),
    ('{"do": ' + "[" * 200 + "]" * 200 + "}\n", "too many brackets"),
    ('{"do": "' + "[" * 200 + '\\"{' * 200 + '"}\n', "leave"),
    ('{"say": "' + "x" * 70_000 + '"}\n', "too long")])
def test_a_bad_line_is_answered_and_changes_nothing(flags, line, why):
    with JsonPeer(flags) as peer:
        peer.tell(line, {"say": "after"})
        said = []
        while not said or "text" not in said[-1]:
            said.append(peer.hear())
        assert [why in one["error"] for one in said if "error" in one] == [True]
        assert (said[-1]["text"], said[-1]["number"]) == ("after", 1)


def test_json_needs_a_port(flags):
    code, out, err = run("peer.py", "--json", *flags)
    assert (code, out) == (2, "") and "--json needs a PORT" in err


def test_the_start_is_refused_as_usual(flags, seeds):
    with JsonPeer(flags) as peer:
        peer.hear(event="started")
        code, out, err = run("peer.py", peer.port, "--json", *flags)
        assert (code, out) == (1, "") and f"port {peer.port} is in use" in err


def events_of(flags, peer, kind):
    """How many events of a kind stand in its output file."""
    return sum(line.startswith(f"{kind}:") for line in lines_of(peer_file(flags, peer.port)))


def test_who_pauses_misses_no_message_and_no_answer(pair, flags):
    one, other = pair
    other.tell(*({"say": f"text {number}"} for number in range(1, 4_001)))
    wait_until(lambda: events_of(flags, one, "received") == 4_000)
    one.tell({"do": "status"}, "wrong\n", {"say": "mine"})
    assert [one.hear(event="received")["number"] for _ in range(4_000)] == [*range(1, 4_001)]
    assert one.hear(event="status")["messages_held"] >= 4_000
    while "error" not in (said := one.hear()):
        pass  # other events
    assert "not JSON" in said["error"]
    assert one.hear(event="generated")["text"] == "mine"


@pytest.mark.parametrize("is_ended", [False, True])
def test_the_end_waits_for_who_reads_late_but_not_after_a_signal(pair, flags, is_ended):
    one, other = pair
    other.tell(*({"say": f"{number} {'x' * 300}"} for number in range(1, 901)))
    wait_until(lambda: events_of(flags, one, "received") == 900)
    if is_ended:
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(15) == 0  # with a full pipe
        return
    one.tell({"do": "leave"})
    wait_until(lambda: events_of(flags, one, "stopped") == 1)
    with pytest.raises(subprocess.TimeoutExpired):
        one.process.wait(1.5)
    said = [json.loads(line) for line in one.finish()[1].splitlines()]
    assert [each["number"] for each in said if each["event"] == "received"] == [*range(1, 901)]
    assert said[-1]["event"] == "stopped"
