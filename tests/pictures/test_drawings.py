"""The drawings and the layout, from output files of networks that never ran."""

import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from grapevine.lab.pictures import charts, network, report
from grapevine.lab.proof.graph import largest
from grapevine.lab.proof.records import Records
from tests.tools.pictures import HOSTILE, SVG, Folder, circles, power_law_links
from tests.tools.programs import ROOT
from tests.tools.stories import PAIR, tell


@pytest.fixture(scope="module")
def forty(tmp_path_factory):
    """A network of 40 peers in which two died, with its plots; and what wrote it."""
    folder = Folder(tmp_path_factory.mktemp("forty"), 40, power_law_links(40, 120))
    for peer in folder.peers[5:7]:
        folder.die(peer, 4)
    report.plot_folder(folder.write(30))
    return folder


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


def test_a_peer_that_died_and_began_anew_is_drawn_as_the_run_of_that_moment(tmp_path):
    tell(tmp_path, PAIR, "0.5 5003 starts \n 1 5001 links 5003 \n 9 5003 lives \n 20 5003 starts",
         "30 5003 lives until 70 \n 15 5002 dies")
    records = Records(tmp_path).refresh()
    snapshot = largest(records.peers)
    assert [(peer.up, peer.died) for peer in network.drawn_peers(records, snapshot)] == [
        (True, False), (True, True), (True, True)]


def test_hubs_stand_nearer_to_the_centre_than_leaves(forty):
    found = sorted(circles(forty.path / "network.svg"), key=lambda c: degree_of(forty, c[0]))
    x, y = charts.WIDTH / 2, (min(c[2] for c in found) + max(c[2] for c in found)) / 2
    away = [math.hypot(c[1] - x, c[2] - y) for c in found]
    assert sum(away[-8:]) < 0.6 * sum(away[:8])


def test_circles_do_not_overlap_and_stay_in_the_picture(tmp_path):
    report.plot_folder(Folder(tmp_path, 80, power_law_links(80, 200)).write())
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
    report.plot_folder(folder.write(30))
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
    report.plot_folder(folder.write())
    hub = max(folder.peers, key=lambda peer: folder.degrees[peer])
    shown = ports(tmp_path / "network.svg")
    assert hub.rpartition(":")[2] in shown and len(shown) <= network.HUBS_NAMED


def test_the_same_files_give_the_same_bytes_whatever_the_hashes(forty):
    def plotted(seed):
        program = ("import pathlib, sys\nfrom grapevine.lab.pictures import report\n"
                   "for path in report.plot_folder(pathlib.Path(sys.argv[1])):\n"
                   "    sys.stdout.buffer.write(path.read_bytes())\n")
        return subprocess.run([sys.executable, "-c", program, forty.path], cwd=ROOT,
                              env={"PYTHONHASHSEED": seed}, capture_output=True,
                              check=True).stdout
    first = plotted("1")
    assert b"<circle" in first and first == plotted("2")


def words_of(path):
    return " ".join(text.text for text in ElementTree.parse(path).iter(SVG + "text"))


def test_a_fit_is_drawn_where_there_is_one(tmp_path, forty):
    assert re.search(r"a = \d\.\d\d ± \d\.\d\d", words_of(forty.path / "degrees.svg"))
    assert "gv-warm-line" in (forty.path / "degrees.svg").read_text().partition("</style>")[2]
    folder = Folder(tmp_path, 10, [(a, (a + b) % 10) for a in range(10) for b in (1, 2)],
                    capacity="fixed 4")
    report.plot_folder(folder.write())
    assert "all capacities are equal" in words_of(tmp_path / "degrees.svg")
    assert "gv-warm-line" not in (tmp_path / "degrees.svg").read_text().partition("</style>")[2]


def test_a_fitted_share_below_the_axis_is_not_drawn_on_it(tmp_path):
    links = power_law_links(40, 70)
    report.plot_folder(Folder(tmp_path, 40, links, capacity="powerlaw 2.5").write())
    [curve] = [path.get("d") for path in ElementTree.parse(tmp_path / "degrees.svg").iter(
        SVG + "path") if path.get("class") == "gv-line gv-warm-line" and len(path.get("d")) > 40]
    heights = [float(spot.split()[1]) for spot in re.split("[ML]", curve)[1:]]
    assert all(a < b for a, b in zip(heights, heights[1:])) and heights[-1] < 400


