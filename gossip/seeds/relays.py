"""Relays: what a seed has to tell other seeds, and over which connections.

Rules only. To each other seed there is one connection at a time, made when there is something to
tell. It carries a limited number of lines, and the next connection follows after a pause, because a
seed reads a limited number of reports in a second. A report that comes while a connection is being
made goes along.
"""

from gossip.addresses import Address

AT_ONCE = 25  # lines told over one connection
RELAY_PAUSE = 1.0  # seconds between two connections to a seed
WAITING_LIMIT = 2_500  # lines that wait for one seed; more are only counted


class _Relay:
    __slots__ = ("lines", "under_way", "told")

    def __init__(self):
        self.lines: list[bytes] = []  # reports that wait
        self.under_way = False  # a connection to the seed is being made, or stands, or is to rest
        self.told = False  # it stands, and something was said over it


class Relays:
    """Lines on their way to other seeds."""

    def __init__(self, seeds: list[Address]):
        self._rows = {seed: _Relay() for seed in seeds}
        self._dropped = 0

    def add(self, seed: Address, line: bytes) -> bool:
        """Take a line for a seed; answer whether a connection is to be made."""
        relay = self._rows[seed]
        if len(relay.lines) >= WAITING_LIMIT:
            self._dropped += 1
            return False
        relay.lines.append(line)
        new, relay.under_way = not relay.under_way, True
        return new

    def take(self, seed: Address) -> bytes:
        """The connection to a seed stands: take the lines to send over it."""
        relay = self._rows[seed]
        relay.told = True
        lines, relay.lines = relay.lines[:AT_ONCE], relay.lines[AT_ONCE:]
        return b"".join(lines)

    def ended(self, seed: Address) -> int:
        """The connection has ended; return how many lines are lost, because the seed could not be
        reached. After a pause `rested` is to be called."""
        relay = self._rows[seed]
        lost = 0
        if not relay.told:
            lost, relay.lines = len(relay.lines), []
        relay.told = False
        return lost

    def rested(self, seed: Address) -> bool:
        """The pause is over; return whether another connection is to be made."""
        relay = self._rows[seed]
        relay.under_way = bool(relay.lines)
        return relay.under_way

    def dropped(self) -> dict[str, int]:
        """How many lines were not taken, since the start."""
        return {"reports too many for another seed": self._dropped} if self._dropped else {}
