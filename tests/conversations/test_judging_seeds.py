"""Seeds that judge by reports: whom they kick, part and disbelieve, and whom they tell."""

import pytest

import grapevine.monitoring.seed as judging
from grapevine import wire
from grapevine.addresses import parse_address
from grapevine.monitoring import grammar
from grapevine.monitoring.threaded_tree import SPACE
from tests.tools.monitoring import (
    A, B, C, D, GOOD, HALF, HIGH, LOW, LOWER, ONE, PERIOD, S, TWO, Clique, Reporter, address_in,
    court, evidence, held, joined_scene, listed, pass_periods, reporters, rows_line, seed_scene,
    time_of, tree)
from tests.tools.signing import KeyMachine, signer
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
    scene, one = court(ONE)
    clique = Clique(scene, A, B, C, S)
    clique.pass_periods(9, one)
    count = len(scene.events("judged:"))
    run_late(scene, 1.0)  # the turn before that one is in time
    scene.run(5.0)
    assert len(scene.events("judged:")) == count + 1
    clique.pass_periods(1, one)
    assert len(scene.events("judged:")) == count + 2


def told(ear, start: str = "verdicts:") -> list[str]:
    return [line for line in ear.hear_all(0.01) if line.startswith(start)]


def test_who_is_charged_four_times_in_a_row_is_kicked_and_everybody_is_told():
    scene, one = court(ONE)
    clique = Clique(scene, A, B, C, S)
    clique.accuse(S)
    one.ear.hear_all(0.01)
    while not scene.events("verdict:"):
        clique.pass_periods(1, one)
        assert scene.now < 20 * PERIOD
    rates = " ".join(f"{listed(peer)}=0.333" for peer in (A, B, C))
    assert scene.events("verdict:") == [f"verdict:{S}:0.333:{rates}"]
    assert scene.events("removed:") == [f"removed:{S}:malicious:0.333"]
    charges = sum(f"{listed(S)}=0.333" in event for event in scene.events("judged:"))
    assert charges == 4
    scene.run(0.1)
    kick = f"kick:{S}:0.333:600.000"
    assert all(peer.end.lines.count(kick) == 1 for peer in clique.peers)
    assert told(one.ear, "kick:") == [kick]
    assert clique.peers[3].end.closed and not any(peer.end.closed for peer in clique.peers[:3])
    assert held(scene, S) == [] and not any(
        str(row.entry.peer) == S for row in scene.node.rows.all())
    clique.pass_periods(4, one)
    assert len(scene.events("verdict:")) == 1 and not held(scene, S)
    assert not any(str(row.entry.peer) == S for row in scene.node.rows.all())


def test_what_a_seed_finds_is_told_to_other_seeds_and_written_down():
    scene, one = court(ONE)
    clique = Clique(scene, A, B, C, S)
    clique.pass_periods(8, one)
    known, (judged, void, pairs) = grammar.parse(told(one.ear)[-1].encode())[1]
    assert known >= 300 and {str(peer): badness for peer, badness in judged} == dict.fromkeys(
        (A, B, C, S), 0.0) and void == pairs == ()
    assert f"{listed(S)}=0.000" in scene.event("judged:")
    clique.pass_periods(8, one)
    assert scene.events("verdict:") == scene.events("removed:") == []


@pytest.mark.parametrize("gap, is_kicked", [(4, True), (10, True), (12, False)])
def test_charges_count_together_if_each_comes_within_twelve_periods_of_the_last(gap, is_kicked):
    scene, one = court(ONE)
    clique = Clique(scene, A, B, C, S)
    clique.pass_periods(6, one)
    for _ in range(5):
        clique.accuse(S, (100, 0, 30, 1000, 0))
        clique.pass_periods(1, one)
        clique.accuse(S, GOOD)
        clique.pass_periods(gap, one)
    assert bool(scene.events("verdict:")) is is_kicked


def test_subjects_are_judged_in_slices_over_the_period(monkeypatch):
    monkeypatch.setattr(judging, "SLICE", 2)
    scene, one = court(ONE)
    clique = Clique(scene, A, B, C, D, S)
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


def test_a_seed_judges_those_whose_key_it_owns_once_it_has_owned_it_for_two_periods():
    scene, one = joined_scene(before=(ONE,))
    clique = Clique(scene, *(peers := [
        LOW, address_in(0, HALF, [LOW]), HIGH, address_in(HALF, SPACE - 1, [HIGH])]))
    one.say(tree(5, ONE, (ONE, 0), (NODE, HALF)))
    while not scene.events("judged:"):
        clique.pass_periods(1, one)
    own = {listed(peer) for peer in peers[2:]}
    assert {word.partition("=")[0] for event in scene.events("judged:")
            for word in event.partition(":")[2].split(" ")} == own
    clique.pass_periods(2, one)
    one.say(tree(6, ONE, (NODE, 0), (ONE, HALF)))
    count, since = len(scene.events("judged:")), scene.now
    while len(scene.events("judged:")) == count:
        clique.pass_periods(1, one)
    assert scene.now - since >= 2 * PERIOD
    assert listed(LOW) in scene.events("judged:")[-1]


