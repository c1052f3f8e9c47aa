"""After a quick look a seed asks twice before it holds silence against anyone, and no more."""

from tests.tools.fakes import run_late
from tests.tools.files import wait_event
from tests.tools.hands import FakePeer
from tests.tools.nets import FAST
from tests.tools.ports import free_address
from tests.tools.registering import put_off, register
from tests.tools.waiting import wait_until


class Dropper(FakePeer):
    """Hangs up on so many of the next Liveness Requests, and answers the rest."""

    drops = 0
    requests = 0

    def reply(self, line: str) -> str:
        self.requests += line.startswith("Liveness Request:")
        if self.drops:
            self.drops -= 1
            raise ConnectionAbortedError("dropped by the test")
        return super().reply(line)


def dropper(net, drops=0):
    fake = Dropper(free_address())
    fake.drops = drops
    net.ends.append(fake)
    return fake


def test_who_answers_the_second_probe_is_registered(net):
    net.settings = FAST._replace(probe_limit=5.0)
    seed, = net.seeds(1)
    fake = dropper(net, 2)
    assert register(net, seed, fake).hear() == "registered successfully"
    assert fake.requests == 3


def test_who_answers_neither_probe_is_refused_without_a_third(net):
    net.settings = FAST._replace(probe_limit=5.0)
    seed, = net.seeds(1)
    run_late(seed, 0.0)  # also on a busy machine: else it would find nothing out
    fake = dropper(net, 3)
    assert register(net, seed, fake).hear().startswith("registration refused:no Liveness Reply")
    assert fake.requests == 3


def test_who_answers_the_second_probe_is_not_removed_by_a_report(net):
    net.settings = FAST._replace(probe_limit=5.0)
    seed, = net.seeds(1)
    accused, reporter = dropper(net), net.fake()
    assert register(net, seed, accused).hear() == "registered successfully"
    end = register(net, seed, reporter)
    assert end.hear() == "registered successfully"
    accused.drops = 2
    report = f"Dead Node:{accused.address}:1.000000:{reporter.address}"
    end.say(report)
    assert wait_event(seed, f"rejected:{report}:it answers")
    assert accused.address in seed.registry.addresses()


def test_who_answers_the_second_probe_may_come_back_when_its_connection_broke(net):
    net.settings = FAST._replace(probe_limit=5.0, grace=60.0)
    seed, = net.seeds(1)
    fake = dropper(net)
    end = register(net, seed, fake)
    assert end.hear() == "registered successfully"
    fake.drops, waits = 2, put_off(seed)
    end.close()
    wait_until(lambda: 60.0 in waits, what="the time to come back to begin")
    assert seed.registry.addresses() == (fake.address,)
