"""The plots and the page, made from output files of networks that never ran."""

import base64
import html.parser
import json
import math
import random
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zlib

import pytest

from gossip.pictures import charts, layout, plot, report
from gossip.proof import delivery
from gossip.proof.records import Records
from tools.folders import Folder
from tools.programs import ROOT, environment

HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>"
SVG = "{http://www.w3.org/2000/svg}"


def power_law_links(count, links, seed=1):
    """Links of a graph with a few hubs, the ring of all peers among them."""
    chance = random.Random(seed)
    weights = [1 / (1 + at) ** 0.8 for at in range(count)]
    found = {tuple(sorted((at, (at + 1) % count))) for at in range(count)}
    while len(found) < links:
        one, other = sorted(chance.choices(range(count), weights, k=2))
        if one != other:
            found.add((one, other))
    return sorted(found)


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


@pytest.fixture(scope="module")
def forty(tmp_path_factory):
    """A network of 40 peers in which two died, with its plots; and what wrote it."""
    folder = Folder(tmp_path_factory.mktemp("forty"), 40, power_law_links(40, 120))
    for at in range(5):
        folder.gossip(folder.peers[at], 3 + at, HOSTILE if at == 0 else f"message {at}")
    for peer in folder.peers[5:7]:
        folder.die(peer, 4)
    folder.say(folder.peers[7], 5, f"refused:{HOSTILE}:full")
    folder.say(folder.seed, 8, f"failed:{HOSTILE}")
    plot.plot_folder(folder.write(30))
    return folder


def circles(path):
    """(node, x, y, radius, classes) of every circle of a drawing."""
    return [(c.get("data-node"), float(c.get("cx")), float(c.get("cy")), float(c.get("r")),
             c.get("class").split()) for c in ElementTree.parse(path).iter(SVG + "circle")]


def degree_of(folder, node):
    return folder.degrees[node.removeprefix("peer_").replace("_", ":")]


def test_the_drawings_are_xml_with_a_circle_for_every_peer(forty):
    found = circles(forty.path / "network.svg")
    assert sorted(c[0] for c in found) == sorted(
        f"peer_{peer.replace(':', '_')}" for peer in forty.peers)
    for name in ("network.svg", "degrees.svg"):
        root = ElementTree.parse(forty.path / name).getroot()
        assert root.tag == SVG + "svg" and root.get("viewBox") and root.get("role") == "img"
        assert not [e for e in root.iter() if e.get("id") or e.get("href")]


def test_the_area_of_a_circle_goes_by_the_degree(forty):
    found = circles(forty.path / "network.svg")
    units = [c[3] ** 2 / degree_of(forty, c[0]) for c in found]
    assert max(units) < 1.02 * min(units)
    assert len({c[3] for c in found}) > 3


def test_hubs_stand_nearer_to_the_centre_than_leaves(forty):
    found = sorted(circles(forty.path / "network.svg"), key=lambda c: degree_of(forty, c[0]))
    x, y = charts.WIDTH / 2, (min(c[2] for c in found) + max(c[2] for c in found)) / 2
    away = [math.hypot(c[1] - x, c[2] - y) for c in found]
    assert sum(away[-8:]) < 0.6 * sum(away[:8])


def test_circles_do_not_overlap_and_stay_in_the_picture(tmp_path):
    plot.plot_folder(Folder(tmp_path, 120, power_law_links(120, 300)).write())
    root = ElementTree.parse(tmp_path / "network.svg").getroot()
    width, height = map(float, root.get("viewBox").split()[2:])
    found = circles(tmp_path / "network.svg")
    for at, (_, x, y, radius, _) in enumerate(found):
        assert radius <= x <= width - radius and radius <= y <= height - radius
        for _, other_x, other_y, other_radius, _ in found[:at]:
            assert math.hypot(x - other_x, y - other_y) > radius + other_radius - 0.5


def test_who_died_has_another_colour_and_who_was_away_is_hollow_and_outside(tmp_path, forty):
    died = {c[0] for c in circles(forty.path / "network.svg") if "gv-warm" in c[4]}
    assert died == {f"peer_{peer.replace(':', '_')}" for peer in forty.peers[5:7]}
    folder = Folder(tmp_path, 12, power_law_links(12, 20))
    late = folder.peers[11]
    folder.lines[late] = [(20, f"started:peer:{late}")]
    for peer in folder.peers[:5]:
        folder.say(peer, 15, "stopped:quit")
    plot.plot_folder(folder.write(30))
    found = circles(tmp_path / "network.svg")
    hollow = [c for c in found if "gv-hollow" in c[4]]
    assert [c[0] for c in hollow] == [f"peer_{late.replace(':', '_')}"]
    x, y = charts.WIDTH / 2, sum(c[2] for c in found) / len(found)
    assert math.hypot(hollow[0][1] - x, hollow[0][2] - y) > 0.6 * max(
        math.hypot(c[1] - x, c[2] - y) for c in found)


