"""How the lines of a folder are followed as they grow, and put in the order of time."""

import os

import pytest

from grapevine.lab.pictures import live_lines
from grapevine.lab.pictures.live_lines import LiveLines
from tests.tools.pictures import BEGIN, LATER, add, lines_of_folder, text

ONE, TWO = "127.0.0.1:5001", "127.0.0.1:5002"
SECOND, TICK = 1_000_000, 100_000


@pytest.fixture
def folder(tmp_path):
    add(tmp_path / "peer_127.0.0.1_5001.txt", text(0, f"started:peer:{ONE}"))
    add(tmp_path / "peer_127.0.0.1_5002.txt", text(0.5, f"started:peer:{TWO}"))
    return tmp_path


@pytest.fixture
def lines(folder):
    return LiveLines(folder)


def events(lines, now=LATER):
    return [(line.node, line.kind, line.rest) for line in lines.turn(now)]


@pytest.mark.parametrize("damaged", [
    b"\xff\xfe\x00\n", b"\n", b"2026-01-02 03:04:05.000000\n",
    b"2026-99-02 03:04:05.000000:dead:x\n",
    b"2026-01-02 03:04:05.00000x:dead:x\n", b"2026-01-02 03:04:05.000000:started:peer:nobody\n"])
def test_damaged_lines_end_nothing(folder, lines, damaged):
    add(folder / "peer_127.0.0.1_5001.txt", damaged, text(1, "dead:x"))
    assert events(lines)[-1] == (ONE, "dead", "x")


def test_lines_before_the_first_start_are_nobodys(folder, lines):
    add(folder / "peer_127.0.0.1_5003.txt", text(1, "dead:x"))
    add(folder / "peer_of_nobody", text(1, "started:peer:127.0.0.1:5004"))
    assert len(events(lines)) == 2


@pytest.mark.parametrize("before, after", [(["dead:x"], []), ([], ["dead:x", "dead:y"])],
                         ids=["shorter than before", "longer than before"])
def test_a_file_that_was_begun_anew_is_read_from_its_start(folder, lines, before, after):
    path = folder / "peer_127.0.0.1_5001.txt"
    add(path, text(1, *before))
    lines.turn(LATER)
    path.write_bytes(text(2, f"started:peer:{ONE}", *after))
    found = events(lines, LATER + TICK) + events(lines, LATER + 2 * TICK)
    assert [(node, kind) for node, kind, _ in found] == [
        (ONE, kind) for kind in (live_lines.VANISHED, "started", *["dead"] * len(after))]


def test_files_are_followed_that_come_later(folder, lines):
    lines.turn(LATER)
    add(folder / "seed_127.0.0.1_8080.txt", text(1, "started:seed:127.0.0.1:8080"))
    assert events(lines, LATER + TICK) == [
        ("127.0.0.1:8080", "started", "seed:127.0.0.1:8080")]


def test_lines_that_are_written_while_a_turn_reads_keep_their_times(folder, lines):
    add(folder / "peer_127.0.0.1_5001.txt", text(3600.03, "received:a"))
    add(folder / "peer_127.0.0.1_5002.txt", text(3600.02, "peer list:x", "generated:a"))
    assert len(lines.turn(LATER)) == 2
    assert [(line.at - LATER, line.kind) for line in lines.turn(LATER + SECOND)] == [
        (20_000, "generated"), (20_000, "peer list"), (30_000, "received")]


