"""Whom a peer that watches shuts out, for how long, and what it tells seeds of two signatures."""

import pytest

from grapevine.addresses import parse_address
from grapevine.monitoring import grammar
from tests.tools.monitoring import A, AWAY, B, C, PERIOD, SEEDS, evidence, time_of, watched_scene
from tests.tools.signing import KeyMachine, signer
from tests.tools.virtual import NODE, Scene, listed

# Whom seeds shut out.

def refusal(machine: KeyMachine, scene: Scene) -> str:
    """Return what a machine is answered that wants to be a neighbour, behind a proof."""
    end = machine.dial()
    machine.say_connect(end, time_of(scene))
    return end.hear_until("connection", 6.0)


@pytest.mark.parametrize("line, reason", [
    ("kick:{}:0.500:600.000", "kicked"), ("unconfirmed:{}", "unconfirmed")])
def test_who_is_shut_out_is_left_refused_and_not_dialled(line, reason):
    scene, desk, (bad, end), (_, good) = watched_scene(A, B, quiet=True)
    desk.link.say(line.format(A), line.format(A))
    assert scene.event(f"disconnected:{A}:{reason}") and end.ends_within(0.1)
    dialled = len(bad.ends)
    assert refusal(bad, scene) == f"connection refused:{NODE}:{reason}"
    assert len(bad.ends) == dialled, "it is not even probed"
    desk.link.say(f"peer list:{listed(A, B)}")
    scene.run(30.0)
    scene.node.dial_peer(parse_address(A))
    scene.run(1.0)
    assert len(bad.ends) == dialled and good.closed is None
    assert scene.events("unconfirmed:") == [f"unconfirmed:{A}"] * (reason == "unconfirmed")
    assert len(scene.events("disconnected:")) == 1


def test_who_is_shut_out_may_be_gone_and_is_neither_dialled_again_nor_found_dead():
    scene, desk, (one, end) = watched_scene(A, quiet=True, liveness_interval=1.0)
    end.break_off()
    one.world.stop()
    assert scene.event(f"disconnected:{A}:")
    desk.link.say(f"unconfirmed:{A}")
    assert scene.event(f"unconfirmed:{A}")
    scene.run(6.0)
    assert scene.events("liveness missed:") == scene.events("dead:") == []
    again = KeyMachine(scene, A)
    scene.run(1.0)
    assert again.ends == [] and refusal(again, scene) == f"connection refused:{NODE}:unconfirmed"


def test_who_is_shut_out_is_passed_over_on_the_ring_and_named_to_nobody():
    scene, desk, (_, end) = watched_scene(C, quiet=True, capacity="fixed:2")
    bad, good = KeyMachine(scene, A), KeyMachine(scene, B)
    desk.link.say(f"kick:{A}:0.500:600.000", f"peer list:{listed(A, B, AWAY)}")
    assert good.accept(5.0) and bad.ends == []
    desk.link.say(f"kick:{AWAY}:0.500:600.000")
    scene.run(0.1)
    end.say("known peers")
    assert end.hear_until("known peers:") == "known peers:127.0.0.1#6001:127.0.0.1#6002"


@pytest.mark.parametrize("line, more, ban, lasts", [
    (f"kick:{A}:0.500:20.000", [], 600.0, 20), (f"kick:{A}:0.500:60000.000", [], 30.0, 30),
    (f"unconfirmed:{A}", [], 30.0, 30),
    (f"kick:{A}:0.500:20.000", [f"kick:{A}:0.500:1.000"], 600.0, 20)])
def test_a_ban_lasts_as_long_as_the_seed_says_at_most_but_no_longer_than_the_setting(
        line, more, ban, lasts):
    scene, desk, (one, _) = watched_scene(A, quiet=True, ban=ban)
    desk.link.say(line, *more)
    scene.run(lasts - 1)
    assert refusal(one, scene).endswith((":kicked", ":unconfirmed"))
    scene.run(2)
    assert refusal(one, scene) == f"connection accepted:{NODE}"
    desk.link.say(line)
    scene.run(0.1)
    assert len(scene.events("unconfirmed:")) == 2 * line.startswith("unconfirmed")
    assert refusal(one, scene).startswith("connection refused:")


