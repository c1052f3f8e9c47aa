"""The message list: new or old, what is held, what has room, and what an attacker cannot use up."""

import random

import pytest

from grapevine import messages as limits
from grapevine import wire
from grapevine.messages import Run, equal_share
from grapevine.tools import ProtocolError
from tests.tables.samples import A, B, OWN_RUN, held, line, message_list, peer, run_of, seen


def numbered(numbers, origin=A, start=7, text="x") -> list[bytes]:
    return [line(number, origin, start, text) for number in numbers]


# New or old.

def test_a_message_is_new_once_whatever_its_text():
    messages = message_list()
    assert messages.add([line(1), line(2), line(1)]).new == [line(1), line(2)]
    assert messages.add([line(2), line(3)]).new == [line(3)]
    assert messages.add([line(3, text="another text")]).new == []
    others = [line(1, B), line(1, start=8)]  # of another origin, and of another life
    assert messages.add(others).new == others
    assert messages.dropped["duplicates"] == 3


def test_prefixes_may_change_on_the_way():
    messages = message_list()
    assert messages.add([b"any:1:" + line(1)]).new == [b"any:1:" + line(1)]
    assert messages.add([line(1), b"any:2:" + line(1)]).new == []
    assert messages.portion([(run_of(), [(1, 1)])], 99) == ([b"any:1:" + line(1)], [
        (run_of(), [])]), "it is passed on as it came"


def test_numbers_that_are_held_stay_in_order_wherever_they_come():
    run = Run(run_of(), True)
    for numbers in range(5, 8), range(1, 3), [9], [3, 4, 8, 20], range(10, 12), [12, 19]:
        run.hold(numbers, b"a line")
    assert run.held_among(1, 99) == [*range(1, 13), 19, 20] == sorted(run.held)
    assert run.held_among(2, 5) == [2, 3, 4, 5] and run.held_among(13, 18) == []


def test_a_block_of_lines_is_the_same_as_its_lines_one_by_one():
    rng, one, other, blocks = random.Random(1), message_list(), message_list(), 0
    for _ in range(300):
        origin = rng.choice([A, B])
        (*_, (_, last)) = seen(one).get(run_of(origin), [(0, 0)])
        first = last + 1 if rng.random() < 0.5 else rng.randint(1, last + 9)
        lines = numbered(range(first, first + rng.randint(1, 5)), origin)
        if rng.random() < 0.2:
            lines[rng.randrange(len(lines))] = rng.choice([b"any:" + line(9), line(7, B, 9)])
        new = [text for single in lines for text in other.add([single]).new]
        assert one.add(lines).new == new
        assert one.digest() == other.digest() and one.texts == other.texts
        blocks += len(new) == len(lines) > 1
    assert blocks > 50


def test_a_block_with_a_malformed_line_is_taken_up_to_it():
    messages = message_list(line(1))
    for bad in (line(4)[:-2], line(4) + b"\xff", line(4).replace(b"127", b"x27")):
        assert isinstance(messages.add([line(2), line(3), bad, line(5)]).fault, ProtocolError)
    assert seen(messages) == {run_of(): [(1, 3)]}


def test_own_messages_are_made_here_alone():
    """Forged numbers in the own run are neither noted nor fetched."""
    messages = message_list()
    forged = [b"gmessage:1.000000:%b:%d:forged" % (OWN_RUN, number) for number in (1, 2, 2**62)]
    assert messages.add(forged).new == messages.add(forged[1:]).new == []
    assert messages.lacking([(OWN_RUN, [(1, 2**63 - 1)])]) == [] and seen(messages) == {}
    own = [b"gmessage:1.000000:%b:%d:own" % (OWN_RUN, number) for number in range(1, 4)]
    assert messages.add(own[:1], is_own=True).new == own[:1]
    assert messages.add(own[1:], is_own=True).new == own[1:]
    assert messages.add([forged[1].replace(b":2:", b":4:"), forged[1].replace(b":2:", b":5:")]
                        ).new == []
    assert messages.add(numbered([4, 5]), is_own=True).new == []
    assert messages.dropped["messages in our name"] == 9 and seen(messages) == {OWN_RUN: [(1, 3)]}


