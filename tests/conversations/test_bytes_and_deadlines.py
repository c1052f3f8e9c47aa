"""How bytes become lines, and how long a node waits for them: the same for seeds and peers."""

import pytest
from grapevine.addresses import parse_address

from grapevine.monitoring.seed import JudgingSeed
from grapevine.peer import Peer
from grapevine.seed import Seed
from grapevine.signing.seed import VouchingSeed
from grapevine.worlds.virtual import Cables
from tests.tools.virtual import (
    A, B, NODE, STEP, TIME, Scene, gossip, neighbour, registered, with_seed)

both = pytest.mark.parametrize("kind", [Peer, Seed], ids=["peer", "seed"])


def first_line(kind) -> tuple[str, str]:
    """Return a first line to a node, and its answer."""
    if kind is Seed:
        return "peer list", "peer list:"
    return f"Liveness Request:{TIME}:{A}", f"Liveness Reply:{TIME}:{A}:{NODE}"


# Bytes.

@both
@pytest.mark.parametrize("end_of_line", ["\n", "\r\n", "\r\r\n"])
def test_line_ends_may_have_carriage_returns(kind, end_of_line):
    said, answer = first_line(kind)
    end = Scene(kind).machine(A).dial()
    end.send((said + end_of_line).encode())
    assert end.hear() == answer


@both
def test_a_line_ends_the_connection_when_it_is_longer_than_131072_bytes(kind):
    scene = Scene(kind)
    end, other = [(neighbour if kind is Peer else registered)(scene, peer) for peer in (A, B)]
    end.send(b"x" * 131_072)
    assert not end.ends_within(1.0)
    end.send(b"x")
    other.send(b"x" * 131_073 + b"\n")
    for too_long in (end, other):
        assert too_long.ends_within(0.1)
        assert scene.event("refused:").endswith(":a line longer than 131072 bytes")


def test_a_line_may_have_131072_bytes_and_gossip_in_it_65536():
    scene = Scene(Peer)
    end, other = neighbour(scene), neighbour(scene, "127.0.0.1:6002")
    line = gossip(A, 1, "")
    line += "y" * (65_536 - len(line))
    prefix = "x" * (131_072 - len(line) - 1) + ":"
    end.say(prefix + line)
    assert other.hear() == prefix + line
    end.say(gossip(A, 2, "y" * 65_536))
    assert scene.event("refused:") == f"refused:{A}:malformed line 'gmessage'"


# Deadlines.

@both
def test_an_unidentified_connection_has_five_seconds_for_each_whole_line(kind):
    said, answer = first_line(kind)
    scene = Scene(kind)
    silent, half, speaking = [scene.machine(A if at == 0 else f"127.0.0.1:600{at + 1}").dial()
                              for at in range(3)]
    scene.run(4.5)
    half.send(said[:-1].encode())
    speaking.say(said)
    assert speaking.hear() == answer
    assert silent.closed is half.closed is None
    scene.run(0.6)
    assert silent.closed and half.closed
    scene.run(4.0)
    speaking.say(said)
    assert speaking.hear() == answer
    assert not speaking.ends_within(4.9)
    assert speaking.ends_within(0.2)


def test_a_dialled_peer_has_five_seconds_to_accept_or_refuse():
    scene, _ = with_seed(Peer, A)
    end = scene.machine(A).accept()
    assert end.hear() == f"Connection with Peer:{NODE}"
    scene.run(3.0)
    end.say(f"Liveness Request:{TIME}:{A}")
    assert end.hear() == f"Liveness Reply:{TIME}:{A}:{NODE}"
    assert not end.ends_within(1.9)
    assert end.ends_within(0.2)


def test_a_seed_has_ten_seconds_to_answer_a_registration():
    scene = Scene(Peer, seeds=["127.0.0.1:8001"])
    end = scene.machine("127.0.0.1:8001").accept()
    assert end.hear() == f"register:{NODE}"
    assert not end.ends_within(9.9)
    assert end.ends_within(0.2)
    assert scene.event("unregistered:") == "unregistered:127.0.0.1:8001:no answer to register"


def test_a_dial_that_nobody_answers_ends_after_two_seconds():
    scene = Scene(Peer, seeds=["127.0.0.1:8001"])
    scene.net.cut(frozenset([scene.address]))
    scene.run(1.9)
    assert scene.events("unregistered:") == []
    assert scene.event("unregistered:", 0.2) == "unregistered:127.0.0.1:8001:Connection timed out"


@both
def test_a_node_that_was_frozen_reads_what_came_meanwhile_before_it_hangs_up(kind):
    said, answer = first_line(kind)
    scene = Scene(kind)
    speaking, silent = [scene.machine(address).dial() for address in (A, "127.0.0.1:6002")]
    scene.world.freeze()
    speaking.say(said)
    scene.run(30.0)
    scene.world.thaw()
    assert speaking.hear() == answer
    assert scene.event("late:").startswith("late:2")
    assert speaking.closed is None
    assert silent.ends_within(1.1)


# Crowds, and those that do not read.

