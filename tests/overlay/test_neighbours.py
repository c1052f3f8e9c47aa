"""The table of neighbours: which link of a pair stays."""

import math

import pytest

from gossip.capacity import fixed
from gossip.overlay.neighbours import AT_ONCE, UNLISTED, UNLISTED_AT_ONCE, Neighbours
from gossip.settings import Settings
from tests.tools.fakes import FakeLink, peer


def admit(table, address, dialler, now, link=None, silent=None, listed=(), **known):
    link = link or FakeLink()
    return link, table.admit(address, link, dialler, now, set(listed), silent, **known)


def asks(table, address, now=0.0, **known):
    return admit(table, address, address, now, **known)[1]


def test_of_two_links_the_one_dialled_by_the_smaller_address_stays():
    for own, other in ((peer(1), peer(2)), (peer(2), peer(1))):
        table = Neighbours(own, Settings(), print)
        first, admission = admit(table, other, own, 0.0)
        assert admission.accepted
        _, admission = admit(table, other, other, 0.5)
        assert admission.accepted == (other < own)
        assert bool(table.remove(other, first, "x")) == (own < other)


def test_of_two_links_by_one_dialler_the_first_stays():
    table = Neighbours(peer(2), Settings(), print)
    admit(table, peer(1), peer(1), 0.0)
    assert admit(table, peer(1), peer(1), 0.5)[1].reason == "duplicate"


def test_an_older_link_is_asked_first_and_replaced_when_silent_or_ended():
    written = []
    table = Neighbours(peer(1), Settings(), lambda *events: written.extend(events))
    standing, _ = admit(table, peer(2), peer(2), 0.0)
    newcomer, admission = admit(table, peer(2), peer(2), 2.0)
    assert admission.ask is standing and not admission.accepted
    _, admission = admit(table, peer(2), peer(2), 3.0, newcomer, silent=standing)
    assert admission.accepted and admission.replaced is standing
    newcomer.ended = True
    assert admit(table, peer(2), peer(2), 3.1)[1].accepted
    assert written == [
        "connected:127.0.0.1:2", "degree:127.0.0.1:1=>1",
        "disconnected:127.0.0.1:2:replaced", "connected:127.0.0.1:2",
        "disconnected:127.0.0.1:2:replaced", "connected:127.0.0.1:2"]


def test_while_the_smaller_dials_it_refuses_the_others_dial():
    table = Neighbours(peer(1), Settings(), print)
    assert table.begin_dial(peer(2), False) and not table.begin_dial(peer(2), False)
    assert admit(table, peer(2), peer(2), 0.0)[1].reason == "duplicate"
    table.end_dial(peer(2))
    assert admit(table, peer(2), peer(2), 0.0)[1].accepted


def test_only_the_link_that_stands_is_removed():
    table = Neighbours(peer(1), Settings(), print)
    link, _ = admit(table, peer(2), peer(2), 0.0)
    assert table.links() == (link,) and table.link(peer(2)) is link
    assert not table.remove(peer(2), FakeLink(), "x") and table.remove(peer(2), link, "x")
    assert table.links() == () and table.link(peer(2)) is None


def full_table(own, *others, listed=()):
    """A table without a free place, of proven links."""
    table = Neighbours(own, Settings(capacity=fixed(len(others))), print)
    for other in others:
        assert asks(table, other, answered=True, listed=listed).accepted
    return table


def test_a_newcomer_takes_a_free_place_at_once_and_is_probed_before_where_there_is_none():
    table = Neighbours(peer(50), Settings(capacity=fixed(2)), print)
    for port in (60, 70):
        admission = asks(table, peer(port))
        assert admission.accepted and not admission.proven
    admission = asks(table, peer(80))
    assert admission.probe and not admission.accepted
    admission = asks(table, peer(80), answered=True)  # the others block nobody
    assert admission.accepted and admission.proven


def test_twenty_newcomers_in_a_second_are_accepted_at_once_and_then_no_more():
    table = Neighbours(peer(1), Settings(capacity=fixed(200)), print)
    for port in range(2, 2 + AT_ONCE):
        assert asks(table, peer(port), 5.0).accepted
    assert AT_ONCE == 20 and asks(table, peer(99), 5.04).probe
    assert asks(table, peer(99), 5.06).accepted


def test_whom_a_full_peer_refuses_anyway_is_not_probed_before():
    table = full_table(peer(50), peer(40), peer(60))
    admission = asks(table, peer(30))
    assert not admission.probe and admission.reason == "full"


def test_only_the_proven_stand_between_an_asker_and_its_place():
    table = Neighbours(peer(50), Settings(capacity=fixed(1)), print)
    link, _ = admit(table, peer(40), peer(40), 0.0)
    assert asks(table, peer(30)).probe
    assert table.probed(peer(40), link, True)
    assert asks(table, peer(30)).reason == "full"


def test_only_the_listed_stand_between_a_listed_asker_and_its_place():
    table = full_table(peer(50), peer(40), peer(60))
    assert asks(table, peer(30), listed=[peer(30)]).probe
    assert asks(table, peer(30), listed=[peer(30), peer(40)]).probe  # one place is free for it
    assert asks(table, peer(30), listed=[peer(30), peer(40), peer(60)]).reason == "full"
    assert asks(table, peer(31), listed=[peer(30)]).reason == "full"


