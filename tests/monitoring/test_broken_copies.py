"""Corrupt copies and forbidden words: who is counted for them, and what becomes of the messages."""

import collections

import pytest

from gossip.settings import Filter
from tests.tools.files import count, events, received, wait_event
from tests.tools.nets import neighbours
from tests.tools.reporting import Neighbour, introduce, seeds_of, watched_peer
from tests.tools.waiting import wait_until


@pytest.fixture
def seed(net):
    """The only seed of a network, in the hands of the test."""
    return seeds_of(net, 1)[0]


def test_a_link_stands_for_999_corrupt_copies_in_a_period_and_they_are_counted(net, seed):
    peer = watched_peer(net, report_interval=3_600)
    neighbour = Neighbour(net, peer)
    unsigned = [line for line in neighbour.messages(*map(str, range(1_000)))
                if line.startswith("gmessage:")]
    neighbour.say(*unsigned[:999])
    counted = []  # each look begins a period

    def corrupt():
        counted.extend(peer.reporting.watch.entries())
        return sum(entry.corrupt for entry in counted)
    wait_until(lambda: corrupt() == 999)
    assert all(entry.peer == neighbour.address and sum(entry[1:]) == entry.corrupt
               for entry in counted)
    written = count(peer, f"corrupt:{neighbour.address}:")
    assert 0 < written == 999 - peer.status().get("corrupt lines not written", 0)
    assert neighbours(peer) == {neighbour.address} and received(peer) == []
    neighbour.say(unsigned[999])
    wait_event(peer, f"disconnected:{neighbour.address}:corrupt")


def test_corrupt_copies_are_forgotten_with_their_period(net, seed):
    peer = watched_peer(net)
    neighbour = Neighbour(net, peer)
    unsigned = [line for line in neighbour.messages(*map(str, range(700)))
                if line.startswith("gmessage:")]
    for total in (700, 1_400):
        neighbour.say(*unsigned)
        wait_until(lambda: seed.said_of(neighbour.address)[3:4] == (total,))
        reports = len(seed.reports)
        wait_until(lambda: len(seed.reports) > reports + 2)
    assert neighbours(peer) == {neighbour.address}


def test_the_generator_says_what_it_says_whatever_the_filter_forbids(net, seed):
    peer = watched_peer(net, filter=Filter("", ("message",)), gossip_count=1)
    wait_event(peer, "generated:")
    wait_until(lambda: peer.messages.count() == 1)
    assert peer.messages.forbids("message 1")


@pytest.fixture
def filtered(net, seed):
    """A peer with a filter, and three neighbours. The first says four messages; one of them, the
    second says, too."""
    peer = watched_peer(net, filter=Filter("", ("virus",)))
    source, other, sink = (Neighbour(net, peer) for _ in range(3))
    introduce(peer, source)
    lines = source.messages("one", "a VIRUS!", "two", first=2)
    source.say(*lines)
    other.say(lines[0], lines[2])
    wait_until(lambda: sink.texts() == ["hello", "one", "two"])
    wait_until(lambda: count(peer, "forbidden:") == 2)
    return peer, source, other, sink


def test_a_forbidden_message_is_written_and_neither_delivered_nor_forwarded(filtered):
    peer, source, other, sink = filtered
    forbidden = [event for event in events(peer) if event.startswith("forbidden:")]
    line, = (line for line in source.messages("one", "a VIRUS!", first=2) if "VIRUS" in line)
    assert sorted(forbidden) == sorted(f"forbidden:{one.address}:{line}" for one in (source, other))
    assert not any("VIRUS" in line for line in received(peer))
    assert not any("VIRUS" in line for line in (*sink.heard, *other.heard))


def test_a_forbidden_message_counts_as_seen_and_is_not_served(filtered):
    peer, source, _, sink = filtered
    run = f"{source.address}:{source.signer.start}"
    assert peer.messages.lacking([(run.encode(), [(1, 4)])]) == []
    before = len(sink.heard)
    sink.say(f"status:want:{run}=1-4")
    wait_until(lambda: "status:sent" in sink.heard[before:])
    answer = [line for line in sink.heard[before:] if not line.startswith(("signed:", "Liveness"))]
    assert [line.rpartition(":")[2] for line in answer] == [
        "hello", "one", "two", f"{source.signer.start}=3", "sent"]


def test_a_forbidden_message_counts_for_each_who_sends_it_and_is_missed_of_nobody(filtered, seed):
    _, source, other, sink = filtered
    counted = collections.defaultdict(tuple)

    def told():
        for one in (source, other, sink):
            counted[one] = seed.said_of(one.address)
        return counted[sink][:2] == (3, 3) and counted[source][:3] == (3, 0, 3)
    wait_until(told)
    wait_until(lambda: told() and counted[other][:3] == (3, 3, 0))
    assert [counted[one][4] for one in (source, other, sink)] == [1, 1, 0]
