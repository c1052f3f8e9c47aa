"""The threaded tree: intervals tile the keys, threads lead through all seeds, ways are short, and a
new cut makes loads equal."""

import bisect
import hashlib
import math
import random

import pytest

from grapevine.monitoring.grammar import Load
from grapevine.monitoring.threaded_tree import SPACE, ThreadedTree, key_of
from tests.tables.samples import peer

SEEDS = [peer(8000 + number) for number in range(300)]
KEEPER = SEEDS[0]
V6 = peer(1, "2001:db8::1")


def tree_of(count: int) -> ThreadedTree:
    """Return a tree of so many seeds, each of which has taken half of a largest interval."""
    tree = ThreadedTree.alone(KEEPER)
    for seed in SEEDS[1:count]:
        tree = tree.joined(KEEPER, seed, {})
    return tree


def depth_below(tree, seed, above=None) -> int:
    """Return how many seeds lie on the longest way down from a seed below `above`."""
    links = tree.links(seed)
    assert links.parent == above
    children = [child for child, is_thread in [(links.left, links.left_is_thread),
                                               (links.right, links.right_is_thread)]
                if not is_thread]
    return 1 + max((depth_below(tree, child, seed) for child in children), default=0)


def assert_tiles(tree) -> None:
    """No interval is empty, and each begins where the one before it ends."""
    following = 0
    for seed in tree.seeds():
        first, last = tree.interval(seed)
        assert first == following <= last and tree.owner(first) == tree.owner(last) == seed
        following = last + 1
    assert following == SPACE


def assert_whole(tree) -> None:
    """The intervals tile the keys, threads visit all seeds in order, and the tree is low."""
    assert_tiles(tree)
    for seed, before, after in zip(tree.seeds(), [None, *tree.seeds()], [*tree.seeds()[1:], None]):
        links = tree.links(seed)
        assert not links.left_is_thread or links.left == before
        assert not links.right_is_thread or links.right == after
    assert depth_below(tree, tree.root) <= math.ceil(math.log2(len(tree.seeds()) + 1))


def assert_short_ways(tree, pairs) -> None:
    """Rows come from each seed to the owner of each key, over links only."""
    longest = 2 * math.log2(len(tree.seeds()))
    for seed, wanted in pairs:
        path = tree.path(seed, wanted)
        assert len(path) <= longest and [seed, *path][-1] == tree.owner(wanted)
        for at, hop in zip([seed, *path], path):
            links = tree.links(at)
            assert hop in (links.parent, links.left, links.right)


# One tree.

def test_a_key_is_the_beginning_of_a_hash_of_an_address():
    for address in KEEPER, V6:
        digest = hashlib.sha256(address.text.encode()).hexdigest()
        assert f"{key_of(address):024x}" == digest[:24]
    assert len(set(map(key_of, SEEDS))) == 300 and SPACE == 2**96


def test_who_is_alone_has_all_keys():
    tree = ThreadedTree.alone(KEEPER)
    assert tree == (0, KEEPER, ((0, KEEPER),)) and tree.interval(KEEPER) == (0, SPACE - 1)
    assert tree.links(KEEPER) == (None, None, True, None, True) and tree.path(KEEPER, 5) == []
    assert tree.interval(SEEDS[1]) == (0, -1) and SEEDS[1] not in tree and KEEPER in tree


