"""The message list of a peer that signs: what is new, what is checked, whom nobody believes."""

import random

import pytest

from grapevine import messages as limits
from grapevine import wire
from grapevine.messages import SURE_GAPS
from grapevine.settings import word_finder
from grapevine.signing.grammar import parse_signed
from grapevine.signing.messages import SignedMessages
from tests.tables.samples import A, B, held, peer, seen
from tests.tools.signing import run_of, signed, signer

OWN = peer(1)  # of each message list here


def run(origin=A) -> bytes:
    return run_of(str(origin), signer(str(origin))).encode()


def said(number: int, *texts: str, origin=A, secret: str = "") -> bytes:
    return signed(str(origin), signer(str(origin), secret), number, *texts).encode()


def each(number: int, *texts: str, origin=A) -> list[bytes]:
    """Return the gossip line of each text that is said."""
    return parse_signed(said(number, *texts, origin=origin)).messages


def forged(line: bytes, text: bytes = b"one") -> bytes:
    """Return a line with a changed text, whose signature cannot fit."""
    return line.replace(text, b"x" * len(text))


def message_list(*lines: bytes, genuine=None, named=(), cache_size=100_000, words=()):
    messages = SignedMessages(run(OWN), cache_size, named.__contains__, word_finder(words))
    messages.is_genuine = lambda run: genuine is None or run in genuine
    messages.add(list(lines))
    return messages


# New or old.

def test_a_line_is_held_once_and_new_message_by_message():
    line, messages = said(1, "one", "two", "three"), message_list()
    added = messages.add([line])
    assert added.new == [line] and added.messages == each(1, "one", "two", "three")
    assert messages.count() == 3 and list(messages.texts) == [line] and held(messages, [line]) == 1
    assert seen(messages) == {run(): [(1, 3)]} and messages.checked == 1
    assert added.vain == 0 and added.corrupt == added.unknown == added.contradictions == []
    parts = message_list(said(3, "three"), said(1, "one", "two"))
    assert messages.digest() == parts.digest() != message_list().digest()


def test_what_was_seen_is_dropped_unchecked():
    messages = message_list(said(1, "one", "two"), said(3, "three"))
    added = messages.add([said(3, "three"), *[said(1, "one", "two")] * 2])
    assert added.new == added.messages == added.corrupt == [] and added.vain < 0.01
    assert messages.dropped["duplicates"] == 3 and messages.checked == 2


def test_lines_of_an_unknown_run_are_dropped_unchecked_until_it_is_genuine():
    genuine, line = set(), said(1, "one", "two")
    messages = message_list(genuine=genuine)
    added, offered = messages.add([line, forged(line)]), [(run(), [(1, 2)])]
    assert [signed.line for signed in added.unknown] == [line, forged(line)]
    assert added.new == added.corrupt == [] and messages.lacking(offered) == []
    assert messages.checked == messages.count() == 0 and seen(messages) == {}
    genuine.add(run())
    assert messages.lacking(offered) == offered and messages.add([line]).new == [line]


def test_own_lines_are_made_here_alone():
    messages, own = message_list(genuine={run(OWN)}), said(1, "one", "two", origin=OWN)
    assert messages.add([own]).new == [] and messages.dropped["messages in our name"] == 1
    added = messages.add([own], is_own=True)
    assert added.new == [own] and added.messages == each(1, "one", "two", origin=OWN)
    assert not messages.add([said(1, "another", origin=OWN)]).contradictions
    assert messages.checked == 0 and seen(messages) == {run(OWN): [(1, 2)]}


# Corrupt lines.

def test_what_nobody_has_signed_is_corrupt_and_the_true_line_still_comes():
    line, messages = said(1, "one"), message_list()
    added = messages.add(bad := [forged(line), *each(1, "unsigned")])
    assert added.corrupt == bad and added.new == [] and seen(messages) == {}
    assert added.vain == 2 and messages.checked == 1, "what is malformed needs no check"
    assert messages.add([line]).messages == each(1, "one")


def test_after_the_third_corrupt_line_nothing_more_is_looked_at():
    *bad, good, last = [*(forged(said(at, "one")) for at in (1, 2, 3)), said(4, "x"), said(5, "x")]
    added = message_list().add([*bad[:2], good, bad[2], last])
    assert added.corrupt == bad and added.new == [good] and added.vain == 3
    assert message_list().add([*bad[:2], last]).new == [last]


# Contradictions: good lines of one run with a number in common.

@pytest.mark.parametrize("first, second, new", [
    ((1, "one"), (1, "another"), []),  # another text
    ((1, "one"), (1, "one", "two"), [2]),  # the same text, said again
    ((1, "one", "two"), (2, "two"), []),
    ((2, "two", "three"), (1, "one", "x", "three", "four"), [1, 4])])
def test_a_run_that_signs_a_number_twice_contradicts_itself(first, second, new):
    one, other = said(*first), said(*second)
    messages = message_list(one)
    added = messages.add([other])
    assert [(rival.line, signed.line) for rival, signed in added.contradictions] == [(one, other)]
    assert [wire.gossip_key(message)[1] for message in added.messages] == new
    assert added.new == [other] * bool(new) and added.vain == 0, "who passes it on is honest"
    assert messages.count() == len(first) - 1 + len(new) and messages.contradicted == {run()}


def test_a_contradiction_is_told_once_and_later_ones_are_dropped_unchecked():
    messages = message_list(said(1, "one"), said(1, "another"))
    for line in (said(1, "a third"), said(1, "another"), forged(said(1, "one more"))):
        assert not messages.add([line]).contradictions and messages.checked == 2
    added = messages.add([said(1, "x", "two")])
    assert added.messages == each(2, "two") and added.contradictions == [], "its news are taken"


