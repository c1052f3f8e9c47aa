"""Dead reports at a seed: it believes nobody, probes, tells its peers, and other seeds once."""

import pytest

import grapevine.seed
from grapevine.seed import Seed
from tests.tools.virtual import NODE, TIME, End, Machine, Scene, registered

DEAD, A, B = "127.0.0.1:6001", "127.0.0.1:6002", "127.0.0.1:6003"
OTHER_SEED = "127.0.0.2:8001"


def report(reporter: str, dead: str = DEAD) -> str:
    return f"Dead Node:{dead}:{TIME}:{reporter}"


def scene_of_a_death(seeds=(), **settings) -> Scene:
    """Return a scene with two registered peers, `ends`, and a third one that answers nobody."""
    scene = Scene(Seed, seeds=seeds, **settings)
    scene.ends = [registered(scene, peer) for peer in (A, B)]
    scene.dead = registered(scene, DEAD)
    scene.dead.machine.is_alive = False
    return scene


def seeds_connection(scene: Scene, ip: str = "127.0.0.2") -> End:
    """Return a connection from the IP of the other seed, as one over which it tells of deaths."""
    return scene.machine(f"{ip}:7001", listens=False).dial()


def rejections(scene: Scene) -> list[str]:
    return [event.rpartition(":")[2] for event in scene.events("rejected:")]


def test_a_reported_peer_that_answers_no_probe_is_removed_and_all_peers_are_told():
    scene = scene_of_a_death()
    scene.ends[0].say(report(A))
    assert scene.event("dead report:") == f"dead report:{report(A)}"
    assert scene.event("removed:", 4.4) == f"removed:{DEAD}:dead"
    assert 4.2 < scene.now  # after all stages of the probe
    assert scene.event("passed on:") == f"passed on:{report(A)}"
    assert [end.hear() for end in scene.ends] == [report(A)] * 2
    assert scene.dead.ends_within(0.1)


@pytest.mark.parametrize("dead, reason", [
    (DEAD, "it answers"), (DEAD, "it has left"), ("127.0.0.1:9999", "not registered here")])
def test_a_report_of_who_answers_or_has_left_or_was_not_here_is_rejected(dead, reason):
    """A neighbour may have lost a goodbye."""
    scene = scene_of_a_death()
    scene.dead.machine.is_alive = reason == "it answers"
    if reason == "it has left":
        scene.dead.say(f"leave:{DEAD}")
        scene.run(0.1)
    scene.ends[0].say(report(A, dead))
    assert scene.event("rejected:", 5.0) == f"rejected:{report(A, dead)}:{reason}"
    scene.run(5.0)
    assert scene.events("removed:") == [f"removed:{DEAD}:left"] * (reason == "it has left")
    assert scene.events("passed on:") == scene.ends[1].lines == []


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_report_of_a_stranger_or_in_anothers_name_is_rejected_without_a_probe(is_listed):
    scene = scene_of_a_death(seeds=[OTHER_SEED])
    dead = DEAD if is_listed else "127.0.0.1:9999"
    scene.machine("127.0.0.3:6001").dial().say(report(A, dead))
    scene.ends[0].say(report(B, dead))
    registered(scene, "127.0.0.2:6001").say(report(B, dead))  # at the IP of a seed
    scene.run(5.0)
    assert rejections(scene) == ["neither a peer's own report nor a seed's"] * 3
    assert scene.events("removed:") == [] and len(scene.dead.machine.ends) == 1


def test_two_reports_of_one_death_share_a_probe_and_a_later_one_needs_none():
    scene = scene_of_a_death(seeds=[OTHER_SEED])
    other = scene.machine(OTHER_SEED)
    scene.ends[0].say(report(A))
    scene.ends[1].say(report(B))
    scene.run(7.0)
    scene.ends[1].say(report(B))
    scene.run(7.0)
    assert other.said == [report(A)]
    assert len(scene.dead.machine.ends) == 1 + 3  # three stages, one probe in each
    assert [end.lines for end in scene.ends] == [[report(A)]] * 2
    assert len(scene.events("dead report:")) == 3 and rejections(scene) == []


def test_a_peer_that_registers_again_during_the_probe_of_a_report_stays():
    scene = scene_of_a_death()
    scene.ends[0].say(report(A))
    scene.run(1.0)
    scene.dead.hang_up()
    scene.run(0.1)
    again = scene.dead.machine.dial()
    scene.dead.machine.is_alive = True
    again.say(f"register:{DEAD}")
    assert again.hear(3.0) == "registered successfully"
    scene.dead.machine.is_alive = False
    assert scene.event("rejected:", 5.0) == f"rejected:{report(A)}:not registered here"
    assert scene.events("removed:") == scene.events("passed on:") == []
    assert not again.ends_within(1.0)


def test_a_peer_that_leaves_during_the_probe_of_a_report_is_not_dead():
    scene = scene_of_a_death()
    scene.ends[0].say(report(A))
    scene.run(1.0)
    scene.dead.say(f"leave:{DEAD}")
    assert scene.event("rejected:", 5.0) == f"rejected:{report(A)}:not registered here"
    assert scene.events("removed:") == [f"removed:{DEAD}:left"]
    assert scene.events("passed on:") == []


# Budgets.

