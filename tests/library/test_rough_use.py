"""What programs do by mistake or by chance, and neighbours on purpose: nothing breaks."""

import asyncio
import os
import signal
import sys
import threading
import time

import pytest

import gossip
from gossip.library import messages
from tests.tools.files import lines_of
from tests.tools.nets import Net
from tests.tools.ports import free_address
from tests.tools.programs import ROOT, environment, run
from tests.tools.waiting import wait_until


@pytest.fixture
def net():
    before = set(threading.enumerate())
    with gossip.network(2, seeds=1) as running:
        yield running
    wait_until(lambda: {thread for thread in threading.enumerate()
                        if not thread.name.startswith("asyncio")} <= before)


def python(code, *arguments):
    return run("-c", code, *arguments, env=environment(PYTHONPATH=str(ROOT)))


class Shot(Exception):
    """Raised by a handler of signals, as KeyboardInterrupt is."""


@pytest.mark.parametrize("call, number, timer", [
    *((call, signal.SIGALRM, signal.ITIMER_REAL)
      for call in ("say", "neighbours", "status", "caught_up")),
    ("say", signal.SIGPROF, signal.ITIMER_PROF)])
def test_signals_in_the_middle_of_a_call_leave_the_peer_whole(net, call, number, timer):
    one, other = net
    calls = {"say": lambda: one.say("x"), "neighbours": lambda: one.neighbours,
             "status": one.status, "caught_up": lambda: one.caught_up(0)}

    def shoot(*_):
        raise Shot

    before, shots = signal.signal(number, shoot), 0
    end = time.monotonic() + 60
    try:
        while shots < 100 and time.monotonic() < end:
            try:
                signal.setitimer(timer, 0.0005)
                while True:
                    calls[call]()
            except Shot:
                shots += 1
    finally:
        signal.signal(number, signal.SIG_IGN)
        signal.setitimer(timer, 0)
        signal.signal(number, before)
    assert shots == 100
    last = one.say("the last")
    found = threading.Thread(target=one.status)  # another thread gets its turn
    found.start()
    found.join(30)
    assert not found.is_alive()
    while other.next(30) != last._replace(came_from=one.address):
        pass  # TimeoutError if it does not come


def test_first_joins_at_the_same_time():
    code, out, err = python("""
import threading, gossip
peers = []
with gossip.seeds(["127.0.0.1:%s"]) as seeds:
    threads = [threading.Thread(target=lambda: peers.append(gossip.join(seeds=seeds)))
               for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(len(peers))
    [peer.close() for peer in peers]
""" % free_address().port)
    assert (code, out, err) == (0, "4\n", "")


def test_threads_of_the_program_keep_their_stack():
    """Deep recursion is an error of Python there, no crash of the process."""
    code, out, err = python("""
import threading, gossip
def deep(number):
    return sorted([number], key=lambda one: deep(one + 1))
def run():
    try:
        deep(0)
    except RecursionError:
        print("an error")
with gossip.network(2, seeds=1):
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
""")
    assert (code, out, err) == (0, "an error\n", "")


def test_a_program_that_takes_nothing_is_not_called_dead(net):
    deaths = []
    with gossip.join(seeds=net.seeds, backlog="wait", liveness_interval=0.5) as slow, \
            gossip.join(seeds=net.seeds, liveness_interval=0.3, probe_limit=0.5,
                        on_death=deaths.append) as witness:
        wait_until(lambda: slow.neighbours and slow.address in witness.neighbours)
        for _ in range(24):
            net[0]._node.gossip(["x" * 100] * 500)
        wait_until(lambda: slow.status()["messages not taken yet"] >= 10_000)
        # long enough to be silent, to be probed, and to be unlinked
        wait_until(lambda: slow.address not in witness.neighbours)
        assert deaths == [] and net.seeds.status()[0]["registered"] == 4
        began = time.monotonic()
        slow.leave()
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("reason", ["told dead", "duplicate", "replaced"])
def test_a_neighbour_that_names_a_reason_makes_nobody_dead(net, tmp_path, reason):
    deaths, hands = [], Net(tmp_path)
    with gossip.join(seeds=net.seeds, on_death=deaths.append) as peer:
        victim = net[0].address
        wait_until(lambda: victim in peer.neighbours)
        fake = hands.fake(free_address())
        node = peer._node
        end = hands.neighbour(node, fake)
        end.say(f"connection refused:{fake.address}:{reason}")
        wait_until(lambda: str(fake.address) not in peer.neighbours)
        subscriber = peer._subscriber
        wait_until(lambda: str(fake.address) not in subscriber._neighbours)
        assert deaths == []
    hands.stop()


def test_four_threads_that_wait_all_get_a_message_of_a_batch(net):
    taken = []

    def take():
        taken.append((net[1].next(timeout=60).number, time.monotonic()))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    net[0]._node.gossip(["a", "b", "c", "d"])
    for thread in threads:
        thread.join(30)
    assert sorted(number for number, _ in taken) == [1, 2, 3, 4]


def test_leaving_after_a_burst_lets_neighbours_read_it(net):
    with gossip.join(seeds=net.seeds, rate=0, backlog=100_000) as reader:
        with gossip.join(seeds=net.seeds, rate=0) as talker:
            wait_until(lambda: talker.neighbours and reader.address in talker.neighbours)
            for _ in range(60):
                talker._node.gossip(["x" * 200] * 500)
        wait_until(lambda: reader.status()["messages held"] == 30_000)


def test_a_callback_that_exits_ends_no_other_call(net):
    heard = []

    def leave(message):
        heard.append(message.text)
        sys.exit(3)

    with gossip.join(seeds=net.seeds, on_message=leave):
        net[0].say("one")
        net[0].say("two")
        wait_until(lambda: sorted(heard) == ["one", "two"])


