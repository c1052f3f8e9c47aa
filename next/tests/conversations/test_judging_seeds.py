"""Seeds that keep reports, judge by them, and shut out: whom they hear, and what they tell."""

import pytest

import grapevine.monitoring.seed as judging
import grapevine.node
from grapevine import wire
from grapevine.addresses import parse_address, parse_target
from grapevine.monitoring import grammar
from grapevine.monitoring.evidence import contradiction_of
from grapevine.monitoring.threaded_tree import SPACE
from grapevine.signing.grammar import parse_signed
from grapevine.signing.seed import VouchingSeed
from tests.tools.monitoring import (
    GOOD, PERIOD, Clique, OtherSeed, Reporter, address_in, entries, evidence, listed,
    pass_periods, seed_scene, signed_again, time_of, tree)
from tests.tools.signing import KeyMachine, signer
from tests.tools.virtual import NODE, Scene

ONE, TWO = "127.0.0.1:8001", "127.0.0.1:8002"
A, B, C, D, S = [f"127.0.0.1:{port}" for port in range(6001, 6006)]
NONCE = "0123456789abcdef" * 2
HALF, THIRD = SPACE // 2, SPACE // 3
LOW, HIGH = address_in(0, HALF - 1), address_in(HALF, SPACE - 1)
LOWER = [address_in(0, HALF - 1, [LOW])]
LOWER += [address_in(0, HALF - 1, [LOW, *LOWER])]


def rows_line(reporter: str, peer: str, age: float = 0.0, side: str = "about", period: int = 1
              ) -> str:
    return f"rows:{age:.3f}:{side}:{reporter}:7:{period}:{entries({peer: GOOD})}"


def held(scene: Scene, subject: str) -> list[tuple[str, str, int]]:
    """Return the rows that the node holds about a peer, and by it: (side, reporter, PERIOD)."""
    return [(row.side, str(row.reporter), row.period)
            for row in scene.node.rows.of(parse_address(subject))]


def joined_scene(*others: str, **settings):
    scene, *seeds = seed_scene(*others, **settings)
    return scene, *[seed.join() for seed in seeds]


def court(*others: str, **settings):
    """Return the scene of a seed that owns nearly all keys, and other seeds, which are joined. One
    of these tends the tree, so that no load changes it."""
    scene, *seeds = joined_scene(before=others, **settings)
    ends = [SPACE - 1 - at for at in range(len(seeds))][::-1]
    seeds[0].say(tree(5, NODE, (NODE, 0), *zip(others, ends)))
    return scene, *seeds


# Who is a seed.

def test_who_is_dialled_speaks():
    scene, one = seed_scene(ONE)
    one.begin().say(rows_line(A, B))
    assert held(scene, B) == [("about", A, 1)]


def test_who_confirms_that_it_listens_is_told_the_tree():
    scene, one = seed_scene(ONE)
    one.join()
    scene.node.to_all(b"load:1:\n")
    assert one.ear.hear_until("load:") == "load:1:"
    assert one.ear.hear_until("load:", PERIOD) == "load:0:", "once a period"


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


def test_a_seed_that_claims_before_it_is_dialled_is_heard_when_it_is():
    scene = Scene(judging.JudgingSeed, seeds=[NODE, ONE], monitor=True, sign=True)
    scene.run(0.1)  # nobody listens there
    one = OtherSeed(scene, ONE)
    nonce = one.claim()
    one.begin().say(f"seed asks:{NONCE}", f"seed confirms:{nonce}")
    assert one.ear.hear() == f"seed confirms:{NONCE}" and one.ear.hear().startswith("tree:")


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
    idle = scene.machine("127.0.0.1:9001").dial()
    idle.say(f"seed listens:{ONE}")
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
    scene = Scene(judging.JudgingSeed, seeds=[NODE, "seed.example:8001"], monitor=True, sign=True)
    scene.net.names[parse_target("seed.example:8001")] = parse_address(ONE)
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


