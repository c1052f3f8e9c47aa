"""A registration stands while its connection does and speaks; who else wants it is refused."""

import threading

import pytest

from gossip.liveness.prober import FIRST
from gossip.registering import admission, joining
from tests.tools.fakes import peer, run_late
from tests.tools.files import count, wait_event
from tests.tools.hands import FakePeer
from tests.tools.nets import FAST
from tests.tools.ports import free_address
from tests.tools.registering import listed, register
from tests.tools.simulated import ONE, SEED, Nodes
from tests.tools.waiting import wait_until

STANDS = "registration refused:registered on another connection"


class Hanging(FakePeer):
    """Answers Liveness Requests once it may."""

    def __init__(self, address):
        self.may_answer = threading.Event()
        self.answered = 0
        super().__init__(address)

    def reply(self, line):
        self.may_answer.wait(60)
        self.answered += 1
        return super().reply(line)


def rivals(net):
    """A seed, an address that is listed there, the connection over which it is, and another one
    that wants it: the seed awaits a word over the first."""
    seed, = net.seeds(1)
    fake = net.fake()
    old = listed(net, seed, fake)
    new = register(net, seed, fake)
    wait_until(lambda: seed.admission._contesting, what="the wait for a word")
    return seed, fake, old, new


def test_a_word_is_awaited_for_a_second_and_said_once_a_second():
    assert admission.WORD_LIMIT == joining.REPEAT_PAUSE == 1.0


def test_nobody_takes_the_registration_of_a_peer_that_lives(net):
    seed, = net.seeds(1)
    living = net.peer(liveness_interval=3600.0)  # it says `register:` only when it is probed
    wait_event(living, f"registered:{seed.address}")
    link = seed.registry.row(living.address).link
    for _ in range(3):  # one after the other, and many at once
        ends = [register(net, seed, living) for _ in range(5)]
        assert all(end.hear().startswith(STANDS) for end in ends)
    assert seed.registry.row(living.address).link is link and not link.ended
    assert count(living, "unregistered:") == 0 and count(seed, "registered:") == 1


def test_who_probes_in_the_name_of_a_seed_keeps_no_peer_from_speaking(net):
    """It has the peer repeat `register:` just before, so that it does not do so again."""
    seed, = net.seeds(1)
    living = net.peer(liveness_interval=3600.0)  # it says `register:` only when it is probed
    wait_event(living, f"registered:{seed.address}")
    for _ in range(3):
        liar = net.dial(living)
        liar.say(f"Liveness Request:1.000000:{seed.address}")
        assert liar.hear_until("Liveness Reply:")
        assert register(net, seed, living).hear().startswith(STANDS)
    assert count(living, "unregistered:") == 0 and count(seed, "registered:") == 1


def test_a_registration_that_says_nothing_is_replaced_and_nothing_waits_meanwhile(net):
    seed, fake, old, new = rivals(net)
    assert register(net, seed, net.fake()).hear() == "registered successfully"
    new.say("peer list")
    assert new.hear().startswith("peer list:")
    assert new.hear() == "registered successfully" and old.hear_end()
    assert not seed.admission._contesting


def test_of_several_that_want_a_silent_registration_the_first_has_it(net):
    seed, = net.seeds(1)
    fake = net.fake()
    assert register(net, seed, fake).hear() == "registered successfully"
    first = register(net, seed, fake)
    wait_until(lambda: seed.admission._contesting)
    others = [register(net, seed, fake) for _ in range(3)]
    assert first.hear() == "registered successfully"
    assert all(end.hear().startswith(STANDS) for end in others)


def test_of_two_that_want_an_address_at_once_the_first_is_probed_again_so_that_it_can_speak(net):
    net.settings = FAST._replace(probe_limit=30.0)
    seed, = net.seeds(1)
    fake = Hanging(free_address())
    net.ends.append(fake)
    first, second = net.dial(seed), net.dial(seed)
    for end in (first, second):
        end.say(f"register:{fake.address}", "peer list")
        assert end.hear() == "peer list:"  # answered behind the registration, which waits by then
    fake.may_answer.set()
    assert first.hear() == "registered successfully"
    wait_until(lambda: fake.answered == 2, what="another probe")
    first.say(f"register:{fake.address}")
    assert second.hear().startswith(STANDS)


def test_a_registration_that_speaks_in_time_stands_and_the_other_may_ask_again(net):
    seed, fake, old, new = rivals(net)
    old.say(f"register:{fake.address}")
    assert old.hear() == "registered successfully"
    assert new.hear().startswith(STANDS)
    assert wait_event(seed, f"refused:{fake.address}:registered on another connection")
    wait_until(lambda: register(net, seed, fake).hear() == "registered successfully")
    assert old.hear_end()


