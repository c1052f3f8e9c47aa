"""The row about who died: what seeds have to hear, tell and remove, and when."""

import math

import pytest

from grapevine.lab.proof import deaths
from tests.tools.stories import THREE, tell


@pytest.mark.parametrize("disbelieved, holds", [(None, False), (10, True), (40, False)])
@pytest.mark.parametrize("noticed", [True, False], ids=["the seed removes it", "nobody does"])
def test_a_seed_need_not_hear_of_a_death_from_a_peer_that_it_disbelieves(tmp_path, disbelieved,
                                                                        holds, noticed):
    proof = tell(tmp_path, THREE.replace("5002 asks 5001 until 60", "5002 asks 5001 until 20"),
                 "2 5003 asks 5001 until 60", "24 5001 finds 5002 dead",
                 "24.5 5001 reported:@8080:Dead Node:@5002:1.000000:@5001",
                 "24.5 5001 reported:@8081:Dead Node:@5002:1.000000:@5001",
                 "60 8080 peer list:@5001:1", "60 8081 peer list:@5001:1",
                 *(["20.5 8080 removed:@5002:gone"] if noticed else []),
                 *([] if disbelieved is None else [f"{disbelieved} 8080 disbelieved:@5001"]))
    seed, = (seed for seed in proof.seeds if seed.address.endswith("8080"))
    assert seed.disbelieved.get("127.0.0.1:5001", math.inf) == (
        math.inf if disbelieved is None else seed.first + disbelieved)
    failures, _ = deaths.death(proof, next(run for run in proof.peers
                                           if run.address.endswith("5002")))
    assert bool(failures) is not holds


PASSED_ON = "passed on:Dead Node:@5002:1.000000:@5003"
NOT_TOLD = "not told:@8081:Connection timed out"


@pytest.mark.parametrize("at, says, holds", [
    (24.6, [], False), (24.6, [PASSED_ON, NOT_TOLD], True),
    (24.6, [PASSED_ON, NOT_TOLD.replace("1", "2")], False), (24.6, [PASSED_ON], False),
    (38, [PASSED_ON], True)])  # on its way when the other seed dies
def test_a_seed_has_to_tell_others_unless_they_were_cut_off(tmp_path, at, says, holds):
    proof = tell(tmp_path, THREE.replace("5002 asks 5001 until 60", "5002 asks 5001 until 20"),
                 "2 5003 asks 5001 until 60", "24 5001 finds 5002 dead",
                 "1.2 8081 registered:@5002", "1.2 5002 registered:@8081",
                 "20.5 8080 removed:@5002:gone", "20.5 8081 removed:@5002:gone",
                 "24.5 5001 reported:@8080:Dead Node:@5002:1.000000:@5001",
                 "24.5 8080 dead report:Dead Node:@5002:1.000000:@5001",
                 *(f"{at} 8080 {event}" for event in says),
                 "60 8080 peer list:@5001:1", "39 8081 peer list:@5001:1", "40 8081 dies")
    row = deaths.dead(proof)
    assert row.holds is holds and (holds or "has not heard of it" in str(row.details))


@pytest.mark.parametrize("reported, events, holds", [
    (24.5, [], False), (24.5, [NOT_TOLD], True), (39, [], True)])  # just before it ends
def test_a_seed_has_to_remove_the_dead_of_whom_another_hears_in_time_and_tells_it(
        tmp_path, reported, events, holds):
    row = deaths.dead(tell(
        tmp_path, THREE.replace("5002 asks 5001 until 60", "5002 asks 5001 until 20"),
        "2 5003 asks 5001 until 60", "24 5001 finds 5002 dead", "1.2 8081 registered:@5002",
        "1.2 5002 registered:@8081", "20.5 8080 removed:@5002:gone",
        f"{reported} 5001 reported:@8080:Dead Node:@5002:1.000000:@5001",
        f"{reported} 8080 dead report:Dead Node:@5002:1.000000:@5001",
        *(f"26 8080 {event}" for event in events),
        "60 8080 peer list:@5001:1", "39.5 8081 peer list:@5001:1", "40 8081 dies"))
    blamed = [detail for detail in row.details if "8081 has not removed it (yet)" in detail]
    assert bool(blamed) is not holds


@pytest.mark.parametrize("frozen, dies, holds", [
    ((22, 40), 45, True),  # awake for seven seconds since the death
    ((22, 40), 56, False), ((40, 56), 58, False), (None, 32, True), (None, 45, False)])
def test_a_seed_has_to_be_awake_for_long_enough_to_remove_a_dead_peer(tmp_path, frozen, dies,
                                                                      holds):
    thaw = [] if frozen is None else [f"{frozen[1]} 8080 late:{frozen[1] - frozen[0]}"]
    up = f"0.05 8080 lives until {frozen[0]}\n{frozen[1]} 8080 lives until 60" if frozen else (
        "0.05 8080 lives until 60")
    proof = tell(tmp_path, THREE.replace("5002 asks 5001 until 60", "5002 asks 5001 until 20")
                 .replace("0.05 8080 lives until 60", up), *thaw, f"{dies} 8080 dies",
                 "2 5003 asks 5001 until 60", "24 5001 finds 5002 dead")
    failures, _ = deaths.death(proof, next(run for run in proof.peers
                                           if run.address.endswith("5002")))
    assert not failures if holds else "has not removed it (yet)" in failures[0]


def test_the_seeds_of_a_dead_peer_had_time_to_tell_others_also_if_these_write_nothing_more(
        tmp_path):
    """The last peer has no neighbour any more, and the seeds heard of the death from each other."""
    alone = """
        0.0 8080 starts
        0.05 8080 lives until 60
        0.5 5001 starts
        0.5 5002 starts
        1.1 5002 registered:@8080
        1.0 5001 links 5002
        2.0 5001 asks 5002 until 20
        24 5001 finds 5002 dead
    """
    proof = tell(tmp_path, alone)
    [dead] = [run for run in proof.peers if run.address.endswith("5002")]
    assert proof.newest < 26 + proof.peers[0].first and deaths.is_told(proof, dead)
    proof = tell(tmp_path, alone.replace("until 60", "until 25"))
    [dead] = [run for run in proof.peers if run.address.endswith("5002")]
    assert not deaths.is_told(proof, dead)


@pytest.mark.parametrize("again, holds", [(True, True), (False, False)])
def test_a_second_death_of_a_peer_needs_misses_of_its_own(tmp_path, again, holds):
    row = deaths.dead(tell(tmp_path, """
        0.0 8080 starts
        0.05 8080 lives until 60
        0.5 5001 starts
        0.5 5002 starts
        1.0 5001 links 5002
        1.1 5001 registered:@8080
        2.0 5002 asks 5001 until 10
        2.0 5001 asks 5002 until 10
        14 5001 finds 5002 dead
        14 5001 reports 5002 to 8080
        14 8080 removed:@5002:dead
        30 5002 starts
        31 5001 links 5002
        32 5001 asks 5002 until 36
        32 5002 asks 5001 until 36
        44 5001 reports 5002 to 8080
        44 8080 removed:@5002:dead
        60 5001 lives
    """, "44 5001 finds 5002 dead" if again else "44 5001 dead:@5002"))
    found = [detail for detail in row.details if "without 3 misses" in detail]
    assert (found == []) is holds, row.details
