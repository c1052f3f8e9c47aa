"""The scenario: what a runner did to its nodes, in `scenario.txt` beside their output files.

A line is like one of an output file, `YYYY-MM-DD HH:MM:SS.ffffff:kill:127.0.0.1:5003`. The kinds:

    start, kill, freeze, thaw, leave   of a node
    ended, failed                      somebody else ended its process; that ended by an error
    attack:IP:PORT:KIND                this peer is malicious; simulated nodes without KIND
    power, slow, fast, reset, break    of simulated machines and their connections
    say                                of a simulated peer
    cut:IP:PORT IP:PORT …, and mend    these nodes, on one side, cannot reach the others any more
    end                                of the whole network
"""

import collections
from typing import NamedTuple

DEATHS = {"kill", "power", "ended"}  # after which a node writes nothing


class Act(NamedTuple):  # what was done
    at: float  # Unix seconds
    kind: str
    nodes: tuple[str, ...]


class Scenario:
    """The acts of a runner, in order."""

    def __init__(self, acts: list[Act], damaged: int):
        self.acts = acts
        self.damaged = damaged  # lines that nobody understands
        self.end = next((act.at for act in self.acts if act.kind == "end"), None)
        self.started, self.attacking = ({
            node for act in self.acts if act.kind == kind for node in act.nodes}
            for kind in ("start", "attack"))
        self.deaths: dict[str, list[float]] = collections.defaultdict(list)  # node -> when
        for act in self.acts:
            for node in act.nodes if act.kind in DEATHS else ():
                self.deaths[node].append(act.at)

    def times(self, begin: str, end: str) -> list[tuple[float, float, tuple[str, ...]]]:
        """Return from when until when something was done to which nodes, as freeze and thaw."""
        found, open_since = [], {}
        for at, kind, nodes in self.acts:
            if kind == begin:
                open_since.setdefault(nodes, at)
            elif kind == end and nodes in open_since:
                found.append((open_since.pop(nodes), at, nodes))
        return found + [(at, float("inf"), nodes) for nodes, at in open_since.items()]
