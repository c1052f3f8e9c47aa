"""A node whose process runs late gives more time and passes no verdict; on time again it does."""

import pytest

from gossip.lab.simulation.virtual_world import DEADLINE_LOOK
from gossip.liveness.prober import FIRST
from gossip.node.node import WAITING, WITHHELD
from gossip.settings import LATE_FOR
from tests.tools.fakes import peer, run_late
from tests.tools.nets import neighbours
from tests.tools.registering import put_off
from tests.tools.simulated import ONE, OTHER, SEED, Nodes

LATE = 0.2  # seconds: no verdict is passed
MORE = 20 * LATE  # seconds of patience more


@pytest.fixture
def nodes():
    """A seed and two neighbours in virtual time, that gossip nothing by themselves."""
    return Nodes(gossip_count=0)


def pass_time(nodes, seconds):
    nodes.network.time.run(nodes.network.time.now + seconds)


# Patience.

def introduction(node):
    link = node.new_link(WAITING)
    node.await_introduction(link)
    return link.due()


def first_word(node):
    """The deadline of one that was heard of, but has not said who it is."""
    link = node.new_link(WAITING)
    link.send = lambda data, urgent: None
    node.await_introduction(link)
    node.on_line(link, f"Liveness Request:1.000000:{OTHER}".encode())
    return link.due()


def probe(node):
    node.probe(peer(6000), lambda alive: None)
    return node.links()[-1].due()


def dial(node):
    node.linking.dial(peer(6000))
    return node.links()[-1].due()


def link_check(node):
    waits, newcomer = put_off(node), node.new_link(WAITING)
    node.await_introduction(newcomer)
    node.linking.admitting._check(node.neighbours.link(OTHER), newcomer)
    return node.now() + waits[0]


def registration(node):
    row, = node.joining._rows.values()
    row.link, row.registered = None, False
    node.joining.keep_registrations(node.now())
    return row.due


@pytest.mark.parametrize("deadline, seconds", [
    (introduction, 5.0), (first_word, 5.0), (probe, 2.0), (dial, 5.0), (link_check, 1.0),
    (registration, 10.0)])
def test_a_late_peer_is_more_patient_and_one_on_time_is_not(nodes, deadline, seconds):
    now = nodes.one.now()
    run_late(nodes.one, 0.049)
    assert deadline(nodes.one) - now == pytest.approx(seconds)
    nodes = Nodes(gossip_count=0)
    run_late(nodes.one, LATE)
    assert deadline(nodes.one) - nodes.one.now() == pytest.approx(seconds + MORE)


def test_a_late_seed_waits_longer_for_an_introduction_and_for_who_is_probed(nodes):
    run_late(nodes.seed, LATE)
    assert introduction(nodes.seed) - nodes.seed.now() == pytest.approx(5.0 + MORE)
    assert probe(nodes.seed) - nodes.seed.now() == pytest.approx(2.0 + MORE)


@pytest.mark.parametrize("late, seconds", [(0.0, 1.0), (LATE, 1.0 + MORE)])
def test_a_late_seed_waits_longer_for_a_registration_that_another_connection_wants(nodes, late,
                                                                                   seconds):
    seed = nodes.seed
    nodes.one.joining.probed = lambda *_: None  # it says nothing
    run_late(seed, late)
    link = seed.new_link(WAITING)
    link.send, link.remote_ip = lambda data: None, ONE.ip
    seed.on_line(link, f"register:{ONE}".encode())
    nodes.until(lambda: seed.admission._contesting, 1.0)
    pass_time(nodes, seconds - 0.1)
    assert seed.registry.row(ONE).link is not link
    nodes.until(lambda: seed.registry.row(ONE).link is link, 0.2)


def test_patience_ends_with_the_lateness(nodes):
    """Whoever says nothing is not disconnected while a peer is late, and soon when it is not."""
    stranger = peer(6000)
    nodes.network.cabling.listen(stranger, nodes.other.world)  # who accepts, and says nothing
    nodes.other.accept = lambda connection, remote: nodes.other.new_link(WAITING, None, connection)
    run_late(nodes.one, LATE)
    verdicts = []
    nodes.one.probe(stranger, verdicts.append)
    pass_time(nodes, 2.0 + MORE / 2)
    assert verdicts == []
    run_late(nodes.one, 0.0)
    nodes.until(lambda: verdicts == [False], DEADLINE_LOOK + 0.1)


# Verdicts of a peer.

def test_a_late_round_counts_no_miss_and_one_on_time_does(nodes):
    one, interval = nodes.one, nodes.network.settings.liveness_interval
    run_late(one, LATE)
    nodes.network.lose_power(OTHER)
    pass_time(nodes, 10 * interval)
    assert nodes.count(one, "liveness missed:") == 0 and neighbours(one) == {OTHER}
    assert nodes.count(one, "liveness request:") >= 10  # it goes on asking
    assert one.status()[WITHHELD] >= 8
    run_late(one, 0.0)
    nodes.until(lambda: nodes.count(one, f"liveness missed:{OTHER}:1"), 1.1 * interval)
    nodes.until(lambda: nodes.count(one, f"dead:{OTHER}"), 3.2 * interval)


def test_a_last_probe_that_fails_while_its_peer_is_late_acquits_until_it_is_on_time(nodes):
    one, settings = nodes.one, nodes.network.settings
    nodes.network.lose_power(OTHER)
    nodes.until(lambda: nodes.count(one, f"liveness missed:{OTHER}:3"), 60)
    run_late(one, LATE)
    pass_time(nodes, 5 * settings.liveness_interval)
    assert nodes.count(one, "dead:") == 0 and neighbours(one) == {OTHER}
    assert nodes.count(one, "liveness missed:") == 3 and one.status()[WITHHELD] >= 1
    run_late(one, 0.0)
    nodes.until(lambda: nodes.count(one, f"dead:{OTHER}"),
                settings.liveness_interval + settings.probe_limit + 1.0)
    assert nodes.count(one, f"reported:{SEED}:Dead Node:{OTHER}:") == 1


