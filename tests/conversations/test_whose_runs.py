"""Whose run it is: most seeds name it, or its address proves it to a dial."""

import pytest

from grapevine.signing.peer import SignedPeer
from grapevine.signing.seed import VouchingSeed
from tests.tools.signing import KeyMachine, SeedMachine, neighbour, run_of, signed, signer
from tests.tools.virtual import NODE, TIME, Scene, registered

A, B, ORIGIN, DEAD = "127.0.0.1:6001", "127.0.0.1:6002", "127.0.0.1:6101", "127.0.0.1:6102"
SEEDS = ["127.0.0.1:8001", "127.0.0.1:8002", "127.0.0.1:8003"]
KEY = signer(DEAD)


def scene_with_seeds(*named: bool | None, **settings):
    """Return a scene, a machine and the end of a neighbour; and seeds, of which each names the run
    of KEY, or not, or is mute."""
    scene = Scene(SignedPeer, seeds=SEEDS[:len(named)], **settings)
    seeds = [SeedMachine(scene, address) for address in SEEDS[:len(named)]]
    for seed, is_named in zip(seeds, named):
        seed.runs = None if is_named is None else {DEAD: [5, KEY.start] if is_named else [5]}
    scene.event("registered:")
    machine, end = neighbour(scene, A)
    return scene, machine, end, seeds


def of_dead(*texts: str) -> str:
    return signed(DEAD, KEY, 1, *texts)


def runs_without_end(liar, count: int, at: int = 0) -> None:
    """Offer messages of unknown runs, each of another address."""
    entries = [f"127.0.{at}.{n // 100 + 1}:{n % 100 + 1}:7=1" for n in range(count)]
    liar.say(f"status:seen:{' '.join(entries)}")


def questions(machine, address: str = DEAD) -> list[str]:
    return [line for line in machine.said if line.startswith(f"runs:{address}:")]


@pytest.mark.parametrize("named", [(True, True, False), (True, True, None), (None, True, True)])
def test_a_run_that_most_seeds_name_is_genuine_and_its_lines_are_fetched_at_once(named):
    scene, _, end, seeds = scene_with_seeds(*named)
    end.say(of_dead("hello", "again"))
    assert end.hear() == f"status:want:{run_of(DEAD, KEY)}=1-2"
    assert scene.events("received:") == []
    end.say(of_dead("hello", "again"), "status:sent")
    assert scene.event(f"received:{A}:") and len(scene.events("received:")) == 2
    assert questions(seeds[1]) == [f"runs:{DEAD}:{KEY.start}"]


@pytest.mark.parametrize("named", [
    (False, False, False), (False, False, True), (False, None, False)])
def test_a_run_that_most_seeds_do_not_name_is_denied_and_rests(named):
    scene, _, end, seeds = scene_with_seeds(*named)
    end.say(of_dead("hello"))
    assert scene.event(f"unconfirmed:{run_of(DEAD, KEY)}", 5.0)
    asked = len(questions(seeds[0]))
    end.say(of_dead("hello"))
    scene.run(1.0)
    assert len(questions(seeds[0])) == asked
    for seed in seeds:
        seed.runs = {DEAD: [KEY.start]}
    scene.run(15.0)
    end.say(of_dead("hello"))
    assert end.hear_until("status:want:")
    assert end.closed is None and scene.events("corrupt:") == []


def test_a_run_that_is_denied_and_offered_all_the_time_is_asked_about_ever_more_rarely():
    """Seeds that began anew know no run of a peer that has ended, which neighbours offer for ever.
    """
    scene, _, end, [seed] = scene_with_seeds(False)
    for _ in range(240):
        end.say(f"status:seen:{run_of(DEAD, KEY)}=1")
        scene.run(5.0)
    asked = len(questions(seed))
    assert 4 <= asked <= 8
    assert scene.events("unconfirmed:") == [f"unconfirmed:{run_of(DEAD, KEY)}"]
    end.say(of_dead("hello"))
    scene.run(1.0)
    assert len(questions(seed)) == asked + 1, "somebody says something in its name"


