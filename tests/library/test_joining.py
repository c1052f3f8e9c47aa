"""A peer inside a program: joining, saying, hearing, leaving, and what goes wrong."""

import errno
import os
import random
import signal
import socket
import threading
import time

import pytest

import gossip
from gossip.net.threads import Turn
from gossip.node.output_file import OutputFile
from gossip.overlay.neighbours import Neighbours
from gossip.settings import Settings
from tests.tools.files import lines_of
from tests.tools.ports import free_port
from tests.tools.programs import ROOT, environment, run
from tests.tools.waiting import wait_until


IN_ORDER = {"antientropy_interval": 0}  # nothing is fetched, so one link brings all in order


@pytest.fixture(autouse=True)
def nothing_left():
    """Afterwards no thread is left, and no descriptor."""
    threads, descriptors = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    yield
    wait_until(lambda: set(threading.enumerate()) <= threads, what="all threads to end")
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors, what="all sockets to close")


@pytest.fixture
def seeds():
    with gossip.seeds([f"127.0.0.1:{free_port()}" for _ in range(3)]) as running:
        yield running.addresses


@pytest.fixture
def pair(seeds):
    """Two peers that are neighbours."""
    with gossip.join(seeds=seeds, **IN_ORDER) as one, gossip.join(seeds=seeds, **IN_ORDER) as other:
        wait_until(lambda: one.neighbours and other.neighbours)
        yield one, other


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


def test_iterating_ends_when_the_peer_does(pair):
    one, other = pair
    taken = []
    reader = threading.Thread(target=lambda: taken.extend(message.text for message in other))
    reader.start()
    for text in "abc":
        one.say(text)
    wait_until(lambda: len(taken) == 3)
    other.leave()
    reader.join(30)
    assert taken == ["a", "b", "c"] and not reader.is_alive()
    with pytest.raises(EOFError):
        other.next(timeout=1)
    with pytest.raises(gossip.Refused, match="has ended"):
        other.say("late")


@pytest.mark.parametrize("text, error", [
    ("two\nlines", ValueError), ("one\r", ValueError), ("x" * 70_000, ValueError),
    ("\ud800", ValueError), (b"bytes", TypeError), (None, TypeError)])
def test_a_text_that_is_no_line_is_refused_and_costs_nobody_a_link(pair, text, error):
    one, other = pair
    with pytest.raises(error):
        one.say(text)
    one.say("after")
    message = other.next(timeout=30)
    assert (message.text, message.number) == ("after", 1)


def test_texts_and_bytes_of_any_kind_arrive_as_they_were_said(pair):
    one, other = pair
    chance = random.Random(7)
    said = [random_text(chance) for _ in range(3_000)]
    for text in said:
        one.say(text) if isinstance(text, str) else one.say_bytes(text)
    heard = [other.next(timeout=30) for _ in said]
    assert [message.text if isinstance(text, str) else message.data
            for text, message in zip(said, heard)] == said


def random_text(chance):
    """Bytes, or one line of characters of which many mean something to somebody."""
    size = chance.choice((0, 1, 5, 50, 500))
    if chance.random() < 0.3:
        return chance.randbytes(size)
    characters = ("\\:\0\x1b\r\x85\u2028\u202e é漢😀 gmessage:signed:"
                  + chr(chance.randrange(0x20, 0xd7ff)))
    return "".join(chance.choice(characters) for _ in range(size)).rstrip("\r")


def test_a_program_that_is_slow_loses_the_oldest_and_is_told_how_many(seeds, caplog):
    with gossip.join(seeds=seeds, **IN_ORDER) as one, \
            gossip.join(seeds=seeds, backlog=10, **IN_ORDER) as slow:
        wait_until(lambda: one.neighbours and slow.neighbours)
        for number in range(25):
            one.say(str(number))
        lost = "messages dropped, because they were not taken"
        wait_until(lambda: slow.status()[lost] == 15)
        assert [slow.next(timeout=1).text for _ in range(10)] == [str(n) for n in range(15, 25)]
        assert slow.status()["messages not taken yet"] == 0
    assert [record.message[:21] for record in caplog.records] == ["messages were dropped"]


