"""Each claim has three answers: it holds; it FAILS; or it is unclear, because the files tell of a
disturbance at the nodes and the time concerned, which is named."""

import pytest

from grapevine.lab.pictures.report import timeline
from grapevine.lab.proof import check, deaths, delivery
from grapevine.lab.proof.disturbances import (
    FAILS, HOLDS, UNCLEAR, YET, Span, judge, parts, quiet, shared)
from tests.tools.stories import PAIR, SEED, THREE, expect, tell

# The mechanism.


def test_a_window_is_cut_into_parts_outside_of_spans():
    spans = [(6, 7), (0, 2), (1, 3)]
    assert parts(1, 10, spans) == [(3, 6), (7, 10)] and quiet(1, 10, spans) == 6
    assert parts(1, 2, spans) == [] and parts(4, 5, []) == [(4, 5)]


def test_the_times_that_several_nodes_share_are_joined():
    assert shared([[(0, 4), (6, 9)], [(1, 7)], [(3, 8)]], 2) == [(1, 8)]
    assert shared([[(0, 4)], [(1, 7)], [(3, 8)]], 3) == [(3, 4)] and shared([], 1) == []


def test_times_of_a_node_that_overlap_count_once_and_none_ends_before_it_begins():
    assert shared([[(0, 4), (2, 9)]], 1) == [(0, 9)] and shared([[(0, 4), (2, 9)]], 2) == []
    assert shared([[(5, 1)], [(0, 9)]], 2) == [] and shared([[(5, 1), (3, 8)], [(0, 9)]], 2) == [
        (3, 8)]


@pytest.mark.parametrize("need, spans, verdict, why", [
    (4, [], FAILS, ""), (4, ["2-6"], FAILS, ""), (5, ["2-6"], UNCLEAR, ": 2-6"),
    (5, ["2-6", "0-1"], UNCLEAR, ": 2-6"), (5, ["20-26"], FAILS, ""), (11, [], UNCLEAR, f" {YET}"),
    (11, ["2-6"], UNCLEAR, f" {YET}")])
def test_a_claim_fails_if_what_is_left_of_its_window_suffices(need, spans, verdict, why):
    told = [Span(*map(float, text.split("-")), text) for text in spans]
    found = judge("it", 1.0, 9.0, need, told)
    assert found == (verdict, f"it{why}")


# Messages.

THIRD = """
    0.5 5003 starts
    1.0 5003 links 5001
    1.0 5003 links 5002
    2.0 5003 asks 5001 until {last}
    2.0 5003 asks 5002 until {last}
"""
SAID = "\n 30 5001 says 1 \n 30.1 5002 hears 5001/1 from 5001"


@pytest.mark.parametrize("last, more, verdict, why", [
    (70, "", FAILS, "127.0.0.1:5001:1:1 did not reach 127.0.0.1:5003"),
    (70, "30.2 5003 hears 5001/1 from 5002", HOLDS, ""),
    # it ended before, at the same time, or long after
    (29, "", HOLDS, ""), (30, "30.5 5003 stopped:quit", HOLDS, ""),
    (40, "41 5003 stopped:quit", FAILS, "did not reach"),
    # cut off: it missed answers, or its links broke, and it ended before they stood again
    (29, "31 5003 liveness missed:@5001:1 \n 31 5003 liveness missed:@5002:1 \n 33 5003 lives",
     UNCLEAR, "127.0.0.1:5003 missed an answer of 127.0.0.1:5001"),
    (29, "31 5003 liveness missed:@5001:1 \n 31 5003 liveness missed:@5002:1 \n "
     "60 5003 asks 5001 until 70 \n 60 5003 asks 5002 until 70", UNCLEAR, "5003 missed an answer"),
    (29, "33 5003 lives", UNCLEAR, "127.0.0.1:5003 died at"),
    (29, "33 5001 parts 5003 Connection reset by peer \n 33 5002 parts 5003 Broken pipe \n "
     "34 5003 lives until 70", UNCLEAR, "broke at"),
    # late: only if it was then
    (34, "33 5003 late:3.400 \n 34 5003 stopped:quit", UNCLEAR, "5003 was late by 3.4 s"),
    (70, "33 5003 late:3.400", FAILS, "did not reach"), (70, "20 5003 late:3.400", FAILS, ""),
    # nobody knew whose message it is
    (70, "40 5003 unconfirmed:@5001:1", UNCLEAR, "5003: nobody confirmed 127.0.0.1:5001:1"),
    # its file lacks lines
    (70, "50 5003 lost:3", UNCLEAR, "a full disk has refused lines of 127.0.0.1:5003")])
def test_a_message_that_did_not_arrive(tmp_path, last, more, verdict, why):
    expect(verdict, why, delivery.broadcast, tmp_path, SEED, PAIR, THIRD.format(last=last), SAID,
           more)


