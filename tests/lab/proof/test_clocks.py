"""Clocks of several machines: found by the files alone, and put right."""

import bisect
import datetime
import re

import pytest

from gossip.lab.pictures import report
from gossip.lab.proof.check import check_folder, prove
from gossip.lab.proof.records import Records, read_folder

HOSTS = 4
_ADDRESS = re.compile(r"127\.0\.0\.1([:#])([0-9]+)")


def host_of(port):
    return f"10.0.0.{1 + int(port) % HOSTS}"


def spread_out(folder, to, shift=lambda ip, place: 0.0):
    """The files of a network of one machine as if it had run on several. `shift(IP, place)`: by how
    much the clock of one is ahead; place is how much of all gossip is over, from 0 to 1."""
    texts = {path: path.read_text().splitlines() for path in folder.glob("*_*.txt")}
    times = sorted(line[:26] for lines in texts.values() for line in lines if ":gmessage:" in line)
    for path, lines in texts.items():
        kind, _, port = path.stem.split("_")
        ip, written = host_of(port), []
        for line in lines:
            place = bisect.bisect(times, line[:26]) / len(times)
            ahead = datetime.timedelta(seconds=shift(ip, place))
            stamp = datetime.datetime.fromisoformat(line[:26]) + ahead
            event = _ADDRESS.sub(lambda found: f"{host_of(found[2])}{found[1]}{found[2]}",
                                 line[26:])
            written.append(f"{stamp:%Y-%m-%d %H:%M:%S.%f}{event}\n")
        (to / f"{kind}_{ip}_{port}.txt").write_text("".join(written))
    return to


def rows_of(folder):
    return {row.name: row for row in prove(read_folder(folder))}


def test_clocks_of_one_machine_have_no_row_and_those_of_several_agree(network, tmp_path):
    assert "clocks" not in rows_of(network[0])
    rows = rows_of(spread_out(network[0], tmp_path))
    hosts = len({path.name.split("_")[1] for path in tmp_path.glob("*_*.txt")})
    assert rows["clocks"].holds and rows["clocks"].figures == f"the clocks of {hosts} hosts agree"
    assert next(iter(rows)) == "clocks"


@pytest.mark.parametrize("ahead", [-7200.0, -0.2, 0.05, 90.0])
def test_a_clock_that_is_wrong_is_put_right(network, tmp_path, ahead):
    (tmp_path / "right").mkdir()
    right = rows_of(spread_out(network[0], tmp_path / "right"))
    port = next((network[0].glob("peer_*.txt"))).stem.rpartition("_")[2]
    wrong = host_of(port)
    (tmp_path / "wrong").mkdir()
    folder = spread_out(network[0], tmp_path / "wrong", lambda ip, _: ahead * (ip == wrong))
    found = rows_of(folder)
    assert found["clocks"].holds
    told = dict(re.findall(r"(\S+) is ([0-9.]+ s (?:ahead|behind))", found["clocks"].figures))
    by = {ip: float(text.split()[0]) * (1 if text.endswith("ahead") else -1)
          for ip, text in told.items()}
    base = -ahead if wrong not in by else 0.0  # the others differ from the wrong one
    assert all(abs(by.get(ip, 0.0) - base - ahead * (ip == wrong)) < 0.01
               for ip in {path.name.split("_")[1] for path in folder.glob("*_*.txt")})
    assert [(name, row.holds) for name, row in found.items()] == [
        (name, row.holds) for name, row in right.items()]
    for name in ("gossips", "broadcast", "once", "dead"):
        assert found[name] == right[name]
    assert "-" not in found["latency"].figures


@pytest.mark.parametrize("step", [30.0, -30.0])
def test_a_clock_that_was_set_meanwhile_is_named(network, tmp_path, step):
    port = next((network[0].glob("peer_*.txt"))).stem.rpartition("_")[2]
    wrong = host_of(port)
    folder = spread_out(network[0], tmp_path,
                        lambda ip, place: step * (ip == wrong and place > 0.5))
    holds, text = check_folder(folder)
    way = "forward" if step > 0 else "back"
    assert not holds
    assert re.search(rf"clocks +FAILS .*\n +the clock of {re.escape(wrong)} was set {way} by "
                     r"(29\.9|30\.0|30\.1) s at 20..-..-.. ..:..:..: its times cannot be compared "
                     "with others", text), text


def test_a_machine_that_nothing_came_from_is_named(network, tmp_path):
    folder = spread_out(network[0], tmp_path)
    lonely = tmp_path / "peer_10.0.0.9_5001.txt"
    lonely.write_text("2026-01-01 00:00:00.000000:started:peer:10.0.0.9:5001\n")
    [detail] = rows_of(folder)["clocks"].details
    assert detail == "no lines went to 10.0.0.9 and back: nobody knows whether its clock is right"
    assert Records(folder).refresh().clocks is None


def test_the_clock_of_the_only_machine_may_not_be_set_back_while_nodes_run(network, tmp_path):
    """Or else hardly anything of what its files tell could be judged."""
    for path in network[0].glob("*_*.txt"):
        lines = path.read_text().splitlines()
        stamps = [datetime.datetime.fromisoformat(line[:26]) for line in lines]
        behind = [stamp - datetime.timedelta(seconds=10.0 * (number > 2))
                  for number, stamp in enumerate(stamps)]
        (tmp_path / path.name).write_text("".join(
            f"{stamp:%Y-%m-%d %H:%M:%S.%f}{line[26:]}\n" for stamp, line in zip(behind, lines)))
    row = rows_of(tmp_path)["clocks"]
    assert not row.holds and row.figures == "1 host"
    assert re.fullmatch(r"the clock of loopback was set back by (9|10)\.[0-9] s while "
                        r"127\.0\.0\.1:[0-9]+ ran: the times in its files cannot be compared",
                        row.details[0])
    assert report.plot_folder(tmp_path)
