"""How much of what a neighbour offers is kept, and how much is asked for at once."""

from gossip import wire
from gossip.spread import catch_up
from tests.tools.waiting import wait_until

FIRST, SECOND, THIRD = b"127.0.0.1:9:7", b"127.0.0.1:9:8", b"127.0.0.1:9:9"


def test_the_limits_are_numbers_of_ranges():
    assert (catch_up.OFFER_LIMIT, catch_up.GONE_LIMIT) == (20_000, 20_000)
    assert (catch_up.TOLD_LIMIT, catch_up.WANT_LIMIT) == (200_000, 500)


def every_other(count: int) -> list[tuple[int, int]]:
    """So many ranges of one number each: 1, 3, 5, ..."""
    return [(number, number) for number in range(1, 2 * count, 2)]


def texts(entries) -> bytes:
    return b"".join(b"gmessage:1.000000:%b:%d:x\n" % (run, number) for run, ranges in entries
                    for first, last in ranges for number in range(first, last + 1))


def linked(net):
    """A peer that compares only when it is told to, and a hand-made neighbour."""
    peer = net.peer(antientropy_interval=600, liveness_interval=600, fetch_patience=600.0)
    end = net.neighbour(peer, net.fake())
    end.hear_until("status:digest:")
    return peer, end


def offer(end, entries) -> None:
    end.send(b"".join(wire.status_entries("seen", entries)))


def wanted(end):
    """What the peer asks for next: [(run, ranges)]."""
    return list(wire.parse(end.hear_until("status:want:").encode()).entries)


def ranges_of(entries) -> int:
    return sum(len(ranges) for _, ranges in entries)


def nothing_more_is_wanted(peer, end) -> bool:
    end.say(f"Liveness Request:1.000000:{peer.address}")
    return end.hear().startswith("Liveness Reply:")


def test_so_many_ranges_are_asked_for_at_once_and_then_the_next(net):
    peer, end = linked(net)
    offered = [(FIRST, every_other(300)), (SECOND, every_other(900))]
    offer(end, offered)
    sizes, got = [], {FIRST: [], SECOND: []}
    while sum(sizes) < 1_200:
        want = wanted(end)
        sizes.append(ranges_of(want))
        for run, ranges in want:
            got[run] += ranges
        end.send(texts(want) + wire.status("sent"))
    assert sizes == [500, 500, 200] and list(got.items()) == offered
    assert nothing_more_is_wanted(peer, end)
    assert peer.messages.count() == 1_200


def test_a_neighbour_that_was_frozen_is_asked_for_all_that_it_offers(net):
    """It answers late, and every time that it was asked."""
    peer = net.peer(antientropy_interval=600, liveness_interval=600, fetch_patience=0.3)
    end = net.neighbour(peer, net.fake())
    end.hear_until("status:digest:")
    offer(end, [(FIRST, [(1, 40)])])
    asked = [wanted(end) for _ in range(3)]
    peer.spreading.anti_entropy.catch_up._patience = 600.0
    assert asked == [[(FIRST, [(1, 40)])]] * 3
    for (run, ((first, last),)), in asked:
        end.send(texts([(run, [(first, min(last, first + 9))])]) + wire.status("sent"))
    while peer.messages.count() < 40:
        (run, ((first, last),)), = wanted(end)
        end.send(texts([(run, [(first, min(last, first + 9))])]) + wire.status("sent"))
        wait_until(lambda: peer.messages.count() >= first + 9)
    assert nothing_more_is_wanted(peer, end)


def test_of_an_offer_that_is_too_large_a_later_comparison_brings_the_rest(net, monkeypatch):
    monkeypatch.setattr(catch_up, "OFFER_LIMIT", 10)
    peer, end = linked(net)
    offered = [(FIRST, every_other(4)), (SECOND, every_other(6)), (THIRD, every_other(5))]
    for expected in (offered[:2], offered[2:]):
        offer(end, offered)
        want = wanted(end)
        assert want == expected
        end.send(texts(want) + wire.status("sent"))
        assert nothing_more_is_wanted(peer, end)
    wait_until(lambda: peer.messages.count() == 15)
    assert peer.status()["offers too large to keep"] == 1


def test_offers_in_many_lines_are_limited_together(net, monkeypatch):
    monkeypatch.setattr(catch_up, "OFFER_LIMIT", 10)
    peer, end = linked(net)
    runs = [b"127.0.0.1:%d:7" % port for port in range(1, 21)]
    for run in runs:
        offer(end, [(run, every_other(3))])
    kept = {}
    while len(kept) < 3:
        for run, ranges in wanted(end):
            kept.setdefault(run, ranges)
        end.send(wire.status("sent"))  # it had none of it after all
    assert list(kept) == runs[:3]
    wait_until(lambda: peer.status()["offers too large to keep"] == 17)


def test_who_offers_without_end_is_not_free_to_say_what_it_likes(net):
    """Of its own; what others have said is free, requested or not."""
    peer = net.peer(rate=10, burst=10, cache_size=100)
    fake = net.fake()
    end = net.neighbour(peer, fake)
    end.say(f"status:seen:{fake.address}:7=1-9000000000")
    end.hear_until("status:want:")
    end.say(*[wire.gossip("1.000000", fake.address, 7, number, "x").decode()
              for number in range(1, 1_001)])
    wait_until(lambda: peer.neighbours.link(fake.address).rest_until > peer.now(), timeout=20)


def test_who_answers_what_was_requested_rests_and_is_no_flooder(net, monkeypatch):
    """Its texts may need more signatures, or more room, than the allowance has."""
    peer = net.peer()
    fake = net.fake()
    end = net.neighbour(peer, fake)
    monkeypatch.setattr(peer.spreading._requested, "spend", lambda *cost: (0.1, True))
    end.say(f"status:seen:{fake.address}:7=1-2")
    end.hear_until("status:want:")
    end.say(*[wire.gossip("1.000000", fake.address, 7, number, "x").decode() for number in (1, 2)])
    wait_until(lambda: peer.messages.count() == 2)
    assert nothing_more_is_wanted(peer, end) and peer.neighbours.link(fake.address)
