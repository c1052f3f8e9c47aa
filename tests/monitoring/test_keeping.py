"""Seeds keep what peers report: over loopback, and in virtual time."""

import contextlib
import itertools
import random

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.monitoring import grammar
from gossip.monitoring.keeping import Intake
from gossip.monitoring.threaded_tree import ThreadedTree, first_key, key
from gossip.signing.grammar import Signer
from tests.tools.fakes import run_late
from tests.tools.files import count, events, wait_event
from tests.tools.keepers import PERIOD as VIRTUAL_PERIOD
from tests.tools.keepers import Keepers
from tests.tools.monitoring_seeds import (
    PERIOD, agree, entries, held, monitoring_seeds, rows_at, subject)
from tests.tools.registering import registered
from tests.tools.waiting import wait_until


def owner(seeds, row_key):
    """The seed that owns a key by the tree of all."""
    address = seeds[0].keeping.tree.owner(row_key)
    return next(seed for seed in seeds if seed.address == address)


@pytest.mark.parametrize("share, is_late", [(0.1, False), (0.2, True)])
def test_a_seed_that_runs_late_by_a_share_of_a_period_says_so_and_warns_nobody(share, is_late):
    keepers = Keepers(1, seeds=2)
    keepers.run(10 * VIRTUAL_PERIOD)
    seed, _ = keepers.seeds()
    run_late(seed, share * VIRTUAL_PERIOD)
    seed.keeping.turn(keepers.time.now)
    written = b"".join(bytes(file.data) for file in keepers.network.folder.values())
    assert (b":behind:%.3f" % (share * VIRTUAL_PERIOD) in written) is is_late
    assert (seed.keeping.tending.behind == keepers.time.now) is is_late


# Reports.


def test_each_entry_of_a_report_is_two_rows_at_the_owners_of_their_keys(net):
    seeds = monitoring_seeds(net, 3)
    peer, end = registered(net, seeds[0])
    end.say(f"report:7:1:{entries(range(68))}")
    wait_until(lambda: held(*seeds) == 136)
    for number in range(68):
        other = subject(number)
        holder = owner(seeds, key(other, peer.address))
        about, = [row for row in rows_at(holder) if row.subject == other]
        assert about.entry == grammar.Entry(other, 10, 1, 2, 0, 0) and about.side == grammar.ABOUT
        by = owner(seeds, key(peer.address, other)).keeping._held.of(peer.address)
        assert about._replace(side=grammar.BY, at=0) in [row._replace(at=0) for row in by]
    assert wait_event(seeds[0], f"report:{peer.address}:1:68")


def test_ten_thousand_reports_in_one_period_are_two_at_most_and_end_their_connection(net):
    seeds = monitoring_seeds(net, 2)
    seed = seeds[0]
    seed.keeping._intake = Intake(600.0)  # all of them come in one period
    peer, end = registered(net, seed)
    with contextlib.suppress(OSError):  # it is cut off while it speaks
        for first in range(1, 10_001, 500):
            end.say(*(f"report:7:{period}:{entries(range(20))}"
                      for period in range(first, first + 500)))
    assert end.hear_end()
    assert wait_event(seed, "refused:").endswith("too many reports that do not count")
    assert count(seed, f"report:{peer.address}:") == 2
    assert seed.status()["reports that do not count"] == 101
    assert held(*seeds) <= 80


@pytest.mark.parametrize("report", [
    "report:7:1:" + entries(range(69)), "report:7:1:" + entries([1, 1]),
    "report:7:1:" + entries([1], "10,11,0,0,0"), "report:7:1:" + entries([1], "10,0,11,0,0"),
    "report:7:0:", "report:7:1", "report:7:1:{own}=10,1,0,0,0"])
def test_a_report_that_cannot_be_true_ends_its_connection(net, report):
    seed, = monitoring_seeds(net, 1)
    peer, end = registered(net, seed)
    end.say(report.replace("{own}", peer.address.listed))
    assert end.hear_end()
    assert held(seed) == 0