SAID_BY_SEEDS = [rows_line(A, B), "load:5:", "verdicts:0:||", tree(99, NODE, (NODE, 0)),
                 f"kick:{A}:0.900:600.000", f"seed confirms:{NONCE}", f"seed asks:{NONCE}"]


@pytest.mark.parametrize("line", SAID_BY_SEEDS)
@pytest.mark.parametrize("who", ["UNIDENTIFIED", "CLAIMANT", "LISTENER", "REGISTERED"])
def test_what_seeds_say_is_heard_on_a_link_to_a_seed_alone(who, line):
    scene, one = joined_scene(ONE)
    end = {"UNIDENTIFIED": lambda: scene.machine(B).dial(), "LISTENER": lambda: one.ear,
           "CLAIMANT": lambda: scene.machine(B).dial(),
           "REGISTERED": lambda: Reporter(scene, B).end}[who]()
    if who == "CLAIMANT":
        end.say(f"seed listens:{ONE}")
    version = scene.node.tending.tree.version
    end.say(line)
    assert scene.event("refused:").endswith(f"while {who}")
    assert end.ends_within(0.1) and held(scene, B) == []
    assert scene.node.tending.tree.version == version and not scene.node.kicked()


def test_a_seed_listens_over_the_link_that_it_confirmed_last():
    scene, one = joined_scene(ONE)
    older = one.ear
    one.join()
    assert older.ends_within(0.1) and one.ear.closed is None
    scene.node.to_all(b"load:1:\n")
    assert one.ear.hear_until("load:")


def test_a_broken_line_of_a_seed_ends_its_link_which_is_dialled_again():
    scene, one = seed_scene(ONE)
    for line in "load:-1:", rows_line(A, B).replace("=100,0", "=100,101"), f"kick:{A}:0.900":
        one.begin().say(line)
        assert scene.event(f"refused:{ONE}:") and one.mouth.closed
    assert held(scene, B) == []


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
    assert scene.events("tree:") == [line] and one.ear.hear_until(f"tree:1:") == line
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


def test_a_seed_whose_link_is_up_and_which_does_not_listen_does_not_join():
    scene, one = seed_scene(ONE)
    one.begin()
    pass_periods(scene, 5, one)
    assert scene.events("tree:") == []


def test_the_keys_are_cut_anew_when_loads_are_uneven_for_three_periods():
    scene, one = joined_scene(ONE)
    keys = " ".join(f"{HALF + at * (HALF // 32):024x}" for at in range(1, 16))
    while not scene.events("tree:"):
        pass_periods(scene, 1, one)
    scene.run(0.1)
    for period in range(8):
        one.mouth.say(f"load:100:{keys}")
        scene.run(PERIOD)
        if len(scene.events("tree:")) == 2:
            break
    assert period == 3, "the tree stands for two periods, and they are uneven for three"
    recut = grammar.parse(scene.events("tree:")[1].encode())[1]
    assert recut[0] == 2 and HALF < recut[2][1][0] < HALF + HALF // 2


def test_the_first_living_seed_of_the_config_tends_the_tree():
    scene, first, last = seed_scene(TWO, before=(ONE,))
    first.join(), last.join()
    pass_periods(scene, 5, first, last)
    assert scene.events("tree:") == []
    pass_periods(scene, 5, last)
    assert scene.events("tree:") == [tree(1, NODE, (NODE, 0), (TWO, HALF))]


def test_a_newer_tree_is_taken_and_told_and_an_older_one_is_not():
    scene, one, two = joined_scene(ONE, TWO)
    newer = tree(5, ONE, (NODE, 0), (ONE, HALF))
    one.say(newer, tree(4, ONE, (ONE, 0)), newer)
    assert scene.events("tree:") == [newer]
    assert [two.ear.hear_until("tree:"), two.ear.hear(0.1)] == [newer, None]


