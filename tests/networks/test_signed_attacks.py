"""Hostile neighbours of a network that signs: nobody takes what they say, nobody honest is blamed.

The attackers are raw sockets: some have no key, and change what they have heard; others are
registered peers with a key of their own. They say the same by flood, as rumors, and in answers to
`want`. A true message may come by an attacker, too.
"""

import contextlib
import hashlib
import random

import pytest

from gossip import wire
from gossip.capacity import fixed
from gossip.signing.grammar import Signer
from gossip.signing.signed_spreading import CHECKS, CHECKS_AT_ONCE
from tests.tools.files import count, events, received, wait_event
from tests.tools.nets import linked_net, neighbours
from tests.tools.waiting import wait_until

TIME = "1700000000.000000"
CARRIERS = ["flood", "rumor", "want"]


def gossip(address, start, number, text):
    return wire.gossip(TIME, address, start, number, text).decode()


def said(signer, address, numbers, text="said"):
    """The signed line of messages said at once, and their gossip lines."""
    lines = [gossip(address, signer.start, number, f"{text} {number}") for number in numbers]
    digests = [hashlib.sha256(line.encode()).digest() for line in lines]
    cover, = signer.cover(numbers[0], digests)
    return cover.decode(), lines


def changed(line, at, field):
    """A line with another field, counted from the first word or from the end."""
    fields = line.split(":")
    fields[at] = field(fields[at])
    return ":".join(fields)


def alterations(cover, lines, victim):
    """What can be made of a true signed line and its six gossip lines without the key; `victim` is
    another run. 64 letters of HASHES are three hashes."""
    first, *_, last = lines
    run = ":".join(cover.split(":")[1:4])
    foreign = [line.replace(run, victim) for line in lines]
    return {
        "a text changed": [cover, last + "!"],
        "a TIME changed": [cover, changed(last, 1, lambda _: "1600000000.000000")],
        "a NUMBER changed": [cover, changed(last, 5, lambda number: str(int(number) + 1_000))],
        "a NUMBER used up": [cover, changed(first, 5, lambda _: last.split(":")[5])],
        "a line cut": [cover, last[:-1]],
        "a line drawn out": [cover, last + last],
        "another's run": [cover, *foreign],
        "another's run, in its signed line, too": [cover.replace(run, victim), *foreign],
        "a signed line cut": [cover[:-1], last],
        "a signed line drawn out": [cover + "A", last],
        "another FIRST": [changed(cover, 4, lambda number: str(int(number) + 1)), last],
        "a FIRST spelled otherwise": [changed(cover, 4, lambda number: "0" + number), last],
        "hashes in another order": [changed(cover, 6, lambda field: field[64:] + field[:64]), last],
        "a hash more": [changed(cover, 6, lambda field: field + field[:64]), last],
        "a hash fewer": [changed(cover, 6, lambda field: field[64:]), last],
        "510 hashes": [changed(cover, 6, lambda field: field[:64] * 170), last],
        "another KEY": [changed(cover, 5, lambda key: key[::-1]), last],
        "another SIGNATURE": [changed(cover, 7, lambda signature: "A" * 86), last],
        "SIGNATURE spelled otherwise": [
            cover[:-1] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[cover[-1]], last],
        "padding": [cover + "==", last],
        "nothing but a word": ["signed:", last],
        "fields swapped": [":".join(cover.split(":")[:4] + cover.split(":")[:3:-1]), last],
    }


