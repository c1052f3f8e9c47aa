"""Rows of the proof that need few lines: latency, degrees, pieces, and how files are read."""

import math
import random

import pytest

from grapevine.addresses import address_of
from grapevine.lab.proof import check, delivery, graph
from grapevine.lab.proof.disturbances import FAILS, HOLDS, UNCLEAR
from grapevine.lab.proof.graph import Pieces, PowerLaw, fit, shares
from grapevine.lab.proof.records import Records
from grapevine.settings import capacity_of
from tests.tools.stories import PAIR, SEED, THREE, tell, verdict


@pytest.mark.parametrize("generated, healthy", [(3.0, True), (4.0, True), (4.2, False)])
def test_nothing_is_received_more_than_a_second_before_it_was_generated(tmp_path, generated,
                                                                        healthy):
    row = delivery.latency(tell(tmp_path, PAIR, f"{generated} 5001 says 7",
                                "3.1 5002 hears 5001/7 from 5001"))
    assert row.verdict == (HOLDS if healthy else FAILS)
    assert healthy or row.details == ["127.0.0.1:5001:1:7 reached 127.0.0.1:5002 1.10 s before "
                                      "127.0.0.1:5001 generated it"]


def test_deliveries_to_who_joined_later_do_not_count_as_slow(tmp_path):
    proof = tell(tmp_path, PAIR, "3 5001 says 7 \n 3.01 5002 hears 5001/7 from 5001",
                 "7 5003 starts \n 7.5 5003 links 5001 \n 8 5003 hears 5001/7 from 5001")
    times, late = delivery.latencies(proof.records)
    assert late == 1 and times == [pytest.approx(0.01, abs=1e-5)]


def test_a_peer_without_a_file_is_named_once_and_its_messages_are_no_missing_deliveries(tmp_path):
    proof = tell(tmp_path, THREE, """
        2.9 5002 connected:@5009
        3.0 5002 hears 5009/1 from 5009
        3.1 5001 hears 5009/1 from 5002
    """)
    row = delivery.broadcast(proof)
    assert row.verdict == HOLDS and row.figures.startswith("2 of 2 deliveries, ")
    row = check.files(proof, proof.records)
    assert row.verdict == UNCLEAR and row.details == ["there is no file of 127.0.0.1:5009"]


@pytest.mark.parametrize("times, awake, healthy", [
    ((1.5, 2.5, 42, 43), "41.9 5001 late:39.000", True),  # frozen for long
    ((1.5, 2.5, 7.5, 8.5), "7.4 5001 late:4.800", True),  # for 5 s
    ((1.5, 2.5, 7.5, 8.5), "1.7 5001 asks 5002", False),  # it does not say that it was frozen
    ((1.5, 2.5, 3.5, 4.5), "1.7 5001 asks 5002 until 9", False),  # it fell silent
    ((1.5, 4.0, 6.5, 9.0), "1.7 5001 asks 5002 until 9", False),  # it is slow
])
def test_a_frozen_peer_need_not_generate_and_one_that_is_awake_has_to(tmp_path, times, awake,
                                                                      healthy):
    said = "".join(f"\n {at} 5001 generated:gmessage:1.000000:@5001:1:{number}:message {number}"
                   for number, at in enumerate(times, 1))
    proof = tell(tmp_path, SEED, "0.5 5001 starts \n 1 5001 connected:@5002", awake, said,
                 gossip_count=10)
    assert delivery.gossips(proof).verdict == (HOLDS if healthy else FAILS)


@pytest.mark.parametrize("words, instead, rows", [
    (1, "3.1 5002 forbidden:@5001:gmessage:1.000000:@5001:1:1:x", []), (1, "", ["broadcast"]),
    (0, "3.1 5002 forbidden:@5001:gmessage:1.000000:@5001:1:1:x", ["broadcast"]),
    (1, "3.1 5002 forbidden:@5001:gmessage:1.000000:@5001:1:1:another text", ["broadcast"])])
