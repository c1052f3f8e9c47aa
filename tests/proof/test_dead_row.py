"""The row about deaths: who dies is found, reported and removed, and nobody who lives; and what the
runner's scenario states is expected."""

import pytest

from grapevine.lab.pictures.report import timeline
from grapevine.lab.proof import check, deaths
from grapevine.lab.proof.disturbances import FAILS, HOLDS, UNCLEAR, YET
from grapevine.lab.proof.runs import Run
from tests.tools.stories import PAIR, SEED, THIRD, expect, tell

DIED = THIRD.format(last=18) + "\n 1.1 5003 joins 8080 \n 1.1 5001 joins 8080"
FOUND = """
    23.0 5001 finds 5003 dead
    23.0 5001 parts 5003 dead
"""
REPORTED = "\n 23.0 5001 reports 5003 to 8080"
REMOVED = "\n 24.0 8080 removed:@5003:dead"
ENDING = "23.2 5001 stopped:interrupted"


@pytest.mark.parametrize("story, verdict, why", [
    (FOUND + REPORTED + REMOVED, HOLDS, ""),
    ("", FAILS, "5003 died at 03:04:23, and its neighbour 127.0.0.1:5001 has not found it dead"),
    ("25 5001 parts 5003 told dead \n 25 5002 parts 5003 told dead", HOLDS, ""),
    ("25 5001 parts 5003 dead \n 25 5002 parts 5003 dead", FAILS, "5001 has not found it dead"),
    ("60 5001 late:40.000 \n 25 5002 parts 5003 told dead", UNCLEAR, "5001 was late by 40.0 s"),
    (FOUND + REPORTED, FAILS, "seed 127.0.0.1:8080 has not removed it"),
    (FOUND + FOUND.replace("5001", "5002") + REPORTED, FAILS, "has not removed it"),
    (FOUND + "\n 20 5001 unregistered:@8080:closed \n 26 5001 joins 8080", HOLDS, ""),  # in vain
    (FOUND + REMOVED, FAILS, "and has not reported it to seed 127.0.0.1:8080"),
    (FOUND + REPORTED + REMOVED.replace("24", "32"), HOLDS, ""),
    (FOUND + REPORTED + REMOVED.replace("24", "40"), FAILS, "has not removed it"),
    (FOUND + REPORTED + REMOVED + "\n 30 8080 registered:@5003", UNCLEAR,
     "has not removed it: a life that was listed at 03:04:35 has no file"),
    (FOUND.replace("23", "60") + REPORTED.replace("23", "60") + REMOVED.replace("24", "61"), FAILS,
     "5003 died at 03:04:23, and its neighbour 127.0.0.1:5002 has not found it dead"),
    (FOUND + REMOVED + "\n 23 5001 reported:@8081:Dead Node:@5003:1.0:@5001", FAILS,
     "and has not reported it to seed 127.0.0.1:8080"),
    (FOUND + REMOVED + "\n 23 5001 registered:@8080", FAILS, "and has not reported it to seed"),
    (ENDING + FOUND + REMOVED, FAILS, "and has not reported it to seed 127.0.0.1:8080"),
    (ENDING + FOUND + REPORTED + REMOVED, HOLDS, ""),
    (FOUND + REPORTED.replace("reports 5003 to", "reported:@8080:Dead Node:@5003:1.0:@5001 #")
     + REMOVED, FAILS, "and seed 127.0.0.1:8080 has not heard of it"),
    (FOUND + REPORTED + "\n 69 8080 late:46.500", UNCLEAR, "8080 was late by 46.5 s"),
    (FOUND + REPORTED + REMOVED + "\n 23 8080 dead report:Dead Node:@5003:1.000000:@5002", UNCLEAR,
     "reported dead to seed 127.0.0.1:8080 by 127.0.0.1:5002, which did not find it dead: another"),
    ("""30 8080 dead report:Dead Node:@5002:1.000000:@5001
        31 8080 rejected:Dead Node:@5002:1.000000:@5001:it answers""" + FOUND + REPORTED + REMOVED,
     HOLDS, ""),
    (FOUND + REPORTED + REMOVED + "\n 30 5001 reported:@8080:Dead Node:@5002:1.000000:@5001", FAILS,
     "5002 was reported dead to seed 127.0.0.1:8080 by 127.0.0.1:5001, which did not find it dead"),
    (FOUND + REPORTED + REMOVED + "\n 30 5002 reports 5003 to 8080 \n 0.6 5002 deaths:at once",
     HOLDS, ""),
    (FOUND + REPORTED + REMOVED + "\n 1.9 5002 reports 5003 to 8080 \n 0.6 5002 deaths:at once",
     HOLDS, ""),  # it begins
    (FOUND + REPORTED + REMOVED + "\n 15 5002 reports 5003 to 8080 \n 0.6 5002 deaths:at once",
     FAILS, "to seed 127.0.0.1:8080 by 127.0.0.1:5002, which did not find it dead"),
    (FOUND + REPORTED + REMOVED + "\n 30 8080 removed:@5003:gone:1.000:silent", FAILS,
     "seed 127.0.0.1:8080 removed 127.0.0.1:5003, which it did not list"),
    (FOUND + REPORTED + REMOVED + "\n 69.5 8080 removed:@5001:left", FAILS,
     "seed 127.0.0.1:8080 removed 127.0.0.1:5001 as one that left, which did not"),
    # another program of its host registered in its name, with a seed that it had not asked
    (FOUND + REPORTED + REMOVED + "\n 0 8081 starts \n 0.1 8081 lives until 70"
     "\n 30 8081 registered:@5001 \n 31 8081 removed:@5001:left", HOLDS, ""),
    # or that only its last life had asked; of a dead one nobody says goodbye
    *((FOUND + REPORTED + REMOVED + "\n 0 8081 starts \n 0.1 8081 lives until 70"
       "\n 1.1 5003 joins 8081 \n 30 5003 starts \n 30.1 5003 links 5001 \n 30.2 5003 joins 8080"
       "\n 30.2 5003 asks 5001 until 70" + more, verdict,
       "" if verdict == HOLDS else "removed 127.0.0.1:5003 as one that left, which did not")
      for more, verdict in (
          ("\n 24 8081 removed:@5003:dead \n 40 8081 registered:@5003"
           "\n 41 8081 removed:@5003:left", HOLDS),
          ("\n 41 8081 removed:@5003:left", FAILS), ("\n 24 8081 removed:@5003:left", FAILS))),
    (FOUND.replace("finds 5003 dead", "dead:@5003:0.1 \n 0.6 5001 deaths:at once") + REPORTED
     + REMOVED, HOLDS, ""),
    (FOUND.replace("finds 5003 dead", "dead:@5003:3.6") + REPORTED + REMOVED, FAILS,
     "5001 found 127.0.0.1:5003 dead without 3 misses in a row"),
    *((FOUND + REPORTED + REMOVED + f"\n {at} 5001 dead:@5003:3.6", FAILS,
       "5001 found 127.0.0.1:5003 dead without 3 misses in a row") for at in (20, 30)),
    (FOUND + REPORTED + REMOVED + "\n 22 5001 asks 5003", FAILS,
     "5001 found 127.0.0.1:5003 dead without 3 misses in a row")])