def test_a_backlog_that_waits_loses_nothing(seeds):
    with gossip.join(seeds=seeds, **IN_ORDER) as one, \
            gossip.join(seeds=seeds, backlog="wait", rate=0, **IN_ORDER) as slow:
        wait_until(lambda: one.neighbours and slow.neighbours)
        said = [f"{'x' * 100} {number}" for number in range(30_000)]
        for first in range(0, 30_000, 500):
            one._node.gossip(said[first:first + 500])
        wait_until(lambda: slow.status()["messages not taken yet"] >= 10_000)
        assert slow.status()["messages not taken yet"] < 15_000  # the rest waits at the neighbour
        assert [slow.next(timeout=30).text for _ in said] == said


def test_since_now_leaves_out_what_was_said_before(seeds):
    with gossip.join(seeds=seeds) as one, gossip.join(seeds=seeds) as witness:
        one.say("before")
        assert witness.next(timeout=30).text == "before"
        with gossip.join(seeds=seeds, since="now") as late, gossip.join(seeds=seeds) as all_of_it:
            wait_until(lambda: late.status()["messages held"] == 1)
            one.say("after")
            assert late.next(timeout=30).text == "after"
            assert {all_of_it.next(timeout=30).text for _ in range(2)} == {"before", "after"}


def test_twenty_threads_say_at_once(pair):
    one, other = pair

    def talk(number):
        for count in range(50):
            one.say(f"{number} {count}")

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    heard = [other.next(timeout=30) for _ in range(1_000)]
    for thread in threads:
        thread.join()
    assert {message.text for message in heard} == {
        f"{number} {count}" for number in range(20) for count in range(50)}
    assert sorted(message.number for message in heard) == list(range(1, 1_001))


def test_without_a_descriptor_for_its_pipes_a_peer_does_not_join_and_leaves_none_open(
        seeds, tmp_path, monkeypatch):
    def short():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("gossip.net.flusher.socket.socketpair", short)
    files = []
    monkeypatch.setattr(OutputFile, "close", lambda self: files.append(self))
    with pytest.raises(gossip.Refused, match="cannot listen on .*: Too many open files"):
        gossip.join(seeds=seeds, outputs=tmp_path)
    assert len(files) == 1 and len(list(tmp_path.iterdir())) == 1
    monkeypatch.undo()
    files[0].close()
    with gossip.join(seeds=seeds) as one:
        assert one.joined.wait(30)


