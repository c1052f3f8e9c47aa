"""Whose run is it: seeds that know or lie, or none; registrations belong to it."""

import pytest

from gossip import wire
from gossip.addresses import Address
from gossip.signing.grammar import Signer, registering
from tests.networks.test_signed import said
from tests.tools.files import count, events, received, wait_event
from tests.tools.hands import FakeSeed
from tests.tools.nets import connected, holds_all, ring_whole
from tests.tools.ports import free_address, free_addresses
from tests.tools.waiting import wait_until

LIES = {"names what it is asked for": (lambda address, start: [start or 5, 6, 7], 0.0),
        "names nothing": (lambda address, start: [], 0.0),
        "answers late": (lambda address, start: [start or 5], 3.0),
        "never answers": (lambda address, start: None, 0.0)}


def net_with_a_liar(net, lie) -> FakeSeed:
    """Two honest seeds and one that lies."""
    net.seed_addresses = free_addresses(3)
    for address in net.seed_addresses[:2]:
        net.seed(address)
    liar = FakeSeed(net.seed_addresses[2], *lie)
    net.ends.append(liar)
    return liar


def signed_peers(net, number, **changes):
    peers = net.peers(number, sign=True, **changes)
    wait_until(lambda: connected(peers) and ring_whole(peers))
    return peers


def ask(net, seed, address: Address, start: int) -> list[int]:
    """The runs of an address that a seed names."""
    end = net.dial(seed)
    end.say(f"runs:{address}:{start}")
    answer = wire.parse(end.hear().encode())
    assert answer.address == address
    return list(answer.starts)


def start_of(peer) -> int:
    return peer.spreading.origin.start


@pytest.mark.parametrize("lie", LIES)
def test_one_seed_of_three_that_lies_changes_nothing(net, lie):
    liar = net_with_a_liar(net, LIES[lie])
    peers = signed_peers(net, 3)
    false = Signer(peers[2].address, bytes(32))  # somebody speaks in the name of the third
    end = net.neighbour(peers[0], net.fake())
    covers, lines = said(false, peers[2].address, [1, 2])
    end.say(*covers, *lines)
    wait_event(peers[0], f"unconfirmed:{peers[2].address}:{false.start}")
    for peer in peers:
        peer.gossip(["the truth"])
    late = net.peer(sign=True)
    wait_until(lambda: holds_all([*peers, late], 3))
    assert liar.asked
    assert not any(count(peer, "corrupt:") for peer in peers)


def test_without_seeds_living_origins_are_heard_newcomers_among_them(net):
    seeds = net.seeds(3)
    peers = signed_peers(net, 3)
    for seed in seeds:
        net.end(seed)
    newcomer = net.peer(sign=True)
    with peers[0].turn:
        peers[0].linking.dial(newcomer.address)
    for peer in [*peers, newcomer]:
        peer.gossip(["I live"])
    wait_until(lambda: holds_all([*peers, newcomer], 4))
    assert not any(count(peer, "unconfirmed:") for peer in [*peers, newcomer])


def test_seeds_that_were_restarted_name_every_living_run_again(net):
    seeds = net.seeds(3)
    peers = signed_peers(net, 3)
    for seed in seeds:
        net.end(seed)
    again = [net.seed(seed.address) for seed in seeds]
    for seed in again:
        for peer in peers:
            wait_until(lambda: start_of(peer) in ask(net, seed, peer.address, 0))


def test_a_peer_that_was_started_anew_hears_what_it_said_before(net):
    net.seeds(3)
    peers = signed_peers(net, 3)
    peers[0].gossip([str(number) for number in range(20)])
    wait_until(lambda: holds_all(peers, 20))
    net.kill(peers[:1])
    again = net.peer(peers[0].address, sign=True)
    again.gossip(["again"])
    wait_until(lambda: holds_all([again, *peers[1:]], 21))
    assert start_of(again) != start_of(peers[0])


def test_a_run_in_anothers_name_reaches_nobody_and_blames_no_neighbour(net):
    net.seeds(3)
    peers = signed_peers(net, 2)
    asleep = free_address()  # nobody listens there
    end = net.neighbour(peers[0], net.fake())
    for address, secret in (peers[1].address, 1), (peers[0].address, 2), (asleep, 3):
        covers, lines = said(Signer(address, bytes([secret] * 32)), address, [1])
        end.say(*covers, *lines)
    wait_until(lambda: count(peers[0], "unconfirmed:") == 3)
    peers[1].gossip(["the truth"])
    wait_until(lambda: holds_all(peers, 1))
    assert count(peers[0], "corrupt:") == count(peers[0], "disconnected:") == 0


def test_lines_that_waited_go_on_as_if_they_came_now(net):
    """The origin is met before any seed knows it, and by way of a neighbour."""
    net.seeds(3)
    peers = signed_peers(net, 3)
    origin = net.fake()
    origin.signer = Signer(origin.address, bytes(32))
    end = net.neighbour(peers[0], net.fake())
    covers, lines = said(origin.signer, origin.address, range(1, 201))
    end.say(*covers, *lines)
    wait_until(lambda: all(len(received(peer)) == 200 for peer in peers))
    assert not any(count(peer, "corrupt:") + count(peer, "unconfirmed:") for peer in peers)


