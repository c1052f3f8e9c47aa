"""Liveness over real sockets: who is dead, who is not, and who is told."""

import os
import signal
import subprocess
import sys
import threading
import types
import time

import pytest

from gossip.lab.proof.records import Records
from tests.tools.fakes import run_late
from tests.tools.files import count, events, wait_event
from tests.tools.nets import FAST, connected, neighbours, ring_whole
from tests.tools.ports import free_address
from tests.tools.programs import Program, write_config
from tests.tools.simulated import OTHER, Nodes
from tests.tools.waiting import wait_until


def linked_net(net, number, **changes):
    seeds = net.seeds(3)
    peers = net.peers(number, **changes)
    wait_until(lambda: connected(peers) and ring_whole(peers))
    return seeds, peers


def test_a_killed_peer_is_found_dead_reported_removed_and_forgotten(net):
    seeds, peers = linked_net(net, 5)
    dead = peers.pop(2)
    hers = [seed for seed in seeds if dead.address in seed.registry.addresses()]
    net.end(dead)
    finder = wait_until(lambda: next(
        (peer for peer in peers if count(peer, f"dead:{dead.address}")), None))
    misses = [event for event in events(finder) if event.startswith("liveness missed:")]
    assert misses == [f"liveness missed:{dead.address}:{k}" for k in (1, 2, 3)]
    for seed in hers:
        wait_event(seed, f"removed:{dead.address}:")
        wait_event(seed, f"dead report:Dead Node:{dead.address}:")
    for peer in peers:
        wait_event(peer, "told:")
        wait_until(lambda peer=peer: dead.address not in peer.peer_list)
    wait_until(lambda: connected(peers) and ring_whole(peers))
    assert sum(count(peer, "reported:") for peer in peers) >= 2


def test_a_first_round_that_comes_late_blames_nobody_either(net):
    peer, fake = net.peer(liveness_interval=60), net.fake()
    end, fake.answers = net.neighbour(peer, fake), False
    end.close()  # dialled again at once, in vain: it answers nothing
    wait_event(peer, f"disconnected:{fake.address}:")
    first = wait_until(lambda: peer._round_due)
    peer.check_liveness(first + 40)  # as after a sleep
    assert count(peer, "liveness missed:") == 0
    peer.check_liveness(first + 100)
    assert count(peer, f"liveness missed:{fake.address}:1") == 1


def test_a_death_is_found_as_soon_as_the_last_probe_can_be_made(net, monkeypatch):
    seed, = net.seeds(1)
    peer, dead = net.peers(2)
    wait_until(lambda: dead.address in peer.neighbours.proven())
    probes, start = [], threading.Thread.start

    def start_or_not(thread):
        if thread.name.startswith("last probe"):
            probes.append(thread)
            if len(probes) < 3:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    told = []
    peer.output._subscriber = types.SimpleNamespace(show=lambda *batch: told.append(batch[2]))
    net.kill([dead])
    report = wait_event(peer, f"reported:{seed.address}:Dead Node:{dead.address}:")
    assert f"dead:{dead.address}\n{report}" in told  # so that a terminal tells them together
    assert len(probes) == 3 and count(peer, f"liveness missed:{dead.address}:3") == 3


def test_a_silent_peer_whose_connection_is_open_is_dead_after_three_misses(net):
    peer, silent = net.peer(), net.fake(answers=False)
    end = net.neighbour(peer, silent)
    assert wait_event(peer, f"dead:{silent.address}")
    assert end.hear_end()
    assert f"disconnected:{silent.address}:dead" in events(peer)


def test_one_who_answers_every_third_request_is_never_dead(net):
    peer, slack = net.peer(liveness_interval=0.4), net.fake(answers=False)
    run_late(peer, 0.0)  # a late peer counts no misses
    end = net.neighbour(peer, slack)
    for request in range(1, 16):
        asked = end.hear_until("Liveness Request:")
        if request % 3 == 0:
            end.say(slack.reply(asked).strip())
    assert count(peer, f"liveness missed:{slack.address}:2") >= 3
    assert count(peer, "liveness missed:") >= 8
    assert count(peer, "dead:") == count(peer, f"liveness missed:{slack.address}:3") == 0


def test_one_who_is_silent_on_the_link_but_answers_a_probe_is_not_dead(net):
    peer, fake = net.peer(), net.fake()
    end = net.neighbour(peer, fake)
    assert wait_event(peer, f"disconnected:{fake.address}:silent, but alive")
    assert end.hear_end() and count(peer, "dead:") == 0


