"""Deaths that a program is told of at once, and those that it is not told of."""

import pytest

from grapevine.addresses import parse_address
from grapevine.library.serving import YOUNG, Served
from grapevine.library.starting import program_seed_class
from grapevine.seed import Seed
from tests.conversations.test_peer_of_a_program import OTHER, SEED, ProgramScene, death
from tests.tools.virtual import A, B, C, End, Scene, gossip, neighbour, registered, seed_of

LISTED = "127.0.0.1#6001"


def kill(end: End) -> None:
    """End a neighbour as a kill does: its links break, and nobody listens at its address."""
    end.machine.world.kill()


@pytest.fixture
def scene() -> ProgramScene:
    """A program with a seed that lists A."""
    scene = ProgramScene(SEED, liveness_interval=1.0)
    scene.seed = seed_of(scene, SEED, LISTED)
    scene.run(0.1)
    return scene


def is_told(scene: ProgramScene, seconds: float) -> bool:
    return scene.pass_until(lambda: scene.program.of("death"), seconds)


def test_a_neighbour_whose_link_breaks_and_whose_address_refuses_is_dead_at_once(scene):
    end = neighbour(scene, A)
    scene.seed.ends[0].lines.clear()
    kill(end)
    assert is_told(scene, 0.2)
    assert sum("Dead Node" in line for line in scene.seed.ends[0].hear_all(0.1)) == 1
    death(scene.seed.ends[0], A)
    scene.run(20.0)
    assert scene.program.of("death") == [A]


def test_without_seeds_it_is_found_dead_too_and_so_is_its_next_life():
    scene = ProgramScene()
    for deaths in 1, 2:
        kill(neighbour(scene, A))
        assert scene.pass_until(lambda: scene.program.of("death") == [A] * deaths, 0.2)


def test_one_that_ends_a_little_after_its_link_broke_is_dead_at_once(scene):
    end = neighbour(scene, A)
    end.machine.is_alive = False
    end.break_off()
    scene.run(0.1)
    kill(end)
    assert is_told(scene, 1.0)


def test_one_that_says_nothing_is_looked_at_five_times_and_then_left_to_the_rounds():
    scene = ProgramScene(liveness_interval=100.0)
    end = neighbour(scene, A)
    end.machine.is_alive = False
    end.break_off()
    end.machine.said.clear()
    scene.run(20.0)
    assert len([line for line in end.machine.said if line.startswith("Liveness Request")]) == 5


def test_one_that_no_list_names_any_more_may_have_left_unless_a_seed_says_that_it_died(scene):
    end = neighbour(scene, A)
    end.machine.is_alive = False
    end.break_off()  # so that its goodbye would be lost
    scene.run(0.5)
    scene.seed.replies["peer list"] = "peer list:"
    scene.run(1.5)
    kill(end)
    assert not is_told(scene, 20.0)
    death(scene.seed.ends[0], A)
    assert is_told(scene, 0.2)


def test_a_node_that_is_late_judges_later(scene):
    end = neighbour(scene, A)
    scene.world.freeze()
    kill(end)
    scene.run(5.0)
    scene.world.thaw()
    assert not is_told(scene, 0.9)
    assert is_told(scene, 3.0)


@pytest.mark.parametrize("peer", [A, B])  # B is too young to be listed
@pytest.mark.parametrize("seconds, ahead, is_another", [
    (0.5, 0.0, False), (2.5, 0.0, True), (0.5, 60.0, False), (2.5, -60.0, False)])
def test_what_is_found_seconds_after_a_death_is_the_death_of_another_life(
        peer, seconds, ahead, is_another):
    scene = ProgramScene(SEED)
    seed = seed_of(scene, SEED, LISTED)
    scene.run(1.0)
    for _ in range(2):
        found_at = scene.node.time() + ahead
        seed.ends[0].say(f"Dead Node:{peer}:{found_at:.6f}:{C}", f"peer list:{LISTED}")
        scene.run(seconds)
    assert scene.program.of("death") == [peer, peer][:1 + is_another]


@pytest.mark.parametrize("seeds, seconds", [([SEED], 3.0), ([SEED, OTHER, B], 1.2)])
def test_one_that_has_left_is_not_dead_because_its_goodbye_waits_for_a_slow_program(seeds, seconds):
    scene = ProgramScene(*seeds, backlog=5, waits=True, liveness_interval=1.0)
    listing = [seed_of(scene, seed, LISTED) for seed in seeds]
    scene.run(3.0)
    end = neighbour(scene, A)
    end.say(*[gossip(C, number) for number in range(1, 20)])
    scene.run(1.2)
    end.say(f"leave:{A}")
    for seed in listing:  # that one of three that does not list the program may be asked first
        seed.replies["peer list"] = "peer list:"
    scene.run(seconds)
    kill(end)
    assert not is_told(scene, 20.0)


