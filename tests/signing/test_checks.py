"""Signature checks: which are made, on whose account, and which are given back."""

import hashlib

import pytest

from gossip import wire
from gossip.settings import Settings
from gossip.signing.grammar import Signer
from gossip.signing.signed_messages import SignedMessages
from gossip.signing.signed_spreading import CHECKS_AT_ONCE
from tests.networks.test_flooder import rested  # noqa: F401
from tests.networks.test_signed import said
from tests.tools.fakes import FakeLink, peer
from tests.tools.files import received
from tests.tools.texts import sifted
from tests.tools.waiting import wait_until

ORIGIN, ONE, OTHER = peer(5001), peer(5002), peer(5003)


@pytest.fixture(scope="module")
def signer():
    return Signer(ORIGIN, bytes(32))


def message_list(**asked):
    return SignedMessages(Settings(cache_size=5), b"", Signer.is_good, **asked)


def single(signer, number, text="x"):
    """A message behind a signed line of its own."""
    line = wire.gossip("1.000000", ORIGIN, signer.start, number, text)
    return [*signer.cover(number, [hashlib.sha256(line).digest()]), line]


class Neighbour(FakeLink):
    def __init__(self, address):
        self.peer = address


def test_what_lets_a_message_in_costs_nothing(signer):
    messages = message_list()
    for number in range(1, 11):
        assert not +messages.add(single(signer, number), brought_by=ONE).checks


def wide(signer, first=1):
    """Two messages, and the signed line that speaks of both."""
    lines = [wire.gossip("1.000000", ORIGIN, signer.start, number, "x")
             for number in (first, first + 1)]
    cover, = signer.cover(first, [hashlib.sha256(line).digest() for line in lines])
    return cover, *lines


def test_a_check_is_given_back_to_who_has_paid_for_it_once(signer):
    """The first message is not to be had; with the second it is let in by another neighbour."""
    messages = message_list()
    cover, *lines = wide(signer)
    false = lines[0] + b"?"
    assert messages.add([cover, false], brought_by=ONE).checks == {ONE: 1}
    assert messages.add([cover, false], brought_by=OTHER).checks == {}
    assert messages.add([cover, lines[0]], brought_by=OTHER).checks == {ONE: -1}
    assert messages.add([cover, *lines], brought_by=OTHER).checks == {}


@pytest.mark.parametrize("behind", [[], ["other"]])
def test_a_bad_signature_is_corrupt_and_costs_a_check_when_a_message_needs_it(signer, behind):
    cover, line = single(signer, 1)
    bad = cover[:-2] + b"AA"
    fresh = message_list().add([bad, *[line for _ in behind]], brought_by=ONE)
    assert fresh.checks == ({ONE: 1} if behind else {}) and fresh.corrupt[0] == bad


def test_who_hands_on_what_others_have_brought_pays_nothing_however_it_was_signed(signer):
    """Its origin may sign it anew for each of its neighbours, along with what it never says."""
    early = [ORIGIN] * 3
    messages = message_list(checks_early=lambda neighbour: early and early.pop())
    for first in range(1, 21, 2):
        cover, line, _ = wide(signer, first)
        messages.add(single(signer, first), brought_by=ONE)
        assert messages.add(sifted(messages, [cover, line]), brought_by=OTHER).checks == {}
    assert not early


@pytest.mark.parametrize("at_once", [True, False])
def test_a_signature_that_was_not_checked_early_is_checked_when_a_message_needs_it(
        signer, at_once):
    messages, link = message_list(checks_early=lambda neighbour: False), Neighbour(ONE)
    cover, *lines = wide(signer)
    for batch in ([[cover, *lines]] if at_once else [[cover], lines]):
        fresh = messages.add(batch, link=link, brought_by=ONE)
    assert fresh.lines == lines and not +fresh.checks
    bad, line = single(signer, 3)
    bad = bad[:-2] + b"AA"
    for batch in ([[bad, line]] if at_once else [[bad], [line]]):
        fresh = messages.add(batch, link=link, brought_by=ONE)
    assert fresh.corrupt == ([bad, line] if at_once else [line]) and fresh.checks == {ONE: 1}


def test_a_bad_signature_that_is_repeated_hides_no_line_behind_it(signer):
    messages, link = message_list(checks_early=lambda neighbour: False), Neighbour(ONE)
    cover, line = single(signer, 1)
    bad = cover[:-2] + b"AA"
    fresh = messages.add([bad, bad, line], link=link, brought_by=ONE)
    assert fresh.corrupt == [bad, line] and fresh.checks == {ONE: 1}
    for batch, corrupt in ([bad], []), ([line], [line]), ([line], [line]):
        assert messages.add(batch, link=link, brought_by=ONE).corrupt == corrupt
    assert messages.add([cover, line], link=link, brought_by=ONE).lines == [line]


