"""Newcomers: looked for at the address that they announce, before or after they are accepted."""

import pytest

from gossip import wire
from gossip.capacity import fixed
from gossip.overlay.linking import DIALLED
from tests.tools.fakes import run_late
from tests.tools.files import count, wait_event
from tests.tools.nets import looked_for, neighbours
from tests.tools.newcomers import Says, ask, full_peer, rounds
from tests.tools.ports import free_address, free_addresses
from tests.tools.registering import listed, register
from tests.tools.waiting import wait_until


def test_a_newcomer_is_looked_for_in_the_background_and_stays_if_it_does_not_answer(net):
    peer = net.peer(capacity=fixed(4), liveness_misses=1000)
    fake, nobody = net.fake(), free_address()
    for address in (fake.address, nobody):
        assert ask(net, peer, address).hear() == f"connection accepted:{peer.address}"
        wait_until(lambda address=address: looked_for(peer, address))
    assert peer.neighbours.proven() == [fake.address]
    rounds(peer, 2)
    assert neighbours(peer) == {fake.address, nobody} and count(peer, "disconnected:") == 0


def test_a_newcomer_that_did_not_answer_is_looked_for_again_in_each_round(net):
    peer, address = net.peer(liveness_misses=1000), free_address()
    ask(net, peer, address)
    wait_until(lambda: looked_for(peer, address))
    assert peer.neighbours.proven() == []
    net.fake(address)
    wait_until(lambda: peer.neighbours.proven() == [address])


@pytest.mark.parametrize("answers", [True, False])
def test_without_a_free_place_who_does_not_answer_is_refused_as_full(net, answers):
    own, *others = free_addresses(4)
    peer, _ = full_peer(net, own, *others[:2], probe_limit=0.3)
    end = ask(net, peer, net.fake(others[2], answers=answers).address)
    said = "accepted" if answers else "refused"
    assert end.hear().startswith(f"connection {said}:{own}")
    if not answers:
        assert wait_event(peer, f"refused:{others[2]}:full") and end.hear_end()


def test_whoever_asks_often_is_probed_once_at_a_time(net):
    own, *others = free_addresses(4)
    peer, _ = full_peer(net, own, *others[:2], probe_limit=1.0)
    fake = net.fake(others[2], answers=False)
    for end in [ask(net, peer, fake.address) for _ in range(10)]:
        assert end.hear() == f"connection refused:{own}:full"
    assert sum(line.startswith("Liveness Request:") for line in fake.heard) < 4


def test_unproven_neighbours_give_way_to_one_who_answers(net):
    own, *others = free_addresses(4)
    peer = net.peer(own, capacity=fixed(2), liveness_misses=1000)
    for address in others[1:]:  # nearer to its own predecessor's place than the last one
        ask(net, peer, address).hear()
        wait_until(lambda address=address: looked_for(peer, address))
    assert neighbours(peer) == set(others[1:3])  # the third was refused
    net.neighbour(peer, net.fake(others[0]))
    wait_until(lambda: count(peer, "disconnected:") == 1)
    assert others[0] in neighbours(peer) and len(neighbours(peer)) == 2


def test_an_unlisted_newcomer_makes_a_peer_ask_a_seed_for_its_list_soon(net):
    seed, = net.seeds(1)
    peer = net.peer(liveness_interval=30)
    wait_event(peer, "registered:")
    cadence = peer.joining._list_cadence
    fake = net.fake()
    assert register(net, seed, fake).hear() == "registered successfully"
    cadence._delay, cadence.next_at = 30.0, peer.now() + 30  # it had settled long ago
    ask(net, peer, fake.address)
    wait_until(lambda: fake.address in peer.peer_list, 10)


def test_an_unlisted_newcomer_that_is_refused_makes_a_peer_ask_for_the_list_as_soon(net):
    seed, = net.seeds(1)
    own, *others = free_addresses(4)
    peer, _ = full_peer(net, own, *others[1:3])
    wait_event(peer, "registered:")
    fake = net.fake(others[0])
    listing = net.dial(seed)
    listing.say(f"register:{fake.address}")
    assert listing.hear() == "registered successfully"
    asleep, turn = [], peer.linking.places.next_at
    peer.linking.places.next_at = lambda now: asleep.append(now) or turn(now)
    cadence = peer.joining._list_cadence
    cadence._delay, cadence.next_at = 60.0, peer.now() + 60  # it had settled long ago
    peer.membership.hurry()
    wait_until(lambda: asleep)
    assert ask(net, peer, fake.address).hear() == f"connection refused:{own}:full"
    wait_until(lambda: fake.address in peer.peer_list, 10)


