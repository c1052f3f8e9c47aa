"""What a seed takes on at once: registrations that wait for their probe, addresses to be probed,
and askers about one address."""

import threading

from gossip.liveness import prober
from gossip.registering import registry
from tests.tools.fakes import run_late
from tests.tools.files import count, wait_event
from tests.tools.hands import FakePeer
from tests.tools.nets import FAST
from tests.tools.ports import free_address
from tests.tools.registering import register
from tests.tools.waiting import wait_until

TOO_MANY = "registration refused:too many registrations at once"
TOO_BUSY = "registration refused:too busy to find out"
FULL = "registration refused:too many of your IP are registered"


class SlowToAnswer(FakePeer):
    """Answers when it may."""

    def __init__(self, address):
        self.may_answer = threading.Event()
        super().__init__(address)

    def reply(self, line: str) -> str:
        return super().reply(line) if self.may_answer.wait(60) else ""


def silent_ones(net, seed, number):
    """So many who register and answer no probe: (each, its connection)."""
    fakes = [net.fake(answers=False) for _ in range(number)]
    return [(fake, register(net, seed, fake)) for fake in fakes]


def test_a_registration_beyond_the_limit_of_verifying_is_refused_until_a_place_is_free(
        net, monkeypatch):
    monkeypatch.setattr("gossip.registering.admission.VERIFYING_LIMIT", 3)
    net.settings = FAST._replace(probe_limit=30.0)
    seed, = net.seeds(1)
    silent = silent_ones(net, seed, 3)
    wait_until(lambda: all(fake._ends for fake, _ in silent), what="the probes")
    newcomer = net.fake()
    end = register(net, seed, newcomer)
    assert end.hear().startswith(TOO_MANY)
    assert wait_event(seed, f"refused:{newcomer.address}:too many registrations at once")
    assert newcomer._ends == []  # it was not even probed
    silent[0][1].close()

    def is_taken():
        end.say(f"register:{newcomer.address}")
        answer = end.hear()
        assert answer == "registered successfully" or answer.startswith(TOO_MANY)
        return answer == "registered successfully"

    wait_until(is_taken, what="the place of the one that hung up")


def test_a_connection_that_asks_often_takes_one_place_and_is_answered_once(net, monkeypatch):
    monkeypatch.setattr("gossip.registering.admission.VERIFYING_LIMIT", 2)
    net.settings = FAST._replace(probe_limit=30.0)
    seed, = net.seeds(1)
    slow = SlowToAnswer(free_address())
    net.ends.append(slow)
    end = net.dial(seed)
    end.say(*[f"register:{slow.address}"] * 10, "peer list")
    assert end.hear() == "peer list:"  # and no refusal before it
    assert register(net, seed, net.fake()).hear() == "registered successfully"
    slow.may_answer.set()
    assert end.hear() == "registered successfully"
    end.say("peer list")
    assert end.hear().startswith("peer list:")


def test_beyond_the_limit_of_its_queue_a_prober_finds_out_nothing(net, monkeypatch):
    """Then nobody new is listed, and nobody is held dead."""
    monkeypatch.setattr(prober, "QUEUE_LIMIT", 1)
    net.settings = FAST._replace(probe_limit=30.0)
    seed, = net.seeds(1)
    accused, lost, reporter = net.fake(), net.fake(), net.fake()
    assert register(net, seed, accused).hear() == "registered successfully"
    end = register(net, seed, reporter)
    assert end.hear() == "registered successfully"
    its_end = register(net, seed, lost)
    assert its_end.hear() == "registered successfully"
    accused.answers = lost.answers = False
    its_end.close()
    (waiting, _), = silent_ones(net, seed, 1)
    wait_until(lambda: len(lost._ends) == 3 and len(waiting._ends) == 2,
               what="a patient probe of each")
    assert register(net, seed, net.fake()).hear().startswith(TOO_BUSY)
    report = f"Dead Node:{accused.address}:1.000000:{reporter.address}"
    end.say(report)
    assert wait_event(seed, f"rejected:{report}:too busy to find out")
    assert len(accused._ends) == 1 and accused.address in seed.registry.addresses()


