"""Which reports of a peer count."""

from gossip.monitoring import keeping
from gossip.monitoring.keeping import Intake
from tests.tools.fakes import peer

R = peer(5001)
PERIOD = 10.0


def counted(reports, rule=None):
    """The (PERIOD, age) of those of these (PERIOD, when it comes) that count."""
    rule = rule or Intake(PERIOD)
    ages = [(period, rule.age(R, 7, period, when)) for period, when in reports]
    return [(period, age) for period, age in ages if age is not None]


def test_a_report_each_period_counts_also_when_it_is_late_or_early():
    reports = [(1, 10.0), (2, 20.0), (3, 34.0), (4, 40.0), (5, 49.0), (6, 60.0), (7, 78.0),
               (8, 80.0)]
    assert counted(reports) == [(period, 0.0) for period in range(1, 9)]


def test_of_ten_thousand_in_one_period_two_count_and_one_in_each_later_period():
    assert len(counted((number, 0.0005 * number) for number in range(1, 10_000))) == 2
    flood = ((number, 0.1 * number) for number in range(1, 10_000))  # a hundred periods
    assert 100 <= len(counted(flood)) <= 114


def test_a_new_run_at_every_report_brings_no_more():
    rule = Intake(PERIOD)
    assert sum(rule.age(R, start, 1, 0.0) is not None for start in range(1, 1_000)) == 2


def test_the_same_report_counts_once():
    assert counted([(1, 0.0), (1, 1.0), (2, 10.0), (1, 11.0), (2, 12.0)]) == [(1, 0.0), (2, 0.0)]


def test_reports_that_were_kept_for_another_seed_count_once_with_their_age():
    moved = [(9, 0.0), (8, 1.0), (4, 1.0), (3, 1.0), (8, 2.0), (10, 10.0), (7, 10.0)]
    assert counted(moved) == [(9, 0.0), (8, 11.0), (4, 51.0), (10, 0.0), (7, 30.0)]


def test_reports_that_waited_while_the_seed_stood_still_count_together():
    reports = [(1, 10.0), *((period, 80.0) for period in range(2, 9)), (9, 90.0)]
    assert len(counted(reports)) == 9


def test_who_was_silent_for_long_has_saved_for_twelve_periods_and_no_more():
    assert len(counted([(1, 0.0), *((period, 1e6) for period in range(2, 100))])) == 13


def test_a_new_run_counts_from_its_first_period_on():
    rule = Intake(PERIOD)
    assert rule.age(R, 7, 50, 0.0) == 0.0 and rule.age(R, 8, 1, 10.0) == 0.0
    assert rule.age(R, 7, 49, 10.0) is not None  # as a run that is new again
    assert rule.age(R, 8, 2, 10.0) is None


def test_a_hundred_reports_that_do_not_count_are_borne_and_ten_more_after_each_period():
    rule = Intake(PERIOD)
    assert [rule.bears(R, 0.0) for _ in range(101)] == [True] * 100 + [False]
    assert [rule.bears(R, PERIOD) for _ in range(10)] == [True] * 9 + [False]  # beside that one
    assert [rule.bears(R, 1e6) for _ in range(101)] == [True] * 100 + [False]


def test_the_reporters_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(keeping, "REPORTERS_LIMIT", 10)
    rule = Intake(PERIOD)
    for number in range(30):
        assert rule.age(peer(6000 + number), 7, 1, 0.0) == 0.0
    assert rule.age(peer(6029), 7, 1, 0.0) is None
    assert len(rule._reporters.all()) == 10
