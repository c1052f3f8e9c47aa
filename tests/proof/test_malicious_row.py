"""The row about malicious peers, and what other rows make of attackers and kicks, from output files
of networks that never ran."""

import pytest

from grapevine.lab.proof import check, deaths, delivery
from grapevine.lab.proof.disturbances import FAILS, HOLDS, UNCLEAR, YET
from grapevine.lab.proof.evidence import Proof
from grapevine.lab.proof.malicious import malicious
from grapevine.lab.proof.records import Records
from tests.tools.stories import tell

HONEST = range(5001, 5010)
ATTACKERS = [5010, 5011]


def story(*lines, vow="tamper", until=40, across=(4, 5)):
    """Peers in a ring that gossip from second 5 on, of whom two attack, with links across it; and
    what else happens. `vow` is what 5011 does."""
    peers, seeds = [*HONEST, *ATTACKERS], (8001, 8002)
    told = [f"0 {seed} starts" for seed in seeds]
    told += [f"{second} {seed} load:100:30/20.0:3:1.5" for seed in seeds
             for second in (1, until)]
    for peer, other in zip(peers, [*peers[1:], peers[0]]):
        told += [f"1 {peer} starts", f"2 {peer} registered:@8001", f"2 8001 registered:@{peer}",
                 f"2.5 {peer} links {other}", f"3 {peer} lives until {until}"]
    told += ["1 5010 misbehaving:drop:0.3", f"1 5011 misbehaving:{vow}:0.3"]
    told += [f"2.5 {peer} links {HONEST[at]}" for peer in ATTACKERS for at in across]
    told += spread(5001, 5, peers, peers[1:])
    return "\n".join([*told, *lines])


def spread(origin, second, ring, hearing):
    """A peer says a message, which some hear, each from the peer before it in the ring."""
    return [f"{second} {origin} says {second}",
            *[f"{second}.1 {peer} hears {origin}/{second} from {ring[ring.index(peer) - 1]}"
              for peer in hearing if peer != origin]]


def kicked(peer, second=13, badness="0.812"):
    return [f"{second} {seed} removed:@{peer}:malicious:{badness}" for seed in (8001, 8002)] + [
        f"{second} {peer} kicked:@8001:{badness}"]


def row(folder, *lines, capacity="rule", period="1", scenario="", **more):
    return malicious(tell(folder, story(*lines, **more), monitor="yes", report_interval=period,
                          capacity=capacity, scenario=scenario))


def test_the_row_holds_when_just_the_attackers_were_kicked(tmp_path):
    found = row(tmp_path, *kicked(5010), *kicked(5011, 15))
    assert found.verdict == HOLDS and found.details == []
    assert found.figures == (
        "kicked 2 of 2 attackers, missed 0, late 0, and falsely 0 of 9 honest peers; after 9.0 "
        "periods (median), 10.0 (max); 1.5 hops, load of seeds 1.50 times the mean at most, 12 "
        "rows moved; 8 deliveries among honest peers")


@pytest.mark.parametrize("kick, lines, how, verdict", [
    # a seed that begins meanwhile gives six periods more
    (24, [], {}, FAILS), (24, ["10 8003 starts"], {}, HOLDS),
    # who attacks half of the time has a pause more
    (25, [], {"vow": "onoff"}, HOLDS), (25.1, [], {"vow": "onoff"}, FAILS),
    # where peers have three links, it may come later
    (30, [], {"capacity": "fixed 3"}, HOLDS), (None, [], {"capacity": "fixed 3"}, FAILS),
    # who has fewer than three honest neighbours need not be kicked
    (None, [], {"across": (4,)}, HOLDS), (None, ["15 5011 parts 5005 full"], {}, UNCLEAR),
    (None, ["25 5011 parts 5005 full"], {}, FAILS),
    (None, ["15 5011 parts 5005 full", "17 5011 links 5005", "18 5001 says 18"], {}, FAILS),
    (None, ["18 5011 parts 5005 full", "20 5011 links 5005", "21 5001 says 21",
            "36 5011 parts 5005 full"], {}, UNCLEAR),
    # an honest peer leaves attackers alone
    (13, ["20 5001 unconfirmed:@5011", "20 5002 unconfirmed:@5010"], {}, HOLDS),
    (13, ["20 5001 unconfirmed:@5003:1"], {}, HOLDS),  # a run that nobody confirmed
    # while the attacker or a seed is late, time does not run
    (25, ["24 5011 late:7.000"], {}, HOLDS), (25, ["24 5011 late:3.000"], {}, FAILS),
    (25, ["4.9 5011 late:3.500"], {}, FAILS), (25, ["24 8001 late:7.000"], {}, HOLDS),
    (25, ["24 5002 late:7.000"], {}, FAILS),
    (25, ["24 8001 late:3.000", "24 5011 late:3.000"], {}, FAILS),
    # nor while some nodes cannot reach the others
    (25, [], {"scenario": "14 cut:@5003 \n 18 mend:@5003"}, HOLDS),
    (25, [], {"scenario": "14 cut:@5003 \n 17 mend:@5003"}, FAILS),
    # two texts convict within two periods, or five seconds
    (9.9, spread(5011, 5, [], []), {"vow": "twotexts"}, HOLDS),
    (10.1, spread(5011, 5, [], []), {"vow": "twotexts"}, FAILS),
    (24.9, spread(5011, 5, [], []), {"vow": "twotexts", "period": "10"}, HOLDS),
    (25.1, spread(5011, 5, [], []), {"vow": "twotexts", "period": "10"}, FAILS)])
