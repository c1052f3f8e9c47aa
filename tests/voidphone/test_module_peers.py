"""The module among peers: handshake, proof of work, views, liveness, and whoever breaks a rule.

Hand-made peers speak bytes to live modules, as those who dial and as those who are dialled.
"""

import collections
import contextlib
import os
import pathlib
import socket
import struct
import threading
import time
import types

import pytest

from gossip.addresses import address_of
from gossip.experiments import voidphone_experiment
from gossip.settings import Settings
from gossip.voidphone import messages, gossip_module as node
from gossip.voidphone import view as module_view
from gossip.voidphone import work as module_work
from gossip.voidphone.client import Client
from gossip.voidphone.ini import MOST_NEIGHBOURS
from gossip.voidphone.work import Search, is_work
from tools.files import count, events, wait_event
from tools.modules import EASY_BITS, QUIET, ByteEnd, work_for, write_ini
from tools.ports import free_address, free_addresses, free_range
from tools.programs import Program
from tools.waiting import wait_until

NEWS = messages.PeerNotification(255, 1, 7, b"news")
LOCAL = "127.0.0.1"


def endpoint(address) -> bytes:
    return socket.inet_aton(address.ip) + struct.pack(">H", address.port)


def view(module) -> set:
    return set(module.view.addresses())


def refused(module, end, words: str) -> None:
    """The connection ends, with a line that says why."""
    assert end.hear_end()
    wait_until(lambda: any(event.startswith("refused:") and words in event
                           for event in events(module)), what=f"a refusal for {words!r}")


def still_there(end) -> None:
    """A neighbour that is asked answers: what was said before has been handled."""
    end.say(messages.PeerRequest())
    end.hear_kind("peer_response")


def work(end, nonce: int):
    """The right answer to a nonce."""
    return messages.VerificationResponse(nonce, work_for(nonce, EASY_BITS), end.address)


# The honest handshake.


def test_one_who_dials_says_hello_works_and_is_told_the_view(modules):
    module = modules.module(p2p_ttl=3, min_degree=1)
    ends, addresses = [], free_addresses(3)
    for address in addresses:
        end = modules.dial(module)
        ends.append(end)
        end.send(bytes.fromhex("000a01fc") + endpoint(address))
        given = end.hear_bytes()
        assert len(given) == 12 and given[:4] == bytes.fromhex("000c01fa")
        challenge = work_for(int.from_bytes(given[4:], "big"), EASY_BITS)
        end.send(bytes.fromhex("001a01fb") + given[4:] + challenge.to_bytes(8, "big")
                 + endpoint(address))
        before = addresses[:len(ends) - 1]
        told = end.hear_bytes()
        assert told[:4] == struct.pack(">HH", 4 + 6 * len(before), 505)
        assert {told[at:at + 6] for at in range(4, len(told), 6)} == set(map(endpoint, before))
        for other in ends[:-1]:
            assert other.hear_bytes() == bytes.fromhex("000c01fd0003") + endpoint(address)
    assert view(module) == set(addresses)


def test_the_view_that_one_is_told_is_without_oneself(modules):
    module = modules.module()
    first = modules.neighbour(module)
    again = modules.neighbour(module, first.address)
    assert again.view == () and first.hear_end()


def test_a_module_that_dials_says_hello_works_and_becomes_a_neighbour(modules):
    acceptor, other = modules.acceptor(), modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address, pow_bits=12)
    end = acceptor.accept()
    assert end.hear_bytes() == bytes.fromhex("000a01fc") + endpoint(module.address)
    end.send(bytes.fromhex("000c01fa") + b"\0\0\0\0\0\0\1\xff")
    work_done = end.hear_bytes()
    assert work_done[:12] == bytes.fromhex("001a01fb00000000000001ff")
    assert work_done[20:] == endpoint(module.address)
    assert is_work(511, int.from_bytes(work_done[12:20], "big"), 12)
    assert view(module) == set()
    end.send(bytes.fromhex("000a01f9") + endpoint(other.address))
    other.welcome(12)
    wait_until(lambda: view(module) == {acceptor.address, other.address})
    still_there(end)


def test_the_bootstrapper_dials_nobody_by_itself(modules):
    address = free_address()
    module = modules.module(p2p_address=address, bootstrapper=address)
    still_there(modules.neighbour(module))
    assert module.config.bootstrapper is None and module.link_count() == 1


def test_the_view_is_told_before_any_news(modules):
    """While a local module announces at full speed, every newcomer hears its 505 first."""
    module = modules.module(degree=10, max_connections=20)
    announcer, stop = modules.api(module), threading.Event()

    def announce():
        while not stop.is_set():
            announcer.say(*[messages.Announce(0, 7, b"x" * 50)] * 20)

    thread = threading.Thread(target=announce)
    thread.start()
    try:
        for _ in range(12):
            end, nonce = modules.challenged(module)
            end.say(work(end, nonce))
            assert end.hear().kind == "peer_response"
            assert end.hear_kind("peer_notification").data == b"x" * 50
            end.close()
    finally:
        stop.set()
        thread.join()


