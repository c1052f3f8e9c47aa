"""Attacks on the live page: files that are no output files, and what somebody puts into them."""

import json
import os

import pytest

from gossip.lab.experiments.network import Network
from gossip.lab.pictures import live_follow, live_lines
from gossip.lab.pictures.live_follow import KINDS, Follow, Story
from gossip.lab.pictures.live_requests import Gate, Refused, parsed_order
from gossip.terminal.command_line import CommandError
from tests.tools.live import BEGIN, LATER, Told, add, text

ONE, TWO = "127.0.0.1:5001", "127.0.0.1:5002"
STARTED = text(0, f"started:peer:{ONE}")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    add(folder / "peer_127.0.0.1_5001.txt", STARTED)
    return folder


def kinds(lines, now=LATER):
    return [line.kind for line in lines.turn(now)]


def test_what_only_looks_like_a_file_ends_nothing(folder, lines):
    (folder / "peer_loop.txt").symlink_to("peer_loop.txt")
    (folder / "peer_nowhere.txt").symlink_to("none")
    (folder / "peer_zero.txt").symlink_to("/dev/zero")
    (folder / "peer_folder.txt").mkdir()
    (folder / "peer_memory.txt").symlink_to("/proc/self/mem")  # of which no byte can be read
    os.mkfifo(folder / "peer_fifo.txt")
    assert kinds(lines) == ["started"]


def test_a_file_behind_a_symbolic_link_is_read_once(folder, lines, tmp_path):
    add(tmp_path / "elsewhere.txt", text(1, f"started:peer:{TWO}"))
    (folder / "peer_linked.txt").symlink_to(tmp_path / "elsewhere.txt")
    assert kinds(lines) == ["started", "started"]
    assert kinds(lines, LATER + 100_000) == []


def test_what_comes_while_the_past_is_read_is_told_in_the_order_of_time(folder, lines,
                                                                        monkeypatch):
    monkeypatch.setattr(live_lines, "SHARE", 256)
    monkeypatch.setattr(live_lines, "TURN", 256)
    growing, now = folder / "peer_127.0.0.1_5001.txt", LATER
    add(growing, text(1, *["dead:x"] * 400))
    found = lines.turn(now)
    for turn in range(30):
        assert lines.to_read() > 0
        add(growing, text(2, "dead:y"))
        add(folder / "peer_127.0.0.1_5002.txt", text(0, f"started:peer:{TWO}") * (turn == 0),
            text(3, "dead:z"))
        now += 10_000
        found += lines.turn(now)
    while len(found) < 462:
        found += lines.turn(now)
    assert [line.at for line in found] == sorted(line.at for line in found)
    assert [line.rest for line in found if line.kind == "dead"] == (
        ["x"] * 400 + ["y"] * 30 + ["z"] * 30)
    assert lines.turn(now) == [] and lines.to_read() == 0


def test_what_is_told_at_once_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(live_lines, "TURN", 2_000)
    monkeypatch.setattr(live_lines, "SHARE", 1_000)
    add(tmp_path / "peer_127.0.0.1_5001.txt", STARTED, text(1, *["registered:127.0.0.1:8080"] * 99))
    follow = Follow(tmp_path)
    follow.turn(LATER)
    assert follow.is_behind and follow.figures(LATER)["now"] == BEGIN + 1_000_000
    while follow.is_behind:
        follow.turn(LATER)
    told = b",".join(follow.log.read(0, 1 << 30)[0])
    assert told.count(b'"registered"') == 99


def test_links_that_come_and_go_without_an_end_take_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(live_follow, "FULL", 20_000)
    monkeypatch.setattr(live_lines, "TURN", 5_000)
    monkeypatch.setattr(live_lines, "SHARE", 5_000)
    add(tmp_path / "peer_127.0.0.1_5002.txt", text(0, f"started:peer:{TWO}", f"connected:{ONE}"))
    add(tmp_path / "peer_127.0.0.1_5001.txt", STARTED, text(1, f"connected:{TWO}"),
        text(2, *["connected:127.0.0.1:5003", "disconnected:127.0.0.1:5003:x"] * 2_000))
    follow = Follow(tmp_path)
    first = follow.log
    follow.turn(LATER)
    while follow.is_behind:
        follow.turn(LATER)
        assert follow.log.size < 30_000
    told = json.loads(b"[%s]" % b",".join(follow.log.read(0, 1 << 30)[0]))
    assert follow.log is not first
    now = [event[1:] for event in told]
    assert now[:3] == [["node", 0, "peer", ONE], ["node", 1, "peer", TWO],
                       ["node", 2, "peer", "127.0.0.1:5003"]]
    for number, other in ((0, 1), (1, 0)):
        assert ["state", number, "up"] in now and ["connected", number, other, ""] in now


def test_a_second_with_endless_kinds_of_steps_is_told_in_few_words(tmp_path):
    told, story = Told(tmp_path), Story()
    add(tmp_path / "peer_127.0.0.1_5001.txt", STARTED)
    told.states.node(ONE, BEGIN)
    found = [story.take([BEGIN, "stopped", 0, None, f"reason {n}"], told.states)
             for n in range(1_000)]
    assert sum(map(bool, found)) == KINDS
    assert story.due(BEGIN + 2_000_000) == []


def judge(gate, method, target):
    return gate.judge(f"{method} {target} HTTP/1.1\r\nHost: localhost:80\r\n\r\n".encode(), True)


def test_the_report_has_a_token_of_its_own_which_opens_nothing_else():
    gate = Gate(80)  # which browsers leave out
    gate.judge(f"GET {gate.page} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), True)
    assert judge(gate, "GET", gate.report) == ("report", 0)
    assert judge(gate, "GET", gate.page) == ("", 0)
    of_report = gate.report.removesuffix("report")
    for method, target in [("GET", gate.page + "report"), ("GET", of_report), ("GET", "/report"),
                           ("GET", of_report + "stream"), ("GET", of_report + "node/0"),
                           ("POST", of_report + "do"), ("GET", of_report + "report/")]:
        with pytest.raises(Refused) as refusal:
            judge(gate, method, target)
        assert refusal.value.status == 404, target


def test_an_order_in_another_encoding_is_no_json():
    body = json.dumps({"do": "say", "text": "\u4e00" * 1_000}, ensure_ascii=False).encode("utf-16")
    with pytest.raises(Refused) as refusal:
        parsed_order(body)
    assert refusal.value.status == 400


class FullNetwork(Network):
    """A network on a machine that has no room for one more process."""

    def __init__(self):
        pass

    def add_peer(self):
        raise BlockingIOError(11, "no room")

    def obey(self, word, address, text):
        raise CommandError("never") if word == "kill" else BlockingIOError(11, "no room")


def test_an_order_for_which_the_system_has_no_room_is_answered():
    full = FullNetwork()
    assert full.carry_out({"do": "add"}) == (409, "the system does not allow it: no room")
    assert full.carry_out({"do": "start", "node": ONE})[0] == 409
    assert full.carry_out({"do": "kill", "node": ONE}) == (409, "never")