def accused(one) -> Clique:
    """Return peers of whom one is bad, and another one is judged by another seed."""
    one.say(tree(6, ONE, (NODE, 0), (ONE, HALF)))
    clique = Clique(one.scene, LOW, *LOWER, HIGH)
    clique.accuse(LOW)
    return clique


def test_who_another_seed_finds_void_does_not_charge():
    scene, one = joined_scene(before=(ONE,))
    clique = accused(one)
    for _ in range(15):
        one.mouth.say(f"verdicts:0:|{listed(HIGH)}|")
        clique.pass_periods(1, one)
    assert any(f"{listed(LOW)}=0.333" in event for event in scene.events("judged:"))
    assert scene.events("verdict:") == [], "two reporters are left"


def test_what_another_seed_has_found_counts_for_three_periods():
    scene, one = joined_scene(before=(ONE,))
    clique = accused(one)
    one.mouth.say(f"verdicts:0:|{listed(HIGH)}|")
    clique.pass_periods(15, one)
    assert scene.events("verdict:")


# Peers that never name a neighbour.

def test_who_never_names_a_neighbour_is_told_of_when_that_was_found_twice():
    scene, one = court(ONE)
    clique = Clique(scene, A, S)
    clique.told[S, A] = None
    clique.told[A, S] = GOOD
    said = f"unconfirmed:{S}"
    while said not in clique.peers[0].end.lines:
        clique.pass_periods(1, one)
        assert scene.now < 20 * PERIOD
    assert told(one.ear)[-1].endswith(f":||{listed(A)}>{listed(S)}")
    assert scene.now >= 10.5 * PERIOD, "9.5 without late rows, and one more"
    clique.pass_periods(5, one)
    assert clique.peers[0].end.lines.count(said) == 1 and clique.peers[1].end.lines == []


@pytest.mark.parametrize("odd", ["nothing", "the other", "this one"])
def test_nobody_is_told_of_a_silent_neighbour_while_rows_may_be_late(odd):
    scene, one = court(ONE)
    clique = Clique(scene, A, S)
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


def test_a_pair_that_another_seed_has_found_is_told_once_in_a_ban_and_to_who_registers_later():
    scene, one = court(ONE, ban=50.0)
    pair = f"verdicts:0:||{listed(A)}>{listed(S)}"
    one.say(pair)
    reporter = Reporter(scene, A)
    assert reporter.end.hear(1.0) is None
    one.say(pair, pair)
    assert reporter.end.hear_all() == [f"unconfirmed:{S}"]
    pass_periods(scene, 4, one)
    one.say(pair)
    assert f"unconfirmed:{S}" not in reporter.end.hear_all(0.1)
    pass_periods(scene, 1, one)
    one.say(pair)
    assert reporter.end.hear_until("unconfirmed:") == f"unconfirmed:{S}"


# Kicks.

KICK = f"kick:{S}:0.750:100.000"


def test_a_kick_of_another_seed_is_obeyed_once_and_told_on():
    scene, one, two = joined_scene(ONE, TWO)
    bad, good = reporters(scene, S, A)
    one.say(KICK, KICK)
    assert scene.events("removed:") == [f"removed:{S}:malicious:0.750"]
    assert good.end.hear_all() == [KICK] and bad.end.hear() == KICK and bad.end.ends_within(0.1)
    assert told(two.ear, "kick:") == [KICK]
    assert scene.node.registry.ordered == [parse_address(A)] and scene.node.kicked() == 1
    one.say(f"kick:{D}:1.000:5.000")
    assert scene.events("removed:")[1:] == [f"removed:{D}:malicious:1.000"], "listed or not"


@pytest.mark.parametrize("said, ban, lasts", [(20.0, 600.0, 20), (60_000.0, 30.0, 30)])
def test_a_banned_peer_cannot_register_and_is_told_why_until_its_ban_is_over(said, ban, lasts):
    scene, one = joined_scene(ONE, ban=ban)
    bad = Reporter(scene, S)
    one.say(f"kick:{S}:0.750:{said:.3f}")
    scene.run(lasts / 2 - 0.5)
    end = bad.register()
    assert end.hear(3.0) == (
        f"registration refused:kicked as malicious, again in {lasts // 2 + 1} s")
    scene.run(lasts / 2 + 1.0)
    end = bad.register()
    assert end.hear(3.0) == "registered successfully"
    assert end.hear(0.1) is None and not scene.node.kicked()


