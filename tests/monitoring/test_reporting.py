"""What a peer reports to its seeds, and what it does when they say who is malicious."""

import threading

import pytest

from gossip.addresses import address_of
from gossip.monitoring.reporting import EVIDENCE_LIMIT
from gossip.signing.grammar import Signer, contradiction, parse_signed
from gossip.spread.message_list import FEW_GAPS
from tests.tools.files import count, events, received, wait_event
from tests.tools.nets import neighbours
from tests.tools.reporting import (
    TIME, WATCHED, Neighbour, introduce, judges, seeds_of, watched_peer)
from tests.tools.waiting import wait_until


@pytest.fixture
def seed(net):
    """The only seed of a network, in the hands of the test."""
    return seeds_of(net, 1)[0]


# Reports.


def test_a_line_in_each_period_names_every_neighbour_with_the_run_and_the_period(net, seed):
    peer = watched_peer(net)
    wait_until(lambda: len(seed.reports) >= 2)
    one, other = Neighbour(net, peer), Neighbour(net, peer)
    wait_until(lambda: {entry.peer for entry in seed.reports[-1].entries}
               == {one.address, other.address})
    periods = [report.period for report in seed.reports]  # those before it registered come last
    assert sorted(periods) == list(range(1, 1 + len(periods)))
    assert {report.start for report in seed.reports} == {peer.spreading.origin.start}
    assert seed.reports[0].entries == ()


def test_without_monitor_nobody_is_asked_or_reported(net, seed):
    peer = watched_peer(net, monitor=False, sign=False)
    neighbour = Neighbour(net, peer)
    neighbour.say("gmessage:" + f"{TIME}:{neighbour.address}:1:1:hello")
    wait_until(lambda: received(peer))
    assert f"monitoring {peer.address}" not in {thread.name for thread in threading.enumerate()}
    assert not any(line.startswith("Liveness Request:") for line in neighbour.heard)
    assert seed.reports == []


def test_reports_tell_who_has_brought_forwarded_and_withheld(net, seed):
    peer = watched_peer(net)
    source, forwarder, withholder = (Neighbour(net, peer) for _ in range(3))
    introduce(peer, source)
    lines = source.messages(*[f"text {number}" for number in range(30)], first=2)
    source.say(*lines)
    wait_until(lambda: len(received(peer)) == 31)
    forwarder.say(*lines)
    wait_until(lambda: seed.said_of(withholder.address)[:2] == (31, 31))
    wait_until(lambda: seed.said_of(source.address)[:3] == (31, 0, 31))
    wait_until(lambda: seed.said_of(forwarder.address)[:3] == (31, 1, 0))
    assert withholder.texts() == ["hello", *[f"text {number}" for number in range(30)]]


def test_what_is_refused_looks_to_none_who_bring_it_as_if_it_was_kept_back(net, seed):
    """Others may have room for it: they await a copy from here, unless they were the first."""
    peer = watched_peer(net, intervals_kept=1)
    source, other, third = (Neighbour(net, peer) for _ in range(3))
    introduce(peer, source)
    far = source.messages("far", first=1_000)
    source.say(*far)
    other.say(*far)
    wait_until(lambda: seed.said_of(source.address)[:3] == (2, 0, 2))
    wait_until(lambda: seed.said_of(other.address)[:3] == (1, 0, 1))
    assert seed.said_of(third.address)[:3] in ((), (0, 0, 0)) and third.texts() == ["hello"]


def test_nobody_owes_messages_of_a_run_with_many_gaps(net, seed):
    """Its origin may have filled the room for gaps of one neighbour with other numbers."""
    peer = watched_peer(net)
    source, other = Neighbour(net, peer), Neighbour(net, peer)
    introduce(peer, source)
    for number in range(2, 21):
        source.say(*source.messages("far", first=20 * number))  # with a tree multiples of 4 count
        wait_until(lambda: len(other.texts()) == number)  # each comes alone
    wait_until(lambda: seed.said_of(other.address)[:3] == (FEW_GAPS, FEW_GAPS, 0))
    assert seed.said_of(source.address)[2] == 20


