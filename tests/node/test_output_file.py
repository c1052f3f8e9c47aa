"""The output file of a node: many threads write, and the file takes a line or does not; somebody
takes it away."""

import os
import shutil
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


class Clock:
    """A clock that a test sets, in seconds."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return int(self.seconds * 1e9)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "of a run" / "peer.txt"


@pytest.fixture
def running(path, clock):
    """The output file of a run that has written a line in its first second."""
    path.parent.mkdir()
    output = OutputFile(path, clock)
    output.begin("peer:127.0.0.1:5001", "a=b:start=77")
    output.write("before")
    yield output
    output.close()


def events(path):
    return [line[27:] for line in path.read_text().splitlines()]


BEGUN = ["started:peer:127.0.0.1:5001", "settings:a=b:start=77", "before"]
CONTINUED = "continued:peer:127.0.0.1:5001:77"


@pytest.mark.parametrize("before, lines", [
    ("", []), (f"{STAMP}peer list:\n", ["peer list:"]), (f"{STAMP}liveness req", ["liveness req"])])
def test_a_life_begins_with_a_line_of_its_own_behind_one_that_a_power_cut_tore(
        path, clock, before, lines):
    path.parent.mkdir()
    path.write_text(before)
    output = OutputFile(path, clock)
    output.begin("peer:127.0.0.1:5001", "a=b:start=77")
    output.close()
    assert events(path) == [*lines, *BEGUN[:2]]


@pytest.mark.parametrize("is_made", [False, True])
def test_a_file_that_was_renamed_is_begun_anew_within_a_second(running, clock, path, is_made):
    path.rename(path.with_suffix(".txt.1"))
    if is_made:
        path.touch()  # as logrotate does with `create`
    running.write("in the same second")
    clock.seconds = 1
    running.write("later")
    running.write("once more")
    assert events(path.with_suffix(".txt.1")) == [*BEGUN, "in the same second"]
    assert events(path) == [CONTINUED, "later", "once more"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are POSIX")
def test_a_pipe_is_never_begun_anew(path, clock):
    path.parent.mkdir()
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    output = OutputFile(path, clock)
    output.begin("peer:127.0.0.1:5001", "a=b:start=77")
    for clock.seconds in (1, 2, 3):
        output.write("later")
    output.close()
    told = os.read(reader, 100_000).decode().splitlines()
    os.close(reader)
    assert [line[27:] for line in told] == [*BEGUN[:2], *["later"] * 3]


def test_a_file_that_was_truncated_goes_on_at_its_beginning(running, clock, path):
    shutil.copy(path, path.with_suffix(".txt.1"))
    path.write_bytes(b"")
    running.write("in the same second")
    clock.seconds = 1
    running.write("later")
    clock.seconds = 2
    running.write("later still")
    assert events(path) == ["in the same second", CONTINUED, "later", "later still"]


def test_a_file_whose_folder_is_gone_loses_lines_and_tells_so_when_it_is_back(
        running, clock, path):
    shown = []
    running._subscriber = type("", (), {"show": lambda self, *said: shown.append(said[2])})()
    shutil.rmtree(path.parent)
    clock.seconds = 1
    running.write("lost", "lost")
    running.write("lost, too")
    assert running.dropped() == {"lines that could not be written": 3}
    path.parent.mkdir()
    running.write("in the same second")
    clock.seconds = 2
    running.write("back")
    assert events(path) == [CONTINUED, "lost:4 lines could not be written here", "back"]
    assert shown == [f"lost:lines cannot be written into {path}: No such file or directory; they "
                     "are counted", "lost\nlost", "lost, too", "in the same second", "back"]


def test_where_no_file_can_be_made_the_lines_go_on_in_the_renamed_one(running, clock, path):
    path.rename(path.with_suffix(".txt.1"))
    path.mkdir()
    clock.seconds = 1
    running.write("nowhere else")
    path.rmdir()
    running.write("in the same second")
    clock.seconds = 2
    running.write("back")
    assert events(path.with_suffix(".txt.1")) == [*BEGUN, "nowhere else", "in the same second"]
    assert events(path) == [CONTINUED, "back"] and running.dropped() == {}


def test_a_full_file_that_is_renamed_is_full_no_more(path, clock):
    path.parent.mkdir()
    output = OutputFile(path, clock, limit=1)
    output.begin("seed:127.0.0.1:8080", "seeds=1")
    output.write("x" * 2**20)
    output.write("left out")
    path.unlink()
    clock.seconds = 1.5
    output.finish("stopped:quit")
    output.close()
    assert events(path) == ["continued:seed:127.0.0.1:8080:0", "stopped:quit"]


def test_a_file_is_looked_for_once_a_second(running, path, clock, monkeypatch):
    looks = []
    monkeypatch.setattr("gossip.node.output_file.os.stat",
                        lambda path, look=os.stat, **how: looks.append(path) or look(path, **how))
    for tenth in range(1, 30):
        clock.seconds = tenth / 10
        running.write("line")
    assert looks.count(path) == 2
