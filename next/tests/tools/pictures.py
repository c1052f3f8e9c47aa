"""Output files of networks that never ran, written by hand; and what is found in drawings.

    Folder(path, 40, power_law_links(40, 120)).write()      a network that was linked after 2 s
    tell(path, THREE, "3.0 5002 parts 5001 closed")         a story, one event after the other

A line of a story is a second, a node (by its port; seeds have ports from 8000 on) and an event:

    0.5 5001 starts                       its `started:` line, and its settings
    1.0 5001 joins 8080                   `registered:`, in the files of both
    2.0 5001 links 5002                   both ends are `connected:`
    9.0 5001 parts 5002 left              5001 writes `disconnected:`
    3.0 5001 says 7                       its message 7 is generated
    3.1 5002 hears 5001/7 from 5003       and received
    4.0 5001 asks 5002 until 9            a liveness reply of 5002, every second
    4.0 5001 lives until 9                it writes a line every second; a seed `alive:1`
    9.5 8080 dies                         it writes nothing from then on, until it starts again

Anything else is written as it stands, with `@5002` for an address.
"""

import csv
import datetime
import math
import pathlib
import random
import re
import xml.etree.ElementTree as ElementTree

from grapevine.lab.pictures.live_lines import Line, LiveLines

START = datetime.datetime(2026, 1, 2, 3, 4, 5)
BEGIN = int(START.replace(tzinfo=datetime.timezone.utc).timestamp()) * 1_000_000  # microseconds
LATER = BEGIN + 3_600_000_000  # an hour after the start of a story
SETTINGS = "settings:gossip-count=0:gossip-interval=1:liveness-interval=1:liveness-misses=3"
HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>"
SVG = "{http://www.w3.org/2000/svg}"
THREE = """
    0.0 8080 starts
    0.0 8081 starts
    0.05 8080 lives until 60
    0.05 8081 lives until 60
    0.5 5001 starts
    0.5 5002 starts
    0.5 5003 starts
    1.0 5001 links 5002
    1.0 5001 links 5003
    1.0 5002 links 5003
    1.1 5001 joins 8080
    1.1 5002 joins 8080
    1.1 5003 joins 8080
    2.0 5001 asks 5002 until 60
    2.0 5002 asks 5001 until 60
"""
FORMS = {  # an event -> what is written, by the node itself or by the one that is named first
    r"joins (\d+)": [("{0}", "registered:@{me}"), ("{me}", "registered:@{0}")],
    r"links (\d+)": [("{me}", "connected:@{0}"), ("{0}", "connected:@{me}")],
    r"parts (\d+) (.*)": [("{me}", "disconnected:@{0}:{1}")],
    r"says (\d+)": [("{me}", "generated:gmessage:1.000000:@{me}:1:{0}:x")],
    r"hears (\d+)/(\d+) from (\d+)": [("{me}",
                                      "received:@{2}:gmessage:1.000000:@{0}:1:{1}:x")],
    r"lives": [("{me}", "peer list:@8080:")],
    r"asks (\d+)": [("{me}", "liveness reply:@{0}:1.000")],
}


def text(second: float, *events: str) -> bytes:
    """Return lines of an output file, with a time in seconds after the start."""
    at = START + datetime.timedelta(seconds=second)
    return "".join(f"{at:%Y-%m-%d %H:%M:%S.%f}:{event}\n" for event in events).encode()


def add(path: pathlib.Path, *data: bytes) -> None:
    """Append to a file."""
    with path.open("ab") as file:
        file.write(b"".join(data))


def tell(folder: pathlib.Path, *stories: str) -> None:
    """Write the files of a story."""
    lines: dict[str, list] = {}
    deaths = []
    for line in "\n".join(stories).splitlines():
        if not line.strip():
            continue
        second, node, event = line.strip().split(" ", 2)
        event, _, until = event.partition(" until ")
        if event == "dies":
            deaths.append((float(second), node))
            continue
        for at in range(int(float(until or second) - float(second)) + 1):
            for who, written in _written(node, event):
                written = re.sub(r"@(\d+)", r"127.0.0.1:\1", written)
                lines.setdefault(who, []).append((float(second) + at, written))
    for second, node in deaths:
        again = min((at for at, event in lines[node]
                     if at > second and event.startswith("started:")), default=math.inf)
        lines[node] = [line for line in lines[node] if not second <= line[0] < again]
    for node, events in lines.items():
        path = folder / f"{_kind(node)}_127.0.0.1_{node}.txt"
        path.write_bytes(b"".join(text(at, event)
                                  for at, event in sorted(events, key=lambda event: event[0])))


