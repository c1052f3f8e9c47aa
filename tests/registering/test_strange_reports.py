"""Dead reports of those who are not registered: few are looked at, and only about known peers."""

import functools
import itertools
import threading
import time
import types

import pytest

import seed as seed_program
from gossip.addresses import address_of
from gossip.tools import Counters, Rate
from tests.tools.fakes import peer, run_late
from tests.tools.files import count, events, wait_event
from tests.tools.hands import FakePeer
from tests.tools.nets import FAST
from tests.tools.ports import free_address
from tests.tools.registering import registered
from tests.tools.waiting import wait_until


DEAD = address_of("127.0.0.1", 20_000)


class Listening(FakePeer):
    """Stands for a seed, and notes what it is told, when, and by which thread that was read."""

    def __init__(self, address):
        self.told = []
        super().__init__(address)

    def reply(self, line):
        self.told.append((time.monotonic(), threading.current_thread(), line))
        return ""


def report(dead, reporter="127.0.0.1:4000"):
    return f"Dead Node:{dead}:1.000000:{reporter}"


def brief_seed(net):
    """A seed that probes for a short time, and finds out something also on a busy machine."""
    net.settings = FAST._replace(probe_limit=0.3)
    seed, = net.seeds(1)
    run_late(seed, 0.0)
    return seed


def not_looked_at(seed):
    return seed.counters.get("dead reports not looked at", 0)


@pytest.fixture
def still(net, monkeypatch):
    """A seed for which a second never ends."""
    seed, = net.seeds(1)
    run_late(seed, 0.0)
    take = Rate.take
    monkeypatch.setattr(Rate, "take", lambda rate, now, *more: take(rate, 0.0, *more))
    return seed


def test_fifty_a_second_are_looked_at_of_strangers_and_a_thousand_of_peers():
    assert (seed_program.STRANGERS_READ, seed_program.REPORTS_READ) == (50, 1_000)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.0.0.9"])  # that of a seed, and another
def test_of_reports_without_a_registration_fifty_a_second_are_written(net, still, ip):
    unknown = [address_of("127.0.0.1", port) for port in range(20_000, 20_200)]
    end = net.dial(still, ip)
    end.say(*map(report, unknown), "peer list")
    assert end.hear().startswith("peer list:")
    assert count(still, "dead report:") == count(still, "rejected:") == 50
    assert not_looked_at(still) == 150
    assert registered(net, still) and count(still, "registered:") == 1


def test_of_one_that_is_registered_a_hundred_a_second_are_written(net, still):
    assert seed_program.REPORTS_OF_ONE == 100
    (reporter, end), (other, others_end) = registered(net, still), registered(net, still)
    unknown = [address_of("127.0.0.1", port) for port in range(20_000, 20_200)]
    end.say(*(report(address, reporter.address) for address in unknown), "peer list")
    assert end.hear().startswith("peer list:")
    wait_until(lambda: count(still, "dead report:") == count(still, "rejected:")
               == not_looked_at(still) == 100)
    others_end.say(report(unknown[0], other.address), "peer list")
    assert others_end.hear().startswith("peer list:") and count(still, "dead report:") == 101


def test_of_each_one_report_a_second_is_looked_at_though_others_report_too_much(
        net, still, monkeypatch):
    monkeypatch.setattr(still._from_peers, "_burst", 9)
    (dead, _), (reporter, end), (other, others_end) = (registered(net, still) for _ in range(3))
    unknown = [address_of("127.0.0.1", port) for port in range(20_000, 20_020)]
    end.say(*(report(address, reporter.address) for address in unknown), "peer list")
    assert end.hear().startswith("peer list:") and not_looked_at(still) == 10
    others_end.say(report(unknown[0], other.address), *[report(dead.address, other.address)] * 2,
                   "peer list")
    assert others_end.hear().startswith("peer list:") and not_looked_at(still) == 12
    assert count(still, f"dead report:{report(dead.address, other.address)}") == 1


@pytest.mark.parametrize("monitor", [True, False])
def test_who_reports_three_living_peers_dead_is_not_looked_at_any_more_where_seeds_monitor(
        net, monitor):
    seed, = net.seeds(1, monitor=monitor, report_interval=60.0)
    (one, _), (other, _), (reporter, end) = (registered(net, seed) for _ in range(3))
    for number, living in enumerate((one, other, one), 1):  # about one of them twice
        end.say(report(living.address, reporter.address))
        wait_until(lambda: sum(event.endswith(":it answers") for event in events(seed)) == number)
        assert count(seed, "disbelieved:") == (monitor and number == 3)
    other.answers = False
    end.say(*[report(other.address, reporter.address)] * 2, "peer list")
    assert end.hear().startswith("peer list:") or not monitor
    assert not_looked_at(seed) == 2 * monitor and count(seed, "disbelieved:") == monitor
    wait_until(lambda: monitor or count(seed, f"removed:{other.address}:dead"))
    assert count(seed, "dead report:") == (3 if monitor else 5)


@pytest.mark.parametrize("apart, ban, disbelieved", [(4.0, 600.0, True), (4.1, 600.0, False),
                                                     (4.0, 1.0, False)])
def test_untrue_reports_count_for_eight_periods_and_disbelief_for_the_time_of_a_ban(
        net, monkeypatch, apart, ban, disbelieved):
    seed, = net.seeds(1, monitor=True, report_interval=1.0, ban=ban)
    for number in range(3):
        seed._was_untrue(DEAD, 100.0 + number * apart * 0.999)
    reason = seed._disbelieved.reason(DEAD, 100.0 + 2 * apart + 1.0)
    assert (reason is not None) is disbelieved


