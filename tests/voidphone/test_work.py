"""The proof of work: the search without sockets, and the work that live modules do."""

import contextlib
import os
import signal
import threading

import pytest

from gossip.voidphone import messages, neighbours, work as module_work
from gossip.voidphone.work import EASY, NICE, find, is_work, search
from tests.tools.files import wait_event
from tests.tools.module_examples import NONCE
from tests.tools.module_words import still_there, view
from tests.tools.modules import ByteEnd, work_for
from tests.tools.processes import (
    children, descriptors, figures, living, module_process, own_niceness, seconds)
from tests.tools.programs import Program
from tests.tools.waiting import wait_until

# The search.

VECTOR = 0x1281846  # the smallest challenge with 24 bits for nonce 0


def wanted():
    return True


def test_the_test_vector_is_work():
    assert is_work(0, VECTOR, 24) and is_work(0, VECTOR, 0)
    assert not any(is_work(0, VECTOR - step, 24) for step in range(1, 1000))
    assert not is_work(1, VECTOR, 24) and not is_work(0, VECTOR, 30)
    most = next(bits for bits in range(24, 65) if not is_work(0, VECTOR, bits))
    assert all(not is_work(0, VECTOR, bits) for bits in range(most, 65))


def test_a_search_ends_just_before_the_test_vector():
    assert search(0, 24, VECTOR - 5000, 1, lambda: True) == VECTOR
    assert search(0, 24, VECTOR - 5000, 5, lambda: True) == VECTOR


@pytest.mark.parametrize("nonce, bits", [(0, 0), (0, 1), (5, 8), (NONCE, 12), (2**64 - 1, 12)])
def test_the_first_challenge_that_does_the_work_is_found(nonce, bits):
    assert find(nonce, bits, wanted) == work_for(nonce, bits)


def test_more_bits_are_searched_for_in_workers_that_end_with_the_search():
    before, descriptors_before = children(os.getpid()), descriptors()
    for nonce, bits in ((0, EASY + 1), (NONCE, 18)):
        assert is_work(nonce, find(nonce, bits, wanted), bits)
        assert children(os.getpid()) == before
    assert descriptors() == descriptors_before


class Searching:
    """A search that cannot be done, in a thread of its own."""

    def __init__(self):
        self.found: list[int | None] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: self.found.append(
            find(1, 64, lambda: not self._over.is_set())))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


def test_workers_are_one_per_core_and_nice_and_end_when_cancelled():
    before, fds = children(os.getpid()), descriptors()
    with Searching() as searching:
        wait_until(lambda: len(children(os.getpid()) - before) == os.cpu_count())
        workers = children(os.getpid()) - before
        wait_until(lambda: all(os.getpriority(os.PRIO_PROCESS, pid) == max(own_niceness(), NICE)
                               for pid in workers))
    assert searching.found == [None] and not living(workers) and descriptors() == fds


@pytest.mark.parametrize("bits", [EASY, 64])
def test_a_search_that_is_not_wanted_ends_at_once(bits):
    assert find(1, bits, lambda: False) is None and not children(os.getpid())


def test_a_worker_that_cannot_be_started_leaves_no_descriptor(monkeypatch):
    before = descriptors()
    monkeypatch.setattr("gossip.voidphone.work.sys.executable", "/no/such/python")
    with pytest.raises(OSError):
        find(1, 64, wanted)
    assert descriptors() == before


def test_workers_end_when_their_parent_is_killed():
    script = "from gossip.voidphone.work import find; find(1, 64, lambda: True)"
    with Program("-c", script, preexec_fn=lambda: os.nice(3)) as program:
        wait_until(lambda: len(children(program.process.pid)) == os.cpu_count())
        workers = children(program.process.pid)
        expected = max(NICE, min(19, own_niceness() + 3))  # not 3 + NICE
        wait_until(lambda: all(
            os.getpriority(os.PRIO_PROCESS, pid) == expected for pid in workers))
        program.process.send_signal(signal.SIGKILL)
        program.process.wait(10)
        wait_until(lambda: not living(workers), what="the workers to end")


def test_easy_work_is_done_in_a_thread_and_hard_work_in_processes(monkeypatch):
    challenge = find(5, 18, wanted)
    assert is_work(5, challenge, 18)
    monkeypatch.delattr(module_work.subprocess, "Popen")
    assert is_work(5, find(5, 16, wanted), 16)
    with pytest.raises(AttributeError):
        find(5, 17, wanted)


# In a module.


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
    assert not living(workers)


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
        wait_until(lambda: not living(workers))


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


def test_when_a_search_ends_without_a_result_its_place_is_free_again(modules, monkeypatch):
    monkeypatch.setattr(neighbours, "find", lambda *search: None)
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address)
    end = acceptor.accept()
    end.say(messages.VerificationRequest(1))
    assert end.hear_kind("hello") and end.hear_end()
    wait_event(module, f"refused:{acceptor.address}:the search for its work")
    assert acceptor.accept()  # it is dialled again
