"""Links, signs of life and registrations of a peer that signs belong to its key."""

import pytest

from grapevine.addresses import parse_address
from grapevine.signing import grammar
from grapevine.signing.peer import SignedPeer
from grapevine.signing.seed import VouchingSeed
from tests.tools.signing import KeyMachine, accept_proof, link_proof, neighbour, proof, signer
from tests.tools.virtual import NODE, TIME, Scene, with_seed

A, B, SEED = "127.0.0.1:6001", "127.0.0.1:6002", "127.0.0.1:8001"
LOWER = "127.0.0.1:4001"  # than the address of the node, whose dials give way to those from there
LATER = "1700000001.000000"
UNPROVEN = f"connection refused:{NODE}:unproven"


def start_of(line: str, text: str) -> int | None:
    """Return the START that a `proof:` line of the node proves for a text."""
    _, values = grammar.parse(line.encode())
    return grammar.Proof(*values).start(parse_address(NODE), text)


# The node dials.

def dialled():
    """Return a scene, a machine that the node dials, and the end on which it does."""
    scene, _ = with_seed(SignedPeer, A)
    machine = KeyMachine(scene, A)
    return scene, machine, machine.accept(20.0)


def test_both_ends_sign_the_same_text_in_turn():
    scene, machine, end = dialled()
    own = end.hear()
    time = own.split(":")[-1]
    assert end.hear() == f"Connection with Peer:{NODE}"
    start = scene.node.start_number
    assert start_of(own, f"{NODE} links to {A} at {time}") == start
    end.say(accept_proof(machine.key, A, NODE, time), f"connection accepted:{A}")
    assert scene.event(f"connected:{A}")
    assert scene.node.runs.is_genuine(machine.run.encode())


@pytest.mark.parametrize("answer", [
    lambda key, time: "",
    lambda key, time: accept_proof(key, A, NODE, LATER),  # another TIME
    lambda key, time: accept_proof(key, A, B, time),  # to somebody else
    lambda key, time: link_proof(key, A, NODE, time),  # of a dial
    lambda key, time: proof(key, f"{A} accepts {NODE} at {time}"),  # without TIME
    lambda key, time: accept_proof(key, A, NODE, time).replace("proof:", "proof:A", 1)])
def test_who_answers_a_dial_without_a_good_proof_is_no_neighbour(answer):
    scene, machine, end = dialled()
    time = end.hear().split(":")[-1]
    said = answer(machine.key, time)
    end.say(*filter(None, [said]), f"connection accepted:{A}")
    assert end.ends_within(1.0) and scene.events("connected:") == []


def test_time_grows_from_dial_to_dial():
    scene, machine, end = dialled()
    first = float(end.hear().split(":")[-1])
    end.hang_up()
    scene.world.time = scene.node.time = lambda: 5.0  # the clock was put back
    end = machine.accept(30.0)
    assert float(end.hear().split(":")[-1]) > first


# A newcomer.

@pytest.mark.parametrize("words, is_bare", [
    (lambda key: [], False),
    (lambda key: [link_proof(key, A, B)], False),  # meant for somebody else
    (lambda key: [link_proof(key, B, NODE)], False),  # of another address
    (lambda key: [proof(key, f"{A} links to {NODE} at {TIME}")], False),  # without TIME
    (lambda key: [accept_proof(key, A, NODE, TIME)], False),  # of an answer to a dial
    (lambda key: [link_proof(signer(A, "another key"), A, NODE)], False),
    (lambda key: [link_proof(key, A, NODE)], True)])  # but the probe is answered without one
def test_a_newcomer_without_a_good_proof_of_the_key_at_home_is_refused(words, is_bare):
    scene = Scene(SignedPeer)
    machine = KeyMachine(scene, A)
    machine.is_bare = is_bare
    end = machine.dial()
    end.say(*words(machine.key), f"Connection with Peer:{A}")
    assert end.hear() == UNPROVEN and end.ends_within(0.1)


def test_a_proof_that_was_used_is_worth_nothing():
    scene = Scene(SignedPeer)
    machine, end = neighbour(scene, LOWER)
    end.hang_up()
    scene.event(f"disconnected:{LOWER}")
    for time, answer in ((TIME, UNPROVEN), (LATER, f"connection accepted:{NODE}")):
        again = machine.dial()
        machine.say_connect(again, time)
        assert again.hear_until("connection") == answer


def test_a_later_dial_of_the_same_run_replaces_its_link_at_once():
    scene = Scene(SignedPeer)
    machine, end = neighbour(scene, A)
    again = machine.link(LATER)
    assert end.ends_within(0.1) and again.closed is None
    assert scene.events("disconnected:") == [f"disconnected:{A}:duplicate:here"]


def test_a_dial_that_crosses_that_of_the_node_is_a_duplicate():
    scene, machine, end = dialled()
    time = end.hear().split(":")[-1]
    end.say(accept_proof(machine.key, A, NODE, time), f"connection accepted:{A}")
    scene.event(f"connected:{A}")
    again = machine.dial()
    machine.say_connect(again)
    assert again.hear() == f"connection refused:{NODE}:duplicate" and end.closed is None


