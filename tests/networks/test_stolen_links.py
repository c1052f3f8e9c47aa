"""Who is at the other end of a link: raw sockets in the names of others, against real peers."""

import time

import pytest

from gossip import wire
from gossip.addresses import parse_address
from gossip.capacity import fixed
from gossip.signing.grammar import Signer
from tests.tools.files import count, received, wait_event
from tests.tools.hands import FakePeer, link_proof
from tests.tools.liars import Liar
from tests.tools.nets import connected, neighbours, ring_whole
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until

OTHER_KEY = bytes([1] * 32)
MESSAGES = 5
SOON, LATER, LATEST = "1700000001.000000", "1700000002.000000", "1700000003.000000"
UNPROVEN = "refused:{}:unproven"


def now():
    return wire.format_time(time.time())


def signed_peers(net, number):
    peers = net.peers(number, sign=True, capacity=fixed(30))
    wait_until(lambda: connected(peers) and ring_whole(peers))
    return peers


@pytest.fixture
def poses(net):
    """Has one process ask peers for links in another's name."""
    def pose(peers, name, words):
        impostors = [Liar(peer.address, name, words) for peer in peers]
        net.ends += impostors
        return impostors
    return pose


def words_in_the_name_of(name):
    """What can be said in the name of an address without its key."""
    ask, stranger = f"Connection with Peer:{name}", Signer(name, OTHER_KEY)
    return {"nothing": lambda peer: [ask],
            "its own key": lambda peer: [link_proof(stranger, name, peer, now()), ask],
            "a proof without a TIME": lambda peer: [stranger.proof("x").decode().rstrip(), ask]}


def hear_one_another(victim, others):
    """Have everybody say something, and wait until it has arrived both ways."""
    victim.gossip([f"from the victim {number}" for number in range(MESSAGES)])
    others[0].gossip([f"to the victim {number}" for number in range(MESSAGES)])
    wait_until(lambda: all(said(peer, "from the victim") == MESSAGES for peer in others),
               what="what the victim says")
    wait_until(lambda: said(victim, "to the victim") == MESSAGES, what="what it is told")


def said(peer, text):
    return sum(text in line for line in received(peer))


@pytest.mark.parametrize("first", ["the impostor", "the victim"])
@pytest.mark.parametrize("words", ["nothing", "its own key", "a proof without a TIME"])
def test_nobody_without_its_key_takes_the_links_of_a_peer(net, poses, words, first):
    net.seeds(3)
    peers, name = signed_peers(net, 4), free_address()
    victim = net.peer(name, sign=True, capacity=fixed(30)) if first == "the victim" else None
    impostors = poses(peers, name, words_in_the_name_of(name)[words])
    wait_until(lambda: all(impostor.tried for impostor in impostors))
    victim = victim or net.peer(name, sign=True, capacity=fixed(30))
    wait_until(lambda: neighbours(victim) == {peer.address for peer in peers})
    hear_one_another(victim, peers)
    assert not any(impostor.accepted for impostor in impostors)
    assert all(count(peer, UNPROVEN.format(name)) for peer in peers)


def test_who_repeats_the_key_of_a_run_without_its_signature_keeps_it_from_nobody(net, poses):
    """The key is no secret, and the signatures are many more than a peer verifies."""
    net.seeds(3)
    peers = signed_peers(net, 4)
    victim = net.peer(sign=True, capacity=fixed(30))
    true = victim.link_proofs.asking(FakeLink(peers[0].address)).decode().rstrip()
    bad = true.rpartition(":")[0] + ":" + LATEST
    poses(peers * 5, victim.address, lambda peer: [bad, f"Connection with Peer:{victim.address}"])
    wait_until(lambda: neighbours(victim) == {peer.address for peer in peers})
    hear_one_another(victim, peers)


class FakeLink:
    """A link that is dialled."""

    def __init__(self, address):
        self.peer = address


def test_who_had_the_port_before_keeps_no_link_when_the_peer_comes(net, poses):
    """Its run was genuine, and is over when another one is at home."""
    net.seeds(3)
    peers, before = signed_peers(net, 4), net.fake()
    name, before.signer = before.address, Signer(before.address, OTHER_KEY)

    def words(peer):
        return before.asking(peer, now())

    impostors = poses(peers, name, words)
    wait_until(lambda: all(impostor.accepted for impostor in impostors))
    before.close()
    accepted = [impostor.accepted for impostor in impostors]
    victim = net.peer(name, sign=True, capacity=fixed(30))
    wait_until(lambda: neighbours(victim) == {peer.address for peer in peers})
    hear_one_another(victim, peers)
    tried = [impostor.tried for impostor in impostors]
    wait_until(lambda: all(impostor.tried > before + 2
                           for impostor, before in zip(impostors, tried)))
    assert [impostor.accepted for impostor in impostors] == accepted
    assert neighbours(victim) == {peer.address for peer in peers}


