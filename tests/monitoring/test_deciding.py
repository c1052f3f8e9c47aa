"""Deciding: what a seed tells other seeds, whom it kicks out, and whom it warns."""

import collections
import types

import pytest

from gossip import wire
from gossip.monitoring import deciding as deciding_module
from gossip.monitoring.deciding import Deciding
from gossip.monitoring.verdicts import evaluate
from gossip.seeds.registry import Registry
from gossip.settings import Settings
from tests.tools.fakes import peer
from tests.tools.rows import NOW, PERIOD, always, of, said

S, A, B, C, D, E = map(peer, range(5000, 5006))
SEED = peer(4000)
BAN = 600.0


class Link:
    """A link that keeps what is sent."""

    def __init__(self, other=None):
        self.peer = other
        self.sent = b""
        self.reason = None

    def send(self, data):
        assert self.reason is None
        self.sent += data

    def close(self, reason):
        self.reason = reason


class Output:
    def __init__(self):
        self.events = []

    def write(self, *events):
        self.events += events


class Node:
    """A seed, as far as deciding knows it."""

    def __init__(self):
        self.settings = Settings(report_interval=PERIOD, ban=BAN)
        self.output = Output()
        self.registry = Registry(self.settings, self.output.write)
        self.clock = NOW

    def now(self):
        return self.clock

    def register(self, address):
        link = Link(address)
        self.registry.register(address, link, self.clock)
        self.output.events.clear()
        return link


class Keeping:
    """The rows of a seed, in the hands of a test."""

    def __init__(self):
        self.rows = collections.defaultdict(list)
        self.judged = []
        self.told = []
        self.forgotten = []
        self.links = self

    tending = types.SimpleNamespace(behind=0.0)

    def judge(self, subject, rows):
        self.judged.append(subject)
        self.rows[subject] = of(subject, rows)

    def judged_here(self, now):
        return self.judged

    def rows_of(self, subject):
        return self.rows[subject]

    def to_all(self, lines):
        self.told += [wire.parse(line) for line in lines.splitlines()]

    def forget(self, address):
        self.forgotten.append(address)

    def take(self, kind):
        """What was told of a kind since it was last asked for."""
        taken = [message for message in self.told if message.kind == kind]
        self.told = [message for message in self.told if message.kind != kind]
        return taken


class Seat:
    """A seed that decides."""

    def __init__(self):
        self.node, self.keeping = Node(), Keeping()
        self.deciding = Deciding(self.node, self.keeping)

    def turn(self):
        self.deciding.turn(self.node.clock)
        return self.keeping.take("verdicts")

    def hear(self, seed=SEED, known=0, judged=(), void=(), unconfirmed=()):
        self.deciding.on_verdicts(Link(seed), wire.Verdicts(
            known, tuple(judged), tuple(void), tuple(unconfirmed)))

    def hear_kick(self, address, badness=0.75, seconds=BAN):
        self.deciding.on_kick(Link(SEED), wire.Kick(address, badness, seconds))

    def events(self, judged=False):
        """What was written since this was last asked; what is judged in each turn, or all else."""
        events, self.node.output.events = self.node.output.events, []
        return [event for event in events if event.startswith("judged:") is judged]


@pytest.fixture
def seat():
    return Seat()


def against(subject, *reporters, corrupt=20, honest=()):
    return [row for one in (*reporters, *honest)
            for row in always(one, subject, expected=20, corrupt=0 if one in honest else corrupt)
            + always(subject, one, expected=20)]


def denied_by(reporter, *subjects):
    """The reporter says that it gets nothing; that is no slander, so it is not kicked for it."""
    return [row for one in subjects
            for row in always(reporter, one, expected=20, missing=20)]


KICK = wire.kick(S, 0.5, BAN)


# What a seed tells the others.

def test_each_period_all_seeds_are_told_what_was_found(seat):
    seat.keeping.judge(S, against(S, honest=[A, B, C]))
    seat.keeping.judge(D, against(D, A, B))
    assert seat.turn() == [wire.Verdicts(120, ((S, 0.0),), (), ())]
    seat.keeping.judge(D, against(D, A, B, C, corrupt=5))
    assert seat.turn()[0].judged == ((S, 0.0), (D, 0.2))