def test_gaps_in_a_run_that_has_to_be_confirmed_are_in_the_account_of_who_brought_it(net, seed):
    peer = watched_peer(net, intervals_of_one=1)
    source = Neighbour(net, peer)
    source.say(*source.messages("one"), *source.messages("far", first=1_000))
    wait_until(lambda: len(received(peer)) == 2)
    source.say(*source.messages("farther", first=2_000))
    wait_until(lambda: peer.status().get(
        "numbers beyond a gap for which there was no room") == 1)


def test_what_was_made_here_is_awaited_of_all(net, seed):
    peer = watched_peer(net)
    echo, silent = Neighbour(net, peer), Neighbour(net, peer)
    wait_until(lambda: judges(peer))
    peer.gossip(["mine"])
    wait_until(lambda: echo.texts() == ["mine"])
    echo.say(*[line for line in echo.heard if line.startswith(("signed:", "gmessage:"))])
    wait_until(lambda: seed.said_of(silent.address)[:3] == (1, 1, 0))
    wait_until(lambda: seed.said_of(echo.address)[:3] == (1, 0, 0))


def test_a_link_that_ended_is_not_told(net, seed):
    peer = watched_peer(net)
    neighbour = Neighbour(net, peer)
    introduce(peer, neighbour)
    wait_until(lambda: seed.said_of(neighbour.address)[:3] == (1, 0, 1))
    neighbour.close()
    wait_event(peer, f"disconnected:{neighbour.address}")
    reports = len(seed.reports)
    wait_until(lambda: len(seed.reports) > reports + 2)
    assert seed.reports[-1].entries == ()


def test_the_next_seed_gets_all_reports_that_are_kept_the_newest_first(net):
    seeds = seeds_of(net, 2)
    peer = watched_peer(net)
    wait_until(lambda: count(peer, "registered:") == 2)
    told = wait_until(lambda: next((seed for seed in seeds if seed.reports), None))
    wait_until(lambda: len(told.reports) > 6)
    other, = (seed for seed in seeds if seed is not told)
    assert other.reports == []
    told.close()
    wait_until(lambda: len(other.reports) > 8)
    newest = other.reports[0].period
    assert [report.period for report in other.reports[:8]] == [
        *range(newest, newest - 6, -1), newest + 1, newest + 2]
    assert newest - told.reports[-1].period in (0, 1, 2)


def test_a_peer_that_stood_still_counts_that(net, seed):
    peer = watched_peer(net, report_interval=3600.0)
    wait_until(lambda: peer.reporting._due is not None, what="the first period to begin")
    now = peer.now()
    for at in (now, now + 5_400, now + 10_801):
        with peer.turn:
            peer.reporting.turn(at)
    assert peer.counters["periods not judged, as this peer stood still"] == 1


def test_a_peer_that_stood_still_reports_once_and_again_after_a_period(net, seed):
    peer = watched_peer(net, report_interval=3600.0)
    wait_until(lambda: peer.reporting._due is not None, what="the first period to begin")
    with peer.turn:
        due = peer.reporting._due
        assert peer.reporting.turn(due) == due + 3600
        assert peer.reporting.turn(due + 20_000) == due + 23_600
        assert peer.reporting.turn(due + 23_601) == due + 27_200


def takes_nothing(data, flags):
    raise BlockingIOError


def test_requests_go_behind_what_waits_for_a_neighbour(net, seed):
    """So that whoever answers has read all that was forwarded before."""
    peer = watched_peer(net, report_interval=3_600)
    wait_until(lambda: peer.reporting._due is not None)  # the duty's first turn is over
    neighbour = Neighbour(net, peer)
    link = peer.neighbours.link(neighbour.address)
    sends, link.connection.send = link.connection.send, takes_nothing
    peer.gossip(["before"])
    with peer.turn:
        peer.reporting.turn(peer.now())
    link.connection.send = sends
    wait_until(lambda: any(line.startswith("Liveness Request:") for line in neighbour.heard))
    assert neighbour.texts() == ["before"]


