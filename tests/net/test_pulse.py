"""The pulse: how late the threads of a process run, by a clock that the test sets, and live."""

import threading

import pytest

from gossip.net.pulse import BEAT, REST, LivePulse
from gossip.settings import LATE_FOR
from tests.tools.waiting import wait_until


class Beats:
    """A pulse that has begun at the moment 100, and beats when the test says so."""

    def __init__(self):
        self.now = 100.0
        self._live = LivePulse(lambda: self.now, lambda seconds: True)  # its thread ends at once
        self._live.begin()

    def beat(self, now):
        self.now = now
        return self._live.beat()

    def lateness(self, now):
        self.now = now
        return self._live.lateness()

    def worst_lateness(self, now):
        self.now = now
        return self._live.worst_lateness()


@pytest.fixture
def pulse():
    return Beats()


def test_a_pulse_that_beats_in_time_knows_of_no_lateness(pulse):
    assert pulse.lateness(100.0) == 0.0
    for n in range(1, 20):
        pulse.beat(100.0 + n * BEAT)
        assert pulse.lateness(100.0 + n * BEAT) == 0.0
    assert pulse.worst_lateness(110.0) == 0.0


def test_the_worst_of_the_last_seconds_counts_and_is_then_forgotten(pulse):
    pulse.beat(100.0 + BEAT + 0.3)
    pulse.beat(100.8 + BEAT + 0.1)
    now = 101.4
    assert pulse.lateness(now) == pytest.approx(0.3)
    while now < 100.8 + LATE_FOR - BEAT:
        now += BEAT
        pulse.beat(now)
    assert pulse.lateness(now) == pytest.approx(0.3)
    pulse.beat(now + BEAT)
    assert pulse.lateness(now + BEAT) == pytest.approx(0.1)
    for n in (2, 3):
        pulse.beat(now + n * BEAT)
    assert pulse.lateness(now + 3 * BEAT) == 0.0
    assert pulse.worst_lateness(now + 3 * BEAT) == pytest.approx(0.3)


def test_a_beat_that_is_overdue_counts_before_it_comes(pulse):
    assert pulse.lateness(100.0 + BEAT + 2.0) == pytest.approx(2.0)
    assert pulse.worst_lateness(100.0 + BEAT + 2.0) == pytest.approx(2.0)
    pulse.beat(100.0 + BEAT + 2.5)
    assert pulse.lateness(100.0 + BEAT + 2.5) == pytest.approx(2.5)


def test_a_pulse_rests_while_it_is_in_time_and_beats_often_once_it_was_late(pulse):
    now, pauses = 100.0, [BEAT]
    while now < 120.0:
        now += pauses[-1]
        pauses.append(pulse.beat(now))
    assert pauses == [BEAT] * 8 + [REST] * 5
    assert pulse.beat(now + REST + 0.2) == BEAT
    assert pulse.lateness(now + REST + 0.2) == pytest.approx(0.2)
    assert pulse.beat(now + REST + 0.2 + LATE_FOR) == BEAT  # that one is late by itself
    assert pulse.beat(now + REST + 0.2 + LATE_FOR + BEAT) == BEAT


def test_a_timer_that_fires_early_is_not_late(pulse):
    pulse.beat(100.0 + BEAT / 2)
    assert pulse.lateness(100.0 + BEAT / 2) == 0.0


class Ticks:
    """A clock and a sleep; the thread sleeps as it is told."""

    def __init__(self):
        self.now = 100.0
        self.slept = 0
        self.over = False
        self._more = threading.Semaphore(0)

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept += 1
        self._more.acquire()
        return self.over

    def wake(self, now):
        """Let the sleeper wake up at this moment, and wait until it sleeps again."""
        self.now, slept = now, self.slept
        self._more.release()
        wait_until(lambda: self.slept > slept)

    def end(self):
        """End the thread at its next sleep."""
        self.over = True
        self._more.release()


