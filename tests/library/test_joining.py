"""A peer inside a program: joining, saying, hearing, leaving, and what goes wrong."""

import contextlib
import copy
import multiprocessing
import os
import pickle
import socket
import threading
import time

import pytest

import grapevine
from grapevine.addresses import address_of
from grapevine.signing.grammar import Signed, Signer, parse_signed
from tests.library.conftest import IN_ORDER
from tests.library.tools import free_address, running
from tests.tools.programs import DEADLINE, OutputFile, wait_until


def test_what_one_says_the_other_takes(pair):
    one, other = pair
    before = time.time()
    said = one.say("hello")
    message = other.next(timeout=30)
    assert message == said._replace(came_from=one.address)
    assert (message.origin, message.number, message.text) == (one.address, 1, "hello")
    assert before - 0.001 <= message.time <= time.time() + 0.001 and message.data is None
    assert one.joined.wait(30)
    wait_until(lambda: other.known == [one.address])
    with pytest.raises(TimeoutError):
        one.next(timeout=0)  # nobody takes messages of its own
    assert pickle.loads(pickle.dumps(said)) == said


def test_iterating_ends_when_the_peer_does(pair):
    one, other = pair
    taken = []
    with running(lambda: taken.extend(message.text for message in other)):
        for text in "abc":
            one.say(text)
        wait_until(lambda: len(taken) == 3)
        other.leave()
    assert taken == ["a", "b", "c"]
    with pytest.raises(EOFError):
        other.next(timeout=1)
    with pytest.raises(grapevine.Refused, match="has ended"):
        other.say("late")
    assert other.neighbours == other.known == [] and other.status()["address"] == other.address


@pytest.mark.parametrize("text, error", [
    ("two\nlines", ValueError), ("one\r", ValueError), ("x" * 70_000, ValueError),
    ("\ud800", ValueError), (b"bytes", TypeError), (None, TypeError)])
def test_a_text_that_is_no_line_is_refused_and_has_no_number(net, text, error):
    with pytest.raises(error):
        net[0].say(text)
    net[0].say("after")
    message = net[1].next(timeout=30)
    assert (message.text, message.number) == ("after", 1)


def test_a_program_that_is_slow_loses_the_oldest_and_is_told_how_many(seeds, caplog):
    with grapevine.join(seeds=seeds, **IN_ORDER) as one, \
            grapevine.join(seeds=seeds, backlog=10, **IN_ORDER) as slow:
        wait_until(lambda: one.neighbours and slow.neighbours)
        for number in range(25):
            one.say(str(number))
        lost = "messages dropped, because they were not taken"
        wait_until(lambda: slow.status()[lost] == 15)
        assert [slow.next(timeout=1).text for _ in range(10)] == [str(n) for n in range(15, 25)]
        assert slow.status()["messages not taken yet"] == 0
    assert [record.message[:21] for record in caplog.records] == ["messages were dropped"]


def test_a_backlog_that_waits_loses_nothing(seeds):
    with grapevine.join(seeds=seeds, **IN_ORDER) as one, \
            grapevine.join(seeds=seeds, backlog="wait", rate=0, **IN_ORDER) as slow:
        wait_until(lambda: one.neighbours and slow.neighbours)
        said = [f"{'x' * 100} {number}" for number in range(20_000)]
        with running(lambda: [one.say(text) for text in said]):
            wait_until(lambda: slow.status()["messages not taken yet"] >= 10_000)
            assert slow.status()["messages not taken yet"] < 15_000  # the rest waits elsewhere
            assert [slow.next(timeout=30).text for _ in said] == said


def test_since_now_leaves_out_what_was_said_before(seeds):
    with grapevine.join(seeds=seeds) as one, grapevine.join(seeds=seeds) as witness:
        one.say("before")
        assert witness.next(timeout=30).text == "before"
        with grapevine.join(seeds=seeds, since="now") as late:
            wait_until(lambda: late.status()["messages held"] == 1)
            one.say("after")
            assert late.next(timeout=30).text == "after"


def test_twenty_threads_say_at_once_and_numbers_are_in_order(pair):
    one, other = pair
    said = []

    def talk():
        for count in range(100):
            said.append(one.say(f"{threading.current_thread().name} {count}"))

    with running(*20 * [talk]):
        heard = [other.next(timeout=30) for _ in range(2_000)]
    assert [message.number for message in heard] == list(range(1, 2_001))
    assert sorted(said, key=lambda message: message.number) == [
        message._replace(came_from=one.address) for message in heard]