def test_news_that_come_as_one_enters_the_view_wait_for_the_505(modules):
    module = modules.module()
    announcer, witness = modules.api(module), modules.neighbour(module)
    admit = module.view.admit

    def admit_amid_news(*args):
        admitted = admit(*args)
        for _ in range(2):  # when the witness hears the second, the newcomer was sent the first
            announcer.say(messages.Announce(0, 7, b"x"))
            witness.hear_kind("peer_notification")
        return admitted

    module.view.admit = admit_amid_news
    end, nonce = modules.challenged(module)
    end.say(work(end, nonce))
    assert end.hear() == messages.PeerResponse((witness.address,))
    assert end.hear_kind("peer_notification").data == b"x"


def test_the_answer_to_a_question_at_once_after_the_handshake_counts(modules, monkeypatch):
    """A view with few neighbours asks the newcomer before its own reader has gone on."""
    acceptor = modules.acceptor()
    welcome = node.GossipModule._welcome

    def slow_welcome(module, link, *args, **kwargs):
        welcomed = welcome(module, link, *args, **kwargs)
        wait_until(lambda: link.asked)
        return welcomed

    monkeypatch.setattr(node.GossipModule, "_welcome", slow_welcome)
    module = modules.module(bootstrapper=acceptor.address, degree=6)
    end = acceptor.welcome()
    end.hear_kind("peer_request")
    end.say(messages.PeerResponse(()))
    still_there(end)
    assert not count(module, "refused:")


# Work that does not count.


@pytest.mark.parametrize("change, words", [
    (lambda end, nonce: {"nonce": nonce ^ 1, "challenge": work_for(nonce ^ 1, EASY_BITS)},
     "not this connection's"),
    (lambda end, nonce: {"challenge": next(
        one for one in range(1000) if not is_work(nonce, one, EASY_BITS))}, "work is not done"),
    (lambda end, nonce: {"address": free_address()}, "work for"),
    (lambda end, nonce: {"address": address_of("127.0.0.2", end.address.port)}, "work for"),
], ids=["nonce", "work", "port", "IP"])
def test_a_wrong_answer_ends_the_connection(modules, change, words):
    module = modules.module()
    end, nonce = modules.challenged(module)
    end.say(work(end, nonce)._replace(**change(end, nonce)))
    refused(module, end, words)
    assert view(module) == set()
    still_there(modules.neighbour(module))


@pytest.mark.parametrize("used", [True, False])
def test_the_work_of_another_connection_does_not_count(modules, used):
    """Neither a replay of what was accepted, nor a nonce that somebody else was given."""
    module = modules.module()
    first, nonce = modules.challenged(module)
    answer = work(first, nonce)
    if used:
        first.say(answer)
        assert first.hear().kind == "peer_response"
    second = modules.dial(module)
    second.say(messages.Hello(first.address))
    second.hear_kind("verification_request")
    second.say(answer)
    refused(module, second, "not this connection's")
    if used:
        still_there(first)


def test_the_same_work_twice_ends_the_connection(modules):
    module = modules.module()
    end, nonce = modules.challenged(module)
    end.say(work(end, nonce), work(end, nonce))
    refused(module, end, "verification response is not expected from a neighbour")
    wait_until(lambda: view(module) == set())


@pytest.mark.parametrize("age, good", [(0, True), (5, True), (6, False)])
def test_a_nonce_is_good_in_its_slot_and_the_five_that_follow(modules, monkeypatch, age, good):
    slots = [1000]
    monkeypatch.setattr(node, "present_slot", lambda: slots[0])
    module = modules.module()
    end, nonce = modules.challenged(module)
    slots[0] += age
    end.say(work(end, nonce))
    if good:
        assert end.hear().kind == "peer_response"
    else:
        refused(module, end, "too old")