def test_who_dies_is_found_reported_and_removed(tmp_path, story, verdict, why):
    expect(verdict, why, deaths.dead, tmp_path, SEED, PAIR, DIED, story)


@pytest.mark.parametrize("said, monitor, verdict", [
    ("20 8080 disbelieved:@5001", "yes", HOLDS),
    ("20 8080 disbelieved:@5001", "no", FAILS),  # nobody says that where nobody is watched
    ("29 8080 disbelieved:@5001", "yes", FAILS),
    ("""0.7 8081 registered:@5001 \n 0.7 8081 registered:@5003
        20 8081 disbelieved:@5001""", "yes", FAILS)])  # which hears it of the other one
def test_a_seed_need_not_hear_whom_it_disbelieves(tmp_path, said, monitor, verdict):
    told = REPORTED.replace("reports 5003 to", "reported:@8080:Dead Node:@5003:1.0:@5001 #")
    expect(verdict, "" if verdict == HOLDS else "has not removed it", deaths.dead, tmp_path, SEED,
           PAIR, DIED, "0 8081 starts", FOUND + told, said, monitor=monitor)


@pytest.mark.parametrize("removed, heard, verdict", [
    (90, "", UNCLEAR), (90, "\n 23 8080 dead report:Dead Node:@5003:1.0:@5001", FAILS),
    (110, "", FAILS)])
