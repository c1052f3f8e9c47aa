"""Deciding: whom a seed kicks out, and whom it warns."""

import types

import pytest

from gossip import wire
from gossip.monitoring import deciding as deciding_module
from gossip.monitoring import grammar
from tests.tools.fakes import peer
from tests.tools.rows import NOW, PERIOD, said
from tests.tools.seats import BAN, KICK, A, B, C, D, E, S, Seat, against, convict


@pytest.fixture
def seat():
    return Seat()


# A conviction.


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


@pytest.mark.parametrize("behind, silent, told", [
    (0.0, (), True), (9.6, (), True), (9.4, (), False), (0.0, (E,), False), (0.0, (S,), True)])
def test_nobody_is_parted_while_rows_may_be_late(seat, behind, silent, told):
    seat.keeping.judge(S, [said(S, E, age, expected=5) for age in (0.5, 1.5, 2.5, 3.5)])
    seat.keeping.silent.update(silent)
    if behind:
        seat.keeping.tending = types.SimpleNamespace(behind=NOW - behind * PERIOD)
    seat.turn()
    line, = seat.turn()
    assert line.unconfirmed == (((S, E),) if told else ())


def test_who_is_to_be_parted_is_found_twice_in_a_row(seat):
    """Because the rows of a reporter that were late come one after the other."""
    rows = [said(S, E, age, expected=5) for age in (0.5, 1.5, 2.5, 3.5)]
    seat.keeping.judge(S, rows)
    for silent, told in [((), 0), ((), 1), ((E,), 0), ((), 0), ((), 1)]:
        seat.keeping.silent = set(silent)
        assert len(seat.turn()[0].unconfirmed) == told
    seat.keeping.judged.clear()
    seat.turn()
    seat.keeping.judge(S, rows)
    assert seat.turn()[0].unconfirmed == ()  # nothing is remembered of a peer that was away


def test_who_is_guilty_is_kicked_and_the_reasons_are_written_down(seat):
    own, other = seat.node.register(S), seat.node.register(A)
    convict(seat)
    assert seat.events() == [
        f"verdict:{S}:0.500:{A.listed}=0.500 {B.listed}=0.500 {C.listed}=0.000",
        f"removed:{S}:malicious:0.500"]
    assert own.sent == other.sent == KICK
    assert own.reason == "malicious:0.500" and other.reason is None
    assert seat.keeping.take("kick") == [grammar.Kick(S, 0.5, BAN)]
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
    assert own.sent == other.sent == grammar.kick(S, 0.75, 100.0)
    assert own.reason == "malicious:0.750"
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
    assert seat.deciding.said_first() == b""
    seat.hear_kick(S, 0.75, 100.0)
    seat.hear_kick(A, 0.5, 20.0)
    seat.turn()
    seat.node.clock += 30
    assert seat.deciding.said_first() == (grammar.kick(S, 0.75, 70.0)
                                              + grammar.verdicts(0, (), (), ()))


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
    assert link.sent == grammar.kick(S, 0.75, 70.0)


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
    assert link.sent == grammar.kick(S, 0.75, BAN) and link.reason == "malicious:0.750"


# Warnings.

def test_a_peer_that_a_neighbour_never_names_is_warned_once_in_the_time_of_a_ban(seat):
    link, other = seat.node.register(A), seat.node.register(B)
    for _ in range(3):
        seat.hear(unconfirmed=[(A, S)])
        seat.node.clock += PERIOD
    assert link.sent == grammar.unconfirmed(S) and other.sent == b""
    seat.node.clock = NOW + BAN
    seat.hear(unconfirmed=[(A, S)])
    assert link.sent == 2 * grammar.unconfirmed(S)


def test_a_peer_is_warned_by_the_seed_that_judges_it_too(seat):
    link = seat.node.register(A)
    seat.keeping.judge(A, [said(A, S, age, expected=5) for age in (0.5, 1.5, 2.5, 3.5)])
    seat.turn()
    assert link.sent == b""
    seat.turn()
    assert link.sent == grammar.unconfirmed(S)


def test_a_peer_that_registers_later_is_warned_then(seat):
    seat.hear(unconfirmed=[(A, S)])
    link = seat.node.register(A)
    seat.node.registry.row(A, link).link = None
    seat.hear(unconfirmed=[(A, S)])
    link = seat.node.register(A)
    seat.hear(unconfirmed=[(A, S)])
    assert link.sent == grammar.unconfirmed(S)