def test_who_is_kicked_while_it_is_probed_is_refused():
    scene, one = joined_scene(ONE)
    bad = KeyMachine(scene, S, is_alive=False)
    end = bad.dial()
    end.say(bad.key.proof(f"register:{S} to {NODE}").decode().rstrip(), f"register:{S}")
    probe = bad.accept()
    one.say(KICK)
    reply = probe.hear_until("Liveness Request:").replace("Request", "Reply", 1) + f":{S}"
    probe.say(bad.key.proof(reply).decode().rstrip(), reply)
    assert end.hear().startswith("registration refused:kicked as malicious")


def test_who_registers_later_and_who_begins_to_listen_are_told_the_bans_in_force():
    scene, one, two = seed_scene(ONE, TWO)
    one.join()
    one.say(KICK, f"kick:{D}:0.500:10.000")
    scene.run(40.0)
    reporter = Reporter(scene, A)
    heard = reporter.end.hear()
    assert heard.startswith(f"kick:{S}:0.750:59.9") or heard.startswith(f"kick:{S}:0.750:60.0")
    two.join()
    kicks = [line for line in two.ear.hear_all(0.1) if line.startswith("kick:")]
    assert [line.rpartition(":")[0] for line in [*kicks, *reporter.end.lines]] == [
        f"kick:{S}:0.750"]


def test_rows_of_and_about_a_banned_peer_are_not_kept():
    scene, one = joined_scene(ONE)
    reporter, *_ = reporters(scene, A, B, S)
    reporter.report({S: GOOD, B: GOOD})
    one.say(rows_line(S, B, side="by"), KICK)
    assert held(scene, S) == [] and held(scene, B) == [("about", A, 1)]
    reporter.report({S: GOOD, B: GOOD})
    one.say(rows_line(S, B), rows_line(B, S))
    assert held(scene, S) == [] and held(scene, B) == [("about", A, 1), ("about", A, 2)]


def test_after_its_ban_a_peer_begins_with_a_clean_record():
    scene, one = court(ONE, ban=3 * PERIOD)
    clique = Clique(scene, A, B, C, S)
    clique.accuse(S)
    while not scene.events("verdict:"):
        clique.pass_periods(1, one)
    kicked_at = scene.now
    clique.pass_periods(4, one)
    clique.peers[3].end = clique.peers[3].register()
    assert clique.peers[3].end.hear(3.0) == "registered successfully"
    while len(scene.events("verdict:")) == 1:
        clique.pass_periods(1, one)
        assert scene.now < 50 * PERIOD
    assert scene.now - kicked_at >= 10 * PERIOD


# Contradictions.

def kicked(scene: Scene, address: str) -> int:
    return scene.events("removed:").count(f"removed:{address}:malicious:1.000")


def test_a_run_that_contradicted_itself_is_kicked_once_and_everybody_is_told():
    scene, one, two = joined_scene(ONE, TWO)
    bad, witness = reporters(scene, S, A)
    line, again = evidence(S), evidence(S, number=7)
    witness.end.say(line, line, again)
    assert scene.event("contradiction:") == line and scene.event("removed:")
    two.say(line)
    scene.run(0.1)
    assert kicked(scene, S) == 1 and scene.events("contradiction:") == [line]
    kick = f"kick:{S}:1.000:600.000"
    assert witness.end.lines == [line, kick] == bad.end.lines
    assert bad.end.closed and witness.end.closed is None
    assert [each for each in one.ear.hear_all(0.1) if each[0] in "kc"] == [line, kick]


def test_a_run_is_refused_for_good_and_punished_once_and_another_key_is_another_run():
    scene, one = joined_scene(ONE, ban=20.0)
    bad, witness = reporters(scene, S, A)
    witness.end.say(evidence(S))
    scene.run(21.0)
    witness.end.say(evidence(S, number=7))
    scene.run(0.1)
    assert bad.register().hear(3.0) == (
        f"registration refused:the run of {S} has contradicted itself")
    bad.key = signer(S, "other")
    assert bad.register().hear(3.0) == "registered successfully"
    witness.end.say(evidence(S), evidence(S, number=9))
    scene.run(1.0)
    assert kicked(scene, S) == 1 and parse_address(S) in scene.node.registry.ordered


def test_a_run_that_is_banned_already_is_refused_for_good_all_the_same():
    scene, one = joined_scene(ONE)
    bad, witness = reporters(scene, S, A)
    one.say(f"kick:{S}:0.500:10.000")
    witness.end.say(evidence(S))
    scene.run(11.0)
    assert told(one.ear, "contradiction:") == [evidence(S)]
    assert bad.register().hear(3.0).endswith("has contradicted itself")