class Attacker:
    """A hand-made neighbour of one peer, with a way of saying things."""

    def __init__(self, net, peer, carrier, fake=None):
        self.fake = fake or net.fake()
        self.address = self.fake.address
        if self.fake.signer is None:
            self.fake.signer = Signer(self.address, bytes(32))
        self._peer = peer
        self._end = net.neighbour(peer, self.fake)
        self._carrier = carrier

    def say(self, *lines):
        """Say lines, in pieces that chance cuts; the peer may hang up meanwhile."""
        if self._carrier == "rumor":
            lines = ["rumor:" + line if line.startswith("gmessage:") else line for line in lines]
        with contextlib.suppress(ConnectionError, AssertionError):
            if self._carrier == "want":
                self._answer_want(lines)
            else:
                self._send(lines)

    def _answer_want(self, lines):
        """Offer so much that the peer asks, and answer with these lines."""
        first = random.randrange(10**6, 2**62)
        entry = f"{run_of_signer(self.fake.signer, self.fake)}={first}-{first + 9}"
        self._end.say(f"status:meet seen:{entry}")
        self._end.hear_until("status:want:")
        self._send([*lines, f"status:gone:{entry}", "status:sent"])

    def _send(self, lines):
        data = "".join(line + "\n" for line in lines).encode()
        cut = random.randrange(len(data))
        self._end.send(data[:cut])
        self._end.send(data[cut:])

    def await_reading(self):
        """Wait until the peer has read everything, or has hung up."""
        with contextlib.suppress(ConnectionError, AssertionError):
            self._end.say(f"Liveness Request:{TIME}:{self.address}")
            self._end.hear_until(f"Liveness Reply:{TIME}")

    def close(self):
        """Hang up when everything was read."""
        self.await_reading()
        self._end.close()


def run_of(peer):
    return f"{peer.address}:{peer.spreading.origin.start}"


def heard_from(peer):
    """The first signed line of a peer, and the lines behind it, as each neighbour hears them."""
    cover, *lines = held(peer)[:7]
    return cover, lines


def held(peer):
    """What a peer has said itself, as far as it holds that, with its signed lines."""
    lines, _ = peer.messages.texts([(run_of(peer).encode(), [(1, 1_000)])], 1 << 20)
    return [line.decode() for line in lines]


def texts_of(lines):
    return [line.split(":", 6)[6] for line in lines]


class Honest:
    """The peers of a network that is attacked, and what each of them has said."""

    def __init__(self, peers):
        self.peers = peers
        self._before = {peer: len(events(peer)) for peer in peers}
        self._said = {peer: [] for peer in peers}

    def say(self, text, times=6):
        """Each peer says something."""
        for peer in self.peers:
            texts = [f"{text} {number} of {peer.address.port}" for number in
                     range(len(self._said[peer]), len(self._said[peer]) + times)]
            self._said[peer] += texts
            peer.gossip(texts)

    def check(self, *allowed):
        """What honest peers say arrives, and nothing else but what attackers may say in their own
        name; no honest peer was blamed, or left, by another."""
        self.check_truth()
        for peer in self.peers:
            wanted = [*self._others_said(peer), *allowed]
            wait_until(lambda: len(received(peer)) >= len(wanted), what=f"all at {peer.address}")
            assert sorted(texts_of_events(peer)) == sorted(wanted)

    def check_truth(self):
        """The same, whatever else arrives in the name of attackers."""
        self.say("afterwards")
        honest = tuple(f"{peer.address}:" for peer in self.peers)
        for peer in self.peers:
            wanted = self._others_said(peer)
            wait_until(lambda: set(wanted) <= set(texts_of_events(peer)),
                       what=f"the truth at {peer.address}")
            got = received(peer)
            assert len(set(got)) == len(got)
            happened = [event for event in events(peer)[self._before[peer]:]
                        if not event.endswith(":duplicate")]  # two dialled each other
            assert not [event for event in happened for name in honest for start in
                        ("corrupt:", "refused:", "disconnected:") if event.startswith(start + name)]

    def _others_said(self, peer):
        return [text for other, texts in self._said.items() if other is not peer for text in texts]


def texts_of_events(peer):
    """What a peer has received, without the heads."""
    return [line.split(":", 5)[5] for line in received(peer)]


@pytest.fixture
def honest(net):
    """Makes a network of peers that sign and have room for many attackers."""
    def make(number=3, **changes):
        return Honest(linked_net(net, number, sign=True, capacity=fixed(30), liveness_interval=3,
                                 **changes))
    return make


