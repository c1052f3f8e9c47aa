"""Attackers and kicked peers in the pictures, from output files of networks that never ran."""

import xml.etree.ElementTree as ElementTree

import pytest

from gossip.lab.pictures import report
from gossip.lab.pictures.charts import badness_chart
from gossip.lab.pictures.report import curves_of
from gossip.lab.proof.records import Records
from tests.tools.folders import Folder
from tests.tools.pictures import HOSTILE, SVG, circles


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Six peers in a ring; the first attacks and is kicked, the second is honest and kicked, the
    third attacks and is not."""
    folder = Folder(tmp_path_factory.mktemp("watched"), 6, [(at, (at + 1) % 6) for at in range(6)])
    first, second, third, *_ = folder.peers
    for peer in (first, third):
        folder.say(peer, 0.5, f"misbehaving:{'drop' if peer == first else HOSTILE}:0.3")
    for at, badness in ((5, 0.3), (6, 0.5), (7, 0.7)):
        listed = {peer: peer.replace(":", "#") for peer in folder.peers}
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
    curves = {curve.peer: curve for curve in curves_of(Records(watched.path).refresh())}
    first, second, third, *_ = watched.peers
    assert curves[first].points == [(5, 0.3), (6, 0.5), (7, 0.7)] and curves[first].attacks
    assert curves[first].kicked == (8, 0.7)
    assert not curves[second].attacks and curves[second].kicked and third not in curves
    root = ElementTree.fromstring(badness_chart(list(curves.values()), 10.0))
    assert root.get("aria-label") == "Badness of 2 peers over time"
    assert [path.get("class") for group in root.iter(SVG + "g") for path in group if path.get("d")
            ] == ["gv-line gv-main-line", "gv-dots gv-main-line", "gv-line gv-bad-line",
                  "gv-dots gv-bad-line"]


def test_the_page_has_that_chart_and_the_moments_of_kicks(watched):
    page = (watched.path / "report.html").read_text()
    assert "Badness of 2 peers over time" in page and "kicked by a seed" in page


def test_without_kicks_and_judgements_there_is_no_such_chart(tmp_path):
    folder = Folder(tmp_path, 3, [(0, 1), (1, 2)])
    report.plot_folder(folder.write())
    assert 'id="badness-title"' not in (tmp_path / "report.html").read_text()
