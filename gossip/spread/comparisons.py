"""Comparisons: what was compared with each neighbour, and when it is worth while to compare again.

Rules only; anti_entropy.py says the lines, and hands in the time. Two may differ for long and have
nothing for each other: one has numbers that the other has no room for, or whose texts nobody holds
any more. Once two digests were compared, they are not compared again before one of them changes.
A vector is what a peer has seen of some slices of the digest, as `status:seen:` tells it.
"""

import weakref

SHOWN_AGAIN = 1.0  # seconds between two answers to `show` on one link, at least; and after a vector
# was told unasked, as when two meet: both say a digest, both tell, and both ask
TOLD_BYTES = 64 << 10  # told unasked on one link in a second; then no more
TOLD_LEAST = 8 << 10  # bytes that each telling counts for at least


class _Comparison:
    """The comparisons with one neighbour."""

    __slots__ = ("digest_told", "told", "told_slices", "second", "bytes", "shown", "begun", "done",
                 "done_until")

    def __init__(self):
        self.digest_told = float("-inf")  # when it was told a digest last,
        self.told = float("-inf")  # and when a vector that it had not asked for,
        self.told_slices = 0  # that of these slices;
        self.second = float("-inf")  # since when, for a second, it was told
        self.bytes = 0  # how many bytes unasked;
        self.shown = float("-inf")  # and when one that it had asked for
        self.begun = None  # the two digests, own and theirs, that were found to differ
        self.done = None  # the same, once the neighbour has told its vector
        self.done_until = float("-inf")  # from then on they are compared again all the same

    def rests(self, own: str, theirs: str, now: float) -> bool:
        """Whether these two digests were compared, and are not to be compared again yet."""
        return self.done == (own, theirs) and now < self.done_until


class Comparisons:
    """The comparisons of one peer with all its neighbours, which are known by their links."""

    def __init__(self, rest: float):
        self._rest = rest  # seconds after which what was compared is compared again all the same
        self._of = weakref.WeakKeyDictionary()  # link -> what was compared
        self._not_shown = 0  # times that `show` was not answered
        self._not_told = 0  # times that what was seen was not told unasked

    def _with(self, link) -> _Comparison:
        comparison = self._of.get(link)
        if comparison is None:
            comparison = self._of[link] = _Comparison()
        return comparison

    def told_digest(self, link, now: float) -> None:
        """A neighbour is told the digest."""
        self._with(link).digest_told = now

    def told_digest_within(self, link, seconds: float, now: float) -> bool:
        """Whether it was told the digest so lately."""
        return self._with(link).digest_told + seconds > now

    def begins(self, link, own: str, theirs: str, now: float) -> bool:
        """A neighbour has told its digest, which differs: answer whether to compare now."""
        comparison = self._with(link)
        if comparison.rests(own, theirs, now):
            return False
        comparison.begun = own, theirs
        return True

    def is_done(self, link, own: str, theirs: str, now: float) -> bool:
        """Whether two digests, which differ, need not be compared."""
        return self._with(link).rests(own, theirs, now)

    def heard_vector(self, link, now: float) -> None:
        """A neighbour has told its vector."""
        comparison = self._with(link)
        if comparison.begun is not None:
            comparison.done, comparison.begun = comparison.begun, None
            comparison.done_until = now + self._rest

    def forget(self, link) -> None:
        """Not all that a neighbour has told can be asked for yet: compare again."""
        self._with(link).done = None

    def forget_all(self) -> None:
        """There is room for more: compare again with everybody."""
        for comparison in self._of.values():
            comparison.done = None

    def may_tell(self, link, now: float) -> bool:
        """Whether a neighbour may be told unasked what was seen: it was not told so much within
        this second. Else what was begun is not compared: its next digest counts."""
        comparison = self._with(link)
        if comparison.second + SHOWN_AGAIN <= now:
            comparison.second, comparison.bytes = now, 0
        if comparison.bytes < TOLD_BYTES:
            return True
        comparison.begun = None
        self._not_told += 1
        return False

    def has_told(self, link, size: int) -> None:
        """So many bytes were told unasked."""
        self._with(link).bytes += max(size, TOLD_LEAST)

    def told(self, link, slices: int, now: float) -> None:
        """A neighbour is told unasked what was seen here of some slices of the digest."""
        comparison = self._with(link)
        if comparison.told + SHOWN_AGAIN <= now:
            comparison.told_slices = 0
        comparison.told = now
        comparison.told_slices |= slices

    def to_show(self, link, slices: int, now: float) -> int:
        """A neighbour asks what was seen here of some slices: return those to tell it of."""
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
        """How often a question, or a digest that differs, was not answered since the start."""
        return {"vectors not told twice in a second": self._not_shown,
                "vectors not told unasked": self._not_told}