@pytest.mark.parametrize("line", [tree(5, A, (NODE, 0)), tree(5, ONE, (NODE, 0), (A, 7))])
def test_a_tree_with_somebody_in_it_who_is_no_seed_is_not_taken(line):
    scene, one = joined_scene(ONE)
    one.say(line)
    assert scene.event(f"refused:{ONE}:a tree with somebody in it") and one.mouth.closed
    assert scene.events("tree:") == []


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
    reporter, *_ = [Reporter(scene, address) for address in (KEYS[0], *KEYS[1:])]
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


def test_a_row_keeps_its_age():
    scene, one, two = three_seeds()
    one.say(rows_line(A, KEYS[2], 5.0))
    line = two.ear.hear_until("rows:")
    assert 5.0 <= grammar.parse(line.encode())[1][0] < 5.1


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

def reporters(scene: Scene, *addresses: str) -> list[Reporter]:
    return [Reporter(scene, address) for address in addresses]


def test_a_report_counts_once_and_once_a_period():
    scene, = seed_scene()
    one, _ = reporters(scene, A, B)
    for period in 1, 1, 2, 3, 4:
        one.report({B: GOOD}, period)
    scene.run(0.1)
    assert scene.events("report:") == [f"report:{A}:{period}:1" for period in (1, 2)]
    scene.run(PERIOD)
    one.report({B: GOOD}, 5)
    scene.run(0.1)
    assert sorted(held(scene, B)) == [("about", A, period) for period in (1, 2, 5)]
    assert one.end.closed is None


def test_who_makes_too_many_reports_that_do_not_count_breaks_a_rule():
    scene, = seed_scene()
    one, _ = reporters(scene, A, B)
    for _ in range(101):  # of which one counts
        one.report({B: GOOD}, 1)
    scene.run(1.0)
    assert one.end.closed is None
    for _ in range(30):
        one.report({B: GOOD}, 1)
    assert scene.event("refused:") == f"refused:{A}:too many reports that do not count"
    assert one.end.ends_within(0.1)


def test_reports_that_come_again_from_the_newest_on_are_as_old_as_their_periods():
    scene, = seed_scene()
    one, _ = reporters(scene, A, B)
    for period in range(9, 1, -1):
        one.report({B: GOOD}, period)
    scene.run(0.01)
    ages = {row.period: round((scene.now - row.at) / PERIOD, 1)
            for row in scene.node.rows.of(parse_address(B))}
    assert ages == {9: 0, 8: 1, 7: 2, 6: 3, 5: 4, 4: 5}


def test_a_report_of_another_run_than_the_last_probe_has_proved_does_not_count():
    scene, = seed_scene()
    one, _ = reporters(scene, A, B)
    scene.node.proved(parse_address(A), 8)
    one.report({B: GOOD})
    one.end.say(f"report:8:2:{entries({B: GOOD})}")
    scene.run(0.1)
    assert scene.events("report:") == [f"report:{A}:2:1"]


def test_a_peer_that_is_listed_no_more_or_not_yet_does_not_report():
    scene, = seed_scene()
    one, _ = reporters(scene, A, B)
    again = one.register()
    one.report({B: GOOD})
    assert again.hear() == "registered successfully" and one.end.ends_within(0.1)
    end = scene.machine(C).dial()
    end.say(f"report:7:1:{entries({B: GOOD})}")
    assert end.ends_within(0.1) and held(scene, C) == []


def test_a_report_about_oneself_breaks_a_rule():
    scene, = seed_scene()
    one, _ = reporters(scene, A, B)
    one.report({B: GOOD, A: GOOD})
    assert scene.event("refused:") == f"refused:{A}:a report that names its own reporter"
    assert one.end.ends_within(0.1) and held(scene, B) == []


def test_entries_about_peers_that_no_seed_has_seen_are_dropped_and_one_of_them_is_looked_for():
    scene, = seed_scene()
    one, _ = reporters(scene, A, B)
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