def test_a_peer_that_filters_a_message_need_not_have_it(tmp_path, words, instead, rows):
    tell(tmp_path, PAIR, "3 5001 says 1", instead, filter=words)
    failing = [row.name for row in check.prove(Records(tmp_path).refresh())
               if row.verdict == FAILS and row.name != "liveness"]
    assert failing == rows


# Degrees, pieces.

def test_the_degrees_row_shows_the_exponent_that_capacities_predict(tmp_path):
    rule = "powerlaw:2.5"
    proof = tell(tmp_path, *[
        f"0 {port} starts \n 9 {port} lives \n 3 {port} degree:@{port}=>"
        f"{capacity_of(address_of('127.0.0.1', port), rule)}" for port in range(5000, 5120)],
        capacity=rule.replace(":", " "))
    law = PowerLaw(proof.records)
    assert law.fitted == law.predicted and law.degrees == law.capacities
    assert abs(law.fitted.exponent - 2.5) < 3 * law.fitted.error
    row = check.degrees(proof)
    assert f"a = {law.fitted} for k from 3 to" in row.figures and "minimum 3" in row.figures


@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_a_fit_finds_the_exponent_that_values_were_drawn_with(alpha):
    law, rng, pulls = shares(alpha, 3, 60), random.Random(1), []
    for _ in range(100):
        found = fit(rng.choices(list(law), law.values(), k=400), 3, 60)
        pulls.append((found.exponent - alpha) / found.error)
    mean = sum(pulls) / len(pulls)
    spread = math.sqrt(sum((pull - mean) ** 2 for pull in pulls) / len(pulls))
    assert abs(mean) < 0.3 and 0.8 < spread < 1.2  # the error is a standard error


def test_no_exponent_where_values_tell_none():
    assert fit([], 3, 60) is fit([4, 4, 4], 4, 4) is fit([1, 2, 99], 3, 60) is None
    assert fit([3, 3, 3], 3, 60) is None  # steeper than any


def test_pieces_agree_with_a_search_of_the_whole_graph():
    rng = random.Random(7)
    for _ in range(30):
        pieces, nodes, links = Pieces(), set(), set()
        for _ in range(200):
            node, other = rng.sample(range(12), 2)
            turn = rng.random()
            if turn < 0.2:
                pieces.add(node)
                nodes.add(node)
            elif turn < 0.25:
                pieces.remove(node)
                nodes.discard(node)
                links = {link for link in links if node not in link}
            elif turn < 0.65 and node in nodes and other in nodes:
                pieces.link(node, other)
                links.add(frozenset((node, other)))
            else:
                pieces.unlink(node, other)
                links.discard(frozenset((node, other)))
            assert len(pieces) == count_pieces(nodes, links)


def count_pieces(nodes, links):
    left, count = set(nodes), 0
    while left:
        count += 1
        todo = [left.pop()]
        while todo:
            at = todo.pop()
            found = {other for link in links if at in link for other in link} & left
            left -= found
            todo += found
    return count


RING = "\n".join([*(f"0 {port} starts \n 60 {port} lives" for port in (5001, 5002, 5003, 5004)),
                  "2 5001 links 5002", "2 5002 links 5003", "2 5003 links 5004"])


def test_the_history_tells_when_the_graph_fell_apart_and_closed_again(tmp_path):
    proof = tell(tmp_path, RING, "4 5002 parts 5003 dead \n 4 5003 parts 5002 dead",
                 "6 5001 connected:@5004 \n 6.5 5004 connected:@5001")  # a link has two ends
    row = check.pieces(proof)
    assert row.verdict == HOLDS and row.figures == (
        "in more than one piece for 2.50 s in all, 2.50 s at most at a time, 2 pieces at most; in "
        "one since 6.50 s after the start")


