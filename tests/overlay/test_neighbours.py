"""The table of neighbours: which link of a pair stays."""

from gossip.overlay.neighbours import Neighbours
from gossip.settings import Settings
from tests.tools.fakes import FakeLink, peer


def admit(table, address, dialler, now, link=None, silent=None):
    link = link or FakeLink()
    return link, table.admit(address, link, dialler, now, set(), silent)


def test_of_two_links_the_one_dialled_by_the_smaller_address_stays():
    for own, other in ((peer(1), peer(2)), (peer(2), peer(1))):
        table = Neighbours(own, Settings())
        first, admission = admit(table, other, own, 0.0)
        assert admission.accepted
        _, admission = admit(table, other, other, 0.5)
        assert admission.accepted == (other < own)
        assert bool(table.remove(other, first, "x")) == (own < other)


def test_of_two_links_by_one_dialler_the_first_stays():
    table = Neighbours(peer(2), Settings())
    admit(table, peer(1), peer(1), 0.0)
    assert admit(table, peer(1), peer(1), 0.5)[1].reason == "duplicate"


def test_an_older_link_is_asked_first_and_replaced_when_silent_or_ended():
    table = Neighbours(peer(1), Settings())
    standing, _ = admit(table, peer(2), peer(2), 0.0)
    newcomer, admission = admit(table, peer(2), peer(2), 2.0)
    assert admission.ask is standing and not admission.accepted
    _, admission = admit(table, peer(2), peer(2), 3.0, newcomer, silent=standing)
    assert admission.accepted and admission.replaced is standing
    newcomer.ended = True
    assert admit(table, peer(2), peer(2), 3.1)[1].accepted
    assert list(table.changes) == [
        "connected:127.0.0.1:2", "degree:127.0.0.1:1=>1",
        "disconnected:127.0.0.1:2:replaced", "connected:127.0.0.1:2",
        "disconnected:127.0.0.1:2:replaced", "connected:127.0.0.1:2"]


def test_while_the_smaller_dials_it_refuses_the_others_dial():
    table = Neighbours(peer(1), Settings())
    assert table.begin_dial(peer(2), False) and not table.begin_dial(peer(2), False)
    assert admit(table, peer(2), peer(2), 0.0)[1].reason == "duplicate"
    table.end_dial(peer(2))
    assert admit(table, peer(2), peer(2), 0.0)[1].accepted


def test_only_the_link_that_stands_is_removed():
    table = Neighbours(peer(1), Settings())
    link, _ = admit(table, peer(2), peer(2), 0.0)
    assert table.links() == (link,) and table.link(peer(2)) is link
    assert not table.remove(peer(2), FakeLink(), "x") and table.remove(peer(2), link, "x")
    assert table.links() == () and table.link(peer(2)) is None