def test_an_attacker_is_kicked_in_time(tmp_path, kick, lines, how, verdict):
    found = row(tmp_path, *kicked(5010), *(kicked(5011, kick) if kick else ()), *lines, **how)
    assert found.verdict == verdict, found


def test_a_thread_of_an_attacker_may_not_fail_either(tmp_path):
    proof = tell(tmp_path, story("12 5010 failed:liveness:ValueError"), monitor="yes")
    assert check.threads(proof).details == ["127.0.0.1:5010: liveness:ValueError"]


def test_no_settings_of_a_file_end_the_check(tmp_path):
    proof = tell(tmp_path, story("20 5001 finds 5002 dead"), monitor="yes", report_interval="0",
                 liveness_misses="1000000000000")
    assert "127.0.0.1:5001 found 127.0.0.1:5002 dead without 1000000000000 misses in a row" in (
        deaths.dead(proof).details)
    assert malicious(proof).figures.startswith("kicked 0 of 2 attackers")
    (tmp_path / "short").mkdir()
    proof = tell(tmp_path / "short", "0 5001 starts \n 2 5001 dead:@5002:1.0",
                 gossip_interval="1e-320", liveness_misses="0")
    assert (delivery.gossips(proof).verdict, deaths.dead(proof).verdict) == (HOLDS, FAILS)


@pytest.mark.parametrize("lines, failure", [
    (kicked(5010), "127.0.0.1:5011 (tamper) was not kicked in 35 periods"),
    ([*kicked(5010), *kicked(5011, 25)],
     "127.0.0.1:5011 (tamper) was kicked only after 20.0 periods"),
    ([*kicked(5010), *kicked(5011), *kicked(5003, badness="0.250")],
     "127.0.0.1:5003 was kicked with a badness of 0.250, and is honest"),
    ([*kicked(5010), *kicked(5011), "20 5001 unconfirmed:@5003"],
     "127.0.0.1:5001 had to leave 127.0.0.1:5003 alone, which is honest, too"),
    ([*kicked(5010), *kicked(5011), "20 5003 kicked:@8001:0.900"],
     "127.0.0.1:5003 was told that it is kicked, and no seed has kicked it")])
def test_the_row_names_who_was_missed_and_who_was_wronged(tmp_path, lines, failure):
    found = row(tmp_path, *lines)
    assert found.verdict == FAILS and found.details == [failure]


@pytest.mark.parametrize("noticed, event", [
    (4, "unregistered:@8001:no answer to register"), (5, "dies")])
@pytest.mark.parametrize("lost, verdict", [(14, FAILS), (12, UNCLEAR)])
def test_who_reached_no_seed_may_have_been_left_alone(tmp_path, lost, verdict, noticed, event):
    found = row(tmp_path, *kicked(5010), *kicked(5011), "20 5001 unconfirmed:@5003",
                f"{lost + noticed} 5003 {event}")
    assert found.verdict == verdict
    assert found.details[0].endswith(": it reached no seed for 8.0 s") == (verdict == UNCLEAR)


def test_before_a_peer_began_it_needed_no_seed(tmp_path):
    assert row(tmp_path, *kicked(5010), *kicked(5011), "7 5001 unconfirmed:@5003").verdict == FAILS


@pytest.mark.parametrize("late, early", [
    ("24 5011 late:6.000", False), ("39 5011 late:26.000", True),
    ("4.9 5011 late:4.800 \n 39 5011 late:18.000", False)])
def test_who_was_not_kicked_is_missed_when_it_was_on_time_for_too_long(tmp_path, late, early):
    found = row(tmp_path, *kicked(5010), late)
    assert found.verdict == (UNCLEAR if early else FAILS)
    assert found.details[0].endswith("was not kicked (yet)") == early
    assert found.figures.startswith("kicked 1 of 2 attackers, " + (
        "too early to say of 1, missed 0," if early else "missed 1, late 0,"))