def test_of_two_dials_that_wait_for_their_probe_the_later_one_stays():
    scene = Scene(SignedPeer)
    machine = KeyMachine(scene, A, is_alive=False)
    later, earlier = machine.dial(), machine.dial()
    machine.say_connect(later, LATER)
    machine.say_connect(earlier, TIME)
    probe = machine.accept()
    reply = machine.reply_to(probe.hear())
    probe.say(proof(machine.key, reply), reply)
    assert later.hear_until("connection") == f"connection accepted:{NODE}"
    assert earlier.hear() == UNPROVEN


def test_who_had_the_address_before_keeps_no_link_when_another_key_is_at_home():
    scene = Scene(SignedPeer)
    squatter, end = neighbour(scene, A, "squatter")
    squatter.key = signer(A, "the peer")  # which listens there now
    again = squatter.link()
    assert end.ends_within(0.1) and again.closed is None
    stale = squatter.dial()
    stale.say(link_proof(signer(A, "squatter"), A, NODE, LATER), f"Connection with Peer:{A}")
    assert stale.hear() == UNPROVEN and again.closed is None
    squatter.is_bare = True  # who listens there now does not sign
    squatter.say_connect(last := squatter.dial(), LATER)
    assert last.hear() == UNPROVEN


# Signs of life.

def ask(scene: Scene, machine) -> list[str]:
    end = machine.dial()
    end.say(f"Liveness Request:{TIME}:{machine.address}")
    return end.hear_all(0.01)


def test_a_sign_of_life_proves_once_on_every_connection_whose_run_is_at_home():
    scene = Scene(SignedPeer)
    machine = scene.machine(A)
    for _ in range(90):
        first, reply = ask(scene, machine)
        assert reply == f"Liveness Reply:{TIME}:{A}:{NODE}"
        assert start_of(first, reply) == scene.node.start_number
    end = machine.dial()
    end.say(*[f"Liveness Request:{TIME}:{A}"] * 50)
    lines = end.hear_all(0.1)
    assert len(lines) == 51 and lines[0].startswith("proof:")


# Registrations.

def register(machine: KeyMachine, *words: str) -> str | None:
    end = machine.dial()
    end.say(*words, f"register:{machine.address}")
    return end.hear(4.0)


def registering(key, address: str = A, seed: str = NODE) -> str:
    return proof(key, f"register:{address} to {seed}")


def test_a_peer_shows_a_seed_its_key_before_it_registers():
    scene = Scene(SignedPeer, seeds=[SEED])
    end = scene.machine(SEED).accept()
    assert start_of(end.hear(), f"register:{NODE} to {SEED}") == scene.node.start_number
    assert end.hear() == f"register:{NODE}"


REFUSED = "registration refused:"


def test_only_the_key_at_home_registers_an_address_that_signs():
    scene = Scene(VouchingSeed)
    machine = KeyMachine(scene, A)
    assert register(machine).startswith(f"{REFUSED}{A} signs"), "before it is registered, too"
    assert register(machine, registering(machine.key)) == "registered successfully"
    other = signer(A, "other")
    assert register(machine).startswith(f"{REFUSED}{A} signs")
    assert register(machine, registering(other)).startswith(f"{REFUSED}not signed with")
    assert register(machine, registering(machine.key, A, B)).startswith(f"{REFUSED}not signed with")
    assert scene.events("removed:") == [] and len(scene.events("registered:")) == 1


def test_who_proves_its_key_replaces_at_once_who_was_registered_before():
    scene = Scene(VouchingSeed)
    machine = KeyMachine(scene, A)
    machine.is_bare = True
    before = machine.dial()
    before.say(f"register:{A}")
    assert before.hear() == "registered successfully"
    machine.is_bare = False
    before.say(f"register:{A}")
    assert before.hear() == "registered successfully", "it stands"
    assert register(machine, registering(machine.key)) == "registered successfully"
    assert before.ends_within(0.1)


def test_while_a_peer_is_asked_too_often_to_prove_itself_nobody_takes_its_registration():
    scene = Scene(VouchingSeed)
    machine = KeyMachine(scene, A)
    assert register(machine, registering(machine.key)) == "registered successfully"
    machine.is_bare = True
    assert register(machine).startswith(f"{REFUSED}{A} signs")
    assert register(machine, registering(machine.key)).endswith("try again in a second")


def test_an_address_with_a_new_key_too_soon_is_told_when_that_counts():
    scene = Scene(VouchingSeed, report_interval=6.0)
    machine = KeyMachine(scene, A)
    for life in range(17):
        machine.key = signer(A, f"life {life}")
        answer = register(machine, registering(machine.key))
    assert answer == f"{REFUSED}too many keys lately; try again in 3 seconds"
    scene.run(3.0)
    assert register(machine, registering(machine.key)) == "registered successfully"
