"""Registrations of ports that take connections and say nothing: they are in nobody's way."""

import socket
import time

import pytest

from gossip.addresses import address_of
from gossip.liveness.prober import FIRST
from gossip.registering.admission import REFUSED_REST
from gossip.settings import Settings
from tests.tools.fakes import run_late
from tests.tools.files import count, wait_event
from tests.tools.hands import End
from tests.tools.nets import FAST
from tests.tools.ports import free_address
from tests.tools.registering import listed
from tests.tools.waiting import wait_until


class Idle:
    """A port that takes connections and says nothing, and a connection that registers it."""

    def __init__(self, seed):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._words = f"register:127.0.0.1:{self._listener.getsockname()[1]}"
        self.end = End(socket.create_connection(seed.address.dial, 30))
        self.end.say(self._words)

    def ask_again(self):
        """Ask again if it has been refused."""
        self.end.sock.setblocking(False)
        try:
            refused = self.end.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        if refused:
            self.end.hear()
            self.end.say(self._words)

    def close(self):
        self.end.close()
        self._listener.close()


def idle_ones(net, seed, number):
    """So many of them, all of which the seed has heard."""
    many = [Idle(seed) for _ in range(number)]
    net.ends += many
    many[-1].end.say("peer list")
    assert many[-1].end.hear().startswith("peer list:")
    wait_until(lambda: len(seed.admission.newcomers) == number, what="all to be heard")
    return many


def report(dead, reporter):
    return f"Dead Node:{dead.address}:1.000000:{reporter.address}"


def test_beside_many_idle_ones_newcomers_are_listed_and_the_dead_removed_before_they_are_judged(
        net):
    net.settings = FAST._replace(probe_limit=30.0, probe_tries=1)
    seed, = net.seeds(1)
    run_late(seed, 0.0)  # also on a busy machine: else it would find nothing out
    killed, frozen, reporter = (net.fake() for _ in range(3))
    its_end, _, end = (listed(net, seed, fake) for fake in (killed, frozen, reporter))
    idle_ones(net, seed, 150)
    listed(net, seed, net.fake())
    killed.close()
    its_end.close()
    assert wait_event(seed, f"removed:{killed.address}:gone")
    wait_until(lambda: not seed.probers[FIRST].patient._free, what="all patience to be spent")
    seed.settings = seed.settings._replace(probe_limit=0.5)
    frozen.answers = False
    end.say(report(frozen, reporter))
    assert wait_event(seed, f"removed:{frozen.address}:dead")
    assert count(seed, "refused:") == 0  # not one of the idle ones was judged before


def test_the_quick_look_at_a_port_that_takes_no_more_connections_is_as_short(net):
    """As of a listener whose queue is full: there is not even a connection."""
    net.settings = FAST._replace(probe_limit=60.0)
    seed, = net.seeds(1)
    run_late(seed, 0.0)  # also on a busy machine: else it would find nothing out
    verdicts, waiting = [], []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = address_of(*full.getsockname())
        for _ in range(3):  # one or two of them fill the queue
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(address.dial)
        seed.probe(address, verdicts.append, limit=Settings().quick_look)
        wait_until(lambda: verdicts, 20.0)
    assert verdicts == [False]
    for sock in waiting:
        sock.close()


@pytest.mark.slow
def test_beside_500_idle_ones_that_ask_again_and_again_a_newcomer_is_listed_within_5_s(net):
    net.settings = FAST._replace(probe_limit=Settings().probe_limit)
    seed, = net.seeds(1)
    run_late(seed, 0.0)  # also on a busy machine: else it would find nothing out
    killed, frozen, reporter = (net.fake() for _ in range(3))
    its_end, _, end = (listed(net, seed, fake) for fake in (killed, frozen, reporter))
    idle = idle_ones(net, seed, 500)
    for _ in range(20):
        newcomer = net.dial(seed)
        fake = net.fake()
        newcomer.say(f"register:{fake.address}")
        assert newcomer.hear(timeout=5.0) == "registered successfully"
        for one in idle:
            one.ask_again()
    killed.close()
    its_end.close()
    assert wait_event(seed, f"removed:{killed.address}:gone", 5.0)
    frozen.answers = False
    end.say(report(frozen, reporter))
    assert wait_event(seed, f"removed:{frozen.address}:dead")  # a busy seed probes again


def test_who_was_refused_is_not_read_for_a_second_on_that_connection(net):
    assert REFUSED_REST == 1.0
    seed, = net.seeds(1)
    end, begun = net.dial(seed, "127.0.0.1"), time.monotonic()
    address = free_address()  # nobody listens there
    for _ in range(2):
        end.say(f"register:{address}")
        assert end.hear().startswith("registration refused:")
    end.say("peer list")
    assert end.hear() == "peer list:" and time.monotonic() > begun + REFUSED_REST
