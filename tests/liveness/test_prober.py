"""The prober: a quick look for everybody, and patience in lanes apart, bounded and in shares."""

import itertools
import math

import pytest

from gossip.addresses import address_of
from gossip.liveness import prober
from gossip.liveness.prober import FIRST, LAST, USUAL, probers
from gossip.settings import Settings
from tests.tools.fakes import peer

QUICK, PATIENT = "quick", "patient"
QUICK_LOOK = Settings().quick_look


class Probes:
    """Probes that end when a test says so."""

    def __init__(self):
        self.begun = []  # (address, kind), in order
        self._verdicts = {}  # address -> the calls that end its probes, one of each lane

    def __call__(self, address, verdict, limit=None):
        self.begun.append((address, PATIENT if limit is None else QUICK))
        assert limit in (None, QUICK_LOOK)
        self._verdicts.setdefault(address, []).append(verdict)

    def under_way(self):
        return list(self._verdicts)

    def end(self, address, alive=True):
        for verdict in self._verdicts.pop(address):
            verdict(alive)

    def end_all(self, alive=True):
        """End those that are under way, and those that begin then, until none is left."""
        while self._verdicts:
            self.end(next(iter(self._verdicts)), alive)


class Asker:
    """Asks a prober, and notes its verdicts."""

    def __init__(self, at_once, tries=2, quick=QUICK_LOOK, now=None):
        """Without a clock, a probe that fails has taken its time."""
        self.probes, self.verdicts = Probes(), []
        now = now or itertools.count().__next__
        self.probers = probers(self.probes, now, tries, at_once, quick)

    def ask(self, address, lane=USUAL, wanted=lambda: True, since=math.inf):
        self.probers[lane].ask(address, lambda alive: self.verdicts.append((address, alive)),
                               wanted, since)


def of(ip, port):
    return address_of(f"10.0.0.{ip}", port)


def test_the_quick_look_is_a_quarter_of_a_second_and_1024_may_wait():
    assert (QUICK_LOOK, prober.QUEUE_LIMIT, prober.ASKERS_LIMIT) == (0.25, 1_024, 100)


def test_who_answers_the_quick_look_is_not_probed_again():
    asker = Asker(1)
    asker.ask(peer(1))
    asker.probes.end(peer(1))
    assert asker.probes.begun == [(peer(1), QUICK)] and asker.verdicts == [(peer(1), True)]


@pytest.mark.parametrize("answers, verdict", [
    ([False, True], True), ([None, False, True], True), ([False] * 3, False),
    ([False, False, None], None), ([None] * 3, None)])
def test_who_does_not_is_probed_twice_patiently_and_the_last_probe_decides(answers, verdict):
    asker = Asker(1)
    asker.ask(peer(1))
    for answer in answers:
        assert asker.verdicts == []
        asker.probes.end(peer(1), answer)
    assert asker.verdicts == [(peer(1), verdict)]
    kinds = [kind for _, kind in asker.probes.begun]
    assert kinds == [QUICK, PATIENT, PATIENT][:len(answers)]


def test_without_a_quick_look_an_address_is_probed_patiently_at_once():
    asker = Asker(1, tries=1, quick=None)
    asker.ask(peer(1))
    asker.probes.end(peer(1), False)
    assert asker.probes.begun == [(peer(1), PATIENT)] and asker.verdicts == [(peer(1), False)]


def test_who_answers_does_not_wait_for_those_who_do_not():
    asker = Asker(2)
    for port in range(1, 9):
        asker.ask(peer(port), FIRST)
    for port in range(1, 9):
        asker.probes.end(peer(port), False)
    assert asker.probes.under_way() == [peer(1), peer(2)]  # patiently; the others wait for that
    asker.ask(peer(9), FIRST)
    asker.probes.end(peer(9))
    assert asker.verdicts == [(peer(9), True)]


