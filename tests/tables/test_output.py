"""The output file: whole lines, everything printable, and what a full disk costs."""

import io

import pytest

from grapevine.output import Output, escape

STAMP = "1970-01-01 00:00:00.000000:"


class Disk:
    """A file on a disk with little room."""

    def __init__(self, room: int = 10**9, has_size: bool = True):
        self.data, self.room, self._has_size = b"", room, has_size
        self.is_closed = False

    def write(self, data: bytes) -> int:
        if not self.room:
            raise OSError("no space left on device")
        taken = data[:self.room]
        self.data, self.room = self.data + taken, self.room - len(taken)
        return len(taken)

    def truncate(self, size: int) -> None:
        if not self._has_size:
            raise OSError("a device")
        self.room += len(self.data) - size
        self.data = self.data[:size].ljust(size, b"\0")

    def tell(self) -> int:
        return len(self.data)

    def close(self) -> None:
        self.is_closed = True

    def events(self) -> list[str]:
        text = self.data.decode()
        assert not text or text.endswith("\n")
        lines = text.splitlines()
        assert all(line.startswith(STAMP) for line in lines)
        return [line[len(STAMP):] for line in lines]


def output_of(disk: Disk, show=None) -> Output:
    return Output(disk, show, clock=lambda: 0)


def test_events_are_lines_with_a_time_in_utc():
    file, times = io.BytesIO(), iter([0, 1_999_999, 1_500_000_000_123_456_789, 10**9])
    output = Output(file, clock=lambda: next(times))
    output.write("a", "b")
    output.write("c")
    output.write("d")
    output.write()
    output.write("e")
    assert file.getvalue().decode().splitlines() == [
        f"{STAMP}a", f"{STAMP}b", "1970-01-01 00:00:00.001999:c", "2017-07-14 02:40:00.123456:d",
        "1970-01-01 00:00:01.000000:e"]


def test_gossip_is_written_without_its_prefixes():
    disk = Disk()
    lines = [b"gmessage:1:x", "any:gmessage:2:\u00e4\x1b".encode()]
    output_of(disk).write_lines("received:A:", lines)
    assert disk.events() == ["received:A:gmessage:1:x", "received:A:gmessage:2:\u00e4\\x1b"]


def test_a_person_reads_what_happens_and_when_also_while_the_disk_is_full():
    shown = []
    output = output_of(Disk(0), shown.append)
    output.write("a\n", "late:1.000", "alive:13")
    output.write_lines("received:A:", [b"gmessage:1:x"])
    assert shown == ["00:00:00.000 a\\x0a", "00:00:00.000 received:A:gmessage:1:x"]


@pytest.mark.parametrize("text, shown", [
    ("plain ~!", "plain ~!"), ("\u00e4\u4e2d", "\u00e4\u4e2d"), ("a\nb\r\x1b\x7f", None),
    ("a\\n", "a\\\\n"), ("\u2028\x85\u00ad", "\\u2028\\x85\\xad"), ("\U000e0001", "\\U000e0001"),
    ("\udc80", "\\udc80"), ("\u202e", "\\u202e"), ("\\\u2028\u00e4", "\\\\\\u2028\u00e4")])
def test_what_is_not_printable_is_shown_as_its_code(text, shown):
    assert escape(text) == (shown or "a\\x0ab\\x0d\\x1b\\x7f")


# A full disk.

def test_a_full_disk_costs_lines_and_tells_how_many_when_there_is_room():
    disk = Disk(room=len(STAMP) + 9)
    output = output_of(disk)
    output.write("before")
    output.write("a", "b", "c")
    output.write("d")
    assert disk.events() == ["before"] and output.lost == 4
    disk.room = 1_000
    output.write("again", "and again")
    output.write("as usual")
    assert disk.events() == ["before", "lost:4", "again", "and again", "as usual"]
    assert output.lost == 0


def test_what_is_lost_is_told_where_nothing_else_fits():
    disk = Disk(room=len(STAMP) * 2 + len("before\nlost:1\n"))
    output = output_of(disk)
    output.write("before")
    output.write("much longer")
    output.write("as long as that")
    assert disk.events() == ["before", "lost:1"] and output.lost == 1


@pytest.mark.parametrize("refused, told", [([], []), (["c", "d"], ["lost:2"])])
def test_the_beginning_of_a_life_is_written_when_there_is_room(refused, told):
    disk = Disk(room=len(STAMP) + 7)
    output = output_of(disk)
    output.write("begins", "with this")
    for event in refused:
        output.write(event)
    disk.room = 1_000
    output.write("again")
    output.write("as usual")
    assert disk.events() == ["begins", "with this", *told, "again", "as usual"]


def test_a_device_without_a_size_keeps_the_part_that_it_took():
    disk = Disk(has_size=False)
    output = output_of(disk)
    output.write("before")
    disk.data, disk.room = b"", 5
    output.write("lost")
    disk.room = 99
    output.write("here")
    assert disk.data.decode() == f"{STAMP[:5]}{STAMP}lost:1\n{STAMP}here\n"


def test_a_file_that_somebody_has_emptied_gets_whole_lines_alone():
    disk = Disk()
    output = output_of(disk)
    output.write("before")
    disk.data, disk.room = b"", 5
    output.write("lost")
    disk.room = 99
    output.write("here")
    assert disk.events() == ["lost:1", "here"]


# The end.

def test_a_failure_may_be_told_when_the_file_is_closed():
    output = Output(io.BytesIO())
    output.write("first")
    output.close()
    output.failed("failed:x")
    assert output.lost == 1


def test_nothing_is_written_behind_the_last_word_but_failures():
    disk, shown = Disk(), []
    output = output_of(disk, shown.append)
    output.write("first")
    output.finish("stopped:quit")
    output.finish("stopped:again")
    output.write("late")
    output.write_lines("late:", [b"gmessage:"])
    output.failed("failed:x")
    output.write("late")
    assert disk.events() == ["first", "stopped:quit", "failed:x"] and len(shown) == 3
    output = output_of(disk)
    output.failed("failed:y")
    output.write("goes on")
    output.close()
    output.write("late")
    assert disk.is_closed and disk.events()[3:] == ["failed:y", "goes on"]
