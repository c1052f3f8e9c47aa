"""The union of the seeds' lists: how it grows and shrinks."""

from gossip.overlay.peer_list import PeerUnion
from tests.tools.fakes import peer


def test_the_union_grows_by_lists_and_shrinks_by_deaths():
    known = PeerUnion(peer(1))
    assert known.add(peer(80), frozenset([peer(1), peer(2), peer(3)]))
    assert not known.add(peer(80), frozenset([peer(2), peer(3)]))
    assert known.add(peer(81), frozenset([peer(4)]))
    assert known.add(peer(80), frozenset([peer(2)]))
    assert set(known.addresses()) == {peer(2), peer(3), peer(4)}
    known.unreachable(peer(4))
    known.unreachable(peer(3))
    assert set(known.addresses()) == {peer(2), peer(4)}
    known.discard(peer(4))
    known.seed_lost(peer(80))
    known.unreachable(peer(2))
    assert set(known.addresses()) == set()