def test_a_late_peer_gives_up_no_seed_that_is_silent_and_one_on_time_does(nodes):
    one, interval = nodes.one, nodes.network.settings.liveness_interval
    run_late(one, LATE)
    nodes.network.lose_power(SEED)
    pass_time(nodes, 10 * interval)
    assert nodes.count(one, f"unregistered:{SEED}") == 0
    run_late(one, 0.0)
    nodes.until(lambda: nodes.count(one, f"unregistered:{SEED}:silent"), 5 * interval)


# Verdicts of a seed.

def test_a_probe_that_fails_while_its_seed_is_late_has_found_nothing_out(nodes):
    seed, verdicts = nodes.seed, []
    run_late(seed, LATE)
    seed.probers[FIRST].ask(peer(6000), verdicts.append)
    seed.probers[FIRST].ask(ONE, verdicts.append)
    pass_time(nodes, 1.0)
    assert sorted(verdicts, key=str) == [None, True]  # an answer is an answer
    assert seed.status()[WITHHELD] == 3  # a quick look, and two tries
    run_late(seed, 0.0)
    seed.probers[FIRST].ask(peer(6000), verdicts.append)
    pass_time(nodes, 1.0)
    assert verdicts[2:] == [False]


def test_a_late_seed_rejects_a_report_and_looks_itself_when_it_is_on_time(nodes):
    seed, one = nodes.seed, nodes.one
    run_late(seed, LATE)
    nodes.network.lose_power(OTHER)
    nodes.until(lambda: nodes.count(one, f"reported:{SEED}:"), 100)
    nodes.until(lambda: any(event.endswith(":too busy to find out")
                            for event in nodes.events(seed)), 20)
    pass_time(nodes, 3 * LATE_FOR)
    assert nodes.count(seed, "removed:") == 0 and OTHER in seed.registry.addresses()
    run_late(seed, 0.0)
    nodes.until(lambda: f"removed:{OTHER}:dead" in nodes.events(seed), 2 * LATE_FOR + 5.0)
    assert nodes.count(seed, "passed on:") == nodes.count(seed, "rejected:") == 1
    nodes.until(lambda: nodes.count(one, "told:"), 1.0)


def test_a_late_seed_that_finds_the_reported_alive_later_blames_nobody(nodes):
    seed = nodes.seed
    run_late(seed, LATE)
    nodes.network.freeze(OTHER)
    nodes.until(lambda: nodes.count(seed, "rejected:"), 100)
    nodes.network.thaw(OTHER)
    run_late(seed, 0.0)
    pass_time(nodes, 3 * LATE_FOR)
    assert nodes.count(seed, "rejected:") == 1 and nodes.count(seed, "removed:") == 0


def test_a_registration_whose_connection_broke_is_judged_when_the_seed_is_on_time(nodes):
    seed = nodes.seed
    run_late(seed, LATE)
    nodes.network.kill(OTHER)
    pass_time(nodes, 10 * nodes.network.settings.grace)
    assert nodes.count(seed, "removed:") == 0 and OTHER in seed.registry.addresses()
    run_late(seed, 0.0)
    nodes.until(lambda: f"removed:{OTHER}:gone" in nodes.events(seed), LATE_FOR + 1.0)


def test_a_late_seed_removes_nobody_who_may_have_come_back(nodes):
    """The time to come back is over while the seed is late: the peer is probed when it is not."""
    seed, grace = nodes.seed, nodes.network.settings.grace
    for again in ("next_round", "probed"):  # it does not register again
        setattr(nodes.other.joining, again, lambda *_: None)
    row = seed.registry.row(OTHER)
    row.link = None
    seed._judge_lost(row, True)
    run_late(seed, LATE)
    pass_time(nodes, grace + 10 * LATE_FOR)
    assert seed.registry.row(OTHER) is row and nodes.count(seed, "removed:") == 0
    assert seed.status()[WITHHELD] >= 1
    run_late(seed, 0.0)
    pass_time(nodes, LATE_FOR + 1.0)
    assert seed.registry.row(OTHER) is row  # it answers, so it has its time again
    nodes.until(lambda: nodes.count(seed, f"removed:{OTHER}:gone"), grace + 1.0)


# What is shown.

def test_the_status_shows_how_late_a_node_is_and_was_at_worst(nodes):
    for node in (nodes.seed, nodes.one):
        assert node.status()["late"] == "0.000 s, at worst 0.000 s"
    nodes.network.freeze(ONE)
    pass_time(nodes, 1.5)
    nodes.network.thaw(ONE)
    assert nodes.one.status()["late"] == "1.500 s, at worst 1.500 s"
    pass_time(nodes, LATE_FOR)
    assert nodes.one.status()["late"] == "0.000 s, at worst 1.500 s"
    assert nodes.seed.status()["late"] == "0.000 s, at worst 0.000 s"


def test_a_seed_says_once_a_round_that_it_is_up_and_how_long_that_round_is(nodes):
    nodes.network.time.run(nodes.network.time.now + 27.0)
    lines = nodes.events(nodes.seed)
    assert lines[:4] == [f"started:seed:{nodes.seed.address}", "settings:seeds=1", "late:0.000",
                         "alive:13"]
    assert lines.count("alive:13") == 3