def test_a_run_that_becomes_known_gives_back_the_checks_of_what_has_waited(signer):
    known = set()
    messages = message_list(is_known=known.__contains__)
    lines = single(signer, 1)
    fresh = messages.add(lines, brought_by=ONE)
    assert fresh.checks == {ONE: 1} and len(fresh.unknown) == 1
    known.add(fresh.unknown[0][0])
    assert messages.add(lines, brought_by=ONE).checks == {ONE: -1}


def test_what_would_be_dropped_is_not_checked(signer):
    """The text was evicted; or nobody is asked about the run."""
    messages = message_list(is_denied=lambda run, neighbour: neighbour == OTHER)
    messages.add([part for number in range(1, 21) for part in single(signer, number)],
                 brought_by=ONE)
    assert messages.add(single(signer, 1), brought_by=ONE).checks == {}
    fresh = messages.add(single(signer, 21), brought_by=OTHER)
    assert not (fresh.lines or fresh.corrupt or fresh.unknown or fresh.checks)


def test_who_has_contradicted_itself_makes_its_neighbours_neighbours_check_that_once(signer):
    """An honest neighbour may have met the other text first, and hands on whatever fits to it."""
    messages, origin, relay = message_list(), Neighbour(ORIGIN), Neighbour(ONE)
    for number in range(1, 6):
        messages.add(single(signer, number), link=origin, brought_by=ORIGIN)
    assert messages.add(single(signer, 1, "y"), link=relay, brought_by=ONE).checks == {ONE: 1}
    for number in range(2, 6):
        fresh = messages.add(single(signer, number, "y"), link=relay, brought_by=ONE)
        assert fresh.checks == {} and fresh.lines == fresh.corrupt == []
    fresh = messages.add(single(signer, 2, "z"), link=origin, brought_by=ORIGIN)
    assert fresh.checks == {ORIGIN: 1} and fresh.corrupt
    assert messages.add(single(signer, 6), link=relay, brought_by=ONE).lines  # agrees with all


def signing_peer(net):
    """A peer that counts the signatures that it checks, and a neighbour in the hands of the test
    with the origin of what it says."""
    one = net.peer(sign=True, liveness_interval=600, antientropy_interval=600)
    messages, checks = one.messages, []
    is_good, messages._is_good = messages._is_good, lambda signed: (
        checks.append(signed) or is_good(signed))
    relay, origin = net.fake(), net.fake()
    origin.signer = Signer(origin.address, bytes(32))
    return one, checks, net.neighbour(one, relay), relay, origin


def future(origin, count):
    """Good signed lines of which the messages never come."""
    return [origin.signer.cover(1_000 + 10 * number, [bytes(32)])[0] for number in range(count)]


def invented(origin, count):
    """Messages of runs that nobody knows, a hundred of each."""
    lines = []
    for number in range(count):
        if number % 100 == 0:
            signer = Signer(origin.address, (number + 1).to_bytes(32, "big"))
        for part in said(signer, origin.address, [number % 100 + 1]):
            lines += part
    return [line.encode() for line in lines]


@pytest.mark.parametrize("lines", [future, invented])
def test_who_has_signatures_checked_in_vain_has_few_of_them_checked(
        net, rested, lines):  # noqa: F811
    one, checks, end, relay, origin = signing_peer(net)
    honest = net.neighbour(one, net.fake())
    data, batch = b"\n".join(lines(origin, 2_000)) + b"\n", 8_192
    for at in range(0, len(data), batch):
        end.send(data[at:at + batch])
    wait_until(lambda: len(checks) >= CHECKS_AT_ONCE)
    covers, texts = said(origin.signer, origin.address, range(1, 11))
    honest.say(*covers, *texts)
    wait_until(lambda: len(received(one)) == 10)
    assert set(rested) <= {relay.address}
    assert len(checks) < 5 * CHECKS_AT_ONCE


def test_who_relays_many_messages_that_were_signed_one_by_one_never_rests(
        net, rested):  # noqa: F811
    one, checks, end, _, origin = signing_peer(net)
    for number in range(1, 4 * CHECKS_AT_ONCE + 1):
        covers, texts = said(origin.signer, origin.address, [number])
        end.say(*covers, *texts)
        if number == 1:  # the run is confirmed meanwhile
            wait_until(lambda: len(received(one)) == 1)
    wait_until(lambda: len(received(one)) == 4 * CHECKS_AT_ONCE)
    assert len(checks) == 4 * CHECKS_AT_ONCE and rested == []
