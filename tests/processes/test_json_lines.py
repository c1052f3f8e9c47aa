"""A peer that speaks lines of JSON, for programs in other languages."""

import json
import select
import signal
import subprocess
import time

import pytest

from tests.tools.programs import DEADLINE, free_ports


class JsonPeer:
    """A peer with --json: what it says, object by object."""

    def __init__(self, network, *flags):
        self.node = network.start_peer("--json", *flags, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
        self.address = self.node.address
        self._rest, self._out = b"", self.node.process.stdout

    def tell(self, *commands) -> None:
        self.node.type(*(command if isinstance(command, str) else json.dumps(command)
                         for command in commands))

    def hear(self, **wanted) -> dict:
        """Return the next object with these values."""
        until = time.monotonic() + DEADLINE
        while True:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                said = json.loads(line)
                if wanted.items() <= said.items():
                    return said
                continue
            assert select.select([self._out], [], [], max(0.0, until - time.monotonic()))[0], wanted
            data = self._out.read1(65_536)
            assert data, f"it has ended: {self.node.process.stderr.read()}"
            self._rest += data

    def finish(self) -> tuple[int, list[dict], str]:
        """End its input; return its exit code, what it says then, and errors."""
        out, err = self.node.process.communicate(timeout=DEADLINE)
        said = [json.loads(line) for line in (self._rest + out).splitlines()]
        return self.node.process.returncode, said, err.decode()

    def __enter__(self) -> "JsonPeer":
        return self

    def __exit__(self, *_) -> None:
        self.node.close()
        for stream in (self._out, self.node.process.stderr):
            stream.close()


@pytest.fixture
def pair(started):
    with JsonPeer(started) as one, JsonPeer(started) as other:
        one.hear(event="connected", peer=other.address)
        other.hear(event="connected", peer=one.address)
        yield one, other


@pytest.mark.parametrize("flags", [[], ["--sign"]])
def test_what_is_said_before_a_peer_has_joined_is_heard_though_its_input_ends(started, flags):
    with JsonPeer(started, *flags) as other:
        other.hear(event="joined")
        with JsonPeer(started, *flags) as one:
            one.tell({"say": "hello"})
            code, said, err = one.finish()
        assert (code, err) == (0, "")
        heard = other.hear(event="received")
        assert heard["text"] == "hello"
        assert isinstance(heard["run"], str if int(heard["run"]) > 2**53 else int)
        assert [each["run"] for each in said if each["event"] == "generated"] == [heard["run"]]


def test_what_one_program_says_the_other_reads(pair):
    one, other = pair
    texts = ["hello", "a\\b\"c\x00\u2028\x1b[31m", "漢😀", "x" * 65_000]
    one.tell(*({"say": text} for text in texts))
    for number, text in enumerate(texts, 1):
        heard = other.hear(event="received")
        made = one.hear(event="generated")
        assert (heard["text"], heard["number"]) == (text, number)
        assert heard["origin"] == heard["from"] == one.address
        assert heard == {**made, "event": "received", "from": one.address}


def test_status_peers_and_leaving(pair):
    one, other = pair
    one.tell({"do": "status"}, {"do": "peers"})
    status = one.hear(event="status")
    assert status["address"] == one.address and status["messages_held"] == 0
    peers = one.hear(event="peers")
    assert peers["neighbours"] == [other.address]
    assert peers["known"] in ([], peers["neighbours"])  # the list of a seed may come later
    one.tell({"do": "leave"})
    assert other.hear(event="disconnected")["detail"] == "left:there"
    code, said, err = one.finish()
    assert (code, err) == (0, "") and said[-1] == {"event": "stopped", "detail": "quit"}
    code, said, err = other.finish()  # its input ends: it leaves, too
    assert (code, err) == (0, "") and {"event": "leaving", "peer": other.address} in said


def test_joining_is_told_once_with_the_number_of_seeds(started):
    with JsonPeer(started) as peer:
        assert peer.hear() == {"event": "started", "peer": peer.address}
        assert peer.hear(event="settings")["detail"].startswith("gossip-count=0:")
        assert peer.hear(event="registered")["seed"] == started.seed_addresses[0]
        assert peer.hear() == {"event": "joined", "seeds": 1}


def test_messages_are_generated_only_if_that_is_asked_for(network):
    with JsonPeer(network, "--gossip-count", 2, "--gossip-interval", 0.05) as peer:
        for text in ("message 1", "message 2"):
            assert peer.hear(event="generated")["text"] == text
    program = network.start("peer.py", free_ports(1)[0], "--json", stdin=subprocess.DEVNULL)
    assert program.code() == 0 and '"settings", "detail": "gossip-count=0:' in program.shown()


BAD = [
    ("hello", "not JSON"), ("[1]", "neither"), ('{"say": 1}', "one line"),
    ('{"say": ""}', "one line"), ('{"say": "a\\nb"}', "one line"),
    ('{"say": "a\\r"}', "one line"), ('{"do": "dance"}', "leave"), ('{"do": []}', "leave"),
    ('{"say": "x", "do": "leave"}', "neither"), ('{"say": "\\ud800"}', "surrogates"),
    ("\xff", "not JSON"), ("[" * 100_000, "not JSON"), ('"' + '\\"' * 100_000, "not JSON"),
    ('{"do": ' + "[" * 200 + "]" * 200 + "}", "too many brackets"),
    ('{"do": "' + "[" * 200 + '\\"{' * 200 + '"}', "leave"),
    ('{"say": "' + "x" * 70_000 + '"}', "too long")]


def test_a_bad_line_is_answered_and_changes_nothing(network):
    with JsonPeer(network) as peer:
        for number, (line, why) in enumerate(BAD, 1):
            peer.tell(line, {"say": "after"})
            said = [peer.hear()]
            while "text" not in said[-1]:
                said.append(peer.hear())
            assert [why in one["error"] for one in said if "error" in one] == [True], (line, said)
            assert (said[-1]["text"], said[-1]["number"]) == ("after", number)


@pytest.mark.parametrize("is_ended", [False, True])
def test_messages_and_answers_wait_for_who_reads_late_but_not_after_a_signal(pair, is_ended):
    one, other = pair
    other.tell(*({"say": f"{number} {'x' * 300}"} for number in range(1, 901)))
    one.node.has("received:", 900)
    if is_ended:
        one.node.send(signal.SIGTERM)
        assert one.node.code(15.0) == 0  # with a full pipe
        assert one.finish()[1][-1]["event"] == "received", "the last line is whole"
        return
    one.tell({"do": "status"}, "wrong", {"do": "leave"})
    one.node.has("stopped:")
    with pytest.raises(subprocess.TimeoutExpired):
        one.node.process.wait(1.5)
    code, said, _ = one.finish()
    assert [each["number"] for each in said if each.get("event") == "received"] == [
        *range(1, 901)]
    assert [key for each in said for key in ("messages_held", "error") if key in each] == [
        "messages_held", "error"]
    assert code == 0 and said[-1]["event"] == "stopped"
