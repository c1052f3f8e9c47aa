"""A peer's registrations: a majority of the seeds, whatever fails."""

import pytest

from gossip.addresses import Name
from gossip.registering.joining import REPEAT_PAUSE
from gossip.settings import majority
from tests.tools.fakes import peer
from tests.tools.joining import Joiner

LIMIT = 10.0  # seconds that a seed may take to answer


@pytest.mark.parametrize("seeds", [1, 2, 3, 6, 60])
def test_registrations_work_towards_a_majority_whatever_fails(seeds):
    joiner = Joiner([peer(8000 + n) for n in range(seeds)])
    dials = joiner.dials(0.0)
    assert len(dials) == majority(seeds) and joiner.dials(0.0) == []
    for link in dials:
        joiner.registered(link)
    assert len(joiner.joining.links()) == majority(seeds)
    assert joiner.joining.has_seed() and joiner.dials(1_000.0) == []
    joiner.end(dials[0], "x", 1_000.0)
    again, = joiner.dials(1_000.5)
    joiner.dials(1_000.4 + LIMIT)
    assert not again.ended
    joiner.dials(1_000.5 + LIMIT)
    assert again.reason == "no answer to register"


def test_a_peer_that_is_late_waits_longer_for_an_answer_because_it_may_have_come():
    joiner = Joiner([peer(8000)])
    link, = joiner.dials(0.0)
    joiner.more_patience = lambda: 5.0
    assert joiner.dials(10.0) == [] and not link.ended
    joiner.joining.ask_for_list(10.0)
    assert 10.0 < joiner.joining.next_at() <= 15.0
    joiner.more_patience = lambda: 0.0
    joiner.dials(10.0)
    assert link.reason == "no answer to register"


def test_back_off_doubles_up_to_its_limit():
    joiner, rests = Joiner([peer(8000)]), []
    for _ in range(9):
        link, = joiner.dials(joiner.clock)
        joiner.end(link, "refused", joiner.clock)
        rests.append(joiner.rest(8000))
        joiner.clock += rests[-1]
    assert 0.25 <= rests[0] <= 0.5 and 7.5 <= rests[-1] <= 15.0
    assert max(rests) <= 15.0


def test_a_failure_is_news_when_its_reason_is():
    joiner, news = Joiner([peer(8000)]), []
    for reason in ("refused", "refused", "timed out", "timed out", "", "timed out", "timed out"):
        link, = joiner.dials(joiner.clock)
        if not reason:
            joiner.registered(link)
        joiner.events.clear()
        joiner.end(link, reason or "closed", joiner.clock)
        news.append(joiner.events == [f"unregistered:{peer(8000)}:{reason or 'closed'}"])
        joiner.clock += 20.0
    assert news == [True, False, True, False, True, True, False]


def test_a_seed_is_registered_once_however_often_it_says_so():
    joiner = Joiner([peer(8000)])
    link, = joiner.dials(0.0)
    for _ in range(3):
        joiner.registered(link)
    assert joiner.events == [f"registered:{peer(8000)}"]


def rounds(joiner, link, number, late=False):
    """So many rounds: how often `register:` was repeated, and which verdicts were withheld."""
    link.sent.clear()
    joiner.withheld = 0
    for _ in range(number):
        joiner.joining.next_round(late)
    return len(link.sent), joiner.withheld


def test_a_silent_seed_is_given_up_after_three_rounds():
    joiner = Joiner([peer(8000)])
    link, = joiner.dials(0.0)
    joiner.registered(link)
    assert rounds(joiner, link, 3) == (3, 0) and not link.ended
    joiner.registered(link)
    assert rounds(joiner, link, 3) == (3, 0) and not link.ended
    assert rounds(joiner, link, 1) == (0, 0) and link.reason == "silent"


def test_a_late_round_finds_no_seed_silent_and_tells_of_it():
    joiner = Joiner([peer(8000)])
    link, = joiner.dials(0.0)
    joiner.registered(link)
    assert rounds(joiner, link, 1, late=True) == (1, 0)  # nothing was asked before
    assert rounds(joiner, link, 1) == (1, 0)
    assert rounds(joiner, link, 9, late=True) == (9, 9)
    assert rounds(joiner, link, 2) == (2, 0) and not link.ended
    assert rounds(joiner, link, 1) == (0, 0) and link.reason == "silent"


def test_a_peer_repeats_register_once_a_second_to_the_seed_that_has_probed_it():
    joiner, seed = Joiner([peer(8000)]), peer(8000)

    def repeats(seed, now, link, ip="127.0.0.1"):
        link.sent.clear()
        joiner.clock = now
        joiner.joining.probed(seed, ip)
        return len(link.sent)

    link, = joiner.dials(0.0)
    assert REPEAT_PAUSE == 1.0 and not repeats(seed, 0.0, link)  # it is not registered
    joiner.registered(link)
    assert not repeats(peer(1), 1.0, link)  # no seed
    assert not repeats(seed, 1.0, link, "127.0.0.2")  # not the seed's IP
    assert repeats(seed, 1.0, link)
    assert not repeats(seed, 1.9, link) and repeats(seed, 2.0, link)
    joiner.end(link, "closed", 2.1)
    again, = joiner.dials(60.0)
    joiner.registered(again)
    assert repeats(seed, 2.2, again)  # another link: nothing was said there


def test_two_lines_of_one_seed_are_told_by_a_name_because_the_address_stays_registered():
    joiner, name = Joiner([Name("a", 1), peer(1)]), Name("a", 1)
    first = {link.target: link for link in joiner.dials(0.0)}
    joiner.end(first[peer(1)], "Connection refused", 0.0)
    first[name].peer = peer(1)
    joiner.joining.on_up(first[name])
    joiner.registered(first[name])
    second, = joiner.dials(60.0)
    joiner.joining.on_up(second)
    joiner.end(second, second.reason, 60.0)
    assert joiner.events[1:] == [f"registered:{peer(1)}",
                                 f"unregistered:{name}:leads to {peer(1)}, as {peer(1)} does"]