def test_a_prober_that_was_full_goes_on_when_its_probes_are_over(net, monkeypatch):
    monkeypatch.setattr(prober, "QUEUE_LIMIT", 1)
    net.settings = FAST._replace(probe_limit=0.5)
    seed, = net.seeds(1)
    run_late(seed, 0.0)  # also on a busy machine: else it would find nothing out
    (silent, its_end), = silent_ones(net, seed, 1)
    wait_until(lambda: silent._ends, what="the probe")
    newcomer = net.fake()
    wait_until(lambda: register(net, seed, newcomer).hear() == "registered successfully")
    assert its_end.hear().startswith("registration refused:no Liveness Reply")


def test_beyond_the_limit_of_askers_about_one_address_the_verdict_is_unknown(net, monkeypatch):
    monkeypatch.setattr(prober, "ASKERS_LIMIT", 2)
    net.settings = FAST._replace(probe_limit=30.0)
    seed, = net.seeds(1)
    slow = SlowToAnswer(free_address())
    net.ends.append(slow)
    ends = [register(net, seed, slow) for _ in range(5)]
    wait_until(lambda: count(seed, f"refused:{slow.address}:too busy to find out") == 3)
    slow.may_answer.set()
    answers = sorted(end.hear() for end in ends)
    assert answers[:2] == ["registered successfully"] * 2
    assert all(answer.startswith(TOO_BUSY) for answer in answers[2:])


def test_when_no_thread_can_be_started_nobody_waits_for_a_probe(net, monkeypatch):
    """Whoever asked is told so at once, and what had to be found out is found out later."""
    net.settings = FAST._replace(probe_limit=30.0, probes_at_once=1)
    seed, = net.seeds(1)
    accused, reporter = net.fake(), net.fake()
    assert register(net, seed, accused).hear() == "registered successfully"
    end = register(net, seed, reporter)
    assert end.hear() == "registered successfully"
    start = threading.Thread.start

    def no_prober(thread):
        if thread.name.startswith("prober"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", no_prober)
        newcomers = [net.fake() for _ in range(5)]
        for newcomer in newcomers:
            assert register(net, seed, newcomer).hear().startswith(TOO_BUSY)
        report = f"Dead Node:{accused.address}:1.000000:{reporter.address}"
        end.say(report)
        assert wait_event(seed, f"rejected:{report}:too busy to find out")
    for newcomer in newcomers:
        assert register(net, seed, newcomer).hear() == "registered successfully"
    assert len(seed.registry.addresses()) == 7


def test_beyond_the_limit_of_its_ip_a_newcomer_is_refused_without_a_probe(net, monkeypatch):
    monkeypatch.setattr(registry, "is_loopback", lambda address: False)
    net.settings = FAST._replace(registrations_per_ip=2)
    seed, = net.seeds(1)
    first, second, third = (net.fake() for _ in range(3))
    end = register(net, seed, first)
    assert end.hear() == register(net, seed, second).hear() == "registered successfully"
    its_end = register(net, seed, third)
    assert its_end.hear() == FULL and third._ends == []
    end.say(f"leave:{first.address}")
    assert wait_event(seed, f"removed:{first.address}:left")
    its_end.say(f"register:{third.address}")
    assert its_end.hear() == "registered successfully"


def test_of_many_of_one_ip_that_are_probed_at_once_no_more_are_listed(net, monkeypatch):
    monkeypatch.setattr(registry, "is_loopback", lambda address: False)
    net.settings = FAST._replace(registrations_per_ip=2, probe_limit=30.0)
    seed, = net.seeds(1)
    slow = [SlowToAnswer(free_address()) for _ in range(4)]
    net.ends += slow
    ends = [register(net, seed, fake) for fake in slow]
    wait_until(lambda: all(fake._ends for fake in slow), what="the probes")
    for fake in slow:
        fake.may_answer.set()
    answers = sorted(end.hear() for end in ends)
    assert answers == ["registered successfully"] * 2 + [FULL] * 2
    assert len(seed.registry.addresses()) == 2