@pytest.mark.parametrize("carrier", CARRIERS)
def test_who_has_no_key_puts_no_word_into_anothers_mouth(net, honest, carrier):
    network = honest(spread="rumor" if carrier == "rumor" else "flood")
    origin = net.fake()  # nobody here has heard of it
    origin.signer = Signer(origin.address, bytes(32))
    cover, lines = said(origin.signer, origin.address, range(1, 7))
    for trick, altered in alterations(cover, lines, run_of(network.peers[1])).items():
        attacker = Attacker(net, network.peers[0], carrier)
        attacker.say(*altered)
        wait_until(lambda: count(network.peers[0], f"corrupt:{attacker.address}:"), what=trick)
        attacker.close()
    Attacker(net, network.peers[0], carrier).say(cover, *lines)  # the true ones still come
    network.check(*texts_of(lines))


@pytest.mark.parametrize("carrier", CARRIERS)
def test_who_has_no_key_changes_nothing_of_what_it_hears(net, honest, carrier):
    network = honest(spread="rumor" if carrier == "rumor" else "flood")
    one, other, third = network.peers
    network.say("before")
    cover, lines = heard_from(one)
    for altered in alterations(cover, lines, run_of(other)).values():
        attacker = Attacker(net, third, carrier)
        attacker.say(*altered)
        attacker.close()
    network.check()


@pytest.fixture
def liar(net):
    """Makes a registered peer with a key of its own: its address, and its signer."""
    def make():
        fake = net.fake()
        end = net.dial(net.nodes[0])
        end.say(f"register:{fake.address}")
        assert end.hear() == "registered successfully"
        fake.signer = Signer(fake.address, bytes(32))
        return fake, fake.signer
    return make


@pytest.mark.parametrize("carrier", CARRIERS)
def test_who_has_a_key_speaks_in_its_own_name_alone(net, honest, liar, carrier):
    network = honest(spread="rumor" if carrier == "rumor" else "flood")
    network.say("before")
    fake, signer = liar()
    victim = run_of(network.peers[1])
    cover, lines = said(signer, fake.address, range(1, 7))
    forged = [line.replace(run_of_signer(signer, fake), victim) for line in lines]
    digests = [hashlib.sha256(line.encode()).digest() for line in forged]
    own = Signer(fake.address, bytes(32))
    own._run = victim.encode()  # signs well what its START does not allow
    for lie in ([cover, *forged], [own.cover(7, digests)[0].decode(), *forged],
                [cover, *heard_from(network.peers[1])[1], *forged]):
        attacker = Attacker(net, network.peers[0], carrier)
        attacker.say(*lie)
        wait_event(network.peers[0], f"corrupt:{attacker.address}:")
        attacker.close()
    network.check()


@pytest.mark.parametrize("carrier", ["flood", "want"])
def test_a_prefix_that_nobody_signed_is_not_passed_on(net, honest, liar, carrier):
    network = honest(2)
    one, other = network.peers
    fake, signer = liar()
    cover, lines = said(signer, fake.address, range(1, 7))
    Attacker(net, one, carrier, fake).say(cover, *["x" * 40_000 + ":" + line for line in lines])
    network.check(*texts_of(lines))
    assert other.messages.texts([(run_of_signer(signer, fake).encode(), [(1, 6)])], 1 << 20)[0] == [
        line.encode() for line in (cover, *lines)]


