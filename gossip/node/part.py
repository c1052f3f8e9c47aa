"""A part of a node: one concern, such as liveness, and the lines that it answers.

A node tells all its parts what happens, by the events below. For anything else a part calls another
part by a plain reference, which it gets when it is made, or from its node.
"""


class Part:
    """A part ignores an event unless it overrides its method. For every kind of line that it
    answers, it has a method `on_<kind>(link, message)`."""

    ANSWERS: dict[str, set[str]] = {}  # role of a link -> kinds of lines that it answers there

    def on_up(self, link) -> None:
        """Send the first line of a dialled link, which is connected now."""

    def on_end(self, link) -> None:
        """Note that a link, but not a probe, has ended; `link.reason` says why. Not called when the
        node stops."""

    def on_probed(self, probe) -> None:
        """Note that a probe is over; its verdict is called next."""

    def on_met(self, link) -> None:
        """Note that a peer has become a neighbour, and knows it."""

    def on_listed(self, addresses) -> None:
        """Note that a seed's list names new peers."""

    def on_settled(self, run: bytes, genuine: bool) -> None:
        """Note that a run is now known as genuine, or denied."""