def test_a_link_is_proven_by_a_probe_or_by_a_dial_and_only_once():
    table = Neighbours(peer(50), Settings(capacity=fixed(9)), print)
    link, _ = admit(table, peer(40), peer(40), 0.0)
    assert admit(table, peer(60), peer(50), 0.0)[1].proven
    assert table.unproven() == [link] and table.proven() == [peer(60)]
    assert not table.probed(peer(40), FakeLink(), True)  # that was about another link
    assert table.probed(peer(40), link, True) and not table.probed(peer(40), link, False)
    assert table.unproven() == [] and table.proven() == [peer(40), peer(60)]


def given_up(table, capacity, now=100.0):
    """Who goes when there are only so many places, if seeds have named all neighbours."""
    table.capacity = capacity
    return [address for address, _ in table.surplus(now, 1.0, set(table.addresses()))]


def test_a_renewed_link_that_others_made_is_no_choice_and_goes_first():
    table = Neighbours(peer(50), Settings(capacity=fixed(9)), print)
    for port, chosen in ((10, False), (40, True), (60, True), (80, True), (90, True)):
        table.begin_dial(peer(port), False, chosen=chosen)
        admit(table, peer(port), peer(50), port)
        table.end_dial(peer(port))
    assert given_up(table, 3) == [peer(10), peer(90)]


def test_a_link_stays_chosen_when_the_other_end_makes_it_anew():
    table = Neighbours(peer(50), Settings(capacity=fixed(9)), print)
    table.begin_dial(peer(80), False)
    standing, _ = admit(table, peer(80), peer(50), 0.0)
    table.end_dial(peer(80))
    link, admission = admit(table, peer(80), peer(80), 20.0, silent=standing)
    assert not admission.proven and table.probed(peer(80), link, True)
    for port in (40, 60, 90):
        asks(table, peer(port), 10.0, answered=True)
    assert given_up(table, 3) == [peer(90)]


def test_of_those_whom_no_list_names_250_at_once_are_accepted_after_a_probe_and_all_others():
    table = Neighbours(peer(1), Settings(capacity=fixed(1_000)), print)
    assert (UNLISTED, UNLISTED_AT_ONCE) == (25, 250)
    for port in range(2, 2 + UNLISTED_AT_ONCE):
        assert asks(table, peer(port), 5.0, answered=True).accepted
    assert asks(table, peer(999), 5.03, answered=True).reason == "full"
    assert asks(table, peer(999), 5.03, answered=True, listed=[peer(999)]).accepted
    assert asks(table, peer(998), 5.05, answered=True).accepted


def proven(start, time):
    """A link that a run has proved."""
    link = FakeLink()
    link.run = start, time
    return link


def standing(dialler, own=1, start=5, time=10.0):
    """The table of peer 1 or 3 with a link to peer 2, made at 0.0 by one of the two."""
    table = Neighbours(peer(own), Settings(), print)
    assert admit(table, peer(2), dialler, 0.0, proven(start, time))[1].proven
    return table


def test_a_link_that_a_run_has_proved_needs_no_probe_however_many_come():
    table = Neighbours(peer(1), Settings(capacity=fixed(100)), print)
    for port in range(2, 2 + 2 * AT_ONCE):
        _, admission = admit(table, peer(port), peer(port), 0.0, proven(5, 10.0))
        assert admission.accepted and admission.proven and not admission.probe


@pytest.mark.parametrize("now", [0.5, 30.0])
@pytest.mark.parametrize("time, stays", [(9.0, True), (10.0, True), (11.0, False)])
def test_of_two_dials_of_one_run_the_later_stays(now, time, stays):
    table = standing(peer(2))
    _, admission = admit(table, peer(2), peer(2), now, proven(5, time))
    assert admission.accepted != stays and admission.ask is None
    assert admission.reason == ("duplicate" if stays else "replaced")
    assert table.proven() == [peer(2)]


@pytest.mark.parametrize("now", [0.5, 30.0])
@pytest.mark.parametrize("dialler", [peer(1), peer(2)])
def test_another_run_takes_the_place_of_the_earlier_one_whoever_dialled(now, dialler):
    for second in peer(1), peer(2):
        _, admission = admit(standing(dialler), peer(2), second, now, proven(6, 1.0))
        assert admission.accepted and admission.reason == "replaced"


def test_dials_of_runs_that_cross_are_judged_by_the_addresses_and_then_by_a_request():
    for own in 1, 3:
        table = standing(peer(own), own)
        _, admission = admit(table, peer(2), peer(2), 0.5, proven(5, 99.0))
        assert admission.accepted == (own == 3) and admission.ask is None
    table = standing(peer(1))
    assert admit(table, peer(2), peer(2), 2.0, proven(5, 99.0))[1].ask is table.link(peer(2))


@pytest.mark.parametrize("since, said_at, known, now", [
    # heard at once by both: by one that has fetched it, too
    ((0.0, 0.0), 1.0, 9, 1.0), ((0.9, 2.0), 1.0, 9, 2.5),
    # by one, and nobody else is known; or it has stood for a while
    ((0.9,), 1.0, 1, 1.0), ((0.9,), 1.0, 0, 1.0), ((0.9,), 1.0, math.inf, 2.9),
    ((1.5,), 1.0, 9, 3.5)])
def test_last_words_are_heard_by_two_or_by_one_that_stays(since, said_at, known, now):
    """One neighbour alone may leave at the same time, and then nobody has them."""
    table = Neighbours(peer(1), Settings(), print)
    assert not table.could_fetch(said_at, now, known)
    for number, at in enumerate(since, 2):
        admit(table, peer(number), peer(number), at)
    assert table.could_fetch(said_at, now, known)
    assert not table.could_fetch(said_at, now - 0.1, known) or now - 0.1 < said_at