@pytest.mark.parametrize("more, why", [
    ("55 5003 liveness missed:@5001:1 \n 55 5003 liveness missed:@5002:1 \n 56 5003 stopped:quit",
     "127.0.0.1:5003 missed an answer of 127.0.0.1:5001"),
    ("50 5003 lives \n 90 5001 lives", "127.0.0.1:5003 died at"),
    ("36 5003 stopped:quit \n 55 5001 liveness missed:@5003:1 \n 57 5002 liveness missed:@5003:1",
     "127.0.0.1:5003 left, unheard, at")])
def test_a_cut_between_two_rounds_begins_with_the_last_sign_of_life(tmp_path, more, why):
    """Soon after a round the other end is cut off: the next round asks, the one after tells."""
    expect(UNCLEAR, why, delivery.broadcast, tmp_path, SEED, PAIR, THIRD.format(last=29), SAID,
           more, liveness_interval=13)


@pytest.mark.parametrize("lives, verdict", [("", UNCLEAR), ("60 5003 lives", FAILS)])
def test_who_wrote_nothing_since_a_message_may_be_frozen(tmp_path, lives, verdict):
    words = expect(verdict, "", delivery.broadcast, tmp_path, SEED, PAIR, THIRD.format(last=50),
                   "55 5001 says 1 \n 55.1 5002 hears 5001/1 from 5001", lives,
                   liveness_interval=13)
    assert ("wrote nothing after" in words) == (verdict == UNCLEAR), words


@pytest.mark.parametrize("story, verdict", [
    ("20 5003 starts \n 21 5003 lives until 70", HOLDS),  # it met nobody: `pieces` tells that
    ("20 5003 starts \n 60 5003 links 5001 \n 60 5003 asks 5001 until 70", FAILS),
    ("20 5003 starts \n 60 5003 links 5001 \n 60 5003 asks 5001 until 70 \n "
     "61 5003 gone:@5001:@5001:1=7,0-3", UNCLEAR),
    ("20 5003 starts \n 60 5003 links 5001 \n 60 5003 asks 5001 until 70 \n "
     "61 5003 gone:@5001:@5001:2=7,0-3", FAILS),  # of another run
    ("20 5003 starts \n 60 5003 links 5001 \n 60 5003 asks 5001 until 61 \n 61.5 5003 stopped:quit",
     UNCLEAR)])
def test_who_comes_later_needs_a_way_to_what_was_said_before(tmp_path, story, verdict):
    expect(verdict, "", delivery.broadcast, tmp_path, SEED, PAIR, "5 5001 says 1", story,
           "5.1 5002 hears 5001/1 from 5001", antientropy_interval=2)


@pytest.mark.parametrize("spread, seconds, verdict", [
    ("flood", 3, FAILS), ("tree", 3, UNCLEAR), ("tree", 6, FAILS), ("rumor", 6, UNCLEAR),
    ("rumor", 30, FAILS)])
def test_every_way_of_spreading_has_its_time(tmp_path, spread, seconds, verdict):
    last = 30 + seconds
    expect(verdict, "", delivery.broadcast, tmp_path, SEED, PAIR, THIRD.format(last=last), SAID,
           f"{last + 0.5} 5003 stopped:quit", spread=spread, antientropy_interval=4)


@pytest.mark.parametrize("spread, seconds, verdict, why", [
    ("flood", 3, FAILS, "5003"), ("rumor", 4, UNCLEAR, "5003 (yet)"),
    ("rumor", 6, UNCLEAR, "5003: peers compare nothing, so what did not come at once never comes")])
def test_without_comparisons_what_did_not_come_at_once_never_comes(tmp_path, spread, seconds,
                                                                    verdict, why):
    last = str(30 + seconds)
    words = expect(verdict, "", delivery.broadcast, tmp_path, SEED.replace("70", last),
                   PAIR.replace("70", last), THIRD.format(last=last), SAID, spread=spread,
                   antientropy_interval=0)
    assert words.endswith(f"did not reach 127.0.0.1:{why}"), words


# Seeds.

@pytest.mark.parametrize("story, verdict, why", [
    ("", FAILS, "127.0.0.1:5001 was never registered with 2 seeds at once"),
    ("3 5001 joins 8080 \n 4 5001 joins 8081", HOLDS, ""),
    ("3 5001 joins 8080 \n 4 5001 unregistered:@8080:silent \n 5 5001 joins 8081", UNCLEAR,
     "5001 was not registered with 127.0.0.1:8080 from"),
    ("3 5001 joins 8080 \n 3 5001 unregistered:@8081:registration refused: too many", UNCLEAR,
     "(registration refused: too many)"),
    ("3 5001 joins 8080 \n 4 5001 unregistered:@8081", UNCLEAR, "registered with 127.0.0.1:8081 f"),
    ("3 5001 joins 8080 \n 30 8081 late:29.000", UNCLEAR, "8081 was late by 29.0 s"),
    ("3 5001 joins 8080 \n 15 8081 late:14.000", UNCLEAR, "8081 was late by 14.0 s"),
    ("3 5001 joins 8080 \n 5 8081 late:4.000", FAILS, "never registered"),
    ("3 5001 joins 8080 \n 5 8081 dies", HOLDS, "")])
