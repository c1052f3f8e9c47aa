"""A Liveness Reply in another's name, or to another's request, is no sign of life."""

import pytest

from tests.tools.fakes import run_late
from tests.tools.files import count, wait_event
from tests.tools.hands import FakePeer
from tests.tools.nets import FAST
from tests.tools.ports import free_address
from tests.tools.registering import register

# The fields of a reply to the request `Liveness Request:TIME:ASKER`, by who answers.
FALSE_REPLIES = {
    "by another": "{time}:{asker}:127.0.0.1:9",
    "to another": "{time}:127.0.0.1:9:{own}",
    "by the asker": "{time}:{asker}:{asker}",
    "with its addresses exchanged": "{time}:{own}:{asker}",
}


def false_reply(request: str, own, fields: str) -> str:
    time, asker = request.removeprefix("Liveness Request:").split(":", 1)
    return "Liveness Reply:" + fields.format(time=time, asker=asker, own=own)


class Liar(FakePeer):
    """Answers every Liveness Request with the same false fields."""

    def __init__(self, address, fields: str):
        self.fields = fields
        super().__init__(address)

    def reply(self, line: str) -> str:
        if line.startswith("Liveness Request:"):
            return false_reply(line, self.address, self.fields) + "\n"
        return super().reply(line)


def liar(net, fields):
    fake = Liar(free_address(), fields)
    net.ends.append(fake)
    return fake


@pytest.mark.parametrize("fields", FALSE_REPLIES.values(), ids=FALSE_REPLIES)
def test_a_neighbour_that_replies_in_anothers_name_is_disconnected(net, fields):
    peer, fake = net.peer(liveness_misses=100), net.fake()
    end = net.neighbour(peer, fake)
    end.say(false_reply(end.hear_until("Liveness Request:"), fake.address, fields))
    assert wait_event(peer, f"refused:{fake.address}:Liveness Reply")
    assert end.hear_end() and count(peer, f"disconnected:{fake.address}:") == 1
    assert count(peer, "liveness reply:") == 0


@pytest.mark.parametrize("time", ["1.000000", "999999999999.999999"])
def test_a_reply_to_a_request_that_was_never_made_does_not_count(net, time):
    peer, fake = net.peer(liveness_interval=0.2, probe_limit=0.3), net.fake(answers=False)
    end = net.neighbour(peer, fake)
    for _ in range(3):
        asker = end.hear_until("Liveness Request:").split(":", 2)[2]
        end.say(f"Liveness Reply:{time}:{asker}:{fake.address}")
    assert wait_event(peer, f"dead:{fake.address}")
    assert count(peer, "liveness reply:") == 0


LIES = FALSE_REPLIES | {"to an older request": "1.000000:{asker}:{own}"}


@pytest.mark.parametrize("fields", LIES.values(), ids=LIES)
def test_a_seeds_probe_answered_in_anothers_name_registers_nobody(net, fields):
    net.settings = FAST._replace(probe_limit=0.2)
    seed, = net.seeds(1)
    run_late(seed, 0.0)  # also on a busy machine: else it would find nothing out
    fake = liar(net, fields)
    end = register(net, seed, fake)
    assert end.hear().startswith("registration refused:no Liveness Reply")
    assert seed.registry.addresses() == ()


@pytest.mark.parametrize("fields", LIES.values(), ids=LIES)
def test_a_peers_last_probe_answered_in_anothers_name_saves_nobody(net, fields):
    peer, fake = net.peer(liveness_interval=0.2, probe_limit=0.2), liar(net, fields)
    end = net.neighbour(peer, fake)  # where it is silent
    assert wait_event(peer, f"dead:{fake.address}")
    assert end.hear_end()
