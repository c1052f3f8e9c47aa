"""Records: what the output files of a folder tell, run by run, read as the files grow.

The runner and the benchmark follow a network with them; the check reads its files once.
"""

import functools
import math
import pathlib
from typing import NamedTuple

from gossip.addresses import is_loopback, parse_address
from gossip.lab.proof.events import DEAD, JUDGED, LOAD, REMOVED, SECONDS, SEEDS, Kick, Load
from gossip.lab.proof.reading import DAMAGED, Piece, first_line, opened, pieces_in
from gossip.lab.proof.runs import PeerRun, Run


class SeedRun(Run):
    """One life of a seed."""

    def __init__(self, address: str, at: float):
        super().__init__(address, at)
        self.until = at  # its last line that is not `alive`
        self.pace = 0.0  # seconds between two lines `alive`; 0: it writes none
        self.registered: list[tuple[float, str]] = []  # when, whom
        self.known = 0  # how many seeds its configuration names
        self.listed: list[tuple[float, str]] = []  # when it told whom of the others
        self.removed: list[tuple[float, str, str]] = []  # when, whom, why
        self.kicks: list[Kick] = []
        self.judged: list[tuple[float, dict[str, float]]] = []  # when, badness of whom it judges
        self.loads: list[Load] = []
        # when, whose death, reported by whom, and the line
        self.reports: list[tuple[float, str, str, str]] = []
        self.untrue: list[tuple[float, str]] = []  # when whose report was untrue: the dead answered
        # about whom a report was rejected, because this seed was late
        self.too_busy: list[tuple[float, str]] = []
        self.disbelieved: dict[str, float] = {}  # whose reports it does not look at, from when on
        self.passed_on: list[tuple[float, str]] = []  # when it told others of whose death

    def _take(self, at: float, event: str, rest: str) -> None:
        self.last = at
        if event == "alive" and SECONDS.fullmatch(rest):
            self.pace = float(rest)
            return
        self.until = at
        dead = DEAD.match(rest)
        if dead:
            self._take_of_a_death(at, event, rest, *dead.groups(), dead[0])
        elif event == "registered":
            self.registered.append((at, rest))
        elif event == "settings" and (found := SEEDS.search(rest)):
            self.known = int(found[1])
        elif event == "peer list":
            self.listed.append((at, rest.rpartition(":")[0]))
        elif event == "removed" and (found := REMOVED.fullmatch(rest)):
            peer, reason, badness = found.groups()
            self.removed.append((at, peer, reason))
            if badness is not None:
                self.kicks.append(Kick(at, peer, float(badness)))
        elif event == "judged":
            self.judged.append((at, {peer.replace("#", ":"): float(badness)
                                     for peer, badness in JUDGED.findall(rest)}))
        elif event == "load" and (found := LOAD.fullmatch(rest)):
            rows, largest, mean, moved, hops = found.groups()
            self.loads.append(Load(at, int(rows), float(largest), float(mean), int(moved),
                                   float(hops)))
        elif event == "disbelieved":
            self.disbelieved.setdefault(rest, at)
        else:
            self._take_of_any_node(at, event, rest)

    def _take_of_a_death(self, at: float, event: str, rest: str, dead: str, reporter: str,
                         line: str) -> None:
        if event == "dead report":
            self.reports.append((at, dead, reporter, line))
        elif event == "passed on":
            self.passed_on.append((at, dead))
        elif event == "rejected" and rest.endswith(":it answers"):
            self.untrue.append((at, reporter))
        elif event == "rejected" and rest.endswith(":too busy to find out"):
            self.too_busy.append((at, dead))

    def end(self, newest: float) -> float:
        """Return when it ended, as far as its file tells; infinity for one that is up."""
        silent = self.last < newest - 2 * self.pace
        over = self.ended is not None or self.superseded or silent or not self.pace
        return self.last if over else math.inf

    def believes(self, peer: str, at: float) -> bool:
        """Whether it looks at what a peer says of deaths; no file tells when disbelief ends."""
        return at < self.disbelieved.get(peer, math.inf)


@functools.lru_cache(maxsize=None)
def machine_of(address: str) -> str:
    """Return the IP of an address, one name for all loopback; empty for what is no address."""
    try:
        parsed = parse_address(address)
    except ValueError:
        return ""
    return "loopback" if is_loopback(parsed) else parsed.ip


class Runs(NamedTuple):
    """Runs of peers and of seeds, up to a moment."""

    peers: list[PeerRun]
    seeds: list[SeedRun]
    until: float

    def newest(self) -> float:
        """The time of the newest line."""
        return self.until


