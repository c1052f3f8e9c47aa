"""The output file of a node: many threads write, and the file takes a line or does not."""

import threading

import pytest

from gossip.node.output_file import OutputFile
from tests.tools.waiting import wait_until

STAMP = "1970-01-01 00:00:00.000000:"


class SlowFile:
    """A file in which each write waits until the test lets it go on."""

    def __init__(self):
        self.writes = []
        self.full = False  # the next write fails
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def write(self, data):
        self.begun.release()
        assert self.go_on.acquire(timeout=30)
        if self.full:
            raise OSError("full")
        self.writes.append(data.decode())
        return len(data)


@pytest.fixture
def file():
    return SlowFile()


@pytest.fixture
def output(file):
    return OutputFile("an output file", lambda: 0, file=file)


def writes_begin(output, *events):
    """One thread for each event; they wait in this order."""
    threads = []
    for number, event in enumerate(events, start=1):
        threads.append(threading.Thread(target=output.write, args=(event,)))
        threads[-1].start()
        wait_until(lambda: len(output._turns) == number)
    return threads


@pytest.fixture
def waiting(output, file):
    """A thread writes `first`; behind it wait those that write b, c and d."""
    first = threading.Thread(target=output.write, args=("first",))
    first.start()
    assert file.begun.acquire(timeout=30)
    return first, writes_begin(output, "b", "c", "d")


def test_who_writes_meanwhile_waits_and_is_written_together_with_all_others(file, waiting):
    first, others = waiting
    file.go_on.release()
    first.join(30)
    assert file.begun.acquire(timeout=30)
    assert [thread.is_alive() for thread in (first, *others)] == [False, True, True, True]
    file.go_on.release()
    for thread in others:
        thread.join(30)
    assert file.writes == [f"{STAMP}first\n", f"{STAMP}b\n{STAMP}c\n{STAMP}d\n"]


def test_the_last_word_stands_last_whoever_waits_before_it(output, file, waiting):
    ends = threading.Thread(target=output.finish, args=("stopped",))
    ends.start()
    wait_until(lambda: len(output._turns) == 4)
    assert not output.write("too late")
    file.go_on.release(2)
    for thread in (waiting[0], *waiting[1], ends):
        thread.join(30)
    assert "".join(file.writes).endswith(f"d\n{STAMP}stopped\n")


def test_lines_that_were_to_be_written_together_are_counted_when_they_are_lost(output, file,
                                                                               waiting):
    file.full = True
    file.go_on.release(2)
    for thread in (waiting[0], *waiting[1]):
        thread.join(30)
    file.full = False
    file.go_on.release()
    output.write("again")
    assert file.writes == [f"{STAMP}lost:4 lines could not be written here\n{STAMP}again\n"]


def test_a_file_is_closed_only_when_what_waits_is_written(output, file, waiting):
    closes = threading.Thread(target=output.close)
    file.close = lambda: file.writes.append("closed")
    closes.start()
    file.go_on.release(2)
    for thread in (waiting[0], *waiting[1], closes):
        thread.join(30)
    assert file.writes == [f"{STAMP}first\n", f"{STAMP}b\n{STAMP}c\n{STAMP}d\n", "closed"]
