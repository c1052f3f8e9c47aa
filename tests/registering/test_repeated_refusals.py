"""What a seed has said before, when it refuses a peer again, is counted and not written."""

from tests.tools.files import count, events, wait_event
from tests.tools.hands import FakePeer
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until

REASONS = ("no Liveness Reply from you", "no Liveness Reply from you, twice, try again later")


class Refusing(FakePeer):
    """A seed that refuses a peer, for two reasons in turn."""

    asked, refuses = 0, True

    def reply(self, line):
        if not line.startswith("register:"):
            return super().reply(line)
        self.asked += 1
        return (f"registration refused:{REASONS[self.asked % 2]}\n" if self.refuses else
                "registered successfully\n")


def test_a_refusal_is_written_once_and_then_counted_until_the_peer_is_registered(net):
    seed = Refusing(free_address())
    net.ends.append(seed)
    net.seed_addresses = [seed.address]
    peer = net.peer(retry_first=0.02, retry_last=0.05)
    counted = "repeated refusals of seeds"
    wait_until(lambda: peer.status().get(counted, 0) >= 5)
    for kind in ("refused", "unregistered"):
        assert sorted(event for event in events(peer) if event.startswith(f"{kind}:")) == [
            f"{kind}:{seed.address}:registration refused: {reason}" for reason in REASONS]
    seed.refuses = False
    wait_event(peer, "registered:")
    before = peer.status()[counted]
    seed.refuses = True
    wait_until(lambda: count(peer, "refused:") == 4)  # the next round repeats `register:`
    wait_until(lambda: peer.status()[counted] > before)


class HangingUp(FakePeer):
    """A seed that registers a peer and hangs up."""

    asked = 0

    def reply(self, line):
        if line.startswith("register:"):
            self.asked += 1
            return "registered successfully\n"
        raise ConnectionError  # to hang up


def test_a_seed_that_hangs_up_after_each_registration_is_asked_ever_more_rarely(net):
    seed = HangingUp(free_address())
    net.ends.append(seed)
    net.seed_addresses = [seed.address]
    peer = net.peer(retry_first=0.05, retry_last=60.0)
    [row] = peer.joining._rows.values()
    wait_until(lambda: seed.asked >= 4)
    wait_until(lambda: row.rest.due > peer.now() + 0.4)
