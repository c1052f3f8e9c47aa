"""Schedules of accidents: drawn by number, written and read as text."""

import pytest

from gossip.lab.experiments.accidents import KINDS, LIES, parse_schedule
from gossip.lab.experiments.drawing import draw_schedule


def test_a_number_stands_for_one_schedule_and_another_number_for_another():
    assert draw_schedule(7) == draw_schedule(7)
    assert draw_schedule(7) != draw_schedule(8)


def test_a_schedule_is_what_its_text_says():
    for number in range(50):
        schedule = draw_schedule(number)
        assert parse_schedule(str(schedule)) == schedule


def test_chance_brings_every_kind_of_accident_and_all_is_over_in_time():
    accidents = [(accident, schedule.conditions.unrest) for schedule in
                 map(draw_schedule, range(200)) for accident in schedule.accidents]
    assert {accident.kind for accident, _ in accidents} == set(KINDS)
    assert all(accident.at + (accident.seconds or 0) <= unrest for accident, unrest in accidents)


def test_a_gentle_schedule_has_no_power_failure_freeze_partition_or_slowness():
    kinds = {accident.kind for number in range(200)
             for accident in draw_schedule(number, gentle=True).accidents}
    assert kinds == {"start", "say", "kill", "leave", "reset", "break"}


def test_as_many_peers_and_seeds_start_as_are_asked_for():
    schedule = draw_schedule(3, peers=30, seeds=4)
    started = {accident.who for accident in schedule.accidents if accident.kind == "start"}
    assert len(started) == 34 and {(seed,) for seed in schedule.seeds()} < started


def test_in_every_third_network_that_signs_the_last_of_three_seeds_lies():
    drawn = {number: draw_schedule(number, sign=True) for number in range(60)}
    for number, schedule in drawn.items():
        assert bool(schedule.conditions.liar) is (number % 3 == 0)
        assert not schedule.conditions.liar or schedule.conditions.seeds == 3
        assert parse_schedule(str(schedule)) == schedule
        assert ("liar=" in str(schedule)) is (number % 3 == 0)
    assert {schedule.conditions.liar for schedule in drawn.values()} == {"", *LIES}
    assert draw_schedule(3, seeds=5, sign=True).conditions.liar
    assert not draw_schedule(3, seeds=2, sign=True).conditions.liar
    assert not draw_schedule(3).conditions.liar


@pytest.mark.parametrize("text, complaint", [
    ("schedule 1 liar=always", "'always' is none of false, late"),
    ("schedule 1 spread=ink", "'ink' is none of flood, rumor, tree"),
    ("schedule 1 seeds=70000", "seeds is a number from 1 to 1000"),
    ("plan 1", "'plan 1': the first line is"),
    ("", "'': the first line is"), ("schedule x", "'schedule x': invalid literal"),
    ("schedule 1\n1.0 kill", "'1.0 kill': a line is"),
    ("schedule 1 colour=red", "no condition is called colour"),
    ("schedule 1\n1.0 start 127.0.0.1:5000 for 3", "a start does not end"),
    ("schedule 1\n1.0 burn 127.0.0.1:5000", "'burn' is none of start, say"),
    ("schedule 1\n1.0 kill 127.0.0.1", "'127.0.0.1' is not IP:PORT"),
    ("schedule 1\n1.0 freeze for 3", "an accident names a node"),
    ("schedule 1\nnan kill 127.0.0.1:5000", "its numbers are finite"),
    ("schedule 1\n1.0 freeze 127.0.0.1:5000 for inf", "its numbers are finite"),
    ("schedule 1\n1.0 say 127.0.0.1:5000 x-3", "not below 0"),
    ("schedule 1\nsoon kill 127.0.0.1:5000", "could not convert")])
def test_a_line_that_is_no_accident_is_named(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_schedule(text)
