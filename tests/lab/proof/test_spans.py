"""Spans of time: what is left, what is common, and how long."""

from gossip.lab.proof.events import Spans

DAYS = Spans([(0.0, 10.0), (20.0, 30.0)])


def test_what_is_taken_out_cuts_spans_in_two_and_leaves_no_empty_ones():
    assert DAYS.minus([(4.0, 6.0), (20.0, 25.0)]) == [(0.0, 4.0), (6.0, 10.0), (25.0, 30.0)]
    assert DAYS.minus([(0.0, 40.0)]) == []
    assert DAYS.minus([]) == DAYS


def test_what_is_common_to_two():
    assert DAYS.common([(5.0, 25.0), (30.0, 40.0)]) == [(5.0, 10.0), (20.0, 25.0)]


def test_spans_that_overlap_or_touch_are_merged_in_order():
    spans = Spans([(20.0, 30.0), (0.0, 10.0), (10.0, 15.0), (2.0, 3.0)])
    assert spans.merged() == [(0.0, 15.0), (20.0, 30.0)]


def test_the_end_of_a_span_is_not_in_it():
    assert DAYS.hold(0.0) and not DAYS.hold(10.0) and not DAYS.hold(15.0)


def test_one_span_alone_has_to_cover_a_time():
    assert DAYS.cover(20.0, 30.0) and not DAYS.cover(5.0, 25.0)
    assert not Spans([(0.0, 10.0), (10.0, 20.0)]).cover(5.0, 15.0)


def test_how_long_they_are():
    assert DAYS.total() == 20.0 and Spans().total() == 0.0
