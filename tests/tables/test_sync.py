"""Anti-entropy between tables: what two neighbours say until they have the same."""

import random

import pytest

from grapevine import sync as limits
from grapevine import wire
from tests.tables.comparing import RUN, RUN_B, Node, compare, verbs
from tests.tables.samples import A, B, C, line, peer, run_of

# Comparing.

@pytest.mark.parametrize("runs", [1, 16, 17, 300])
def test_two_that_compare_have_the_same_afterwards(runs):
    rng = random.Random(runs)
    everything = [line(number, peer(port)) for port in range(1, runs + 1) for number in (1, 2, 4)]
    one, other = (Node(*rng.sample(everything, 2 * len(everything) // 3)) for _ in range(2))
    compare(one, other)
    assert one.messages.digest() == other.messages.digest()
    assert one.messages.count() == other.messages.count() > len(everything) * 2 // 3


def test_few_runs_are_told_at_once_and_many_are_compared_in_slices():
    few = [line(1, peer(port)) for port in range(1, limits.FEW_RUNS + 1)]
    said = verbs(compare(Node(*few), Node(*few[1:])))
    assert said["parts"] == 0 and said["want"] == said["sent"] == 1
    many = [line(1, peer(port)) for port in range(1, 501)]
    one, other = Node(*many), Node(*many[1:])
    assert verbs(compare(one, other))["parts"] == 0, "the first time all is told"
    one.messages.add([line(2)])
    said = compare(one, other, 20.0)
    assert verbs(said)["parts"] == 2 and verbs(said)["want"] == 1
    told = [wire.parse(one)[1][0].entries for one in said if one.startswith(b"status:seen:")]
    assert sum(map(len, told)) < 4 * 500 / wire.SLICES, "only the slice that differs"


def test_the_same_two_digests_are_not_compared_again_for_ten_intervals():
    one, other = Node(line(1), line(2, text="virus"), words=("virus",)), Node(line(1))
    said = [verbs(compare(one, other, now))["show"] for now in (0.0, 50.0, 99.9, 100.0, 150.0)]
    assert said == [2, 0, 0, 2, 0]
    other.messages.add([line(1, B)])
    assert verbs(compare(one, other, 160.0))["want"] == 1, "another digest is another comparison"
    assert [verbs(compare(one, other, now))["show"] for now in (170.0, 171.0)] == [2, 0]
    for node in (one, other):
        node.sync.compare_anew()
    assert verbs(compare(one, other, 172.0))["show"] == 2


def test_a_newcomer_asks_once_for_the_runs_of_which_no_text_is_left_however_many():
    one, other = Node(*[line(1, peer(port)) for port in range(1, 25_001)], cache_size=100), Node()
    compare(one, other)
    assert verbs(compare(one, other, 20.0))["want"] == 0


def test_slices_are_shown_once_a_second_and_not_if_they_were_told_a_moment_ago():
    node, link = Node(line(1)), object()
    vector = b"status:seen:%b=1\n" % RUN
    show = f"status:show:{wire.ALL_SLICES:x}".encode()
    assert [node.hear(link, show, now) for now in (5.0, 5.9, 6.0)] == [vector, b"", vector]
    for now, told in ((10.0, vector + show + b"\n"), (10.5, b"")):
        assert node.hear(link, b"status:digest:" + b"1" * 32, now) == told
    assert node.hear(link, show, 10.9) == b"" and node.hear(link, show, 11.0) == vector
    at = 1 << next(iter(node.messages.runs.values())).slice
    node.hear(link, wire.say_slices("parts", [one ^ at for one in node.messages.slices()])[:-1], 20)
    assert node.hear(object(), show, 20.0) == vector, "that was somebody else"


def test_of_slices_that_were_told_the_others_are_shown():
    node, link = Node(*[line(1, peer(port)) for port in range(1, 101)]), object()
    parts = node.messages.slices()[:]
    parts[5] ^= 1
    told = node.hear(link, wire.say_slices("parts", parts)[:-1], 10.0)
    assert told.endswith(b"status:show:0000000000000020\n")
    rest = node.hear(link, b"status:show:" + b"f" * 16, 10.5)
    assert told.count(b"=") + rest.count(b"=") == 100
    parts[6] ^= 1
    told = node.hear(link, wire.say_slices("parts", parts)[:-1], 10.6)
    assert told.endswith(b"status:show:0000000000000040\n"), "the other one was told just now"
    parts[6] ^= 1
    assert node.hear(link, wire.say_slices("parts", parts)[:-1], 10.7) == b""
    same = wire.say_slices("parts", node.messages.slices())[:-1]
    assert not node.sync.has_caught_up([link])
    assert node.hear(link, same, 30.0) == b"status:seen:\n", "what was on its way has come"
    assert node.sync.has_caught_up([link])


# Fetching.

def test_a_question_is_answered_in_portions_with_what_is_gone_and_an_end():
    node = Node(*[line(number, text="x" * 60_000) for number in range(1, 9)])
    node.messages.add([line(9, B), line(1, C)])
    answer = node.hear(object(), b"status:want:%b=9,11 %b=1-8" % (RUN_B, RUN)).splitlines()
    assert answer[0] == line(9, B) and answer[-1] == b"status:sent" and len(answer) == 7
    assert sum(map(len, answer)) < limits.PORTION + 70_000
    assert node.hear(object(), b"status:want:") == b"status:sent\n"
    forbidding = Node(line(1), line(2, text="virus"), line(3), words=("virus",))
    assert forbidding.hear(object(), b"status:want:%b=1-9" % RUN).splitlines() == [
        line(1), line(3), b"status:gone:%b=2" % RUN, b"status:sent"]
    gaps = Node(*[line(number, text=("virus", "x")[number % 2]) for number in range(1, 1_201)],
                words=("virus",))
    [gone] = [told for told in gaps.hear(object(), b"status:want:%b=1-1200" % RUN).splitlines()
              if told.startswith(b"status:gone:")]
    assert gone.count(b",") == limits.WANT_LIMIT - 1, "a line has a limit"


def test_one_neighbour_is_asked_at_a_time_for_the_oldest_runs_first():
    node, one, other = Node(), "one", "other"
    young, old = run_of(A, 2_000), run_of(B, 300)
    node.offer(one, (young, [(1, 2)]), (old, [(1, 1)]))
    node.offer(other, (young, [(1, 3)]))
    assert node.wanted() == (one, [(old, [(1, 1)]), (young, [(1, 2)])])
    assert node.wanted(1.9) is None, "it has time"
    node.sent(one, line(1, B, 300), line(1, A, 2_000), now=1.9)
    assert node.wanted(1.9) == (one, [(young, [(2, 2)])]), "it has brought something"
    node.sent(one, line(2, A, 2_000), now=1.9)
    assert node.wanted(1.9) == (other, [(young, [(3, 3)])])
    node.sent(other, line(3, A, 2_000), now=1.9)
    node.offer(one, (old, [(2, 2)]), now=2.0)
    node.offer(other, (old, [(2, 3)]), now=2.0)
    assert node.wanted(2.0) == (other, [(old, [(2, 3)])]), "one was waited for longer"
    node.sent(other, line(2, B, 300), now=4.0)
    node.offer(one, (old, [(3, 3)]), now=4.0)
    assert node.wanted(4.0) == (one, [(old, [(3, 3)])])
    node.sent(one, line(3, B, 300), now=4.0)
    assert node.wanted(4.0) is None and node.sync.offering() == []


def test_500_ranges_are_asked_for_at_once():
    node, link = Node(), "link"
    ranges = [(number, number) for number in range(1, 2_401, 2)]
    node.offer(link, (RUN, ranges[:300]), (RUN_B, ranges[:900]))
    got = {RUN: [], RUN_B: []}
    for size in (500, 500, 200):
        _, entries = node.wanted()
        assert sum(len(wanted) for _, wanted in entries) == size
        for run, wanted in entries:
            got[run] += wanted
            origin = A if run == RUN else B
            node.messages.add([line(first, origin) for first, _ in wanted])
        node.sent(link)
    assert got == {RUN: ranges[:300], RUN_B: ranges[:900]} and node.wanted() is None
