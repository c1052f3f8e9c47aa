"""A registration that falls silent although its connection stands: its peer is probed."""

import signal
import types

import pytest

from gossip.liveness import prober
from gossip.liveness.prober import probers
from tests.tools.files import count, events, lines_of, wait_event
from tests.tools.hands import FakePeer
from tests.tools.ports import free_address
from tests.tools.programs import Program, peer_file, write_config
from tests.tools.registering import listed
from tests.tools.waiting import wait_until

ROUND = 0.3  # seconds


class Counting(FakePeer):
    """Counts the connections on which it was asked for a sign of life."""

    requests = 0

    def reply(self, line):
        self.requests += line.startswith("Liveness Request:")
        return super().reply(line)


def counting(net):
    fake = Counting(free_address())
    net.ends.append(fake)
    return fake


def test_who_is_silent_and_does_not_answer_is_gone(net):
    seed, = net.seeds(1, liveness_interval=ROUND)
    silent, other = net.fake(), net.peer()
    end = listed(net, seed, silent)
    wait_event(other, "registered:")
    silent.answers = False
    assert wait_event(seed, f"removed:{silent.address}:gone")
    assert end.hear_end()
    assert seed.registry.addresses() == (other.address,) and count(seed, "removed:") == 1


def test_who_is_silent_and_answers_stays_and_is_told_so_on_its_connection(net):
    seed, = net.seeds(1, liveness_interval=ROUND)
    fake = counting(net)
    end = listed(net, seed, fake)
    for _ in range(2):
        before = fake.requests
        assert end.hear() == "registered successfully"
        assert fake.requests == before + 1
    assert count(seed, "removed:") == 0 and count(seed, "registered:") == 1


@pytest.mark.parametrize("word, answer", [("register:{}", "registered successfully"),
                                          ("peer list", "peer list")])
def test_who_says_a_word_is_not_probed_again(net, word, answer):
    seed, = net.seeds(1, liveness_interval=3600.0)
    fake = counting(net)
    end = listed(net, seed, fake)
    before = seed.registry.row(fake.address).heard
    end.say(word.format(fake.address))
    assert end.hear().startswith(answer)
    heard = seed.registry.row(fake.address).heard
    assert heard > before
    seed._look_at = 0.0
    seed.look_after_registrations(heard + 3 * 3600.0 - 1)
    assert fake.requests == 1
    seed._look_at = 0.0
    seed.look_after_registrations(heard + 3 * 3600.0 + 1)
    assert end.hear() == "registered successfully" and fake.requests == 2


def test_who_was_silent_and_answered_is_left_alone_for_three_rounds_more(net):
    seed, = net.seeds(1, liveness_interval=3600.0)
    fake = counting(net)
    end = listed(net, seed, fake)
    row = seed.registry.row(fake.address)
    before = row.heard
    seed._look_at = 0.0
    seed.look_after_registrations(before + 3 * 3600.0 + 1)
    assert end.hear() == "registered successfully" and fake.requests == 2
    assert row.heard > before
    seed._look_at = 0.0
    seed.look_after_registrations((before + row.heard) / 2 + 3 * 3600.0)
    assert row.probed_at is None


def test_a_seed_looks_for_silence_once_a_round(net):
    seed, = net.seeds(1, liveness_interval=3600.0)
    later = seed.now() + 10_000.0
    assert seed.look_after_registrations(later) == later + 3600.0
    assert seed.look_after_registrations(later + 3599.0) == later + 3600.0
    assert seed.look_after_registrations(later + 3600.0) == later + 7200.0


def test_who_could_not_be_probed_is_probed_in_a_later_round(net):
    seed, = net.seeds(1, liveness_interval=ROUND)
    silent = net.fake()
    listed(net, seed, silent)
    silent.answers = False
    in_vain = []

    def probe(address, verdict, limit):
        if len(in_vain) == 3:
            seed.probe(address, verdict)
        else:
            in_vain.append(address)
            verdict(None)

    seed.probers = probers(probe, seed.now, 1, 1)
    assert wait_event(seed, f"removed:{silent.address}:gone")
    assert in_vain == [silent.address] * 3


def test_a_peer_whose_connection_breaks_after_a_word_has_time_to_come_back(net):
    """The word says that it lived when the second probe in a row was in vain."""
    seed, = net.seeds(1, liveness_interval=ROUND)
    end, verdicts = listed(net, seed, fake := net.fake()), []
    row = seed.registry.row(fake.address)
    seed.probers = [types.SimpleNamespace(ask=lambda address, verdict, **_:
                                          verdicts.append(verdict))] * 3
    wait_until(lambda: verdicts, what="the first probe")
    with seed.turn:
        verdicts.pop()(False)
    wait_until(lambda: verdicts, what="the second probe")
    end.say(f"register:{fake.address}")
    assert end.hear() == "registered successfully"
    end.close()
    wait_until(lambda: row.link is None, what="the end of the connection")
    with seed.turn:
        verdicts[0](False)
        assert seed.registry.row(fake.address) is row and row.probed_at is None


def test_a_peer_that_speaks_while_it_is_probed_stays(net):
    seed, = net.seeds(1, liveness_interval=1.0, probe_limit=1.0, probe_tries=1)
    fake = counting(net)
    end = listed(net, seed, fake)
    fake.answers = False
    wait_until(lambda: fake.requests == 2, what="the probe of a silent peer")
    end.say(f"register:{fake.address}")
    assert end.hear() == "registered successfully"
    row = seed.registry.row(fake.address)
    wait_until(lambda: row.probed_at is None, what="the end of the probe")
    assert seed.registry.row(fake.address) is row and count(seed, "removed:") == 0


@pytest.mark.slow
def test_a_newcomer_is_registered_while_more_are_silent_than_can_be_probed(net, monkeypatch):
    monkeypatch.setattr(prober, "QUEUE_LIMIT", 2)
    seed, = net.seeds(1, liveness_interval=ROUND, probes_at_once=1)
    silent = [counting(net) for _ in range(4)]
    for fake in silent:
        listed(net, seed, fake)
    for fake in silent:
        fake.answers = False
    wait_until(lambda: any(fake.requests > 1 for fake in silent), what="the probe of a silent peer")
    listed(net, seed, net.fake())
    wait_until(lambda: count(seed, "removed:") == 4, what="the end of all that are silent")


def test_a_frozen_peer_without_neighbours_is_gone_and_comes_back(net):
    seed, = net.seeds(1, liveness_interval=ROUND)
    config, address = write_config(net.folder, net.seed_addresses), free_address()
    flags = ["--config", config, "--outputs", net.folder]
    with Program("peer.py", address.port, *flags, "--quiet", "--gossip-count", 0,
                 "--liveness-interval", ROUND) as frozen:
        wait_event(seed, f"registered:{address}")
        frozen.process.send_signal(signal.SIGSTOP)
        assert wait_event(seed, f"removed:{address}:gone")
        frozen.process.send_signal(signal.SIGCONT)
        peer = peer_file(flags, address.port)
        wait_until(lambda: lines_of(peer).count(f"registered:{seed.address}") == 2)
        frozen.type("quit\n")
        assert frozen.finish()[0] == 0
    assert [event for event in events(seed) if not event.startswith("alive:")][-1] == (
        f"removed:{address}:left")
