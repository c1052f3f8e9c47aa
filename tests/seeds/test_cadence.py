"""A cadence: hurries at first, and settles."""

from gossip.seeds.cadence import Cadence


def test_a_cadence_hurries_and_settles():
    cadence, times, now = Cadence(0.5, 4.0, 0.0), [], 0.0
    for _ in range(5):
        now = cadence.next_at()
        assert cadence.due(now) and not cadence.due(now)
        times.append(now)
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5]
    assert cadence.hurry(12.0) and cadence.next_at() == 12.5
    assert not cadence.hurry(12.1) and cadence.next_at() == 12.5