def test_void_reporters_and_unconfirmed_neighbours_are_told(seat):
    rows = [row for other in (B, C, D) for row in against(other, A)]
    rows += [said(A, E, age, expected=5) for age in (0.5, 1.5, 2.5, 3.5)]
    seat.keeping.judge(A, rows)
    seat.hear(judged=[(B, 0.0), (C, 0.0), (D, 0.0)])
    told, = seat.turn()
    assert told.void == (A,) and told.unconfirmed == ((A, E),)


def test_what_was_found_is_told_for_three_periods_more_while_rows_move(seat):
    seat.keeping.judge(S, against(S, honest=[A, B, C]))
    seat.keeping.judge(A, against(A, honest=[S, B, C]) + denied_by(A, S, B, C))
    seat.hear(judged=[(B, 0.0), (C, 0.0)])
    assert seat.turn()[0].void == (A,)
    seat.keeping.judged.clear()
    seat.node.clock += 2.9 * PERIOD
    [told] = seat.turn()
    assert told.void == (A,) and told.judged == ((S, 0.0), (A, 0.0))
    seat.node.clock += 0.2 * PERIOD
    assert seat.turn() == [wire.Verdicts(0, (), (), ())]


def test_a_void_reporter_whose_rows_have_moved_away_does_not_count_meanwhile(seat):
    seat.keeping.judge(A, against(A, honest=[S, B, C]) + denied_by(A, S, B, C))
    seat.hear(judged=[(S, 0.0), (B, 0.0), (C, 0.0)])
    seat.turn()
    seat.keeping.judged.clear()
    seat.keeping.judge(S, against(S, A, B, honest=[C]))
    assert dict(seat.turn()[0].judged)[S] == 0.0


def test_a_seed_without_subjects_tells_that_it_has_nothing_to_tell(seat):
    assert seat.turn() == [wire.Verdicts(0, (), (), ())]


def test_much_is_told_in_several_lines(seat, monkeypatch):
    monkeypatch.setattr(wire, "JUDGED_LIMIT", 2)
    for subject in (A, B, C, D, E):
        seat.keeping.judge(subject, against(subject, honest=map(peer, (6000, 6001, 6002))))
    told = seat.turn()
    assert [[subject for subject, _ in line.judged] for line in told] == [[A, B], [C, D], [E]]
    assert all(line.known == 120 for line in told)


@pytest.mark.parametrize("count", [1, 700, 2_000])
def test_every_line_of_verdicts_can_be_read(seat, count, monkeypatch):
    """As each part of a line has a limit, and the line one too."""
    monkeypatch.setattr(deciding_module, "SUBJECTS", count)
    for port in range(10_000, 10_000 + count):
        seat.keeping.judge(peer(port), [said(peer(port), E, age, expected=5)
                                        for age in (0.5, 1.5, 2.5, 3.5)])
    told = seat.turn()
    assert sum(len(line.unconfirmed) for line in told) == count


# What a seed is told.

def test_lines_that_come_together_count_together(seat):
    seat.keeping.judge(S, against(S, A, B, C, D, corrupt=5, honest=[E, peer(6000), peer(6001)]))
    seat.hear(void=[A])
    seat.hear(void=[B])
    seat.hear(peer(4001), void=[C])
    assert seat.turn()[0].judged == ((S, 0.0),)


@pytest.mark.parametrize("later, void", [(-0.1, {A, B}), (0.0, {B})])
def test_what_a_seed_tells_half_a_period_later_takes_the_place_of_what_it_told(
        seat, monkeypatch, later, void):
    seat.hear(void=[A])
    seat.node.clock += PERIOD / 2 + later
    seat.hear(void=[B])
    assert heard(seat, monkeypatch) == [wire.Verdicts(0, (), tuple(sorted(void)), ())]


@pytest.mark.parametrize("later, count", [(-0.1, 2), (0.0, 1)])
def test_what_a_seed_told_three_periods_ago_does_not_count(seat, monkeypatch, later, count):
    seat.hear(known=1)
    seat.node.clock += PERIOD
    seat.hear(peer(4001), known=2)
    seat.node.clock += 2 * PERIOD + later
    assert [message.known for message in heard(seat, monkeypatch)] == [1, 2][-count:]


def heard(seat, monkeypatch):
    """What counts in a turn of all that other seeds have told."""
    others = []
    monkeypatch.setattr(deciding_module, "evaluate", lambda cases, told, void_before: (
        others.extend(told[1:]), evaluate(cases, told, void_before))[1])
    seat.turn()
    return others


