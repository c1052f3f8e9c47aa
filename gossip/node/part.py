"""A part of a node: one concern of it, such as liveness, and the lines that it answers.

A node tells all its parts what happens, by the events below. What else one part wants of another
goes through a plain reference to it, which it is given when it is made, or that its node has.
"""


class Part:
    """A part does nothing about an event, unless it has a method of its own for it. It has a method
    `on_<kind>(link, message)` for every kind of line that it answers."""

    ANSWERS: dict[str, set[str]] = {}  # role of a link -> kinds of lines that it answers there

    def on_up(self, link) -> None:
        """A link that was dialled is connected: say the first word."""

    def on_end(self, link) -> None:
        """A link has ended; `link.reason` tells why. A node that stops tells this nobody."""

    def on_probed(self, probe) -> None:
        """A probe is over; its verdict is called next."""

    def on_met(self, link) -> None:
        """A peer has become a neighbour, and knows it."""

    def on_listed(self, addresses) -> None:
        """A seed names peers that its last list did not name."""

    def on_settled(self, run: bytes) -> None:
        """It was found out whether a run is genuine, where gossip is signed."""

    def on_replaced(self, peer) -> None:
        """Another run is at the address of a peer than the one that was met there before."""