def test_a_forbidden_text_is_noted_but_neither_held_nor_new():
    messages = message_list(words=("virus",))
    bad = line(2, text="a Virus!")
    assert messages.add([line(1)]).new == [line(1)]
    added = messages.add([bad, line(3)])
    assert added.new == [line(3)] and added.forbidden == [bad]
    assert seen(messages) == {run_of(): [(1, 3)]} and messages.count() == 2
    again = messages.add([bad])
    assert again.new == again.forbidden == [] and again.fault is None
    own = b"gmessage:1.000000:%b:1:virus" % OWN_RUN
    assert messages.add([own], is_own=True).new == [own], "the node has checked its own before"
    assert messages.forbids("VIRUS") and not messages.forbids("viruses")
    assert not message_list().forbids("virus")


# The digest.

def test_the_digest_is_as_the_readme_shows():
    one, other = peer(5001), peer(5099)
    messages = message_list(*numbered([1, 2], one, 1795212848487))
    assert messages.digest() == "1f36a356c4f6b5b68e27ece327f3c56c"
    messages.add(numbered([1, 2, 4], other, 1795212851452))
    assert messages.digest() == "e4fc67356a40d15a5e5a017dc9c55f4b"
    used = {at: f"{one:032x}" for at, one in enumerate(messages.slices()) if one}
    assert used == {53: "1f36a356c4f6b5b68e27ece327f3c56c", 20: "fbcac463aeb664ecd07ded9eee369a27"}
    assert message_list().digest() == 32 * "0"


def test_digests_are_equal_when_and_only_when_the_same_was_seen():
    lines = [text for origin in (A, B) for text in numbered([1, 2, 3, 7], origin)]
    one, other = message_list(*lines), message_list(cache_size=30)
    for text in random.Random(1).sample(lines, len(lines)):
        assert one.digest() != other.digest()
        other.add([text])
    assert one.digest() == other.digest() and one.slices() == other.slices()


def test_the_vector_of_a_slice_has_the_runs_of_this_slice():
    messages = message_list(*[line(1, peer(port)) for port in range(1, 201)])
    told = [message_list_of(messages.vector(1 << at)) for at in range(wire.SLICES)]
    assert sum(map(len, told)) == 200 and set().union(*told) == set(seen(messages))
    at = next(at for at in range(wire.SLICES) if run_of(peer(1)) in told[at])
    before = messages.slices()[:]
    messages.add([line(2, peer(1))])
    assert [one for one in range(wire.SLICES) if messages.slices()[one] != before[one]] == [at]
    assert messages.vector(0) == b"status:seen:\n"


def message_list_of(vector: bytes) -> set[bytes]:
    return {run for said in vector.splitlines() for run, _ in wire.parse(said)[1][0].entries}


# Gaps between numbers.

@pytest.mark.parametrize("order", [1, -1])
def test_far_numbers_in_a_name_leave_room_for_all_that_it_says(order):
    messages = message_list()
    far = numbered(range(10**6, 10**6 + 4_800, 2))[::order]
    assert messages.add(far).new == far[:1_000]
    assert messages.dropped["no room"] == 1_400
    said = numbered(range(1, 101))
    assert messages.add(said).new == said
    assert messages.add(far[:1_000] + said).new == []


def test_a_named_origin_that_fills_all_gaps_leaves_a_few_to_each_run_of_others(monkeypatch):
    """What overtakes a lost message would else have no room until that one is fetched."""
    monkeypatch.setattr(limits, "ALL_GAPS", 100)
    messages = message_list(named=(A, B))
    assert len(messages.add(numbered(range(2, 1_000, 2))).new) == 101
    overtaking = numbered(range(2, 100, 2), B)
    assert messages.add(overtaking).new == overtaking[:limits.SURE_GAPS]


def test_number_one_and_the_first_of_a_run_always_have_room(monkeypatch):
    monkeypatch.setattr(limits, "ALL_GAPS", 0)
    assert message_list().add(numbered([5, 9, 1, 2])).new == numbered([5, 1, 2])


# What is lacking.

def test_lacking_is_what_was_not_seen_and_has_room(monkeypatch):
    monkeypatch.setattr(limits, "RUN_GAPS", 2)
    messages = message_list(line(50), line(60))
    offer = [(run_of(), [(20, 30), (48, 52), (55, 55), (57, 70)]), (run_of(B), [(4, 9)])]
    assert messages.lacking(offer) == [
        (run_of(), [(20, 30), (49, 49), (51, 52), (59, 59), (61, 70)]), (run_of(B), [(4, 9)])]
    messages.add([line(25)])
    assert messages.lacking([(run_of(), [(20, 22), (20, 24), (12, 13)])]) == [
        (run_of(), [(24, 24), (12, 13)])]
    messages.add(numbered([49]))
    assert messages.lacking([(run_of(), [(49, 50)])]) == []