@pytest.mark.parametrize("reporters, holds", [
    ("5010 5011 5002", True), ("5010 5001 5002", False), ("5010 5011 5001 5002", True)])
def test_an_honest_peer_may_be_kicked_if_half_of_its_reporters_attack(tmp_path, reporters, holds):
    rates = " ".join(f"127.0.0.1#{port}=0.500" for port in reporters.split())
    found = row(tmp_path, *kicked(5010), *kicked(5011), *kicked(5003),
                f"13 8001 verdict:@5003:0.500:{rates}",
                "14 8001 verdict:@5004:0.500:127.0.0.1#5001=0.500")
    assert found.verdict == (HOLDS if holds else FAILS)
    assert (", and falsely 0 of 9 honest peers, 1 more by liars; " in found.figures) is holds


def untrue(*seconds):
    """5011 reports a living peer dead, which answers the seed."""
    report = "Dead Node:@5003:1.000000:@5011"
    return [line for second in seconds for line in (
        f"{second} 8001 dead report:{report}", f"{second}.2 8001 rejected:{report}:it answers")]


KEPT = ["127.0.0.1:5001 has kept 127.0.0.1:5011 (mute), which names no neighbour"]
BELIEVED = ["seed 127.0.0.1:8001 did not disbelieve 127.0.0.1:5011 (falsedead)"]
REMOVED = ["seed 127.0.0.1:8001 removed 127.0.0.1:5003, which lived"]


@pytest.mark.parametrize("vow, lines, failures", [
    ("mute", [], KEPT),
    ("mute", ["12 5001 parts 5011 unconfirmed", "12 5001 unconfirmed:@5011"], []),
    ("mute", ["29 8001 behind:0.200"], []),
    ("mute", ["27 8001 behind:0.200", "29 8001 late:1.500"], KEPT),
    ("mute", [f"{second} 5001 late:1.900" for second in range(8, 40, 2)], []),
    ("mute", [f"{second} 5001 late:1.900" for second in range(32, 40, 2)], KEPT),
    ("falsedead", untrue(6, 7), []), ("falsedead", untrue(6, 7, 8), BELIEVED),
    ("falsedead", [*untrue(6, 7, 8), "8.2 8001 disbelieved:@5011"], []),
    ("falsedead", untrue(6, 10, 14), []),
    ("falsedead", [*untrue(6, 7, 8), "7.5 5011 unregistered:@8001:closed"], []),  # a seed told of 8
    ("falsedead", [*untrue(6, 7), untrue(8)[1].replace("it answers", "not registered here")], []),
    ("falsedead", [*untrue(6), "7 8001 removed:@5003:dead",
                   untrue(9)[0].replace("5011", "5001")], REMOVED),
    ("falsedead", [*untrue(6, 7), untrue(8)[1].replace("5011", "5001")], []),  # of another peer
    ("falsedead", [*untrue(6, 7, 8), "12 8001 disbelieved:@5011", "8.2 8002 disbelieved:@5011"],
     BELIEVED)])
def test_who_is_silent_or_reports_the_living_dead_is_not_kicked_but_left_alone(tmp_path, vow, lines,
                                                                               failures):
    found = row(tmp_path, *kicked(5010), *lines, vow=vow, across=() if vow == "mute" else (4, 5))
    assert found.details == failures and found.verdict == (FAILS if failures else HOLDS)


def test_other_rows_hold_attackers_to_nothing(tmp_path):
    """They lack a message, repeat one, have said one that no file tells of, and die unburied."""
    text = story(*spread(5002, 6, [*HONEST, 5011], HONEST),
                 "6.2 5010 hears 5002/6 from 5009", "6.3 5010 hears 5002/6 from 5009",
                 "7 5001 hears 5011/9 from 5011", until=40)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("3 5010 lives"))
    proof = tell(tmp_path, text, monitor="yes")
    for make in (delivery.gossips, delivery.broadcast, delivery.once, deaths.dead):
        assert make(proof).verdict == HOLDS, make(proof)


@pytest.mark.parametrize("others, holds", [((5010, 5011), True), ((5010, 5001), False)])
def test_who_has_attackers_alone_as_neighbours_need_not_hear_all(tmp_path, others, holds):
    text = story("1 5012 starts", "2 5012 registered:@8001", "2 8001 registered:@5012",
                 *[f"2.5 5012 links {other}" for other in others], "3 5012 lives until 40")
    found = delivery.broadcast(tell(tmp_path, text, monitor="yes"))
    assert found.verdict == (HOLDS if holds else FAILS)
    assert holds or found.details == ["127.0.0.1:5001:1:5 did not reach 127.0.0.1:5012"]