def _kind(node: str) -> str:
    return "seed" if int(node) >= 8000 else "peer"


def _written(node: str, event: str) -> list[tuple[str, str]]:
    if event == "starts":
        return [(node, f"started:{_kind(node)}:@{node}"), (node, SETTINGS), (node, "late:0")]
    if event == "lives" and _kind(node) == "seed":
        return [(node, "alive:1")]
    for form, parts in FORMS.items():
        if match := re.fullmatch(form, event):
            return [(who.format(*match.groups(), me=node), line.format(*match.groups(), me=node))
                    for who, line in parts]
    return [(node, event)]


def lines_of_folder(folder: pathlib.Path, now: int = LATER) -> list[Line]:
    """Return all lines of a folder, in order."""
    lines = LiveLines(folder)
    found = lines.turn(now)
    while lines.to_read():
        found += lines.turn(now)
    return found


class Folder:
    """The output files of peers with these links, and of one seed."""

    def __init__(self, path: pathlib.Path, count: int, links: list, capacity: str = "rule"):
        self.path = path
        self.peers = [f"127.0.0.1:{5000 + at}" for at in range(count)]
        self.seed = "127.0.0.1:8080"
        self.lines: dict[str, list] = {node: [] for node in [*self.peers, self.seed]}
        self.degrees = dict.fromkeys(self.peers, 0)
        self.dead: set[str] = set()
        self.say(self.seed, 0, f"started:seed:{self.seed}", "late:0")
        for at, peer in enumerate(self.peers):
            self.say(peer, at / 1000, f"started:peer:{peer}", f"{SETTINGS}:capacity={capacity}",
                     "late:0")
            self.say(peer, 1, f"registered:{self.seed}")
            self.say(self.seed, 1, f"registered:{peer}")
        for one, other in links:
            for mine, theirs in (one, other), (other, one):
                peer = self.peers[mine]
                self.degrees[peer] += 1
                self.say(peer, 2, f"connected:{self.peers[theirs]}",
                         f"degree:{peer}=>{self.degrees[peer]}")

    def say(self, node: str, second: float, *events: str) -> None:
        self.lines[node] += [(second, event) for event in events]

    def gossip(self, origin: str, second: float, words: str) -> None:
        """Let a peer say a message that all others have 0.01 s, 0.02 s, ... later."""
        line = f"gmessage:1.000000:{origin}:1:{len(self.lines[origin])}:{words}"
        self.say(origin, second, f"generated:{line}")
        for at, peer in enumerate(peer for peer in self.peers if peer != origin):
            self.say(peer, second + (at + 1) / 100, f"received:{origin}:{line}")

    def die(self, peer: str, second: float) -> None:
        """Let a peer write nothing after that second."""
        self.dead.add(peer)
        self.lines[peer] = [line for line in self.lines[peer] if line[0] < second]
        self.say(peer, second, f"peer list:{self.seed}:")

    def write(self, second: float = 10) -> pathlib.Path:
        """Write the files; a node that neither stopped nor died has a last line at that second."""
        for node, lines in self.lines.items():
            if node not in self.dead and not lines[-1][1].startswith("stopped"):
                self.say(node, second, f"late:{second:.3f}", "peer list:x:0")  # no rounds were due
            kind = "seed" if node == self.seed else "peer"
            data = b"".join(text(at, event)
                            for at, event in sorted(lines, key=lambda line: line[0]))
            (self.path / f"{kind}_{node.replace(':', '_')}.txt").write_bytes(data)
        return self.path


def power_law_links(count: int, links: int) -> list[tuple[int, int]]:
    """Return links of a graph with a few hubs, the ring of all peers among them."""
    chance = random.Random(1)
    weights = [1 / (1 + at) ** 0.8 for at in range(count)]
    found = {tuple(sorted((at, (at + 1) % count))) for at in range(count)}
    while len(found) < links:
        one, other = sorted(chance.choices(range(count), weights, k=2))
        if one != other:
            found.add((one, other))
    return sorted(found)


def table(folder: pathlib.Path, name: str) -> list[dict]:
    """Return the lines of a table beside the report."""
    with open(folder / f"report-{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def circles(path: pathlib.Path) -> list[tuple]:
    """Return (node, x, y, radius, classes) of every circle of a drawing."""
    return [(c.get("data-node"), float(c.get("cx")), float(c.get("cy")), float(c.get("r")),
             c.get("class").split()) for c in ElementTree.parse(path).iter(SVG + "circle")]