def test_a_link_that_stands_before_an_earlier_one_in_a_file_is_a_link_too(tmp_path):
    proof = tell(tmp_path, THREE)
    path = tmp_path / "peer_127.0.0.1_5001.txt"
    lines = path.read_text().splitlines(True)
    at = next(at for at, line in enumerate(lines) if "connected:127.0.0.1:5003" in line)
    later = lines.pop(at).replace(":06.", ":07.")
    path.write_text("".join([*lines[:3], later, *lines[3:]]))
    moved = Records(tmp_path).refresh()
    assert graph.history(moved)[-1][1] == graph.history(proof.records)[-1][1] == 1


def test_pieces_that_stay_apart_fail_and_who_leaves_is_none(tmp_path):
    gone = "4 5002 {} \n 4.1 5001 parts 5002 left \n 4.1 5003 parts 5002 left"
    records = tell(tmp_path, RING, "58 5001 leaving:@5001 \n 58.1 5002 parts 5001 left").records
    assert graph.history(records)[-1][1] == 1
    story = RING.replace("60 5002 lives", ""), gone.format("lives")
    row = check.pieces(tell(tmp_path, SEED, *story))
    assert row.verdict == FAILS and "5001 was apart from the largest piece from" in row.details[0]


@pytest.mark.parametrize("registered, came, expected", [
    (True, 10, FAILS), (True, 68, HOLDS), (False, 10, UNCLEAR)])
def test_a_registered_peer_that_never_had_a_neighbour_is_a_piece(tmp_path, registered, came,
                                                                 expected):
    """It was up with others for long, unless it came late or could reach no seed."""
    reaches = "registered:@8080" if registered else "unregistered:@8080:Connection timed out"
    assert verdict(tmp_path, SEED, PAIR, f"""
        1.0 5001 registered:@8080
        1.0 5002 registered:@8080
        {came} 5003 starts
        {came + 0.1} 5003 {reaches}
        {came + 0.2} 5003 lives until 70
    """, row=check.pieces) == expected


# Files.

def test_files_are_read_as_they_grow(tmp_path):
    tell(tmp_path, THREE, "3 5001 says 1 \n 3.1 5002 hears 5001/1 from 5001")
    texts = {path: path.read_bytes() for path in tmp_path.iterdir()}
    records = Records(tmp_path)
    for end in 100, None:  # the second time in the middle of a line
        for path, text in texts.items():
            path.write_bytes(text[:end])
        records.refresh()
    assert check.prove(records) == check.prove(Records(tmp_path).refresh())


def test_the_runs_of_a_node_are_in_order_though_files_were_renamed(tmp_path):
    tell(tmp_path, SEED, "0.5 5001 starts \n 9 5001 stopped:quit")
    first = tmp_path / "peer_127.0.0.1_5001.txt"
    first.rename(tmp_path / "peer_z.txt")
    tell(tmp_path, "20 5001 starts")
    first.rename(tmp_path / "peer_a.txt")
    runs = Records(tmp_path).refresh().peers
    assert sorted((run.ended or "", run.superseded) for run in runs) == [("", False),
                                                                        ("quit", True)]


def test_files_are_read_that_a_download_has_renamed_and_once_if_there_are_two(tmp_path):
    tell(tmp_path, THREE)
    before = check.check_folder(tmp_path)
    path = tmp_path / "peer_127.0.0.1_5001.txt"
    (tmp_path / "peer_127.0.0.1_5001 (1).txt").write_bytes(path.read_bytes())
    path.rename(tmp_path / "Anna_peer_127.0.0.1_5001.txt")
    assert check.check_folder(tmp_path) == before


def test_a_node_may_have_been_a_seed_and_a_peer(tmp_path):
    row = check.registered(tell(tmp_path, SEED, PAIR, "0.1 8080 settings:seeds=1",
                                "1 5001 registered:@8080 \n 1 5002 joins 8080",
                                "75 8080 started:peer:@8080"))
    assert row.details == ["127.0.0.1:5001 was registered with seed 127.0.0.1:8080, whose files "
                           "do not tell of it"]
