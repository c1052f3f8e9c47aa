"""Random and mutated lines harm nobody: who says them is disconnected at most."""

import random

import pytest

from grapevine import wire
from grapevine.classes import peer_class, seed_class
from grapevine.peer import Peer
from grapevine.settings import Settings
from tests.conversations.test_unexpected_lines import LINES
from tests.tools.virtual import NODE, TIME, Scene, gossip, neighbour, registered

STRANGER, FRIEND = "127.0.0.2:6001", "127.0.0.1:6002"
COUNT, BATCH = 10_000, 60  # in all; at once
GOOD = [*(f"{line}\n".encode() for line in LINES.values()), wire.say("register", STRANGER),
        wire.say_digest("0" * 32), wire.say_slices("show", [1]),
        wire.say_slices("parts", [7] * wire.SLICES),
        *(wire.say_entries(verb, [wire.entry(b"127.0.0.1:1:1", [(1, 2**63 - 1)])])
          for verb in ("want", "seen", "gone", "took", "knew", "prune", "graft")),
        f"{gossip(STRANGER, 1)}\n".encode(), f"rumor:{gossip(STRANGER, 2)}\n".encode()]
ODD = [b"", b"\n", b":", b"\x00", b"\xff", b"9" * 25, b"[::1]", b"#"]


def mutated(line: bytes, rng: random.Random) -> bytes:
    line = bytearray(line.rstrip(b"\n"))
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(line) + 1)
        line[at:at + rng.choice([0, 1, rng.randint(1, 9)])] = rng.choice(
            [*ODD, rng.randbytes(1), line[:rng.randint(0, 30)]])
    return bytes(line) + b"\n"


def assail(scene: Scene) -> None:
    """Say all kinds of lines to a node, half of the time as a newcomer. A failure of the node is
    an error here."""
    rng, stranger, said = random.Random(11), scene.machine(STRANGER), 0
    is_peer = isinstance(scene.node, Peer)
    opening = f"{'Connection with Peer' if is_peer else 'register'}:{STRANGER}"
    while said < COUNT:
        batch = [mutated(rng.choice(GOOD), rng) if rng.random() < 0.9 else rng.randbytes(40)
                 for _ in range(rng.randint(1, BATCH))]
        said += len(batch)
        end = stranger.dial()
        if rng.random() < 0.5:
            end.say(opening)
            end.hear()
        end.send(b"".join(batch))
        scene.run(0.1)
        end.hang_up()
    scene.run(10.0)
    assert all(event.isprintable() for event in scene.events())


def test_ten_thousand_random_and_mutated_lines_do_a_peer_no_harm():
    scene = Scene(Peer)
    friend = neighbour(scene, FRIEND)
    assail(scene)
    scene.node.originate(["after all that"])
    assert friend.hear_all()[-1].endswith(":after all that")


@pytest.mark.parametrize("monitor", [False, True])
def test_nor_do_they_to_a_peer_that_signs(monitor):
    scene = Scene(peer_class(Settings(sign=True, monitor=monitor)), sign=True, monitor=monitor)
    assail(scene)
    end = scene.machine(FRIEND).dial()
    end.say(f"Liveness Request:{TIME}:{FRIEND}")
    assert end.hear_until("Liveness Reply:") == f"Liveness Reply:{TIME}:{FRIEND}:{NODE}"


@pytest.mark.parametrize("monitor", [False, True])
def test_nor_do_they_to_a_seed(monitor):
    scene = Scene(seed_class(Settings(monitor=monitor)), monitor=monitor)
    friend = registered(scene, FRIEND)
    assail(scene)
    friend.say("peer list")
    assert friend.hear_until("peer list:")