def test_slots_last_sixty_seconds():
    assert (node.SLOT, node.SLOTS) == (60.0, 6)
    assert node.present_slot() in {int(time.monotonic() // 60) - age for age in (0, 1)}


def test_hello_said_again_is_answered_in_the_next_slot_only(modules, monkeypatch):
    slots = [1000]
    monkeypatch.setattr(node, "present_slot", lambda: slots[0])
    module = modules.module()
    end, nonce = modules.challenged(module)
    end.say(messages.Hello(end.address), messages.Hello(end.address))
    wait_until(lambda: module.counters.all().get("HELLOs said again") == 2)
    slots[0] += 1
    end.say(messages.Hello(end.address))
    another = end.hear()
    assert another.kind == "verification_request" and another.nonce != nonce
    end.say(work(end, nonce))
    assert end.hear().kind == "peer_response"


def test_a_second_nonce_comes_before_the_view(modules, monkeypatch):
    """HELLO again and the work for the first nonce, in one segment."""
    slots = [1000]
    monkeypatch.setattr(node, "present_slot", lambda: slots[0])
    module = modules.module()
    end, nonce = modules.challenged(module)
    slots[0] += 1
    end.say(messages.Hello(end.address), work(end, nonce))
    assert [end.hear().kind, end.hear().kind] == ["verification_request", "peer_response"]
    still_there(end)


def test_hello_with_another_address_ends_the_connection(modules):
    module = modules.module()
    end, _ = modules.challenged(module)
    end.say(messages.Hello(free_address()))
    refused(module, end, "HELLO with another address")


@pytest.mark.parametrize("ip, port, words", [
    ("10.1.2.3", 6001, "HELLO from 127.0.0.1 for 10.1.2.3:6001"),
    ("127.0.0.2", 6001, "HELLO from 127.0.0.1 for 127.0.0.2:6001"),
    (LOCAL, 0, "port 0"), (LOCAL, None, "our own address")])
def test_hello_with_an_impossible_address_ends_the_connection(modules, ip, port, words):
    module = modules.module()
    end = modules.dial(module)
    end.send(bytes.fromhex("000a01fc") + socket.inet_aton(ip)
             + struct.pack(">H", module.address.port if port is None else port))
    refused(module, end, words)


# Messages out of their place.

BEFORE = [messages.PeerRequest(), messages.PeerResponse(()), messages.VerificationRequest(1),
          messages.Push(5, address_of(LOCAL, 6001)), NEWS]


@pytest.mark.parametrize("role, message", [
    (role, message) for role in ("stranger", "challenged", "dialled", "worked for")
    for message in BEFORE
    if (role, message.kind) != ("dialled", "verification_request")  # this one is expected
], ids=lambda value: value if isinstance(value, str) else value.kind)
def test_what_comes_before_the_handshake_is_over_ends_the_connection(modules, role, message):
    if role in ("dialled", "worked for"):
        acceptor = modules.acceptor()
        module = modules.module(bootstrapper=acceptor.address, pow_bits=64)
        end = acceptor.accept()
        end.hear_kind("hello")
        if role == "worked for":
            end.say(messages.VerificationRequest(1))
    else:
        module = modules.module()
        end = modules.dial(module) if role == "stranger" else modules.challenged(module)[0]
    end.say(message)
    refused(module, end, f"{message.kind.replace('_', ' ')} is not expected from one")
    assert view(module) == set()


def test_a_507_that_nobody_asked_for_ends_the_connection(modules):
    module = modules.module()
    end = modules.dial(module)
    end.address = free_address()
    end.say(work(end, 1))
    refused(module, end, "verification response is not expected from one who has not said")
    acceptor = modules.acceptor()
    dialler = modules.module(bootstrapper=acceptor.address)
    end = acceptor.accept()
    end.address = acceptor.address
    end.say(work(end, 1))
    refused(dialler, end, "verification response is not expected from one")


def test_neighbours_may_not_begin_anew(modules):
    module = modules.module()
    for message in (messages.VerificationRequest(1), messages.Hello(free_address()),
                    messages.VerificationResponse(1, 1, free_address())):
        end = modules.neighbour(module)
        end.say(message)
        refused(module, end, f"{message.kind.replace('_', ' ')} is not expected from a neighb")
    wait_until(lambda: view(module) == set())


@pytest.mark.parametrize("when", ["after the work", "after the view"])
def test_a_second_506_ends_the_connection(modules, when):
    """The one during the search stands with what comes before the handshake is over."""
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address)
    if when == "after the view":
        end = acceptor.welcome()
    else:
        end = acceptor.accept()
        end.say(messages.VerificationRequest(1))
        end.hear_kind("verification_response")
    end.say(messages.VerificationRequest(2))
    refused(module, end, "verification request is not expected from")


@pytest.mark.parametrize("dialled", [True, False])
def test_a_505_without_a_question_ends_the_connection(modules, dialled):
    if dialled:
        acceptor = modules.acceptor()
        module = modules.module(bootstrapper=acceptor.address, min_degree=1)
        end = acceptor.welcome()
    else:
        module = modules.module(min_degree=1)
        end = modules.neighbour(module)
    still_there(end)
    end.say(messages.PeerResponse((free_address(),)))
    refused(module, end, "peer response without a request")
    wait_until(lambda: view(module) == set())


def test_a_second_answer_to_one_504_ends_the_connection(modules, monkeypatch):
    monkeypatch.setattr(node, "ASK_AGAIN", 60.0)
    module = modules.module(min_degree=2)
    end = modules.neighbour(module)
    assert end.hear_bytes() == bytes.fromhex("000401f8")
    end.say(messages.PeerResponse(()))
    still_there(end)
    end.say(messages.PeerResponse(()))
    refused(module, end, "peer response without a request")


# Those that are not verified.


def test_a_thousand_half_open_handshakes_keep_nobody_out(modules):
    module = modules.module(degree=10)
    half_open = []
    try:
        for number in range(1000):
            end = ByteEnd(module.address.dial, LOCAL)
            half_open.append(end)
            if number % 2:
                end.say(messages.Hello(address_of(LOCAL, 1000 + number)))
            if number % 250 == 249:
                still_there(modules.neighbour(module))
        wait_until(lambda: module.link_count() <= node.OUTSIDE_VIEW + 4)
        assert module.doorway.count() <= node.OUTSIDE_VIEW
        for ip in (LOCAL, "127.0.0.2"):
            still_there(modules.neighbour(module, free_address(ip)))
        wait_until(lambda: len(view(module)) == 6)
    finally:
        for end in half_open:
            end.close()
    wait_until(lambda: module.link_count() == 6 and module.doorway.count() == 0)


def test_the_oldest_of_the_ip_that_has_most_gives_way(modules):
    module = modules.module()
    few = [modules.dial(module, "127.0.0.3") for _ in range(56)]
    many = [modules.dial(module, "127.0.0.2") for _ in range(200)]
    wait_until(lambda: module.doorway.count() == 256)
    for victim in many[:3]:
        modules.dial(module, "127.0.0.4")
        assert victim.hear_end()
    assert count(module, "refused:") == 3
    for end, ip in ((few[0], "127.0.0.3"), (many[3], "127.0.0.2")):
        end.say(messages.Hello(free_address(ip)))
        assert end.hear().kind == "verification_request"


def test_neighbours_and_modules_are_not_counted_among_the_unverified(modules):
    module = modules.module()
    neighbour, client = modules.neighbour(module), modules.api(module, 7)
    wait_until(lambda: module.doorway.count() == 0)
    for _ in range(300):
        modules.dial(module)
    wait_until(lambda: count(module, "refused:") == 44)
    still_there(neighbour)
    neighbour.say(NEWS)
    assert client.hear().data == b"news"


def figures(process) -> dict[str, int]:
    """What a process holds: memory in KiB, threads, descriptors; and its CPU time in ticks,
    that of its workers included."""
    status = dict(line.split(":", 1) for line in
                  pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines())
    ticks = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return {"memory": int(status["VmRSS"].split()[0]), "threads": int(status["Threads"]),
            "descriptors": len(os.listdir(f"/proc/{process.pid}/fd")),
            "ticks": sum(map(int, ticks[11:15]))}


def seconds(ticks: int) -> float:
    return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def module_process(folder, **keys):
    """A module as a process that listens; and its address."""
    address, api = free_address(), free_address()
    ini = write_ini(folder, p2p_address=address, api_address=api, **keys)
    with Program("peer.py", "-c", ini, "--outputs", folder, "--quiet",
                 "--end-with-input") as program:
        def connected():
            try:
                return ByteEnd(api.dial)
            except ConnectionRefusedError:
                assert program.process.poll() is None
        client = wait_until(connected)
        try:
            yield program.process, address, client
        finally:
            client.close()


def verify(modules, address, own=None) -> ByteEnd:
    """A hand-made neighbour of a module in another process."""
    end = ByteEnd(address.dial, LOCAL)
    modules.ends.append(end)
    end.address = own or free_address()
    end.say(messages.Hello(end.address))
    end.say(work(end, end.hear_kind("verification_request").nonce))
    end.hear_kind("peer_response")
    return end


def settled(process, before) -> dict[str, int] | None:
    """The figures, if there are no more threads and descriptors than before."""
    now = figures(process)
    return now if all(now[name] <= before[name] for name in ("threads", "descriptors")) else None


def give_up(address, total: int) -> None:
    """Begin handshakes and give them up: by an end or a reset, after HELLO or without."""
    for number in range(total):
        ip = f"127.0.0.{2 + number % 50}"
        end = ByteEnd(address.dial, ip)
        if number % 2:
            end.say(messages.Hello(address_of(ip, 7000)))
        if number % 4 >= 2:
            end.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if number % 50 == 1:
            assert end.hear().kind == "verification_request"
        end.close()


@pytest.mark.parametrize("total", [2000, pytest.param(12_000, marks=pytest.mark.slow)])
def test_handshakes_given_up_cost_nothing(modules, total):
    """Those before the measuring fill caches and the allocator's pools."""
    with module_process(modules.folder) as (process, address, client):
        honest = verify(modules, address)
        client.say(messages.Notify(7))
        wait_until(lambda: honest.say(NEWS) or not client.hears_nothing(0.05))
        quiet = figures(process)
        give_up(address, 2000)
        before = wait_until(lambda: settled(process, quiet))
        for _ in range(10):
            give_up(address, total // 10)
            newer = verify(modules, address, honest.address)
            assert honest.hear_end()
            honest = newer
        still_there(honest)
        after = wait_until(lambda: settled(process, before))
        print(f"{total} handshakes given up:", before, after)
        assert after["memory"] < before["memory"] + 2048


def test_who_does_not_say_hello_in_time_is_disconnected(modules, monkeypatch):
    monkeypatch.setattr(node, "HELLO_LIMIT", 0.3)
    module = modules.module()
    silent, talker = modules.dial(module), modules.dial(module)
    talker.say(messages.Ping())
    assert silent.hear_end() and talker.hear_end()
    wait_until(lambda: count(module, "refused:") == 2 and module.doorway.count() == 0)


def test_who_does_not_work_in_time_is_disconnected(modules, monkeypatch):
    """Another HELLO, in another slot, does not give more time."""
    monkeypatch.setattr(node, "WORK_LIMIT", 1.0)
    slots = [1000]
    monkeypatch.setattr(node, "present_slot", lambda: slots[0])
    module = modules.module()
    end, _ = modules.challenged(module)
    with pytest.raises((AssertionError, ConnectionError)):
        for _ in range(50):
            slots[0] += 1
            end.say(messages.Hello(end.address), messages.Ping())
            end.hear_kind("verification_request")
            end.hears_nothing(0.1)
    refused(module, end, "in time")


def test_limits_are_those_of_the_specification():
    assert (node.HELLO_LIMIT, node.WORK_LIMIT, node.OUTSIDE_VIEW) == (10.0, 300.0, 256)
    assert node.MESSAGE_LIMIT == 20.0 and node.RETRY_LAST == 15.0


def test_one_who_gives_no_work_in_time_is_given_up(modules, monkeypatch):
    monkeypatch.setattr(node, "HELLO_LIMIT", 0.3)
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address)
    end = acceptor.accept()
    end.say(messages.Ping())
    assert end.hear().kind == "hello" and end.hear_end()
    again = acceptor.accept()  # the place is free for another try
    assert again.hear().kind == "hello" and count(module, "refused:")


# Work.


def test_the_vector_of_the_specification():
    assert is_work(0, 0x1281846, 24) and not is_work(0, 0x1281846, 30)


def test_requests_for_work_cost_one_search_per_hello(modules):
    """A thousand by diallers, and a thousand from the one whom the module dials: one search,
    which ends with the connection. (All of them would take minutes.)"""
    acceptor = modules.acceptor()
    with module_process(modules.folder, pow_bits=18,
                        bootstrapper=acceptor.address) as (process, address, _):
        dialled = acceptor.accept()
        dialled.hear_kind("hello")
        dialled.say(*map(messages.VerificationRequest, range(1000)))
        assert dialled.hear_end()
        for number in range(1000):
            with contextlib.closing(ByteEnd(address.dial, f"127.0.0.{2 + number % 50}")) as end:
                end.say(messages.VerificationRequest(number))
                assert end.hear() is None
        acceptor.welcome(18)
        used = seconds(figures(process)["ticks"])
        print(f"2,000 requests for work: {used:.1f} s of CPU")
        assert used < 15


def test_easy_work_is_done_in_a_thread_and_hard_work_in_processes(monkeypatch):
    challenge = Search(5, 18).run()
    assert is_work(5, challenge, 18)
    monkeypatch.delattr(module_work.subprocess, "Popen")
    assert is_work(5, Search(5, 16).run(), 16)
    with pytest.raises(AttributeError):
        Search(5, 17).run()


def test_work_for_which_no_process_can_be_had_leaves_no_descriptor(monkeypatch):
    def fail(*args, **kwargs):
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(module_work.subprocess, "Popen", fail)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError):
        Search(5, 64).run()
    assert os.listdir("/proc/self/fd") == before