def test_where_the_system_refuses_at_once_nobody_waits_for_patience():
    time = [0.0]
    asker = Asker(1, now=lambda: time[0])
    for port in (1, 2):
        asker.ask(peer(port))
        time[0] += QUICK_LOOK
        asker.probes.end(peer(port), False)  # silent
    asker.ask(peer(9))
    for _ in range(3):
        asker.probes.end(peer(9), False)  # refused
    assert asker.verdicts == [(peer(9), False)] and asker.probes.under_way() == [peer(1)]
    assert asker.probes.begun[-3:] == [(peer(9), QUICK)] * 3


@pytest.mark.parametrize("refusals, patient", [(1, 1), (2, 1)])
def test_who_is_silent_after_a_refusal_is_waited_for(refusals, patient):
    time = [0.0]
    asker = Asker(1, now=lambda: time[0])
    asker.ask(peer(1))
    for _ in range(refusals):
        asker.probes.end(peer(1), False)
    time[0] += QUICK_LOOK
    asker.probes.end(peer(1), False)
    for _ in range(patient):
        assert asker.verdicts == [] and asker.probes.begun[-1] == (peer(1), PATIENT)
        asker.probes.end(peer(1), False)
    assert asker.verdicts == [(peer(1), False)]


@pytest.mark.parametrize("lane, others", [(USUAL, FIRST), (FIRST, USUAL), (USUAL, LAST)])
def test_reports_and_registrations_have_lanes_apart(lane, others):
    asker = Asker(1)
    for port in (1, 2, 3):
        asker.ask(peer(port), others)
    asker.probes.end(peer(1), False)  # now one is being probed in each of these lanes
    asker.ask(peer(9), lane)
    for _ in range(3):
        asker.probes.end(peer(9), False)
    assert asker.verdicts == [(peer(9), False)]
    assert sorted(asker.probes.under_way()) == [peer(1), peer(2)]


def test_who_is_asked_about_in_two_lanes_is_probed_in_each():
    asker = Asker(1)
    for lane in (FIRST, USUAL):
        asker.ask(peer(1), lane)
    assert asker.probes.begun == [(peer(1), QUICK)] * 2
    asker.probes.end(peer(1))
    assert asker.verdicts == [(peer(1), True)] * 2


def test_in_a_patient_lane_an_ip_that_fills_it_holds_up_itself_alone():
    asker = Asker(3)
    many, few = [of(1, port) for port in range(1, 9)], [of(2, 1), of(3, 1)]
    for address in (*many, *few):
        asker.ask(address)
    for address in (*many, *few):
        asker.probes.end(address, False)
    assert asker.probes.under_way() == many[:3]
    for address in many[:3]:
        asker.probes.end(address)
    assert asker.probes.begun[-3:] == [(address, PATIENT) for address in (*few, many[3])]


def test_of_one_ip_whoever_was_listed_longest_goes_first_and_gives_way_last(monkeypatch):
    monkeypatch.setattr(prober, "QUEUE_LIMIT", 5)
    asker, listed = Asker(1), {1: 50.0, 2: 30.0, 3: 40.0, 4: 10.0, 5: 20.0}
    for port, since in listed.items():
        asker.ask(peer(port), since=since)
        asker.probes.end(peer(port), False)
    asker.ask(peer(2))  # one who cannot tell since when changes nothing
    asker.ask(peer(6))
    assert asker.verdicts == [(peer(3), None)]  # the first is being probed already
    asker.probes.end(peer(6))
    asker.probes.end_all()
    patient = [address for address, kind in asker.probes.begun if kind is PATIENT]
    assert patient == [peer(port) for port in (1, 4, 5, 2)]


