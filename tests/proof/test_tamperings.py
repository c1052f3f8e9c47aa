"""Tamperings: files of an honest network that were changed by hand fail the check, which names who
is concerned and what is wrong; untouched, they pass."""

import datetime

import pytest

from grapevine.lab.proof import check
from grapevine.lab.proof.disturbances import FAILS, HOLDS, UNCLEAR
from grapevine.lab.proof.records import Records
from grapevine.terminal.folders import SCENARIO
from tests.tools.folders import files_of, write_files

NETWORK = """schedule 7 seeds=3 capacity=fixed:3 gossip-count=20 gossip-interval=0.5 {}
0.000 start 127.0.0.1:4000 127.0.0.1:4001 127.0.0.1:4002
1.000 start 127.0.0.1:5000 127.0.0.1:5001 127.0.0.1:5002
1.000 start 127.0.0.1:5003 127.0.0.1:5004 127.0.0.1:5005
20.000 kill 127.0.0.1:5005""".format("liveness-interval=1 antientropy-interval=2 unrest=60")
LINES, GROUP = 400, 20  # received lines that are tampered with; at once
LATER = 1.5  # seconds


class Tampered:
    """The files of the network, in which one peer was killed, while they are changed."""

    def __init__(self, files, folder):
        self.files, self.folder = {name: list(lines) for name, lines in files.items()}, folder
        runs = self.records().peers
        self.dead = next(address for run in runs for _, address, _ in run.found_dead)
        self.finder = next(run.address for run in runs if any(
            death.peer == self.dead for death in run.found_dead))
        self.died = next(stamp(run.last) for run in runs if run.address == self.dead)
        living = [run for run in runs if run.address not in (self.dead, self.finder)]
        self.run, self.other = living[0], living[1].address
        self.one, self.seeds = self.run.address, sorted(self.run.words)

    def records(self):
        return Records(write_files(self.files, self.folder)).refresh()

    def of(self, node):
        return next(lines for name, lines in self.files.items()
                    if name.endswith(f"_{node.replace(':', '_')}.txt"))

    def drop(self, node, *starts):
        lines = self.of(node)
        lines[:] = [line for line in lines if not line[1].startswith(starts)]

    def insert(self, node, at, *events):
        """Let a node write something right after that time."""
        lines = self.of(node)
        lines[:] = sorted([*lines, *((at, event) for event in events)], key=lambda line: line[0])

    def first(self, node, start):
        """The time of a node's first event that begins so, and the event."""
        return next(line for line in self.of(node) if line[1].startswith(start))

    def replace(self, node, start, *events):
        """Let other events stand where a node's first event stands that begins so."""
        lines, line = self.of(node), self.first(node, start)
        lines[lines.index(line)] = (line[0], events[0])
        self.insert(node, line[0], *events[1:])
        return line[1]

    def touched(self):
        """When a peer last had a sign of life of `one`, long before the end; a seed of both."""
        last = stamp(self.run.last - LATER)
        return max((at, seed) for run in self.records().peers
                   if run.address not in (self.one, self.dead)
                   for at, event in self.of(run.address) for seed in run.words
                   if event.startswith(f"liveness reply:{self.one}:") and at < last
                   and seed in self.seeds)


def stamp(seconds):
    """A time as output files have it."""
    at = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"


def later(at, seconds):
    moved = datetime.datetime.fromisoformat(at) + datetime.timedelta(seconds=seconds)
    return f"{moved:%Y-%m-%d %H:%M:%S.%f}"


def message_of(event):
    return ":".join(event.split("gmessage:")[1].split(":")[1:5])


@pytest.fixture(scope="module")
def files():
    return files_of(NETWORK, until=60.0)


def failing(records):
    return {row.name: row.details for row in check.prove(records) if row.verdict == FAILS}


def test_untouched_files_pass_the_check(files, tmp_path):
    verdict, text = check.check_folder(write_files(files, tmp_path))
    assert verdict == HOLDS, text


# Each of 400 lines `received:`.

def deleted(at, event):
    return [], "broadcast", "{message} did not reach {peer}"


def doubled(at, event):
    return [(at, event)] * 2, "once", "{peer} received or generated {message} more than once"


def moved(at, event):
    """To a time before the message was generated, beyond any difference of clocks."""
    return [(later(at, -LATER), event)], "latency", "{message} reached {peer} 1."


def changed(at, event):
    return [(at, event + "!")], "broadcast", "{message} reached {peer} altered"