def test_a_seed_that_another_could_not_tell_of_a_death_has_time_to_find_it_by_itself(
        tmp_path, removed, heard, verdict):
    why = "has not removed it" + ": seed 127.0.0.1:8081" * (verdict == UNCLEAR)
    expect(verdict, why, deaths.dead, tmp_path, SEED.replace("70", "120"),
           PAIR.replace("70", "120"), DIED.replace("5001 joins", "5002 joins"), FOUND,
           """0 8081 starts \n 0.05 8081 lives until 120
              1.1 5001 joins 8081 \n 1.1 5003 joins 8081
              23 5001 reports 5003 to 8081 \n 25 8081 removed:@5003:dead""",
           f"26 8081 not told:@8080:Connection timed out \n {removed} 8080 removed:@5003:gone",
           heard)


@pytest.mark.parametrize("heard, why", [
    ("", "there is no file of 127.0.0.1:8081"),
    ("0 8081 starts \n 0.1 8081 registered:@5001 \n 0.2 8081 lives until 23",
     "127.0.0.1:8081 ended")])
def test_a_seed_that_heard_of_a_death_may_have_told_no_other(tmp_path, heard, why):
    expect(UNCLEAR, f"8080 has not removed it: {why}", deaths.dead,
           tmp_path, SEED, PAIR, DIED.replace("5001 joins", "5002 joins"), FOUND,
           """0.1 8080 registered:@5001 \n 1.1 5001 registered:@8081
              23 5001 reported:@8081:Dead Node:@5003:1.0:@5001""", heard)


@pytest.mark.parametrize("others, begun, verdict", [
    (10, 0, FAILS), (110, 0, HOLDS), (110, -200, FAILS)])  # those had died long ago
def test_a_seed_needs_longer_to_remove_the_silent_when_many_have_died_together(
        tmp_path, others, begun, verdict):
    expect(verdict, "" if verdict == HOLDS else "has not removed it", deaths.dead, tmp_path, SEED,
           PAIR, DIED, FOUND + REPORTED + REMOVED.replace("24", "36"),
           *[f"{begun} {port} starts \n {begun + 1} {port} lives until {begun + 18}"
             for port in range(6001, 6001 + others)])


@pytest.mark.parametrize("stopped, verdict, why", [
    (24, UNCLEAR, "seed 127.0.0.1:8080 has not removed it (yet)"),
    (40, FAILS, "seed 127.0.0.1:8080 has not removed it")])
def test_a_seed_that_stops_owes_the_removal_of_who_was_found_dead_before(tmp_path, stopped, verdict,
                                                                         why):
    seed = f"0 8080 starts \n 0.05 8080 lives until {stopped - 1} \n {stopped} 8080 stopped:quit"
    expect(verdict, why, deaths.dead, tmp_path, seed, PAIR, DIED, FOUND + REPORTED)


@pytest.mark.parametrize("last", ["19", "21"])
def test_a_death_that_may_still_be_found_is_awaited(tmp_path, last):
    row = deaths.dead(tell(tmp_path, SEED.replace("70", last), PAIR.replace("70", last), DIED,
                           scenario="18.5 kill:@5003"))
    assert [words.endswith(YET) for words in row.details] == [True, True]
    assert row.verdict == UNCLEAR


@pytest.mark.parametrize("last, verdict", [(19, HOLDS), (21, UNCLEAR), (40, FAILS)])
def test_a_network_may_end_before_a_death_is_found(tmp_path, last, verdict):
    ends = "".join(f"\n {last + 0.6} {peer} stopped:quit" for peer in (5001, 5002))
    words = expect(verdict, "", deaths.dead, tmp_path, SEED, PAIR.replace("70", str(last)), DIED,
                   ends)
    assert words.endswith(YET) == (verdict == UNCLEAR), words


