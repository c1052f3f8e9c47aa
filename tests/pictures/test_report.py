"""The report and the tables, from output files of networks that never ran."""

import base64
import json
import random
import re
import xml.etree.ElementTree as ElementTree
import zlib

import pytest

from grapevine.lab.pictures import report
from grapevine.lab.pictures.charts import badness_chart
from grapevine.lab.proof.records import Records
from grapevine.terminal.folders import TABLES
from tests.tools.pictures import HOSTILE, SVG, Folder, circles, power_law_links, table

FORMULA = "=HYPERLINK(1)"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A network of 20 peers in which two died, and some say what a browser should not obey."""
    folder = Folder(tmp_path_factory.mktemp("hostile"), 20, power_law_links(20, 50))
    for at in range(5):
        folder.gossip(folder.peers[at], 3 + at, HOSTILE if at == 0 else f"message {at}")
    for peer in folder.peers[5:7]:
        folder.die(peer, 4)
    folder.say(folder.peers[7], 5, f"refused:{HOSTILE}:full")
    folder.say(folder.seed, 8, f"failed:{HOSTILE}")
    report.plot_folder(folder.write(30))
    return folder


def page_text(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_holds_the_proof_and_all_drawings(hostile):
    text = page_text(hostile.path)
    assert text.count("<circle ") == 20 and text.count("<svg ") == 4
    for words in ("The proof fails", "broadcast", "✗ FAILS", "✓ holds", "Latency of deliveries",
                  "removed by a seed", "95"):
        assert words in text
    assert 'class="claim"></div>' not in text  # it says of each row what the row claims
    ids = re.findall(r"<[^>]* id=\"([^\"]*)\"", text)
    assert len(ids) == len(set(ids)) > 20


def test_the_page_makes_no_request(hostile):
    text = page_text(hostile.path)
    assert not re.search(r"<(img|iframe|object|embed|image|use|base)\b", text)
    assert set(re.findall(r"\b(?:src|href|action|srcset|data)=\"([^\"]*)\"", text)) == {"data:,"}
    assert not re.search(r"url\(|@import", text)
    assert set(re.findall(r"https?://[^\"' <]*", text)) == {"http://www.w3.org/2000/svg"}


def test_hostile_text_is_nowhere_markup(hostile):
    for name in ("report.html", "network.svg", "degrees.svg"):
        text = (hostile.path / name).read_text(encoding="utf-8")
        assert HOSTILE not in text and "<img" not in text and "<!--" not in text
    assert "&lt;/script&gt;&lt;img src=x" in page_text(hostile.path)  # the thread that failed


def inflated(folder):
    """node -> (its data in the page, lines that are left out), by what page.js does."""
    scripts = dict(re.findall(r"<script [^>]*id=\"([^\"]+)\">(.*?)</script>", page_text(folder),
                              re.DOTALL))
    return {name: (zlib.decompress(base64.b64decode(scripts[f"file-{number}"])), left_out)
            for number, (name, left_out) in enumerate(json.loads(scripts["names"]))}


def test_the_page_holds_every_node_s_file(hostile):
    held = inflated(hostile.path)
    files = {path.stem: (path.read_bytes(), 0) for path in hostile.path.glob("*.txt")}
    assert held == files and len(files) == 21
    assert any(HOSTILE.encode() in data for data, _ in held.values())


def test_of_a_long_file_the_page_holds_the_last_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "TAIL", 300)
    folder = Folder(tmp_path, 2, [(0, 1)])
    for at in range(50):
        folder.say(folder.peers[0], 3 + at / 10, f"peer list:{folder.seed}:{at}")
    report.plot_folder(folder.write())
    data, left_out = inflated(tmp_path)["peer_127.0.0.1_5000"]
    whole = (tmp_path / "peer_127.0.0.1_5000.txt").read_bytes()
    assert whole.endswith(data) and 200 < len(data) <= 300
    assert left_out == len(whole.splitlines()) - len(data.splitlines()) > 0
    assert whole[:len(whole) - len(data)].endswith(b"\n")


def test_a_cut_falls_on_a_line():
    assert report.tail(b"ab\ncd\nef\n", 9) == (b"ab\ncd\nef\n", 0)
    assert report.tail(b"ab\ncd\nef\n", 6) == (b"cd\nef\n", 1)
    assert report.tail(b"ab\ncd\nef\n", 5) == (b"ef\n", 2)
    assert report.tail(b"abcdefgh", 5) == (b"defgh", 0)


def test_the_timeline_counts_who_is_up(hostile):
    lanes, length = report.timeline(Records(hostile.path).refresh())
    lanes = {lane.name: lane for lane in lanes}
    assert length == pytest.approx(30) and lanes["peers up"].values[19:] == [20, 19, 18, 18]
    assert lanes["peers up"].moments[20] == pytest.approx(4)
    assert lanes["peers died"].moments == [pytest.approx(4)] * 2
    assert len(lanes["peers started"].moments) == 20 and not lanes["peers left"].moments
    assert lanes["pieces of the graph"].values[-1] >= 1


def test_damaged_files_do_not_matter(tmp_path):
    folder = Folder(tmp_path, 6, power_law_links(6, 9))
    folder.write()
    path = tmp_path / "peer_127.0.0.1_5002.txt"
    garbage = bytes(random.Random(1).randbytes(5000))
    path.write_bytes(path.read_bytes() + garbage + b"\n2026-01-02 03:04:06.1:degree:x=>\xb2\n")
    (tmp_path / "peer_<b>.txt").write_bytes(garbage)
    (tmp_path / "seed_nobody_1.txt").write_bytes(b"")
    report.plot_folder(tmp_path)
    assert len(circles(tmp_path / "network.svg")) == 6
    held = inflated(tmp_path)
    assert held["peer_127.0.0.1_5002"][0] == path.read_bytes()
    assert held["peer_<b>"][0] == garbage and "<b>" not in page_text(tmp_path)


# Attackers, and who was kicked.

@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Six peers in a ring; the first attacks and is kicked, the second is honest and kicked, the
    third attacks and is not."""
    folder = Folder(tmp_path_factory.mktemp("watched"), 6, [(at, (at + 1) % 6) for at in range(6)])
    first, second, third, *_ = folder.peers
    for attacker, kind in ((first, "drop"), (third, HOSTILE)):
        folder.say(attacker, 0.4, "settings:monitor=yes")
        folder.say(attacker, 0.5, f"misbehaving:{kind}:0.3")
    listed = {peer: peer.replace(":", "#") for peer in folder.peers}
    for at, badness in ((5, 0.3), (6, 0.5), (7, 0.7)):
        folder.say(folder.seed, at, f"judged:{listed[first]}={badness:.3f} "
                                    f"{listed[second]}=0.050")
    for peer, badness in ((first, "0.700"), (second, "0.050")):
        folder.say(folder.seed, 8, f"removed:{peer}:malicious:{badness}")
        folder.say(peer, 8, f"kicked:{folder.seed}:{badness}")
    report.plot_folder(folder.write())
    return folder