def test_the_api_answers_while_hard_work_is_done_and_no_worker_is_left(modules):
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address, pow_bits=64)
    sender, receiver = modules.api(module), modules.api(module, 7)
    end = acceptor.accept()
    end.say(messages.VerificationRequest(0))
    workers = wait_until(lambda: len(children()) == os.cpu_count() and children())
    wait_until(lambda: all(os.getpriority(os.PRIO_PROCESS, pid) == max(5, own_niceness())
                           for pid in workers))
    for number in range(500):
        sender.say(messages.Announce(1, 7, b"%d" % number))
        heard = receiver.hear()
        assert heard.data == b"%d" % number
        receiver.say(messages.Validation(heard.id, True))
    assert children() == workers
    modules.end(module)
    assert not any(map(lives, workers))


def test_a_search_ends_with_its_connection_and_the_next_one_begins(modules):
    """One search at a time, whoever gives the work."""
    module = modules.module()
    neighbour, acceptors = modules.neighbour(module), [modules.acceptor() for _ in range(2)]
    module.config = module.config._replace(pow_bits=64)
    neighbour.say(*(messages.Push(1, acceptor.address) for acceptor in acceptors))
    ends = [acceptor.accept() for acceptor in acceptors]
    before = set()
    for end in ends:
        end.say(messages.VerificationRequest(1))
        if not before:
            before = set(wait_until(children))
    wait_until(lambda: len(children()) == os.cpu_count())
    ends[0].close()
    wait_until(lambda: len(children()) == os.cpu_count() and not before & set(children()))
    ends[1].close()
    wait_until(lambda: not children())
    still_there(neighbour)


