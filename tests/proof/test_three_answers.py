"""Each claim has three answers: it holds; it FAILS; or it is unclear, because the files tell of a
disturbance at the nodes and the time concerned, which is named."""

import pytest

from grapevine.lab.proof import check, delivery
from grapevine.lab.proof.disturbances import (
    FAILS, HOLDS, UNCLEAR, YET, Span, judge, parts, quiet, shared)
from grapevine.lab.proof.evidence import Proof
from tests.tools.stories import PAIR, SEED, THIRD, THREE, expect, tell

# The mechanism.


def test_a_window_is_cut_into_parts_outside_of_spans():
    spans = [(6, 7), (0, 2), (1, 3)]
    assert parts(1, 10, spans) == [(3, 6), (7, 10)] and quiet(1, 10, spans) == 6
    assert parts(1, 2, spans) == [] and parts(4, 5, []) == [(4, 5)]
    assert quiet(1, 10, [(4, 2)]) == 9, "one that ends before it begins adds nothing"


@pytest.mark.parametrize("times, count, found", [
    ([[(0, 4), (6, 9)], [(1, 7)], [(3, 8)]], 2, [(1, 8)]),
    ([[(0, 4)], [(1, 7)], [(3, 8)]], 3, [(3, 4)]), ([], 1, []),
    # times of one node count once, and none ends before it begins
    ([[(0, 4), (2, 9)]], 1, [(0, 9)]), ([[(0, 4), (2, 9)]], 2, []), ([[(5, 1)], [(0, 9)]], 2, []),
    ([[(5, 1), (3, 8)], [(0, 9)]], 2, [(3, 8)])])
def test_the_times_that_several_nodes_share_are_joined(times, count, found):
    assert shared(times, count) == found


@pytest.mark.parametrize("need, spans, verdict, why", [
    (4, [], FAILS, ""), (4, ["2-6"], FAILS, ""), (5, ["2-6"], UNCLEAR, ": 2-6"),
    (5, ["2-6", "0-1"], UNCLEAR, ": 2-6"), (5, ["20-26"], FAILS, ""), (11, [], UNCLEAR, f" {YET}"),
    (11, ["2-6"], UNCLEAR, f" {YET}")])
def test_a_claim_fails_if_what_is_left_of_its_window_suffices(need, spans, verdict, why):
    told = [Span(*map(float, text.split("-")), text) for text in spans]
    found = judge("it", 1.0, 9.0, need, told)
    assert found == (verdict, f"it{why}")


# Messages.

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
    ("rumor", 30, FAILS), ("one that a later version knows", 14, UNCLEAR)])
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


@pytest.mark.parametrize("story, verdict", [
    # soon over, or not
    ("59.0 5001 links 5002 \n 59.1 5002 hears 5001/1 from 5001 \n 59.6 {parts}", HOLDS),
    ("20.0 5001 links 5002 \n 20.1 5002 hears 5001/1 from 5001 \n 59.6 {parts}", FAILS),
    # the origin came twice, first shortly
    ("20.0 5001 links 5003 \n 20.5 5003 parts 5001 closed \n 59.6 {parts}", HOLDS),
    ("20.0 5001 links 5003 \n 20.5 5003 parts 5001 closed \n 30.0 5001 links 5003 \n 59.6 {parts}",
     FAILS),
    # it was there for six seconds, and another that had it for five, in all for ten
    ("20.0 5001 links 5003 \n 24.0 5001 links 5002 \n 25.0 5002 hears 5001/1 from 5001 \n "
     "26.0 5003 parts 5001 full \n 26.0 5002 parts 5001 full \n 30.0 5003 parts 5002 full", FAILS)])
def test_a_way_lasts_from_when_one_has_a_message_until_the_piece_falls_apart(
        tmp_path, story, verdict):
    expect(verdict, "" if verdict == HOLDS else "did not reach 127.0.0.1:5003", delivery.broadcast,
           tmp_path, SEED, "0.5 5001 starts \n 0.5 5002 starts \n 0.5 5003 starts",
           "1.0 5001 links 5009 \n 1.0 5002 links 5003 \n 5.0 5001 says 1",
           story.format(parts="5003 parts 5002 closed"), antientropy_interval=2,
           *[f"2.0 {port} lives until 70" for port in (5001, 5002, 5003)])


