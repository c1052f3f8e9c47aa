"""The peer inside a program: what it tells the program, when it waits, and how it leaves."""

from types import SimpleNamespace

import pytest

from grapevine.classes import peer_class
from grapevine.library.messages import Inbox, Program
from grapevine.library.node import Hand, Nowhere, ProgramOutput, program_class
from grapevine.library.peer import LEAVE_LIMIT
from tests.tools.monitoring import Desk
from tests.tools.signing import KeyMachine, accept_proof
from tests.tools.virtual import A, B, C, NODE, TIME, End, Scene, gossip, listed, neighbour, seed_of

SEED, OTHER = "127.0.0.1:8001", "127.0.0.1:8002"


class Told(Program):
    """A program that is told at once, and notes it."""

    def __init__(self, inbox: Inbox):
        super().__init__(Hand(), inbox, None, lambda peer: self.told.append(("neighbour", peer)),
                         lambda peer: self.told.append(("death", peer)))
        self.told: list[tuple[str, str]] = []

    def call(self, function, *arguments) -> None:
        if function is not None:
            function(*arguments)

    def error(self, event: str) -> None:
        self.told.append(("error", event))

    def of(self, what: str) -> list[str]:
        return [about for kind, about in self.told if kind == what]


class ProgramScene(Scene):
    """A scene whose node is in a program, `program`."""

    def __init__(self, *seeds: str, backlog: int = 100, waits: bool = False, **settings):
        self.program = Told(Inbox(backlog, waits))

        def kind(address, chosen, output, world, targets):
            output = ProgramOutput(Nowhere(), self.program)
            return program_class(peer_class(chosen))(
                self.program, address, chosen, output, world, targets)

        super().__init__(kind, seeds=list(seeds), **settings)

    def is_left(self, seconds: float) -> bool:
        """Let time pass until the node has ended; return whether it does in time."""
        return self.pass_until(lambda: self.node.stopping, seconds)


def death(end: End, dead: str) -> None:
    """Have a seed tell of a death."""
    end.say(f"Dead Node:{dead}:{TIME}:{C}")


# What it tells.

def test_messages_go_to_the_inbox_with_who_brought_them_and_own_ones_do_not():
    scene = ProgramScene()
    end = neighbour(scene, A)
    scene.node.originate(["mine"])
    end.say(gossip(B, 1, "one"), "any:thing:" + gossip(B, 2, "two: €"), gossip(B, 1, "one"))
    scene.run(0.1)
    taken = [scene.program.inbox.take(0) for _ in range(2)]
    assert [(each.origin, each.number, each.text, each.came_from) for each in taken] == [
        (B, 1, "one", A), (B, 2, "two: €", A)]
    assert scene.program.inbox.count() == 0


@pytest.mark.parametrize("answering, errors", [
    ([], [f"fewer than 2 of the seeds list this peer: {SEED} (Connection refused), "
          f"{OTHER} (Connection refused); this program serves none of them"]),
    ([SEED], [f"fewer than 2 of the seeds list this peer: {SEED} (listed), {OTHER} "
              "(registration refused: not your IP); this program serves none of them"]),
    ([SEED, OTHER], [])])
def test_a_program_hears_once_why_too_few_of_its_seeds_list_it(answering, errors):
    scene = ProgramScene(SEED, OTHER)
    for seed in answering:
        seed_of(scene, seed)
    if answering == [SEED]:
        seed_of(scene, OTHER).replies[f"register:{NODE}"] = "registration refused:not your IP"
    scene.run(30.0)
    assert scene.program.of("error") == errors


def test_a_neighbour_is_told_once_and_again_when_it_links_anew():
    scene = ProgramScene()
    end = neighbour(scene, A)
    assert scene.program.of("neighbour") == [A]
    end.break_off()
    again = end.machine.accept()
    assert again.hear() == f"Connection with Peer:{NODE}"
    again.say(f"connection accepted:{A}")
    scene.run(0.1)
    assert scene.program.of("neighbour") == [A, A]


def test_a_death_that_several_seeds_tell_of_is_told_once_and_the_next_one_again():
    scene = ProgramScene(SEED, OTHER)
    machines = [seed_of(scene, seed, "127.0.0.1#6001") for seed in (SEED, OTHER)]
    scene.run(1.0)
    seeds = [machine.ends[0] for machine in machines]
    death(seeds[0], A)
    scene.run(0.1)
    seeds[1].say("peer list:127.0.0.1#6001")  # it is behind
    death(seeds[1], A)
    scene.run(0.1)
    assert scene.program.of("death") == [A]
    for listed in ("", "127.0.0.1#6001"):  # it was removed, and has come back
        seeds[0].say(f"peer list:{listed}")
    death(seeds[0], A)
    scene.run(0.1)
    assert scene.program.of("death") == [A, A]
    for machine in machines:
        machine.replies["peer list"] = "peer list:"
    scene.run(30.0)
    for dead in (A, NODE):
        death(seeds[1], dead)  # it is far behind, or lies
    scene.run(0.1)
    assert scene.program.of("death") == [A, A]