def test_what_is_signed_together_is_what_say_has_returned():
    with grapevine.network(2, seeds=1, sign=True) as net:
        said = [net[0].say(str(number)) for number in range(300)]
        heard = [net[1].next(30) for _ in said]
        assert sorted(heard, key=lambda message: message.number) == said
        assert 0 < net[1].status()["signatures checked"] < 100


def test_errors_of_ports_lists_and_addresses(seeds, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(grapevine.PortInUse, match=f"port {port} is in use"):
            grapevine.join(port, seeds=seeds)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("__main__.__file__", str(tmp_path / "program.py"))
    (tmp_path / "bad.txt").write_text("127.0.0.1:9\nnonsense\n")
    for named, why in (({"seeds": tmp_path / "none.txt"}, "cannot read"), ({}, "no config.txt"),
                       ({"seeds": tmp_path / "bad.txt"}, "line 2"),
                       ({"seeds": seeds, "host": "::1"}, "IPv4 address"),
                       ({"seeds": ["192.0.2.1:9"], "host": "127.0.0.1"}, "other machines"),
                       ({"seeds": "127.0.0.1:9"}, r"give seeds=\["),
                       ({"seeds": ["127.0.0.1:9", "x"]}, "line 2: 'x'"),
                       ({"seeds": [("127.0.0.1", 9)]}, "tuple found; give seeds="),
                       ({"seeds": [8080]}, "int found; give seeds="),
                       ({"seeds": 8080}, "iterable; give seeds="),
                       ({"seeds": ["localhost", "10.0.0.2:8080"]}, "line 1: 'localhost' is not"),
                       ({"seeds": []}, "no seed in it")):
        with pytest.raises(grapevine.NoSeed, match=why):
            grapevine.join(**named)
    with pytest.raises(grapevine.Refused, match="of a seed"):
        grapevine.join(seeds[0], seeds=seeds)
    for host in "203.0.113.1", "nowhere.invalid":
        with pytest.raises(grapevine.Refused, match="not an address of this machine"):
            grapevine.join(host=host, seeds=seeds)
    with pytest.raises(grapevine.Refused, match="cannot write into"):
        grapevine.join(seeds=seeds, outputs=os.devnull)
    with pytest.raises(grapevine.Refused, match="no seed of the list is an address of this"):
        grapevine.seeds(["192.0.2.1:8001"])


@pytest.mark.parametrize("named, error, why", [
    ({"livenes_interval": 2}, TypeError, "liveness_interval"), ({"sign": 1}, ValueError, "sign"),
    ({"liveness_interval": 0}, ValueError, "0.01 or more"),
    ({"spread": "mail"}, ValueError, "mail"), ({"capacity": "fixed:1"}, ValueError, "fixed:K"),
    ({"filter": "no.txt"}, ValueError, "filter: cannot read"),
    ({"since": "then"}, ValueError, "Unix time"),
    ({"since": float("nan")}, ValueError, "Unix time"), ({"backlog": 0}, ValueError, "backlog"),
    ({"port": 70_000}, ValueError, "not a port"), ({"port": "70000"}, ValueError, "not a port"),
    ({"port": 5001.0}, ValueError, "'5001.0' is not HOST:PORT"),
    ({"port": None}, ValueError, "'None' is not a port"),
    ({"host": 5}, grapevine.Refused, "5 is not an address"),
    ({"serve": 1}, ValueError, "serve is True or False"),
    ({"seed": []}, TypeError, r"'seed', .* see help\(grapevine.join\)"),
    ({"port": "127.0.0.1:5001", "host": "127.0.0.2"}, ValueError, "leave host='127.0.0.2' out"),
    ({"port": "nowhere.invalid:5001"}, grapevine.Refused, "not an address of this machine"),
    ({"host": "0.0.0.0"}, ValueError, "dial"), ({"outputs": 3}, TypeError, "a folder, .* not 3"),
    ({"on_message": "print"}, TypeError, "no function that a thread can call"),
    ({"on_message": grapevine.aio.Peer.say}, TypeError, "async for")])
def test_a_wrong_argument_is_named(named, error, why):
    with pytest.raises(error, match=why):
        grapevine.join(seeds=["127.0.0.1:9"], **named)


@pytest.mark.parametrize("method, argument, why", [
    *((method, timeout, f"a number of seconds, or None, not {timeout!r}")
      for method in ("next", "caught_up") for timeout in ("1", float("nan"))),
    *(("say_all", texts, "takes several texts") for texts in ("one", 5, None))])
def test_a_wrong_argument_of_a_method_is_named(net, method, argument, why):
    with pytest.raises(TypeError, match=why):
        getattr(net[0], method)(argument)


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_peer_cannot_be_pickled_or_copied_and_says_so(net, copying):
    with pytest.raises(TypeError, match="lives in the process in which it joined"):
        copying(net[0])


def test_every_setting_of_the_command_line_is_taken(seeds, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("virus\n")
    with grapevine.join(seeds=seeds, monitor=True, spread="rumor", capacity="fixed:4", filter=words,
                        liveness_interval=2, report_interval=1.5, outputs=tmp_path) as peer:
        with pytest.raises(grapevine.Refused, match="forbidden"):
            peer.say("a virus")
        assert peer.status()["neighbours"] == "0 of 4"
    [path] = tmp_path.glob("peer_*.txt")
    [shown] = OutputFile(path).events("settings:")
    for setting in ("sign=yes", "monitor=yes", "spread=rumor", "capacity=fixed 4", "filter=1",
                    "liveness-interval=2.0", "report-interval=1.5", "gossip-count=0"):
        assert f":{setting}:" in f"{shown}:".replace("settings:", ":")


def test_a_file_is_written_only_where_that_is_asked_for(seeds, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with grapevine.join(seeds=seeds, outputs="-") as peer, grapevine.join(seeds=seeds):
        assert peer.joined.wait(30)
        wait_until(lambda: peer.neighbours)
        peer.say("hello")
    [path] = tmp_path.rglob("*.txt")
    assert path == tmp_path / "-" / f"peer_{peer.address.replace(':', '_')}.txt"
    events = OutputFile(path).events()
    assert events[0] == f"started:peer:{peer.address}" and events[-1] == "stopped:quit"
    assert len([event for event in events if event.startswith("generated:gmessage:")]) == 1
    assert capsys.readouterr() == ("", "")


def test_a_port_is_enough_beside_a_config_txt(tmp_path, monkeypatch, seeds):
    (tmp_path / "config.txt").write_text("\n".join(seeds))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("__main__.__file__", str(tmp_path / "elsewhere" / "program.py"))
    port = free_address().rpartition(":")[2]  # a text, as from a command line
    for typed in port, f"localhost:{port}":
        with grapevine.join(typed) as peer:
            assert peer.joined.wait(30) and peer.address == f"127.0.0.1:{port}"


# Forks.

@contextlib.contextmanager
def forked(call):
    """Make a call in a child of a fork, which has ended without an error afterwards."""
    child = multiprocessing.get_context("fork").Process(target=call)
    child.start()
    yield
    child.join(DEADLINE)
    child.kill()
    assert child.exitcode == 0
    child.close()


@pytest.mark.filterwarnings("ignore:.*fork")
@pytest.mark.parametrize("use", [
    lambda net: net[0].say("x"), lambda net: net[0].caught_up(0),
    lambda net: net[0].neighbours, lambda net: net.seeds.status()])
def test_a_child_of_fork_is_refused_and_the_parent_goes_on(net, use):
    def be_child():
        net.close()  # does nothing here
        with pytest.raises(RuntimeError, match="before a fork, and live"):
            use(net)

    with forked(be_child):
        pass
    net[0].say("from the parent")
    assert net[1].next(timeout=30).text == "from the parent"
    assert [status["registered"] for status in net.seeds.status()] == [2]


@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_child_of_fork_may_join_by_itself(pair, seeds):
    def be_child():
        with grapevine.join(seeds=seeds) as own:
            own.say("from the child")
            assert own.next(timeout=30).text == "from the parent"

    one, other = pair
    with forked(be_child):
        assert other.next(timeout=30).text == "from the child"
        other.say("from the parent")


@pytest.mark.filterwarnings("ignore:.*fork")
@pytest.mark.parametrize("is_read", [Signed.is_good, lambda signed: len(signed.messages) == 99])
def test_a_child_of_fork_reads_signed_lines_that_other_threads_were_just_reading(is_read):
    def read():
        assert is_read(parse_signed(line))

    def go_on():
        while not is_over.is_set():
            read()

    signer, is_over = Signer(address_of("127.0.0.1", 5001), bytes(32)), threading.Event()
    line, = signer.sign([b"gmessage:1.000000:127.0.0.1:5001:%d:%d:x" % (signer.start, number)
                         for number in range(1, 100)])
    with running(go_on, go_on):
        try:
            for _ in range(20):
                with forked(read):
                    pass
        finally:
            is_over.set()


def test_a_signed_peer_among_others_says_once_why_it_has_no_neighbours(seeds, caplog):
    with grapevine.join(seeds=seeds) as other, grapevine.join(seeds=seeds, sign=True) as peer:
        wait_until(lambda: "unproven; sign=True" in caplog.text)
        wait_until(lambda: not peer.neighbours and not other.neighbours)
    assert caplog.text.count("unproven") == 1
