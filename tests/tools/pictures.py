"""Graphs to draw, and what is found in a drawing or a table."""

import csv
import random
import xml.etree.ElementTree as ElementTree

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


def table(folder, name):
    """The lines of a table beside the report, each as a dictionary."""
    with open(folder / f"report-{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def circles(path):
    """(node, x, y, radius, classes) of every circle of a drawing."""
    return [(c.get("data-node"), float(c.get("cx")), float(c.get("cy")), float(c.get("r")),
             c.get("class").split()) for c in ElementTree.parse(path).iter(SVG + "circle")]
