"""Seeds that judge by reports: whom they charge, kick and part, and whom they tell."""

import pytest

import grapevine.monitoring.seed as judging
from grapevine.monitoring import grammar
from grapevine.monitoring.threaded_tree import SPACE
from tests.tools.monitoring import (
    A, B, C, D, GOOD, HALF, HIGH, LOW, LOWER, ONE, PERIOD, S, TWO, Clique, Reporter, address_in,
    court, held, joined_scene, listed, seed_scene, tree, trial)
from tests.tools.virtual import NODE, Scene


# Judging.

def run_late(scene: Scene, seconds: float, period: float = PERIOD) -> None:
    """Have the node's next but one turn come so late."""
    count = len(scene.events("load:"))
    scene.pass_until(lambda: len(scene.events("load:")) > count, period + 1.0)
    scene.run(0.99 * period)
    scene.freeze(0.01 * period + seconds)
    scene.run(0.01)


@pytest.mark.parametrize("seconds, is_late", [(0.1, False), (0.2, True)])
def test_a_seed_that_is_late_by_a_share_of_a_period_says_so(seconds, is_late):
    scene, = seed_scene(report_interval=1.0)
    scene.run(5.0)
    run_late(scene, seconds, 1.0)
    assert [event[:10] for event in scene.events("behind:")] == ["behind:0.2"] * is_late


def test_a_late_seed_judges_nobody_until_its_next_turn():
    scene, one, clique = trial(A, B, C, S)
    clique.pass_periods(9, one)
    count = len(scene.events("judged:"))
    run_late(scene, 1.0)  # the turn before that one is in time
    scene.run(5.0)
    assert len(scene.events("judged:")) == count + 1
    clique.pass_periods(1, one)
    assert len(scene.events("judged:")) == count + 2


def test_who_is_charged_four_times_in_a_row_is_kicked_and_everybody_is_told():
    scene, one, clique = trial(A, B, C, S)
    clique.accuse(S)
    one.ear.hear_all(0.01)
    clique.pass_until("verdict:", one)
    rates = " ".join(f"{listed(peer)}=0.333" for peer in (A, B, C))
    assert scene.events("verdict:") == [f"verdict:{S}:0.333:{rates}"]
    assert scene.events("removed:") == [f"removed:{S}:malicious:0.333"]
    charges = sum(f"{listed(S)}=0.333" in event for event in scene.events("judged:"))
    assert charges == 4
    scene.run(0.1)
    kick = f"kick:{S}:0.333:600.000"
    assert all(peer.end.lines.count(kick) == 1 for peer in clique.peers)
    told = one.told("")
    assert [line for line in told if line.startswith("kick:")] == [kick]
    assert [line for line in told if line.startswith("charged:")] == [
        f"charged:{S}:{count}:0.000" for count in (1, 2, 3, 4)]
    assert clique.peers[3].end.closed and not any(peer.end.closed for peer in clique.peers[:3])
    assert held(scene, S) == [] and not any(
        str(row.entry.peer) == S for row in scene.node.rows.all())
    clique.pass_periods(4, one)
    assert len(scene.events("verdict:")) == 1 and not held(scene, S)
    assert not any(str(row.entry.peer) == S for row in scene.node.rows.all())


@pytest.mark.parametrize("charges", [3, 1_000_000_000])
def test_charges_at_another_seed_count_if_the_subject_moves_from_there(charges):
    scene, one, clique = trial(A, B, C, S)
    clique.accuse(S)
    one.mouth.say(f"charged:{S}:{charges}:0.000", f"charged:{S}:1:0.000")  # by one that is new
    clique.pass_until("verdict:", one)
    assert one.told("charged:") == [f"charged:{S}:4:0.000"]
    assert sum(f"{listed(S)}=0.333" in event for event in scene.events("judged:")) == 1