# Who is asked.


class Answers(FakePeer):
    """Accepts every link with what `proof(asker, TIME)` returns, and proves its run otherwise."""

    def __init__(self, net, proof):
        self._proof = proof
        self._asked = ""
        super().__init__(free_address())
        self.signer = Signer(self.address, bytes(32))
        net.ends.append(self)

    def reply(self, line):
        kind, _, rest = line.partition(":")
        if kind == "proof":
            self._asked = line
        if kind == "Connection with Peer":
            asked_at = self._asked.rpartition(":")[2]
            proof = self._proof(self, parse_address(rest), asked_at)
            return f"{proof}connection accepted:{self.address}\n"
        return super().reply(line)

    def signed(self, asker, asked_at):
        return link_proof(self.signer, self.address, asker, asked_at) + "\n"


ANSWERS = {
    "nothing": lambda fake, asker, at: "",
    "the asker's own proof": lambda fake, asker, at: fake._asked + "\n",
    "for another asker": lambda fake, asker, at: fake.signed(fake.address, at),
    "for another dial": lambda fake, asker, at: fake.signed(asker, SOON),
    "in another's name": lambda fake, asker, at: link_proof(
        fake.signer, free_address(), asker, at) + "\n",
    "the TIME of this dial on the proof of another": lambda fake, asker, at: (
        fake.signed(asker, SOON).replace(SOON, at)),
    "without a TIME": lambda fake, asker, at: fake.signed(asker, at).rpartition(":")[0] + "\n"}


@pytest.mark.parametrize("answer", ANSWERS)
def test_who_answers_a_dial_without_a_proof_is_no_neighbour(net, answer):
    peer, fake = net.peer(sign=True), Answers(net, ANSWERS[answer])
    with peer.turn:
        peer.linking.dial(fake.address)
    wait_event(peer, UNPROVEN.format(fake.address))
    assert neighbours(peer) == set() and count(peer, "connected:") == 0


def test_who_answers_a_dial_with_a_proof_is_a_neighbour_and_its_run_is_genuine(net):
    peer, fake = net.peer(sign=True), Answers(net, Answers.signed)
    with peer.turn:
        peer.linking.dial(fake.address)
    wait_event(peer, f"connected:{fake.address}")
    assert peer.neighbours.proven() == [fake.address]
    assert peer.confirming.is_known(f"{fake.address}:{fake.signer.start}".encode())


def test_an_unsigned_peer_and_one_that_signs_say_why_they_do_not_link(net):
    signed, unsigned = net.peer(sign=True), net.peer()
    unsigned.linking.dial(signed.address)
    wait_event(signed, UNPROVEN.format(unsigned.address))
    signed.linking.dial(unsigned.address)
    wait_event(unsigned, "refused:127.0.0.1:")
    assert neighbours(signed) == neighbours(unsigned) == set()


# Two links of one pair.


@pytest.fixture
def linked(net):
    """A peer that signs, a hand-made neighbour of it whose link it made at LATER, and a way to ask
    for another one."""
    peer, fake = net.peer(sign=True, liveness_interval=60), net.fake()
    fake.signer = Signer(fake.address, bytes(32))

    def ask(at, signer=None):
        fake.signer = signer or fake.signer
        end = net.dial(peer)
        end.say(*fake.asking(peer.address, at))
        return end, end.hear_until("connection")

    end, heard = ask(LATER)
    assert heard == f"connection accepted:{peer.address}"
    return peer, fake, end, ask


@pytest.mark.parametrize("at", [SOON, LATER])
def test_a_proof_that_is_repeated_is_a_duplicate(linked, at):
    peer, fake, _, ask = linked
    assert ask(at)[1] == f"connection refused:{peer.address}:duplicate"
    assert neighbours(peer) == {fake.address} and count(peer, "disconnected:") == 0


def test_a_later_dial_of_the_same_run_replaces_its_link_at_once(linked):
    peer, fake, end, ask = linked
    assert ask(LATEST)[1] == f"connection accepted:{peer.address}"
    assert end.hear_until("connection refused:").endswith(":duplicate")
    assert wait_event(peer, f"disconnected:{fake.address}:replaced")
    assert neighbours(peer) == {fake.address}


def test_a_peer_that_was_started_anew_replaces_the_link_of_its_earlier_run(net, linked):
    """And that one does not come back: another run is at home."""
    peer, fake, end, ask = linked
    earlier, later = fake.signer, Signer(fake.address, OTHER_KEY)
    assert ask(SOON, later)[1] == f"connection accepted:{peer.address}"  # its clock was set back
    assert end.hear_until("connection refused:").endswith(":duplicate")
    again = net.dial(peer)
    again.say(link_proof(earlier, fake.address, peer.address, LATEST),
              f"Connection with Peer:{fake.address}")
    assert again.hear() == f"connection refused:{peer.address}:unproven"
    assert neighbours(peer) == {fake.address}