@pytest.fixture
def ticks():
    ticks = Ticks()
    before = set(threading.enumerate())
    yield ticks
    ticks.end()
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_a_live_pulse_has_one_thread_and_tells_how_late_it_wakes_up(ticks):
    live = LivePulse(ticks.clock, ticks.sleep)
    assert live.lateness() == live.worst_lateness() == 0.0
    before = set(threading.enumerate())
    live.begin()
    live.begin()
    [thread] = set(threading.enumerate()) - before
    assert (thread.name, thread.daemon) == ("pulse", True)
    wait_until(lambda: ticks.slept == 1)
    ticks.wake(100.0 + BEAT + 0.25)
    assert live.lateness() == pytest.approx(0.25)
    ticks.wake(100.75 + LATE_FOR)
    ticks.now += LATE_FOR
    assert live.lateness() > 0.25 and live.worst_lateness() == live.lateness()


def test_a_pulse_for_which_no_thread_is_left_can_begin_later(ticks, monkeypatch):
    live = LivePulse(ticks.clock, ticks.sleep)

    def no_thread(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(OSError, match="no thread left"):
            live.begin()
    ticks.now += 60.0
    assert live.lateness() == 0.0
    live.begin()
    wait_until(lambda: ticks.slept == 1)
    ticks.wake(160.0 + BEAT + 0.5)
    assert live.lateness() == pytest.approx(0.5)


class File:
    """An output file that keeps the seconds that it was told."""

    def __init__(self):
        self.told = []
        self.late = self.told.append


@pytest.fixture
def live(ticks):
    """A live pulse that tells `live.file`, and beats when `ticks` lets it."""
    live = LivePulse(ticks.clock, ticks.sleep, ticks.clock)
    live.file = File()
    live.begin()
    live.tell(live.file, 13.0)
    wait_until(lambda: ticks.slept == 1)
    return live


def test_output_files_are_told_of_a_late_beat_by_the_time_since_the_last_one(ticks, live):
    ticks.wake(100.0 + BEAT)
    ticks.wake(100.0 + 2 * BEAT + 0.04)
    assert live.file.told == []
    ticks.wake(101.04 + BEAT + 0.06)
    assert live.file.told == [pytest.approx(BEAT + 0.06)]


def test_who_goes_on_before_the_pulse_does_has_it_look_first(ticks, live):
    ticks.wake(100.0 + BEAT)
    ticks.now = 131.0
    assert live.expected < ticks.now and live.file.told == []
    live.look()
    assert not live.expected < ticks.now and live.file.told == [pytest.approx(30.5)]
    ticks.wake(131.01)
    assert len(live.file.told) == 1


def test_a_little_lateness_is_told_once_in_four_seconds_and_a_second_each_time(ticks, live):
    for late in (0.2, 0.3, 1.1):
        ticks.wake(ticks.now + BEAT + late)
    assert live.file.told == [pytest.approx(BEAT + 0.2), pytest.approx(BEAT + 1.1)]
    ticks.wake(ticks.now + BEAT + 0.2)
    assert len(live.file.told) == 2
    for _ in range(7):
        ticks.wake(ticks.now + BEAT)
    ticks.wake(ticks.now + BEAT + 0.2)
    assert len(live.file.told) == 3


def test_a_little_lateness_is_told_also_after_the_clock_was_set_back(ticks, live):
    ticks.wake(ticks.now + BEAT + 0.2)
    live._clock = lambda: ticks.now - 3600
    ticks.wake(ticks.now + BEAT)
    ticks.wake(ticks.now + BEAT + 0.2)
    assert live.file.told == [pytest.approx(BEAT + 0.2)] * 2


def test_a_pulse_rests_for_a_third_of_the_shortest_liveness_interval_at_most(ticks, live):
    live.tell(live.file, 3.0)
    for _ in range(9):
        ticks.wake(ticks.now + BEAT)
    ticks.now += 1.0 + 0.04
    assert live.expected > ticks.now
    ticks.now += 0.02
    assert live.expected < ticks.now


class SetPulse:
    """A pulse that is set late."""

    begun = 0

    def begin(self):
        self.begun += 1

    def tell(self, output, interval):
        """No file hears of it."""

    def lateness(self):
        return 0.7

    def worst_lateness(self):
        return 0.9


def test_live_nodes_begin_and_ask_the_pulse_of_their_process(net, monkeypatch):
    pulse = SetPulse()
    monkeypatch.setattr("gossip.net.live_world.PULSE", pulse)
    seed, = net.seeds(1)
    for node in (seed, net.peer()):
        assert node.is_late() and node.status()["late"] == "0.700 s, at worst 0.900 s"
    assert pulse.begun == 2
