"""The threaded tree: intervals tile the keys, threads lead through all seeds, ways are short, and
a new cut makes loads equal."""

import bisect
import itertools
import math
import random

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.monitoring import grammar
from gossip.monitoring.threaded_tree import SPACE, ThreadedTree, first_key, key

SEEDS = [address_of("127.0.0.1", 8000 + number) for number in range(300)]
KEEPER = SEEDS[0]


def tree_of(count):
    """A tree of so many seeds, each of which has taken half of a largest interval."""
    tree = ThreadedTree.alone(KEEPER)
    for seed in SEEDS[1:count]:
        tree = tree.joined(KEEPER, seed, {})
    return tree


def depth_below(tree, seed, above=None):
    """How many seeds lie on the longest way down from a seed, whose parent is the one above."""
    links = tree.links(seed)
    children = [child for child, is_thread in [(links.left, links.left_is_thread),
                                               (links.right, links.right_is_thread)]
                if not is_thread]
    assert links.parent == above
    return 1 + max((depth_below(tree, child, seed) for child in children), default=0)


def assert_tiles(tree):
    """The intervals are not empty, and each begins where the one before it ends."""
    following = 0
    for seed in tree.seeds():
        first, last = tree.interval(seed)
        assert first == following and last >= first
        assert tree.owner(first) == tree.owner(last) == seed
        following = last + 1
    assert following == SPACE


def assert_threaded(tree):
    """A walk by threads visits all seeds in order."""
    seeds = tree.seeds()
    assert [tree.predecessor(seed) for seed in seeds] == [None, *seeds[:-1]]


def assert_low(tree):
    """The tree is as low as a binary tree of its size can be."""
    height = depth_below(tree, tree.root)
    assert height <= math.ceil(math.log2(len(tree.seeds()) + 1))


def assert_short_ways(tree, pairs):
    """Rows come from each seed to the owner of each key, over links only."""
    longest = 2 * math.log2(len(tree.seeds()))
    for seed, wanted in pairs:
        path = tree.path(seed, wanted)
        assert len(path) <= longest and [seed, *path][-1] == tree.owner(wanted)
        for at, hop in zip([seed, *path], path):
            links = tree.links(at)
            assert hop in (links.parent, links.left, links.right)


def random_load(rng):
    """The load of a seed, whose quantiles may lie anywhere, close together, or all at one key."""
    low = rng.randrange(SPACE)
    high = min(SPACE - 1, low + 2 ** rng.choice([0, 1, 8, 30, 60, 93, 96]))
    return grammar.Load(rng.choice([0, 1, 20, 5_000]),
                     tuple(sorted(rng.randint(low, high) for _ in range(15))))


class Changes:
    """Random joins, leaves, crashes and cuts, of trees whose size goes up and down."""

    def __init__(self, rng):
        self.rng = rng
        self.tree = ThreadedTree.alone(rng.choice(SEEDS))
        self._wanted = 1

    def change(self):
        """Change the tree in one way; the keeper may be any of its seeds."""
        rng, size = self.rng, len(self.tree.seeds())
        if size == self._wanted:
            self._wanted = int(len(SEEDS) ** (rng.random() * rng.random() ** 0.5))
        author, loads = rng.choice(self.tree.seeds()), {}
        if rng.random() < 0.7:
            loads = {seed: random_load(rng) for seed in rng.sample(SEEDS, 8)}
        if rng.random() < 0.3 or size == self._wanted:
            self.tree = self.tree.recut(author, loads)
        elif size < self._wanted:
            self._join(author, loads)
        else:
            self._crash(rng.randint(1, min(4, size - self._wanted)), loads)

    def _join(self, author, loads):
        newcomer = self.rng.choice([seed for seed in SEEDS if seed not in self.tree])
        self.tree = self.tree.joined(author, newcomer, loads)

    def _crash(self, count, loads):
        """Some go at once; one that is left takes note of it."""
        gone = self.rng.sample(self.tree.seeds(), count)
        author = next(seed for seed in self.tree.seeds() if seed not in gone)
        for seed in gone:
            self.tree = self.tree.without(author, seed, loads)


