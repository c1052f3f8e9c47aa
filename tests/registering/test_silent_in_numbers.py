"""Registered peers that fall silent all at once hold up nobody who was listed before them."""

import pytest

from gossip.liveness.prober import USUAL
from tests.tools.fakes import run_late
from tests.tools.files import events, wait_event
from tests.tools.nets import FAST
from tests.tools.registering import registered
from tests.tools.waiting import wait_until


def await_patience(seed, number):
    """Wait until one that was reported, or lost its connection, is probed patiently, and so many
    others wait for that."""
    lane = seed.probers[USUAL].patient
    wait_until(lambda: not lane._free and sum(map(len, lane._waiting.values())) == number)


@pytest.mark.parametrize("is_reported", [True, False])
def test_whoever_was_listed_before_many_that_hang_up_and_say_nothing_is_removed_before_them(
        net, is_reported):
    net.settings = FAST._replace(probe_limit=60.0, probe_tries=1, probes_at_once=1)
    seed, = net.seeds(1)
    run_late(seed, 0.0)  # also on a busy machine: else it would find nothing out
    (frozen, its_end), *others, (reporter, reports) = (registered(net, seed) for _ in range(6))
    for fake in (frozen, *(other for other, _ in others)):
        fake.answers = False
    for number, (_, end) in enumerate(others):
        end.close()
        await_patience(seed, number)
    if is_reported:
        reports.say(f"Dead Node:{frozen.address}:1.000000:{reporter.address}")
    else:
        its_end.close()
    await_patience(seed, len(others))
    seed.settings = seed.settings._replace(probe_limit=0.5)
    first = others[0][0]
    first.close()
    assert wait_event(seed, f"removed:{frozen.address}:{'dead' if is_reported else 'gone'}")
    removed = [event.removeprefix("removed:") for event in events(seed)
               if event.startswith("removed:")]
    assert removed[0] == f"{first.address}:gone" and removed[1].startswith(f"{frozen.address}:")
