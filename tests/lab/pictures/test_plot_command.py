"""The command `runner.py plot`."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from gossip.lab.proof import check
from gossip.terminal.folders import TABLES
from tests.tools.files import copy
from tests.tools.pictures import table
from tests.tools.programs import run
from tests.tools.terminals import Terminal


def test_plot_draws_into_the_folder_and_says_what(network, tmp_path):
    folder = copy(network, tmp_path)
    code, out, err = run("runner.py", "plot", folder)
    assert (code, err) == (0, "")
    assert [line.rpartition("/")[2] for line in out.splitlines()] == [
        "degrees.svg", "network.svg", "report.html"]
    for name in ("degrees.svg", "network.svg"):
        ElementTree.parse(folder / name)
    assert (folder / "network.svg").read_text().count("<circle") == 6
    assert check.check_folder(folder)[0]  # the pictures are no output files
    (tmp_path / "empty").mkdir()
    code, _, err = run("runner.py", "plot", tmp_path / "empty")
    assert code == 1 and len(err.splitlines()) == 1
    assert run("runner.py", "plot", tmp_path / "missing")[0] == 2


def test_plot_writes_the_figures_beside_the_report_if_asked_to(network, tmp_path):
    folder = copy(network, tmp_path)
    assert run("runner.py", "plot", folder)[0] == 0
    assert list(folder.glob("*.csv")) == []
    code, out, err = run("runner.py", "plot", folder, "--csv")
    assert (code, err) == (0, "")
    assert [line.rpartition("/")[2] for line in out.splitlines()] == [
        "degrees.svg", "network.svg", *TABLES, "report.html"]
    peers, deliveries = table(folder, "peers"), table(folder, "deliveries")
    rows = {row["name"]: row for row in json.loads(check.check_as_json(folder)[1])["rows"]}
    assert rows["broadcast"]["figures"].startswith(f"{len(deliveries)} of {len(deliveries)} ")
    degrees = [int(peer["degree"]) for peer in peers]
    assert f"minimum {min(degrees)}, " in rows["degrees"]["figures"] and len(degrees) == 6
    assert f"maximum {max(degrees)}" in rows["degrees"]["figures"]
    most = max(float(row["milliseconds"]) for row in deliveries if row["joined_later"] == "no")
    longest = float(rows["latency"]["figures"].partition("max ")[2].split()[0])
    assert longest == pytest.approx(most, abs=0.006)  # both are rounded


def test_a_terminal_is_told_which_one_to_open(network, tmp_path):
    folder = copy(network, tmp_path)
    with Terminal("runner.py", "plot", folder) as terminal:
        assert terminal.finish() == 0
    *paths, words, url, end = terminal.texts()
    assert [path.rpartition("/")[2] for path in paths] == [
        "degrees.svg", "network.svg", "report.html"]
    assert (words, end) == ("open this one in a browser:", "")
    assert url == (folder / "report.html").resolve().as_uri()