def test_small_drawings_label_every_peer_and_large_ones_the_hubs(tmp_path, forty):
    def ports(path):
        return [t.text for t in ElementTree.parse(path).iter(SVG + "text") if t.text.isdigit()]
    assert sorted(ports(forty.path / "network.svg")) == [str(5000 + at) for at in range(40)]
    folder = Folder(tmp_path, 80, power_law_links(80, 200))
    plot.plot_folder(folder.write())
    hub = max(folder.peers, key=lambda peer: folder.degrees[peer])
    shown = ports(tmp_path / "network.svg")
    assert hub.rpartition(":")[2] in shown and len(shown) <= plot.HUBS_NAMED


def test_the_same_files_give_the_same_bytes_whatever_the_hashes(forty):
    def plotted(seed):
        program = ("import pathlib, sys\nfrom gossip.pictures import plot\n"
                   "for path in plot.plot_folder(pathlib.Path(sys.argv[1])):\n"
                   "    sys.stdout.buffer.write(path.read_bytes())\n")
        return subprocess.run([sys.executable, "-B", "-c", program, forty.path], cwd=ROOT,
                              env=environment(PYTHONHASHSEED=seed), capture_output=True,
                              check=True).stdout
    first = plotted("1")
    assert b"<circle" in first and first == plotted("2")


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
    plot.plot_folder(folder.write())
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


def test_deliveries_to_who_joined_later_are_not_in_the_histogram(tmp_path):
    folder = Folder(tmp_path, 3, [(0, 1), (1, 2)])
    folder.gossip(folder.peers[0], 3, "message 1")
    folder.lines[folder.peers[2]] = [
        (7, f"started:peer:{folder.peers[2]}"),
        *((8, event) for _, event in folder.lines[folder.peers[2]] if "received" in event)]
    times, late = delivery.latencies(Records(folder.write()).refresh())
    assert late == 1 and times == [pytest.approx(0.01)]


def test_the_timeline_counts_who_is_up(forty):
    lanes, length = report.timeline(Records(forty.path).refresh())
    lanes = {lane.name: lane for lane in lanes}
    assert length == pytest.approx(30) and lanes["peers up"].values[39:42] == [40, 39, 38]
    assert lanes["peers up"].moments[40] == pytest.approx(4)
    assert lanes["peers died"].moments == [pytest.approx(4)] * 2
    assert len(lanes["peers started"].moments) == 40 and not lanes["peers left"].moments
    assert lanes["pieces of the graph"].values[-1] >= 1


def words_of(path):
    return " ".join(text.text for text in ElementTree.parse(path).iter(SVG + "text"))


def test_a_fit_is_drawn_where_there_is_one(tmp_path, forty):
    assert re.search(r"a = \d\.\d\d ± \d\.\d\d", words_of(forty.path / "degrees.svg"))
    assert "gv-warm-line" in (forty.path / "degrees.svg").read_text().partition("</style>")[2]
    folder = Folder(tmp_path, 10, [(a, (a + b) % 10) for a in range(10) for b in (1, 2)],
                    capacity="fixed 4")
    plot.plot_folder(folder.write())
    assert "all capacities are equal" in words_of(tmp_path / "degrees.svg")
    assert "gv-warm-line" not in (tmp_path / "degrees.svg").read_text().partition("</style>")[2]


@pytest.mark.parametrize("count, links", [(1, []), (2, []), (2, [(0, 1)]), (7, [])])
def test_networks_of_few_peers_and_links(tmp_path, count, links):
    folder = Folder(tmp_path, count, links)
    assert [path.name for path in plot.plot_folder(folder.write())] == [
        "degrees.svg", "network.svg", "report.html"]
    assert len(circles(tmp_path / "network.svg")) == count
    ElementTree.parse(tmp_path / "degrees.svg")


def test_damaged_files_do_not_matter(tmp_path):
    folder = Folder(tmp_path, 6, power_law_links(6, 9))
    folder.write()
    path = tmp_path / "peer_127.0.0.1_5002.txt"
    garbage = bytes(random.Random(1).randbytes(5000))
    path.write_bytes(path.read_bytes() + garbage + b"\n2026-01-02 03:04:06.1:degree:x=>\xb2\n")
    (tmp_path / "peer_<b>.txt").write_bytes(garbage)
    (tmp_path / "seed_nobody_1.txt").write_bytes(b"")
    plot.plot_folder(tmp_path)
    assert len(circles(tmp_path / "network.svg")) == 6
    held = inflated(tmp_path)
    assert held["peer_127.0.0.1_5002"][0] == path.read_bytes()
    assert held["peer_<b>"][0] == garbage and "<b>" not in page_text(tmp_path)