def test_one_that_is_killed_while_many_neighbours_are_silent_is_reported():
    scene = ProgramScene(SEED, liveness_interval=1.0, capacity="fixed:2")
    others = [f"127.0.0.1:{port}" for port in range(6001, 6005)]
    seed = seed_of(scene, SEED)
    scene.run(0.1)
    for port in range(7001, 7012):  # more than rows without a link are kept
        end = neighbour(scene, f"127.0.0.1:{port}")
        end.machine.is_alive = False
        end.break_off()
    ends = {other: neighbour(scene, other) for other in others}  # so that no place is free
    seed.ends[0].say("peer list:" + ":".join(others).replace(":6", "#6"))
    scene.run(0.1)
    kill(ends[C])
    assert seed.ends[0].hear_until(f"Dead Node:{C}:")


@pytest.mark.parametrize("happens, count", [
    (lambda scene, end: None, 1),
    (lambda scene, end: scene.net.cut(frozenset([parse_address(A)])), 0),
    (lambda scene, end: scene.node.peer_list.discard(parse_address(A)), 0),
    (lambda scene, end: [death(end, A), end.say(f"peer list:{LISTED}")], 0),  # it is behind
    (lambda scene, end: scene.node.leave(), 0)])
def test_a_refused_dial_is_reported_if_a_list_names_the_peer_and_that_is_news(happens, count):
    scene = ProgramScene(SEED, liveness_interval=1.0)
    seed = seed_of(scene, SEED)
    scene.run(0.5)
    scene.net.slow[parse_address(A)] = 0.5  # so that a dial takes a second
    seed.ends[0].say(f"peer list:{LISTED}")
    scene.run(0.3)
    happens(scene, seed.ends[0])
    told = seed.ends[0].hear_all(2.4)  # until before the third dial
    assert sum("Dead Node" in line for line in told) == count


@pytest.mark.parametrize("pause, ago, is_dead", [
    (0.1, 0.1, True), (2.1, 0.1, False), (0.1, 2.0, False)])
def test_one_that_a_seed_has_called_dead_is_dead_once_its_link_breaks_though_it_listens_again(
        scene, pause, ago, is_dead):
    scene.run(1.0)
    end = neighbour(scene, A)
    scene.run(1.0)
    scene.seed.ends[0].say(f"Dead Node:{A}:{scene.node.time() - ago:.6f}:{C}")
    scene.run(pause)
    assert not scene.program.of("death")
    end.break_off()  # by its end, which is read late; what answers is its next life
    assert is_told(scene, 0.1) == is_dead
    scene.run(20.0)
    assert scene.program.of("death") == [A][:is_dead]


def test_a_list_from_before_a_death_shows_no_return():
    scene = ProgramScene(SEED, OTHER)
    seeds = [seed_of(scene, seed) for seed in (SEED, OTHER)]
    scene.run(1.0)
    ends = [machine.ends[0] for machine in seeds]
    ends[0].say(f"peer list:{LISTED}")
    death(ends[0], A)
    scene.run(0.1)
    ends[1].say(f"peer list:{LISTED}")  # it is behind, and has not named A before
    death(ends[1], A)
    scene.run(0.1)
    assert scene.program.of("death") == [A]


# Seeds in programs.

@pytest.fixture
def listed() -> Scene:
    """A seed in a program that lists A and B, over the connections `ends`."""
    scene = Scene(program_seed_class(Seed), seeds=["127.0.0.2:8001"])
    scene.ends = [registered(scene, peer) for peer in (A, B)]
    return scene


def test_a_seed_that_finds_a_listed_peer_dead_tells_the_others_before_its_next_life_answers(listed):
    kill(listed.ends[0])
    listed.run(0.05)
    listed.machine(A).dial().say(f"register:{A}")
    told = listed.ends[1].hear(0.1)
    assert told.startswith(f"Dead Node:{A}:") and told.endswith(f":{listed.node.address}")
    listed.ends[1].say(f"Dead Node:{A}:{told.split(':')[3]}:{B}")
    assert listed.event("rejected:").endswith(":it answers")
    assert listed.ends[1].hear_all(5.0) == [] and len(listed.events("passed on:")) == 1


@pytest.mark.parametrize("leaves, answers", [(True, False), (False, True), (False, None)])
def test_a_seed_tells_of_nobody_that_has_left_or_whose_address_refuses_nothing(
        listed, leaves, answers):
    if leaves:
        listed.ends[0].say(f"leave:{A}")
    else:
        listed.ends[0].machine.is_alive = answers
        listed.ends[0].break_off()
    assert listed.ends[1].hear_all(10.0) == []


@pytest.mark.parametrize("overrides, is_told_on", [((Served,), True), ((), False)])
def test_a_served_seed_looks_into_what_another_says_of_who_is_not_listed(overrides, is_told_on):
    scene = Scene(program_seed_class(Seed, *overrides), seeds=["127.0.0.2:8001"])
    end = registered(scene, A)
    report = f"Dead Node:{B}:1.000000:{C}"
    scene.machine("127.0.0.2:7001", listens=False).dial().say(report)
    assert end.hear(5.0) == (report if is_told_on else None)


def test_a_young_seed_does_not_say_that_there_is_nobody_else():
    scene = Scene(program_seed_class(Seed, Served))
    end = registered(scene, A)
    end.say("peer list")
    assert end.hear(YOUNG - 0.1) is None and end.hear(0.2) == "peer list:"
    other = registered(Scene(program_seed_class(Seed, Served)), A)
    registered(other.scene, B)
    other.say("peer list")
    assert other.hear(0.1) == "peer list:127.0.0.1#6002"