def test_what_was_denied_is_compared_anew_until_seeds_name_it():
    scene, machine, end, [seed] = scene_with_seeds(False, antientropy_interval=100.0)
    machine.replies[f"status:show:{'f' * 16}"] = f"status:seen:{run_of(DEAD, KEY)}=1"
    for _ in range(15):
        end.say(f"status:digest:{'f' * 32}")
        scene.run(2.0)
        seed.runs = {DEAD: [KEY.start]}
    assert f"status:want:{run_of(DEAD, KEY)}=1" in machine.said


@pytest.mark.parametrize("named", [(None,), (None, None, True)])
def test_where_seeds_do_not_decide_the_address_is_dialled(named):
    scene, _, end, _ = scene_with_seeds(*named)
    origin = KeyMachine(scene, ORIGIN)
    end.say(origin.signed(1, "hello"))
    assert end.hear_until("status:want:", 5.0) == f"status:want:{origin.run}=1"
    end.say(of_dead("hello"))
    assert scene.event(f"unconfirmed:{run_of(DEAD, KEY)}", 5.0)


def test_a_question_is_given_up_though_the_seed_answers_others_meanwhile():
    """Liars asked about other runs all the time: a peer missed one that seeds knew by then for as
    long, and was kicked."""
    scene, _, end, [seed] = scene_with_seeds(False)
    seed.mute_about = {KEY.start}
    end.say(of_dead("hello"))
    for start in range(1, 9):
        end.say(f"status:seen:{ORIGIN}:{start}=1")
        scene.run(0.5)
    assert scene.event(f"unconfirmed:{run_of(DEAD, KEY)}", 1.0)
    desk = seed.ends[-1]
    desk.say(f"runs:{DEAD}:{KEY.start}")
    scene.run(0.5)
    assert desk.closed is None, "which may be late"
    end.say(of_dead("hello"))
    assert end.hear_all(0.5) == [], "and is no answer to another question"


def test_a_seed_that_answers_what_nobody_asks_is_read_more_slowly():
    scene, _, end, [seed] = scene_with_seeds(None)
    end.say(of_dead("hello"))
    scene.run(0.1)
    desk = seed.ends[-1]
    assert questions(seed)
    for _ in range(30):
        desk.say(*[f"runs:{ORIGIN}:7"] * 1_000)
        scene.run(0.001)
    scene.run(0.1)
    asked = next(link for link in scene.node.links if link.role == "ASKED")
    assert asked.is_held


def test_seeds_are_asked_anew_when_another_brings_a_run_whose_address_is_dialled():
    """Its address is silent until seeds are given up, and then proves its run to them alone."""
    scene, _, end, seeds = scene_with_seeds(None, None, None)
    KeyMachine(scene, DEAD, is_alive=False)
    _, other = neighbour(scene, B)
    end.say(of_dead("hello"))
    scene.run(2.1)
    for seed in seeds:
        seed.runs = {DEAD: [KEY.start]}
    other.say(of_dead("hello"))
    assert end.hear_until("status:want:", 0.5) == f"status:want:{run_of(DEAD, KEY)}=1"
    scene.run(5.0)
    assert scene.events("unconfirmed:") == []


def test_a_run_of_another_key_than_is_at_home_is_denied():
    scene, _, end, _ = scene_with_seeds(None)
    origin = KeyMachine(scene, ORIGIN)
    other = signer(ORIGIN, "other")
    end.say(signed(ORIGIN, other, 1, "forged"))
    assert scene.event(f"unconfirmed:{run_of(ORIGIN, other)}", 5.0)
    assert scene.node.runs.is_genuine(origin.run.encode()), "which was found at home"


def test_two_lines_of_the_config_that_lead_to_one_seed_have_one_voice():
    scene = Scene(SignedPeer, seeds=[SEEDS[0], "seed-a:8001", SEEDS[1]])
    scene.name("seed-a:8001", SEEDS[0])
    one, two = SeedMachine(scene, SEEDS[0]), SeedMachine(scene, SEEDS[1])
    one.runs, two.runs = {DEAD: [KEY.start]}, {}
    _, end = neighbour(scene, A)
    end.say(of_dead("hello"))
    assert scene.event("unconfirmed:", 10.0)