def test_a_contradiction_needs_a_good_signature_and_a_run():
    messages = message_list(said(1, "one"), said(1, "one", origin=B))
    bad = forged(said(1, "another"), b"another")
    added = messages.add([bad, said(1, "another", secret="another life")])
    assert added.corrupt == [bad] and added.vain == 1 and added.contradictions == []
    assert messages.add([said(1, "another")]).contradictions, "nobody else can use it up"


# Forbidden words.

def test_a_line_with_a_forbidden_word_is_forbidden_as_a_whole():
    messages, line = message_list(words=("virus",)), said(1, "good", "a Virus!", "good")
    added = messages.add([line, said(4, "four")])
    assert added.forbidden == each(1, "good", "a Virus!", "good") and added.vain == 0
    assert added.messages == each(4, "four") and list(messages.texts) == [said(4, "four")]
    assert seen(messages) == {run(): [(1, 4)]}
    assert messages.add([line]).forbidden == [] and messages.checked == 2
    assert messages.add([said(1, "virus", origin=OWN)], is_own=True).new, "it has checked its own"


def test_a_clean_line_takes_the_place_of_a_forbidden_one():
    """An origin could bring the forbidden one to one peer, and the other to all: its neighbours
    missed what it dropped as known, and had it kicked."""
    foul, clean = said(1, "virus", "b", "c"), said(1, "a", "b", "c")
    messages = message_list(foul, words=("virus",))
    added = messages.add([foul, said(2, "virus"), clean, said(4, "d")])
    assert added.new == [clean, said(4, "d")] and added.messages == each(1, "a", "b", "c", "d")
    assert added.forbidden == [] == added.contradictions and seen(messages) == {run(): [(1, 4)]}
    [(one, other)] = messages.add([foul]).contradictions
    assert (one.line, other.line) == (clean, foul)


# Room, which is looked at before a signature.

def test_forbidden_lines_leave_room_for_gaps_to_those_that_others_take():
    """Others hear nothing of them: a peer had no room for what it owed, and was kicked."""
    lines = [said(10 * number, "virus") for number in range(1, 11)]
    messages = message_list(*lines, words=("virus",))
    assert len(messages.runs[run()].seen) == SURE_GAPS == messages.checked
    assert messages.dropped["no room"] == 2
    added = messages.add([said(80, "a virus", "virus"), said(200, "good"), said(201, "virus")])
    assert added.messages == each(200, "good") and len(added.forbidden) == 2


def test_gaps_are_counted_whatever_a_line_fills(monkeypatch):
    monkeypatch.setattr(limits, "ALL_GAPS", 3)
    rng, messages, taken = random.Random(2), message_list(), set()
    for first in [rng.randint(2, 60) for _ in range(400)]:
        numbers = set(range(first, first + rng.choice([1, 1, 2, 5])))
        new, gaps = numbers - taken, sum(number - 1 not in taken for number in taken) - 1
        touches = any({number - 1, number + 1} & taken for number in new)
        expected = bool(new) and (not taken or gaps < 3 or touches)
        assert bool(messages.add([said(first, *"x" * len(numbers))]).new) == expected
        taken |= numbers if expected else set()
        if len(taken) > 50:
            messages, taken = message_list(), set()


def test_without_room_for_a_run_a_line_is_dropped_unchecked(monkeypatch):
    monkeypatch.setattr(limits, "RUNS", 1)
    named: set = set()
    messages = message_list(said(1, "one"), named=named)
    added = messages.add([said(1, "one", origin=B)])
    assert added.new == added.corrupt == []
    assert messages.dropped["no room"] == messages.checked == 1
    named.add(B)
    assert messages.add([said(1, "one", origin=B)]).new


# Texts.

def test_eviction_drops_lines_with_all_their_messages_and_counts_them():
    rng, messages = random.Random(1), message_list(cache_size=100)
    for number in range(1, 601, 4):
        lines = [said(number, *"abcd"), said(number + 2, *"cx")]  # they contradict each other
        messages.add(rng.sample(lines, rng.randint(1, 2)))
    numbers = sum(last + 1 - first for first, last in seen(messages)[run()])
    assert 85 < messages.count() <= 100
    assert messages.dropped["texts evicted"] == numbers - messages.count()
    sent, [(_, gone)] = messages.portion([(run(), [(1, 600)])], 10**6)
    assert set(sent) == set(messages.texts)
    assert sum(last + 1 - first for first, last in gone) == numbers - messages.count()


def test_long_texts_weigh_more(monkeypatch):
    monkeypatch.setattr(limits, "CACHE_BYTES", 100_000)
    messages = message_list(*(said(number, "x" * 5_000, "y" * 5_000)
                              for number in range(1, 100, 2)), cache_size=100)
    assert messages.count() == 18 and 80_000 < sum(map(len, messages.texts)) <= 100_000


def test_a_portion_has_a_line_once():
    lines = [said(1, *"abcde"), said(6, *"fg")]
    messages = message_list(*lines)
    assert messages.portion([(run(), [(2, 3), (5, 6)])], 10**6)[0] == lines
    assert messages.portion([(run(), [(1, 7)])], len(lines[0])) == (lines[:1], [(run(), [])])


def test_the_latest_are_messages_in_order_of_arrival_and_a_line_is_read_as_its_messages():
    messages = message_list(said(3, "three", "four"), said(1, "one", "two"))
    assert messages.latest(3) == each(3, "three", "four")[1:] + each(1, "one", "two")
    assert messages.latest(0) == [] and len(messages.latest(99)) == 4
    messages.add([said(4, "four", "five")])  # of which one is new
    assert len(messages.latest(99)) == 5
    assert messages.span(said(5, *"xy")) == (run(), 5, 6) and not messages.span(b"x")
