"""Attackers that try to have honest peers punished, in small networks in virtual time."""

import pathlib
import subprocess
import sys

import pytest

from grapevine.addresses import Address
from grapevine.lab.simulation.accidents import seed_addresses
from grapevine.lab.simulation.drawing import peer_addresses
from grapevine.lab.simulation.lives import Lives
from grapevine.settings import Settings
from grapevine.worlds.virtual import Cables
from tests.tools.monitoring import time_of
from tests.tools.signing import KeyMachine, link_proof, proof, signed, signer
from tests.tools.virtual import End, Scene

PERIOD = 1.0
WATCHED = Settings(gossip_count=1_000_000, gossip_interval=PERIOD / 4, liveness_interval=2 * PERIOD,
                   sign=True, monitor=True, report_interval=PERIOD, capacity="fixed:14")
SENTENCES = ("verdict:", "kicked:", "unconfirmed:", "contradiction:")
REASONS = (":malicious:", ":kicked", ":unconfirmed", ":contradicted itself")  # of removals and ends


class Town:
    """Seeds and honest peers, and the machines of liars, to which it is a Scene: that of `node`."""

    def __init__(self, seeds: int, honest: int, **settings):
        self.seeds, self.honest = seed_addresses(seeds), peer_addresses(honest)
        self.lives = Lives(1, self.seeds, WATCHED._replace(**settings), Cables())
        self.net, self.events = self.lives.net, []
        self.lives.hear = lambda address, event: self.events.append((address, event))
        for address in (*self.seeds, *self.honest):
            self.lives.start(address)
        self.node = self.lives.nodes[self.honest[0]]
        self.run(3 * PERIOD)

    @property
    def now(self) -> float:
        return self.net.now

    run, pass_until = Scene.run, Scene.pass_until

    def befell(self, *others: Address) -> list[str]:
        """Return what befell anybody but some, as if they were malicious."""
        names = {str(other) for other in others}
        return [f"{who} {event}" for who, event in self.events
                if (event.startswith(SENTENCES) or event.startswith(("removed:", "disconnected:"))
                    and any(reason in event for reason in REASONS))
                and not any(name in (str(who), ":".join(event.split(":")[1:3]))
                            or f":{name}:" in event for name in names)]

    def count(self, address: Address, start: str) -> int:
        return sum(who == address and event.startswith(start) for who, event in self.events)


class Liar(KeyMachine):
    """A peer with a key, which answers everybody but its `victims`, and refuses to be dialled."""

    def __init__(self, town: Town, port: int, secret: str = ""):
        super().__init__(town, f"127.0.0.1:{port}", secret)
        self.victims: set[str] = set()

    def _reply(self, line: str) -> str | None:
        if line.startswith("Connection with Peer:"):
            return f"connection refused:{self.address}:full"
        if line.startswith("Liveness Request:") and line.split(":", 2)[2] in self.victims:
            return ""
        return super()._reply(line)

    def register(self, seed: Address) -> End:
        end = self.dial(seed)
        end.say(proof(self.key, f"register:{self.address} to {seed}"), f"register:{self.address}")
        assert end.hear(3.0) == "registered successfully"
        return end

    def link_to(self, peer: Address) -> End:
        end, time = self.dial(peer), time_of(self.scene)
        end.say(link_proof(self.key, str(self.address), str(peer), time),
                f"Connection with Peer:{self.address}")
        assert end.hear_until("connection") == f"connection accepted:{peer}"
        return end


def test_six_ports_that_answer_seeds_alone_have_nobody_kicked():
    """Each honest peer reports six living peers dead. Seeds look at no more of its reports."""
    town = Town(2, 4)
    liars = [Liar(town, 7001 + at) for at in range(6)]
    for liar in liars:
        for address in town.seeds:
            liar.register(address)
        for address in town.honest:
            liar.link_to(address)
    for liar in liars:
        liar.victims = set(map(str, town.honest))
    town.run(30 * PERIOD)
    for peer in town.honest:
        assert all(town.count(peer, f"dead:{liar.address}") for liar in liars)
        assert [town.count(seed, f"disbelieved:{peer}") for seed in town.seeds] == [1, 1]
        assert set(town.lives.nodes[peer].neighbours.linked()) >= {*town.honest} - {peer}
    assert town.befell(*[liar.address for liar in liars]) == []
    assert all({*town.lives.nodes[seed].registry.ordered} >= {*town.honest} for seed in town.seeds)


def test_a_seed_that_is_down_has_no_voice_by_what_others_say_to_its_port():
    """Who listens there can say to one seed what the other has asked, and is not heard for it."""
    town = Town(2, 4)
    one, other = town.seeds
    town.lives.kill(one)
    pretender = Liar(town, one.port)
    town.run(2 * PERIOD)
    asked = [end for end in pretender.ends if f"seed listens:{other}" in end.lines]
    end = pretender.dial(other)
    end.say(f"seed listens:{one}")
    nonce = end.hear_until("seed asks:").partition(":")[2]
    stranger = Liar(town, 7001).dial(other)
    stranger.say(f"seed listens:{one}", f"seed confirms:{nonce}")
    assert asked and stranger.ends_within(1.0) and not any(
        line.startswith("tree:") for line in [*end.lines, *stranger.lines])
    town.run(3 * PERIOD)
    assert town.befell() == []


def test_peers_shut_out_a_run_by_themselves_if_its_address_shows_the_seeds_another_key():
    town = Town(3, 5)
    liar = Liar(town, 7001)
    for seed in town.seeds:
        liar.register(seed)
    ends = [liar.link_to(peer) for peer in town.honest]
    key, liar.key = liar.key, signer(str(liar.address), "shown to seeds")
    for seed in town.seeds:
        asker = liar.dial(seed)
        asker.say(f"runs:{liar.address}:{liar.key.start}")
        assert asker.hear(3.0).endswith(f"{liar.key.start}")
    for end in ends:  # before anybody asks the seeds
        end.say(*[signed(str(liar.address), key, 1, text, time=time_of(town))
                  for text in ("one", "other")])
    town.run(5 * PERIOD)
    for peer in town.honest:
        assert town.count(peer, f"disconnected:{liar.address}:contradicted itself") == 1
    assert not any(town.count(seed, "removed:") for seed in town.seeds)
    assert town.befell(liar.address) == []


# Without monitoring.


RUN = """
import sys
sys.path.insert(0, {folder!r})
import grapevine.terminal.programs
from grapevine.classes import peer_class, seed_class
from grapevine.settings import Settings
from tests.tools.virtual import Scene
settings = Settings(sign={sign}, monitor={monitor})
for kind in peer_class(settings), seed_class(settings):
    Scene(kind, seeds=["127.0.0.1:4000"], **settings._asdict()).run(20.0)
print([name for name in sys.modules if "monitoring" in name])
"""


@pytest.mark.parametrize("sign, monitor", [(False, False), (True, False), (True, True)])
def test_programs_that_do_not_watch_do_not_even_import_it(sign, monitor):
    folder = str(pathlib.Path(__file__).resolve().parents[2])
    ran = subprocess.run([sys.executable, "-c", RUN.format(
        folder=folder, sign=sign, monitor=monitor)], capture_output=True, text=True, check=True)
    assert (ran.stdout == "[]\n") is not monitor
