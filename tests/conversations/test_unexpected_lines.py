"""Every line that ANSWERS has no method for ends the connection, whatever role it has."""

import pytest

from grapevine.peer import Peer
from grapevine.seed import Seed
from tests.tables.test_wire import VALUES
from tests.tools.virtual import End, Scene, gossip, neighbour, registered, seed_of

NEWCOMER = "127.0.0.1:6001"
GOSSIP = gossip(NEWCOMER, 1)
LINES = {kind: spelled.decode() for kind, (_, spelled) in VALUES.items()}
LINES["status"] = "status:sent"


def unidentified(kind) -> End:
    return Scene(kind).machine(NEWCOMER).dial()


def asking(kind) -> End:
    """Return the connection of a newcomer that waits for its probe, which nobody answers."""
    machine = Scene(kind).machine(NEWCOMER)
    machine.is_alive = False
    end = machine.dial()
    end.say(f"register:{NEWCOMER}" if kind is Seed else f"Connection with Peer:{NEWCOMER}")
    return end


def probed(kind) -> End:
    return asking(kind).machine.accept()


def dialled(kind) -> End:
    scene = Scene(kind, seeds=["127.0.0.1:8001"])
    seed_of(scene, listed="127.0.0.1#6001")
    return scene.machine(NEWCOMER).accept()


def seeds_end(kind) -> End:
    scene = Scene(kind, seeds=["127.0.0.1:8001"])
    machine = seed_of(scene)
    scene.event("registered:")
    return machine.ends[0]


def other_seeds_end(kind) -> End:
    scene = Scene(kind, seeds=["127.0.0.1:8001", "127.0.0.1:8002", "127.0.0.1:8003"])
    seeds = [seed_of(scene, f"127.0.0.1:{port}") for port in (8001, 8002, 8003)]
    scene.run(2.0)
    other, = [seed for seed in seeds if not seed.ends]
    other.replies.clear()
    return other.accept(20.0)


# A RELAY is not among them: a seed closes it in the moment in which it says its lines.
ROLES = {(Peer, "UNIDENTIFIED"): unidentified, (Seed, "UNIDENTIFIED"): unidentified,
         (Peer, "PROBED"): probed, (Seed, "PROBED"): probed,
         (Peer, "AWAITING_PROBE"): asking, (Seed, "AWAITING_PROBE"): asking,
         (Peer, "DIALLED"): dialled, (Peer, "SEED"): seeds_end,
         (Peer, "OTHER_SEED"): other_seeds_end,
         (Peer, "NEIGHBOUR"): lambda kind: neighbour(Scene(kind), NEWCOMER),
         (Seed, "REGISTERED"): lambda kind: registered(Scene(kind), NEWCOMER)}
UNEXPECTED = [(kind, role, said) for kind, role in ROLES for said in LINES
              if said not in kind.ANSWERS[role]]


def names(value) -> str:
    return value if isinstance(value, str) else value.__name__


def check_refused(end: End, line: str, reason: str) -> None:
    """Check that a line ends a connection, and that the node writes this reason down."""
    end.scene.run(0.01)
    end.say(line)
    assert end.scene.event("refused:").endswith(f":{reason}")
    assert end.ends_within(0.1)


def test_every_role_of_a_node_is_looked_at():
    roles = {(kind, role) for kind in (Peer, Seed) for role in kind.ANSWERS}
    assert roles - {(Seed, "RELAY")} == set(ROLES)


@pytest.mark.parametrize("kind, role, said", UNEXPECTED, ids=names)
def test_a_line_without_an_answer_ends_the_connection(kind, role, said):
    check_refused(ROLES[kind, role](kind), LINES[said],
                  f"unexpected '{said.replace('_', ' ')}' while {role}")


@pytest.mark.parametrize("kind, role", [key for key in ROLES if key[1] != "NEIGHBOUR"], ids=names)
def test_gossip_of_somebody_who_is_no_neighbour_ends_the_connection(kind, role):
    check_refused(ROLES[kind, role](kind), GOSSIP, f"unknown line {GOSSIP[:40].encode()!r}")
