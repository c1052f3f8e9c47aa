"""Comparisons: what was compared with each neighbour, and when it is worth comparing again.

Rules only. Two peers may differ for long and have nothing for each other, because a peer has no
room for some numbers, or nobody holds their texts any more. So the same two digests are not
compared again for some time. A vector is what a peer has seen of some slices of the digest
(`status:seen:`).
"""

import weakref

SHOWN_AGAIN = 1.0  # seconds at least between two answers to `show` on one link, and after an
# unasked vector, because two peers that meet both send a digest, then a vector, then `show`
TOLD_BYTES = 64 << 10  # bytes of unasked vectors on one link in a second; then no more
TOLD_LEAST = 8 << 10  # bytes for which each unasked vector counts at least


class _Comparison:
    """The comparisons with one neighbour."""

    __slots__ = ("digest_told", "told", "told_slices", "second", "bytes", "shown", "begun", "done",
                 "done_until", "compared")

    def __init__(self):
        self.digest_told = float("-inf")  # when it was last sent a digest
        self.told = float("-inf")  # when it was last sent an unasked vector
        self.told_slices = 0  # the slices of the unasked vectors within this second
        self.second = float("-inf")  # the beginning of the second that `bytes` counts
        self.bytes = 0  # bytes of unasked vectors sent in this second
        self.shown = float("-inf")  # when it was last sent a vector that it asked for
        self.begun = None  # the digests, own and theirs, that were found to differ
        self.done = None  # the same, once the neighbour has sent its vector
        self.done_until = float("-inf")  # from then on they are compared again anyway

        self.compared = False  # its digest was equal once, or its vector was heard

    def rests(self, own: str, theirs: str, now: float) -> bool:
        """Return whether these digests were compared, and need no comparison for now."""
        return self.done == (own, theirs) and now < self.done_until


class Comparisons:
    """The comparisons of one peer with all its neighbours, by link."""

    def __init__(self, rest: float):
        self._rest = rest  # seconds after which the same two digests are compared again anyway
        self._of = weakref.WeakKeyDictionary()  # link -> what was compared
        self._not_shown = 0  # how often `show` was not answered
        self._not_told = 0  # how often an unasked vector was not sent

    def _with(self, link) -> _Comparison:
        comparison = self._of.get(link)
        if comparison is None:
            comparison = self._of[link] = _Comparison()
        return comparison

    def told_digest(self, link, now: float) -> None:
        """Note that a neighbour is sent the digest."""
        self._with(link).digest_told = now

    def told_digest_within(self, link, seconds: float, now: float) -> bool:
        """Return whether it was sent the digest within the last `seconds`."""
        return self._with(link).digest_told + seconds > now

    def begins(self, link, own: str, theirs: str, now: float) -> bool:
        """Return whether to begin a comparison, as a neighbour's digest differs."""
        comparison = self._with(link)
        if comparison.rests(own, theirs, now):
            return False
        comparison.begun = own, theirs
        return True

    def is_done(self, link, own: str, theirs: str, now: float) -> bool:
        """Return whether two digests that differ need no comparison now."""
        return self._with(link).rests(own, theirs, now)

    def heard_vector(self, link, now: float) -> None:
        """Note that a neighbour has sent its vector, which ends the comparison."""
        comparison = self._with(link)
        comparison.compared = True
        if comparison.begun is not None:
            comparison.done, comparison.begun = comparison.begun, None
            comparison.done_until = now + self._rest

    def agreed(self, link) -> None:
        """Note that a neighbour has the same digest."""
        self._with(link).compared = True

    def was_compared(self, link) -> bool:
        """Return whether a comparison with this neighbour has ended."""
        return self._with(link).compared

    def forget(self, link) -> None:
        """Compare again soon, because not all offers can be fetched yet."""
        self._with(link).done = None

    def forget_all(self) -> None:
        """Compare again with everybody, because there is room for more."""
        for comparison in self._of.values():
            comparison.done = None

    def may_tell(self, link, now: float) -> bool:
        """Return whether a neighbour may be sent an unasked vector. Above a limit of bytes a
        second, the comparison is dropped, and the neighbour's next digest begins it anew."""
        comparison = self._with(link)
        if comparison.second + SHOWN_AGAIN <= now:
            comparison.second, comparison.bytes = now, 0
        if comparison.bytes < TOLD_BYTES:
            return True
        comparison.begun = None
        self._not_told += 1
        return False

    def has_told(self, link, size: int) -> None:
        """Count the bytes of an unasked vector."""
        self._with(link).bytes += max(size, TOLD_LEAST)

    def told(self, link, slices: int, now: float) -> None:
        """Note that a neighbour is sent an unasked vector of some slices."""
        comparison = self._with(link)
        if comparison.told + SHOWN_AGAIN <= now:
            comparison.told_slices = 0
        comparison.told = now
        comparison.told_slices |= slices

    def to_show(self, link, slices: int, now: float) -> int:
        """Return the requested slices to send to a neighbour now; 0: none."""
        comparison = self._with(link)
        if comparison.shown + SHOWN_AGAIN > now:
            self._not_shown += 1
            return 0
        if comparison.told + SHOWN_AGAIN > now:
            slices &= ~comparison.told_slices
        if slices:
            comparison.shown = now
        return slices

    def dropped(self) -> dict[str, int]:
        """Return how often `show`, or a digest that differs, was not answered."""
        return {"vectors not told twice in a second": self._not_shown,
                "vectors not told unasked": self._not_told}