def test_a_peer_registers_with_most_seeds_at_once(tmp_path, story, verdict, why):
    seeds = "0 {0} starts \n 0.1 {0} settings:seeds=2 \n 0.2 {0} lives until 30"
    expect(verdict, why, check.registered, tmp_path, seeds.format(8080), seeds.format(8081),
           "0.5 5001 starts \n 1 5001 lives until 30", story)


def test_of_two_messages_of_the_same_peers_one_came_too_late_to_have_a_way(tmp_path):
    proof = tell(tmp_path, """
        0.5 5001 starts
        0.5 5002 starts
        1.0 5001 links 5002
        2.0 5002 says 1
        2.1 5002 says 2
        5.0 5001 hears 5002/2 from 5002
        9.0 5001 parts 5002 closed
        9.0 5002 parts 5001 closed
        50.0 5003 starts
        51.0 5001 links 5003
        55.0 5001 parts 5003 closed
        55.0 5003 parts 5001 closed
        59.0 5001 links 5002
        60.0 5001 hears 5002/1 from 5002
    """, *[f"2.5 {port} lives until 70" for port in (5001, 5002)], "50.5 5003 lives until 70")
    found = delivery.broadcast(proof)
    assert found.figures.startswith("2 of 3 deliveries") and "1 had no way" in found.figures
    assert found.details[0].startswith("127.0.0.1:5002:1:2 did not reach 127.0.0.1:5003")


BEFORE = "2 5001 joins 8080 \n 2 5001 joins 8081 \n 9 5001 unregistered:@8081:closed \n"


@pytest.mark.parametrize("story, verdict", [
    ("9 5001 asks 5002", FAILS), ("30 5001 tried:@8082:Connection refused", HOLDS),
    ("30 5001 tried:seed-c:8082:no such name", HOLDS),
    ("30 5001 unregistered:@8082:refused", HOLDS),
    ("30 5001 refused:@8082:registration refused:too many", HOLDS), ("45 5001 late:20.000", HOLDS),
    ("30 5001 joins 8081", HOLDS), ("30 5001 leaving:@5001", HOLDS), ("30 5001 dies", HOLDS),
    ("9 5001 lost:3", UNCLEAR)])
def test_a_peer_that_lacks_a_seed_tries_others_again_and_again(tmp_path, story, verdict):
    expect(verdict, "" if verdict == HOLDS else "tried no other from 03:04:14 to 03:04:55",
           check.registered, tmp_path, BEFORE, story, "0.5 5001 starts \n 1 5001 lives until 50",
           "0 8080 starts \n 0.1 8080 settings:seeds=3 \n 0.2 8080 lives until 50")


@pytest.mark.parametrize("when, more, verdict", [  # the seed dies at 30
    (5, "", FAILS), (5, "9 8080 lost:7", UNCLEAR), (60, "", FAILS)])
def test_the_file_of_a_seed_tells_who_registered_with_it(tmp_path, when, more, verdict):
    expect(verdict, "files do not tell of it", check.registered, tmp_path, "0 8080 starts",
           "0.1 8080 settings:seeds=1 \n 0.2 8080 lives until 30", PAIR, "1 5002 joins 8080",
           f"{when} 5001 registered:@8080", more)


@pytest.mark.parametrize("whose, verdict", [(5001, HOLDS), (5003, FAILS)])
def test_only_its_origin_can_have_generated_a_message(tmp_path, whose, verdict):
    expect(verdict, "" if verdict == HOLDS else "as if it were another", delivery.broadcast,
           tmp_path, SEED, PAIR, THIRD.format(last=70), f"""
        30 5001 generated:gmessage:1.000000:@{whose}:1:1:x
        30.1 5002 hears {whose}/1 from 5001
        30.1 5003 hears {whose}/1 from 5001""")