def test_what_was_said_a_second_before_the_other_asked_counts(net):
    seed, = net.seeds(1)
    fake = net.fake()
    old = register(net, seed, fake)
    assert old.hear() == "registered successfully"
    old.say(f"register:{fake.address}")
    assert old.hear() == "registered successfully"
    probes = len(fake._ends)
    assert register(net, seed, fake).hear().startswith(STANDS)
    assert len(fake._ends) == probes  # it is not even probed


def test_those_that_wait_for_a_word_take_no_place_of_newcomers(net, monkeypatch):
    monkeypatch.setattr(admission, "WORD_LIMIT", 3600.0)
    monkeypatch.setattr(admission, "VERIFYING_LIMIT", 2)
    seed, = net.seeds(1)
    fakes = [net.fake() for _ in range(3)]
    assert all(register(net, seed, fake).hear() == "registered successfully" for fake in fakes)
    for fake in fakes:
        probes = len(fake._ends)
        register(net, seed, fake)
        wait_until(lambda: len(fake._ends) > probes and not seed.probers[FIRST].jobs)
    assert register(net, seed, net.fake()).hear() == "registered successfully"


@pytest.fixture
def contested(net, monkeypatch):
    """A seed, the address of a registration that has an hour to speak, its connection, and another
    one that wants the registration."""
    monkeypatch.setattr(admission, "WORD_LIMIT", 3600.0)
    seed, fake, old, new = rivals(net)
    return seed, fake.address, old, new


def test_a_connection_that_ends_leaves_its_registration_to_the_other_at_once(contested):
    _, _, old, new = contested
    old.close()
    assert new.hear() == "registered successfully"


def test_of_several_that_want_a_registration_one_waits_for_its_word(net, contested):
    seed, address, old, new = contested
    for end in [net.dial(seed) for _ in range(3)]:
        end.say(f"register:{address}")
        assert end.hear().startswith(STANDS)
    assert not seed.probers[FIRST].jobs  # it was not even probed
    old.close()
    assert new.hear() == "registered successfully"


def test_one_who_hangs_up_while_it_waits_for_the_word_of_another_is_forgotten(contested):
    seed, address, old, new = contested
    new.close()
    wait_until(lambda: not seed.admission._contesting)
    old.say(f"register:{address}")
    assert old.hear() == "registered successfully"


def test_an_address_that_did_not_answer_twice_rests_and_is_not_even_probed(net, monkeypatch):
    monkeypatch.setattr(admission, "FIRST_REST", 3.0)
    net.settings = FAST._replace(probe_limit=0.3)
    seed, = net.seeds(1)
    run_late(seed, 0.0)  # also on a busy machine: else it would find nothing out
    silent = net.fake(answers=False)
    end = register(net, seed, silent)
    assert end.hear() == f"registration refused:no Liveness Reply from {silent.address}"
    end.say(f"register:{silent.address}")
    assert end.hear() == f"registration refused:no Liveness Reply from {silent.address}"
    probes = len(silent._ends)
    end.say(f"register:{silent.address}")
    assert end.hear().endswith(f"{silent.address} twice, try again later")
    assert len(silent._ends) == probes
    silent.answers = True

    def is_taken():
        end.say(f"register:{silent.address}")
        return end.hear() == "registered successfully"

    wait_until(is_taken, what="the end of its rest")


def test_one_that_waits_for_patience_gives_way_to_a_newcomer(net, monkeypatch):
    monkeypatch.setattr(admission, "VERIFYING_LIMIT", 3)
    net.settings = FAST._replace(probes_at_once=1, probe_limit=30.0)
    seed, = net.seeds(1)
    silent = [net.fake(answers=False) for _ in range(3)]
    for fake in silent:
        register(net, seed, fake)
    wait_until(lambda: sorted(len(fake._ends) for fake in silent) == [1, 1, 2],
               what="a quick look at each, and patience with one")
    wait_until(lambda: seed.probers[FIRST].patient.next_to_go(), what="one that waits")
    assert register(net, seed, net.fake()).hear() == "registered successfully"
    waited = [fake.address for fake in silent if len(fake._ends) == 1]
    refused = [address for address in waited
               if count(seed, f"refused:{address}:too busy to find out")]
    assert len(refused) == count(seed, "refused:") == 1


def test_there_may_be_1024_registrations_that_wait_for_their_probe():
    assert admission.VERIFYING_LIMIT == 1_024


# The peer.

@pytest.mark.parametrize("asker, repeats", [(SEED, 1), (peer(4999), 0)])
def test_a_probe_of_a_seed_has_the_registration_repeated_on_its_connection(asker, repeats):
    nodes = Nodes(gossip_count=0)
    heard = []
    on_register = nodes.seed.admission.on_register
    nodes.seed.admission.on_register = lambda link, message: (heard.append(message.address),
                                                              on_register(link, message))
    prober, nodes.seed.address = nodes.seed.address, asker
    nodes.seed.probe(ONE, lambda alive: None)
    nodes.seed.address = prober
    now = nodes.network.time.now
    nodes.network.time.run(now + 0.5)
    assert heard == [ONE] * repeats
