"""What neighbours owe a peer that spreads along trees: only what goes to all."""

from gossip.spread.tree import SHARE_TO_ALL, TO_ALL
from tests.tools.watching import YOUNG, Watched, lines


def test_a_neighbour_owes_the_first_messages_of_a_run_and_a_share_of_the_later_ones():
    watched = Watched(2, spread="tree")
    many = lines(TO_ALL + 10 * SHARE_TO_ALL)
    watched.bring(watched.links[0], many, YOUNG)
    watched.settle(6.0)
    owed = TO_ALL + 10
    assert watched.counted() == {watched.links[0].peer.port: (owed, 0, owed, 0, 0),
                                 watched.links[1].peer.port: (owed, owed, 0, 0, 0)}


def test_of_what_had_to_be_confirmed_too_only_that_counts():
    watched = Watched(1, spread="tree")
    many = lines(TO_ALL + SHARE_TO_ALL)
    watched.watch.brought(many, watched.links[0])
    watched.watch.confirmed(many, YOUNG)
    assert watched.counted() == {1: (TO_ALL + 1, 0, TO_ALL + 1, 0, 0)}