def test_of_other_runs_than_the_latest_seeds_alone_are_heard_and_they_kick_nobody():
    scene, one = joined_scene(ONE)
    bad, witness = reporters(scene, S, A)
    for name in "old", "older":
        witness.end.say(evidence(S, signer(S, name)))
    scene.run(0.1)
    one.say(evidence(S, signer(S, "old")))
    assert scene.events("removed:") == [] and bad.end.closed is None
    assert scene.events("contradiction:") == [] and witness.end.closed is None
    for name, answer in ("old", "registration refused:the run"), ("older", "registered"):
        bad.key = signer(S, name)
        assert bad.register().hear(3.0).startswith(answer)


@pytest.mark.parametrize("by", ["peer", "seed"])
@pytest.mark.parametrize("wrong", ["a bad signature", "the same text twice", "two runs"])
def test_bad_evidence_ends_the_link_and_uses_up_no_account(by, wrong, monkeypatch):
    monkeypatch.setattr(judging, "PROOFS_AT_ONCE", 1)
    scene, one = joined_scene(ONE)
    bad, witness = reporters(scene, S, A)
    line, of_other = evidence(S), evidence(S, signer(S, "other")).rpartition("|")[2]
    head, _, second = line.rpartition("|")
    line = {"a bad signature": line.replace(line.split(":")[2], second.split(":")[0]),
            "the same text twice": f"{head}|{head.split(':', 2)[2]}",
            "two runs": f"{head}|{of_other}"}[wrong]
    end = witness.end if by == "peer" else one.mouth
    end.say(line)
    assert scene.event("refused:") and end.ends_within(0.1) and kicked(scene, S) == 0
    witness.end = witness.register()
    assert witness.end.hear(3.0) == "registered successfully"
    witness.end.say(evidence(S))
    scene.run(0.1)
    assert kicked(scene, S) == 1


def test_who_tells_of_ever_more_runs_is_heard_slowly_and_hides_no_run_from_others(monkeypatch):
    monkeypatch.setattr(judging, "PROOFS_AT_ONCE", 2)
    scene, one = joined_scene(ONE)
    cheats = [str(reporter.address) for reporter in reporters(scene, A, B, C, D, S)]
    liar, witness = reporters(scene, "127.0.0.1:6100", "127.0.0.1:6101")
    liar.end.say(*map(evidence, cheats[:4]))
    scene.run(0.1)
    assert [kicked(scene, cheat) for cheat in cheats] == [1, 1, 0, 0, 0]
    witness.end.say(evidence(cheats[2]))
    one.say(evidence(cheats[4]))
    assert [kicked(scene, cheat) for cheat in cheats] == [1, 1, 1, 0, 1]
    scene.run(5.0)
    liar.end.say(evidence(cheats[3]))
    scene.run(0.1)
    assert kicked(scene, cheats[3]) == 1 and liar.end.closed is None


# Reports of deaths.

def report_death(scene: Scene, reporter: Reporter, dead: str, by: str = "") -> int:
    """Have a peer report a death; return how many reports the node has looked at by then."""
    line = wire.say("dead_node", parse_address(dead), time_of(scene),
                    parse_address(by or str(reporter.address)))
    reporter.end.say(line.decode().rstrip())
    scene.run(1.0)
    return len(scene.events("dead report:"))


def test_who_reports_three_living_peers_dead_in_eight_periods_is_not_heard_for_a_ban():
    scene, one = joined_scene(ONE, ban=100.0)
    liar, other, _, _ = reporters(scene, A, B, C, D)
    assert [report_death(scene, liar, dead) for dead in (B, C)] == [1, 2]
    assert scene.events("disbelieved:") == []
    assert report_death(scene, liar, D) == 3
    assert scene.events("disbelieved:") == [f"disbelieved:{A}"]
    assert report_death(scene, liar, D) == 3 and report_death(scene, other, D) == 4
    liar.end = liar.register()
    assert liar.end.hear(3.0) == "registered successfully"
    assert report_death(scene, liar, C) == 4
    scene.run(100.0)
    assert report_death(scene, liar, C) == 5


def test_reports_that_are_true_or_rare_or_of_others_cost_no_belief():
    scene, one = joined_scene(ONE)
    liar, other, *rest = reporters(scene, A, B, *[f"127.0.0.1:620{at}" for at in range(4)])
    for peer in rest:
        peer.world.stop()
        report_death(scene, other, str(peer.address))
    for _ in range(4):
        report_death(scene, liar, B)
        report_death(scene, liar, B, by=C)
        seed = scene.machine("127.0.0.1:9000", listens=False).dial()
        seed.say(f"Dead Node:{B}:{time_of(scene)}:{A}")
        pass_periods(scene, 4, one)
    assert sum(event.endswith(f"{A}:it answers") for event in scene.events("rejected:")) == 8
    assert scene.events("disbelieved:") == []
