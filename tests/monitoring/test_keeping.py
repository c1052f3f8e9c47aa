"""Seeds that keep what peers report: over loopback."""

import pytest

from gossip.addresses import address_of
from seed import Seed
from tests.tools.files import count, wait_event
from tests.tools.waiting import wait_until

PERIOD = 0.25


class NoBans:
    """Stands for what decides: nobody is banned."""

    def refusal(self, address, now):
        return None

    def said_first(self, seed):
        return b""


@pytest.fixture(autouse=True)
def nobody_is_banned(monkeypatch):
    monkeypatch.setattr(Seed, "deciding", NoBans(), raising=False)


def monitoring_seeds(net, number):
    """Seeds that have found each other: one tree with all of them."""
    seeds = net.seeds(number, monitor=True, report_interval=PERIOD)
    wait_until(lambda: agree(seeds), what="one tree with all seeds")
    return seeds


def agree(seeds):
    trees = {(seed.keeping.tree.version, seed.keeping.tree.starts) for seed in seeds}
    return len(trees) == 1 and set(seeds[0].keeping.tree.seeds()) == {s.address for s in seeds}


def registered(net, seed):
    """A registered hand-made peer and the connection it is registered over."""
    fake = net.fake()
    end = net.dial(seed)
    end.say(f"register:{fake.address}")
    assert end.hear() == "registered successfully"
    return fake, end


def entry(number, counts="10,1,2,0,0"):
    return f"{address_of('127.0.0.2', number).listed}={counts}"


def held(seeds):
    return sum(seed.keeping._held.count() for seed in seeds)


def test_seeds_find_each_other_and_hold_the_rows_of_a_report_together(net):
    seeds = monitoring_seeds(net, 3)
    peer, end = registered(net, seeds[0])
    end.say(f"report:77:1:{' '.join(entry(number) for number in range(1, 101))}")
    wait_until(lambda: held(seeds) == 200, what="200 rows")
    assert all(seed.keeping._held.count() for seed in seeds)
    assert wait_event(seeds[0], f"report:{peer.address}:1:100")
    wait_until(lambda: count(seeds[2], "load:"))
