"""Virtual time: order, and who is caught when no time passes."""

import pytest

from gossip.lab.simulation.virtual_links import STILL_LIMIT, Spinning, VirtualTime


@pytest.fixture
def time():
    return VirtualTime()


def test_calls_are_made_in_the_order_of_their_times(time):
    made = []
    for when in (3.0, 1.0, 2.0):
        time.at(when, lambda when=when: made.append((when, time.now)))
    time.run(2.0)
    assert made == [(1.0, 1.0), (2.0, 2.0)] and time.now == 2.0
    time.run(9.0)
    assert made[2:] == [(3.0, 3.0)] and time.now == 9.0 and time.calls == 3


def test_calls_of_one_moment_are_made_in_the_order_in_which_they_were_asked_for(time):
    made = []
    for name in "abc":
        time.at(1.0, made.append, name)
    time.at(1.0, lambda: time.at(1.0, made.append, "e"))
    time.at(1.0, made.append, "d")
    time.run(1.0)
    assert made == list("abcde")


def test_what_is_asked_for_too_late_is_called_now(time):
    made = []
    time.run(5.0)
    time.at(1.0, lambda: made.append(time.now))
    time.run(5.0)
    assert made == [5.0]


def test_calls_without_end_at_one_moment_fail_and_name_whose_they_are(time):
    class Spinner:
        label = "'membership' of 127.0.0.1:5000"

        def turn(self):
            time.at(time.now, self.turn)

    time.at(1.0, Spinner().turn)
    with pytest.raises(Spinning, match="'membership' of 127.0.0.1:5000"):
        time.run(2.0)
    assert time.calls == STILL_LIMIT == 20_000


class Labelled:
    label = "a connection"


@pytest.mark.parametrize("about, name", [(Labelled(), "a connection"), ("nothing", "spin")])
def test_what_spins_is_named_by_what_it_is_about_or_else_by_its_method(time, about, name):
    def spin(about):
        time.at(time.now, spin, about)

    time.at(1.0, spin, about)
    with pytest.raises(Spinning, match=f"{name}$"):
        time.run(1.0)


def test_many_calls_are_no_spinning_while_time_passes(time):
    def busy():
        for _ in range(STILL_LIMIT - 2):
            time.at(time.now, int)

    for second in range(3):
        time.at(second, busy)
    time.run(1.0)
    time.run(1.5)
    time.at(1.5, busy)  # the time has passed without a call
    time.run(3.0)
    assert time.calls == 4 * (STILL_LIMIT - 1)
