"""Shut out: peers whose links were ended for what they sent, and until when they are refused.

Rules only.
"""

import collections
import threading

from gossip.addresses import Address

REMEMBERED = 1_000  # peers kept; of more, the first goes


class ShutOut:
    """The peers that are refused, each until a moment."""

    def __init__(self):
        self._lock = threading.Lock()  # guards _until
        self._until: collections.OrderedDict[Address, float] = collections.OrderedDict()

    def add(self, peer: Address, until: float) -> None:
        """Refuse this peer until then."""
        with self._lock:
            self._until[peer] = until
            self._until.move_to_end(peer)
            if len(self._until) > REMEMBERED:
                self._until.popitem(last=False)

    def has(self, peer: Address, now: float) -> bool:
        """Whether the peer is refused now."""
        with self._lock:
            return self._until.get(peer, now) > now
