"""Seeds that punish: kicks and bans, evidence of two signatures, untrue reports of deaths."""

import pytest

import grapevine.monitoring.seed as judging
from grapevine import wire
from grapevine.addresses import parse_address
from tests.tools.monitoring import (
    A, B, C, D, GOOD, ONE, PERIOD, S, TWO, Reporter, evidence, held, joined_scene, pass_periods,
    reporters, rows_line, seed_scene, seed_with, time_of, trial)
from tests.tools.signing import KeyMachine, signer
from tests.tools.virtual import NODE, Scene


# Kicks.

KICK = f"kick:{S}:0.750:100.000"


def test_a_kick_of_another_seed_is_obeyed_once_and_told_to_peers_alone():
    scene, one, two, bad, good = seed_with(S, A, others=(ONE, TWO))
    one.say(KICK, KICK)
    assert scene.events("removed:") == [f"removed:{S}:malicious:0.750"]
    assert good.end.hear_all() == [KICK] and bad.end.hear() == KICK and bad.end.ends_within(0.1)
    assert two.told("kick:") == [], "or one that is over when it comes back would never end"
    assert scene.node.registry.ordered == [parse_address(A)]
    assert scene.node.is_banned(parse_address(S))
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
    assert end.hear(0.1) is None and not scene.node.is_banned(parse_address(S))


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
    scene, one, reporter, *_ = seed_with(A, B, S, others=(ONE,))
    reporter.report({S: GOOD, B: GOOD})
    one.say(rows_line(S, B, side="by"), KICK)
    assert held(scene, S) == [] and held(scene, B) == [("about", A, 1)]
    reporter.report({S: GOOD, B: GOOD})
    one.say(rows_line(S, B), rows_line(B, S))
    assert held(scene, S) == [] and held(scene, B) == [("about", A, 1), ("about", A, 2)]


def test_after_its_ban_a_peer_begins_with_a_clean_record():
    scene, one, clique = trial(A, B, C, S, ban=3 * PERIOD)
    clique.accuse(S)
    clique.pass_until("verdict:", one)
    kicked_at = scene.now
    clique.pass_periods(4, one)
    clique.peers[3].end = clique.peers[3].register()
    assert clique.peers[3].end.hear(3.0) == "registered successfully"
    clique.pass_until("verdict:", one)
    assert scene.now - kicked_at >= 10 * PERIOD


# Contradictions.

def kicked(scene: Scene, address: str) -> int:
    return scene.events("removed:").count(f"removed:{address}:malicious:1.000")


def test_a_run_that_contradicted_itself_is_kicked_once_and_everybody_is_told():
    scene, one, two, bad, witness = seed_with(S, A, others=(ONE, TWO))
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
    scene, one, bad, witness = seed_with(S, A, others=(ONE,), ban=20.0)
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
    scene, one, bad, witness = seed_with(S, A, others=(ONE,))
    one.say(f"kick:{S}:0.500:10.000")
    witness.end.say(evidence(S))
    scene.run(11.0)
    assert one.told("contradiction:") == [evidence(S)]
    assert bad.register().hear(3.0).endswith("has contradicted itself")


def test_of_other_runs_than_the_latest_seeds_alone_are_heard_and_they_kick_nobody():
    scene, one, bad, witness = seed_with(S, A, others=(ONE,))
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
def test_bad_evidence_ends_the_link_and_uses_up_no_account(by, monkeypatch):
    monkeypatch.setattr(judging, "PROOFS_AT_ONCE", 1)
    scene, one, bad, witness = seed_with(S, A, others=(ONE,))
    line = evidence(S)
    end = witness.end if by == "peer" else one.mouth
    end.say(line.replace(line.split(":")[2], line.rpartition("|")[2].split(":")[0]))
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


def test_runs_of_one_ip_have_one_account_whoever_tells_of_them(monkeypatch):
    monkeypatch.setattr(judging, "PROOFS_AT_ONCE", 1)
    scene, _ = joined_scene(ONE)
    cheats = ["10.0.0.1:6001", "10.0.0.1:6002", "10.0.0.2:6001"]
    for witness, cheat in zip(reporters(scene, A, B, C), reporters(scene, *cheats)):
        witness.end.say(evidence(str(cheat.address)))
    scene.run(0.1)
    assert [kicked(scene, cheat) for cheat in cheats] == [1, 0, 1]


# Reports of deaths.

def report_death(scene: Scene, reporter: Reporter, dead: str, by: str = "") -> int:
    """Have a peer report a death; return how many reports the node has looked at by then."""
    line = wire.say("dead_node", parse_address(dead), time_of(scene),
                    parse_address(by or str(reporter.address)))
    reporter.end.say(line.decode().rstrip())
    scene.run(1.0)
    return len(scene.events("dead report:"))


def test_who_reports_three_living_peers_dead_in_eight_periods_is_not_heard_for_a_ban():
    scene, one, liar, other, _, _ = seed_with(A, B, C, D, others=(ONE,), ban=100.0)
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
    scene, one, liar, other, *rest = seed_with(
        A, B, *[f"127.0.0.1:620{at}" for at in range(4)], others=(ONE,))
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
