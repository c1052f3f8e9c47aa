"""Progress: follows a network through its output files, for people and for `--once`.

It shows a status line on a terminal, and a line every 3 seconds elsewhere.
"""

import os
import time

from gossip.experiments.steps import Steps
from gossip.proof import deaths
from gossip.proof.evidence import Proof
from gossip.proof.records import Records
from gossip.proof.runs import FULL, PeerRun
from gossip.settings import Settings
from gossip.terminal.command_line import show
from gossip.terminal.signals import End
from gossip.terminal.status_line import StatusLine

LOOK, LONGEST_LOOK = 0.25, 2.0  # seconds between two looks at the files, at least and at most
REST = 4  # times as long as a look takes: the runner leaves the processor to the network
SAY = 3.0  # seconds between two lines where the screen is no terminal


class Progress:
    """The state of a network, as its files show it so far."""

    def __init__(self, records: Records, network, settings: Settings, end: End, steps: Steps,
                 quiet: bool = False):
        """Where a terminal shows `steps`, it does not show one line."""
        self._records = records
        self._network = network
        self._settings = settings
        self._end = end
        self._quiet = quiet
        self.steps = steps
        self._status = steps.status or (StatusLine() if os.isatty(1) and not quiet else None)
        self._said_at = 0.0
        self._began: float | None = None  # when it looked first

    def look(self) -> None:
        """Read what is new in the files, and show it."""
        self._records.refresh()
        now = time.monotonic()
        self._began = self._began or now
        if self.steps.are_shown:
            self.steps.show()
        elif self._status is not None:
            self._status.update(self._line())
        elif not self._quiet and now - self._said_at >= SAY:
            self._said_at = now
            show(self._line())

    def finish(self) -> None:
        """End the status line."""
        if self._status is not None:
            self._status.end()

    def _line(self) -> str:
        runs = self.living()
        linked = [len(run.linked) for run in runs]
        made = sum(len(run.generated) for run in self._records.peers)
        delivered = sum(len(run.received) for run in runs)
        text = (f"{time.monotonic() - self._began:5.1f} s  {len(runs)} of "
                f"{len(self._network.peers)} peers, "
                f"{sum(linked) // 2} links (degree {min(linked, default=0)} to "
                f"{max(linked, default=0)}), {made} messages, {delivered} deliveries")
        kicked = {kick.peer for seed in self._records.seeds for kick in seed.kicks}
        if kicked:
            text += f", {len(kicked)} kicked"
        killed = self._network.dead_peers()
        if killed:
            found = {peer for run in runs for peer in run.dead} & killed
            text += f", {len(killed)} killed, {len(found)} of them found dead"
        return text

    def living(self) -> list[PeerRun]:
        """The runs of the peers that live."""
        return self._network.living_runs(self._records)

    def _all_run(self, runs: list[PeerRun]) -> bool:
        """Whether these are the runs of all peers that live."""
        return len(runs) + len(self._network.dead_peers()) >= len(self._network.peers)

    def linked(self) -> bool:
        """Whether all peers are up and have a neighbour."""
        runs = self.living()
        alone = len(self._network.peers) == 1
        return self._all_run(runs) and (alone or all(run.linked for run in runs))

    def delivered(self) -> bool:
        """Whether all messages are generated, and have reached all peers that live."""
        runs = self.living()
        if not self._all_run(runs):
            return False
        runs = [run for run in runs if run.ended != FULL]
        if any(run.by_generator < self._settings.gossip_count for run in runs):
            return False
        if len(runs) < len(self._records.peers):  # what the dead said last may have died with them
            made = set().union(*(run.generated.keys() | run.received.keys() for run in runs))
            return all(made <= run.received.keys() | run.generated.keys() for run in runs)
        made = sum(len(run.generated) for run in runs)
        return all(len(run.received) + len(run.generated) >= made for run in runs)

    def honest_have_all(self) -> bool:
        """Whether all honest peers that were not kicked have generated all their messages, and
        have received those of one another."""
        runs = [run for run in self._records.honest().peers if run.ended is None]
        made = {message for run in runs for message in run.generated}
        return (all(run.by_generator >= self._settings.gossip_count for run in runs)
                and all(made <= run.received.keys() | run.generated.keys() for run in runs))

    def buried(self) -> bool:
        """Whether every killed peer was found dead (if a neighbour of it lives), and its seeds
        have heard of the death, removed the peer, and told others."""
        proof, dead = Proof(self._records), self._network.dead_peers()
        for run in self._records.peers:
            if run.address not in dead or run.superseded:
                continue
            neighbours = any(other.had_link(run.address, run.last) for other in self.living())
            if neighbours and not (deaths.found_dead(proof, run) and deaths.is_told(proof, run)):
                return False
            if deaths.death(proof, run)[0]:
                return False
        return True

    def _state(self) -> tuple:
        """Numbers that grow as long as the network makes progress."""
        peers = self._records.peers
        return (len(peers), sum(run.first_linked is not None for run in peers),
                sum(len(run.generated) + len(run.received) for run in peers),
                sum(len(run.dead) for run in peers),
                sum(len(run.removed) for run in self._records.seeds))

    def settle(self, done, patience: float) -> bool:
        """Look until `done()` holds; False if there is no progress for `patience` seconds, or a
        peer failed. KeyboardInterrupt when a signal comes."""
        state, end = None, 0.0
        while True:
            began = time.monotonic()
            self.look()
            if done():
                return True
            if self._state() != state:
                state, end = self._state(), time.monotonic() + patience
            if time.monotonic() > end:
                return False
            if not self._all_well():
                return False
            self._end.pause(until_next_look(time.monotonic() - began))

    def _all_well(self) -> bool:
        """Show which processes have ended; False if one has failed. A process that was killed by
        hand has not failed: it is part of the experiment."""
        well = True
        for host in self._network.newly_ended():
            tell = show if self._status is None else self._status.above
            tell(f"{host.what} has ended (exit code {host.ended()})")
            well = well and host.ended() <= 0
        return well


def until_next_look(took: float) -> float:
    """Seconds until the files are looked at again when a look has taken so many."""
    return min(LONGEST_LOOK, max(LOOK, REST * took))