def test_who_brings_sixteen_false_runs_is_not_listened_to_about_unknown_ones(net):
    net.seeds(1)
    peers = signed_peers(net, 2)
    liar, honest = (net.neighbour(peers[0], net.fake()) for _ in range(2))
    address = free_address()
    for number in range(1, 17):
        covers, lines = said(Signer(address, bytes([number] * 32)), address, [1])
        liar.say(*covers, *lines)
    wait_until(lambda: count(peers[0], "unconfirmed:") == 16)
    origin = net.fake()
    origin.signer = Signer(origin.address, bytes(32))
    covers, lines = said(origin.signer, origin.address, [1])
    liar.say(*covers, *lines, f"Liveness Request:1.000000:{address}")
    liar.hear_until("Liveness Reply:")
    known = "unknown runs of neighbours that brought false ones"
    assert peers[0].status()[known] and holds_all(peers, 0)
    honest.say(*covers, *lines)
    wait_until(lambda: holds_all(peers, 1))


def test_a_run_that_is_not_asked_about_now_is_not_denied(net):
    """It stays in what neighbours offer, and is fetched once it is known."""
    net.seeds(1)
    peer, denied = net.peer(sign=True, antientropy_interval=0), []
    peer.spreading.anti_entropy.catch_up.denied = denied.append
    peer.confirming.meet = lambda run, link: False
    origin = net.fake()
    origin.signer = Signer(origin.address, bytes(32))
    covers, lines = said(origin.signer, origin.address, [1])
    end = net.neighbour(peer, net.fake())
    end.say(*covers, *lines, f"Liveness Request:1.000000:{origin.address}")
    end.hear_until("Liveness Reply:")
    assert denied == [] and holds_all([peer], 0)


# What seeds answer.


def test_a_seed_names_runs_that_it_has_verified_and_looks_for_those_that_it_does_not_know(net):
    seed, = net.seeds(1)
    fake = net.fake()
    assert ask(net, seed, fake.address, 0) == []  # it answers, and proves nothing
    fake.signer = Signer(fake.address, bytes(32))
    assert ask(net, seed, fake.address, 0) == [fake.signer.start]
    older, fake.signer = fake.signer, Signer(fake.address, bytes([1] * 32))
    assert ask(net, seed, fake.address, 0) == [older.start]  # it knows one
    assert ask(net, seed, fake.address, fake.signer.start) == [older.start, fake.signer.start]
    assert ask(net, seed, fake.address, 99) == [older.start, fake.signer.start]


def test_several_questions_stand_in_one_connection(net):
    seed, = net.seeds(1)
    fakes = [net.fake() for _ in range(20)]
    for fake in fakes:
        fake.signer = Signer(fake.address, bytes(32))
    end = net.dial(seed)
    end.say(*[f"runs:{fake.address}:0" for fake in fakes])
    assert {end.hear() for _ in fakes} == {f"runs:{fake.address}:{fake.signer.start}"
                                           for fake in fakes}


def test_a_question_about_several_runs_is_none(net):
    seed, = net.seeds(1)
    end = net.dial(seed)
    end.say("runs:127.0.0.1:5001:1,2")
    assert end.hear() is None
    wait_event(seed, "refused:")


def test_a_proof_of_another_line_proves_nothing(net):
    seed, = net.seeds(1)
    fake = net.fake()
    signer = Signer(fake.address, bytes(32))

    class Replays:
        start = signer.start

        @staticmethod
        def proof(text):
            return signer.proof(text.replace("Liveness Reply:", "Liveness Reply:1"))

    fake.signer = Replays
    assert ask(net, seed, fake.address, 0) == []


# Registrations.


@pytest.fixture
def registered(net):
    """A seed, a peer that signs and is registered there, and a connection of somebody else."""
    seed, = net.seeds(1)
    peer = net.peer(sign=True)
    wait_event(seed, f"registered:{peer.address}")
    return seed, peer, net.dial(seed)


def false_proofs(seed, peer):
    own = Signer(peer.address, bytes(32))
    true = peer.confirming.registration(free_address()).decode().split("\n")[0]
    return {"no proof": [],
            "the proof of another key": own.proof(registering(peer.address, seed.address)),
            "a proof for another seed": true,
            "a proof that is spoilt": true[:-4] + "AAAA"}


@pytest.mark.parametrize("proof", ["no proof", "the proof of another key",
                                   "a proof for another seed", "a proof that is spoilt"])
def test_nobody_else_on_the_host_registers_the_address_of_a_peer_that_signs(registered, proof):
    seed, peer, end = registered
    line = false_proofs(seed, peer)[proof]
    line = line.decode().rstrip("\n") if isinstance(line, bytes) else line
    end.say(*([line] if line else []), f"register:{peer.address}")
    assert end.hear().startswith("registration refused:")
    end.say(f"leave:{peer.address}", "peer list")
    assert end.hear_until("peer list:") == f"peer list:{peer.address.listed}"
    assert count(seed, "removed:") == 0 and count(peer, "unregistered:") == 0