# Deaths.

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
    ("60 5001 late:40.000 \n 25 5002 parts 5003 told dead", UNCLEAR, "5001 was late by 40.0 s"),
    (FOUND + REPORTED, FAILS, "seed 127.0.0.1:8080 has not removed it"),
    (FOUND + FOUND.replace("5001", "5002") + REPORTED, FAILS, "has not removed it"),
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
    (FOUND + REPORTED + REMOVED + "\n 23 8080 dead report:Dead Node:@5003:1.000000:@5002", FAILS,
     "reported dead to seed 127.0.0.1:8080 by 127.0.0.1:5002, which did not find it dead"),
    (FOUND + REPORTED + REMOVED + "\n 30 5001 reported:@8080:Dead Node:@5002:1.000000:@5001", FAILS,
     "5002 was reported dead to seed 127.0.0.1:8080 by 127.0.0.1:5001, which did not find it dead"),
    (FOUND + REPORTED + REMOVED + "\n 30 8080 removed:@5003:gone:1.000:silent", FAILS,
     "seed 127.0.0.1:8080 removed 127.0.0.1:5003, which it did not list"),
    (FOUND + REPORTED + REMOVED + "\n 69.5 8080 removed:@5001:left", FAILS,
     "seed 127.0.0.1:8080 removed 127.0.0.1:5001 as one that left, which did not"),
    (FOUND.replace("finds 5003 dead", "dead:@5003:0.1 \n 0.6 5001 deaths:at once") + REPORTED
     + REMOVED, HOLDS, ""),
    (FOUND.replace("finds 5003 dead", "dead:@5003:3.6") + REPORTED + REMOVED, FAILS,
     "5001 found 127.0.0.1:5003 dead without 3 misses in a row"),
    (FOUND + REPORTED + REMOVED + "\n 30 5001 dead:@5003:3.6", FAILS,
     "5001 found 127.0.0.1:5003 dead without 3 misses in a row")])
def test_who_dies_is_found_reported_and_removed(tmp_path, story, verdict, why):
    expect(verdict, why, deaths.dead, tmp_path, SEED, PAIR, DIED, story)


@pytest.mark.parametrize("stopped, verdict, why", [
    (24, UNCLEAR, "seed 127.0.0.1:8080 has not removed it (yet)"),
    (40, FAILS, "seed 127.0.0.1:8080 has not removed it")])
def test_a_seed_that_stops_owes_the_removal_of_who_was_found_dead_before(tmp_path, stopped, verdict,
                                                                         why):
    seed = f"0 8080 starts \n 0.05 8080 lives until {stopped - 1} \n {stopped} 8080 stopped:quit"
    expect(verdict, why, deaths.dead, tmp_path, seed, PAIR, DIED, FOUND + REPORTED)


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
    ("30 8080 removed:@5003:gone \n 31 5003 unregistered:@8080:silent \n 32 5003 joins 8080",
     HOLDS),
    ("30 8080 removed:@5003:gone \n 25 8080 lost:2", UNCLEAR),
    ("30 8080 removed:@5003:gone \n 55 5003 joins 8080 \n 70.5 5003 late:13.000", FAILS)])
def test_who_lives_and_is_removed_notices_it(tmp_path, story, verdict):
    expect(verdict, "" if verdict == HOLDS else "removed 127.0.0.1:5003, which lived",
           deaths.dead, tmp_path, SEED, PAIR, THIRD.format(last=70), "1.1 5003 joins 8080", story)


def test_a_life_whose_beginning_a_full_disk_refused_may_receive_again(tmp_path):
    expect(UNCLEAR, "127.0.0.1:5002 received or generated 127.0.0.1:5001:1:1 more than once",
           delivery.once, tmp_path, SEED, PAIR,
           "3 5001 says 1 \n 4 5002 hears 5001/1 from 5001 \n 5 5002 lost:3 \n "
           "6 5002 hears 5001/1 from 5001")


# Files.

@pytest.mark.parametrize("story, why", [
    ("", None), ("9 5001 lost:2", "a full disk has refused lines of 127.0.0.1:5001"),
    ("60 5001 lost:2", "a full disk may have refused the last lines of 127.0.0.1:5002"),
    ("9 5001 links 5009", "peer_127.0.0.1_5009.txt is named like a node's file, and has no "
     "started: line"),
    ("9 5001 connected:@5009", "there is no file of 127.0.0.1:5009"),
    ("8 5009 lives \n 9 5009 starts", "the file of 127.0.0.1:5009 lacks its beginning"),
    ("7 5001 connected:@5009 \n 9 5009 starts", "the file of 127.0.0.1:5009 lacks its beginning"),
    ("9 5001 registered:@8082", "there is no file of 127.0.0.1:8082"),
    ("8 5009 started:seed:@5009 \n 9 5001 connected:@5009", "there is no file of 127.0.0.1:5009")])
def test_what_is_missing_is_named_in_one_row(tmp_path, story, why):
    proof = tell(tmp_path, THREE, story)
    row = check.files(proof)
    assert row.verdict == (UNCLEAR if why else HOLDS)
    assert why is None or why in row.details