@both
def test_of_more_than_1024_unidentified_connections_the_oldest_ends(kind):
    scene = Scene(kind)
    friend = neighbour(scene, "127.0.0.1:6002") if kind is Peer else registered(scene, A)
    newcomer, stranger = scene.machine("127.0.0.1:7001"), scene.machine("127.0.0.2:7001")
    newcomer.is_alive = False
    crowd = newcomer.dial_often(2)
    for end in crowd:  # which wait for their probe
        end.say(f"{'Connection with Peer' if kind is Peer else 'register'}:{newcomer.address}")
    scene.run(0.01)
    crowd += stranger.dial_often(1_025)
    scene.run(0.01)
    assert [at for at, end in enumerate(crowd) if end.closed] == [0, 1, 2]
    crowd[5].hang_up()
    scene.run(0.1)
    crowd += stranger.dial_often(1)
    scene.run(0.01)
    assert [at for at, end in enumerate(crowd) if end.closed] == [0, 1, 2, 5]
    assert friend.closed is None


@both
def test_strangers_cause_at_most_seventy_lines_a_second_in_the_file(kind):
    scene = Scene(kind)
    for end in scene.machine(A).dial_often(300):
        end.say("nonsense")
    scene.run(0.1)
    written = len(scene.events("refused:"))
    assert 70 <= written <= 70 + 70 * scene.now
    assert scene.node.status()["refusals not written"] == 300 - written


@both
def test_a_stranger_that_says_more_than_200_lines_at_once_and_100_a_second_is_cut_off(kind):
    scene = Scene(kind)
    end, (line, answer) = scene.machine(A).dial(), first_line(kind)
    end.say(*[line] * 190)
    for _ in range(20):
        scene.run(0.1)
        end.say(*[line] * 9)
    scene.run(0.1)
    assert len(end.lines) == 370 and set(end.lines) == {answer} and end.closed is None
    end.say(*[line] * 220)
    assert end.ends_within(0.1) and 370 <= len(end.lines) < 430
    assert scene.events("refused:")[-1].endswith(":more than 100 lines a second")


def test_few_lines_are_kept_of_a_stranger_that_is_not_read_for_a_second():
    scene = Scene(Seed)
    patient, hasty = scene.machine(A).dial_often(2)
    patient.say(*["register:"] * 150)
    hasty.say(*["register:"] * 300)
    assert hasty.ends_within(0.1) and patient.hear().startswith("registration refused:")
    scene.run(20.0)
    assert patient.closed is None


@both
@pytest.mark.parametrize("word, field", [
    ("peer list", "127.0.0.1#5001"), ("status:seen", f"{A}:7=1 {A}:8=1")])
def test_no_long_line_of_a_stranger_is_parsed_or_kept(kind, word, field):
    """A list of 7,000 addresses took 40 ms, before it was unexpected."""
    scene = Scene(kind)
    machine, (whole, _) = scene.machine(A), first_line(kind)
    long = f"{word}:{field}{'x' * (2_000 - len(word) - len(field))}"
    for said in f"{long}\n", long, f"{whole}\n{long}":
        end = machine.dial()
        end.send(said.encode())
        assert end.ends_within(0.1)
        assert scene.event("refused:").endswith(":a line longer than 2000 bytes while UNIDENTIFIED")


def test_no_long_line_of_who_asks_about_runs_is_kept():
    end = Scene(VouchingSeed).machine(A).dial()
    end.say(f"runs:{A}:0")
    assert not end.ends_within(0.1)
    end.send(b"x" * 2_001)
    assert end.ends_within(0.1)


def test_a_stranger_that_does_not_read_is_cut_off_after_256_kib():
    scene = Scene(Seed)
    for number in range(500):
        listed = parse_address(f"10.0.{number // 250}.{number % 250 + 1}:5001")
        scene.node.registry.register(listed, None, 0.0)
    end = scene.machine(A).dial()
    end.stop_reading()
    end.say(*["peer list"] * 200)
    scene.run(1.0)
    assert end.connection.other.is_broken


@pytest.mark.parametrize("asked", ["peer list", "ask tree", f"runs:{A}:7"])
def test_a_registered_peer_that_reads_no_answers_has_one_made_at_a_time(asked):
    """Many such peers would fill the memory of a seed."""
    scene = Scene(JudgingSeed, cables=Cables(latency=(STEP, STEP), buffer=30))
    scene.node.proved(parse_address(A), 7)
    end = registered(scene, A)
    end.stop_reading()
    end.say(*[asked] * 100)
    scene.run(10.0)
    assert len(end.connection.other.link.waiting) < 200
    end.read_on()
    assert len(end.hear_all(200.0)) >= 100


def test_a_neighbour_that_does_not_read_is_cut_off_after_8_mib():
    scene = Scene(Peer, liveness_interval=100.0)
    end, other = neighbour(scene), neighbour(scene, "127.0.0.1:6002")
    end.stop_reading()
    for number in range(1, 132):
        other.say(gossip(A, number, "y" * 65_400))
        scene.run(0.005)
    assert scene.events("disconnected:") == []
    for number in range(132, 137):
        other.say(gossip(A, number, "y" * 65_400))
        scene.run(0.005)
    assert scene.event("disconnected:") == f"disconnected:{A}:backlog overflow:broken"