def test_when_so_many_wait_one_that_waits_for_patience_gives_way(monkeypatch):
    monkeypatch.setattr(prober, "QUEUE_LIMIT", 4)
    asker = Asker(1)
    for address in (of(1, 1), of(2, 1), of(1, 2), of(1, 3)):
        asker.ask(address)
        asker.probes.end(address, False)
    asker.ask(of(3, 1))  # the first is being probed: of the others, one of the IP with most
    assert asker.verdicts == [(of(1, 2), None)]
    asker.probes.end(of(3, 1))
    asker.ask(of(3, 2), LAST)  # these have room of their own
    assert asker.verdicts == [(of(1, 2), None), (of(3, 1), True)]


def test_when_nobody_waits_for_patience_the_newcomer_gives_way(monkeypatch):
    monkeypatch.setattr(prober, "QUEUE_LIMIT", 2)
    asker = Asker(1)
    for port in (1, 2, 3):
        asker.ask(peer(port))
    assert asker.verdicts == [(peer(3), None)]
    asker.probes.end(peer(1), False)
    # one is being probed, the other has its quick look
    assert not asker.probers[USUAL].give_way(peer(3))
    asker.probes.end_all()
    asker.ask(peer(3))
    asker.probes.end(peer(3))
    assert sorted(asker.verdicts[1:]) == [(peer(port), True) for port in (1, 2, 3)]


def test_when_all_that_wait_are_of_other_ips_one_gives_way_for_a_newcomer(monkeypatch):
    monkeypatch.setattr(prober, "QUEUE_LIMIT", 4)
    asker = Asker(1)
    for address in (of(1, 1), of(1, 2), of(1, 3), of(2, 1)):
        asker.ask(address)
    asker.ask(of(3, 1))  # the first is being probed: two of its IP wait
    assert asker.verdicts == [(of(1, 2), None)]
    asker.ask(of(3, 2))
    asker.ask(of(1, 4))
    assert asker.verdicts[1:] == [(of(3, 2), None), (of(1, 4), None)]


def test_who_gives_way_in_one_lane_is_still_probed_for_another(monkeypatch):
    asker = Asker(1)
    for lane in (FIRST, USUAL):
        asker.ask(peer(lane + 1), lane)
        asker.probes.end(peer(lane + 1), False)
        asker.ask(peer(9), lane)
    asker.probes.end(peer(9), False)
    assert asker.probers[FIRST].give_way(peer(8)) and asker.verdicts == [(peer(9), None)]
    assert not asker.probers[FIRST].give_way(peer(8))
    asker.probes.end(peer(2))
    asker.probes.end(peer(9))
    assert asker.verdicts == [(peer(9), None), (peer(2), True), (peer(9), True)]


def test_nobody_is_probed_for_those_who_do_not_want_to_know_any_more():
    asker, wanted = Asker(1), [True]
    asker.ask(peer(1))
    asker.ask(peer(2), wanted=lambda: wanted[0])
    asker.ask(peer(3))
    wanted[0] = False
    asker.probes.end_all()
    assert [address for address, _ in asker.probes.begun] == [peer(1), peer(3)]
    assert (peer(2), None) in asker.verdicts


def test_many_who_ask_at_once_share_a_probe_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(prober, "ASKERS_LIMIT", 2)
    asker = Asker(1)
    for _ in range(3):
        asker.ask(peer(1), FIRST)
    asker.ask(peer(1), USUAL)  # another lane
    assert asker.verdicts == [(peer(1), None)]
    asker.probes.end(peer(1))
    assert asker.verdicts[1:] == [(peer(1), True)] * 3 and len(asker.probes.begun) == 2


@pytest.mark.parametrize("quick", [QUICK_LOOK, None])
def test_nobody_waits_for_ever_when_no_probe_can_be_begun(quick):
    """As when no thread can be started: the verdict comes from within the call."""
    verdicts = []
    no_threads = probers(lambda address, verdict, limit: verdict(None),
                         itertools.count().__next__, 2, 1, quick)
    for port in range(1, 5_000):
        no_threads[port % 3].ask(peer(port), verdicts.append)
    assert verdicts == [None] * 4_999
