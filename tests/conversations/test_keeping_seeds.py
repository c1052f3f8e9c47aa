"""Seeds that keep reports: whom they hear, which tree they make, which rows they keep."""

import pytest

import grapevine.node
from grapevine.addresses import parse_address
from grapevine.monitoring.peer import WatchedPeer
from grapevine.monitoring.seed import JudgingSeed
from tests.tools.monitoring import (
    A, B, C, D, GOOD, HALF, HIGH, LOW, ONE, PERIOD, THIRD, TWO, OtherSeed, Reporter, address_in,
    entries, held, joined_scene, listed, pass_periods, rows_line, seed_scene, seed_with, tree)
from tests.tools.signing import KeyMachine
from tests.tools.virtual import NODE, Scene

NONCE = "0123456789abcdef" * 2


# Who is a seed.

CLAIM, ASK, AGAIN = OtherSeed.claim, lambda one: one.say(f"seed asks:{NONCE}"), "dialled anew"


@pytest.mark.parametrize("steps", [
    [ASK, CLAIM], [CLAIM, ASK], [ASK, CLAIM, CLAIM], [CLAIM, AGAIN, ASK],
    [OtherSeed.join, AGAIN, ASK], [lambda one: one.say(f"seed asks:{NONCE[::-1]}"), CLAIM, ASK]])
def test_a_seed_confirms_what_another_asked_last_in_every_order_of_the_two_links(steps):
    scene, one = seed_scene(ONE)
    one.begin()
    for step in steps:
        if step is AGAIN:
            one.mouth.hang_up()
            one.begin()
        else:
            step(one)
    assert one.ear.hear_all(0.1)[-1] == f"seed confirms:{NONCE}"


def test_a_stranger_that_claims_to_be_a_seed_is_told_nothing_and_pushes_nobody_out():
    scene, one, two = joined_scene(ONE, TWO)
    stranger = scene.machine("127.0.0.1:9000").dial()
    stranger.say(f"seed listens:{ONE}")
    nonce = stranger.hear_until("seed asks:").partition(":")[2]
    two.say(f"seed confirms:{nonce}")
    one.say(f"seed confirms:{NONCE}")
    scene.node.to_all(b"load:1:\n")
    assert one.ear.hear_until("load:") and stranger.hear_all(0.1) == []
    stranger.say(f"seed confirms:{nonce}")
    assert scene.event(f"refused:{ONE}:") and stranger.ends_within(0.1)
    assert one.ear.closed is None
    idle, nonce = scene.machine("127.0.0.1:9001").dial(), one.claim()
    idle.say(f"seed listens:{ONE}")
    one.say(f"seed confirms:{nonce}")
    assert one.ear.hear_until("tree:"), "it listens over another link"
    assert idle.ends_within(5.5) and one.ear.closed is None


def test_many_who_claim_to_be_a_seed_push_one_another_out(monkeypatch):
    monkeypatch.setattr(grapevine.node, "CROWD_LIMIT", 10)
    scene, one = joined_scene(ONE)
    ends = scene.machine("127.0.0.1:9000", listens=False).dial_often(20)
    for end in ends:
        end.say(f"seed listens:{ONE}")
        scene.run(0.001)
    more = scene.machine("127.0.0.1:9001", listens=False).dial_often(5)
    scene.run(0.1)
    assert sum(end.closed is None for end in [*ends, *more]) == 10
    assert one.ear.closed is one.mouth.closed is None


def test_what_one_seed_asks_is_confirmed_to_that_one_alone():
    scene, one, two = joined_scene(ONE, TWO)
    one.say(f"seed asks:{NONCE}")
    two.say(f"seed asks:{NONCE[::-1]}")
    assert one.ear.hear_all(0.1) == [f"seed confirms:{NONCE}"]
    assert two.ear.hear_all(0.1) == [f"seed confirms:{NONCE[::-1]}"]


def test_a_seed_that_the_config_names_is_known_where_its_name_leads():
    scene = Scene(JudgingSeed, seeds=[NODE, "seed.example:8001"], monitor=True, sign=True)
    scene.name("seed.example:8001", ONE)
    one = OtherSeed(scene, ONE).join()
    pass_periods(scene, 4, one)
    assert scene.events("tree:") == [tree(1, NODE, (NODE, 0), (ONE, HALF))]


@pytest.mark.parametrize("claimed, claimant", [
    (A, "127.0.0.1:9000"), (NODE, "127.0.0.1:9000"), (ONE, "127.0.0.9:9000")])
def test_who_is_no_other_seed_or_has_another_ip_is_not_asked(claimed, claimant):
    scene, one = joined_scene(ONE)
    end = scene.machine(claimant).dial()
    end.say(f"seed listens:{claimed}")
    assert scene.event("refused:").endswith("is no seed of this network, or not its IP")
    assert end.hear() is None and end.closed


@pytest.mark.parametrize("node, kinds, role", [
    (JudgingSeed, "rows load verdicts charged tree kick it_is_me is_it_you", "SPEAKER"),
    (WatchedPeer, "kick unconfirmed contradiction", "SEED")])
