"""Steps: what happens, on a terminal: numbered lines that update themselves, in words.

At the end of a network the proof, and what to do next. Elsewhere no step is shown.
"""

import os
import pathlib
import sys
import time
from collections.abc import Callable

from gossip.experiments.malice import Malice
from gossip.proof.check import CLAIMS, SHOWN
from gossip.proof.evidence import Row
from gossip.proof.pieces import Pieces
from gossip.proof.records import Records
from gossip.proof.runs import PeerRun
from gossip.terminal import advice
from gossip.terminal.command_line import show
from gossip.terminal.folders import shown
from gossip.terminal.status_line import USUAL, StatusLine, folded, terminal_width, time_left

NAME = 15  # columns of a step's name, where the terminal has room
NAMED = 3  # killed peers whose names are shown; of more only the number
CLAIM = 14  # column at which the claim of a row begins


def status_line_of(args) -> StatusLine | None:
    """What shows the steps of a command; None without a terminal, with --plain or --quiet."""
    return StatusLine() if os.isatty(1) and not (args.plain or args.quiet) else None


class Steps:
    """Numbered steps, the last of which is the status line; without that, no step is shown."""

    def __init__(self, status: StatusLine | None):
        self.status = status
        self._number = 0
        self._begun = 0.0
        self._name, self._words = "", str  # of the last one
        self._left = float  # of the last one: the seconds that are left; 0 where nobody knows

    @property
    def are_shown(self) -> bool:
        """Whether a terminal shows steps."""
        return self.status is not None

    def begin(self, name: str, words: Callable[[], str], left: Callable[[], float] = float) -> None:
        """Begin a step, which `words()` describe whenever it is shown; beside them stands for how
        long it goes on, where `left()` tells, or else how long it has taken."""
        self.end()
        self._number += 1
        self._begun, self._name, self._words, self._left = time.monotonic(), name, words, left
        self.show()

    def describe(self, words: Callable[[], str]) -> None:
        """Other words describe the last step from now on."""
        self._words = words
        self.show()

    def show(self) -> None:
        """Show how far the last step is."""
        if self.are_shown:
            name = f"{self._name:<{NAME if terminal_width() >= USUAL else 0}}"
            left = self._left()
            self.status.update(f"{self._number:3}  {name}  {self._words()}", time_left(left)
                               if left > 0 else f"{time.monotonic() - self._begun:.1f} s")

    def end(self) -> None:
        """The last step stays as it is."""
        if self.are_shown:
            self.status.end()

    def say(self, text: str, indent: int = 0) -> None:
        """Show lines below all steps, also where none are shown; there they are not folded."""
        self.end()
        show(folded(text, indent) if self.are_shown else text)


class NetworkSteps(Steps):
    """The steps of one network."""

    def __init__(self, network, records: Records, status: StatusLine | None):
        super().__init__(status)
        self._network = network
        self._records = records

    def _living(self) -> list[PeerRun]:
        return self._network.living_runs(self._records)

    def begin_start(self, gossip: str, kill: int, malice: Malice | None, once: bool,
                    folder: pathlib.Path) -> None:
        """Say what will happen; the peers start, and find each other."""
        if self.are_shown:
            plan = [f"each gossips {gossip}"]
            plan += [f"{_are(malice.count(), 'attacks', 'attack')} ({malice})"] if malice else []
            plan += [f"then {_are(kill, 'is', 'are')} killed"] if kill else []
            plan += [] if once else ["Ctrl-C ends them"]
            self.say(f"{len(self._network.peers)} peers; {'; '.join(plan)}.   ({shown(folder)})\n")
        self.begin("start", lambda: started(self._living()))

    def begin_gossip(self) -> None:
        """All messages reach everybody."""
        self.begin("gossip", lambda: gossiped(self._records, self._living()))

    def begin_watch(self, until: float) -> None:
        """Malicious peers are looked for, until a moment of the monotonic clock, and longer while
        messages are on their way."""
        self.begin("watch", lambda: watched(self._records), lambda: until - time.monotonic())

    def begin_deaths(self, peers: list[str]) -> None:
        """These were killed, and others find that out."""
        self.begin(killed(peers), lambda: found_dead(self._records, self._living(), peers))

    def begin_rest(self, is_watched: bool) -> None:
        """The network goes on until Ctrl-C, and malicious peers are looked for, or not."""
        self.begin("until Ctrl-C", (lambda: watched(self._records)) if is_watched else self._so_far)

    def _so_far(self) -> str:
        runs, dead = self._living(), self._network.dead_peers()
        return (f"{len(runs)} peers, {gossiped(self._records, runs)}"
                f"{f', {len(dead)} died' if dead else ''}")

    def say_ended(self, folder: pathlib.Path) -> None:
        """Say, after Ctrl-C, what has run, and how it is proved."""
        made = sum(len(run.generated) for run in self._records.peers)
        if self.are_shown:
            self.say(f"Ended. {len(self._network.peers)} peers, {made:,} messages. "
                     f"The proof: {advice.command('check', folder)}")

    def say_proof(self, rows: list[Row], *next_lines: str) -> None:
        """Show the proof, and what to do next."""
        self.say(f"{self._number + 1:3}  the proof, from the output files alone:\n\n"
                 f"{proof(rows)}", CLAIM)
        self.say("\n".join(next_lines), 4)


def _are(count: int, one: str, more: str) -> str:
    """So many of the peers, and a verb."""
    return f"{count} of them {one if count == 1 else more}"


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


def watched(records: Records) -> str:
    """Who was kicked so far, and how much was said meanwhile."""
    kicked = {kick.peer for seed in records.seeds for kick in seed.kicks}
    attackers = {run.address for run in records.peers if run.malice is not None}
    honest = len(kicked - attackers)
    whom = [f"{len(kicked & attackers)} of {len(attackers)} attackers"] if attackers else []
    whom += [f"{honest} honest"] if honest or not attackers else []
    made = sum(len(run.generated) for run in records.peers)
    return f"{' and '.join(whom)} kicked, {made:,} messages"


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