@pytest.mark.parametrize("knows", (0, 1))
def test_whoever_is_given_up_by_the_next_on_the_ring_asks_all_seeds_who_is_nearer(net, knows):
    seeds = net.seeds(2)
    own, *others = free_addresses(3)
    nearer, successor = map(net.fake, others)
    peer = net.peer(own, liveness_interval=60, retry_first=30)
    peer.linking.dial = lambda *arguments, **options: None  # it waits to be asked
    wait_until(lambda: len(peer.joining.links()) == 2, what="two registrations")
    for seed in seeds:
        listed(net, seed, successor)
    peer.joining._list_cadence.next_at = peer.now()
    peer.membership.hurry()
    wait_until(lambda: successor.address in peer.peer_list)
    end = net.neighbour(peer, successor)
    listed(net, seeds[knows], nearer)
    assert nearer.address not in peer.peer_list
    end.say(f"connection refused:{successor.address}:full")
    wait_until(lambda: nearer.address in peer.peer_list, 10)


def test_a_dial_that_was_answered_proves_the_link_that_the_other_made_meanwhile(net, monkeypatch):
    monkeypatch.setattr("gossip.overlay.linking.ANSWER_LIMIT", 60.0)
    peer, fake = net.peer(probe_limit=60.0), net.fake(answers=False)
    ask(net, peer, fake.address).hear()
    assert peer.neighbours.proven() == []
    link = peer.new_link(DIALLED, fake.address)
    peer.linking.on_refused(link, wire.Refused(fake.address, "duplicate"))
    assert peer.neighbours.proven() == [fake.address]


def test_a_dial_may_be_answered_while_the_link_that_the_other_has_made_ends(net, monkeypatch):
    monkeypatch.setattr("gossip.overlay.linking.ANSWER_LIMIT", 60.0)
    peer, fake = net.peer(probe_limit=60.0), net.fake(answers=False)
    ask(net, peer, fake.address).hear()
    with peer.turn:
        peer.linking.found_dead.add(fake.address, peer.now())
    probed = peer.neighbours.probed

    def probed_as_it_ends(address, link, alive):
        news = probed(address, link, alive)
        with peer.turn:
            if link := peer.neighbours.link(address):  # not when the probe ends with the peer
                peer.linking.unlink(address, "ended", link)
        return news

    peer.neighbours.probed = probed_as_it_ends
    link = peer.new_link(DIALLED, fake.address)
    peer.linking.on_refused(link, wire.Refused(fake.address, "full"))
    assert link.ended and neighbours(peer) == set()


def test_strangers_take_no_place_for_which_a_peer_dials_itself(net):
    seed, = net.seeds(1)
    peer = net.peer(capacity=fixed(4), liveness_interval=60)
    for _ in range(4):
        net.neighbour(peer, net.fake())
    listed = [Says(net, "accepted:{}") for _ in range(4)]
    for fake in listed:
        assert register(net, seed, fake).hear() == "registered successfully"
    with peer.turn:
        peer.joining.hurry()
    wait_until(lambda: len(neighbours(peer) & {fake.address for fake in listed}) >= 3)


def test_whoever_is_looked_for_in_vain_is_known_no_longer_unless_a_seed_names_it(net):
    peer, address = net.peer(liveness_misses=1000), free_address()
    assert ask(net, peer, address).hear()
    with peer.turn:
        peer.peer_list.hear(frozenset([address]))
    wait_until(lambda: address not in peer.peer_list)
    assert neighbours(peer) == {address}


def test_whoever_is_looked_for_in_vain_goes_at_once_when_its_place_is_wanted(net):
    own, *others = free_addresses(4)
    peer = net.peer(own, capacity=fixed(2), liveness_interval=60, probe_limit=2.0)
    silent = net.fake(others[1], answers=False)
    assert ask(net, peer, silent.address).hear()
    for address in (others[0], others[2]):
        net.neighbour(peer, net.fake(address))
    wait_event(peer, f"disconnected:{silent.address}:given up")


def test_a_late_peer_blames_no_newcomer_that_it_could_not_look_for(net):
    own, *others = free_addresses(4)
    peer, _ = full_peer(net, own, *others[:2], probe_limit=0.2)
    run_late(peer, 0.15)
    end = ask(net, peer, net.fake(others[2], answers=False).address)
    assert end.hear() == f"connection accepted:{own}"
    assert others[2] not in peer.neighbours.proven()


@pytest.mark.parametrize("lateness, looks", [(0.0, 1), (0.15, 0)])
def test_a_late_peer_believes_its_seeds_about_whom_they_name(net, lateness, looks):
    seed, = net.seeds(1)
    peer, named = net.peer(capacity=fixed(4), liveness_interval=60), net.fake()
    register(net, seed, named)
    with peer.turn:
        peer.joining.hurry()
    wait_until(lambda: named.dialled() and not peer.neighbours.dialling())
    run_late(peer, lateness)
    assert ask(net, peer, named.address).hear() == f"connection accepted:{peer.address}"
    wait_until(lambda: peer.neighbours.proven() == [named.address])
    requests = [line for line in named.heard if line.startswith("Liveness Request:")]
    assert sum(line.endswith(f":{peer.address}") for line in requests) == looks


