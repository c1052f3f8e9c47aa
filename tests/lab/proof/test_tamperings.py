"""Tamperings: files of an honest experiment that were changed by hand fail the check, which names
who is concerned and what is wrong; untouched, they pass."""

import datetime

import pytest

from gossip.lab.proof import check
from gossip.lab.proof.records import Records
from tests.tools.files import copy


FORM = "%Y-%m-%d %H:%M:%S.%f"


def shown(seconds):
    """A time as output files have it."""
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc):{FORM}}"


class Files:
    """The files of a small network, in which one peer was killed."""

    def __init__(self, folder):
        self.folder = folder
        runs = Records(folder).refresh().peers
        dead = {address for run in runs for address in run.dead}
        self.dead = min(dead)
        self.finder = next(run.address for run in runs if self.dead in run.dead)
        died = next(run.last for run in runs if run.address == self.dead)
        self.died = shown(died)
        living = [run for run in runs if run.address not in dead]
        self.one = min(run.address for run in living)
        self.other = next(run.address for run in living if run.address != self.one)
        self.run = next(run for run in living if run.address == self.one)
        self.seeds = sorted(self.run.registrations.words)

    def change(self, node, change):
        """Let a function change the list of a node's lines: (time, event)."""
        path = next(self.folder.glob(f"*_{node.replace(':', '_')}.txt"))
        lines = [(line[:26], line[27:]) for line in path.read_text().splitlines()]
        path.write_text("".join(f"{at}:{event}\n" for at, event in change(lines)))

    def drop(self, node, *starts):
        self.change(node, lambda lines: [line for line in lines if not line[1].startswith(starts)])

    def first(self, node, start):
        """The time of a node's first event that begins like that, and the event."""
        found = []
        self.change(node, lambda lines: found.extend(
            line for line in lines if line[1].startswith(start)) or lines)
        return found[0]

    def touched(self):
        """When a peer last had a sign of life of `one`, but for the end; a seed that lists both."""
        found, last = [], shown(self.run.last - 1.5)
        for run in Records(self.folder).refresh().peers:
            if run.address not in (self.one, self.dead):
                self.change(run.address, lambda lines, run=run: found.extend(
                    (at, seed) for at, event in lines for seed in run.registrations.words
                    if event.startswith(f"liveness reply:{self.one}:") and at < last
                    and seed in self.seeds) or lines)
        return max(found)

    def insert(self, node, at, *events):
        """Let a node write something right after that time."""
        self.change(node, lambda lines: sorted([*lines, *((at, event) for event in events)],
                                               key=lambda line: line[0]))


def no_requests(files):
    files.drop(files.one, "liveness request:")
    return "liveness", f"{files.one} asked its neighbours in 0 rounds of"


def no_misses_before_a_death(files):
    files.drop(files.finder, f"liveness missed:{files.dead}:2")
    return "dead", f"{files.finder} found {files.dead} dead without 3 misses in a row"


def a_death_not_reported(files):
    seed = files.first(files.finder, "reported:")[1].split(":Dead Node")[0][len("reported:"):]
    files.drop(files.finder, f"reported:{seed}")
    return "dead", f"{files.finder} found {files.dead} dead, and has not reported it to seed {seed}"


def a_peer_never_registered(files):
    files.drop(files.one, "registered:")
    return "registered", f"{files.one} was never registered with 2 seeds at once"


def a_peer_registered_with_one_seed(files):
    files.drop(files.one, f"registered:{files.seeds[0]}")
    return "registered", f"{files.one} was never registered with 2 seeds at once"


def a_seed_that_removes_one_that_lives(files):
    at, seed = files.touched()
    files.insert(seed, at, f"removed:{files.one}:gone")
    return "dead", f"seed {seed} removed {files.one}, which lived"


def all_seeds_that_remove_one_that_lives(files):
    for seed in files.seeds:
        files.insert(seed, files.died, f"removed:{files.one}:left")
    return "dead", f"removed {files.one}, which lived"  # by who listed it then


def a_peer_that_calls_one_dead_that_lives(files):
    files.insert(files.other, files.died,
                 *(f"liveness missed:{files.one}:{count}" for count in (1, 2, 3)),
                 f"dead:{files.one}")
    return "dead", f"{files.other} found {files.one} dead, which lived"


def received_before_it_was_generated(files):
    at, event = files.first(files.other, "generated:")
    later = f"{datetime.datetime.fromisoformat(at) + datetime.timedelta(seconds=1.5)}"
    files.drop(files.other, event)
    files.insert(files.other, later, event)
    message = ":".join(event.split(":")[3:7])
    return "latency", f"{message} reached"


def a_link_that_never_was(files):
    source = files.first(files.one, "received:")[1].split(":gmessage:")[0][len("received:"):]
    files.drop(files.one, f"connected:{source}", f"disconnected:{source}")
    return "broadcast", f"from {source}, which was no neighbour"


def two_that_name_each_other_as_source(files):
    for node, source in ((files.one, files.other), (files.other, files.one)):
        files.change(node, lambda lines: [
            (at, f"received:{source}:gmessage:{event.partition(':gmessage:')[2]}"
             if event.startswith("received:") and f":{files.dead}:" in event else event)
            for at, event in lines])
    return "broadcast", f"{files.one} from {files.other}, and no file tells how it came there"


def a_text_that_was_changed(files):
    at, event = files.first(files.one, "received:")
    files.drop(files.one, event)
    files.insert(files.one, at, event.replace("message ", "massage "))
    message = ":".join(event.split(":gmessage:")[1].split(":")[1:5])
    return "broadcast", f"{message} reached {files.one} altered"


def a_message_that_did_not_arrive(files):
    _, event = files.first(files.one, "received:")
    files.drop(files.one, event)
    message = ":".join(event.split(":gmessage:")[1].split(":")[1:5])
    return "broadcast", f"{message} did not reach {files.one}"


@pytest.mark.parametrize("tamper", [
    no_requests, no_misses_before_a_death, a_death_not_reported, a_peer_never_registered,
    a_peer_registered_with_one_seed, a_seed_that_removes_one_that_lives,
    all_seeds_that_remove_one_that_lives, a_peer_that_calls_one_dead_that_lives,
    received_before_it_was_generated, a_link_that_never_was, two_that_name_each_other_as_source,
    a_text_that_was_changed, a_message_that_did_not_arrive])
def test_a_tampering_fails_the_check_and_is_named(network, tmp_path, tamper):
    row, words = tamper(Files(copy(network, tmp_path)))
    failing = {row.name: row.details for row in check.prove(Records(tmp_path).refresh())
               if row.holds is False}
    assert any(words in detail for detail in failing.get(row, [])), failing
    assert not check.check_folder(tmp_path)[0]


def test_untouched_files_pass_the_check(network, tmp_path):
    holds, text = check.check_folder(copy(network, tmp_path))
    assert holds, text