def test_a_folder_without_peers_is_one_clear_error(tmp_path):
    (tmp_path / "seed_127.0.0.1_8080.txt").write_text(
        "2026-01-02 03:04:05.000000:started:seed:127.0.0.1:8080\n")
    with pytest.raises(ValueError, match="no output file of a peer in"):
        plot.plot_folder(tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".txt"]


def test_the_tree_pushes_like_all_bodies_one_by_one():
    chance = random.Random(4)
    bodies = [(chance.uniform(0.5, 3), chance.random(), chance.random()) for _ in range(200)]
    tree = layout.tree_of(bodies)
    assert tree.mass == pytest.approx(sum(body[0] for body in bodies))
    for _, x, y in bodies[::10]:
        shares = [((x - u), (y - v), mass / ((x - u) ** 2 + (y - v) ** 2 + 1e-6))
                  for mass, u, v in bodies]
        exact = [sum(s[axis] * s[2] for s in shares) for axis in (0, 1)]
        assert math.dist(layout.push(tree, x, y), exact) < 0.15 * math.hypot(*exact) + 20


def test_a_large_layout_keeps_its_hubs_inside():
    links = power_law_links(500, 2500)
    degrees = [0] * 500
    for pair in links:
        for node in pair:
            degrees[node] += 1
    places = layout.place(degrees, links)
    away = [math.hypot(*place) for place in places]
    order = sorted(range(500), key=lambda node: degrees[node])
    assert len(set(places)) == 500 and max(away) <= 1.001
    assert sum(away[node] for node in order[-50:]) < 0.6 * sum(away[node] for node in order[:50])


def test_bodies_on_one_spot_do_not_make_an_endless_tree():
    assert layout.tree_of([(1, 0.5, 0.5)] * 50 + [(1, 0.1, 0.1)]).mass == 51
    spots = layout.separate([(0.0, 0.0)] * 5, [3.0] * 5, 50, [])
    assert all(math.dist(a, b) > 6 for a in spots for b in spots if a is not b)


def test_circles_stand_off_a_link_that_is_not_theirs():
    places = layout.separate([(-50.0, 0.0), (50.0, 0.0), (0.0, 1.0)], [5.0] * 3, 80, [(0, 1)])
    slope = math.atan2(places[1][1] - places[0][1], places[1][0] - places[0][0])
    dx, dy = places[2][0] - places[0][0], places[2][1] - places[0][1]
    assert abs(dy * math.cos(slope) - dx * math.sin(slope)) > 5


def test_ticks_are_1_2_5_10():
    assert charts.log_ticks(1, 60) == [1, 2, 5, 10, 20, 50]
    assert charts.log_ticks(0.002, 0.1) == [0.002, 0.005, 0.01, 0.02, 0.05, 0.1]
    assert charts.linear_ticks(7) == [0, 2, 4, 6] and charts.linear_ticks(3) == [0, 1, 2, 3]
    assert charts.linear_ticks(1234) == [0, 500, 1000]
    assert [charts.duration(t) for t in (2e-6, 0.0005, 0.001, 0.25, 20)] == [
        "2 µs", "500 µs", "1 ms", "250 ms", "20 s"]


def test_crowded_circles_are_moved_apart_inside_their_bound():
    chance = random.Random(5)
    radii = [chance.uniform(2, 12) for _ in range(80)]
    spots = [(chance.uniform(-30, 30), chance.uniform(-30, 30)) for _ in radii]
    spots = layout.separate(spots, radii, 150, [])
    for at, spot in enumerate(spots):
        assert math.hypot(*spot) + radii[at] < 151
        for other in range(at):
            assert math.dist(spot, spots[other]) > radii[at] + radii[other] - 0.5


def test_the_layout_starts_with_the_hubs_inside():
    places = layout.spiral([1, 9, 3, 3, 5])
    order = sorted(range(5), key=lambda node: math.hypot(*places[node]))
    assert order == [1, 4, 2, 3, 0]


def test_texts_of_charts_are_escaped():
    parts = [charts.text(1, 2, HOSTILE), charts.rectangle(0, 0, 1, 1, "x", HOSTILE)]
    drawing = ElementTree.fromstring(charts.document(10, HOSTILE, parts))
    assert drawing.get("aria-label") == HOSTILE
    assert [e.text for e in drawing.iter() if e.text == HOSTILE].count(HOSTILE) == 3