def test_a_peer_that_is_kicked_itself_writes_down_which_seed_says_so():
    scene, *desks, (_, end) = watched_scene(A, seeds=3, quiet=True)
    scene.run(1.0)
    for desk in desks:
        if desk.link is not None:
            desk.link.say(f"kick:{NODE}:0.500:600.000", f"unconfirmed:{NODE}")
    scene.run(1.0)
    assert sorted(scene.events("kicked:")) == [
        f"kicked:{desk.address}:0.500" for desk in desks if desk.link is not None]
    assert end.closed is None and scene.events("unconfirmed:") == []


def test_a_seed_that_does_not_answer_gets_no_report():
    scene, *desks = watched_scene(seeds=3, liveness_interval=1.5 * PERIOD)
    scene.run(3 * PERIOD)
    told, = [desk for desk in desks if desk.reports]
    count = len(told.reports)
    told.replies[f"register:{NODE}"] = ""
    scene.run(4.4 * PERIOD)
    assert told.link.closed is None, "it may still answer"
    other, = [desk for desk in desks if desk.reports and desk is not told]
    assert len(told.reports) <= count + 3 and len(other.reports) >= 5


# Two signatures.

def test_a_contradiction_is_told_to_all_seeds_once_with_evidence_that_is_true():
    scene, *desks, (one, end), (_, other) = watched_scene(A, B, seeds=3, quiet=True)
    scene.run(1.0)
    end.say(one.signed(3, "one", "more"), one.signed(5, "five"))
    other.say(one.signed(4, "other"))
    assert scene.event(f"disconnected:{A}:contradicted itself") and end.ends_within(0.1)
    scene.run(1.0)
    listing = [desk for desk in desks if desk.link is not None]
    line, = listing[0].link.lines
    assert len(listing) == 2 and listing[1].link.lines == [line]
    assert scene.events("contradiction:") == [line]
    kind, (found,) = grammar.parse(line.encode())
    assert kind == "contradiction" and found.is_true() and found.run.decode() == one.run
    other.say(one.signed(5, "another"))
    listing[0].link.say(line)
    scene.run(1.0)
    assert listing[0].link.lines == [line] and len(scene.events("contradiction:")) == 1
    assert other.closed is None


def test_what_a_seed_has_told_already_is_not_told_again():
    scene, desk, (one, end), (_, other) = watched_scene(A, B, quiet=True)
    desk.link.say(evidence(A))
    assert scene.event("contradiction:")
    other.say(one.signed(8, "one"), one.signed(8, "other"))
    scene.run(1.0)
    assert len(scene.events("contradiction:")) == 1 and desk.link.lines == []


def test_a_run_that_contradicted_itself_is_refused_for_good_and_another_one_is_not():
    scene, desk, (one, end) = watched_scene(A, quiet=True, ban=20.0)
    line = evidence(A)
    desk.link.say(line)
    assert scene.event("contradiction:") == line
    assert scene.event(f"disconnected:{A}:contradicted itself") and end.ends_within(0.1)
    scene.run(10.0)
    one.key, old = signer(A, "other"), one.key
    assert refusal(one, scene) == f"connection refused:{NODE}:contradicted itself"
    scene.run(11.0)
    assert refusal(one, scene) == f"connection accepted:{NODE}"
    one.key = old
    assert refusal(one, scene) == f"connection refused:{NODE}:contradicted itself"


def test_evidence_about_a_run_says_nothing_about_the_one_that_is_a_neighbour_now():
    scene, desk, (_, end) = watched_scene(A, quiet=True)
    desk.link.say(evidence(A, signer(A, "old")), evidence(NODE, scene.node._signer))
    scene.run(0.1)
    assert len(scene.events("contradiction:")) == 1 and end.closed is None


def test_a_seed_that_tells_of_signatures_that_are_not_good_is_not_heard_on():
    scene, desk, (_, end) = watched_scene(A, quiet=True)
    word = evidence(A).split(":")[2]
    desk.link.say(evidence(A).replace(word, "A" * 85 + "Q", 1))
    assert scene.event("refused:").startswith(f"refused:{SEEDS[0]}:a contradiction that nobody")
    assert end.closed is None and scene.events("contradiction:") == []