def run_of_signer(signer, fake):
    return f"{fake.address}:{signer.start}"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_what_is_true_arrives_however_oddly_it_is_said(net, honest, liar, carrier):
    network = honest(spread="rumor" if carrier == "rumor" else "flood", corrupt_limit=1)
    fake, signer = liar()
    attacker = Attacker(net, network.peers[0], carrier, fake)
    (early, first), (late, last) = (said(signer, fake.address, numbers)
                                    for numbers in (range(1, 7), range(7, 13)))
    wide, _ = said(signer, fake.address, range(4, 10))  # says nothing else than the two
    alone, _ = said(signer, fake.address, [12])
    for lines in ([early, early, *first[:2]], first[2:3] * 3, [early, late], [*last[:2][::-1]],
                  [early, *first[::-1]], [wide, first[5], last[2]], [alone, last[5], late, alone],
                  [*last[::-1], *first], [early, late, wide, alone]):
        attacker.say(*lines)
    attacker.await_reading()
    network.check(*texts_of(first + last))


@pytest.mark.parametrize("carrier", CARRIERS)
def test_who_contradicts_itself_sets_no_honest_peers_against_each_other(
        net, honest, liar, carrier):
    network = honest(spread="rumor" if carrier == "rumor" else "flood", cache_size=40,
                     corrupt_limit=0)
    fake, signer = liar()
    ends = [Attacker(net, peer, carrier, fake) for peer in network.peers]
    rng = random.Random(1)
    for _ in range(60):
        end, first = rng.choice(ends), rng.randint(1, 60)
        numbers = range(first, first + rng.randint(1, 6))
        cover, lines = said(signer, fake.address, numbers, rng.choice(["this", "that"]))
        end.say(cover, *rng.sample(lines, len(lines)))
        if rng.random() < 0.3:
            network.say("meanwhile", 1)
    for end in ends:
        end.close()
    network.check_truth()


@pytest.mark.parametrize("size", [1, 512])
def test_more_signed_lines_than_are_checked_at_once_without_messages_hold_up_nothing(
        net, honest, liar, size):
    network = honest()
    fake, signer = liar()
    attacker = Attacker(net, network.peers[0], "flood", fake)
    digests = [bytes([number % 256]) * 32 for number in range(size)]
    covers = [signer.cover(1 + size * number, digests)[0].decode()
              for number in range(CHECKS_AT_ONCE + CHECKS)]
    for at in range(0, len(covers), CHECKS):
        attacker.say(*covers[at:at + CHECKS])
        network.say("meanwhile", 1)
    attacker.close()
    network.check()


def test_chance_says_everything_to_everyone(net, honest, liar):
    """What many attackers have heard and said, in any order, while texts are evicted."""
    network = honest(4, cache_size=30, corrupt_limit=0)
    rng = random.Random(1)
    attackers = []
    for _ in range(3):
        fake, signer = liar()
        fake.signer = signer = Signer(fake.address, rng.randbytes(32))
        attackers += [(Attacker(net, peer, "flood", fake if not at else None), signer, fake.address)
                      for at, peer in enumerate(rng.sample(network.peers, 2))]
    soup = []
    for turn in range(150):
        attacker, signer, address = rng.choice(attackers)
        first = rng.randint(1, 30)
        cover, lines = said(signer, address, range(first, first + rng.randint(1, 5)),
                            rng.choice(["this", "this", "that"]))
        soup += [cover, *lines]
        if turn % 5 == 0:
            network.say("meanwhile", 2)
            soup += held(rng.choice(network.peers))
        words = rng.choices(soup[-60:], k=rng.randint(1, 12))
        if rng.random() < 0.3:
            words[0] = words[0][:-1]
        if rng.random() < 0.3:
            words = ["rumor:" + word if word.startswith("gmessage:") else word for word in words]
        attacker.say(*words)
    for attacker, _, _ in attackers:
        attacker.close()
    network.check_truth()


def test_an_unsigned_peer_and_a_network_that_signs_part(net, honest):
    network = honest()
    unsigned = net.peer(capacity=fixed(30))
    network.say("before")
    unsigned.gossip([f"unsigned {number}" for number in range(20)])
    wait_until(lambda: any(count(peer, f"refused:{unsigned.address}:unproven")
                           for peer in network.peers))
    network.check()
    assert not neighbours(unsigned)
    assert received(unsigned) == []