def test_a_port_in_use_a_missing_list_and_an_address_of_a_seed_have_their_errors(
        seeds, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(gossip.PortInUse, match=f"port {port} is in use"):
            gossip.join(port, seeds=seeds)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(gossip.NoSeed, match="cannot read"):
        gossip.join(seeds=tmp_path / "none.txt")
    (tmp_path / "bad.txt").write_text("127.0.0.1:9\nnonsense\n")
    with pytest.raises(gossip.NoSeed, match="line 2"):
        gossip.join(seeds=tmp_path / "bad.txt")
    with pytest.raises(gossip.NoSeed, match="IPv4 address"):
        gossip.join(host="::1", seeds=seeds)
    with pytest.raises(gossip.Refused, match="of a seed"):
        gossip.join(seeds[0], seeds=seeds)
    with pytest.raises(gossip.Refused, match="not an address of this machine"):
        gossip.join(host="203.0.113.1", seeds=seeds)


@pytest.mark.parametrize("named, error, why", [
    ({"livenes_interval": 2}, TypeError, "liveness_interval"), ({"sign": 1}, ValueError, "sign"),
    ({"liveness_interval": 0}, ValueError, "0.01 or more"),
    ({"spread": "mail"}, ValueError, "mail"), ({"capacity": "fixed:1"}, ValueError, "fixed:K"),
    ({"cache_bytes": "x"}, ValueError, "cache"),
    ({"since": "then"}, ValueError, "Unix time"),
    ({"since": float("nan")}, ValueError, "Unix time"), ({"backlog": 0}, ValueError, "backlog"),
    ({"port": 70_000}, ValueError, "not a port"), ({"port": 5001.0}, TypeError, "float"),
    ({"port": "127.0.0.1:5001", "host": "127.0.0.2"}, ValueError, "leave host='127.0.0.2' out")])
def test_a_wrong_setting_is_named(named, error, why):
    with pytest.raises(error, match=why):
        gossip.join(seeds=["127.0.0.1:9"], **named)


def test_output_files_stay_in_the_folder_that_was_meant_when_the_program_changes_its_own(
        seeds, tmp_path, monkeypatch, capsys):
    """Its name is what programs have for the terminal; the library prints nothing."""
    (tmp_path / "other" / "-").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with gossip.join(seeds=seeds, outputs="-") as peer:
        begun = time.time()
        monkeypatch.chdir(tmp_path / "other")
        assert peer.joined.wait(30)
        wait_until(lambda: time.time() > begun + 1.0)  # files are looked for once a second
    path, = (tmp_path / "-").iterdir()
    assert lines_of(path)[-1] == "stopped:quit"
    assert list((tmp_path / "other" / "-").iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_joining_without_a_seed_that_answers_goes_on_until_there_is_one(tmp_path):
    addresses = [f"127.0.0.1:{free_port()}"]
    with gossip.join(seeds=addresses, outputs=tmp_path, retry_last=0.5) as peer:
        assert not peer.joined.wait(0.05)
        with gossip.seeds(addresses, outputs=tmp_path / "seeds"):
            assert peer.joined.wait(30)
    assert [path.name for path in tmp_path.glob("*.txt")] == [
        f"peer_127.0.0.1_{peer.address.partition(':')[2]}.txt"]
    assert list((tmp_path / "seeds").glob("seed_*.txt"))


def test_config_txt_in_the_current_folder_names_the_seeds(tmp_path, monkeypatch, seeds):
    (tmp_path / "config.txt").write_text("\n".join(seeds))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("__main__.__file__", str(tmp_path / "elsewhere" / "program.py"))
    with gossip.join() as peer:
        assert peer.joined.wait(30)


def test_every_setting_of_the_command_line_is_taken(seeds):
    with gossip.join(seeds=seeds, sign=True, spread="rumor", capacity="fixed:4", monitor=True,
                     liveness_interval=2, report_interval=1.5) as peer:
        settings = peer._node.settings
    assert settings == Settings(gossip_count=0, sign=True, spread="rumor", monitor=True,
                                capacity=settings.capacity, liveness_interval=2.0,
                                report_interval=1.5) and str(settings.capacity) == "fixed:4"


def exit_code(child):
    """Wait for the end of a child process, which is killed if it does not end in time."""
    try:
        status = wait_until(lambda: [status for ended, status in [os.waitpid(child, os.WNOHANG)]
                                     if ended], what="the child to end")
        return os.waitstatus_to_exitcode(status[0])
    except AssertionError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


@pytest.mark.parametrize("use", [lambda peer: peer.say("x"), gossip.Peer.has_caught_up])
def test_a_child_of_fork_is_refused_and_the_parent_goes_on(pair, use):
    one, other = pair
    child = os.fork()
    if child == 0:
        try:
            use(one)
        except RuntimeError as error:
            os._exit(7 if "fork" in str(error) else 8)
        finally:
            os._exit(9)
    assert exit_code(child) == 7
    one.say("from the parent")
    assert other.next(timeout=30).text == "from the parent"


def test_a_child_of_fork_may_join_by_itself(pair, seeds):
    one, other = pair
    turn = Turn(pytest.fail)
    turn.take(many=True)
    child = os.fork()
    if child:
        turn.__exit__()
    else:
        try:
            with gossip.join(seeds=seeds) as own:
                own.say("from the child")
                answered = own.next(timeout=30).text == "from the parent"
                os._exit(7 if answered and own._node.lateness() < 1 else 8)
        finally:
            os._exit(9)
    assert other.next(timeout=30).text == "from the child"
    time.sleep(1.2)  # without a pulse of its own, the child would count as late from now on
    other.say("from the parent")
    assert exit_code(child) == 7


def test_fifty_joins_and_leaves_leave_nothing(seeds):
    for number in range(50):
        with gossip.join(seeds=seeds) as peer:
            if number % 10 == 0:
                assert peer.joined.wait(30)


def test_importing_the_package_starts_nothing_and_loads_no_library(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import sys, gossip\nprint(sorted(name for name in sys.modules if "
                       "name.startswith(('gossip', 'socket'))))\n"
                       "import gossip.addresses\nprint(gossip.join.__name__)\n")
    code, out, err = run(program, env=environment(PYTHONPATH=str(ROOT)))
    assert (code, err) == (0, "") and out == "['gossip']\njoin\n"


def test_a_program_may_have_a_peer_py_of_its_own(tmp_path):
    for name in ("peer.py", "seed.py"):
        (tmp_path / name).write_text("raise SystemExit('this is not Grapevine')\n")
    program = tmp_path / "program.py"
    program.write_text("import gossip\nwith gossip.network(2) as net:\n"
                       "    net[0].say('x')\n    print(net[1].next(30).text)\n")
    code, out, err = run(program, env=environment(PYTHONPATH=str(ROOT)))
    assert (code, out, err) == (0, "x\n", "")


def test_a_newcomer_has_caught_up_when_it_holds_all_that_its_neighbours_hold(seeds):
    with gossip.join(seeds=seeds) as first:
        assert first.caught_up(30) and first.neighbours == []  # there is no other peer
        for number in range(20_000):
            first.say(f"{'x' * 64} {number}")
        with gossip.join(seeds=seeds, backlog=100_000) as late:
            assert late.caught_up(60)
            assert late.status()["messages held"] == 20_000
            assert {late.next(timeout=0).number for _ in range(20_000)} == set(range(1, 20_001))


def test_who_joined_first_leaves_only_when_a_neighbour_that_no_seed_named_has_its_texts(
        seeds, monkeypatch):
    """Else a text is lost that was said before the peer had any link."""
    asked, has_them = threading.Event(), threading.Event()
    monkeypatch.setattr(Neighbours, "could_fetch", lambda *_: asked.set() or has_them.is_set())
    monkeypatch.setattr("gossip.programs.starting.ALONE_LIMIT", 3_600.0)
    with gossip.join(seeds=seeds) as first:
        assert first.caught_up(30)  # the lists of the seeds are empty
        first.say("hello")
        ip, port = first.address.split(":")
        with socket.create_connection((ip, int(port)), timeout=30) as link:
            link.sendall(f"Connection with Peer:127.0.0.1:{free_port()}\n".encode())
            wait_until(lambda: first.neighbours)
            leaving = threading.Thread(target=first.leave)
            leaving.start()
            assert asked.wait(30) and leaving.is_alive()
            has_them.set()
            leaving.join(30)
            assert not leaving.is_alive()


def test_without_seeds_nobody_has_caught_up():
    with gossip.join(seeds=[f"127.0.0.1:{free_port()}"]) as peer:
        assert not peer.caught_up(0.1)


@pytest.mark.parametrize("wrong, why", [
    ("127.0.0.1:9", "for an address give"), (["127.0.0.1:9", "x"], r"seeds\[1\] is 'x'"),
    ([("127.0.0.1", 9)], r"seeds\[0\]"), ([], "empty")])
def test_a_wrong_list_of_seeds_is_told_with_its_entry(wrong, why):
    with pytest.raises(gossip.NoSeed, match=why):
        gossip.join(seeds=wrong)


def test_a_callback_that_cannot_be_called_is_refused_at_once(seeds):
    with pytest.raises(TypeError, match="cannot be called"):
        gossip.join(seeds=seeds, on_message="print")

    async def show(message):
        print(message)

    with pytest.raises(TypeError, match="coroutine function"):
        gossip.join(seeds=seeds, on_message=show)
