"""`runner.py tree`: what running seeds answer, drawn as a tree; one line when none can."""

import pytest

from gossip import wire
from gossip.monitoring import grammar
from gossip.monitoring.threaded_tree import SPACE, ThreadedTree
from tests.tools.hands import FakePeer
from tests.tools.ports import free_addresses
from tests.tools.programs import run, write_config


class FakeSeed(FakePeer):
    """A seed that says these lines to whoever asks for the tree."""

    def __init__(self, address, *lines):
        self._said = b"".join(lines).decode()
        super().__init__(address)

    def reply(self, line):
        assert line == "ask tree"
        return self._said


@pytest.fixture
def answering():
    """Starts seeds that say lines; afterwards they have ended."""
    started = []

    def start(address, *lines):
        started.append(FakeSeed(address, *lines))
    yield start
    for seed in started:
        seed.close()


def tree_command(tmp_path, seeds):
    return run("runner.py", "tree", "--config", write_config(tmp_path, seeds))


def even_tree(seeds):
    count = len(seeds)
    return ThreadedTree(7, seeds[0], tuple(
        (place * SPACE // count, seed) for place, seed in enumerate(seeds)))


def said(tree, rows):
    return [grammar.tree(tree.version, tree.author, tree.starts), grammar.loads(rows)]


def test_the_tree_of_the_first_seed_that_runs_is_drawn(tmp_path, answering):
    a, b, c, d, e, f = seeds = sorted(free_addresses(6))
    answering(b, *said(even_tree(seeds), list(zip(seeds[:5], [10, 20, 30, 40, 50]))))
    code, out, err = tree_command(tmp_path, seeds)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"tree 7, made by {a}, told by {b}: 6 seeds, 150 rows"
    assert [" ".join(line.split()) for line in lines[3:9]] == [
        f".-- {a} 00000000 to 2aaaaaaa 16.7% 10 0.33 nobody {b}",
        f".-- {b} 2aaaaaaa to 55555555 16.7% 20 0.67 - -",
        f"| '-- {c} 55555555 to 7fffffff 16.7% 30 1.00 {b} {d}",
        f"{d} 80000000 to aaaaaaaa 16.7% 40 1.33 - -",
        f"| .-- {e} aaaaaaaa to d5555555 16.7% 50 1.67 {d} {f}",
        f"'-- {f} d5555555 to ffffffff 16.7% ? ? - nobody"]
    assert [line.index(str(seed)) for line, seed in zip(lines[3:9], seeds)] == [8, 4, 8, 0, 8, 4]


def test_seeds_that_are_down_or_keep_no_tree_are_passed_over(tmp_path, answering):
    down, odd, empty, good = seeds = free_addresses(4)
    answering(odd, b"what?\n")
    answering(empty, wire.REGISTERED, grammar.loads([]))
    answering(good, *said(ThreadedTree.alone(good), []))
    code, out, err = tree_command(tmp_path, seeds)
    assert (code, err) == (0, "")
    assert out.startswith(f"tree 0, made by {good}, told by {good}: 1 seed, 0 rows\n")
    assert f"{good}  00000000 to ffffffff  100.0%" in out


def test_one_line_says_that_no_seed_runs(tmp_path):
    code, out, err = tree_command(tmp_path, free_addresses(3))
    assert (code, out) == (1, "")
    assert err == ("runner.py tree: none of 3 seeds runs; start them with: "
                   "python runner.py --monitor\n")


def test_one_line_says_that_no_seed_keeps_a_tree(flags, seeds):
    """Two real seeds, without --monitor."""
    code, out, err = run("runner.py", "tree", *flags)
    assert (code, out) == (1, "")
    assert err == ("runner.py tree: 2 of 2 seeds run, but none keeps a tree; start them with: "
                   "python runner.py --monitor\n")
