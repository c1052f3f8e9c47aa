"""Admitting: the part of a peer that decides about newcomers.

The table of neighbours judges a newcomer. Into a free place it is accepted at once, and its address
is probed in the background, so that nobody waits for a silent address. Without a free place, or
when too many come, the probe comes first. If a peer is linked already, the older link is asked. An
unproven link tells nothing about the peer whose address it announces, because anybody on the same
host may have made it. Where gossip is signed all links are proven, by a key.
"""

import functools
import math

from gossip import wire
from gossip.liveness.prober import FIRST, LAST
from gossip.node.node import WAITING
from gossip.node.part import Part
from gossip.registering.joining import Joining

CHECKED = "a peer that waits for its probe, or the check of its older link"  # a role of a link
LINK_CHECK_LIMIT = 1.0  # seconds that an older link has to answer before it is replaced


class Admitting(Part):
    """The newcomers of a peer. `linking` has the tables."""

    ANSWERS = {WAITING: {"connect"}}

    def __init__(self, node, linking, joining: Joining, probers: list, proofs):
        self._node, self._linking, self._joining = node, linking, joining
        self._probers, self._proofs = probers, proofs
        self._neighbours, self._peer_list = linking.neighbours, linking.peer_list
        self.checks: dict = {}  # newcomer -> (the older link to its peer, until when it may answer)
        self._look_at = math.inf  # when the next job of `_look` is due

    def on_connect(self, link, message: wire.Connect) -> None:
        """Admit a newcomer whose run is the one at its address."""
        asker = message.address
        if asker.ip != link.remote_ip:
            link.send(wire.refused(self._node.address, "another IP"))
            self._node.disconnect(link, f"{asker} is not its IP")
        elif self._node.leaving:
            link.close("leaving")
        else:
            link.peer = asker
            if fault := self._linking.offence(asker) or self._proofs.fault_of_asker(link):
                self._turn_away(link, fault)
                return
            link.role = CHECKED
            self._proofs.find_out(link, lambda at_home: (
                self._admit(link) if at_home else self._turn_away(link, "unproven")))

    def _admit(self, link, silent=None, answered: bool | None = None) -> None:
        """Decide about a newcomer; for `silent` and `answered` see `Neighbours.admit`."""
        if link.ended:
            return
        asker, now = link.peer, self._node.now()
        if offence := self._linking.offence(asker):
            self._turn_away(link, offence)
            return
        if asker not in self._peer_list:
            self._joining.hurry()  # a newer list may name it
        listed = self._peer_list.listed_among([asker, *self._neighbours.addresses()])
        admission = self._neighbours.admit(asker, link, asker, now, listed, silent, answered)
        if admission.ask is not None and silent is None:
            self._check(admission.ask, link)
        elif admission.probe:
            link.role = CHECKED
            self._probe(link, self._probed_first)
        elif not admission.accepted:
            self._turn_away(link, admission.reason)
        else:
            self._linking.enter(link, admission)
            if not admission.proven:
                self._probe(link, self._linking.probed)

    def _turn_away(self, link, reason: str) -> None:
        if not link.ended:
            link.send(wire.refused(self._node.address, reason))
            self._node.disconnect(link, reason)

    # Probes of the addresses that newcomers announce.

    def _probe(self, link, verdict) -> None:
        """Have `verdict(link, alive)` called, peers that seeds have named first. A late peer
        believes the seeds, because they have probed the address."""
        is_listed = bool(self._peer_list.listed_among([link.peer]))
        if is_listed and self._node.is_late() and self._joining.has_seed():
            verdict(link, True)
        else:
            self._probers[FIRST if is_listed else LAST].ask(
                link.peer, functools.partial(verdict, link), lambda: not link.ended)

    def _probed_first(self, link, alive: bool | None) -> None:
        """Admit a newcomer that answers, or that was not probed when late."""
        if alive or alive is None and self._node.is_late():
            self._admit(link, answered=bool(alive))
        else:
            self._turn_away(link, "full")

    def next_round(self) -> None:
        """Probe the unproven neighbours once more."""
        for link in self._neighbours.unproven():
            self._probe(link, self._linking.probed)

    # Checks of standing links. After a reply, newcomers are duplicates; else one takes its place.

    def _check(self, standing, newcomer) -> None:
        node = self._node
        until = node.now() + LINK_CHECK_LIMIT + node.more_patience()
        self.checks[newcomer] = standing, until
        newcomer.role = CHECKED
        newcomer.deadline = max(newcomer.deadline, until + LINK_CHECK_LIMIT)  # after the check
        self._look()
        standing.send(wire.liveness_request(wire.format_time(node.time()), node.address),
                      urgent=True)

    def _look(self, at: float = -math.inf) -> None:
        """Admit newcomers whose older link had to answer until `at`. There is one job for all."""
        self._look_at = math.inf if at == self._look_at else self._look_at
        for newcomer, (standing, until) in list(self.checks.items()):
            if until <= at and self.checks.pop(newcomer, None):
                self._admit(newcomer, silent=standing)
        first = min((until for _, until in self.checks.values()), default=math.inf)
        if first < self._look_at:
            self._look_at, look = first, functools.partial(self._look, first)
            self._node.flusher.take_over(look, first - self._node.now())

    def _waiting_for(self, standing) -> list:
        return [link for link, (older, _) in list(self.checks.items())
                if older is standing and self.checks.pop(link)]

    def still_stands(self, link) -> None:
        """Refuse the newcomers that waited for this link's Liveness Reply."""
        for newcomer in self._waiting_for(link):
            self._turn_away(newcomer, "duplicate")

    def on_end(self, link) -> None:
        """Admit the newcomers that waited for a link that has ended."""
        self.checks.pop(link, None)
        for newcomer in self._waiting_for(link):
            self._admit(newcomer, silent=link)