@pytest.mark.slow
def test_five_thousand_joins_crashes_and_cuts_leave_a_whole_tree():
    rng = random.Random(12)
    changes, most = Changes(rng), 0
    for _ in range(5_000):
        before = changes.tree
        changes.change()
        tree = changes.tree
        assert tree > before
        assert_tiles(tree)
        assert_threaded(tree)
        assert_low(tree)
        assert_short_ways(tree, [(rng.choice(tree.seeds()), rng.randrange(SPACE))
                                 for _ in range(5)])
        most = max(most, len(tree.seeds()))
    assert most > 200


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 64])
def test_the_way_from_any_seed_to_any_other_is_short(count):
    tree = tree_of(count)
    starts = [tree.interval(seed)[0] for seed in tree.seeds()]
    assert_short_ways(tree, itertools.product(tree.seeds(), starts))


def test_missing_children_are_threads():
    """The tree of the module's docstring."""
    tree = ThreadedTree(1, KEEPER, tuple(zip(range(0, SPACE, SPACE // 6), SEEDS[:6])))
    a, b, c, d, e, f = tree.seeds()
    assert tree.root == d
    assert tree.links(a) == (b, None, True, b, True)
    assert tree.links(b) == (d, a, False, c, False)
    assert tree.links(e) == (f, d, True, f, True)
    assert tree.links(f) == (d, e, False, None, True)
    assert tree.path(c, tree.interval(d)[0]) == [d]  # by the thread, not by way of b


def test_a_seed_outside_the_tree_hands_its_rows_to_the_root():
    tree = tree_of(5)
    path = tree.path(SEEDS[7], 0)
    assert path[0] == tree.root and path[-1] == tree.owner(0)


def test_all_keys_of_a_peer_are_together_and_told_apart_by_the_other():
    peers = SEEDS[:50]
    for peer in peers:
        keys = [key(peer, other) for other in peers]
        assert len(set(keys)) == len(peers) and min(keys) >= first_key(peer)
        assert max(keys) - first_key(peer) < 1 << 32
    assert len({first_key(peer) for peer in peers}) == len(peers)


def test_what_is_said_is_the_tree_and_comes_back_as_it():
    tree = tree_of(300)
    line = grammar.tree(tree.version, tree.author, tree.starts)
    assert ThreadedTree(*wire.parse(line.rstrip(b"\n"))) == tree


def test_of_two_trees_each_pair_of_seeds_takes_the_same():
    one, other = SEEDS[:2]
    trees = [ThreadedTree.alone(one), ThreadedTree.alone(other),
             ThreadedTree.alone(other).joined(one, one, {}),
             ThreadedTree.alone(other).joined(other, one, {}),
             ThreadedTree.alone(one).joined(other, other, {})]
    for tree, next_tree in itertools.combinations(trees, 2):
        assert (tree > next_tree) != (next_tree > tree)
    assert trees[3] > trees[2] > trees[1]


# Loads.

SUBJECTS = [address_of("127.0.0.1", 1000 + number) for number in range(1_000)]


def zipf_keys(rng, count, exponent=0.9):
    """The keys of so many rows, in order; the n-th subject has a share of n ** -exponent."""
    weights = [(place + 1) ** -exponent for place in range(len(SUBJECTS))]
    return sorted(key(subject, rng.choice(SUBJECTS))
                  for subject in rng.choices(SUBJECTS, weights, k=count))


def loads(tree, keys):
    """What each seed tells, when there are rows with these keys."""
    told = {}
    for seed in tree.seeds():
        first, last = tree.interval(seed)
        own = keys[bisect.bisect_left(keys, first):bisect.bisect_right(keys, last)]
        parts = range(1, 16) if own else ()
        told[seed] = grammar.Load(len(own), tuple(own[len(own) * part // 16] for part in parts))
    return told


def unevenness(tree, keys):
    """The largest load, divided by the mean."""
    rows = [load.rows for load in loads(tree, keys).values()]
    return max(rows) * len(rows) / sum(rows)


@pytest.mark.parametrize("number", range(5))
def test_one_cut_makes_the_loads_of_a_zipf_distribution_even(number):
    keys, tree = zipf_keys(random.Random(number), 40_000), tree_of(32)
    told = loads(tree, keys)
    assert tree.too_uneven(told) and unevenness(tree, keys) > 3
    cut = tree.recut(KEEPER, told)
    assert unevenness(cut, keys) <= 1.5
    assert cut.seeds() == tree.seeds()
    again = cut.recut(KEEPER, loads(cut, keys))
    assert unevenness(again, keys) <= 1.25 and not again.too_uneven(loads(again, keys))


def test_loads_that_were_told_before_the_cut_do_not_undo_it():
    keys, tree = zipf_keys(random.Random(7), 20_000), tree_of(16)
    told = loads(tree, keys)
    cut = tree.recut(KEEPER, told).recut(KEEPER, told)
    assert unevenness(cut, keys) <= 1.5


@pytest.mark.parametrize("hot", [0, key(SEEDS[1], SEEDS[2]), SPACE // 8 - 1, SPACE - 1])
def test_rows_that_share_one_key_leave_an_interval_to_every_seed(hot):
    tree = tree_of(8)
    joined = tree.joined(KEEPER, SEEDS[9], loads(tree, [hot]))
    assert joined.predecessor(SEEDS[9]) == tree.owner(hot)
    tree = tree.recut(KEEPER, loads(tree, [hot] * 1_000))
    assert_tiles(tree)
    assert loads(tree, [hot] * 1_000)[tree.owner(hot)].rows == 1_000
    for newcomer in SEEDS[8:40]:
        tree = tree.joined(KEEPER, newcomer, loads(tree, [hot] * 1_000))
        assert_tiles(tree)


@pytest.mark.parametrize("number", range(5))
def test_a_newcomer_takes_half_of_the_rows_of_the_most_loaded_seed(number):
    keys, tree = zipf_keys(random.Random(number), 10_000), tree_of(5)
    told = loads(tree, keys)
    fullest = max(tree.seeds(), key=lambda seed: told[seed].rows)
    joined = tree.joined(KEEPER, SEEDS[5], told)
    after = loads(joined, keys)
    assert joined.predecessor(SEEDS[5]) == fullest
    assert after[SEEDS[5]].rows == pytest.approx(told[fullest].rows / 2, rel=0.1)
    assert all(after[seed] == told[seed] for seed in tree.seeds() if seed != fullest)


def test_two_newcomers_at_once_do_not_split_what_was_split_already():
    keys, tree = zipf_keys(random.Random(1), 10_000), tree_of(4)
    told = loads(tree, keys)
    for newcomer in SEEDS[4:8]:
        tree = tree.joined(KEEPER, newcomer, told)
    assert unevenness(tree, keys) < 2.2


@pytest.mark.parametrize("fuller, heir", [(1, 3), (3, 1)])
def test_what_a_lost_seed_had_falls_to_the_less_loaded_one_beside_it(fuller, heir):
    tree = tree_of(5)
    seeds = tree.seeds()
    left = tree.without(KEEPER, seeds[2], {seeds[fuller]: grammar.Load(100, ())})
    assert left.owner(tree.interval(seeds[2])[0]) == seeds[heir]
    assert left.owner(tree.interval(seeds[2])[1]) == seeds[heir]
    assert left.seeds() == [seed for seed in seeds if seed != seeds[2]]


@pytest.mark.parametrize("end", [0, -1])
def test_the_first_and_the_last_seed_can_be_lost_too(end):
    tree = tree_of(3)
    left = tree.without(KEEPER, tree.seeds()[end], {})
    assert_tiles(left)
    assert len(left.seeds()) == 2


def test_without_known_rows_keys_are_shared_out_evenly():
    cut = tree_of(3).recut(KEEPER, {})
    for first, last in map(cut.interval, cut.seeds()):
        assert last - first == pytest.approx(SPACE / 3)


@pytest.mark.parametrize("rows, uneven", [
    ([100, 100, 100], False), ([100, 100, 124], False), ([100, 100, 200], True),
    ([0, 0, 59], False), ([0, 0, 60], True), ([100, 100], False)])
def test_a_cut_is_wanted_when_all_have_told_and_one_has_too_much(rows, uneven):
    tree = tree_of(3)
    told = {seed: grammar.Load(held, ()) for seed, held in zip(tree.seeds(), rows)}
    assert tree.too_uneven(told) == uneven