LIVES = THIRD.format(last=70) + "\n 1.1 5003 joins 8080 \n 1.1 5001 joins 8080" + REPORTED + """
    23.0 5001 parts 5003 dead
    20.4 5001 liveness missed:@5003:1
    21.4 5001 liveness missed:@5003:2
    22.4 5001 liveness missed:@5003:3
    23.0 5001 dead:@5003:3.6
"""


@pytest.mark.parametrize("story, verdict, why", [
    (LIVES, FAILS, "127.0.0.1:5001 found 127.0.0.1:5003 dead, which lived"),
    (LIVES + "\n 21.4 5003 liveness missed:@5001:1", UNCLEAR, "5003 missed an answer"),
    (LIVES + "\n 23.2 5003 late:3.500", UNCLEAR, "5003 was late by 3.5 s")])
def test_who_lives_is_not_found_dead_by_one_that_it_hears(tmp_path, story, verdict, why):
    expect(verdict, why, deaths.dead, tmp_path, SEED, PAIR, story)


@pytest.mark.parametrize("story, verdict", [
    *((f"30 8080 removed:@5003:{reason}", FAILS) for reason in (
        "gone", "dead", "left", "malicious:0.900")),  # nobody monitors
    ("30 8080 passed on:Dead Node:@5003:1.000000:@5001", FAILS),
    ("30 8080 removed:@5003:gone \n 31 5003 unregistered:@8080:silent \n 32 5003 joins 8080",
     HOLDS),
    ("30 8080 removed:@5003:gone \n 25 8080 lost:2", UNCLEAR),
    ("30 8080 removed:@5003:gone \n 55 5003 joins 8080 \n 70.5 5003 late:13.000", FAILS)])
def test_who_lives_and_is_removed_notices_it(tmp_path, story, verdict):
    expect(verdict, "" if verdict == HOLDS else "removed 127.0.0.1:5003, which lived",
           deaths.dead, tmp_path, SEED, PAIR, THIRD.format(last=70), "1.1 5003 joins 8080", story)


# The scenario.

@pytest.mark.parametrize("scenario, story, verdict, why", [
    ("18.5 kill:@5003", FOUND + REPORTED + REMOVED, HOLDS, ""),
    ("18.5 ended:@5003", FOUND + REPORTED + REMOVED, HOLDS, ""),
    ("", FOUND + REPORTED + REMOVED, FAILS, "5003 died at 03:04:23, and nobody had killed it"),
    ("18.5 failed:@5003", FOUND + REPORTED + REMOVED, FAILS, "nobody had killed it"),
    ("18.5 kill:@5003", "", FAILS, "5001 has not found it dead"),
    ("18.5 kill:@5003 \n 40 kill:@5001", FOUND + REPORTED + REMOVED, FAILS,
     "5001 was killed at 03:04:45, and went on"),
    ("18.5 kill:@5003 \n 40 kill:@8080", FOUND + REPORTED + REMOVED, FAILS,
     "8080 was killed at 03:04:45, and went on"),
    ("18.5 kill:@5003 \n 69 kill:@5001", FOUND + REPORTED + REMOVED + "\n 70.1 5001 stopped:quit",
     FAILS, "5001 was killed at 03:05:14, and went on"),
    ("18.5 kill:@5003 \n 64 kill:@5001", FOUND + REPORTED + REMOVED + "\n 70 5001 late:5.500",
     UNCLEAR, "and went on: 127.0.0.1:5001 was late by 5.5 s"),
    ("40 kill:@5003", FOUND + REPORTED + REMOVED, FAILS,
     "5003 was killed at 03:04:45, and was silent from 03:04:23 on"),
    ("18.5 freeze:@5003", "", FAILS, "5003 died at 03:04:23, and nobody had killed it: "
     "127.0.0.1:5003 was frozen at 03:04:23"),
    ("18.5 kill:@5003 \n 1 nonsense \n kill", FOUND + REPORTED + REMOVED, HOLDS, "")])