def test_a_lost_neighbour_that_answers_with_a_refusal_is_forgotten(net):
    peer, fake = net.peer(), net.fake()
    net.neighbour(peer, fake).close()
    wait_until(fake.dialled, what="the peer to dial again")
    wait_event(peer, f"disconnected:{fake.address}:")
    rounds = peer.linking.places._round
    wait_until(lambda: peer.linking.places._round > rounds + 5)
    assert count(peer, "liveness missed:") == count(peer, "dead:") == 0


def test_a_removed_peer_that_lives_registers_and_connects_again(net):
    seeds, peers = linked_net(net, 4)
    victim = peers[1]
    for seed in seeds:
        with seed.turn:
            seed.registry.remove(seed.registry.row(victim.address), "dead", seed.now())
    for peer in peers:
        if peer is not victim:
            with peer.turn:
                link = peer.neighbours.link(victim.address)
                peer.linking.bury(victim.address, "told dead", link)
    wait_until(lambda: len(victim.joining.links()) == 2)
    wait_until(lambda: connected(peers) and ring_whole(peers))


def test_being_told_of_a_death_ends_the_counting_but_spares_who_just_answered(net):
    seed, = net.seeds(1)
    peer, fake = net.peer(liveness_interval=2.0, liveness_misses=100), net.fake()
    wait_event(peer, "registered:")
    end = net.neighbour(peer, fake)

    def tell(dead):
        told, before = f"Dead Node:{dead}:1.000000:127.0.0.1:9", count(peer, "told:")
        link, = wait_until(seed.registry.links, what="the peer to be registered")
        link.send(f"{told}\n".encode())
        wait_until(lambda: count(peer, "told:") > before)

    end.say(fake.reply(end.hear_until("Liveness Request:")).strip())
    wait_event(peer, "liveness reply:")  # the last one: nothing that comes later can spare it
    tell(fake.address)
    tell(free_address())  # by then the peer has decided about the first
    assert fake.address in neighbours(peer)
    answered = peer.neighbours.row(fake.address).answered
    wait_until(lambda: time.monotonic() - answered >= peer.settings.liveness_interval)
    tell(fake.address)
    wait_event(peer, f"disconnected:{fake.address}:told dead")


@pytest.mark.slow
def test_under_full_load_nobody_is_found_dead(net):
    _, peers = linked_net(net, 6)
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
               for _ in range(2 * os.cpu_count())]
    try:
        rounds = peers[0].linking.places._round
        wait_until(lambda: peers[0].linking.places._round > rounds + 8, 60)
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    assert all(count(peer, "dead:") == 0 for peer in peers)


def test_a_frozen_peer_is_found_dead_and_comes_back_blaming_nobody(net):
    seeds = net.seeds(3)
    others = net.peers(3)
    config = write_config(net.folder, net.seed_addresses)
    address = free_address()
    flags = ["--config", config, "--outputs", net.folder, "--quiet", "--gossip-count", 0,
             "--liveness-interval", FAST.liveness_interval, "--antientropy-interval", 0.5]
    with Program("peer.py", address.port, *flags) as frozen:
        wait_until(lambda: all(address in neighbours(peer) for peer in others))
        frozen.process.send_signal(signal.SIGSTOP)
        for peer in others:
            wait_until(lambda peer=peer: address not in neighbours(peer))
        wait_until(lambda: any(count(peer, f"dead:{address}") for peer in others))
        wait_until(lambda: all(address not in seed.registry.addresses() for seed in seeds))
        others[0].gossip(["while it slept"])
        wait_until(lambda: all(address not in peer.peer_list for peer in others))
        frozen.process.send_signal(signal.SIGCONT)
        wait_until(lambda: sum(address in seed.registry.addresses() for seed in seeds) >= 2)
        wait_until(lambda: any(address in neighbours(peer) for peer in others))
        run = wait_until(lambda: next((run for run in Records(net.folder).refresh().peers
                                       if run.address == str(address) and run.received), None))
        assert run.dead == {} and run.missed == []
        frozen.type("quit\n")
        assert frozen.finish()[0] == 0


def test_who_has_said_its_last_word_reports_nobody():
    nodes = Nodes(liveness_interval=1.0)
    nodes.one.output.finish()  # of many that are killed together, some are hung up for late
    nodes.network.kill(OTHER)
    nodes.until(lambda: nodes.count(nodes.seed, f"removed:{OTHER}:"), 20)
    end = nodes.network.time.now + 20
    nodes.until(lambda: nodes.network.time.now >= end, 30)
    assert not nodes.count(nodes.seed, "dead report:")
