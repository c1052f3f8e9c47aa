"""Who was found dead is dialled now and then while no seed is up: halves find each other."""

from gossip.addresses import address_of
from gossip.capacity import fixed
from gossip.overlay.places import DEAD_FOR, DEAD_REMEMBERED, FoundDead
from tests.tools.fakes import peer
from tests.tools.files import count, events, wait_event
from tests.tools.nets import connected, cut, linked_net, neighbours, ring_whole
from tests.tools.ports import free_addresses
from tests.tools.waiting import wait_until


def turns(memory, number, now=0.0, known=()):
    return [memory.in_turn(now, frozenset(known)) for _ in range(number)]


def test_the_newest_has_the_first_turn_then_all_take_turns():
    memory = FoundDead()
    for port in (1, 2, 3):
        memory.add(peer(port), 0.0)
    assert turns(memory, 4) == [peer(3), peer(2), peer(1), peer(3)]
    memory.add(peer(1), 0.0)
    assert turns(memory, 4) == [peer(1), peer(2), peer(3), peer(1)]


def test_who_is_known_again_has_no_turn_while_that_lasts():
    memory = FoundDead()
    memory.add(peer(1), 0.0)
    memory.add(peer(2), 0.0)
    assert turns(memory, 2, known=[peer(2)]) == [peer(1)] * 2
    assert turns(memory, 1, known=[peer(1), peer(2)]) == [None]
    assert turns(memory, 2) == [peer(2), peer(1)]


def test_a_peer_is_remembered_for_an_hour_and_not_after_it_lives_or_leaves():
    memory = FoundDead()
    memory.add(peer(1), 0.0)
    memory.add(peer(2), 10.0)
    assert turns(memory, 1, DEAD_FOR) == [peer(2)]
    assert memory.discard(peer(2)) and not memory.discard(peer(1))
    assert turns(memory, 1, DEAD_FOR) == [None]


def test_of_too_many_the_oldest_are_forgotten():
    memory = FoundDead()
    for port in range(1, DEAD_REMEMBERED + 3):
        memory.add(peer(port), 0.0)
    memory.add(peer(3), 0.0)  # found dead again: not one more
    assert not memory.discard(peer(2))
    kept = {peer(port) for port in range(3, DEAD_REMEMBERED + 3)}
    assert set(turns(memory, DEAD_REMEMBERED)) == kept


def test_one_machine_that_plays_many_peers_does_not_push_out_others():
    memory = FoundDead()
    others = [address_of(f"127.0.1.{number}", 5000) for number in range(1, 4)]
    for other in others:
        memory.add(other, 0.0)
    for port in range(1, 3 * DEAD_REMEMBERED):
        memory.add(peer(port), 1.0)
    left = set(turns(memory, DEAD_REMEMBERED))
    assert len(left) == DEAD_REMEMBERED and left > set(others)
    assert peer(3 * DEAD_REMEMBERED - 1) in left


def strangers(one, other):
    """Whether nobody counts on anyone in the other half any more."""
    return not any({node.address for node in others} & {*neighbours(node), *node.neighbours.lost()}
                   for half, others in ((one, other), (other, one)) for node in half)


def rounds_of(node):
    return node.linking.places._round


def test_two_who_were_cut_apart_while_no_seed_lives_are_one_piece_within_ten_rounds(net):
    one, other = linked_net(net, 2)
    net.kill([net.nodes[0]])
    wait_until(lambda: not one.joining.has_seed() and not other.joining.has_seed())
    with cut([one], [other]):
        for node, lost in ((one, other), (other, one)):
            wait_event(node, f"dead:{lost.address}")
        before = rounds_of(one)
        wait_until(lambda: rounds_of(one) > before + 2)
    before = rounds_of(one)
    wait_until(lambda: connected([one, other]))
    assert rounds_of(one) <= before + 10
    one.gossip(["together again"])
    wait_until(lambda: other.messages.count() == 1)


def test_halves_in_which_nobody_knows_anyone_of_the_other_become_one_without_a_seed(net):
    peers = linked_net(net, 12, capacity=fixed(20))
    one, other = peers[:6], peers[6:]
    wait_until(lambda: all(len(neighbours(node)) == 11 for node in peers))
    net.kill([net.nodes[0]])
    with cut(one, other):
        # but by hearsay, which neighbours may tell one another again for a while
        wait_until(lambda: strangers(one, other) and all(
            node.peer_list.named().isdisjoint(far.address for far in (
                other if node in one else one)) for node in peers), 180)  # late ones judge nobody
    wait_until(lambda: connected(peers) and ring_whole(peers))
    wait_until(lambda: all(len(node.peer_list.addresses()) == 11 for node in peers))


def test_one_who_was_found_dead_and_is_known_by_hearsay_is_looked_for_and_forgotten(net):
    """It comes just before this peer on the ring, so that this does not dial it for a place."""
    before, address, after = sorted(free_addresses(3))
    own = net.peer(address, capacity=fixed(8))
    net.neighbour(own, net.fake(after))
    own.linking.found_dead.add(before, own.now())
    own.peer_list.hear(frozenset({before, after}))
    wait_until(lambda: before not in own.peer_list)


def test_one_who_was_found_dead_and_connects_is_asked_at_once_whom_it_knows(net):
    own = net.peer(liveness_interval=60, capacity=fixed(8))
    fake, others = net.fake(), [net.neighbour(own, net.fake()) for _ in range(3)]
    own.linking.found_dead.add(fake.address, own.now())
    assert net.neighbour(own, fake).hear_until("known peers")
    assert all(end.hear().startswith("status:") for end in others)


def test_while_a_seed_is_registered_nobody_who_was_found_dead_is_dialled(net):
    one, other = linked_net(net, 2)
    net.kill([other])
    wait_event(one, f"dead:{other.address}")
    fake = net.fake()
    with one.turn:
        one.linking.found_dead.add(fake.address, one.now())
    before = rounds_of(one)
    wait_until(lambda: rounds_of(one) > before + 3)
    assert not fake.dialled()
    net.kill([net.nodes[0]])
    wait_until(fake.dialled, what="a dial without a seed")


def test_a_neighbour_that_leaves_is_not_remembered(net):
    own, fake = net.peer(), net.fake()
    end = net.neighbour(own, fake)
    own.linking.found_dead.add(fake.address, own.now())
    end.say(f"leave:{fake.address}")
    wait_event(own, f"disconnected:{fake.address}:left")
    before = rounds_of(own)
    wait_until(lambda: rounds_of(own) > before + 2)
    assert not fake.dialled() and count(own, "dead:") == 0
    assert f"connected:{fake.address}" in events(own)
