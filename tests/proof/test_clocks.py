"""Clocks of several machines: found by the files alone, and put right."""

import bisect
import datetime
import re

import pytest

from grapevine.lab.proof.check import check_folder, prove
from grapevine.lab.proof.disturbances import HOLDS, UNCLEAR
from grapevine.lab.proof.records import Records
from tests.tools.folders import files_of, write_files

HOSTS = 4
NETWORK = """schedule 7 seeds=3 capacity=fixed:3 gossip-count=6 gossip-interval=0.5 {}
0.000 start 127.0.0.1:4000 127.0.0.1:4001 127.0.0.1:4002
1.000 start 127.0.0.1:5000 127.0.0.1:5001 127.0.0.1:5002 127.0.0.1:5003 127.0.0.1:5004""".format(
    "liveness-interval=1 antientropy-interval=2 unrest=60")
WRONG = "10.0.0.1"
_ADDRESS = re.compile(r"127\.0\.0\.1([:#])([0-9]+)")


@pytest.fixture(scope="module")
def files():
    return {name: lines for name, lines in files_of(NETWORK, until=15.0).items()
            if name != "scenario.txt"}  # people have started these


def host_of(port):
    return f"10.0.0.{1 + int(port) % HOSTS}"


def spread_out(files, folder, shift=lambda ip, place: 0.0):
    """Write the files as if the network had run on several machines. `shift(IP, place)`: by how
    much the clock of one is ahead; place is how much of all gossip is over, from 0 to 1."""
    folder.mkdir(exist_ok=True)
    times = sorted(at for lines in files.values() for at, event in lines if "gmessage:" in event)
    shown = {}
    for name, lines in files.items():
        kind, _, port = name.removesuffix(".txt").split("_")
        ip, written = host_of(port), []
        for at, event in lines:
            ahead = datetime.timedelta(seconds=shift(ip, bisect.bisect(times, at) / len(times)))
            event = _ADDRESS.sub(lambda found: f"{host_of(found[2])}{found[1]}{found[2]}", event)
            written.append((f"{datetime.datetime.fromisoformat(at) + ahead:%Y-%m-%d %H:%M:%S.%f}",
                            event))
        shown[f"{kind}_{ip}_{port}.txt"] = written
    return write_files(shown, folder)


def rows_of(folder):
    return {row.name: row for row in prove(Records(folder).refresh())}


def test_clocks_of_one_machine_have_no_row_and_those_of_several_agree(files, tmp_path):
    assert "clocks" not in rows_of(write_files(files, tmp_path))
    rows = rows_of(spread_out(files, tmp_path / "several"))
    assert rows["clocks"].verdict == HOLDS
    assert rows["clocks"].figures == "the clocks of 4 hosts agree"


@pytest.mark.parametrize("ahead", [-7200.0, -0.2, 0.05, 90.0])
def test_a_clock_that_is_wrong_is_put_right(files, tmp_path, ahead):
    right = rows_of(spread_out(files, tmp_path / "right"))
    found = rows_of(spread_out(files, tmp_path / "wrong", lambda ip, _: ahead * (ip == WRONG)))
    told = dict(re.findall(r"(\S+) is ([0-9.]+ s (?:ahead|behind))", found["clocks"].figures))
    by = {ip: float(text.split()[0]) * (1 if text.endswith("ahead") else -1)
          for ip, text in told.items()}
    base = -ahead if WRONG not in by else 0.0  # the others differ from the wrong one
    assert found["clocks"].verdict == HOLDS and by
    assert all(abs(by.get(host_of(port), 0.0) - base - ahead * (host_of(port) == WRONG)) < 0.01
               for port in range(HOSTS))
    assert [(name, row.verdict) for name, row in found.items()] == [
        (name, row.verdict) for name, row in right.items()]
    assert "-" not in found["latency"].figures


@pytest.mark.parametrize("step, way", [(30.0, "meanwhile, by 30.0 s"), (-30.0, "")])
def test_a_clock_that_was_set_meanwhile_is_named(files, tmp_path, step, way):
    verdict, text = check_folder(spread_out(
        files, tmp_path, lambda ip, place: step * (ip == WRONG and place > 0.5)))
    assert verdict == UNCLEAR and re.search(
        rf"clocks +unclear .*\n +the clock of {WRONG} was set {way}", text), text


def test_no_clock_is_asked_for_of_a_seed_that_has_registered_nobody(files, tmp_path):
    folder = spread_out(files, tmp_path)
    (tmp_path / "seed_10.0.0.8_4003.txt").write_text(
        "2026-01-01 00:00:00.000000:started:seed:10.0.0.8:4003\n")
    assert rows_of(folder)["clocks"].figures == "the clocks of 4 hosts agree"


@pytest.mark.parametrize("told", [[], ["registered:{}", "unregistered:{}:lost", "registered:{}"]])
def test_a_machine_that_nothing_came_from_is_named(files, tmp_path, told):
    """Of two registrations, one of which the seed does not tell, nobody knows which is the other's.
    """
    folder, seed = spread_out(files, tmp_path), "10.0.0.1:4000"
    (tmp_path / "peer_10.0.0.9_5001.txt").write_text("".join(
        f"2026-01-01 00:00:0{at}.000000:{event}\n" for at, event in enumerate(
            ["started:peer:10.0.0.9:5001", *[event.format(seed) for event in told]])))
    with open(tmp_path / "seed_10.0.0.1_4000.txt", "a") as file:
        file.write("2023-11-14 22:13:36.000000:registered:10.0.0.9:5001\n" if told else "")
    assert rows_of(folder)["clocks"].details == [
        "no lines went to 10.0.0.9 and back: nobody knows whether its clock is right"]
