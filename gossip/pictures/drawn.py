"""Drawn: what the drawing of the network, and the table of its peers, tell about each peer."""

import html
from typing import NamedTuple

from gossip.addresses import parse_address
from gossip.proof import graph
from gossip.proof.graph import Snapshot
from gossip.proof.records import Records


class DrawnPeer(NamedTuple):
    """A peer in the drawing."""

    address: str
    degree: int
    capacity: int
    up: bool  # at the moment that is drawn
    died: bool
    malice: str | None = None  # its kind, if it attacks
    kicked: bool = False

    @property
    def style(self) -> str:
        """The classes of its circle."""
        if self.up:
            colour = "gv-bad" if self.malice else "gv-warm" if self.died else "gv-main"
            return f"{colour} {'gv-kicked' if self.kicked else 'gv-halo'}"
        return "gv-hollow gv-died" if self.died else "gv-hollow"

    @property
    def title(self) -> str:
        """The text that is shown when the mouse points at the circle."""
        return (f"{self.address}: degree {self.degree}, capacity {self.capacity}"
                + (f", attacker ({html.escape(self.malice)})" if self.malice else "")
                + (", kicked" if self.kicked else "")
                + ("" if self.up else ", not up at that moment") + (", died" if self.died else ""))


def drawn_peers(records: Records, snapshot: Snapshot) -> list[DrawnPeer]:
    """All peers, by address, at the moment of the snapshot."""
    newest = records.newest()
    runs = {run.address: run for run in records.peers}
    kicked = {kick.peer for seed in records.seeds for kick in seed.kicks}
    return [DrawnPeer(address, snapshot.degrees.get(address, 0),
                      graph.capacity_of(runs[address]).of(parse_address(address)),
                      address in snapshot.degrees, runs[address].is_dead(newest),
                      runs[address].malice, address in kicked)
            for address in sorted(runs, key=parse_address)]