@pytest.mark.parametrize("monitor, word", [("yes", "alive"), ("no", "misbehaving")])
def test_without_its_word_or_if_nobody_monitors_an_attacker_is_held_to_all(tmp_path, monitor, word):
    text = story("6.2 5010 hears 5001/5 from 5009").replace("misbehaving", word)
    assert delivery.once(tell(tmp_path, text, monitor=monitor)).verdict == FAILS


@pytest.mark.parametrize("stated, details", [
    ("0 attack:@5010:drop\n0 attack:@5011:tamper", []),
    ("0 attack:@5010:drop", ["127.0.0.1:5011 says that it attacks, and scenario.txt does not"])])
def test_whose_word_alone_makes_it_an_attacker_may_have_been_excused_by_hand(
        tmp_path, stated, details):
    found = check.files(tell(tmp_path, story(), scenario=stated, monitor="yes"))
    assert found.details == details and found.verdict == (UNCLEAR if details else HOLDS)


def test_the_run_of_a_peer_that_was_kicked_ends_with_its_kick(tmp_path):
    """It is not dead, lacks no later message, and nobody has to know what it says later."""
    text = story(*kicked(5003), *kicked(5010), *kicked(5011), "14 5002 links 5004",
                 *spread(5002, 20, [5002, 5004, *range(5005, 5010), 5011, 5001],
                         [peer for peer in HONEST if peer not in (5002, 5003)]),
                 "30 5003 says 7", "30 5002 hears 5003/7 from 5003",
                 "30.1 5001 hears 5003/7 from 5002")
    proof = tell(tmp_path, text, monitor="yes")
    run = next(run for run in proof.peers if run.address.endswith(":5003"))
    assert run.ended == "kicked" and run.last == run.first + 12 and not run.is_dead
    assert not run.generated and not any(run.is_dead for run in proof.peers)
    assert delivery.broadcast(proof).verdict == HOLDS, delivery.broadcast(proof)
    assert deaths.dead(proof).verdict == HOLDS


@pytest.mark.parametrize("line", [
    "removed:@5010:malicious:x", "load:1:2:3:4:5", "load:1:2/3:4:", "judged:x", "judged:@5010=1",
    "removed:", "removed:nobody", "load:"])
def test_damaged_lines_are_passed_over(tmp_path, line):
    seed = tell(tmp_path, f"0 8001 starts\n1 8001 {line}\n2 5001 starts").seeds[0]
    assert not seed.kicks and not seed.told("load") and not any(found for _, found in seed.judged)


def test_a_seed_tells_the_badness_of_whom_it_judges(tmp_path):
    seed = tell(tmp_path, "0 8001 starts\n1 8001 judged:127.0.0.1#5010=0.250 [::1]#5011=1.000\n"
                          "1 5001 starts").seeds[0]
    assert seed.judged[0][1] == {"127.0.0.1:5010": 0.25, "[::1]:5011": 1.0}


TOLD = [*kicked(5011), "13 5010 kicked:@8001:0.812"]  # and no seed has


@pytest.mark.parametrize("lines, vow, peer", [
    (kicked(5010), "tamper", 5011), ([*kicked(5010), *kicked(5011, 25)], "tamper", 5011),
    ([*kicked(5010), *kicked(5011), *kicked(5003)], "tamper", 5003), (TOLD, "tamper", 5010),
    (kicked(5010), "mute", 5011), ([*kicked(5010), *untrue(6, 7, 8)], "falsedead", 8001),
    ([*kicked(5010), *kicked(5011), "20 5001 unconfirmed:@5003"], "tamper", 5003)],
    ids=["missed", "late", "falsely", "told", "kept", "believed", "left alone"])
@pytest.mark.parametrize("trouble, says", [
    ("", ""), ("12 5005 lost:3", ""), ("11 {peer} lost:3", "a full disk has refused lines of "),
    ("12 8001 lost:3", "a full disk has refused lines of "),
    ("2 5007 joins 8003", "there is no file of 127.0.0.1:8003"),
    ("2 5007 links 5020", "there is no file of 127.0.0.1:5020")])
def test_where_a_file_of_those_concerned_tells_not_all_it_is_unclear(
        tmp_path, lines, vow, peer, trouble, says):
    row(tmp_path, *lines, *filter(None, [trouble.format(peer=peer)]), vow=vow,
        across=() if vow == "mute" else (4, 5))
    for path in [*tmp_path.glob("*_8003.txt"), *tmp_path.glob("*_5020.txt")]:
        path.unlink()
    found = malicious(Proof(Records(tmp_path).refresh()))
    assert found.verdict == (UNCLEAR if says else FAILS)
    assert all(f": {says}" in words if says else words.count(": ") == 0 for words in found.details
               if not words.endswith(YET))
