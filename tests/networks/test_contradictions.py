"""Two signed texts with one number, from raw sockets: their origin is kicked, and nobody else."""

import contextlib
import hashlib

import pytest

from gossip import wire
from gossip.monitoring.grammar import Kick
from gossip.signing.grammar import Signer, parse_signed, registering
from gossip.tools import Rate
from tests.tools.files import count, events, wait_event
from tests.tools.waiting import wait_until
from tests.tools.watched import Liar, all_linked, check_once

TIME = "1700000000.000000"
NUMBERS, TOGETHER = 400, 40  # messages that are signed twice, and how many of them in a period
MANY = 30  # runs that contradict themselves at once


@pytest.fixture(autouse=True)
def once(monkeypatch):
    check_once(monkeypatch)


@pytest.fixture
def network(net):
    return all_linked(net, 3, 5, liveness_misses=1_000)  # links in the hands of a test are silent


def said_by(signer, address, number, text):
    """The signed line of a message, and the message."""
    line = wire.gossip(TIME, address, signer.start, number, text)
    cover, = signer.cover(number, [hashlib.sha256(line).digest()])
    return cover.decode(), line.decode()


def evidence(signer, address, number=1):
    """The line that proves that this key has signed two texts."""
    one, other = (said_by(signer, address, number, text)[0] for text in ("one", "other"))
    return f"contradiction:{one}|{other}"


def register(network, liar):
    """Register with all seeds; return the ends of these connections."""
    return [liar.register(seed) for seed in network.seeds]


def kicked(network, address):
    return all(count(seed, f"removed:{address}:malicious:1.000") for seed in network.seeds)


def test_who_tells_one_neighbour_other_texts_is_kicked_and_the_neighbour_is_not(network):
    liar, victim = Liar(network.net), network.honest[0]
    register(network, liar)
    ends = {peer: network.net.neighbour(peer, liar) for peer in network.honest}
    network.let_pass(3)  # until all links are judged
    for number in range(1, NUMBERS, TOGETHER):
        for peer, end in ends.items():
            whom = "you" if peer is victim else "all"
            with contextlib.suppress(OSError):  # it is shut out soon
                end.say(*(line for at in range(number, number + TOGETHER)
                          for line in said_by(liar.signer, liar.address, at, f"{at} for {whom}")))
        network.let_pass(1)
        if kicked(network, liar.address):
            break
    wait_until(lambda: kicked(network, liar.address))
    for seed in network.seeds:
        lines = [event for event in events(seed) if event.startswith("contradiction:")]
        assert len(lines) == 1 and wire.parse(lines[0].encode()).run.decode() == (
            f"{liar.address}:{liar.signer.start}")
    network.let_pass(12)
    assert network.fates(liar.address) == []


def test_peers_shut_out_a_run_by_themselves_if_its_address_shows_the_seeds_another_key(network):
    liar = Liar(network.net)
    register(network, liar)
    ends = {peer: network.net.neighbour(peer, liar) for peer in network.honest}
    signer, liar.signer = liar.signer, Signer(liar.address, bytes([1] * 32))
    for seed in network.seeds:
        asker = network.net.dial(seed)
        asker.say(f"runs:{liar.address}:{liar.signer.start}")
        assert asker.hear().endswith(f"{liar.signer.start}")  # from now on it is the latest run
    said = [line for text in ("one", "other") for line in said_by(signer, liar.address, 1, text)]
    for end in ends.values():
        end.say(*said)  # both at once, so that nobody asks the seeds in between
    for peer in network.honest:
        wait_event(peer, f"disconnected:{liar.address}:")  # one that asks the seeds: `replaced`
    assert any(count(peer, f"disconnected:{liar.address}:contradicted itself")
               for peer in network.honest)
    assert not any(count(seed, f"removed:{liar.address}:malicious") for seed in network.seeds)
    assert network.fates(liar.address) == []


def test_a_run_is_punished_once_and_refused_for_good(net):
    network = all_linked(net, 3, 3, ban=1.0)
    liar = Liar(network.net)
    register(network, liar)[0].say(evidence(liar.signer, liar.address))
    wait_until(lambda: kicked(network, liar.address))
    seed = network.seeds[0]
    end = network.net.dial(seed)
    refusal = f"registration refused:the run of {liar.address} has contradicted itself"
    wait_until(lambda: answer_to(liar, seed, end) == refusal, pause=0.3)
    end = network.net.dial(seed)
    end.say(evidence(liar.signer, liar.address, number=7))  # from a stranger
    assert end.hear() is None
    other = Signer(liar.address, bytes([1] * 32))
    liar.signer = other
    liar.register(seed)  # another key is another run
    assert count(seed, f"removed:{liar.address}:malicious") == 1


def test_a_run_that_is_banned_already_is_refused_for_good_by_all_seeds(net):
    network = all_linked(net, 3, 3)
    liar, witness = Liar(network.net), Liar(network.net)
    register(network, liar)
    end, *_ = register(network, witness)
    seed = network.seeds[0]
    with seed.turn:
        seed.deciding.on_kick(end, Kick(liar.address, 0.5, 600.0))
    end.say(evidence(liar.signer, liar.address))
    wait_until(lambda: all(seed.deciding.fault_of(liar.address) for seed in network.seeds))


