"""The farewell: how a peer leaves, so that nothing is lost and nobody reports a death.

Gossip that waits is sent first, then neighbours and seeds are told `leave`, then they have time
to read it and to hang up. Membership calls `turn`; a neighbour that comes meanwhile is told when
it is met.
"""

import math

from gossip import wire

LOOK = 0.05  # seconds between two looks whether all is sent, and whether all have hung up


class Farewell:
    """The last turns of a peer."""

    def __init__(self, node, neighbours):
        self._node = node
        self._neighbours = neighbours
        self._until = node.now() + node.settings.leave_limit  # the end of the present wait
        self._seeds: list | None = None  # links to the seeds that were told `leave`, then

    def turn(self, now: float, all_sent: bool, seeds: list) -> float:
        """Take the next step and answer when to look again, infinity when the peer may stop.
        `seeds` are the links to the seeds that list this peer."""
        if self._waits(all_sent) and now < self._until:
            return now + LOOK
        if self._seeds is not None:
            return math.inf
        self._seeds = seeds
        for link in [*self._neighbours.links(), *seeds]:
            link.send(wire.leave(self._node.address))
        self._until = now + self._node.settings.leave_limit
        return now + LOOK

    def _waits(self, all_sent: bool) -> bool:
        if self._seeds is None:
            return not all_sent
        return bool(self._neighbours.links() or self._neighbours.dialling()
                    or not all(link.ended for link in self._seeds))
