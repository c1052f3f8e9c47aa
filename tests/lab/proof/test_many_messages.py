"""The check of a large network looks at pairs of runs, but not at all pairs for every message."""

from gossip.lab.proof import delivery
from tests.tools.stories import tell

HALVES = ((5001, 5002, 5003), (5004, 5005, 5006))
MESSAGES = range(1, 21)


def story(ends: str = "") -> str:
    """Two halves that never met, as no seed was up: each peer hears all that its half says."""
    lines = []
    for half in HALVES:
        lines += [f"0 {peer} starts\n0.5 {peer} lives until 9" for peer in half]
        for one in half:
            others = [other for other in half if other != one]
            lines += [f"1 {one} links {other}" for other in others if one < other]
            for number in MESSAGES:
                lines.append(f"2 {one} says {number}")
                lines += [f"2.1 {other} hears {one}/{number} from {one}" for other in others]
            if ends:
                lines.append(f"10 {one} {ends}")
    return "\n".join(lines)


def test_who_never_met_is_not_looked_at_again_for_every_message(tmp_path, monkeypatch):
    looked_at = []
    judge = delivery._had_to_go
    monkeypatch.setattr(delivery, "_had_to_go", lambda proof, message, holder, had, run: (
        looked_at.append((holder, run)) or judge(proof, message, holder, had, run)))
    for ends in "", "stopped:interrupted":
        row = delivery.broadcast(tell(tmp_path, story(ends)))
        assert row.holds and f"lost {6 * len(MESSAGES)}" in row.figures
        assert len(looked_at) < len(MESSAGES)