def from_a_stranger(at, event):
    line = event.partition(":gmessage:")[2]
    return ([(at, f"received:127.0.0.9:5000:gmessage:{line}")], "broadcast",
            "{message} came to {peer} from 127.0.0.9:5000, which was no neighbour")


@pytest.mark.parametrize("tamper", [deleted, doubled, moved, changed, from_a_stranger])
def test_each_received_line_that_is_tampered_with_is_named(files, tmp_path, tamper):
    lines = [(name, number) for name, lines in files.items()
             for number, (at, event) in enumerate(lines) if event.startswith("received:")
             and int(message_of(event).rpartition(":")[2]) > 4]  # others are near the start
    assert len(lines) >= LINES
    for group in range(LINES // GROUP):
        changed_files = {name: list(lines) for name, lines in files.items()}
        expected = set()
        for name, number in sorted(lines[group:LINES:LINES // GROUP], reverse=True):
            at, event = files[name][number]
            instead, row, words = tamper(at, event)
            changed_files[name][number:number + 1] = instead
            changed_files[name].sort(key=lambda line: line[0])
            peer = name.removeprefix("peer_").removesuffix(".txt").replace("_", ":")
            expected.add(words.format(message=message_of(event), peer=peer))
        found = failing(Records(write_files(changed_files, tmp_path)).refresh())
        assert len(expected) == GROUP and row in found
        for words in expected:
            assert any(detail.startswith(words) for detail in found[row]), words


@pytest.mark.parametrize("seconds", [-60, -4, 4, 60])
def test_a_line_that_was_moved_but_stands_where_it_was_fails_the_check(files, tmp_path, seconds):
    for name, lines in files.items():
        for number in range(20, len(lines) - 2, len(lines) // 3):
            changed_files = {name: list(lines) for name, lines in files.items()}
            at, event = lines[number]
            changed_files[name][number] = (later(at, seconds), event)
            found = failing(Records(write_files(changed_files, tmp_path)).refresh())
            assert any("stands in the file of" in words for words in found["files"]), (name, at)


# Other lines.

def assert_named(tampered, row, words):
    found = failing(tampered.records())
    assert any(words in detail for detail in found.get(row, [])), found
    assert check.check_folder(tampered.folder)[0] == FAILS


@pytest.mark.parametrize("node, start, row, words", [
    ("one", "liveness request:", "liveness", "{one} asked its neighbours in 0 rounds of"),
    ("finder", "liveness missed:{dead}:2", "dead",
     "{finder} found {dead} dead without 3 misses in a row"),
    ("seeds", "dead report:", "dead", "has not heard of it"),
    ("seeds", "removed:{dead}", "dead", "has not removed it"),
    *(("one", start, "registered", "{one} was never registered with 2 seeds at once")
      for start in ("registered:", "registered:{seeds[0]}"))])
def test_lines_that_are_dropped_fail_the_check_and_are_named(files, tmp_path, node, start, row,
                                                             words):
    tampered = Tampered(files, tmp_path)
    for each in tampered.seeds if node == "seeds" else [getattr(tampered, node)]:
        tampered.drop(each, start.format(**vars(tampered)))
    assert_named(tampered, row, words.format(**vars(tampered)))


def a_death_not_reported(files):
    seed = files.first(files.finder, "reported:")[1].split(":Dead Node")[0][len("reported:"):]
    files.drop(files.finder, f"reported:{seed}")
    return "dead", f"{files.finder} found {files.dead} dead, and has not reported it to seed {seed}"


def a_seed_that_removes_one_that_lives(files):
    at, seed = files.touched()
    files.insert(seed, at, f"removed:{files.one}:gone:5.000:connection broke")
    return "dead", f"seed {seed} removed {files.one}, which lived"


def all_seeds_that_remove_one_that_lives(files):
    for seed in files.seeds:
        files.insert(seed, files.died, f"removed:{files.one}:left")
    return "dead", f"removed {files.one}, which lived"  # by who listed it then


def a_peer_that_calls_one_dead_that_lives(files):
    files.insert(files.other, files.died,
                 *(f"liveness missed:{files.one}:{count}" for count in (1, 2, 3)),
                 f"dead:{files.one}:0.000")
    return "dead", f"{files.other} found {files.one} dead, which lived"


def a_message_that_nobody_generated(files):
    _, event = files.first(files.other, "generated:")
    files.drop(files.other, event)
    return "broadcast", f"{message_of(event)} was received, but no file tells who generated it"


def generated_twice(files):
    _, event = files.first(files.one, "generated:")
    files.replace(files.one, event, event, event)
    return "once", f"{files.one} received or generated {message_of(event)} more than once"


def a_link_that_never_was(files):
    source = files.first(files.one, "received:")[1].split(":gmessage:")[0][len("received:"):]
    files.drop(files.one, f"connected:{source}", f"disconnected:{source}")
    return "broadcast", f"from {source}, which was no neighbour"


def a_link_that_ended_before(files):
    at, event = files.first(files.one, "connected:")
    neighbour = event[len("connected:"):]
    files.insert(files.one, later(at, 0.1), f"disconnected:{neighbour}:full:here")
    return "broadcast", f"from {neighbour}, which was no neighbour"


def a_peer_that_seemed_to_leave(files):
    at, event = next(line for line in files.of(files.one) if line[1].startswith("received:")
                     and line[0] < files.died)
    files.replace(files.one, event, f"leaving:{files.one}")
    return "broadcast", f"{message_of(event)} did not reach {files.one}"


def two_that_name_each_other_as_source(files):
    for node, source in ((files.one, files.other), (files.other, files.one)):
        files.of(node)[:] = [
            (at, f"received:{source}:gmessage:{event.partition(':gmessage:')[2]}"
             if event.startswith("received:") and f":{files.dead}:" in event else event)
            for at, event in files.of(node)]
    return "broadcast", f"{files.one} from {files.other}, and no file tells how it came there"


def a_thread_that_failed(files):
    files.insert(files.one, files.died, "failed:reader:ValueError")
    return "threads", f"{files.one}: reader:ValueError"


def a_kill_that_the_runner_does_not_state(files):
    files.files[SCENARIO] = [line for line in files.files[SCENARIO] if "kill" not in line[1]]
    return "dead", f"{files.dead} died at {files.died[11:19]}, and nobody had killed it"


def a_stated_kill_of_one_that_lives(files):
    files.files[SCENARIO].append((files.died, f"kill:{files.one}"))
    return "dead", f"{files.one} was killed at {files.died[11:19]}, and went on"


def a_kill_that_is_stated_too_late(files):
    files.files[SCENARIO] = [(later(at, 20 * event.startswith("kill")), event)
                             for at, event in files.files[SCENARIO]]
    return "dead", f"and was silent from {files.died[11:19]} on"


@pytest.mark.parametrize("tamper", [
    a_death_not_reported, a_seed_that_removes_one_that_lives, all_seeds_that_remove_one_that_lives,
    a_peer_that_calls_one_dead_that_lives, a_message_that_nobody_generated, generated_twice,
    a_link_that_never_was, a_link_that_ended_before, a_peer_that_seemed_to_leave,
    two_that_name_each_other_as_source, a_thread_that_failed,
    a_kill_that_the_runner_does_not_state, a_stated_kill_of_one_that_lives,
    a_kill_that_is_stated_too_late])
def test_a_tampering_fails_the_check_and_is_named(files, tmp_path, tamper):
    tampered = Tampered(files, tmp_path)
    assert_named(tampered, *tamper(tampered))


# Files that are missing, or lack lines.

def a_peer_without_a_beginning(files):
    files.drop(files.one, "started:")
    return f"there is no file of {files.one}"


def a_second_life_whose_first_has_no_beginning(files):
    files.drop(files.one, "started:")
    files.of(files.one).append((later(files.of(files.one)[-1][0], 1), f"started:peer:{files.one}"))
    return f"the file of {files.one} lacks its beginning"


def a_seed_without_a_file(files):
    seed = files.first(files.dead, "registered:")[1][len("registered:"):]
    files.of(seed).clear()
    return f"there is no file of {seed}"


@pytest.mark.parametrize("tamper", [
    a_peer_without_a_beginning, a_second_life_whose_first_has_no_beginning, a_seed_without_a_file])
def test_a_file_that_is_missing_or_lacks_lines_is_named_and_nothing_holds_by_that(files, tmp_path,
                                                                                  tamper):
    tampered = Tampered(files, tmp_path)
    words = tamper(tampered)
    rows = {row.name: row for row in check.prove(tampered.records())}
    assert rows["files"].verdict == UNCLEAR
    assert any(words in detail for detail in rows["files"].details), rows["files"]