def test_nobody_takes_a_registration_while_the_peer_is_asked_too_often_to_prove_itself(registered):
    seed, peer, end = registered
    peer.confirming._proofs = Spent()
    end.say(f"register:{peer.address}")
    assert end.hear().startswith("registration refused:")


class Spent:
    """A budget of which nothing is left."""

    @staticmethod
    def spend(now):
        return False


def test_who_claims_a_key_has_to_prove_it_when_it_is_dialled(net):
    seed, = net.seeds(1)
    fake = net.fake()
    signer = Signer(fake.address, bytes(32))
    register = [signer.proof(registering(fake.address, seed.address)).decode().rstrip(),
                f"register:{fake.address}"]
    end = net.dial(seed)
    end.say(*register)
    assert "try again" in end.hear()
    fake.signer = signer
    end.say(*register)
    assert end.hear() == "registered successfully"


def test_after_a_peer_that_signs_one_that_does_not_may_register_the_address(net):
    seed, = net.seeds(1)
    peer = net.peer(sign=True)
    wait_event(seed, f"registered:{peer.address}")
    net.kill([peer])
    wait_event(seed, f"removed:{peer.address}")
    again = net.peer(peer.address)
    wait_event(again, f"registered:{seed.address}")


def test_every_sign_of_life_is_given_although_not_every_one_is_proved(net):
    peer = net.peer(sign=True)
    end = net.dial(peer)
    end.say(*[f"Liveness Request:{number}.000000:127.0.0.1:9" for number in range(1, 201)])
    proofs = replies = 0
    while replies < 200:
        line = end.hear()
        proofs += line.startswith("proof:")
        replies += line.startswith("Liveness Reply:")
    assert 40 <= proofs < 200
    assert peer.status()["proofs of life not made"] == 200 - proofs
    assert not any("failed" in event for event in events(peer))


def test_strangers_that_ask_for_signs_of_life_leave_proofs_for_seeds(net):
    seed, = net.seeds(1)
    peer = net.peer(sign=True)
    wait_event(seed, f"registered:{peer.address}")
    of_seeds = peer.confirming._proofs = Many()
    stranger = net.dial(peer, ip="127.0.0.2")
    stranger.say(*[f"Liveness Request:{number}.000000:127.0.0.1:9" for number in range(1, 201)])
    for number in range(1, 201):
        stranger.hear_until(f"Liveness Reply:{number}.")
    spent = of_seeds.spent
    assert 40 <= spent < 200 and peer.status()["proofs of life not made"] == 200 - spent
    ask(net, seed, peer.address, 5)  # it is probed, from the IP of a seed
    assert of_seeds.spent == spent + 1


class Many:
    """A budget that counts what is spent."""

    spent = 0

    def spend(self, now):
        self.spent += 1
        return True


STRANGE = {"garbage": "what?",
           "another address": "runs:127.0.0.1:1:5",
           "two answers": "runs:{0}:5\nruns:{0}:6",
           "no end of answers": "\n".join(["runs:{0}:5"] * 1_000),
           "gossip": "gmessage:1.000000:127.0.0.1:1:5:1:x",
           "no address": "runs:"}


@pytest.mark.parametrize("answer", STRANGE)
def test_a_seed_that_answers_strangely_ends_no_thread_and_changes_nothing(net, answer):
    net.seed_addresses = free_addresses(3)
    for address in net.seed_addresses[:2]:
        net.seed(address)
    strange = FakeSeed(net.seed_addresses[2], None)
    others = strange.reply
    strange.reply = lambda line: (STRANGE[answer].format(line[5:].rpartition(":")[0]) + "\n"
                                  if line.startswith("runs:") else others(line))
    net.ends.append(strange)
    peers = signed_peers(net, 3)
    for _ in range(2):
        for peer in peers:
            peer.gossip(["the truth"])
        peers.append(net.peer(sign=True))
    wait_until(lambda: holds_all(peers, 7))
    assert not any(count(peer, "unconfirmed:") for peer in peers)


def test_neighbours_with_ever_more_runs_of_addresses_that_are_silent_keep_no_newcomer_out(net):
    """Every seed waits in vain for the addresses, and so does the peer itself."""
    net.seeds(3)
    peer = net.peer(sign=True)
    silent = net.fake(answers=False)
    for _ in range(2):
        end = net.neighbour(peer, net.fake())
        end.send(b"".join(wire.status_entries("seen", [
            (f"{silent.address}:{start}".encode(), [(1, 1)]) for start in range(1, 1_000)])))
    wait_until(lambda: peer.status().get("unknown runs not asked about", 0) > 500)
    origin = net.fake()
    origin.signer = Signer(origin.address, bytes(32))
    covers, lines = said(origin.signer, origin.address, [1])
    net.neighbour(peer, net.fake()).say(*covers, *lines)
    wait_until(lambda: holds_all([peer], 1))