@pytest.mark.parametrize("dials", [True, False])
def test_what_a_dead_one_answered_while_it_lived_makes_it_no_neighbour(dials):
    scene = ProgramScene(SEED)
    machine = seed_of(scene, SEED, "" if dials else "127.0.0.1#6001")
    one = scene.machine(A, is_alive=False)
    end = one.dial() if dials else one.accept()
    if dials:
        end.say(f"Connection with Peer:{A}")
        request = one.accept()  # the probe of a newcomer
    death(machine.ends[0], A)
    scene.run(0.01)
    if dials:
        request.answer()
    else:
        end.say(f"connection accepted:{A}")
    assert end.ends_within(0.05)
    scene.run(1.0)
    assert scene.program.told == [("death", A)]


@pytest.mark.parametrize("reason", ["told dead", "duplicate", "dead"])
def test_a_neighbour_that_names_a_reason_makes_nobody_dead(reason):
    scene = ProgramScene()
    end = neighbour(scene, A)
    end.say(f"connection refused:{A}:{reason}")
    assert end.ends_within(1.0)
    assert scene.program.of("death") == []


def test_a_neighbour_that_has_the_same_tells_all_once_and_then_nothing_is_lacking():
    scene = ProgramScene(antientropy_interval=1000.0)
    end = neighbour(scene, A)
    assert not scene.node.is_complete()
    digest = f"status:digest:{'0' * 32}"
    end.say(digest)
    assert [end.hear() for _ in "12"] == ["status:seen:", f"status:show:{'f' * 16}"]
    end.say("status:seen:")
    scene.run(0.1)
    assert scene.node.is_complete()
    end.say(digest)
    assert end.hear_all(1.0) == []


@pytest.mark.parametrize("compared", [0.0, 1000.0])
def test_a_peer_is_alone_once_a_majority_of_the_seeds_knows_nobody_else(compared):
    scene = ProgramScene(SEED, OTHER, antientropy_interval=compared)
    seed_of(scene, SEED)
    scene.run(3.0)
    assert not scene.node.is_complete()
    seed_of(scene, OTHER)
    assert scene.pass_until(scene.node.is_complete, 10.0)
    young = SimpleNamespace(stopping=False, grown_at=scene.node.now() + 1.0)
    scene.program.hand.nodes[:] = [scene.node, young]  # it may know only who began anew with it
    scene.run(0.9)
    assert not scene.node.is_complete()
    scene.run(0.2)
    assert scene.node.is_complete()
    neighbour(scene, A)
    assert not scene.node.is_alone()
    assert scene.node.is_complete() is (not compared), "where nothing is fetched"


# When it waits.

def test_while_a_waiting_inbox_is_full_a_neighbour_is_not_read_and_others_are_answered():
    scene = ProgramScene(backlog=2, waits=True)
    full, other = neighbour(scene, A), neighbour(scene, B)
    full.say(*(gossip(C, number) for number in (1, 2, 3)))
    scene.run(0.1)
    full.say(gossip(C, 4), f"Liveness Request:{TIME}:{A}")
    other.say(f"Liveness Request:{TIME}:{B}")
    assert other.hear_until("Liveness Reply") and full.hear(30.0) is None
    assert scene.program.inbox.count() == 3
    assert [scene.program.inbox.take(0).number for _ in range(3)] == [1, 2, 3]
    assert full.hear_until("Liveness Reply")
    assert scene.program.inbox.take(0).number == 4


def test_who_leaves_with_a_full_inbox_hears_that_others_hang_up():
    scene = ProgramScene(backlog=1, waits=True)
    end = neighbour(scene, A)
    end.say(gossip(C, 1), gossip(C, 2))
    scene.run(0.1)
    scene.node.leave()
    assert end.hear_until("leave:")
    end.hang_up()
    assert scene.is_left(0.5)


# Leaving.

def talker(*known: str) -> ProgramScene:
    """Return a scene whose node has said something, and knows these peers."""
    scene = ProgramScene(SEED)
    seed_of(scene, SEED, listed(*known))
    scene.run(1.0)
    scene.node.originate(["hello"])
    scene.node.leave()
    return scene


