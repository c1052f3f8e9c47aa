"""Anti-entropy: what two neighbours say to each other to have the same messages. Pure.

They compare a digest of all that they have seen, then its slices, then the numbers of runs; each
fetches what it lacks. `heard` takes a `status` line and returns the answer. `next_want` says what
to ask for next: of one neighbour at a time, one portion at a time. What a neighbour has offered and
did not bring is not asked for again for a while, because it may have evicted it, or lie.
"""

import math

from grapevine import wire
from grapevine.intervals import Intervals
from grapevine.messages import Messages
from grapevine.wire import Entries, Status

FEW_RUNS = 16  # up to which numbers are told at once, without comparing slices
PAUSE = 1.0  # seconds in which the same slices are not told again on a reliable link
PORTION = 256 << 10  # bytes in answer to one `want`
PORTION_TIMEOUT = 2.0  # seconds for a portion, before another neighbour is asked
VAIN_LIMIT = 25  # vain answers in a row over datagrams, which do not say to what they are
WANT_LIMIT = 500  # ranges asked for at once
OFFER_LIMIT = 32_000  # ranges that a neighbour may offer, and may have failed to bring: above the
# RUNS of messages.py, or a newcomer asks for those of which no text is left again and again
RUNS_IN_SUM = 50  # runs of an offer whose ranges are counted in the time that one takes to find
COMPARED_FOR = 10  # intervals for which the same two digests are not compared again


class _Talk:
    """The state of one neighbour: its digests, its offer, and what it was asked."""

    def __init__(self, waited: float):
        self.comparing = self.compared = None  # pairs of digests, own and theirs
        self.is_compared = False  # it has told all that it has, or that it has the same
        self.compared_until = 0.0  # the latter is not compared again before
        self.told_at, self.told_slices = -math.inf, 0  # what it was told unasked last
        self.shown_at = -math.inf  # when it was told what it asked for
        self.digest_at = -math.inf  # when it was told a digest
        self.offer: dict[bytes, list] = {}  # run -> ranges that are lacking here
        self.vain: dict[bytes, Intervals] = {}  # what it has offered, and did not bring
        self.vain_until = 0.0
        self.gone: dict[bytes, Intervals] = {}  # what it has seen, and will never have again
        self.asked_at = -math.inf  # when it was asked last
        self.waited = waited  # seconds in all, for what it was asked; at first those of others
        self.owed: Entries = []  # what it was asked for and has not answered yet
        self.vain_in_a_row = 0  # answers, over datagrams