def test_labels_below_the_degrees_stand_apart(tmp_path):
    links = [(a, b) for a in range(20) for b in range(a)]
    report.plot_folder(Folder(tmp_path, 20, links).write())
    below = [label for label in ElementTree.parse(tmp_path / "degrees.svg").iter(SVG + "text")
             if label.get("y") == "420" and float(label.get("x")) <= 540]
    places = [float(label.get("x")) for label in below]
    assert len(places) > 5
    assert min(b - a for a, b in zip(places, places[1:])) > 16  # two digits


@pytest.mark.parametrize("count", [5, 200, 20_000, 200_000])
def test_the_title_of_an_axis_stands_beside_its_labels(count):
    texts = list(ElementTree.fromstring(charts.latency_chart([0.001] * count)).iter(SVG + "text"))
    title, = (float(each.get("x")) for each in texts if each.text == "deliveries")
    labels = [float(each.get("x")) - 9 * len(each.text) for each in texts
              if each.get("text-anchor") == "end" and each.get("x") == "82"]
    assert len(labels) > 2 and 14 <= title < min(labels) - 4


def test_the_names_of_a_timeline_stand_apart_from_their_numbers():
    lanes = [charts.Lane("found dead by a peer", [1.0] * 12_345),
             charts.Lane("pieces of the graph", [0.0, 1.0], [1, 12_345])]
    found = list(ElementTree.fromstring(charts.timeline_chart(lanes, 2)).iter(SVG + "text"))
    names = [float(each.get("x")) + 7.6 * len(each.text) for each in found if each.get("x") == "14"]
    numbers = [float(each.get("x")) - 8.2 * len(each.text) for each in found
               if each.text == "12,345"]
    assert len(names) == len(numbers) == 2 and max(names) + 4 < min(numbers)


@pytest.mark.parametrize("count, links", [(1, []), (2, []), (2, [(0, 1)]), (7, [])])
def test_networks_of_few_peers_and_links(tmp_path, count, links):
    folder = Folder(tmp_path, count, links)
    assert [path.name for path in report.plot_folder(folder.write())] == [
        "degrees.svg", "network.svg", "report.html"]
    assert len(circles(tmp_path / "network.svg")) == count
    ElementTree.parse(tmp_path / "degrees.svg")


def test_circles_on_one_spot_are_moved_apart():
    for spot in 0j, 47 + 0j:  # also at the edge
        spots = network.separate([spot] * 5, [3.0] * 5, 50, [])
        assert all(abs(a - b) > 6 for a in spots for b in spots if a is not b)
        assert all(abs(spot) + 3 < 50.1 for spot in spots)


def test_circles_stand_off_a_link_that_is_not_theirs():
    one, other, third = network.separate([-50 + 0j, 50 + 0j, 1j], [5.0] * 3, 80, [(0, 1)])
    assert abs(((third - one) / (other - one)).imag) * abs(other - one) > 5


def test_ticks_are_1_2_5_10():
    assert charts.log_ticks(1, 60) == [1, 2, 5, 10, 20, 50]
    assert charts.log_ticks(0.002, 0.1) == [0.002, 0.005, 0.01, 0.02, 0.05, 0.1]
    assert charts.linear_ticks(7) == [0, 2, 4, 6] and charts.linear_ticks(3) == [0, 1, 2, 3]
    assert charts.linear_ticks(1234) == [0, 500, 1000]
    assert [charts.duration(t) for t in (2e-6, 0.0005, 0.001, 0.25, 20)] == [
        "2 µs", "500 µs", "1 ms", "250 ms", "20 s"]


def test_texts_of_charts_are_escaped():
    parts = [charts.text(1, 2, HOSTILE), charts.dot(0, 0, "x", HOSTILE)]
    drawing = ElementTree.fromstring(charts.document(10, HOSTILE, parts))
    assert drawing.get("aria-label") == HOSTILE
    assert [e.text for e in drawing.iter() if e.text == HOSTILE].count(HOSTILE) == 3