# What seeds say.


def test_whom_a_seed_kicks_is_left_refused_and_not_dialled(net, seed):
    peer = watched_peer(net)
    bad, good = Neighbour(net, peer), Neighbour(net, peer)
    seed.say(f"kick:{bad.address}:0.500")
    wait_event(peer, f"disconnected:{bad.address}:kicked")
    again = net.dial(peer)
    again.say(f"Connection with Peer:{bad.address}")
    assert again.hear() == f"connection refused:{peer.address}:kicked"
    with peer.turn:
        peer.linking.dial(bad.address)
    assert bad.address not in peer.neighbours.dialling()
    assert neighbours(peer) == {good.address}
    wait_until(lambda: f"connection refused:{peer.address}:kicked" in bad.heard)


@pytest.mark.parametrize("said, ban", [("2.000", 600.0), ("600000.000", 2.0)])
def test_a_ban_is_over_after_the_seconds_that_a_seed_names_or_after_those_of_the_peer(
        net, seed, said, ban):
    peer, fake = watched_peer(net, ban=ban), net.fake()
    fake.signer = Signer(fake.address, bytes(32))
    seed.say(f"kick:{fake.address}:0.500:{said}")
    seen = set()

    def admitted():
        end = net.dial(peer)
        end.say(*fake.asking(peer.address, "1700000000.000000"))
        seen.add(end.hear_until("connection"))
        return f"connection accepted:{peer.address}" in seen
    wait_until(lambda: peer.linking._shut_out.reason(fake.address, peer.now()))
    wait_until(admitted)
    assert f"connection refused:{peer.address}:kicked" in seen


def test_who_is_kicked_while_its_second_link_waits_is_not_admitted_by_that(net, seed, monkeypatch):
    monkeypatch.setattr("gossip.overlay.admitting.LINK_CHECK_LIMIT", 60.0)
    monkeypatch.setattr("gossip.overlay.neighbours.YOUNG", 0.0)
    peer = watched_peer(net)
    fake = net.fake()
    net.neighbour(peer, fake)  # answers nothing
    peer.link_proofs._signer = None  # so that its older link is asked
    second = net.dial(peer)
    second.say(f"Connection with Peer:{fake.address}")
    wait_until(lambda: peer.linking.admitting.checks)
    seed.say(f"kick:{fake.address}:0.500")
    assert second.hear() == f"connection refused:{peer.address}:kicked"
    assert neighbours(peer) == set() and count(peer, f"connected:{fake.address}") == 1


def test_an_offence_does_not_shorten_a_ban(net, seed):
    peer = watched_peer(net, corrupt_memory=0.1)
    neighbour = Neighbour(net, peer)
    link = peer.neighbours.link(neighbour.address)
    seed.say(f"kick:{neighbour.address}:0.500")
    wait_event(peer, f"disconnected:{neighbour.address}:kicked")
    with peer.turn:
        peer.linking.offended(link, "corrupt", 1_000)  # its reader was still at work
    assert peer.linking._shut_out.reason(neighbour.address, peer.now() + 500) == "kicked"


def test_a_kick_from_a_neighbour_ends_its_link_and_changes_nothing_else(net, seed):
    peer = watched_peer(net)
    liar, victim = Neighbour(net, peer), Neighbour(net, peer)
    liar.say(f"kick:{victim.address}:0.500")
    wait_event(peer, f"refused:{liar.address}:'kick' is not expected")
    wait_until(lambda: neighbours(peer) == {victim.address})
    other = Neighbour(net, peer)
    other.say(f"unconfirmed:{victim.address}")
    wait_event(peer, f"refused:{other.address}:'unconfirmed' is not expected")
    assert count(peer, f"disconnected:{victim.address}") == 0


