"""Output files of networks that never ran, written by hand; and what is found in drawings.

    Folder(path, 40, power_law_links(40, 120)).write()      a network that was linked after 2 s

Stories (stories.py) begin at the same moment.
"""

import csv
import datetime
import pathlib
import random
import xml.etree.ElementTree as ElementTree

from grapevine.lab.pictures.live_lines import Line, LiveLines
from tests.tools.stories import SETTINGS, START

BEGIN = int(START.replace(tzinfo=datetime.timezone.utc).timestamp()) * 1_000_000  # microseconds
LATER = BEGIN + 3_600_000_000  # an hour after the start of a story
HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>"
SVG = "{http://www.w3.org/2000/svg}"


def text(second: float, *events: str) -> bytes:
    """Return lines of an output file, with a time in seconds after the start."""
    at = START + datetime.timedelta(seconds=second)
    return "".join(f"{at:%Y-%m-%d %H:%M:%S.%f}:{event}\n" for event in events).encode()


def add(path: pathlib.Path, *data: bytes) -> None:
    """Append to a file."""
    with path.open("ab") as file:
        file.write(b"".join(data))


def lines_of_folder(folder: pathlib.Path) -> list[Line]:
    """Return all lines of a folder, in order."""
    lines = LiveLines(folder)
    found = lines.turn(LATER)
    while lines.to_read():
        found += lines.turn(LATER)
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
