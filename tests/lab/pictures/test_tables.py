"""The tables, made from output files of networks that never ran."""

import pytest

from gossip.lab.pictures import report
from gossip.terminal.folders import TABLES
from tests.tools.folders import Folder
from tests.tools.pictures import HOSTILE, table

FORMULA = "=HYPERLINK(1)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four peers in a row: the first attacks and is kicked, the second died, the last came late."""
    folder = Folder(tmp_path_factory.mktemp("tables"), 4, [(0, 1), (1, 2), (2, 3)])
    first, second, third, last = folder.peers
    folder.gossip(second, 3, FORMULA)
    folder.say(first, 0.5, f"misbehaving:{FORMULA}:0.3")
    folder.say(folder.seed, 5, f"judged:{first.replace(':', '#')}=0.700")
    folder.say(folder.seed, 8, f"removed:{first}:malicious:0.700")
    folder.lines[last] = [(7, f"started:peer:{last}"), *(
        (8, event) for _, event in folder.lines[last] if "received" in event)]
    folder.say(third, 9, f"refused:{HOSTILE}:full")
    folder.die(second, 4)
    report.plot_folder(folder.write(30), with_tables=True)
    return folder


def test_each_peer_has_its_degree_and_what_became_of_it(folder):
    peers = {row.pop("peer"): row for row in table(folder.path, "peers")}
    assert list(peers) == folder.peers
    shown = [[row[name] for name in ("degree", "up", "died", "attacks", "kicked")]
             for row in peers.values()]
    assert shown == [["1", "yes", "no", "yes", "yes"], ["0", "no", "yes", "no", "no"],
                     ["2", "yes", "no", "no", "no"], ["0", "yes", "no", "no", "no"]]
    assert {row["capacity"] for row in peers.values()} == {"40", "38", "36", "35"}


def test_each_delivery_has_its_times(folder):
    second = folder.peers[1]
    assert [list(row.values()) for row in table(folder.path, "deliveries")] == [
        [f"{second}:1:8", peer, "3.000000", at, late, joined_later]
        for peer, at, late, joined_later in zip(
            [folder.peers[0], *folder.peers[2:]], ["3.010000", "3.020000", "8.000000"],
            ["10.000", "20.000", "5000.000"], ["no", "no", "yes"])]


def test_the_timeline_and_what_the_seeds_found_are_there(folder):
    timeline = [tuple(row.values()) for row in table(folder.path, "timeline")]
    assert [row for row in timeline if row[0] == "peers up"][:3] == [
        ("peers up", "0.000000", "1"), ("peers up", "0.001000", "2"), ("peers up", "0.002000", "3")]
    assert ("peers died", "4.000000", "") in timeline
    assert ("kicked by a seed", "8.000000", "") in timeline
    assert [list(row.values()) for row in table(folder.path, "badness")] == [
        [folder.peers[0], "yes", "5.000000", "0.700"]]


def test_nothing_that_a_node_says_freely_stands_in_a_table(folder):
    for name in TABLES:
        text = (folder.path / name).read_text()
        assert len(text.splitlines()) > 1 and "HYPERLINK" not in text and "<" not in text


def test_a_network_without_seeds_that_judge_has_headings_alone(tmp_path):
    report.plot_folder(Folder(tmp_path, 2, [(0, 1)]).write(), with_tables=True)
    assert (tmp_path / "report-badness.csv").read_text() == "peer,attacks,seconds,badness\n"
    assert table(tmp_path, "deliveries") == [] and len(table(tmp_path, "peers")) == 2