def test_entries_about_peers_that_do_not_exist_are_dropped_and_one_of_them_is_looked_for(net):
    seed, = monitoring_seeds(net, 1)
    (listed, _), (peer, end), unlisted = registered(net, seed), registered(net, seed), net.fake()
    unlisted.signer = Signer(unlisted.address, bytes(32))
    named = [listed.address, unlisted.address, *(subject(number) for number in range(198, 205))]
    report = " ".join(f"{other.listed}=10,1,2,0,0" for other in named)
    end.say(f"report:7:1:{report}")
    wait_until(lambda: held(seed) == 6)
    assert seed.status()["entries about unknown peers"] == 6
    assert {row.entry.peer for row in rows_at(seed)} == {
        listed.address, subject(198), subject(199)}
    periods = itertools.count(2)

    def reported():
        end.say(f"report:7:{next(periods)}:{unlisted.address.listed}=10,1,2,0,0")
        return held(seed) > 6
    wait_until(reported, pause=PERIOD)
    assert seed.vouching.latest_run(unlisted.address) is not None


def test_who_is_not_registered_cannot_report(net):
    seed, = monitoring_seeds(net, 1)
    end = net.dial(seed)
    end.say(f"report:7:1:{entries([1])}")
    assert end.hear() is None
    assert held(seed) == 0


def test_a_run_that_the_address_has_not_proved_cannot_report(net):
    seed, = monitoring_seeds(net, 1)
    peer, end = registered(net, seed)
    seed.vouching.proved(peer.address, 8)
    end.say(f"report:7:1:{entries([1])}", f"report:8:1:{entries([1])}")
    wait_until(lambda: held(seed) == 2)
    assert {row.start for row in rows_at(seed)} == {8}


def test_reports_of_and_about_a_banned_peer_are_not_kept(net):
    seeds = monitoring_seeds(net, 2)
    peer, end = registered(net, seeds[0])
    end.say(f"report:7:1:{entries(range(10))}")
    wait_until(lambda: held(*seeds) == 20)
    kick = grammar.Kick(subject(3), 0.9, 600.0)
    for seed in seeds:
        seed.deciding.on_kick(None, kick)
    assert held(*seeds) == 18
    end.say(f"report:7:2:{entries(range(3, 5))}")
    wait_until(lambda: held(*seeds) == 20)
    assert not any(seed.keeping.rows_of(subject(3)) for seed in seeds)


# The tree, and who asks for it.


def test_anybody_may_ask_for_the_tree_and_the_loads(net):
    seeds = monitoring_seeds(net, 2)
    _, end = registered(net, seeds[0])
    end.say(f"report:7:1:{entries(range(50))}")
    wait_until(lambda: held(*seeds) == 100)
    stranger = net.dial(seeds[1])

    def told():
        stranger.say("ask tree")
        tree = wire.parse(stranger.hear().encode())
        loads = wire.parse(stranger.hear().encode())
        assert ThreadedTree(*tree).seeds() == seeds[0].keeping.tree.seeds()
        return sum(rows for _, rows in loads.rows) == 100 and len(loads.rows) == 2
    wait_until(told)


def test_a_tree_with_a_stranger_in_it_is_not_taken(net):
    seeds = monitoring_seeds(net, 2)
    stranger = address_of("127.0.0.1", 1)
    link = next(link for link in seeds[0].links() if link.peer == seeds[1].address)
    for author, starts in ((stranger, ((0, seeds[0].address),)),
                           (seeds[0].address, ((0, stranger),))):
        with pytest.raises(wire.WireError):
            seeds[0].keeping.on_tree(link, grammar.Tree(99, author, starts))
    assert agree(seeds)


def test_the_rows_of_a_seed_that_is_gone_are_held_by_the_others(net):
    seeds = monitoring_seeds(net, 3)
    _, end = registered(net, seeds[0])
    end.say(f"report:7:1:{entries(range(68))}")
    wait_until(lambda: held(*seeds) == 136)
    net.end(seeds.pop())
    wait_until(lambda: agree(seeds) and held(*seeds) == 136)


