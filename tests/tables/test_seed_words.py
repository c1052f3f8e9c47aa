"""Seed words: one line for a peer that comes or goes, however many seeds tell of it."""

import pytest

from grapevine.addresses import address_of
from grapevine.terminal.seeds import GATHER, SeedWords

A, B, C = (address_of("127.0.0.1", port) for port in (8080, 8081, 8082))
FIVE = "127.0.0.1:5005"
GONE = f"removed:{FIVE}:gone:0.004:connection broke"
REPORT = f"Dead Node:{FIVE}:17.5:127.0.0.1:5001"


class Told:
    """What seeds have told, without the time."""

    def __init__(self):
        self.words = SeedWords(2, 3)
        self.lines = []
        self.now = 12.0

    def hear(self, *heard):
        for seed, event in heard:
            self._add(self.words.tell(f"10:11:{self.now:06.3f}", event, seed))

    def wait(self, seconds):
        self.now += seconds
        self._add(self.words.tell(f"10:11:{self.now:06.3f}"))

    def _add(self, sentences):
        self.lines += [f"{head} {text}" for _, head, text, _ in sentences]


@pytest.fixture
def told():
    return Told()


def come(told, *seeds):
    told.hear(*((seed, f"registered:{FIVE}") for seed in seeds))


def test_a_peer_comes_once_with_all_seeds_that_know_it(told):
    come(told, B, A)
    come(told, C)
    told.hear((A, "registered:127.0.0.1:4000"), (A, f"peer list:{FIVE}:1"))
    assert told.lines == ["+ 5005         known to 8080 8081"]
    assert told.words.prompt(80) == "3 seeds, 2 peers: 4000 5005"


def test_the_last_line_leaves_room_for_the_echo_of_ctrl_c(told):
    come(told, A, B)
    assert told.words.prompt(19) == "3 seeds, 1 peer: "
    assert told.words.prompt(23) == "3 seeds, 1 peer: 5005"


def test_a_peer_that_only_one_seed_knows_is_told_of_a_little_later(told):
    assert not told.words.is_waiting()
    come(told, A)
    told.wait(GATHER / 2)
    assert told.lines == [] and told.words.is_waiting()
    told.wait(GATHER / 2)
    assert told.lines == ["+ 5005         known to 8080"] and not told.words.is_waiting()


def test_a_peer_that_finds_more_seeds_later_is_told_of_again(told):
    come(told, A)
    told.wait(GATHER)
    come(told, A, B, B)
    come(told, C)
    assert told.lines == ["+ 5005         known to 8080", "+ 5005         known to 8080 8081"]


def test_a_peer_has_the_time_at_which_it_came(told):
    words = told.words
    words.tell("23:59:59.900", f"registered:{FIVE}", A)
    assert [at for at, *_ in words.tell("00:00:00.600")] == ["23:59:59"]


@pytest.mark.parametrize("reason, line, summary", [
    ("left", "- 5005 said goodbye", "1 left, 0 died"),
    ("gone", "- 5005 is gone: its connection has ended, or is silent", "0 left, 1 died"),
    ("dead", "x 5005 is dead: a peer has reported it, and it does not answer", "0 left, 1 died"),
    ("malicious:a:b", "x 5005 is shut out: malicious:a:b",
     "0 left, 0 died, 1 were shut out")])
def test_a_peer_goes_when_the_last_seed_removes_it(told, reason, line, summary):
    come(told, A, B)
    told.hear((A, GONE))
    assert len(told.lines) == 1 and told.words.prompt(80).endswith("1 peer: 5005")
    told.hear((B, f"removed:{FIVE}:{reason}"), (C, f"removed:{FIVE}:{reason}"))
    assert told.lines[1:] == [line]
    assert told.words.prompt(80) == "3 seeds, 0 peers"
    assert told.words.summary() == f"1 peer came, {summary}"


def test_a_goodbye_that_one_seed_has_heard_is_one(told):
    come(told, A, B)
    told.hear((A, f"removed:{FIVE}:left"), (B, GONE))
    assert told.lines[1:] == ["- 5005 said goodbye"]
    come(told, A, B)
    told.hear((A, GONE), (B, GONE))
    assert "5005 is gone" in told.lines[-1]
    assert told.words.summary() == "1 peer came, 0 left, 1 died"
    come(told, A, B)
    told.hear((A, f"removed:{FIVE}:left"), (B, f"removed:{FIVE}:malicious:a:b"))
    assert "5005 is shut out" in told.lines[-1]  # who says goodbye to one seed is not excused


def test_a_peer_that_goes_at_once_has_come_before(told):
    come(told, A)
    told.hear((A, f"removed:{FIVE}:left"))
    told.wait(9)
    assert told.lines == ["+ 5005         known to 8080", "- 5005 said goodbye"]


def test_a_death_is_reported_once_in_a_life(told):
    come(told, A, B)
    for _ in range(2):
        told.hear((A, f"dead report:{REPORT}"), (B, f"dead report:{REPORT}"))
    assert told.lines[1:] == ["x 5001 reports 5005 dead"]
    told.hear((A, f"rejected:{REPORT}:it answers"), (B, f"rejected:{REPORT}:it answers"),
              (A, f"dead report:{REPORT}"))
    assert told.lines[2:] == ["  5005 answers: it stays on the lists", "x 5001 reports 5005 dead"]


def test_reports_about_strangers_and_hostile_lines_are_not_told(told):
    told.hear((A, f"dead report:{REPORT}"), (A, "dead report:junk"), (A, "registered:junk"),
              (A, f"rejected:{REPORT}:neither"), (A, GONE), (A, ""))
    come(told, A, B)
    told.hear((A, f"dead report:Dead Node:{FIVE}:x"))
    assert len(told.lines) == 1


def test_what_goes_wrong_is_shown_as_it_is(told):
    told.hear((A, "failed:lookout:KeyError"), (A, f"refused:{FIVE}:full"),
              (A, f"refused:{A}:Too many open files"))
    assert told.lines == ["  seed 8080: failed:lookout:KeyError", "  seed 8080: Too many open files"]


def test_a_peer_of_another_machine_has_its_whole_name(told):
    come(told, A, B)
    told.hear((A, "registered:[::1]:5005"), (B, "registered:[::1]:5005"))
    assert told.lines[1] == "+ [::1]:5005   known to 8080 8081"
