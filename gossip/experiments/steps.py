"""Steps: what happens to a network, on a terminal: numbered lines that update themselves, in words.

At the end the proof, and what to do next. Nothing of this is shown elsewhere.
"""

import pathlib
import sys
import time
from collections.abc import Callable

from gossip.proof.check import CLAIMS, SHOWN
from gossip.proof.evidence import Row
from gossip.proof.pieces import Pieces
from gossip.proof.records import Records
from gossip.proof.runs import PeerRun
from gossip.terminal import advice
from gossip.terminal.command_line import show
from gossip.terminal.folders import shown
from gossip.terminal.status_line import StatusLine, folded

NAMED = 3  # killed peers whose names are shown; of more only the number
CLAIM = 14  # column at which the claim of a row begins


class Steps:
    """The steps of one network. The last one is the status line; without that, nothing is shown.
    `living()` answers the runs of the peers that live."""

    def __init__(self, network, records: Records, living: Callable[[], list[PeerRun]],
                 status: StatusLine | None):
        self._network = network
        self._records = records
        self._living = living
        self._status = status
        self._number = 0
        self._begun = 0.0
        self._name, self._words = "", str  # of the last one

    @property
    def are_shown(self) -> bool:
        """Whether a terminal shows steps."""
        return self._status is not None

    def show(self) -> None:
        """Show how far the last step is."""
        self._status.update(f"{self._number:3}  {self._name:<15}  {self._words()}",
                            f"{time.monotonic() - self._begun:.1f} s")

    def _begin(self, name: str, words: Callable[[], str]) -> None:
        """Begin a step, which `words()` describe whenever it is shown."""
        if self.are_shown:
            self._status.end()
            self._number += 1
            self._begun, self._name, self._words = time.monotonic(), name, words
            self.show()

    def _say(self, text: str, indent: int = 0) -> None:
        if self.are_shown:
            show(folded(text, indent))

    def begin_start(self, gossip: str, kill: int, once: bool, folder: pathlib.Path) -> None:
        """Say what will happen; the peers start, and find each other."""
        plan = [f"each gossips {gossip}"]
        plan += [f"then {kill} of them {'is' if kill == 1 else 'are'} killed"] if kill else []
        plan += [] if once else ["Ctrl-C ends them"]
        self._say(f"{len(self._network.peers)} peers; {'; '.join(plan)}.   "
                  f"({shown(folder)})\n")
        self._begin("start", lambda: started(self._living()))

    def begin_gossip(self) -> None:
        """All messages reach everybody."""
        self._begin("gossip", lambda: gossiped(self._records, self._living()))

    def begin_deaths(self, peers: list[str]) -> None:
        """These were killed, and others find that out."""
        self._begin(killed(peers), lambda: found_dead(self._records, self._living(), peers))

    def begin_rest(self) -> None:
        """The network goes on until Ctrl-C."""
        self._begin("until Ctrl-C", self._so_far)

    def _so_far(self) -> str:
        runs, dead = self._living(), self._network.dead_peers()
        return (f"{len(runs)} peers, {gossiped(self._records, runs)}"
                f"{f', {len(dead)} died' if dead else ''}")

    def say_ended(self, folder: pathlib.Path) -> None:
        """Say, after Ctrl-C, what has run, and how it is proved."""
        made = sum(len(run.generated) for run in self._records.peers)
        self._say(f"Ended. {len(self._network.peers)} peers, {made:,} messages. "
                  f"The proof: {advice.command('check', folder)}")

    def say_proof(self, rows: list[Row], *next_lines: str) -> None:
        """Show the proof, and what to do next."""
        self._say(f"{self._number + 1:3}  the proof, from the output files alone:\n\n"
                  f"{proof(rows)}", CLAIM)
        self._say("\n".join(next_lines), 4)


def started(runs: list[PeerRun]) -> str:
    """How far the peers have found each other."""
    graph = Pieces()
    for run in runs:
        graph.add(run.address)
    for run in runs:
        for other in run.linked:
            if other in graph:
                graph.link(run.address, other)
    links = sum(len(run.linked) for run in runs) // 2
    pieces = "one piece" if len(graph) == 1 else f"{len(graph)} pieces"
    return f"{len(runs)} peers, {links} links, {pieces}"


def gossiped(records: Records, runs: list[PeerRun]) -> str:
    """How far the messages have come that were generated so far."""
    made = sum(len(run.generated) for run in records.peers)
    due = made * len(runs) - sum(len(run.generated) for run in runs)
    delivered = sum(len(run.received) for run in runs)
    return f"{made:,} messages, {delivered:,} of {due:,} delivered"


def killed(peers: list[str]) -> str:
    """Who was killed."""
    if len(peers) > NAMED:
        return f"{len(peers)} killed"
    return f"{' '.join(advice.ports(peers))} {'is' if len(peers) == 1 else 'are'} killed"


def found_dead(records: Records, runs: list[PeerRun], peers: list[str]) -> str:
    """Who of the neighbours of killed peers has found that they are dead."""
    if len(peers) > 1:
        found = {peer for run in runs for peer in run.dead}.intersection(peers)
        return f"{len(found)} of {len(peers)} found dead"
    found = [run.address for run in runs if peers[0] in run.dead]
    if found:
        return f"found dead by {' '.join(advice.ports(found))}"
    last = {run.address: run.last for run in records.peers}
    waiting = sum(run.had_link(peers[0], last.get(peers[0], 0.0)) for run in runs)
    return f"no answer for its {waiting} neighbour{'' if waiting == 1 else 's'}"


def proof(rows: list[Row]) -> str:
    """The rows of a proof in words, and whether all claims hold."""
    yes, no = _marks()
    lines = []
    for row in rows:
        mark = {True: yes, False: no, None: " "}[row.holds]
        lines.append(f"{mark} {row.name:<10}  {CLAIMS.get(row.name, '')}")
        lines += [f"{'':<{CLAIM}}{text}" for text in [row.figures, *row.details[:SHOWN]]]
        if len(row.details) > SHOWN:
            lines.append(f"{'':<{CLAIM}}and {len(row.details) - SHOWN} more")
    claims = sum(row.holds is not None for row in rows)
    failing = [row.name for row in rows if row.holds is False]
    verdict = (f"{len(failing)} of {claims} claims do not hold: {', '.join(failing)}." if failing
               else f"All {claims} claims hold.")
    return "\n".join([*lines, "", verdict])


def _marks() -> tuple[str, str]:
    """Before a claim that holds, and before one that does not."""
    try:
        "✓✗".encode(sys.stdout.encoding or "ascii")
    except UnicodeError:
        return "+", "-"
    return "✓", "✗"