def test_old_evidence_says_nothing_about_the_run_that_follows(net):
    """Nor does it where a seed has started anew, too, and has never heard of the old run."""
    network = all_linked(net, 3, 3, ban=1.0)
    liar, witness = Liar(network.net), Liar(network.net)
    old = evidence(liar.signer, liar.address)
    register(network, liar)[0].say(old)
    wait_until(lambda: kicked(network, liar.address))
    first = network.seeds[0]
    network.kill_seed(first)
    network.start_seed(first.address)
    liar.signer = Signer(liar.address, bytes([1] * 32))
    for seed in network.seeds:
        wait_until(lambda: answer_to(liar, seed, net.dial(seed)) == "registered successfully",
                   pause=0.3)  # the ban is over
        kicks = count(seed, f"removed:{liar.address}:malicious")
        witness.register(seed).say(old, witness.report(1, ""))
        wait_event(seed, f"report:{witness.address}:1:")
        assert count(seed, f"removed:{liar.address}:malicious") == kicks
        assert liar.address in seed.registry.addresses()
    assert network.fates(liar.address, first.address) == []


def answer_to(liar, seed, end):
    """What a seed answers when this run wants to register."""
    proof = liar.signer.proof(registering(liar.address, seed.address)).decode().rstrip("\n")
    end.say(proof, f"register:{liar.address}")
    return end.hear()


@pytest.mark.parametrize("wrong", ["a bad signature", "the same text twice", "two runs"])
def test_bad_evidence_ends_the_link_and_harms_nobody(network, wrong, monkeypatch):
    """It uses up no account either: evidence that is good is heard afterwards."""
    liar, seed, victim = Liar(network.net), network.seeds[0], network.honest[0]
    monkeypatch.setattr(seed.deciding, "_proofs", Rate(1e-9, 0))
    end = liar.register(seed)
    line = evidence(liar.signer, liar.address)
    if wrong == "a bad signature":  # of the victim's run, which the seed has proved
        start = victim.spreading.origin.start
        line = line.replace(f"{liar.address}:{liar.signer.start}", f"{victim.address}:{start}")
    elif wrong == "the same text twice":
        one = line.partition(":")[2].partition("|")[0]
        line = f"contradiction:{one}|{one}"
    else:
        other = Signer(liar.address, bytes([1] * 32))
        line = f"{line.partition('|')[0]}|{said_by(other, liar.address, 1, 'other')[0]}"
    end.say(line)
    assert end.hear_end()
    network.let_pass(2)
    assert network.fates(liar.address) == []
    liar.register(seed).say(evidence(liar.signer, liar.address))
    wait_event(seed, f"removed:{liar.address}:malicious:1.000")


def test_two_texts_of_a_made_up_run_in_the_name_of_a_peer_harm_nobody(network):
    liar, victim = Liar(network.net), network.honest[0]
    made_up = Signer(victim.address, bytes([7] * 32))
    ends = register(network, liar)
    for end in ends:
        end.say(evidence(made_up, victim.address), liar.report(1, ""))
    wait_until(lambda: all(count(seed, f"report:{liar.address}:1:") for seed in network.seeds))
    for seed in network.seeds:
        assert seed.status()["contradictions of runs that are not at their address"] == 1
    assert network.fates(liar.address) == []


def kicks_after_witness(network, number):
    """How often the seed kicks each of some liars, after one witness told of them all."""
    liars, seed = [Liar(network.net) for _ in range(number)], network.seeds[0]
    for liar in liars:
        liar.register(seed)
    witness = Liar(network.net)
    end = witness.register(seed)
    end.say(*(evidence(liar.signer, liar.address) for liar in liars), witness.report(1, ""))
    wait_event(seed, f"report:{witness.address}:1:")
    return [count(seed, f"removed:{liar.address}:malicious:1.000") for liar in liars]


def test_a_peer_that_has_many_contradictions_to_tell_is_heard_on(network):
    assert kicks_after_witness(network, MANY) == [1] * MANY
    assert not any(link.rest_until for link in network.seeds[0].registry.links())


def test_a_run_that_contradicted_itself_judges_nobody_though_the_evidence_was_pushed_out(
        network, monkeypatch):
    """Else who was told the other text seems to withhold this one."""
    liar, peer = Liar(network.net), network.honest[0]
    monkeypatch.setattr(peer.confirming, "counts_or_asks", lambda run: True)
    pair = [[line.encode() for line in said_by(liar.signer, liar.address, 1, text)]
            for text in ("one", "other")]
    run = parse_signed(pair[0][0]).run
    with peer.turn:
        peer.confirming._runs.learn((liar.address, liar.signer.start))
        peer.messages.add(pair[0])
        assert peer.reporting.watch._judged_by([pair[0][1]])
        peer.messages.add(pair[1])
        assert peer.messages.is_liar(run) and not peer.reporting.watch._judged_by([pair[0][1]])


def test_who_makes_ever_more_runs_to_contradict_is_not_heard_beyond_its_account(network,
                                                                                 monkeypatch):
    """Else throw-away keys fill the memory of kicks and the files, and kicks are forgotten."""
    seed = network.seeds[0]
    monkeypatch.setattr(seed.deciding, "_proofs", Rate(1e-9, 2))
    assert kicks_after_witness(network, 4) == [1, 1, 1, 0]
    assert seed.status()["contradictions too many"] == 1


def test_what_contradicts_itself_before_its_run_is_known_is_told_when_it_is(network):
    """Else a run that another liar shows to all, before it begins, is never found out."""
    liar, peer = Liar(network.net), network.honest[0]
    peer.reporting.contradicted(*(said_by(liar.signer, liar.address, 1, text)[0].encode()
                                  for text in ("one", "other")))
    assert count(peer, "contradiction:") == 0
    peer.confirming.prove(liar.address, liar.signer.start)
    assert count(peer, f"contradiction:signed:{liar.address}:") == 1