def test_deaths_are_told_while_messages_keep_coming(net):
    deaths, stop = [], threading.Event()

    def talk():
        while not stop.wait(0.001):
            net[0].say("x")

    with gossip.join(seeds=net.seeds, liveness_interval=0.3, probe_limit=0.5,
                     on_message=lambda message: time.sleep(0.005),
                     on_death=deaths.append) as peer:
        wait_until(lambda: net[1].address in peer.neighbours)
        talker = threading.Thread(target=talk)
        talker.start()
        net.kill(1)
        wait_until(lambda: deaths == [net[1].address])
        stop.set()
        talker.join()


def test_asyncio_takes_what_is_there_without_waiting_and_cancels_a_join(net):
    async def use():
        async with gossip.aio.join(seeds=net.seeds) as peer:
            net[0].say("x")
            await peer.caught_up(30)
            while True:
                try:
                    assert (await peer.next(0)).text == "x"
                    break
                except TimeoutError:
                    await asyncio.sleep(0.01)
            address = str(free_address())
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(gossip.aio.join(address, seeds=net.seeds), 0.001)
            with pytest.raises(asyncio.TimeoutError):
                nobody = await gossip.aio.join(seeds=[str(free_address())])
                try:
                    await asyncio.wait_for(nobody.joined(), 0.1)
                finally:
                    await nobody.close()
            while True:  # nobody listens there any more
                try:
                    again = await gossip.aio.join(address, seeds=net.seeds)
                    await again.close()
                    return
                except gossip.PortInUse:
                    await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(use(), 60))


def test_a_child_of_fork_does_not_keep_the_ports_of_seeds():
    code, out, err = python("""
import os, gossip, warnings
warnings.simplefilter("ignore")  # newer versions of Python warn of a fork beside threads
address = "127.0.0.1:%s"
seeds = gossip.seeds([address])
ready, go = os.pipe(), os.pipe()
if os.fork() == 0:
    os.close(go[1])
    os.write(ready[1], b"!")
    os.read(go[0], 1)
    os._exit(0)
os.read(ready[0], 1)
seeds.close()
with gossip.seeds([address]):
    print("again")
os.write(go[1], b"!")
os.wait()
""" % free_address().port)
    assert (code, out, err) == (0, "again\n", "")


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no list of descriptors")
def test_a_child_of_fork_keeps_no_socket():
    """Of a seed alone, because a thread that connects has a socket that nobody else knows."""
    code, out, err = python("""
import os, gossip, warnings
warnings.simplefilter("ignore")  # newer versions of Python warn of a fork beside threads
with gossip.seeds(["127.0.0.1:%s"]):
    if os.fork() == 0:
        paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        print([path for path in map(os.path.realpath, paths) if "socket" in path], flush=True)
        os._exit(0)
    os.wait()
""" % free_address().port)
    assert (code, out, err) == (0, "[]\n", "")


def test_a_child_of_fork_is_refused_the_status_of_its_parents_seeds():
    code, out, err = python("""
import os, gossip, warnings
warnings.simplefilter("ignore")
with gossip.seeds(["127.0.0.1:%s"]) as seeds:
    if os.fork() == 0:
        try:
            seeds.status()
        except RuntimeError as error:
            print(error, flush=True)
        os._exit(0)
    os.wait()
""" % free_address().port)
    assert (code, out, err) == (
        0, "these seeds began before a fork, and live in the parent process\n", "")


def test_a_python_that_is_too_old_is_told_in_one_line():
    code, out, err = python("import sys; sys.version_info = (3, 9, 1); import gossip")
    assert (code, out) == (1, "")
    assert err == f"Grapevine needs Python 3.10 or newer; this is 3.9 ({sys.executable})\n"


def test_a_child_of_fork_that_ends_does_not_end_the_seeds_of_its_parent(tmp_path):
    code, out, err = python("""
import gossip, os, sys, warnings
warnings.simplefilter("ignore")
with gossip.seeds(["127.0.0.1:%s"], outputs=sys.argv[1]) as seeds:
    if (child := os.fork()) == 0:
        sys.exit()
    os.waitpid(child, 0)
    with gossip.join(seeds=seeds) as peer:
        assert peer.joined.wait(30)
print("well")
""" % free_address().port, tmp_path)
    assert (code, out, err) == (0, "well\n", "")
    [file] = tmp_path.glob("seed_*.txt")
    told = [line for line in lines_of(file) if line.startswith(("registered:", "stopped:"))]
    assert told[1:] == ["stopped:interrupted"]


def test_the_inbox_is_bounded_in_bytes_too(net, monkeypatch):
    monkeypatch.setattr(messages, "MOST_CHARACTERS", 1 << 17)
    for _ in range(20):
        net[0].say("\x01" * 15_000)
    lost = "messages dropped, because they were not taken"
    wait_until(lambda: net[1].status()[lost] >= 10)
    assert net[1]._inbox._size <= 1 << 17


def test_what_a_thread_of_the_node_died_of_is_logged(net, caplog):
    with gossip.join(seeds=net.seeds) as peer:
        peer._node.output.write_failure("failed:a test")
        wait_until(lambda: any("failed:a test" in record.message for record in caplog.records))


def test_settings_of_a_network_reach_its_peers():
    with gossip.network(2, seeds=1, gossip_count=1, gossip_interval=0.01) as net:
        assert net[0].next(30).text == net[1].next(30).text == "message 1"


def test_the_longest_wait_is_a_wait(net):
    threading.Timer(0.2, net[0].say, ("x",)).start()
    assert net[1].next(timeout=1e12).text == "x"