def test_each_seed_writes_down_the_trees_and_its_loads(net):
    seeds = monitoring_seeds(net, 2)
    line = wait_event(seeds[0], "tree:")
    assert wire.parse(line.encode()).kind == "tree"
    _, end = registered(net, seeds[1])
    end.say(f"report:7:1:{entries(range(50))}")
    wait_until(lambda: any(loads(seed)[-1][0] for seed in seeds if loads(seed)))
    rows, largest, mean, moved, hops = loads(seeds[0])[-1]
    assert largest >= mean and 0 <= hops <= 1


def loads(seed):
    """(rows, largest, mean, moved, hops) of each `load:` line in a seed's file."""
    return [tuple(map(float, event[len("load:"):].replace("/", ":").split(":")))
            for event in events(seed) if event.startswith("load:")]


def test_five_seeds_share_the_load_of_200_subjects_of_which_few_are_named_by_most(net):
    seeds = monitoring_seeds(net, 5)
    rng = random.Random(1)
    weights = [1 / (rank + 1) ** 0.9 for rank in range(200)]
    ends = [registered(net, seeds[number % 5])[1] for number in range(10)]
    for end in ends:  # hundreds of rows each; subjects drawn by Zipf's law
        named = sorted(set(rng.choices(range(200), weights, k=90)))[:68]
        end.say(f"report:7:1:{entries(named)}")
    wait_until(lambda: any(load[1] > 50 for seed in seeds for load in loads(seed)[-1:]))
    wait_until(lambda: all(loads(seed)[-1][1] <= 2.0 * loads(seed)[-1][2] for seed in seeds),
               what="shares that are nearly equal, by the files")
    tree = seeds[0].keeping.tree
    wait_until(lambda: agree(seeds))
    wait_until(lambda: held(*seeds) == sum(loads(seed)[-1][0] for seed in seeds))
    assert tree.version > 0


# Whose rows are complete; in virtual time.


def decides(keepers, address):
    """The seeds that judge a peer."""
    return [seed for seed in keepers.seeds()
            if address in seed.keeping.judged_here(keepers.time.now)]


def quiet(number, seeds, **changes):
    keepers = Keepers(number, seeds, **changes)
    keepers.run(8 * VIRTUAL_PERIOD)
    keepers.wait_for_quiet()
    assert keepers.faults() == []
    return keepers


def test_one_seed_judges_each_subject_and_has_all_of_its_rows_also_where_it_is_cut_in_two():
    keepers = quiet(1, 5, peers=8, degree=7)
    keepers.run(3 * VIRTUAL_PERIOD)
    cut = 0
    for peer in keepers.peers:
        seed, = decides(keepers, peer.address)
        rows = [row for other in keepers.seeds() for row in other.keeping._held.of(peer.address)]
        cut += len({other for other in keepers.seeds() if other.keeping._held.of(peer.address)}) > 1
        here = {row.identity for row in seed.keeping.rows_of(peer.address)}
        old = {row.identity for row in rows if row.at < keepers.time.now - 2 * VIRTUAL_PERIOD}
        assert old <= here and len(here) == len(seed.keeping.rows_of(peer.address))
    assert cut


def test_a_seed_has_all_rows_of_a_subject_from_the_moment_on_when_that_is_cut_in_two():
    keepers = quiet(1, 2, peers=8, degree=7)
    one, other = keepers.seeds()
    address = next(peer.address for peer in keepers.peers if decides(keepers, peer.address) == [one]
                   and one.keeping.tree.owner(key(peer.address, peer.address)) == one.address)
    before = {row.identity for row in one.keeping.rows_of(address)}
    tree, cut = one.keeping.tree, first_key(address) + (1 << 31)
    starts = ((0, one.address), (cut, other.address))
    one.keeping._take_over(ThreadedTree(tree.version + 1, one.address, starts))
    held = {row.identity for row in one.keeping._held.of(address)}
    assert held < before and {row.identity for row in one.keeping.rows_of(address)} >= before


@pytest.mark.parametrize("number", [6, *(pytest.param(more, marks=pytest.mark.slow)
                                        for more in (3, 8))])