def test_what_a_list_names_is_asked_for_ahead():
    scene = Scene(SignedPeer, seeds=SEEDS)
    listed = f"{ORIGIN}:{NODE}".replace(".1:", ".1#")
    seeds = [SeedMachine(scene, address, listed) for address in SEEDS]
    key = signer(ORIGIN)
    for seed in seeds:
        seed.runs = {ORIGIN: [key.start]}
    scene.run(2.0)
    assert scene.node.runs.is_genuine(run_of(ORIGIN, key).encode())
    assert questions(seeds[0], ORIGIN) == [f"runs:{ORIGIN}:0"]
    assert questions(seeds[0], NODE) == []


def test_a_run_that_no_seed_answers_for_keeps_no_other_run_of_its_address_waiting():
    scene, _, end, seeds = scene_with_seeds(True, True, True)
    for seed in seeds:
        seed.mute_about = {7, 8, 9}
    end.say(f"status:seen:{DEAD}:7=1 {DEAD}:8=1 {DEAD}:9=1 {run_of(DEAD, KEY)}=1")
    assert end.hear_until("status:want:", 0.5) == f"status:want:{run_of(DEAD, KEY)}=1"
    assert scene.events("unconfirmed:") == [], "of the others nothing was said yet"
    assert scene.event("unconfirmed:", 5.0)


def test_a_neighbour_that_knows_more_runs_than_seeds_confirm_pays_nothing_for_it():
    scene, _, end, _ = scene_with_seeds(False, False, False)
    end.say(*[signed(DEAD, signer(DEAD, f"life {at}"), 1, "hello") for at in range(300)])
    scene.run(1.0)
    before = scene.now
    end.say(f"Liveness Request:{TIME}:{A}")
    assert end.hear_until("Liveness Reply:") and scene.now < before + 0.1
    assert 200 <= len(scene.events("unconfirmed:")) < 250, "others are asked about later"


def test_a_seed_owes_few_answers_at_a_time_and_is_asked_about_all_runs():
    scene, _, end, seeds = scene_with_seeds(True, True)
    dead = [f"127.0.1.{at}:6000" for at in range(1, 151)]
    seeds[0].runs = seeds[1].runs = None
    end.say(f"status:seen:{' '.join(f'{address}:7=1' for address in dead)}")
    scene.run(0.1)
    assert len([line for line in seeds[0].said if line.startswith("runs:127.0.1.")]) == 25, (
        "half of those that a seed may owe are left to others")
    for seed in seeds:
        seed.runs = {address: [7] for address in dead}
    wanted = set()
    while len(wanted) < 150 and (line := end.hear(10.0)):
        wanted |= {entry.partition("=")[0] for entry in line.split(":", 2)[2].split(" ")}
        end.say("status:sent")
    assert len(wanted) >= 100, "the first 25 were answered by nobody, and rest"


@pytest.mark.parametrize("is_brought_before", [False, True])
def test_runs_of_which_seeds_find_nothing_out_do_not_keep_those_of_another_neighbour_waiting(
        is_brought_before):
    """Seeds are mute about START 7, because the addresses let them wait. Who hears of a genuine run
    behind many such was late with its messages, and was kicked for it."""
    scene, _, liar, seeds = scene_with_seeds(True, True, True)
    for seed in seeds:
        seed.mute_about = {7}
    _, honest = neighbour(scene, B)
    for at, each in enumerate([liar, neighbour(scene, "127.0.0.1:6003")[1]]):
        runs_without_end(each, 100, at + 1)
    if is_brought_before:
        liar.say(f"status:seen:{run_of(DEAD, KEY)}=1")
    scene.run(0.1)
    honest.say(of_dead("hello"))
    assert scene.pass_until(lambda: scene.node.runs.is_genuine(run_of(DEAD, KEY).encode()), 0.1), (
        "it took 24 seconds")


