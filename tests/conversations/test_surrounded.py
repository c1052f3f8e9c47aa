"""A peer among many liars that all share its IP keeps honest neighbours: liars accept and dial
whom they can, answer every request, and forward nothing."""

import pytest

from grapevine.peer import Peer
from tests.tools.virtual import Machine, Scene, listed, seed_of

VICTIM, SEED = "127.0.0.9:5001", "127.0.0.1:8001"
HONEST = [f"127.0.0.{number}:5001" for number in (2, 3, 4, 5, 6)]
LIARS = [f"127.0.0.9:{5001 + at}" for at in range(-30, 31) if at]  # on both sides of the ring
INTERVAL = 1.0  # seconds between two liveness rounds


class Siege:
    """The victim, and all others in the hand of the test."""

    def __init__(self, capacity: int, addresses: list[str]):
        self.scene = Scene(Peer, VICTIM, [SEED], capacity=f"fixed:{capacity}",
                           liveness_interval=INTERVAL)
        self.honest = [self._machine(address) for address in HONEST]
        self.liars = [self._machine(address) for address in LIARS]
        self._seed = seed_of(self.scene, SEED)
        self.list(addresses)

    def list(self, addresses: list[str]) -> None:
        """Have the seed list these addresses from now on."""
        self._seed.replies["peer list"] = f"peer list:{listed(*sorted(addresses))}"

    def _machine(self, address: str) -> Machine:
        machine = self.scene.machine(address)
        machine.replies = {f"Connection with Peer:{VICTIM}": f"connection accepted:{address}",
                           "known peers": "known peers:"}
        return machine

    def attack(self, rounds: int) -> None:
        """Let every liar dial, again and again if it is sent away."""
        ends = {}
        for _ in range(rounds):
            for liar in self.liars:
                if liar not in ends or ends[liar].closed:
                    ends[liar] = liar.ask_to_link()
            self.scene.run(INTERVAL)

    def honest_neighbours(self) -> set[str]:
        return set(map(str, self.scene.node.neighbours.linked())) & set(HONEST)


@pytest.mark.parametrize("are_listed", [False, True])
def test_a_peer_keeps_its_honest_neighbours_when_liars_come(are_listed):
    siege = Siege(4, HONEST)
    siege.scene.run(5.0)
    assert len(siege.honest_neighbours()) >= 2
    if are_listed:
        siege.list(HONEST + LIARS)
    siege.attack(12)
    assert len(siege.honest_neighbours()) >= 2


@pytest.mark.parametrize("listed", [HONEST, HONEST + LIARS])
def test_a_peer_that_starts_among_liars_finds_honest_neighbours(listed):
    siege = Siege(20, listed)
    siege.attack(12)
    assert len(siege.honest_neighbours()) >= 2