def test_lines_of_one_file_keep_their_order_when_its_clock_goes_back(folder):
    add(folder / "peer_127.0.0.1_5001.txt", text(9, "connected:x"), text(3, "disconnected:x"),
        text(4, "generated:a"), text(10, "dead:x"))
    add(folder / "peer_127.0.0.1_5002.txt", text(5, "dead:z"))
    found = [(line.kind, (line.at - BEGIN) // SECOND) for line in lines_of_folder(folder)][2:]
    assert found[0] == ("dead", 5) and found[-1] == ("dead", 10)
    assert [kind for kind, _ in found if kind.endswith("connected")] == [
        "connected", "disconnected"]


def test_a_clock_that_is_ahead_is_taken_for_this_moment(folder, lines):
    add(folder / "peer_127.0.0.1_5001.txt", text(7200, "dead:x"))
    assert len(lines.turn(LATER)) == 2
    assert [line.at for line in lines.turn(LATER + SECOND)] == [LATER]


def test_lines_that_come_too_late_are_not_waited_for(folder, lines):
    lines.turn(LATER)
    add(folder / "peer_127.0.0.1_5001.txt", text(3000, "dead:a"))
    add(folder / "peer_127.0.0.1_5002.txt", text(3601, "dead:b"))
    assert events(lines, LATER + 2 * SECOND)[1:] == [(TWO, "dead", "b")]
    add(folder / "peer_127.0.0.1_5001.txt", text(3599, "dead:c"), text(3600, "dead:d"))
    add(folder / "peer_127.0.0.1_5002.txt", text(3602, "dead:e"))
    late = LATER + 2 * SECOND - live_lines.HELD_BACK
    assert [(line.at, line.rest) for line in lines.turn(LATER + 3 * SECOND)] == [
        (late, "c"), (late, "d"), (LATER + 2 * SECOND, "e")]


def test_the_past_of_many_files_is_read_in_the_order_of_time(folder, monkeypatch):
    monkeypatch.setattr(live_lines, "TURN", 20)
    for second in range(1, 100):
        add(folder / f"peer_127.0.0.1_500{1 + second % 2}.txt", text(second, f"dead:{second}"))
    lines = LiveLines(folder)
    taken = lines.turn(LATER)
    assert lines.to_read() > 0
    while lines.to_read():
        taken += lines.turn(LATER)
    assert [int(line.rest) for line in taken if line.kind == "dead"] == list(range(1, 100))
    assert lines.to_read() == 0


def test_of_a_long_line_the_beginning_is_kept_also_while_it_grows(folder, lines):
    path = folder / "peer_127.0.0.1_5001.txt"
    add(path, text(1, "dead:" + "x" * 60_000)[:-1])
    lines.turn(LATER)
    add(path, b"y" * 60_000 + b"\n" + text(2, "dead:z"))
    told = [rest for _, kind, rest in events(lines) if kind == "dead"]
    assert [len(rest) < live_lines.LONGEST for rest in told] == [True, True] and told[1] == "z"


def test_what_is_no_file_is_not_waited_for(folder, lines):
    lines.turn(LATER)
    path = folder / "peer_127.0.0.1_5001.txt"
    path.unlink()
    os.mkfifo(path)
    assert events(lines, LATER + TICK) == [(ONE, live_lines.VANISHED, "")]
    with pytest.raises(OSError):
        live_lines.open_file(path)


def test_what_only_looks_like_a_file_ends_nothing(folder, lines):
    (folder / "peer_loop.txt").symlink_to("peer_loop.txt")
    (folder / "peer_nowhere.txt").symlink_to("none")
    (folder / "peer_zero.txt").symlink_to("/dev/zero")
    (folder / "peer_folder.txt").mkdir()
    (folder / "peer_memory.txt").symlink_to("/proc/self/mem")  # of which no byte can be read
    os.mkfifo(folder / "peer_fifo.txt")
    assert [kind for _, kind, _ in events(lines)] == ["started", "started"]


def test_what_comes_while_the_past_is_read_is_told_in_the_order_of_time(folder, lines,
                                                                        monkeypatch):
    monkeypatch.setattr(live_lines, "TURN", 20)
    growing, now = folder / "peer_127.0.0.1_5001.txt", LATER
    add(growing, text(1, *["dead:x"] * 400))
    found = lines.turn(now)
    for turn in range(15):
        assert lines.to_read() > 0
        add(growing, text(2, "dead:y"))
        add(folder / "peer_127.0.0.1_5003.txt", text(0, "started:peer:[::1]:1") * (turn == 0),
            text(3, "dead:z"))
        now += 10_000
        found += lines.turn(now)
    for _ in range(100):
        found += lines.turn(now)
    assert [line.at for line in found] == sorted(line.at for line in found)
    assert [line.rest for line in found if line.kind == "dead"] == (
        ["x"] * 400 + ["y"] * 15 + ["z"] * 15)
    assert lines.turn(now) == [] and lines.to_read() == 0