def test_silent_addresses_keep_a_dial_that_decides_waiting_for_little():
    scene, _, liar, seeds = scene_with_seeds(None, None, None)
    for seed in seeds:
        seed.world.stop()
    for n in range(200):
        scene.machine(f"127.0.1.{n // 100 + 1}:{n % 100 + 1}").is_alive = False
    origin, (_, honest) = KeyMachine(scene, ORIGIN), neighbour(scene, B)
    runs_without_end(liar, 200, 1)
    scene.run(0.01)
    honest.say(origin.signed(1, "hello"))
    assert honest.hear_until("status:want:", 1.0), "it took as long as all others together"


@pytest.mark.parametrize("answer, reason", [
    ("runs:x", "malformed line 'runs'"), ("peer list:", "unexpected 'peer list' while ASKED"),
    ("\0", "unknown line"), (f"runs:{DEAD}:{'7,' * 40}7", "malformed line 'runs'")])
def test_a_seed_that_answers_strangely_is_refused_and_changes_nothing(answer, reason):
    scene, _, end, seeds = scene_with_seeds(True, True, None)
    end.say(of_dead("hello"))
    seeds[2].accept().say(answer)
    assert end.hear_until("status:want:")
    assert scene.event(f"refused:{SEEDS[2]}:").startswith(f"refused:{SEEDS[2]}:{reason}")


# What a seed tells.

def test_a_seed_names_the_runs_that_its_probes_have_verified():
    scene = Scene(VouchingSeed)
    machine = KeyMachine(scene, A)
    asker = scene.machine(B).dial()
    asker.say(f"runs:{A}:0")
    assert asker.hear() == f"runs:{A}:{machine.key.start}"
    later = signer(A, "later")
    machine.key, first = later, machine.key
    asker.say(f"runs:{A}:{first.start}")
    assert asker.hear() == f"runs:{A}:{first.start}", "which is known"
    asker.say(f"runs:{A}:{later.start}")
    assert asker.hear() == f"runs:{A}:{first.start},{later.start}"
    asker.say(f"runs:{DEAD}:0")
    assert asker.hear() == f"runs:{DEAD}:"
    asker.say(f"runs:{A}:1,2")
    assert asker.ends_within(0.1), "a question is about one run, or about all"


def test_who_asks_much_is_answered_in_time_and_not_cut_off():
    scene = Scene(VouchingSeed)
    machine = KeyMachine(scene, A)
    asker = scene.machine(B).dial()
    asker.say(*[f"runs:{A}:0"] * 450)
    assert asker.hear_all(4.0) == [f"runs:{A}:{machine.key.start}"] * 450
    for _ in range(4):
        scene.run(3.0)
        asker.say(f"runs:{A}:0")
        assert asker.hear()
    assert asker.ends_within(6.0), "when it asks no more"


def test_a_proof_of_another_reply_proves_nothing():
    scene = Scene(VouchingSeed)
    machine = KeyMachine(scene, A, is_alive=False)
    asker = scene.machine(B).dial()
    asker.say(f"runs:{A}:0")
    probe = machine.accept()
    time = probe.hear().split(":")[1]
    reply = f"Liveness Reply:{time}:{NODE}:{A}"
    probe.say(machine.key.proof(f"Liveness Reply:{TIME}:{NODE}:{A}").decode().rstrip(), reply)
    assert asker.hear() == f"runs:{A}:"


def test_an_address_is_probed_a_few_times_a_second_for_who_asks_and_registers_all_the_same():
    scene = Scene(VouchingSeed)
    silent = scene.machine(A)
    asker = scene.machine(B).dial()
    for start in range(1, 50):
        asker.say(f"runs:{A}:{start}")
        scene.run(0.01)
    assert len(silent.ends) <= 5, "the others get no answer, and look for themselves"
    machine = KeyMachine(scene, DEAD)
    assert registered(scene, "127.0.0.1:6200") and machine.key
