"""Proof of work: what a node searches for itself, and what processes search for."""

import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from grapevine.voidphone import work
from grapevine.voidphone.work import EASY, NICE, Search, find, is_work
from tests.tools.programs import ROOT, wait_until
from tests.tools.voidphone import work_for

VECTOR = 0x1281846  # the smallest challenge with 24 bits for nonce 0
CORES = os.cpu_count() or 1


def children(pid: int) -> set[int]:
    """Return the processes that a process has started, and that have not ended."""
    files = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for file in files for child in file.read_text().split()
            if is_living(int(child))}


def is_living(pid: int) -> bool:
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def begun(nonce: int, bits: int) -> Search:
    search = Search(nonce, bits)
    assert not search.is_over()
    return search


def done(search: Search) -> int | None:
    wait_until(search.is_over, 60.0)
    search.stop()
    return search.challenge


def test_the_test_vector_is_work_and_none_just_before_it_is():
    assert is_work(0, VECTOR, 24) and is_work(0, VECTOR, 0)
    assert not is_work(1, VECTOR, 24) and not is_work(0, VECTOR, 30)
    assert find(0, 24, range(VECTOR - 5000, VECTOR + 1)) == VECTOR
    assert find(0, 24, range(VECTOR - 5000, VECTOR)) is None


@pytest.mark.parametrize("nonce, bits", [(0, 0), (0, 1), (5, 8), (2**64 - 1, 12)])
def test_easy_work_is_found_slice_by_slice_without_a_process(nonce, bits, monkeypatch):
    monkeypatch.setattr(work, "SLICE", 100)
    search, looks, threads = Search(nonce, bits), 1, threading.active_count()
    while not search.is_over():
        looks += 1
    assert search.challenge == work_for(nonce, bits) and looks == search.challenge // 100 + 1
    assert threading.active_count() == threads


def test_hard_work_is_done_by_nice_processes_that_end_with_the_search():
    search = Search(0, EASY + 1)
    assert is_work(0, done(search), EASY + 1)
    search.thread.join(10.0)
    assert not search.thread.is_alive() and not children(os.getpid())


def test_processes_end_when_the_search_is_stopped():
    search = begun(1, 64)
    wait_until(lambda: len(children(os.getpid())) == CORES)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    wait_until(lambda: all(os.getpriority(os.PRIO_PROCESS, pid) == max(own, NICE)
                           for pid in children(os.getpid())))
    search.stop()
    search.thread.join(10.0)
    assert not search.thread.is_alive() and not children(os.getpid())


def test_processes_that_are_killed_from_outside_are_a_failure():
    search = begun(1, 64)
    for pid in wait_until(lambda: len(children(os.getpid())) == CORES and children(os.getpid())):
        os.kill(pid, signal.SIGKILL)
    assert done(search) is None
    assert search.failure == "the search for its work ended without a result"
    search.thread.join(10.0)


def test_a_process_that_cannot_be_started_is_a_failure(monkeypatch):
    monkeypatch.setattr(work.sys, "executable", "/no/such/python")
    search = Search(1, 64)
    assert done(search) is None and search.failure.startswith("no worker could be started: ")
    search.thread.join(10.0)


def test_processes_end_when_their_parent_is_killed():
    script = (f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
              "from grapevine.voidphone.work import Search\n"
              "search = Search(1, 64)\nsearch.is_over() or search.thread.join()")
    with subprocess.Popen([sys.executable, "-c", script]) as parent:
        try:
            started = wait_until(lambda: len(children(parent.pid)) == CORES
                                 and children(parent.pid))
        finally:
            parent.kill()
    wait_until(lambda: not any(map(is_living, started)))