def test_the_drawing_marks_attackers_and_kicked_peers(watched):
    styles = {node: classes for node, *_, classes in circles(watched.path / "network.svg")}
    first, second, third, fourth = [f"peer_{peer.replace(':', '_')}" for peer in watched.peers[:4]]
    assert styles[first] == ["gv-bad", "gv-kicked"] and styles[second] == ["gv-main", "gv-kicked"]
    assert styles[third] == ["gv-bad", "gv-halo"] and styles[fourth] == ["gv-main", "gv-halo"]
    shown = (watched.path / "network.svg").read_text()
    assert "attacker (drop), kicked</title>" in shown and HOSTILE not in shown
    assert ">attacker</text>" in shown and ">kicked later</text>" in shown


def test_a_chart_shows_badness_over_time_and_where_peers_were_kicked(watched):
    curves = {curve.peer: curve for curve in report.curves_of(Records(watched.path).refresh())}
    first, second, third, *_ = watched.peers
    assert curves[first].points == [(5, 0.3), (6, 0.5), (7, 0.7)] and curves[first].attacks
    assert curves[first].kicked == (8, 0.7)
    assert not curves[second].attacks and curves[second].kicked and third not in curves
    root = ElementTree.fromstring(badness_chart(list(curves.values()), 10.0))
    assert root.get("aria-label") == "Badness of 2 peers over time"
    assert [path.get("class") for group in root.iter(SVG + "g") for path in group if path.get("d")
            ] == ["gv-line gv-main-line", "gv-dots gv-main-line", "gv-line gv-bad-line",
                  "gv-dots gv-bad-line"]
    page = page_text(watched.path)
    assert "Badness of 2 peers over time" in page and "kicked by a seed" in page