class Sync:
    def __init__(self, messages: Messages, interval: float, portion: int = PORTION,
                 patience: float = PORTION_TIMEOUT, is_reliable: bool = True):
        """`interval`: seconds between two comparisons. `is_reliable`: what neighbours say arrives;
        else, over datagrams, what was told or asked for may be lost, and is soon said again."""
        self._messages, self._pause = messages, COMPARED_FOR * interval
        self.portion, self._patience = portion, patience
        self._is_reliable, self._told_for = is_reliable, PAUSE if is_reliable else patience
        self._talks: dict[object, _Talk] = {}  # by link
        self.effort = 0  # ranges that were looked at for the last status line
        self._asked = None  # the link that owes the present portion
        self.patient_until = 0.0  # when another neighbour is asked

    def heard(self, link, status: Status, now: float) -> bytes:
        """Take a status line; return the answer, which may be empty. Verbs of ways of spreading
        that this module does not know need none."""
        talk, self.effort = self._talk(link), 0
        if status.verb == "digest":
            return self._compare(link, talk, status.digest, now)
        if status.verb == "parts":
            own = self._messages.slices()
            differing = sum(1 << at for at, theirs in enumerate(status.slices)
                            if own[at] & 0xFFFF_FFFF != theirs)
            if differing:
                return self._tell_and_ask(talk, differing, now)
            talk.is_compared = True  # what was on its way has come
            return wire.say_entries("seen", [])
        if status.verb == "show":
            return self._show(talk, status.slices[0], now)
        if status.verb == "seen":  # which ends a comparison
            talk.compared, talk.comparing = talk.comparing or talk.compared, None
            talk.compared_until, talk.is_compared = now + self._pause, True
            self.offered(link, status.entries, now)
        elif status.verb == "want":
            return self._portion(status.entries)
        elif status.verb == "sent":
            self._portion_ended(link, talk, now)
        return b""

    def _talk(self, link) -> _Talk:
        """Return the state of a neighbour, maybe a new one."""
        if link not in self._talks:
            self._talks[link] = _Talk(max(
                [talk.waited for talk in self._talks.values()], default=0.0))
        return self._talks[link]

    # Comparing.

    def agrees(self, link, digest: str, now: float) -> bool:
        """Tell whether a neighbour with this digest has the same messages, as far as a comparison
        a while ago could find out."""
        own, talk = self._messages.digest(), self._talks.get(link)
        return digest == own or (talk is not None and talk.compared == (own, digest)
                                 and now < talk.compared_until)

    def may_tell_digest(self, link, now: float, pause: float = 0.0) -> bool:
        """Note that a neighbour is told a digest now, unless it was within `pause`."""
        talk = self._talk(link)
        if now < talk.digest_at + pause:
            return False
        talk.digest_at = now
        return True

    def _compare(self, link, talk: _Talk, theirs: str, now: float) -> bytes:
        """Answer a digest. The first one on a link is answered by all that is here, because anybody
        can say messages with which digests are equal."""
        is_first = not talk.is_compared and talk.comparing is None
        if self.agrees(link, theirs, now) and not is_first:
            talk.is_compared = True
            return b""
        talk.comparing = self._messages.digest(), theirs
        if len(self._messages.runs) > FEW_RUNS and not is_first:
            return wire.say_slices("parts", self._messages.slices())
        return self._tell_and_ask(talk, wire.ALL_SLICES, now)

    def _tell_and_ask(self, talk: _Talk, mask: int, now: float) -> bytes:
        if now >= talk.told_at + self._told_for:
            talk.told_at, talk.told_slices = now, 0
        mask &= ~talk.told_slices
        talk.told_slices |= mask
        return self._messages.vector(mask) + wire.say_slices("show", [mask]) if mask else b""

    def _show(self, talk: _Talk, mask: int, now: float) -> bytes:
        if now < talk.told_at + self._told_for:
            mask &= ~talk.told_slices  # both have told unasked, and both ask
        if not mask or now < talk.shown_at + self._told_for:
            return b""
        talk.shown_at = now
        return self._messages.vector(mask)

    def offered(self, link, entries: Entries, now: float) -> None:
        """Remember which of the messages that a neighbour has are lacking here."""
        talk = self._talk(link)
        if now >= talk.vain_until:
            talk.vain.clear()
        size = sum(map(len, talk.offer.values()))
        lacking = self._messages.lacking(entries, OFFER_LIMIT)
        self.effort = sum(len(ranges) for _, ranges in lacking) + len(talk.offer) // RUNS_IN_SUM
        # few ranges first, so that runs full of gaps keep no others waiting; then the older run
        for run, ranges in sorted(lacking, key=lambda one: (
                len(one[1]), int(one[0].rpartition(b":")[2]))):
            for noted in talk.vain, talk.gone:
                ranges = _without(ranges, noted[run]) if run in noted else ranges
            size += len(ranges) - len(talk.offer.get(run, ()))
            if size > OFFER_LIMIT:
                talk.compared = None  # the next comparison brings the rest
                break
            if ranges:
                talk.offer[run] = ranges

    # Fetching.

    def next_want(self, now: float):
        """Return (link, line) that asks for the next portion; None if nothing is to be asked. First
        comes the neighbour that was waited for least in all, so that one that brings little, late,
        keeps no others waiting. A new one begins with the longest such time, so that linking again
        wins no turn."""
        if self._asked is not None and now < self.patient_until:
            return None
        self._end_wait(now)
        for link, talk in sorted(self._talks.items(), key=lambda item: (
                self._turn(item[1]), item[1].asked_at)):
            if talk.owed and (self._is_reliable or now < talk.asked_at + self._patience):
                continue  # its answer is on its way, or was lost only just now
            if want := self._first_lacking(talk):
                talk.owed, talk.asked_at, self._asked = want, now, link
                self.patient_until = now + self._patience
                return link, wire.say_entries("want", [wire.entry(*one) for one in want])
        return None

    def _turn(self, talk: _Talk) -> float:
        return talk.waited + (self._patience if talk.asked_at == -math.inf else 0.0)

    def _end_wait(self, now: float) -> None:
        """Wait no longer for who was asked last."""
        if self._asked in self._talks:
            talk = self._talks[self._asked]
            talk.waited += min(now - talk.asked_at, self._patience)
        self._asked = None

    def _first_lacking(self, talk: _Talk) -> Entries:
        """Return the first WANT_LIMIT ranges of an offer that are still lacking here."""
        want, room = [], WANT_LIMIT
        for run in list(talk.offer):
            lacking, rest = [], talk.offer[run]
            while rest and len(lacking) < room:  # no more of an offer is looked at than needed
                for _, found in self._messages.lacking([(run, rest[:WANT_LIMIT])]):
                    lacking += found
                rest = rest[WANT_LIMIT:]
            if lacking:
                want.append((run, lacking[:room]))
                room -= len(want[-1][1])
            talk.offer[run] = lacking + rest
            if not talk.offer[run]:
                del talk.offer[run]
            if not room:
                break
        return want

    def _portion(self, entries: Entries) -> bytes:
        lines, gone = self._messages.portion(entries, self.portion)
        gone = [wire.entry(run, ranges[:WANT_LIMIT]) for run, ranges in gone if ranges]
        return b"".join([*(line + b"\n" for line in lines),
                         wire.say_entries("gone", gone) if gone else b"", b"status:sent\n"])

    def _portion_ended(self, link, talk: _Talk, now: float) -> None:
        if not talk.owed:
            return
        want = talk.owed
        is_vain = self._messages.lacking(want) == want
        talk.vain_in_a_row = talk.vain_in_a_row + 1 if is_vain else 0
        if not self._is_reliable and 0 < talk.vain_in_a_row < VAIN_LIMIT:
            return  # this answers the question before, which was asked again and again
        talk.owed = []
        if self._asked is link:
            self._end_wait(now)
        self.effort = (len(talk.vain) + len(talk.gone)) // RUNS_IN_SUM
        for noted in talk.vain, talk.gone:
            if sum(map(len, noted.values())) > OFFER_LIMIT:
                noted.clear()
        if not is_vain:
            return
        self.effort += sum(len(ranges) for _, ranges in want)
        talk.vain_until = now + self._pause
        self._ask_no_more(talk, talk.vain, want)

    @staticmethod
    def _ask_no_more(talk: _Talk, noted: dict[bytes, Intervals], entries: Entries) -> None:
        """Note messages that a neighbour is not asked for again, in one of its tables."""
        for run, ranges in entries:
            of_run = noted.setdefault(run, Intervals())
            for first, last in ranges:
                of_run.add(first, last)
            talk.offer[run] = _without(talk.offer.get(run, []), of_run)

    def gone(self, link, entries: Entries) -> Entries:
        """Return which of these messages a neighbour was asked for, though it has them no more, and
        tells so for the first time. Over a reliable link it is not asked for them again."""
        talk, found = self._talks.get(link), []
        wanted = dict(talk.owed) if talk is not None else {}
        for run, ranges in self._messages.lacking([one for one in entries if one[0] in wanted]):
            told = _without(wanted[run], Intervals(_without(wanted[run], Intervals(ranges))))
            if told := _without(told, talk.gone.get(run, Intervals())):
                found.append((run, told))
        if found and self._is_reliable:  # else it may have been restarted meanwhile
            self._ask_no_more(talk, talk.gone, found)
        return found

    # Ends.

    def ended(self, link) -> None:
        """Forget a neighbour; others are asked for what it owes."""
        self._talks.pop(link, None)
        if self._asked is link:
            self._asked = None

    def has_caught_up(self, links: list) -> bool:
        """Tell whether all that these neighbours have told to have is here."""
        return bool(links) and all(
            (talk := self._talks.get(link)) is not None and talk.is_compared
            and not any(self._messages.lacking([(run, [part])])  # the first one found is enough
                        for run, ranges in talk.offer.items() for part in ranges)
            for link in links)

    def owes(self, link) -> bool:
        """Tell whether a neighbour was asked for messages and has not brought them yet."""
        return link in self._talks and bool(self._talks[link].owed)

    def compare_anew(self) -> None:
        """Forget results, because what was refused may have room now."""
        for talk in self._talks.values():
            talk.compared = None

    def offering(self) -> list:
        """Return the links that have offered what is lacking here."""
        return [link for link, talk in self._talks.items() if talk.offer]


def _without(ranges: list, dropped: Intervals) -> list:
    return [gap for first, last in ranges for gap in dropped.missing(first, last)]