# A conviction.


def convict(seat, **counts):
    seat.keeping.judge(S, against(S, B, A, honest=[C], **counts))
    seat.turn()


def test_a_turn_judges_so_many_and_the_next_one_goes_on_behind_them(seat, monkeypatch):
    monkeypatch.setattr(deciding_module, "SUBJECTS", 2)
    for subject in (A, B, C, D, E):
        seat.keeping.judge(subject, against(subject, *map(peer, (6000, 6001, 6002)), corrupt=1))
    judged = []
    for _ in range(3):
        seat.turn()
        event, = seat.events(judged=True)
        judged.append([one for one in (A, B, C, D, E) if one.listed in event])
    assert judged == [[A, B], [C, D], [A, E]]


@pytest.mark.parametrize("behind, told", [(0.0, True), (7.6, True), (7.4, False)])
def test_nobody_is_parted_while_rows_may_be_late(seat, behind, told):
    seat.keeping.judge(S, [said(S, E, age, expected=5) for age in (0.5, 1.5, 2.5, 3.5)])
    if behind:
        seat.keeping.tending = types.SimpleNamespace(behind=NOW - behind * PERIOD)
    line, = seat.turn()
    assert line.unconfirmed == (((S, E),) if told else ())


def test_who_is_guilty_is_kicked_and_the_reasons_are_written_down(seat):
    own, other = seat.node.register(S), seat.node.register(A)
    convict(seat)
    assert seat.events() == [
        f"verdict:{S}:0.500:{A.listed}=0.500 {B.listed}=0.500 {C.listed}=0.000",
        f"removed:{S}:malicious:0.500"]
    assert own.sent == other.sent == KICK
    assert own.reason == "kicked" and other.reason is None
    assert seat.keeping.take("kick") == [wire.Kick(S, 0.5, BAN)]
    assert seat.keeping.forgotten == [S]
    assert seat.node.registry.addresses() == (A,)


def test_nobody_is_kicked_who_is_not_guilty(seat):
    link = seat.node.register(S)
    convict(seat, corrupt=2)
    assert seat.events() == [] and link.sent == b"" and seat.keeping.take("kick") == []


def test_what_was_judged_is_written_down_guilty_or_not(seat):
    convict(seat, corrupt=2)
    assert set(seat.events(judged=True)) == {f"judged:{S.listed}=0.091"}


def test_a_malicious_peer_that_is_registered_elsewhere_is_written_down_too(seat):
    convict(seat)
    assert seat.events()[1:] == [f"removed:{S}:malicious:0.500"]


def test_who_is_kicked_is_judged_no_more_and_its_reports_do_not_count(seat):
    seat.hear_kick(S)
    seat.hear_kick(A)
    seat.events()
    seat.keeping.judge(S, against(S, B, C, E))
    seat.keeping.judge(D, against(D, A, B, C))
    assert seat.turn()[0].judged == ()
    assert seat.events() == [] and seat.keeping.take("kick") == []


def test_who_was_void_in_the_last_turn_does_not_count_in_the_first_outcome_of_the_next(seat):
    """Four of seven slander S and A: they would not be found out without what was known before."""
    liars = [peer(port) for port in range(6000, 6004)]
    rows = [row for subject in (S, A, B) for row in against(subject, *liars, corrupt=5)]
    rows += [row for subject in (S, A) for row in against(subject, honest=[C, D, E])]
    for subject in (S, A, *liars):  # too short for a conviction
        seat.keeping.judge(subject, [row for row in rows if row.at > NOW - 4.5 * PERIOD])
    seat.hear(judged=[(B, 0.0)])
    assert seat.turn()[0].void == ()
    seat.hear(judged=[(B, 0.0)], void=liars)
    assert seat.turn()[0].void == tuple(liars)
    seat.node.clock += PERIOD / 2
    seat.hear(judged=[(B, 0.0)])
    assert seat.turn()[0].void == tuple(liars)


# Kicks of other seeds.

def test_a_kick_of_another_seed_is_obeyed_and_told_to_registered_peers_alone(seat):
    own, other = seat.node.register(S), seat.node.register(A)
    seat.hear_kick(S, 0.75, 100.0)
    assert seat.events() == [f"removed:{S}:malicious:0.750"]
    assert own.sent == other.sent == wire.kick(S, 0.75, 100.0) and own.reason == "kicked"
    assert seat.keeping.take("kick") == [] and seat.keeping.forgotten == [S]


