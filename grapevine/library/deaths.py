"""Deaths as a program is told of them: at once, and once each.

A link that breaks at an address that then refuses a probe is a death: nobody listens there any
more. Neighbours and seeds of the dead peer find that, and each tells all that it can, because its
next life may answer by the time that one has told another. No answer is no death, because a living
peer may be slow, or its queue of connections full; that is left to the liveness rounds. Only seeds
know who has left, and may have to say so; see `remove_dead`.
"""

import functools
import math
import weakref

from grapevine import wire
from grapevine.addresses import Address
from grapevine.asking import Verdict
from grapevine.node import LATE_FOR
from grapevine.tools import Recent

LOOKS, PAUSE = 5, 0.05  # probes after a link broke; seconds between two
PROBE_LIMIT = 0.5  # seconds for each
FOUND_WITHIN = 2.0  # seconds in which all find a death; what is found later is another life's
DEATHS_LIMIT = 1_000  # peers


class DeathsAtOnce:
    """Overrides of a peer. A subclass has `tell_death(peer)`."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.listed: dict[Address, set[Address]] = {}  # seed -> whom its latest list names
        # peer -> when its death was told, by the clock of this node and in Unix seconds
        self._deaths_told = Recent(DEATHS_LIMIT)
        self._unlisted = Recent(DEATHS_LIMIT)  # peer -> the seed whose list names it no more
        # row of a neighbour -> when a seed told of its death though the link of this row stood
        self._told_early: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def neighbour_ended(self, link, error: OSError | None) -> None:
        row = self.neighbours.rows.get(link.peer)
        super().neighbour_ended(link, error)
        if row is None or not self._is_broken_off(link.peer, row):
            return
        if self.now() - self._told_early.get(row, -math.inf) < FOUND_WITHIN:
            self.remove_dead(link.peer, "told dead")  # it may have begun anew meanwhile
        else:
            self.look_for_death(link.peer, row, LOOKS)

    def look_for_death(self, peer: Address, row, looks: int) -> None:
        """Find out whether a neighbour whose link broke has died."""
        if self._is_broken_off(peer, row):
            self.probe(peer, functools.partial(self.judge_look, peer, row, looks), PROBE_LIMIT)

    def judge_look(self, peer: Address, row, looks: int, verdict: Verdict) -> None:
        if verdict is Verdict.REFUSED and self._is_broken_off(peer, row):
            self.declare_dead(peer)
        elif verdict is Verdict.UNKNOWN:
            self.later(LATE_FOR, self.look_for_death, peer, row, looks)
        elif verdict is Verdict.SILENT and looks > 1:
            self.later(PAUSE, self.look_for_death, peer, row, looks - 1)

    def _is_broken_off(self, peer: Address, row) -> bool:
        """Tell whether this row stands, and has no link."""
        return row.link is None and self.neighbours.rows.get(peer) is row and not self.is_leaving

    def dial_ended(self, link, error: OSError | None) -> None:
        """Report who refuses to be dialled, though a list names it: maybe it has died together with
        all its neighbours. The seeds know if it has left."""
        super().dial_ended(link, error)
        peer, is_refused = link.peer, isinstance(error, ConnectionRefusedError)
        if (is_refused and peer in self.peer_list and peer not in self.neighbours.rows
                and peer not in self._deaths_told and not self.is_leaving):
            self.report(peer)

    def on_dead_node(self, link, dead: Address, time: str, reporter: Address) -> None:
        row = self.neighbours.rows.get(dead)
        told, told_at = self._deaths_told.get(dead, (math.inf, math.inf))
        if min(self.now() - told, float(time) - told_at) >= FOUND_WITHIN:  # clocks may differ
            del self._deaths_told[dead]  # it has come back since, and no list was without it
        super().on_dead_node(link, dead, time, reporter)
        if row is not None and self._is_broken_off(dead, row):
            self.remove_dead(dead, "told dead")
        elif (row is not None and self.neighbours.rows.get(dead) is row
              and self.time() - float(time) <= self.now() - row.since):  # no former life's
            self._told_early[row] = self.now()

    def remove_dead(self, peer: Address, reason: str) -> None:
        """Tell each death once, also of who was too young to be known. Several seeds tell of it,
        and one that is behind lists it anew. Who may have left is not told: its goodbye was lost
        with the link, or waits behind what is held; if it has died, the seed says so."""
        row = self.neighbours.rows.get(peer)
        is_unheard = row is not None and (row.link is None or row.link.is_held)
        super().remove_dead(peer, reason)
        may_have_left = reason == "dead" and is_unheard and self._may_have_left(peer)
        if peer not in self._deaths_told and not may_have_left:
            self._deaths_told[peer] = self.now(), self.time()
            for listed in self.listed.values():
                listed.add(peer)  # a list that names it is no news unless one since then did not
            for link in [link for link in self.links if link.peer == peer]:
                if link.role in self.PACED:
                    link.close(reason)  # what it answered while it lived may wait to be read
            self.tell_death(peer)

    def _may_have_left(self, peer: Address) -> bool:
        """Tell whether a seed at hand, which knows why, lists a peer no more, and none does."""
        seeds = {link.peer for link in self.registrations.links()}
        return (self._unlisted.get(peer) in seeds
                and not any(peer in self.listed.get(seed, ()) for seed in seeds))

    def enter(self, link, peer: Address, is_dialled: bool) -> None:
        self._forget_death(peer)
        super().enter(link, peer, is_dialled)

    def on_peer_list(self, link, addresses: tuple[Address, ...]) -> None:
        listed = set(addresses)
        before = self.listed.get(link.peer, listed)
        for peer in listed - before:
            self._forget_death(peer)  # this seed had removed it, so it has come back
        for peer in before - listed:
            self._unlisted[peer] = link.peer
        self.listed[link.peer] = listed
        super().on_peer_list(link, addresses)

    def _forget_death(self, peer: Address) -> None:
        """Forget a death, because the peer lives again."""
        self._deaths_told.pop(peer, None)
        self._unlisted.pop(peer, None)


class DeathsOfListed:
    """Overrides of a seed, which tells its peers of deaths that it has found itself."""

    def judge_lost(self, peer: Address, row, alive: Verdict) -> None:
        super().judge_lost(peer, row, alive)
        removal = self.registry.removed.get(peer)
        if alive is Verdict.REFUSED and removal is not None and not removal.has_left:
            time = wire.format_time(self.time())
            self.tell_of_death(removal, wire.say("dead_node", peer, time, self.address), False)
