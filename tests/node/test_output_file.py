"""The output file of a node: many threads write, and the file takes a line or does not."""

import threading

import pytest

from gossip.node.output_file import OutputFile

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


@pytest.fixture
def first(output, file):
    """A thread that is writing `first`."""
    first = started(output.write, "first")
    assert file.begun.acquire(timeout=30)
    return first


def started(target, *arguments):
    thread = threading.Thread(target=target, args=arguments)
    thread.start()
    return thread


def test_lines_of_many_threads_are_whole_and_each_is_in_the_file_when_its_call_returns(tmp_path):
    path = tmp_path / "an output file"
    output, missing = OutputFile(path, lambda: 0), []

    def write(name):
        for number in range(100):
            output.write(f"{name} {number}", f"{name} {number} again")
            if f"{STAMP}{name} {number}\n{STAMP}{name} {number} again\n" not in path.read_text():
                missing.append((name, number))

    threads = [started(write, name) for name in "abcd"]
    for thread in threads:
        thread.join(60)
    output.close()
    lines = path.read_text().splitlines()
    assert not missing and len(lines) == 800
    for name in "abcd":
        of_one = [line for line in lines if line.startswith(STAMP + name) and "again" not in line]
        assert of_one == [f"{STAMP}{name} {number}" for number in range(100)]


def test_the_last_word_stands_last_also_behind_what_is_being_written(output, file, first):
    ends = started(output.finish, "stopped")
    file.go_on.release(2)
    first.join(30)
    ends.join(30)
    assert not output.write("too late")
    assert file.writes == [f"{STAMP}first\n", f"{STAMP}stopped\n"]


def test_lines_that_are_lost_are_counted(output, file):
    file.full = True
    file.go_on.release(2)
    output.write("a", "b", "c")
    output.write("d")
    file.full = False
    file.go_on.release()
    output.write("again")
    assert file.writes == [f"{STAMP}lost:4 lines could not be written here\n{STAMP}again\n"]


def test_a_file_is_closed_only_when_what_is_being_written_is_in_it(output, file, first):
    file.close = lambda: file.writes.append("closed")
    closes = started(output.close)
    closes.join(0.1)
    file.go_on.release()
    first.join(30)
    closes.join(30)
    output.write("too late")
    assert file.writes == [f"{STAMP}first\n", "closed"]