def test_what_seeds_say_is_heard_on_a_link_to_a_seed_alone(node, kinds, role):
    for kind in kinds.split(" "):
        assert [each for each, answers in node.ANSWERS.items() if kind in answers] == [role]


def test_a_seed_listens_over_the_link_that_it_confirmed_last():
    scene, one = joined_scene(ONE)
    older = one.ear
    one.join()
    assert older.ends_within(0.1) and one.ear.closed is None
    scene.node.to_all(b"load:1:\n")
    assert one.ear.hear_until("load:") == "load:1:"
    assert one.ear.hear_until("load:", PERIOD) == "load:0:", "once a period"


def test_a_seed_that_says_nothing_for_three_periods_is_dialled_anew():
    scene, one = joined_scene(ONE)
    scene.run(2.9 * PERIOD)
    assert one.mouth.closed is None
    assert one.mouth.ends_within(1.2 * PERIOD)
    one.begin()
    scene.run(2.5 * PERIOD)
    assert one.mouth.closed is None, "it has as long again"


def test_a_seed_that_reads_late_is_told_all_rows_of_a_table():
    scene, one = joined_scene(ONE)
    one.ear.stop_reading()
    for _ in range(16):
        scene.node.to_all(b"x" * (1 << 20))
    one.ear.read_on()
    scene.run(1.0)
    assert one.ear.closed is None


# The tree.

def test_a_seed_that_speaks_and_listens_joins_the_tree_and_is_removed_when_it_does_not():
    scene, one = joined_scene(ONE)
    pass_periods(scene, 1, one)
    assert scene.events("tree:") == [], "not before this seed is sure of what it sees"
    pass_periods(scene, 3, one)
    line = tree(1, NODE, (NODE, 0), (ONE, HALF))
    assert scene.events("tree:") == [line] and one.ear.hear_until("tree:1:") == line
    pass_periods(scene, 3, one)
    one.ear.hang_up()
    pass_periods(scene, 2, one)
    assert scene.events("tree:")[1:] == [tree(2, NODE, (NODE, 0))], "it does not listen"
    one.join()
    pass_periods(scene, 2, one)
    assert len(scene.events("tree:")) == 3
    scene.run(3.01 * PERIOD)
    assert scene.events("tree:")[3:] == [tree(4, NODE, (NODE, 0))], "it does not speak"
    scene.run(5 * PERIOD)
    assert len(scene.events("tree:")) == 4, "but it is dialled"


@pytest.mark.parametrize("line", [tree(5, A, (NODE, 0)), tree(5, ONE, (NODE, 0), (A, 7))])
def test_a_tree_with_somebody_in_it_who_is_no_seed_is_not_taken(line):
    scene, one = joined_scene(ONE)
    one.say(line)
    assert scene.event(f"refused:{ONE}:a tree with somebody in it") and one.mouth.closed
    assert scene.events("tree:") == []


def test_no_seed_uses_up_the_numbers_of_all_later_trees():
    scene, one = joined_scene(ONE)
    newer = tree(5, ONE, (NODE, 0), (ONE, HALF))
    one.say(tree(10**19 - 1, ONE, (NODE, 0), (ONE, THIRD)), newer)
    assert scene.events("tree:") == [newer]
    one.ear.hang_up()
    pass_periods(scene, 4, one)
    assert scene.events("tree:")[1:] == [tree(6, NODE, (NODE, 0))]


def test_anybody_may_ask_for_the_tree_and_the_loads():
    scene, one = joined_scene(ONE)
    one.say(tree(5, ONE, (NODE, 0), (ONE, HALF)), "load:7:")
    scene.run(PERIOD)
    reporter = Reporter(scene, A)
    for end in scene.machine(B).dial(), reporter.end:
        end.say("ask tree")
        assert end.hear() == tree(5, ONE, (NODE, 0), (ONE, HALF))
        assert end.hear() == f"loads:{listed(NODE)}=0 {listed(ONE)}=7"


# Rows.

def three_seeds():
    """Return a scene with three seeds in the tree, the node in the middle."""
    scene, one, two = joined_scene(ONE, TWO)
    one.say(tree(5, ONE, (ONE, 0), (NODE, THIRD), (TWO, 2 * THIRD)))
    one.ear.hear_all(0.01), two.ear.hear_all(0.01)
    return scene, one, two


KEYS = [address_in(at * THIRD, (at + 1) * THIRD - 1) for at in range(3)]


def test_an_entry_is_two_rows_which_go_to_the_owners_of_their_keys_and_stay_here():
    scene, one, two = three_seeds()
    reporter, *_ = [Reporter(scene, address) for address in KEYS]
    reporter.report(dict.fromkeys(KEYS[1:], GOOD))
    assert scene.event("report:") == f"report:{KEYS[0]}:1:2"
    assert one.rows() == [("by", KEYS[0], 1, KEYS[1:])]
    assert two.rows() == [("about", KEYS[0], 1, [KEYS[2]])]
    assert held(scene, KEYS[0]) == [("by", KEYS[0], 1)] * 2
    assert [held(scene, key) for key in KEYS[1:]] == [[("about", KEYS[0], 1)]] * 2


