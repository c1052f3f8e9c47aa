"""Shares: whose texts are evicted when there are too many."""

import collections
import random

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.settings import Settings
from gossip.signing.grammar import Signer
from gossip.signing.signed_messages import SignedMessages
from gossip.spread.message_list import MessageList
from gossip.spread.room import Heaviest
from gossip.spread.run import sha256
from tests.tools.fakes import peer
from tests.tools.texts import A, B, line

FEW = [line(number, origin=B) for number in range(1, 11)]
SIZE = len(line(10, text="x" * 1_000))


def held(messages, lines):
    return sum(text in messages.latest(10**6) for text in lines)


def many(count, origin=A, start=7, text="x" * 1_000):
    return [line(number, origin, start, text) for number in range(1, count + 1)]


@pytest.mark.parametrize("limits", [{"cache_bytes": 50 * SIZE}, {"cache_size": 50}])
@pytest.mark.parametrize("vouched", [True, False])
def test_the_oldest_of_the_run_that_takes_most_goes_first(limits, vouched):
    messages, lines = MessageList(Settings(**limits)), many(200)
    if vouched:
        messages.vouch([A, B])
    messages.add(FEW)
    messages.add(lines)
    assert held(messages, FEW) == len(FEW)
    kept = messages.count() - len(FEW)
    assert kept >= 35 and held(messages, lines[-kept:]) == kept


@pytest.mark.parametrize("limits, text", [
    ({"cache_bytes": 20 * SIZE}, "x"), ({"cache_size": 100}, "x" * 1_000)])
def test_neither_many_small_texts_nor_few_large_ones_evict_those_of_somebody_who_has_little_of_both(
        limits, text):
    messages = MessageList(Settings(**limits))
    messages.vouch([A, B])
    messages.add(FEW)
    messages.add(many(1_000, text=text))
    messages.add(many(100, origin=peer(9)))
    assert held(messages, FEW) == len(FEW)


def test_all_runs_that_a_neighbour_has_invented_are_one_share():
    messages = MessageList(Settings(cache_size=100))
    messages.vouch([B])
    messages.add([line(number, B) for number in range(1, 41)], brought_by=peer(1))
    messages.add([line(1, A, start) for start in range(1, 1_001)], brought_by=peer(2))
    assert messages.count() == 100 and held(messages, [line(n, B) for n in range(1, 41)]) == 40


def test_among_unknown_runs_of_one_neighbour_those_with_few_texts_keep_them():
    messages = MessageList(Settings(cache_size=100))
    messages.add(FEW, brought_by=peer(1))
    messages.add(many(1_000), brought_by=peer(1))
    assert held(messages, FEW) == len(FEW)


def test_a_surplus_run_of_a_named_origin_counts_for_the_origin_and_not_for_who_brought_it():
    messages = MessageList(Settings(cache_size=100, runs_of_address=2))
    messages.vouch([A, B])
    for start in (1, 2):  # forged, so that the true run is one too many
        messages.add([line(1, A, start), line(1, B, start)], brought_by=peer(1))
    messages.add(FEW, brought_by=peer(1))
    messages.add([line(1, peer(9), start) for start in range(1, 1_001)], brought_by=peer(1))
    assert held(messages, FEW) == len(FEW)


def test_a_run_that_becomes_vouched_for_takes_its_texts_out_of_the_share_of_its_neighbour():
    messages = MessageList(Settings(cache_size=100))
    messages.add([line(number, B) for number in range(1, 31)], brought_by=peer(1))
    messages.add([line(1, A, start) for start in range(1, 71)], brought_by=peer(1))
    messages.vouch([B])
    messages.add([line(number, peer(9)) for number in range(1, 51)], brought_by=peer(2))
    assert held(messages, [line(number, B) for number in range(1, 31)]) == 30
    assert messages.count() == 100


def test_among_very_many_shares_the_largest_goes_first_whatever_comes():
    """Against a model that looks at all of them."""
    rng = random.Random(1)
    origins = [address_of("127.0.0.1", 2_000 + number) for number in range(30)]
    messages = MessageList(Settings(cache_bytes=40 * SIZE, runs_of_address=2))
    numbers = dict.fromkeys(origins, 0)
    for _ in range(2_000):
        origin = rng.choice(origins[:rng.randint(1, 30)])
        numbers[origin] += 1
        before = shares(messages)
        text = line(numbers[origin], origin, rng.randint(1, 2), "x" * rng.randint(1, 2_000))
        messages.add([text], brought_by=peer(rng.randint(1, 3)))
        after = shares(messages)
        assert all(before[owner] + len(text) >= max(after.values())
                   for owner in before if after.get(owner, 0) < before[owner])
        if rng.random() < 0.01:
            messages.vouch([rng.choice(origins)])
    assert messages.dropped()["texts evicted"] > 100
    assert sum(after.values()) == messages._texts._bytes


def shares(messages):
    """The weight of every share, by its run or by its owner."""
    weights = collections.Counter()
    for run in messages._runs.values():
        weights[run.owner if run.vouched is None else run.key] += run.weight
    return weights


class Item:
    rank, weight = None, 0


def test_the_heaviest_is_found_and_what_is_left_behind_stays_little():
    rng, heaviest, items = random.Random(1), Heaviest(), [Item() for _ in range(50)]
    for _ in range(20_000):
        item = rng.choice(items)
        item.weight = rng.choice([0, item.weight // 2, item.weight + rng.randint(1, 100)])
        heaviest.changed(item)
        if rng.random() < 0.1 and any(item.weight for item in items):
            most, floor = heaviest.find()
            assert most.weight == max(item.weight for item in items) and floor >= 0
    assert len(heaviest._heap) <= 100 + 3 * len(items)


def test_a_signed_line_counts_for_the_run_of_which_it_speaks():
    """A run of small texts that takes much by its signed lines is the one that loses them."""
    wide, few = Signer(A, bytes(32)), Signer(B, bytes(32))
    messages = SignedMessages(Settings(cache_bytes=100_000), b"", lambda signed: True)
    messages.vouch([A, B])
    for number in range(1, 11):
        messages.add(signed_alone(few, B, number, "x" * 2_000, 1))
    for number in range(1, 101):
        messages.add(signed_alone(wide, A, 600 * number, "x", 500))
    run = f"{B}:{few.start}".encode()
    assert len(messages.texts([(run, [(1, 10)])], 10**6)[0]) == 20


def signed_alone(signer, origin, number, text, hashes):
    """A message, behind a signed line with so many hashes."""
    message = wire.gossip("1.000000", origin, signer.start, number, text)
    digests = [sha256(message).digest(), *[bytes(32)] * (hashes - 1)]
    return [*signer.cover(number, digests), message]