def test_a_flood_of_them_keeps_no_peer_from_reporting(net, still):
    (dead, its_end), (reporter, end) = registered(net, still), registered(net, still)
    living, _ = registered(net, still)
    stranger = net.dial(still)
    stranger.say(*[report(living.address)] * 500, "peer list")
    assert stranger.hear().startswith("peer list:")
    dead.answers = False
    end.say(report(dead.address, reporter.address))
    assert end.hear() == report(dead.address, reporter.address)
    assert wait_event(still, f"removed:{dead.address}:dead")


def test_whom_a_seed_does_not_know_it_neither_probes_nor_tells_of(net):
    seed, = net.seeds(1)
    _, witness = registered(net, seed)
    unknown = net.fake(answers=False)
    net.dial(seed).say(report(unknown.address))
    assert wait_event(seed, f"rejected:{report(unknown.address)}:not registered here")
    assert unknown._ends == [] and count(seed, "passed on:") == 0
    witness.say("peer list")
    assert witness.hear() == "peer list:"  # and nothing before it


def test_what_a_seed_passes_on_is_written_once_per_death_and_told_once_a_minute(net):
    """From another seed first, then from a peer of its own; then the peer lives and dies again."""
    seed = brief_seed(net)
    dead, its_end = registered(net, seed)
    reporter, end = registered(net, seed)
    for death in (1, 2):
        dead.answers = False
        net.dial(seed).say(report(dead.address))  # from the IP of a seed
        assert end.hear() == report(dead.address)
        assert its_end.hear_end()
        stranger = net.dial(seed)
        stranger.say(report(dead.address), "peer list")
        assert stranger.hear().startswith("peer list:")
        end.say(report(dead.address, reporter.address))
        assert end.hear() == report(dead.address, reporter.address)  # its peers hear it, too
        assert count(seed, "passed on:") == death
        assert count(seed, f"passed on:{report(dead.address)}") == death
        dead.answers = True
        dead, its_end = registered(net, seed, dead)


def test_a_death_that_was_told_is_not_probed_again_for_another_seed(net):
    seed = brief_seed(net)
    dead, its_end = registered(net, seed)
    _, witness = registered(net, seed)
    dead.answers = False
    net.dial(seed).say(report(dead.address))
    assert witness.hear() == report(dead.address)
    probes = len(dead._ends)
    net.dial(seed).say(*[report(dead.address)] * 3)
    wait_until(lambda: count(seed, "dead report:") == 4)
    witness.say("peer list")
    assert witness.hear() == "peer list:" and len(dead._ends) == probes


def test_a_death_that_was_passed_on_is_not_probed_again_for_a_peer_of_the_seed(net):
    """Else whoever repeats old reports would hold up the probes of those who have just died."""
    seed = brief_seed(net)
    dead, _ = registered(net, seed)
    reporter, end = registered(net, seed)
    dead.answers = False
    said = report(dead.address, reporter.address)
    end.say(said)
    assert end.hear() == said
    probes = len(dead._ends)
    end.say(*[said] * 20, "peer list")
    assert end.hear() == "peer list:"
    wait_until(lambda: not any(lane.jobs for lane in seed.probers), what="the end of all probes")
    assert count(seed, f"dead report:{said}") == 21 and len(dead._ends) == probes


def test_a_seed_tells_another_of_many_deaths_at_half_the_pace_at_which_that_one_listens(net):
    assert (seed_program.AT_ONCE, seed_program.RELAY_PAUSE) == (25, 1.0)
    listening = Listening(free_address())
    net.ends.append(listening)
    net.seed_addresses = [free_address(), listening.address]
    seed = net.seed(net.seed_addresses[0])
    run_late(seed, 0.0)
    reporter, end = registered(net, seed)
    dead = [registered(net, seed) for _ in range(60)]
    for fake, its_end in dead:
        fake.close()
        its_end.close()
    wait_until(lambda: count(seed, "removed:") == 60)
    end.say(*(report(fake.address, reporter.address) for fake, _ in dead))
    wait_until(lambda: len(listening.told) == 60, what="all reports")
    assert {line for _, _, line in listening.told} == {
        report(fake.address, reporter.address) for fake, _ in dead}
    said = {}  # thread that read a connection -> when its lines came
    for at, reader, _ in listening.told:
        said.setdefault(reader, []).append(at)
    said = sorted(said.values())
    assert all(len(times) <= 25 for times in said)
    assert all(later[0] - sooner[0] > 0.3 for sooner, later in itertools.pairwise(said))


def test_of_what_another_seed_is_to_be_told_so_much_waits_and_no_more():
    assert seed_program.WAITING_LIMIT == 2_500
    dials, jobs, seed = [], [], peer(1)
    node = types.SimpleNamespace(
        counters=Counters(),
        new_link=lambda role, seed: types.SimpleNamespace(role=role, target=seed),
        dial=lambda link, thread: dials.append(link),
        flusher=types.SimpleNamespace(take_over=lambda job, after: jobs.append(job)))
    waiting, sent = seed_program.Relays(node, [seed]), []
    for number in range(3_000):
        waiting.tell(b"%d\n" % number)
    assert len(dials) == 1
    assert node.counters == {"reports too many for another seed": 500}
    while dials:
        link = dials.pop()
        link.send, link.close = sent.append, functools.partial(setattr, link, "reason")
        waiting.on_up(link)
        waiting.on_end(link)
        jobs.pop()()
    assert b"".join(sent).split() == [b"%d" % number for number in range(2_500)]
    waiting.tell(b"more\n")
    assert len(dials) == 1
