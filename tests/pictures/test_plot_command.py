"""The command `runner.py plot`."""

import xml.etree.ElementTree as ElementTree

from gossip.proof import check
from tests.tools.files import copy
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


def test_a_terminal_is_told_which_one_to_open(network, tmp_path):
    folder = copy(network, tmp_path)
    with Terminal("runner.py", "plot", folder) as terminal:
        assert terminal.finish() == 0
    *paths, words, url, end = terminal.texts()
    assert [path.rpartition("/")[2] for path in paths] == [
        "degrees.svg", "network.svg", "report.html"]
    assert (words, end) == ("open this one in a browser:", "")
    assert url == (folder / "report.html").resolve().as_uri()