def test_workers_end_when_their_module_is_killed(modules):
    acceptor = modules.acceptor()
    with module_process(modules.folder, pow_bits=64,
                        bootstrapper=acceptor.address) as (process, _, client):
        acceptor.accept().say(messages.VerificationRequest(1))
        workers = wait_until(lambda: len(children(process.pid)) == os.cpu_count()
                             and children(process.pid))
        process.kill()
        process.wait()
        wait_until(lambda: not any(map(lives, workers)))


@pytest.mark.slow
def test_twenty_four_bits(modules):
    """The vector of the specification, searched for."""
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address, pow_bits=24)
    end = acceptor.accept()
    end.say(messages.VerificationRequest(0))
    end.hear_kind("hello")
    challenge = end.hear_kind("verification_response", 120).challenge
    assert challenge >= 0x1281846 and is_work(0, challenge, 24)
    wait_until(lambda: not children())
    end.say(messages.PeerResponse(()))
    wait_until(lambda: view(module) == {acceptor.address})


def children(pid: int | None = None) -> list[int]:
    """The living child processes, of this process if of no other."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if int(parent) == (pid or os.getpid()) and state != "Z":
                    found.append(int(entry.name))
    return sorted(found)


def lives(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def own_niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


# Views.


def test_a_push_is_passed_on_once_with_a_shorter_life(modules, monkeypatch):
    module = modules.module(degree=3, min_degree=1, p2p_ttl=5)
    one, two, three = (modules.neighbour(module) for _ in range(3))
    one.hear_kind("push"), one.hear_kind("push"), two.hear_kind("push")
    far, near, last = free_addresses(3)
    one.say(messages.Push(900, far), messages.Push(1, near), messages.Push(0, near),
            messages.Push(3, far), messages.Push(2, last))
    for end in (two, three):
        assert end.hear_bytes() == bytes.fromhex("000c01fd0004") + endpoint(far)
        assert end.hear_bytes() == bytes.fromhex("000c01fd0001") + endpoint(last)
    two.say(messages.Push(3, far))
    still_there(two)
    monkeypatch.setattr(module_view, "PUSH_MEMORY", 0.0)
    two.say(messages.Push(2, far))
    assert one.hear() == three.hear() == messages.Push(1, far)


def test_pushed_addresses_are_dialled_while_a_place_is_free(modules):
    module = modules.module(degree=4, min_degree=1)
    neighbour, acceptors = modules.neighbour(module), [modules.acceptor() for _ in range(8)]
    neighbour.say(messages.Push(1, module.address), messages.Push(1, neighbour.address),
                  *(messages.Push(1, acceptor.address) for acceptor in acceptors * 2))
    still_there(neighbour)
    assert module.link_count() == 4
    ends = [acceptor.accept() for acceptor in acceptors[:3]]
    assert [end.hear() for end in ends] == [messages.Hello(module.address)] * 3
    ends[0].close()  # its place is free again
    wait_until(lambda: module.link_count() == 3)
    neighbour.say(messages.Push(1, acceptors[7].address))
    acceptors[7].accept()
    assert not any(acceptor.dialled() for acceptor in acceptors)


@pytest.mark.parametrize("degree, min_degree, dialled", [(9, 1, 4), (8, 1, 3), (2, 1, 0),
                                                         (2, 2, 1)])
def test_a_view_fills_half_of_the_free_places(modules, degree, min_degree, dialled):
    acceptor, others = modules.acceptor(), [modules.acceptor() for _ in range(6)]
    module = modules.module(bootstrapper=acceptor.address, degree=degree, min_degree=min_degree)
    end = acceptor.welcome(view=[module.address, acceptor.address,
                                 *(other.address for other in others * 2)])
    still_there(end)
    assert module.link_count() == 1 + dialled
    wait_until(lambda: sum(other.dialled() for other in others) == dialled)


def test_a_view_with_few_neighbours_asks_for_more(modules, monkeypatch):
    monkeypatch.setattr(node, "ASK_AGAIN", 0.05)
    module = modules.module(degree=6, min_degree=2)
    neighbour, acceptor = modules.neighbour(module), modules.acceptor()
    for answer in ((), (), (acceptor.address,)):
        assert neighbour.hear_bytes() == bytes.fromhex("000401f8")
        neighbour.say(messages.PeerResponse(answer))
    acceptor.welcome()
    wait_until(lambda: view(module) == {neighbour.address, acceptor.address})


def test_nobody_is_asked_twice_without_an_answer(modules, monkeypatch):
    monkeypatch.setattr(node, "ASK_AGAIN", 0.01)
    module = modules.module(degree=6, min_degree=3)
    first = modules.neighbour(module)
    assert first.hear() == messages.PeerRequest()
    second = modules.neighbour(module)
    assert second.hear() == messages.PeerRequest()
    assert first.hear().kind == "push"
    for _ in range(20):
        second.say(messages.PeerResponse(()))
        assert second.hear() == messages.PeerRequest()
    first.say(messages.PeerRequest())
    assert first.hear().kind == "peer_response"


def test_an_empty_view_tries_the_bootstrapper_again_with_back_off(modules, monkeypatch):
    monkeypatch.setattr(node, "RETRY_FIRST", 0.05)
    acceptor, dialled = modules.acceptor(), []
    module = modules.module(bootstrapper=acceptor.address)
    for _ in range(6):
        end = acceptor.accept()
        dialled.append(time.monotonic())  # the rest begins later, when it is closed
        end.close()
    for number, (one, other) in enumerate(zip(dialled, dialled[1:])):
        assert other - one > 0.05 * 2**number / 2 - 0.02
    acceptor.welcome()
    wait_until(lambda: view(module) == {acceptor.address})


def test_who_loses_everyone_tries_whom_it_knows(modules, monkeypatch):
    monkeypatch.setattr(node, "RETRY_FIRST", 0.05)
    bootstrapper, known = modules.acceptor(), modules.acceptor()
    module = modules.module(bootstrapper=bootstrapper.address, degree=2, min_degree=1)
    end = bootstrapper.welcome(view=[known.address])
    still_there(end)
    assert not known.dialled()
    bootstrapper.close()
    known.welcome()
    wait_until(lambda: view(module) == {known.address})


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("module_is_smaller", [True, False])
def test_of_two_links_of_a_pair_the_one_dialled_by_the_smaller_stays(
        modules, module_is_smaller, ours_first):
    own, other = free_addresses(2)[::1 if module_is_smaller else -1]
    acceptor = modules.acceptor(other)
    module = modules.module(p2p_address=own, bootstrapper=other, min_degree=1)
    if ours_first:
        ours = acceptor.welcome()
        wait_until(lambda: view(module) == {other})
        theirs = modules.dial(module)
        theirs.address = other
        theirs.say(messages.Hello(other))
        theirs.say(work(theirs, theirs.hear().nonce))
    else:
        ours = acceptor.accept()
        theirs = modules.neighbour(module, other)
        ours.say(messages.VerificationRequest(1))
        ours.hear_kind("verification_response")
        ours.say(messages.PeerResponse(()))
    stays, goes = (ours, theirs) if module_is_smaller else (theirs, ours)
    assert goes.hear_end()
    still_there(stays)
    assert view(module) == {other}
    wait_until(lambda: module.link_count() == 1)


@pytest.mark.parametrize("module_is_smaller", [True, False])
def test_of_two_links_in_one_direction_the_newer_stays(modules, module_is_smaller):
    own, other = free_addresses(2)[::1 if module_is_smaller else -1]
    module = modules.module(p2p_address=own)
    old = modules.neighbour(module, other)
    new = modules.neighbour(module, old.address)
    assert old.hear_end()
    still_there(new)
    assert view(module) == {new.address}


def test_above_max_connections_another_one_than_the_newcomer_is_dropped(modules):
    module = modules.module(degree=2, max_connections=3)
    ends = []
    for number in range(8):
        ends.append(modules.neighbour(module))
        assert ends[-1].address in view(module) and len(view(module)) == min(number + 1, 3)
    wait_until(lambda: module.link_count() == 3)
    for end in ends:
        if end.address in view(module):
            still_there(end)
        else:
            assert end.hear_end()
            assert f"disconnected:{end.address}:one too many" in events(module)


def test_the_largest_view_fits_into_a_505():
    addresses = tuple(address_of(LOCAL, port) for port in range(1, MOST_NEIGHBOURS + 1))
    assert messages.parse(messages.PeerResponse(addresses).pack()).addresses == addresses


def test_who_has_few_neighbours_dials_whom_it_knows_even_if_they_know_nobody(modules):
    module = modules.module(degree=4, min_degree=2)
    modules.neighbour(module)  # it never answers 504
    known = modules.acceptor()
    module.view.pushed(known.address, time.monotonic())
    assert known.accept().hear_kind("hello")


def test_when_a_search_ends_without_a_result_its_place_is_free_again(modules, monkeypatch):
    monkeypatch.setattr(module_work.Search, "run", lambda self: None)
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address)
    end = acceptor.accept()
    end.say(messages.VerificationRequest(1))
    assert end.hear_kind("hello") and end.hear_end()
    wait_event(module, f"refused:{acceptor.address}:the search for its work")
    assert acceptor.accept()  # it is dialled again


@pytest.mark.parametrize("ip", ["0.0.0.0", "224.0.0.1", "255.255.255.255"])
def test_who_names_an_address_that_nobody_can_dial_is_disconnected(modules, ip):
    module = modules.module()
    end = modules.neighbour(module)
    end.send(struct.pack(">HHH", 12, 509, 3) + socket.inet_aton(ip) + struct.pack(">H", 7))
    assert end.hear_end()
    refused(module, end, "that others can dial")


# Liveness.


def test_a_neighbour_that_is_silent_for_three_intervals_leaves(modules):
    module = modules.module(settings=Settings(liveness_interval=0.4), min_degree=1)
    begun = time.monotonic()
    silent, lively = modules.neighbour(module), modules.neighbour(module)
    stop = threading.Event()

    def ping():
        while not stop.wait(0.1):
            lively.say(messages.Ping())

    thread = threading.Thread(target=ping)
    thread.start()
    try:
        assert silent.hear_kind("push")
        heard = []
        while (message := silent.hear_bytes()) is not None and len(heard) < 10:
            heard.append(message)
        assert time.monotonic() - begun >= 3 * 0.4
        assert set(heard) == {bytes.fromhex("000401fe")} and 2 <= len(heard) < 10
        assert wait_event(module, f"disconnected:{silent.address}:silent")
        assert view(module) == {lively.address}
    finally:
        stop.set()
        thread.join()


def test_a_broken_neighbour_leaves_at_once(modules):
    module = modules.module()
    end = modules.neighbour(module)
    end.close()
    wait_until(lambda: view(module) == set(), 30)
    assert QUIET.liveness_interval == 60
    wait_event(module, f"disconnected:{end.address}:")


# Networks.


def one_piece(network) -> bool:
    """Whether the modules are connected by links that both ends have in their view."""
    links = {module.address: view(module) for module in network}
    reached, todo = set(), [network[0].address]
    while todo:
        address = todo.pop()
        if address not in reached:
            reached.add(address)
            todo += [other for other in links[address] if address in links.get(other, ())]
    return len(reached) == len(network)


class Audience:
    """A client of every module, and how often it was told of what."""

    def __init__(self, network):
        self.told = {module.address: collections.Counter() for module in network}
        self.clients = {module.address: Client(module.config.api_address[0].dial, 7,
                                               self._note(module.address)) for module in network}

    def _note(self, address):
        def on_data(data):
            self.told[address][data] += 1
            return True
        return on_data

    def announce(self, network, word: str) -> None:
        """Everyone announces; wait until every other one is told of it."""
        for module in network:
            self.clients[module.address].announce(f"{word} {module.address}".encode())
        wait_until(lambda: all(len(self.heard(module, word)) == len(network) - 1
                               for module in network), what=f"everyone to hear {word}")

    def heard(self, module, word: str) -> dict[bytes, int]:
        counter = self.told[module.address].copy()
        return {data: times for data, times in counter.items() if data.startswith(word.encode())}

    def told_once(self, network, word: str) -> bool:
        return all(set(self.heard(module, word).values()) == {1} for module in network)

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


def test_twenty_modules_join_and_survive_the_loss_of_seven(modules):
    bootstrapper = free_address()
    network = [modules.module(p2p_address=address, bootstrapper=bootstrapper, degree=6,
                              pow_bits=12)
               for address in (bootstrapper, *free_addresses(19))]
    wait_until(lambda: one_piece(network), 60, "a connected view")
    audience = Audience(network)
    modules.ends.append(audience)
    wait_until(lambda: all(module.subscriptions.count() == 1 for module in network))
    audience.announce(network, "first")
    victims, rest = network[:7], network[7:]
    for module in victims:
        module.output.finish()
        module.hang_up()
    for module in victims:
        modules.end(module)
    wait_until(lambda: one_piece(rest), 60, "the rest to be connected")
    audience.announce(rest, "second")
    audience.announce(rest, "third")
    assert audience.told_once(network, "first") and audience.told_once(rest, "second")


def test_the_experiment_of_one_command(tmp_path):
    with Program("runner.py", "module", "--peers", 8, "--pow-bits", 10, "--once", "--outputs",
                 tmp_path, "--base-port", free_range(16)) as program:
        code, out, err = program.finish(timeout=180)
    rows = [line.split()[:2] for line in out.splitlines() if " holds " in line]
    assert (code, err, [name for name, _ in rows]) == (0, "", ["view", "broadcast"] * 2), out


def test_the_experiment_fails_when_something_is_not_told(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(voidphone_experiment, "DELIVER_LIMIT", 0.3)
    monkeypatch.setattr(voidphone_experiment, "STILL", 0.1)
    monkeypatch.setattr(voidphone_experiment, "End",
                        lambda: types.SimpleNamespace(pause=time.sleep))
    monkeypatch.setattr(voidphone_experiment.Experiment, "_count", lambda self, number, data: 0)
    args = types.SimpleNamespace(outputs=tmp_path, base_port=free_range(6), peers=3, degree=3,
                                 pow_bits=4)
    assert voidphone_experiment.run_experiment(args) == 1
    assert "broadcast  FAILS  0 of 6 told once, 6 not" in capfd.readouterr().out


def test_the_experiment_says_so_when_a_module_cannot_start(tmp_path):
    base = free_range(6)
    with socket.create_server((LOCAL, base)), Program(
            "runner.py", "module", "--peers", 3, "--once", "--outputs", tmp_path,
            "--base-port", base) as program:
        code, _, err = program.finish(timeout=60)
    assert code == 1 and "module 0 did not start" in err
