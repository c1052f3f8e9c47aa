"""Link checks: newcomers that wait until it is known whether an older link still answers.

Rules only. A peer that is linked already may connect anew, because it was restarted. Then the
standing link is asked for a Liveness Reply: when one comes, the newcomer is a duplicate; when
none comes in time, or the standing link ends, the newcomer takes its place.
"""

from typing import NamedTuple


class Check(NamedTuple):
    """A newcomer, the standing link to the same peer, and the time by which it has to answer."""

    newcomer: object
    standing: object
    until: float


class LinkCheck:
    """The newcomers that wait."""

    def __init__(self):
        self._checks: list[Check] = []

    def ask(self, newcomer, standing, until: float) -> None:
        """Let a newcomer wait for a reply on the standing link."""
        self._checks.append(Check(newcomer, standing, until))

    def replied(self, link) -> list[Check]:
        """A reply has come on this link: take out the checks that waited for it."""
        return self._take(lambda check: check.standing is link)

    def on_end(self, link) -> list[Check]:
        """A link has ended: drop its own check; take out the checks that waited for it."""
        self._take(lambda check: check.newcomer is link)
        return self._take(lambda check: check.standing is link)

    def overdue(self, now: float) -> list[Check]:
        """Take out the checks whose time is over."""
        return self._take(lambda check: check.until <= now)

    def _take(self, chosen) -> list[Check]:
        taken = [check for check in self._checks if chosen(check)]
        self._checks = [check for check in self._checks if not chosen(check)]
        return taken

    def next_at(self) -> float | None:
        """When the time of the next check is over; None while nobody waits."""
        return min((check.until for check in self._checks), default=None)