def test_a_kick_that_is_heard_twice_is_obeyed_once(seat):
    other = seat.node.register(A)
    seat.hear_kick(S)
    seat.hear_kick(S)
    convict(seat)
    assert seat.events() == [f"removed:{S}:malicious:0.750"]
    assert other.sent.count(b"kick:") == 1 and seat.keeping.take("kick") == []


def test_a_kick_between_seeds_names_the_seconds(seat):
    with pytest.raises(wire.WireError):
        seat.hear_kick(S, seconds=None)


def test_a_seed_that_starts_anew_is_told_the_bans_in_force_and_what_was_found_last(seat):
    assert seat.deciding.said_first(SEED) == b""
    seat.hear_kick(S, 0.75, 100.0)
    seat.hear_kick(A, 0.5, 20.0)
    seat.turn()
    seat.node.clock += 30
    assert seat.deciding.said_first(SEED) == (wire.kick(S, 0.75, 70.0)
                                              + wire.verdicts(0, (), (), ()))


# Registrations.

@pytest.mark.parametrize("seconds", [600.0, 600_000.0])
def test_a_kicked_peer_is_refused_until_its_ban_is_over(seat, seconds):
    assert seat.deciding.refusal(S, NOW) is None and not seat.deciding.is_banned(S, NOW)
    seat.hear_kick(S, seconds=seconds)
    assert seat.deciding.is_banned(S, NOW + 599.9)
    assert seat.deciding.refusal(S, NOW + 0.1) == "kicked as malicious, again in 600 s"
    assert seat.deciding.refusal(S, NOW + 599.9) == "kicked as malicious, again in 1 s"
    assert seat.deciding.refusal(S, NOW + 600) is None
    assert not seat.deciding.is_banned(S, NOW + 600)


def test_after_its_ban_a_peer_is_judged_again(seat):
    seat.hear_kick(S, seconds=PERIOD)
    seat.events()
    seat.node.clock += PERIOD
    seat.keeping.judge(S, against(S, A, B, C))
    seat.turn()
    assert [event.partition(":")[0] for event in seat.events()] == ["verdict", "removed"]


def test_who_registers_is_told_who_is_shut_out_and_for_how_long(seat):
    seat.hear_kick(S, 0.75, 100.0)
    seat.node.clock += 30
    link = seat.node.register(A)
    seat.deciding.on_registered(A, link)
    assert link.sent == wire.kick(S, 0.75, 70.0)


def test_who_registers_is_told_nothing_while_nobody_is_shut_out(seat):
    link = seat.node.register(A)
    seat.deciding.on_registered(A, link)
    assert link.sent == b""


def test_who_was_kicked_while_it_was_being_registered_is_taken_off_the_list(seat):
    seat.hear_kick(S)
    seat.events()
    link = seat.node.register(S)
    seat.deciding.on_registered(S, link)
    assert seat.events() == [f"removed:{S}:malicious:0.750"]
    assert link.sent == wire.kick(S, 0.75, BAN) and link.reason == "kicked"


# Warnings.

def test_a_peer_that_a_neighbour_never_names_is_warned_once_in_the_time_of_a_ban(seat):
    link, other = seat.node.register(A), seat.node.register(B)
    for _ in range(3):
        seat.hear(unconfirmed=[(A, S)])
        seat.node.clock += PERIOD
    assert link.sent == wire.unconfirmed(S) and other.sent == b""
    seat.node.clock = NOW + BAN
    seat.hear(unconfirmed=[(A, S)])
    assert link.sent == 2 * wire.unconfirmed(S)


def test_a_peer_is_warned_by_the_seed_that_judges_it_too(seat):
    link = seat.node.register(A)
    seat.keeping.judge(A, [said(A, S, age, expected=5) for age in (0.5, 1.5, 2.5, 3.5)])
    seat.turn()
    assert link.sent == wire.unconfirmed(S)


def test_a_peer_that_registers_later_is_warned_then(seat):
    seat.hear(unconfirmed=[(A, S)])
    link = seat.node.register(A)
    seat.node.registry.lost(A, link)
    seat.hear(unconfirmed=[(A, S)])
    link = seat.node.register(A)
    seat.hear(unconfirmed=[(A, S)])
    assert link.sent == wire.unconfirmed(S)