@pytest.mark.parametrize("line", ["kick:{}:0.500", "unconfirmed:{}"])
def test_a_seed_that_has_not_registered_this_peer_is_not_believed(net, line):
    seed, = seeds_of(net, 1, registers=False)
    peer = net.peer(**WATCHED)
    victim = Neighbour(net, peer)
    wait_until(lambda: seed._registered)
    seed.say(line.format(victim.address))
    wait_event(peer, f"refused:{seed.address}:only a seed that lists this peer may say that")
    assert neighbours(peer) == {victim.address}


def test_a_peer_that_is_kicked_itself_writes_that_once_for_each_seed(net):
    seeds = seeds_of(net, 2)
    peer = watched_peer(net)
    wait_until(lambda: count(peer, "registered:") == 2)
    neighbour = Neighbour(net, peer)
    for seed in seeds:
        seed.say(f"kick:{peer.address}:0.500", f"kick:{peer.address}:0.600",
                 f"kick:{neighbour.address}:0.300")
    wait_event(peer, f"disconnected:{neighbour.address}:kicked")
    wait_until(lambda: count(peer, "kicked:") == 2)
    assert {event for event in events(peer) if event.startswith("kicked:")} == {
        f"kicked:{seed.address}:0.500" for seed in seeds}


def test_an_unconfirmed_neighbour_is_left_alone_even_if_its_link_has_ended_before(net, seed):
    peer = watched_peer(net)
    silent, gone = Neighbour(net, peer), Neighbour(net, peer)
    gone.close()
    wait_event(peer, f"disconnected:{gone.address}")
    for _ in range(2):
        seed.say(f"unconfirmed:{gone.address}", f"unconfirmed:{silent.address}")
    wait_event(peer, f"disconnected:{silent.address}:unconfirmed")
    wait_event(peer, f"unconfirmed:{silent.address}")
    for address in gone.address, silent.address:
        again = net.dial(peer)
        again.say(f"Connection with Peer:{address}")
        assert again.hear() == f"connection refused:{peer.address}:unconfirmed"
    assert [event for event in events(peer) if event.startswith("unconfirmed:")] == [
        f"unconfirmed:{gone.address}", f"unconfirmed:{silent.address}"]


def test_a_contradiction_of_a_run_that_is_not_known_is_told_when_it_is(net, seed, monkeypatch):
    peer = watched_peer(net)
    known = set()
    monkeypatch.setattr(peer.confirming, "is_known", known.__contains__)
    signer = Signer(net.fake().address, bytes(32))
    one, other = (signer.cover(1, [bytes([text] * 32)])[0] for text in (1, 2))
    run = parse_signed(one).run
    peer.reporting.contradicted(one, other)
    assert not count(peer, "contradiction:")
    known.add(run)
    peer.reporting.on_settled(run, True)
    wait_event(peer, "contradiction:signed:")
    told = contradiction(one, other).decode().rstrip("\n")
    wait_until(lambda: told in seed.heard)
    peer.reporting.on_settled(run, True)
    peer.reporting.contradicted(one, other)
    assert count(peer, "contradiction:") == 1


def test_evidence_about_runs_that_nobody_asks_about_keeps_out_no_other(net, seed, monkeypatch):
    peer = watched_peer(net)
    known = set()
    monkeypatch.setattr(peer.confirming, "is_known", known.__contains__)

    def contradict(number):
        signer = Signer(address_of("127.0.0.1", number), bytes(32))
        lines = [signer.cover(1, [bytes([text] * 32)])[0] for text in (1, 2)]
        peer.reporting.contradicted(*lines)
        return parse_signed(lines[0]).run

    for number in range(1, EVIDENCE_LIMIT + 10):
        run = contradict(number)
    known.add(run)
    peer.reporting.on_settled(run, True)
    wait_event(peer, "contradiction:signed:")