@pytest.mark.parametrize("row, story, words", [
    (delivery.once, """3 5001 says 1
        4 5002 hears 5001/1 from 5001
        6 5002 hears 5001/1 from 5001""",
     "127.0.0.1:5002 received or generated 127.0.0.1:5001:1:1 more than once"),  # in another life
    (delivery.broadcast, "5 5001 hears 5002/1 from 5002",
     "127.0.0.1:5002:1:1 was received, but no file tells who generated it")])
def test_what_a_full_disk_refused_may_be_missing(tmp_path, row, story, words):
    expect(FAILS, words, row, tmp_path, SEED, PAIR, story)
    expect(UNCLEAR, f"{words}: a full disk has refused lines of 127.0.0.1:5002", row, tmp_path,
           SEED, PAIR, story, "5 5002 lost:3")


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


@pytest.mark.parametrize("told", [
    "tried:@8080:Connection refused", "tried:seed-a:8080:no such name", "registered:@8080"])
def test_peers_without_a_file_of_any_seed_may_have_been_registered_nowhere(tmp_path, told):
    proof = tell(tmp_path, "0.5 5001 starts \n 1 5001 lives until 30", f"2 5001 {told}")
    assert check.registered(proof).verdict == UNCLEAR
    elsewhere = Proof(proof.records, {"127.0.0.1:5001"})
    assert check.registered(elsewhere) is None, "seeds that run elsewhere have their files there"


def test_a_chat_has_no_seeds(tmp_path):
    assert check.registered(tell(tmp_path, PAIR)) is None


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


@pytest.mark.parametrize("start, verdict", [(1, HOLDS), (2, FAILS)])
def test_a_life_has_the_start_that_its_settings_say(tmp_path, start, verdict):
    expect(verdict, "" if verdict == HOLDS else "as if it were another", delivery.broadcast,
           tmp_path, SEED, PAIR, "30 5001 says 1 \n 30.1 5002 hears 5001/1 from 5001", start=start)


# Files.

@pytest.mark.parametrize("story, why", [
    ("", None), ("9 5001 lost:2", "a full disk has refused lines of 127.0.0.1:5001"),
    ("60 5001 lost:2", "a full disk may have refused the last lines of 127.0.0.1:5002"),
    # the disk was full from the line before on, and more than once
    ("60 5003 lost:2 \n 30 5001 dies", "a full disk may have refused the last lines of "
     "127.0.0.1:5001"),
    ("6 5003 lost:2 \n 50 5003 lives \n 60 5003 lost:2 \n 6 5001 dies",
     "a full disk may have refused the last lines of 127.0.0.1:5001"),
    ("9 5001 links 5009", "peer_127.0.0.1_5009.txt is named like a node's file, and has no "
     "started: line"),
    ("9 5001 connected:@5009", "there is no file of 127.0.0.1:5009"),
    *((f"7 {node} starts \n 8 {node} stopped:{why} \n 9.5 5001 {event}:@{node}",
       f"the file of 127.0.0.1:{node} lacks the beginning of a life") for node, event, why in (
           (5009, "connected", "quit"), (8082, "registered", "interrupted"))),
    ("7 5009 starts \n 8 5009 stopped:quit \n 8.5 5001 connected:@5009", None),
    ("7 5009 starts \n 8 5009 stopped:quit \n 9.5 5001 connected:@5009 \n "
     "9.6 5001 parts 5009 closed", None),  # read late
    ("7 5009 starts \n 9 5001 connected:@5009", None),  # killed, or frozen for ever
    ("8 5009 lives \n 9 5009 starts", "the file of 127.0.0.1:5009 lacks the beginning of a life"),
    ("7 5001 connected:@5009 \n 9 5009 starts",
     "the file of 127.0.0.1:5009 lacks the beginning of a life"),
    ("9 5001 registered:@8082", "there is no file of 127.0.0.1:8082"),
    ("7 5001 registered:@8082 \n 9 8082 starts",
     "the file of 127.0.0.1:8082 lacks the beginning of a life"),
    ("7 5001 unregistered:@8082:Connection refused \n 9 8082 starts \n 9 5001 joins 8082", None),
    ("8 5009 started:seed:@5009 \n 9 5001 connected:@5009", "there is no file of 127.0.0.1:5009")])
def test_what_is_missing_is_named_in_one_row(tmp_path, story, why):
    proof = tell(tmp_path, THREE, story)
    row = check.files(proof)
    assert row.verdict == (UNCLEAR if why else HOLDS)
    assert why is None or why in row.details