class Records:
    """All runs of all nodes whose output files are in a folder. That is a `pathlib.Path`, or
    anything else with `glob(pattern)`, such as `Together` or a folder that is kept in memory."""

    def __init__(self, folder: pathlib.Path, ahead: dict[str, float] | None = None):
        """`ahead`: by how many seconds clocks of machines are ahead; their times are put right."""
        self.folder = folder
        self._ahead = ahead or {}
        self._pieces: dict[tuple[str, bytes], Piece] = {}  # by name and first line
        self._latest: dict[str, tuple] = {}  # node -> its latest run, and when that began
        self._untold: list[str] = []  # files without a whole line
        self.clocks = None  # what clocks.py has found

    def refresh(self) -> "Records":
        """Read what is new; OSError when the folder cannot be read."""
        self._untold = []
        there = {}
        for path, name, first in pieces_in(self.folder):
            if first is None:
                self._untold.append(path.name)
                continue
            if (name, first) not in self._pieces:
                self._pieces[name, first] = Piece(name, path, first)
            there[self._pieces[name, first]] = path
        for piece in sorted(there, key=lambda piece: piece.begun):
            was_read = piece.path == there[piece] and piece.tail.position
            piece.path = there[piece]
            if not (was_read and piece.path.name.endswith(".gz")):
                self._read(piece)
        self._pieces = dict(sorted(self._pieces.items(),
                                   key=lambda item: (item[1].name, item[1].begun)))
        return self

    def _read(self, piece: Piece) -> None:
        tail, run = piece.tail, piece.run
        try:
            with opened(piece.path) as file:
                if first_line(file) != piece.first:
                    return  # renamed just now, and another has its name
                for at, event, rest in tail.read_all(file):
                    if event == "continued":
                        run = piece.run = self._continued(piece, at, rest)
                        continue
                    ahead = self._ahead.get(machine_of(tail.node), 0.0) if self._ahead else 0.0
                    if event == "started":
                        run = piece.run = self._begun(piece, at, at - ahead)
                    else:
                        run.take(at - ahead, event, rest)
        except FileNotFoundError:
            pass  # renamed just now
        except DAMAGED:
            self._untold.append(piece.path.name)

    def _begun(self, piece: Piece, at: float, time_right: float):
        """Return the run that begins in a piece, which may be the next one of its node."""
        node = piece.tail.node
        run = {"peer": PeerRun, "seed": SeedRun}[piece.name[:4]](node, time_right)
        piece.runs.append(run)
        last, begun = self._latest.get(node, (None, -math.inf))
        if begun > at and last is not piece.run:
            run.superseded = True
        else:
            self._latest[node] = run, at
            if last is not None:
                last.superseded = True
        return run

    def _continued(self, piece: Piece, at: float, rest: str):
        """Return the run that goes on in a piece: the latest of its node, if it has this START."""
        node, start = piece.tail.node, rest.rpartition(":")[2]
        run, begun = self._latest.get(node, (None, 0.0))
        if run is None or not (getattr(run, "settings", {}).get("start") == start
                               or abs(int(start) / 1000 - begun) < 0.002):
            piece.lacks_beginning = True
            run = PeerRun(node, at)  # of which nothing is proved
            self._latest[node] = run, int(start) / 1000
        return run

    def unread(self) -> list[str]:
        """The names of files that are named like a node's, and tell of none."""
        return sorted({*self._untold, *(piece.path.name for piece in self._pieces.values()
                                        if piece.run is None)})

    def headless(self) -> list[tuple[str, str]]:
        """The files that go on with a run whose beginning is in none, and its node."""
        return [(piece.path.name, piece.tail.node) for piece in self._pieces.values()
                if piece.lacks_beginning]

    def _runs(self, kind) -> list:
        return [run for piece in self._pieces.values() for run in piece.runs
                if isinstance(run, kind)]

    @property
    def peers(self) -> list[PeerRun]:
        """All runs of all peers; the runs of one peer in their order."""
        return self._runs(PeerRun)

    @property
    def seeds(self) -> list[SeedRun]:
        return self._runs(SeedRun)

    def newest(self) -> float:
        """The time of the newest line of the folder, but for what seeds write in any case."""
        return max([*(run.last for run in self.peers), *(run.until for run in self.seeds)],
                   default=0.0)

    def honest(self) -> Runs:
        """The same without the attackers of an experiment, who have said what they are."""
        return Runs([run for run in self.peers if run.malice is None], self.seeds, self.newest())


def read_folder(folder: pathlib.Path) -> Records:
    """Read a folder; ValueError when no file of a peer is in it."""
    records = Records(folder).refresh()
    if records.peers:
        return records
    unread = records.unread() or [name for name, _ in records.headless()]
    more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
    raise ValueError(f"no output file of a peer in {folder} (they are named peer_IP_PORT.txt)"
                     + (f"; no started: line in {unread[0]}{more}" if unread else ""))