def test_rows_are_forwarded_hop_by_hop_once_and_kept_on_the_way():
    scene, one, two = three_seeds()
    for _ in range(2):
        one.say(rows_line(A, KEYS[2], 5.0), rows_line(A, KEYS[1]))
    assert two.rows() == [("about", A, 1, [KEYS[2]])] and one.rows() == []
    assert held(scene, KEYS[2]) == held(scene, KEYS[1]) == [("about", A, 1)]
    one.say(tree(6, ONE, (NODE, 0), (ONE, THIRD), (TWO, 2 * THIRD)))
    assert two.rows() == [], "what is over the root goes to the next one alone"
    assert sorted(keys for _, _, _, keys in one.rows()) == sorted([[KEYS[1]], [KEYS[2]]])


def test_rows_are_kept_for_twelve_periods():
    scene, one = joined_scene(ONE)
    one.say(rows_line(A, B, 12.1 * PERIOD), rows_line(A, C, 11 * PERIOD), rows_line(A, D))
    assert held(scene, B) == [] and held(scene, C) == [("about", A, 1)]
    pass_periods(scene, 11, one)
    assert held(scene, C) == [] and held(scene, D) == [("about", A, 1)]
    pass_periods(scene, 2, one)
    assert held(scene, D) == []


def test_who_begins_to_listen_is_told_the_tree_and_its_rows_first():
    scene, one, two = seed_scene(ONE, TWO)
    one.join()
    one.say(tree(5, ONE, (NODE, 0), (ONE, THIRD), (TWO, 2 * THIRD)), *[
        rows_line(A, key) for key in KEYS])
    one.ear.hear_all(0.1)
    two.begin()
    two.say(f"seed confirms:{two.claim()}")
    assert two.ear.hear() == tree(5, ONE, (NODE, 0), (ONE, THIRD), (TWO, 2 * THIRD))
    assert two.rows() == [], "which go over the root"
    one.ear.hang_up()
    one.claim()
    one.say(f"seed confirms:{NONCE}")
    assert one.rows() == []
    one.join()
    assert one.rows() == [("about", A, 1, KEYS[1:])]


def test_a_new_tree_is_told_before_the_rows_that_move_by_it():
    scene, one = joined_scene(ONE)
    Reporter(scene, HIGH)
    Reporter(scene, LOW).report({HIGH: GOOD})
    one.ear.hear_all(0.1)
    one.say(newer := tree(5, ONE, (NODE, 0), (ONE, HALF)))
    assert one.ear.hear() == newer and one.rows() == [("about", LOW, 1, [HIGH])]
    scene.run(PERIOD)
    assert scene.event("load:").split(":")[3] == "1", "row that has moved"
    assert held(scene, HIGH), "which is forwarded again when the tree changes"
    one.say(tree(6, ONE, (NODE, 0)), tree(7, ONE, (NODE, 0), (ONE, HALF)))
    assert one.rows() == [("about", LOW, 1, [HIGH])]


# Reports.

def test_reports_that_come_again_from_the_newest_on_are_as_old_as_their_periods():
    scene, one, _ = seed_with(A, B)
    for period in range(9, 1, -1):
        one.report({B: GOOD}, period)
    scene.run(0.01)
    ages = {row.period: round((scene.now - row.at) / PERIOD, 1)
            for row in scene.node.rows.of(parse_address(B))}
    assert ages == {9: 0, 8: 1, 7: 2, 6: 3, 5: 4, 4: 5}


def test_a_report_of_another_run_does_not_count_and_one_about_oneself_breaks_a_rule():
    scene, one, _ = seed_with(A, B)
    scene.node.proved(parse_address(A), 8)
    one.report({B: GOOD})
    one.end.say(f"report:8:2:{entries({B: GOOD})}")
    scene.run(0.1)
    assert scene.events("report:") == [f"report:{A}:2:1"]
    one.report({B: GOOD, A: GOOD})
    assert scene.event("refused:") == f"refused:{A}:a report that names its own reporter"
    assert one.end.ends_within(0.1) and len(scene.events("report:")) == 1


def test_entries_about_peers_that_no_seed_has_seen_are_dropped_and_one_of_them_is_looked_for():
    scene, one, _ = seed_with(A, B)
    unlisted = KeyMachine(scene, C)
    one.report({B: GOOD, C: GOOD})
    scene.run(1.0)
    assert scene.events("report:") == [f"report:{A}:1:2"]
    assert held(scene, B) and not held(scene, C)
    assert scene.node.vouched.latest(parse_address(C)) == unlisted.key.start
    scene.run(PERIOD)
    one.report({B: GOOD, C: GOOD})
    scene.run(0.1)
    assert held(scene, C) == [("about", A, 2)]