def test_what_a_scenario_states_is_expected(tmp_path, scenario, story, verdict, why):
    expect(verdict, why, deaths.dead, tmp_path, SEED, PAIR, DIED, story,
           scenario="0 start:@5001 \n 0 start:@5002 \n 0 start:@5003\n" + scenario)


@pytest.mark.parametrize("scenario, after", [
    ("", 6.0), ("18.5 kill:@5003", 5.5), ("40 kill:@5003", 5.0)])  # at most a round is silent
def test_a_death_is_told_from_the_kill_on(tmp_path, scenario, after):
    proof = tell(tmp_path, SEED, PAIR, DIED, FOUND + REPORTED + REMOVED, scenario=scenario)
    assert f"removed and reported after {after} s (median)" in deaths.dead(proof).figures
    (lane,) = [lane for lane in timeline(proof.records)[0] if lane.name == "peers died"]
    assert lane.moments == [pytest.approx(24.0 - after)]


def test_a_death_of_which_no_seed_has_heard_was_not_reported_at_once(tmp_path):
    proof = tell(tmp_path, SEED, PAIR, DIED, "18.2 8080 removed:@5003:gone:0.1:connection broke")
    assert deaths.dead(proof).figures == "1 died"


def test_who_was_linked_for_a_round_before_a_kill_has_to_be_found_dead(tmp_path):
    third = "11 5003 starts \n 12 5003 links 5001 \n 15 5003 asks 5001"
    expect(UNCLEAR, "its neighbour 127.0.0.1:5001 has not found it dead (yet)", deaths.dead,
           tmp_path, SEED, PAIR, third, scenario="24 kill:@5003", liveness_interval=10)


@pytest.mark.parametrize("lives, kills, killed", [
    ("1", "1", "1"), ("1 2", "2", "2 -"), ("1 1", "1", "1 -"), ("1 5", "1 5", "1 5"),
    ("1 5", "5 5", "5 5"), ("1 5", "7", "- 7")])
def test_each_kill_ends_one_life_also_in_the_moment_of_a_start(tmp_path, lives, kills, killed):
    runs = tell(tmp_path, *(f"{at} 5001 starts" for at in lives.split()),
                scenario="\n".join(f"{at} kill:@5001" for at in kills.split())).peers
    offset = runs[0].first - float(lives.split()[0])
    assert [run.killed and run.killed - offset for run in runs] == [
        None if at == "-" else float(at) for at in killed.split()]


def test_each_death_is_looked_up_and_not_all_lives_for_it(tmp_path, monkeypatch):
    proof, looks = tell(tmp_path, SEED, *[f"{5 + n / 5} {5001 + n} starts" for n in range(200)]), []
    told = Run.told
    monkeypatch.setattr(Run, "told", lambda *what: looks.append(what) or told(*what))
    assert deaths.dead(proof).figures == "200 died"
    assert len(looks) < 200 * 50


def test_damaged_lines_of_a_scenario_are_told(tmp_path):
    proof = tell(tmp_path, SEED, PAIR,
                 scenario="0 start:@5001 \n 1 nonsense \n kill \n 2 kill:@ \n 70 end")
    row = check.files(proof)
    assert row.verdict == UNCLEAR and row.details == ["3 damaged lines in scenario.txt"]


def test_a_scenario_tells_of_cuts_and_freezes_that_disturb(tmp_path):
    proof = tell(tmp_path, SEED, PAIR, THIRD.format(last=70),
                 scenario="10 cut:@5001 @5002 \n 20 mend:@5001 @5002 \n 30 freeze:@5003")
    one, third = proof.runs["127.0.0.1:5001"][0], proof.runs["127.0.0.1:5003"][0]
    assert [span.words for span in proof.trouble((one, third.address))] == [
        "127.0.0.1:5001 and 127.0.0.1:5003 were cut apart at 03:04:15"]
    assert proof.trouble((one, "127.0.0.1:5002")) == []
    assert [span.words for span in proof.trouble(third)] == [
        "127.0.0.1:5003 was frozen at 03:04:35"]