def test_newcomers_whom_a_seed_has_named_are_looked_for_before_strangers(net):
    seed, = net.seeds(1)
    own, *others = free_addresses(6)
    peer, _ = full_peer(net, own, *others[:2], probe_limit=2.0, probes_at_once=1)
    listed = net.fake(others[4])
    peer.linking.dial = lambda *arguments, **options: None  # it waits to be asked
    register(net, seed, listed)
    with peer.turn:
        peer.joining.hurry()
    wait_until(lambda: listed.address in peer.peer_list)
    one, other = (net.fake(address, answers=False) for address in others[2:4])
    for stranger in (one, other):
        ask(net, peer, stranger.address)
    wait_until(lambda: one.heard or other.heard)
    assert ask(net, peer, listed.address).hear() == f"connection accepted:{own}"
    assert not (one.heard and other.heard)


class Crossing(Says):
    """Asks for a link by itself before it accepts the one that it is asked for."""

    def __init__(self, net, address):
        self.net, self.peer, self.own = net, None, None
        super().__init__(net, "accepted:{}", address=address)

    def reply(self, line):
        if line.startswith("Connection with Peer:"):
            self.own = ask(self.net, self.peer, self.address)
            self.own.hear()
        return "" if line.startswith("Liveness") else super().reply(line)


def test_when_two_dial_each_other_the_link_that_stays_is_proven(net, monkeypatch):
    monkeypatch.setattr("gossip.overlay.neighbours.YOUNG", 60.0)
    smaller, larger = free_addresses(2)
    peer = net.peer(larger, probe_limit=60.0, liveness_interval=60)
    fake = Crossing(net, smaller)
    fake.peer = peer
    with peer.turn:
        peer.linking.dial(smaller)
    wait_until(lambda: peer.neighbours.proven() == [smaller])
    assert peer.neighbours.row(smaller).dialler == smaller


def test_a_successor_that_accepts_and_gives_up_at_once_is_not_dialled_in_circles(net):
    seed, = net.seeds(1)
    peer, fake = net.peer(), Says(net, "accepted:{}", "refused:{}:full")
    register(net, seed, fake)
    wait_until(fake.dialled)
    rounds(peer, 4)
    assert 2 <= fake.dialled() <= 12


def test_an_unproven_link_says_nothing_of_the_peer_in_whose_name_it_was_made(net):
    """Somebody on the host of a listed peer that does not answer takes its name, and leaves."""
    seed, = net.seeds(1)
    peer, fake = net.peer(liveness_misses=1000), net.fake()
    run_late(peer, 0.0)  # a late peer would believe the seed
    register(net, seed, fake)
    wait_until(lambda: fake.address in peer.peer_list)
    fake.answers = False
    impostor = net.neighbour(peer, fake)
    impostor.say(f"leave:{fake.address}")
    assert impostor.hear_end() and fake.address in peer.peer_list
    wait_event(peer, f"disconnected:{fake.address}:left")


class Asked:
    """A link that does not answer, and counts what it is asked."""

    ended, run, asked, deadline = False, None, 0, 0.0

    def send(self, data, urgent=False):
        self.asked += 1


def test_one_job_looks_for_the_answers_that_many_newcomers_wait_for(net, monkeypatch):
    """At a late peer each newcomer waits long, so those that leave would leave a job each."""
    peer, jobs, admitted = net.peer(liveness_interval=60), [], []
    admitting, now, patience = peer.linking.admitting, [100.0], [60.0]
    with peer.turn, monkeypatch.context() as patch:
        patch.setattr(peer, "now", lambda: now[0])
        patch.setattr(peer, "more_patience", lambda: patience[0])
        patch.setattr(peer.flusher, "take_over",
                      lambda job, after: jobs.append((now[0] + after, job)))
        patch.setattr(admitting, "_admit", lambda *newcomer, silent: admitted.extend(newcomer))
        older, newcomers, sooner = Asked(), [Asked() for _ in range(100)], Asked()
        for newcomer in newcomers:
            admitting._check(older, newcomer)
            now[0] += 0.25
        assert len(jobs) == 1 and older.asked == 100
        for newcomer in newcomers[1:50]:
            admitting.on_end(newcomer)
        patience[0] = 0.0
        admitting._check(older, sooner)  # on time again, so its wait ends before all others
        while jobs:
            assert len(jobs) <= 2
            jobs.sort(key=lambda entry: entry[0])
            now[0], job = jobs.pop(0)
            job()
        assert admitted == [sooner, newcomers[0], *newcomers[50:]] and not admitting.checks
