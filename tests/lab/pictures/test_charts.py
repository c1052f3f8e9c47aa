"""Charts: ticks, and texts that are escaped."""

import xml.etree.ElementTree as ElementTree

from gossip.lab.pictures import charts
from tests.tools.pictures import HOSTILE


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