def test_no_more_runs_are_looked_at_once_enough_ranges_are_lacking():
    peers = [peer(port) for port in range(6001, 6005)]
    messages = message_list(*[line(number, each) for each in peers for number in (3, 5, 7)])
    offer = [(run_of(each), [(1, 9)]) for each in peers]  # each with four gaps
    assert messages.lacking(offer, 7) == messages.lacking(offer[:2])
    assert len(messages.lacking(offer)) == 4


def test_runs_without_room_are_not_lacking_until_a_seed_names_their_origin(monkeypatch):
    monkeypatch.setattr(limits, "RUNS", 1)
    named = set()
    messages = message_list(line(1, B), named=named)
    offer = [(run_of(A), [(1, 3)])]
    assert messages.lacking(offer) == [] and messages.add([line(1)]).new == []
    named.add(A)
    assert messages.lacking(offer) == offer and messages.add([line(1)]).new == [line(1)]


def test_a_named_origin_that_was_restarted_often_has_room_for_its_next_runs(monkeypatch):
    monkeypatch.setattr(limits, "RUNS", 20)
    lives = [line(1, A, start) for start in range(1, 40)]
    messages = message_list(*lives[:20], named=(A,))
    assert messages.add(lives[20:]).new == lives[20:20 + limits.RUNS_OF_NAMED]


def test_a_portion_comes_in_order_until_it_is_large_enough():
    messages = message_list(*random.Random(1).sample(numbered(range(1, 21)), 20), line(1, B))
    size = len(line(11)) + 1
    entries = [(run_of(), [(3, 5), (11, 13)]), (run_of(B), [(1, 9)]), (run_of(peer(9)), [(1, 1)])]
    lines, gone = messages.portion(entries, 10**6)
    assert lines == [*numbered([3, 4, 5, 11, 12, 13]), line(1, B)] and not any(
        ranges for _, ranges in gone)
    assert messages.portion(entries, 4 * size)[0] == numbered([3, 4, 5, 11, 12])
    assert messages.portion(entries, 4 * size - 3)[0] == numbered([3, 4, 5, 11])
    assert messages.portion([(run_of(), [])], 99) == ([], [(run_of(), [])])
    messages.add([line(21)])
    assert messages.portion([(run_of(), [(20, 21)])], 99)[0] == numbered([20, 21])


def test_a_portion_is_in_order_whatever_came_or_was_dropped_since_the_last_one():
    rng, messages = random.Random(1), message_list(cache_size=500, named=(A,))
    entries = [(run_of(), [(1, 10_000)])]
    for numbers in [rng.sample(range(1, 999), 300), [1_001], range(1_002, 1_102), [5_000],
                    range(1_102, 1_502), [2_000], range(3_000, 3_300), [1_999, 1_998]]:
        messages.add(numbered(numbers))
        lines, gone = messages.portion(entries, 10**9)
        assert lines == sorted(messages.texts, key=lambda line: wire.gossip_key(line)[1])


def test_what_was_seen_and_is_not_held_any_more_is_gone():
    messages = message_list(line(2, text="virus"), *numbered([1, 3]), words=("virus",))
    messages.add([line(5), line(4, text="virus"), line(9, text="virus")])
    assert messages.portion([(run_of(), [(1, 9)])], 10**6) == (
        numbered([1, 3, 5]), [(run_of(), [(2, 2), (4, 4), (9, 9)])])
    assert messages.portion([(run_of(), [(1, 9)])], 1) == (numbered([1]), [(run_of(), [])])


# Texts.