def test_who_is_shut_out_has_a_clean_record_afterwards_and_who_relinks_hears_of_charges():
    scene, one, clique = trial(A, B, C, S, ban=20.0)
    one.mouth.say(f"charged:{A}:2:5.000", f"charged:{B}:2:120.000", f"kick:{S}:0.500:20.000",
                  f"charged:{S}:3:0.000")
    scene.run(1.0)
    one.ear.hang_up()
    one.join()
    told = one.told("charged:")
    assert [line.rpartition(":")[0] for line in told] == [f"charged:{A}:2"]
    assert 6.0 < float(told[0].rpartition(":")[2]) < 9.0, "as long ago as it was"


def test_what_a_seed_finds_is_told_to_other_seeds_and_written_down():
    scene, one, clique = trial(A, B, C, S)
    clique.pass_periods(8, one)
    known, (judged, void, pairs) = grammar.parse(one.told()[-1].encode())[1]
    assert known >= 300 and {str(peer): badness for peer, badness in judged} == dict.fromkeys(
        (A, B, C, S), 0.0) and void == pairs == ()
    assert f"{listed(S)}=0.000" in scene.event("judged:")
    clique.pass_periods(8, one)
    assert scene.events("verdict:") == scene.events("removed:") == []
    clique.told = dict.fromkeys([(B, A), (B, C), (B, S)], (100, 100, 0, 0, 0))
    clique.pass_periods(8, one)
    _, (_, void, _) = grammar.parse(one.told()[-1].encode())[1]
    assert list(map(str, void)) == [B]


@pytest.mark.parametrize("gap, is_kicked", [(4, True), (10, True), (12, False)])
def test_charges_count_together_if_each_comes_within_twelve_periods_of_the_last(gap, is_kicked):
    scene, one, clique = trial(A, B, C, S)
    clique.pass_periods(6, one)
    for _ in range(5):
        clique.accuse(S, (100, 0, 30, 1000, 0))
        clique.pass_periods(1, one)
        clique.accuse(S, GOOD)
        clique.pass_periods(gap, one)
    assert bool(scene.events("verdict:")) is is_kicked


def test_subjects_are_judged_in_slices_over_the_period(monkeypatch):
    monkeypatch.setattr(judging, "SLICE", 2)
    scene, one, clique = trial(A, B, C, D, S)
    clique.pass_periods(8, one)
    before, times = len(scene.events("judged:")), []
    for second in range(100):
        if second % 10 == 0:
            clique.report()
            one.mouth.say("load:0:")
        scene.run(1.0)
        times += [scene.now] * (len(scene.events("judged:")) - before - len(times))
    assert len(times) in (29, 30, 31)
    assert all(3.0 <= later - at <= 4.0 for at, later in zip(times, times[1:]))
    assert sorted(event.count("=") for event in scene.events("judged:")[-3:]) == [1, 2, 2]


def test_who_is_void_in_one_slice_counts_in_no_other(monkeypatch):
    """B calls all bad. Of the two others that judge S, one finds it good, so S is good."""
    monkeypatch.setattr(judging, "SLICE", 1)
    scene, one, clique = trial(A, B, C, S)
    clique.told = dict.fromkeys([(B, A), (B, C), (B, S), (C, S)], (100, 100, 0, 0, 0))
    clique.pass_periods(10, one)
    of_s = [event for event in scene.events("judged:") if listed(S) in event]
    assert len(of_s) >= 3 and of_s[-1].endswith("=0.000")


def test_a_seed_judges_those_whose_key_it_owns_once_it_has_owned_it_for_two_periods():
    scene, one = joined_scene(before=(ONE,))
    clique = Clique(scene, *(peers := [
        LOW, address_in(0, HALF, [LOW]), HIGH, address_in(HALF, SPACE - 1, [HIGH])]))
    one.say(tree(5, ONE, (ONE, 0), (NODE, HALF)))
    clique.pass_until("judged:", one)
    own = {listed(peer) for peer in peers[2:]}
    assert {word.partition("=")[0] for event in scene.events("judged:")
            for word in event.partition(":")[2].split(" ")} == own
    clique.pass_periods(2, one)
    one.say(tree(6, ONE, (NODE, 0), (ONE, HALF)))
    since = scene.now
    clique.pass_until("judged:", one)
    assert scene.now - since >= 2 * PERIOD
    assert listed(LOW) in scene.events("judged:")[-1]


