"""The page, made from output files of networks that never ran."""

import base64
import html.parser
import json
import random
import re
import zlib

import pytest

from gossip.lab.pictures import report
from gossip.lab.proof.records import Records
from tests.tools.folders import Folder
from tests.tools.pictures import HOSTILE, circles, power_law_links
from tests.tools.stories import PAIR, tell


class Page(html.parser.HTMLParser):
    """What a browser would find in the page: elements, and the text of scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements = []  # (tag, attributes)
        self.scripts = {}  # id -> text
        self._script = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self._script = dict(attrs).get("id", "")

    def handle_endtag(self, tag):
        if tag == "script":
            self._script = None

    def handle_data(self, data):
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data


def page_text(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_holds_the_proof_and_both_drawings(forty):
    text = page_text(forty.path)
    page = Page(text)
    assert sum(tag == "circle" for tag, _ in page.elements) == 40
    assert sum(tag == "svg" for tag, _ in page.elements) == 4
    for words in ("The proof fails", "broadcast", "✗ FAILS", "✓ holds", "Latency of deliveries",
                  "removed by a seed", "195"):
        assert words in text
    assert 'class="claim"></div>' not in text  # it says of each row what the row claims
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_the_page_makes_no_request(forty):
    text = page_text(forty.path)
    for tag, attrs in Page(text).elements:
        assert tag not in ("img", "iframe", "object", "embed", "image", "use", "base")
        for name in ("src", "href", "xlink:href", "action", "srcset", "data"):
            assert attrs.get(name, "data:,").startswith("data:"), (tag, attrs)
    assert not re.search(r"url\(|@import", text)
    assert set(re.findall(r"https?://[^\"' <]*", text)) == {"http://www.w3.org/2000/svg"}


def test_hostile_text_is_nowhere_markup(forty):
    for name in ("report.html", "network.svg", "degrees.svg"):
        text = (forty.path / name).read_text(encoding="utf-8")
        assert HOSTILE not in text and "<img" not in text and "<!--" not in text
    assert "&lt;/script&gt;&lt;img src=x" in page_text(forty.path)  # the thread that failed


def inflated(folder):
    """node -> (its data in the page, lines that are left out), by what page.js does."""
    scripts = Page(page_text(folder)).scripts
    return {name: (zlib.decompress(base64.b64decode(scripts[f"file-{number}"])), left_out)
            for number, (name, left_out) in enumerate(json.loads(scripts["names"]))}


def test_the_page_holds_every_node_s_file(forty):
    held = inflated(forty.path)
    files = {path.stem: (path.read_bytes(), 0) for path in forty.path.glob("*.txt")}
    assert held == files and len(files) == 41
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


def test_the_timeline_shows_each_time_that_a_peer_was_found_dead(tmp_path):
    tell(tmp_path, PAIR, "5 5001 finds 5002 dead", "20 5002 starts", "30 5001 finds 5002 dead")
    lanes, _ = report.timeline(Records(tmp_path).refresh())
    assert [lane.moments for lane in lanes if lane.name == "found dead by a peer"] == [
        [pytest.approx(4.5), pytest.approx(29.5)]]


def test_the_timeline_counts_who_is_up(forty):
    lanes, length = report.timeline(Records(forty.path).refresh())
    lanes = {lane.name: lane for lane in lanes}
    assert length == pytest.approx(30) and lanes["peers up"].values[39:42] == [40, 39, 38]
    assert lanes["peers up"].moments[40] == pytest.approx(4)
    assert lanes["peers died"].moments == [pytest.approx(4)] * 2
    assert len(lanes["peers started"].moments) == 40 and not lanes["peers left"].moments
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