def test_a_seed_reads_100_reports_at_once_of_each_peer_and_50_of_all_strangers():
    scene = scene_of_a_death()
    strangers = [scene.machine(f"127.0.0.{at}:6001", listens=False).dial() for at in (3, 4)]
    for end in [*strangers, *scene.ends]:
        end.say(*[report(A, "127.0.0.1:9999")] * 190)
    scene.run(0.1)
    read = len(scene.events("dead report:"))
    assert len(scene.ends) * 100 + 50 <= read <= len(scene.ends) * 101 + 56
    assert scene.node.status()["reports not read"] == 190 * (2 + len(scene.ends)) - read
    scene.ends[0].say(*[report(A, "127.0.0.1:9999")] * 200)
    scene.run(1.0)
    later = len(scene.events("dead report:")) - read
    assert 4 <= later <= 70 and all(end.closed is None for end in scene.ends)


def test_a_peer_that_registers_anew_has_no_new_budget_for_reports():
    scene = scene_of_a_death()
    end, reports = scene.ends[0], [report(A, "127.0.0.1:9999")] * 190
    end.say(*reports)
    scene.run(0.1)
    read = len(scene.events("dead report:"))
    end.hang_up()
    again = end.machine.dial()
    again.say(f"register:{end.machine.address}")
    assert again.hear_until("registered")
    again.say(*reports)
    scene.run(0.1)
    assert len(scene.events("dead report:")) - read < 20


# Other seeds.

def test_a_death_that_a_peer_found_is_told_to_all_other_seeds_over_a_short_connection():
    scene = scene_of_a_death(seeds=[NODE, OTHER_SEED, "127.0.0.3:8001"])
    others = [scene.machine(seed) for seed in (OTHER_SEED, "127.0.0.3:8001")]
    scene.ends[0].say(report(A))
    scene.run(5.0)
    assert len(scene.events("dead report:")) == 1  # it does not tell itself
    for other in others:
        assert other.said == [report(A)]
        assert other.ends[0].closed == "closed by the other end"


def test_a_death_that_a_seed_tells_of_is_told_to_peers_alone_until_a_peer_reports_it():
    scene = scene_of_a_death(seeds=[OTHER_SEED])
    other = scene.machine(OTHER_SEED)
    seeds_connection(scene).say(report("127.0.0.1:6099"))
    assert scene.event("removed:", 5.0) == f"removed:{DEAD}:dead"
    scene.run(2.0)
    assert [end.hear_all(0.0) for end in scene.ends] == [[report("127.0.0.1:6099")]] * 2
    assert other.said == []
    scene.ends[0].say(report(A))
    scene.run(5.0)
    assert other.said == [report(A)]
    assert [end.lines for end in scene.ends] == [[report(A)]] * 2
    scene.ends[1].say(report(B))
    seeds_connection(scene).say(report("127.0.0.1:6098"))
    scene.run(5.0)
    assert other.said == [report(A)]
    assert [end.lines for end in scene.ends] == [[report(A)]] * 2


def test_a_seed_that_cannot_be_reached_is_not_told_and_nothing_is_kept_for_it():
    scene = scene_of_a_death(seeds=[OTHER_SEED])
    scene.ends[0].say(report(A))
    assert scene.event("not told:", 5.0) == f"not told:{OTHER_SEED}:Connection refused"
    other = scene.machine(OTHER_SEED)
    scene.dead.machine.is_alive = True
    scene.dead.machine.dial().say(f"register:{DEAD}")
    assert scene.event("registered:") == f"registered:{DEAD}"
    scene.dead.machine.world.kill()
    scene.run(2.0)
    scene.ends[0].say(report(A))
    scene.run(5.0)
    assert other.said == [report(A)]


def test_a_seed_is_believed_where_its_name_leads_which_is_looked_up_silently():
    scene = scene_of_a_death(seeds=["seed-b:8001"])
    scene.dead.machine.is_alive = True
    scene.run(30.0)
    assert scene.events("not told:") == [], "it leads nowhere yet"
    for ip in "127.0.0.2", "127.0.0.9":
        scene.machine(f"{ip}:8001")
        scene.name("seed-b:8001", f"{ip}:8001")
        scene.run(27.0)  # two rounds
    scene.dead.machine.is_alive = False
    seeds_connection(scene, "127.0.0.2").say(report("127.0.0.4:6001"))
    assert scene.event("rejected:").endswith(":neither a peer's own report nor a seed's")
    seeds_connection(scene, "127.0.0.9").say(report("127.0.0.4:6001"))
    assert scene.event("removed:", 5.0) == f"removed:{DEAD}:dead"


def sixty_deaths() -> tuple[Scene, Machine]:
    """Return a scene in which a peer reports so many, and another seed, which is to be told."""
    scene = scene_of_a_death(seeds=[OTHER_SEED])
    other = scene.machine(OTHER_SEED)
    ghosts = [registered(scene, f"127.0.0.1:{port}") for port in range(7001, 7061)]
    for ghost in ghosts:
        ghost.machine.world.kill()
    scene.ends[0].say(*[report(A, str(ghost.machine.address)) for ghost in ghosts])
    return scene, other


def test_at_most_25_deaths_a_second_are_told_to_a_seed():
    scene, other = sixty_deaths()
    for count in (25, 50, 60):
        scene.run(0.9)
        assert len(set(other.said)) == len(other.said) == count
    scene.run(5.0)
    assert len(other.said) == 60 and len(other.ends) == 3


def test_the_deaths_that_wait_for_a_seed_have_a_bound(monkeypatch):
    monkeypatch.setattr(grapevine.seed, "RELAY_LIMIT", 30)
    scene, other = sixty_deaths()
    scene.run(5.0)
    assert 30 <= len(other.said) < 60
    assert scene.node.status()["deaths not told"] == 60 - len(other.said)