def test_nobody_is_late_for_long_when_rows_move_also_who_is_cut_in_two(number):
    keepers = quiet(number, 5, peers=8, degree=7)
    keepers.run(12 * VIRTUAL_PERIOD)
    keeping = keepers.seeds()[0].keeping
    first, *others = keeping.tree.starts
    starts = (first, *((start + (3 << 90), seed) for start, seed in others))
    keeping._take_over(ThreadedTree(keeping.tree.version + 1, keeping.tree.author, starts))
    keepers.run(14 * VIRTUAL_PERIOD)
    assert not any(seed.keeping.late.get(peer.address, keepers.time.now)
                   for peer in keepers.peers for seed in decides(keepers, peer.address))


def test_who_was_silent_is_late_for_long_though_its_rows_move():
    keepers = quiet(2, 3)
    peer, keeping = keepers.peers[0], keepers.seeds()[0].keeping
    peer.seed = None
    keepers.run(5 * VIRTUAL_PERIOD)
    keeping._take_over(ThreadedTree(keeping.tree.version + 1, *keeping.tree[1:]))
    keepers.run(VIRTUAL_PERIOD)
    peer.find_seed()
    keepers.run(8 * VIRTUAL_PERIOD)
    seed, = decides(keepers, peer.address)
    assert seed.keeping.late.get(peer.address, keepers.time.now)


def test_a_reporter_is_silent_from_three_periods_after_its_last_row_to_nine_and_a_half():
    keepers = quiet(2, 3)
    peer = keepers.peers[0]
    seed, = decides(keepers, peer.address)
    silent = []
    for periods in (0, 2, 2, 4, 2):
        keepers.run(periods * VIRTUAL_PERIOD)
        silent.append(seed.keeping.is_silent(peer.address, keepers.time.now))
        peer.seed = None
    assert silent == [False, False, True, True, False]


def test_a_seed_that_takes_over_judges_after_two_periods():
    keepers = quiet(2, 3)
    keepers.run(3 * VIRTUAL_PERIOD)
    address = keepers.peers[0].address
    seed, = decides(keepers, address)
    keepers.kill(seed.address, float("inf"))
    keepers.run(3 * VIRTUAL_PERIOD)
    wait = 0
    while not decides(keepers, address):
        keepers.run(VIRTUAL_PERIOD / 4)
        wait += 1
    heir, = decides(keepers, address)
    owned = heir.keeping.tending._trees[0][0]
    assert keepers.time.now - owned >= 2 * VIRTUAL_PERIOD


def test_a_seed_that_gets_subjects_decides_when_all_seeds_have_told_their_load_under_the_tree():
    keepers = quiet(2, 3)
    keepers.run(3 * VIRTUAL_PERIOD)
    one, other, third = keepers.seeds()
    tree = one.keeping.tree
    starts, seeds = zip(*tree.starts)
    turned = tuple(zip(starts, (*seeds[1:], seeds[0])))
    one.keeping._take_over(ThreadedTree(tree.version + 1, one.address, turned))
    keepers.freeze(third.address, keepers.time.now + 2.3 * VIRTUAL_PERIOD)  # it counts as living
    keepers.run(2.2 * VIRTUAL_PERIOD)
    assert one.keeping._held.count() and one.keeping.judged_here(keepers.time.now) == []
    keepers.run(8 * VIRTUAL_PERIOD)
    assert one.keeping.judged_here(keepers.time.now)


def test_a_seed_that_has_just_begun_or_stood_still_judges_nobody_and_is_no_keeper():
    keepers = quiet(3, 2)
    first = keepers.seeds()[0]
    assert first.keeping.tending.is_keeper(keepers.time.now)
    keepers.freeze(first.address, keepers.time.now + 5 * VIRTUAL_PERIOD)
    keepers.run(5 * VIRTUAL_PERIOD + 0.1)
    assert first.keeping.judged_here(keepers.time.now) == []
    assert not first.keeping.tending.is_keeper(keepers.time.now)
    keepers.wait_for_quiet()
    assert keepers.faults() == []


def test_a_seed_alone_keeps_all_rows_and_decides():
    keepers = quiet(4, 1)
    assert all(decides(keepers, peer.address) for peer in keepers.peers)