def test_missing_children_are_threads():
    """This is the tree of the module's docstring."""
    tree = ThreadedTree(1, KEEPER, tuple(zip(range(0, SPACE, SPACE // 6), SEEDS[:6])))
    a, b, c, d, e, f = tree.seeds()
    assert tree.root == d
    assert [tree.links(seed) for seed in (a, b, c, d, e, f)] == [
        (b, None, True, b, True), (d, a, False, c, False), (b, b, True, d, True),
        (None, b, False, f, False), (f, d, True, f, True), (d, e, False, None, True)]
    assert tree.path(c, tree.interval(d)[0]) == [d], "by the thread, not by way of b"
    assert tree.path(a, tree.interval(e)[0]) == [b, d, f, e]


def test_a_seed_outside_the_tree_hands_its_rows_to_the_root():
    tree = tree_of(5)
    assert tree.path(SEEDS[7], 0)[0] == tree.root and tree.path(SEEDS[7], 0)[-1] == tree.owner(0)


# Trees that follow one another.

def random_load(rng) -> Load:
    """Return a load whose quantiles lie anywhere, close together, or all at one key."""
    low = rng.randrange(SPACE)
    high = min(SPACE - 1, low + 2 ** rng.choice([0, 1, 8, 30, 60, 93, 96]))
    return Load(rng.choice([0, 1, 20, 5_000]),
                tuple(sorted(rng.randint(low, high) for _ in range(15))))


def changed(tree, rng) -> ThreadedTree:
    """Return a tree that a join, a cut or a loss has changed, whoever is its author."""
    author, loads = rng.choice(tree.seeds()), {}
    if rng.random() < 0.7:
        loads = {seed: random_load(rng) for seed in rng.sample(SEEDS, 100)}
    way = rng.random()
    if way < 0.2:
        return tree.recut(author, loads)
    if way < 0.65 and len(tree.seeds()) < 99 or len(tree.seeds()) == 1:
        newcomer = rng.choice([seed for seed in SEEDS if seed not in tree])
        return tree.joined(author, newcomer, loads)
    return tree.without(author, rng.choice(tree.seeds()), loads)


@pytest.mark.parametrize("number", [1, *[pytest.param(more, marks=pytest.mark.slow)
                                         for more in range(2, 8)]])
def test_joins_losses_and_cuts_leave_a_whole_tree(number):
    rng, tree, most = random.Random(number), ThreadedTree.alone(KEEPER), 0
    for _ in range(700):
        before, tree = tree, changed(tree, rng)
        assert tree > before and tree.version == before.version + 1
        assert_whole(tree)
        assert_short_ways(tree, [(rng.choice(tree.seeds()), rng.randrange(SPACE))
                                 for _ in range(5)])
        most = max(most, len(tree.seeds()))
    assert most > 40


@pytest.mark.parametrize("fuller, heir", [(1, 3), (3, 1)])
def test_what_a_lost_seed_had_falls_to_the_less_loaded_one_beside_it(fuller, heir):
    tree = tree_of(5)
    seeds = tree.seeds()
    left = tree.without(KEEPER, seeds[2], {seeds[fuller]: Load(100, ())})
    assert [left.owner(key) for key in tree.interval(seeds[2])] == [seeds[heir]] * 2
    assert left.seeds() == [seed for seed in seeds if seed != seeds[2]]
    assert (left.version, left.author) == (tree.version + 1, KEEPER)


# Loads.

SUBJECTS = [peer(1000 + number) for number in range(1_000)]


def zipf_keys(number: int, count: int, exponent=0.9) -> list[int]:
    """Return the keys of rows; the n-th subject has a share of n ** -exponent."""
    weights = [(place + 1) ** -exponent for place in range(len(SUBJECTS))]
    chosen = random.Random(number).choices(SUBJECTS, weights, k=count)
    return sorted(map(key_of, chosen))


def even_keys(number: int, count: int) -> list[int]:
    """Return the keys of rows of which no two have the same."""
    rng = random.Random(number)
    return sorted(int(rng.betavariate(2, 5) * SPACE) for _ in range(count))


def loads(tree, keys) -> dict:
    """Return what each seed tells, when there are rows with these keys."""
    told = {}
    for seed in tree.seeds():
        first, last = tree.interval(seed)
        own = keys[bisect.bisect_left(keys, first):bisect.bisect_right(keys, last)]
        parts = range(1, 16) if own else ()
        told[seed] = Load(len(own), tuple(own[len(own) * part // 16] for part in parts))
    return told


def unevenness(tree, keys) -> float:
    rows = [load.rows for load in loads(tree, keys).values()]
    return max(rows) * len(rows) / sum(rows)


@pytest.mark.parametrize("number", range(5))
def test_one_cut_makes_loads_even(number):
    for keys, at_first, after in ((even_keys(number, 40_000), 2.0, 1.2),
                                  (zipf_keys(number, 40_000, 0.5), 1.3, 1.2)):
        tree = tree_of(8)
        told = loads(tree, keys)
        assert unevenness(tree, keys) > at_first and tree.too_uneven(told)
        cut = tree.recut(KEEPER, told)
        assert unevenness(cut, keys) <= after and cut.seeds() == tree.seeds()
        assert not cut.too_uneven(loads(cut, keys))
        assert unevenness(cut.recut(KEEPER, told), keys) <= after, "old loads do not undo it"


def test_loads_that_were_told_before_a_tree_are_shared_out_by_it():
    """A seed tells of rows that belong to another now."""
    tree, keys = tree_of(4), even_keys(7, 20_000)
    starts = [0, *(SPACE - number for number in (99, 66, 33))]
    turned = ThreadedTree(9, KEEPER, tuple(zip(starts, tree.seeds()[::-1])))
    assert unevenness(turned.recut(KEEPER, loads(tree, keys)), keys) <= 1.5


@pytest.mark.parametrize("hot", [0, 1, key_of(SEEDS[1]), SPACE // 8 - 1, SPACE - 1])
def test_rows_that_share_one_key_leave_an_interval_to_every_seed(hot):
    tree = tree_of(32)
    tree = tree.recut(KEEPER, loads(tree, [hot] * 1_000))
    assert_tiles(tree)
    assert loads(tree, [hot] * 1_000)[tree.owner(hot)].rows == 1_000
    for newcomer in SEEDS[32:50]:
        tree = tree.joined(KEEPER, newcomer, loads(tree, [hot] * 1_000))
        assert_tiles(tree)


@pytest.mark.parametrize("number", range(5))
def test_a_newcomer_takes_half_of_the_rows_of_the_most_loaded_seed(number):
    keys, tree = [key // 4 for key in even_keys(number, 10_000)], tree_of(5)
    told = loads(tree, keys)
    fullest = max(tree.seeds(), key=lambda seed: told[seed].rows)
    joined = tree.joined(KEEPER, SEEDS[5], told)
    after = loads(joined, keys)
    assert after[SEEDS[5]].rows == pytest.approx(told[fullest].rows / 2, rel=0.05)
    assert all(after[seed] == told[seed] for seed in tree.seeds() if seed != fullest)
    assert (joined.version, joined.author) == (tree.version + 1, KEEPER)


def test_without_loads_a_newcomer_takes_half_of_the_largest_interval():
    tree = ThreadedTree(1, KEEPER, ((0, SEEDS[1]), (100, SEEDS[2])))
    first, last = tree.joined(KEEPER, SEEDS[3], {}).interval(SEEDS[3])
    assert first == pytest.approx(SPACE / 2) and last == SPACE - 1


@pytest.mark.parametrize("rows, uneven", [
    ([100, 100, 100], False), ([100, 100, 124], False), ([100, 101, 141], False),
    ([100, 100, 145], True), ([0, 0, 59], False), ([0, 0, 60], True), ([100, 400], False)])
def test_a_cut_is_wanted_when_all_have_told_and_one_has_too_much(rows, uneven):
    tree = tree_of(3)
    told = {seed: Load(held, ()) for seed, held in zip(tree.seeds(), rows)}
    assert tree.too_uneven(told) == uneven