def test_who_has_just_joined_may_not_be_alone_because_others_join_at_the_same_moment():
    scene = ProgramScene(SEED)
    seed_of(scene, SEED)
    assert scene.pass_until(scene.program.joined.is_set, 1.0)
    scene.node.originate(["hello"])
    scene.node.leave()
    scene.run(0.9)
    assert scene.node.is_alone() and not scene.node.is_leaving
    assert scene.pass_until(lambda: scene.node.is_leaving, 0.2)


def test_who_has_left_may_not_have_read_it():
    scene = ProgramScene(SEED)
    seed_of(scene, SEED, "127.0.0.1#6003:127.0.0.1#6004")
    ends = [neighbour(scene, peer) for peer in (A, B)]
    scene.node.originate(["hello"])
    for end, peer in zip(ends, (A, B)):
        end.say(f"leave:{peer}")
    scene.run(0.1)
    scene.node.leave()
    scene.run(0.1)
    assert not scene.node.is_leaving
    for peer in C, "127.0.0.1:6004":
        neighbour(scene, peer)
    assert scene.pass_until(lambda: scene.node.is_leaving, 0.1)


def late_neighbour() -> tuple[ProgramScene, End]:
    """Return a scene whose node says more than a portion, then gets its only neighbour, and is
    asked to leave."""
    scene = ProgramScene(SEED, antientropy_interval=1000.0)
    seed_of(scene, SEED, "127.0.0.1#6001")
    scene.run(1.0)
    scene.node.originate(["x" * 60_000] * 6)
    end = neighbour(scene, A)
    scene.node.leave()
    return scene, end


def test_who_links_later_is_waited_for_until_it_has_asked_for_all_that_was_said():
    scene, end = late_neighbour()
    run = f"{NODE}:{scene.node.start_number}"
    for wanted, sent in ("1-6", 5), ("6-6", 1):
        scene.run(0.9)
        assert not scene.node.is_leaving
        end.say(f"status:want:{run}={wanted}")
        assert sum(line.startswith("gmessage:") for line in end.hear_all(0.1)) == sent
    assert scene.node.is_leaving


def test_who_links_later_and_asks_for_nothing_is_waited_for_a_second():
    scene, _ = late_neighbour()
    scene.run(0.9)
    assert not scene.node.is_leaving
    assert scene.pass_until(lambda: scene.node.is_leaving, 0.2)


@pytest.mark.parametrize("known, linked, seconds", [
    ([B, C], [], 3.0),  # nobody is waited for any longer
    ([B, C], [A], 2.0),  # one neighbour is enough if it stays,
    ([A], [A], 0.0),  # or if there is no other peer;
    ([], [], 0.0)])  # and who is alone leaves though nobody has heard it
def test_who_has_said_something_waits_so_long_for_neighbours(known, linked, seconds):
    scene = talker(*known)
    for peer in linked:
        neighbour(scene, peer)
    scene.run(max(0.0, seconds - 0.1))
    assert not scene.node.is_leaving
    assert scene.pass_until(lambda: scene.node.is_leaving, 0.2)


def test_who_is_late_all_the_time_has_left_before_its_program_waits_no_longer():
    scene = talker(B, C)
    begin = scene.now
    while not scene.node.stopping:
        if scene.now - begin > 32.0 and not scene.node.neighbours.links:
            neighbour(scene, A).stop_reading()
            scene.node.originate(["x" * 60_000] * 20)
        scene.freeze(0.7)
        scene.run(0.1)
    assert 60.0 < scene.now - begin < LEAVE_LIMIT


def test_what_a_thread_died_of_is_an_error_for_the_program():
    scene = ProgramScene()
    scene.node.output.failed("failed:timer: TypeError")
    assert scene.program.of("error") == ["failed:timer: TypeError"]


def test_what_a_neighbour_has_not_read_is_an_error_for_the_program():
    scene = ProgramScene(SEED)
    end = neighbour(scene, A)
    end.stop_reading()
    scene.node.originate([f"{number} {'x' * 60_000}" for number in range(20)])
    scene.node.leave()
    assert scene.is_left(30.0)
    assert [event[:24] for event in scene.program.of("error")] == [f"not read:{A}:"]


def test_a_peer_that_is_kicked_while_it_is_dialled_is_not_told_as_a_neighbour():
    scene = ProgramScene(SEED, monitor=True, sign=True, liveness_interval=1_000.0)
    desk, one = Desk(scene, SEED, "127.0.0.1#6001"), KeyMachine(scene, A)
    end = one.accept()
    desk.link.say(f"kick:{A}:0.500:600.000")
    scene.run(0.1)
    time = end.hear_until("proof:").rpartition(":")[2]
    end.say(accept_proof(one.key, A, NODE, time), f"connection accepted:{A}")
    assert end.hear_until("connection refused:") and end.ends_within(0.1)
    assert scene.program.of("neighbour") == []