@pytest.mark.parametrize("length, cache_size", [(1, 100), (60_000, 100_000)])
@pytest.mark.parametrize("named", [(), (A, B)])
def test_eviction_drops_the_oldest_texts_of_the_largest_run(length, cache_size, named):
    messages = message_list(cache_size=cache_size, named=named)
    few = numbered(range(1, 11), B, text="x" * length)
    many = numbered(range(1, 2_001), text="x" * length)
    messages.add(few)
    for one in many:
        messages.add([one])
    kept = messages.count() - len(few)
    assert held(messages, few) == 10 and held(messages, many[-kept:]) == kept
    most = min(cache_size, limits.CACHE_BYTES // len(many[-1]))
    assert 0.9 * most < messages.count() <= most
    assert messages.dropped["texts evicted"] == 2_010 - messages.count()
    assert messages.add(few + many).new == [], "numbers are not forgotten"
    assert seen(messages)[run_of()] == [(1, 2_000)]


def test_the_latest_text_is_held_also_if_there_is_room_for_one_alone():
    messages = message_list(*numbered([1, 2]), cache_size=1)
    assert messages.latest(9) == numbered([2])


def test_this_share_is_as_large_as_that_of_a_named_run_also_in_a_burst():
    messages = message_list(cache_size=100, named=(B,))
    others = [*numbered(range(1, 31)), *numbered(range(1, 31), peer(9))]
    messages.add(others + numbered(range(1, 37), B))
    messages.add(numbered(range(37, 97), B))
    assert 90 <= messages.count() <= 100 and held(messages, others) > 44


def test_all_invented_origins_have_one_share_together():
    messages = message_list(cache_size=100, named=(A,))
    kept = numbered(range(1, 41))
    messages.add(kept)
    for port in range(1, 1_001):
        messages.add(numbered([1, 2], peer(port)))
    assert held(messages, kept) == 40


@pytest.mark.parametrize("is_named_before", [True, False])
def test_a_named_origin_keeps_its_room_however_many_runs_another_one_has(is_named_before):
    """Peers may hear gossip before they hear of its origin."""
    named = {A, B} if is_named_before else set()
    messages = message_list(cache_size=100, named=named)
    kept = numbered(range(1, 41))
    messages.add(kept)
    named.add(A)
    for start in range(1, 1_001):
        messages.add(numbered([1, 2], B, start))
    assert held(messages, kept) == 40


def test_the_latest_are_those_that_came_last():
    messages = message_list(*numbered([3, 1, 2]), b"any:" + line(1, B), cache_size=30)
    assert messages.latest(2) == [line(2), line(1, B)] and messages.latest(0) == []
    messages.add(numbered(range(4, 40)))
    assert messages.latest(99)[-2:] == numbered([38, 39]) and len(messages.latest(99)) <= 30


@pytest.mark.parametrize("sizes, total, level", [
    ([], 9, 0), ([5], 9, 5), ([5], 3, 3), ([1, 2, 3], 6, 3), ([3, 1, 2], 5, 2), ([9, 9, 9], 9, 3),
    ([1, 9, 9], 9, 4), ([0, 0, 10], 9, 9), ([7, 7], 0, 0)])
def test_an_equal_share_cuts_the_largest(sizes, total, level):
    assert equal_share(sizes, total) == level
    assert sum(min(size, level) for size in sizes) <= total


# Attacks.

def test_gaps_move_along_when_an_origin_is_named(monkeypatch):
    monkeypatch.setattr(limits, "ALL_GAPS", 3)
    monkeypatch.setattr(limits, "SURE_GAPS", 0)
    named = set()
    messages = message_list(*numbered([2, 4, 6, 8]), named=named)
    assert messages.add([line(10)]).new == []
    named.add(A)
    assert messages.add([line(10)]).new == [], "its three count with those of named origins now"
    others = numbered([2, 4, 6, 8], B)
    assert messages.add([*others, line(10, B)]).new == others, "and leave room for others"
    assert messages.add([line(3), line(10)]).new == [line(3), line(10)]


def test_who_fills_all_runs_gaps_and_texts_with_invented_origins_costs_named_ones_nothing(
        monkeypatch):
    monkeypatch.setattr(limits, "ALL_GAPS", 20_000)
    monkeypatch.setattr(limits, "RUNS", 3_000)
    known, new = peer(3), peer(2)
    messages = message_list(named=(known, new), cache_size=10_000)
    kept = numbered(range(1, 101), known)
    messages.add(kept)
    for start in range(1, 22):
        messages.add(numbered(range(2, 2_004, 2), A, start))
    messages.add([line(1, peer(9, f"10.{n >> 8}.{n & 255}.9")) for n in range(3_000)])
    for number in range(3, 1_203):
        messages.add([line(number, B, text="x" * 65_000)])
        messages.add([line(2 * number + 1, A, 22, text="x" * 65_000)])
    assert sum(len(ranges) - 1 for ranges in seen(messages).values()) == limits.ALL_GAPS
    assert len(messages.runs) == limits.RUNS and messages.dropped["texts evicted"] > 1_000
    assert messages.add([line(1, peer(8, "10.0.0.8"))]).new == [], "there is no room left"
    assert held(messages, kept) == 100
    more = [*numbered(range(103, 303, 2), known), line(1, known, 8), *numbered([7, 9], new, 1)]
    assert messages.add(more).new == more
    starts = [line(1, new, start) for start in range(2, 12)]
    assert messages.add(starts).new == starts[:limits.RUNS_OF_NAMED - 1]
    own = b"gmessage:1.000000:%b:1:own" % OWN_RUN
    assert messages.add([own], is_own=True).new == [own]