def test_without_kicks_and_judgements_there_is_no_such_chart(hostile):
    assert 'id="badness-title"' not in page_text(hostile.path)


# The tables.

@pytest.fixture(scope="module")
def row(tmp_path_factory):
    """Four peers in a row: the first attacks and is kicked, the second died, the last came late."""
    folder = Folder(tmp_path_factory.mktemp("row"), 4, [(0, 1), (1, 2), (2, 3)])
    first, second, third, last = folder.peers
    folder.gossip(second, 3, FORMULA)
    folder.say(first, 0.4, "settings:monitor=yes")
    folder.say(first, 0.5, f"misbehaving:{FORMULA}:0.3")
    folder.say(folder.seed, 5, f"judged:{first.replace(':', '#')}=0.700")
    folder.say(folder.seed, 8, f"removed:{first}:malicious:0.700")
    folder.lines[last] = [(7, f"started:peer:{last}"), *(
        (8, event) for _, event in folder.lines[last] if "received" in event)]
    folder.say(third, 9, f"refused:{HOSTILE}:full")
    folder.die(second, 4)
    report.plot_folder(folder.write(30), with_tables=True)
    return folder


def test_each_peer_has_its_degree_and_what_became_of_it(row):
    peers = {peer.pop("peer"): peer for peer in table(row.path, "peers")}
    assert list(peers) == row.peers
    shown = [[peer[name] for name in ("degree", "up", "died", "attacks", "kicked")]
             for peer in peers.values()]
    assert shown == [["1", "yes", "no", "yes", "yes"], ["0", "no", "yes", "no", "no"],
                     ["2", "yes", "no", "no", "no"], ["0", "yes", "no", "no", "no"]]
    assert {peer["capacity"] for peer in peers.values()} == {"40", "38", "36", "35"}


def test_each_delivery_has_its_times(row):
    second = row.peers[1]
    number = table(row.path, "deliveries")[0]["message"].rpartition(":")[2]
    assert [list(line.values()) for line in table(row.path, "deliveries")] == [
        [f"{second}:1:{number}", peer, "3.000000", at, late, joined_later]
        for peer, at, late, joined_later in zip(
            [row.peers[0], *row.peers[2:]], ["3.010000", "3.020000", "8.000000"],
            ["10.000", "20.000", "5000.000"], ["no", "no", "yes"])]


def test_the_timeline_and_what_the_seeds_found_are_there(row):
    timeline = [tuple(line.values()) for line in table(row.path, "timeline")]
    assert [line for line in timeline if line[0] == "peers up"][:3] == [
        ("peers up", "0.000000", "1"), ("peers up", "0.001000", "2"), ("peers up", "0.002000", "3")]
    assert ("peers died", "4.000000", "") in timeline
    assert ("kicked by a seed", "8.000000", "") in timeline
    assert [list(line.values()) for line in table(row.path, "badness")] == [
        [row.peers[0], "yes", "5.000000", "0.700"]]


def test_nothing_that_a_node_says_freely_stands_in_a_table(row):
    for name in TABLES:
        text = (row.path / name).read_text()
        assert len(text.splitlines()) > 1 and "HYPERLINK" not in text and "<" not in text