# Judging.

def run_late(scene: Scene, seconds: float, period: float = PERIOD) -> None:
    """Have the node's next but one turn come so late."""
    count = len(scene.events("load:"))
    scene.pass_until(lambda: len(scene.events("load:")) > count, period + 1.0)
    scene.run(0.99 * period)
    scene.world.freeze()
    scene.run(0.01 * period + seconds)
    scene.world.thaw()
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


def test_no_event_is_in_two_charges():
    scene, one = court(ONE)
    clique = Clique(scene, A, B, C, S)
    clique.pass_periods(6, one)
    clique.accuse(S, (100, 0, 30, 1000, 0))
    clique.pass_periods(1, one)
    clique.accuse(S, GOOD)
    clique.pass_periods(12, one)
    assert len([event for event in scene.events("judged:")
                if f"{listed(S)}=0.0" not in event]) >= 4, "it is bad for as long"
    assert scene.events("verdict:") == []


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


def test_a_seed_that_stood_still_says_so_and_judges_nobody_for_two_periods():
    scene, one = court(ONE)
    clique = Clique(scene, A, B, C, S)
    clique.pass_periods(8, one)
    scene.world.freeze()
    scene.run(3.5 * PERIOD)
    scene.world.thaw()
    assert scene.event("behind:", PERIOD)
    count, since = len(scene.events("judged:")), scene.now
    while len(scene.events("judged:")) == count:
        clique.pass_periods(1, one)
    assert scene.now - since >= 1.5 * PERIOD


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


@pytest.mark.parametrize("known, times, is_bad", [
    (0, 10, True), (100_000, 10, False), (100_000, 1, True)])
def test_excuses_are_granted_by_what_seeds_together_know_lately(known, times, is_bad):
    scene, one, two = court(ONE, TWO)
    clique = Clique(scene, A, B, C, D, S)
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
    bad = KeyMachine(scene, S)
    bad.is_alive = False
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


def test_the_same_that_a_run_has_signed_twice_is_evidence_too():
    scene, one = joined_scene(ONE)
    bad, witness = reporters(scene, S, A)
    first = bad.signed(1, "said")
    both = [parse_signed(line.encode()) for line in (first, signed_again(first))]
    witness.end.say(grammar.say("contradiction", contradiction_of(*both)).decode().rstrip())
    scene.run(0.1)
    assert kicked(scene, S) == 1 and witness.end.closed is None


def test_two_texts_of_a_made_up_run_in_the_name_of_a_peer_harm_nobody():
    scene, one = joined_scene(ONE)
    victim, liar = reporters(scene, A, S)
    liar.end.say(evidence(A, signer(A, "made up")))
    one.say(evidence(B, signer(B, "made up")))
    assert scene.events("removed:") == scene.events("contradiction:") == []
    assert victim.end.closed is liar.end.closed is None


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


def test_three_untrue_reports_in_eight_periods_cost_belief_however_they_lie():
    scene, one = joined_scene(ONE)
    liar, _ = reporters(scene, A, B)
    for _ in range(2):
        report_death(scene, liar, B)
        pass_periods(scene, 3, one)
    assert scene.events("disbelieved:") == []
    report_death(scene, liar, B)
    assert scene.events("disbelieved:") == [f"disbelieved:{A}"]


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


def test_without_monitoring_a_seed_takes_nothing_of_it():
    scene = Scene(VouchingSeed, seeds=[NODE, ONE])
    one = OtherSeed(scene, ONE)
    for line in "ask tree", f"seed listens:{ONE}", *SAID_BY_SEEDS:
        end = scene.machine("127.0.0.1:9000", listens=False).dial()
        end.say(line)
        assert end.ends_within(0.1) and end.lines == []
    reporter = Reporter(scene, A)
    reporter.report({B: GOOD})
    assert reporter.end.ends_within(0.1) and one.ends == []