def test_a_seed_that_stood_still_says_so_and_judges_nobody_for_two_periods():
    scene, one, clique = trial(A, B, C, S)
    clique.pass_periods(8, one)
    scene.freeze(3.5 * PERIOD)
    assert scene.event("behind:", PERIOD)
    since = scene.now
    clique.pass_until("judged:", one)
    assert scene.now - since >= 1.5 * PERIOD


@pytest.mark.parametrize("times, is_kicked", [(15, False), (1, True)])
def test_who_another_seed_finds_void_does_not_charge_for_three_periods(times, is_kicked):
    scene, one = joined_scene(before=(ONE,))
    one.say(tree(6, ONE, (NODE, 0), (ONE, HALF)))
    clique = Clique(scene, LOW, *LOWER, HIGH)
    clique.accuse(LOW)
    for period in range(15):
        if period < times:
            one.mouth.say(f"verdicts:0:|{listed(HIGH)}|")
        clique.pass_periods(1, one)
    assert any(f"{listed(LOW)}=0.333" in event for event in scene.events("judged:"))
    assert bool(scene.events("verdict:")) is is_kicked, "two reporters are left"


@pytest.mark.parametrize("known, times, is_bad", [
    (0, 10, True), (100_000, 10, False), (100_000, 1, True)])
def test_excuses_are_granted_by_what_seeds_together_know_lately(known, times, is_bad):
    scene, one, two, clique = trial(A, B, C, D, S, others=(ONE, TWO))
    clique.accuse(S, (100, 100, 0, 0, 0))
    clique.told |= {(S, peer): (100, 0, 100, 0, 0) for peer in (A, B, C, D)}
    for period in range(10):
        for seed in [one, two] if period < times else ():
            seed.mouth.say(f"verdicts:{known}:||")
        clique.pass_periods(1, one, two)
    badness = float(scene.events("judged:")[0].partition(f"{listed(S)}=")[2][:5])
    assert badness > 0.5 if is_bad else badness == 0.0


# Peers that never name a neighbour.

def test_who_never_names_a_neighbour_is_told_of_when_that_was_found_twice():
    scene, one, clique = trial(A, S)
    clique.told[S, A] = None
    clique.told[A, S] = GOOD
    said = f"unconfirmed:{S}"
    while said not in clique.peers[0].end.lines:
        clique.pass_periods(1, one)
        assert scene.now < 20 * PERIOD
    assert one.told()[-1].endswith(f":||{listed(A)}>{listed(S)}")
    assert scene.now >= 10.5 * PERIOD, "9.5 without late rows, and one more"
    clique.pass_periods(5, one)
    assert {*clique.peers[0].end.lines} == {said} and clique.peers[1].end.lines == []


@pytest.mark.parametrize("odd", ["nothing", "the other", "this one"])
def test_nobody_is_told_of_a_silent_neighbour_while_rows_may_be_late(odd):
    scene, one, clique = trial(A, S)
    clique.told[S, A] = None
    for period in range(24):
        one.say("verdicts:0:||")
        if odd == "this one" and period % 7 == 0:
            one.mouth.say("load:0:")
            run_late(scene, 2.0)
        clique.pass_periods(1, *[one] * (odd != "the other" or period % 7 == 0))
    behind = len(scene.events("behind:"))
    assert (behind == 0, behind >= 8, 3 <= behind <= 4)[
        ["nothing", "the other", "this one"].index(odd)]
    assert (f"unconfirmed:{S}" in clique.peers[0].end.lines) is (odd == "nothing")


def test_a_pair_that_another_seed_has_found_is_told_to_who_is_registered():
    scene, one = court(ONE)
    pair = f"verdicts:0:||{listed(A)}>{listed(S)}"
    one.say(pair)
    reporter = Reporter(scene, A)
    assert reporter.end.hear(1.0) is None
    one.say(pair)
    assert reporter.end.hear_all() == [f"unconfirmed:{S}"]
