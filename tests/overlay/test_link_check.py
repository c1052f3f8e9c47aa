"""The check of a standing link: newcomers wait for a reply, for its end, or for their time."""

from gossip.overlay.admitting import LinkCheck
from tests.tools.fakes import FakeLink


def test_newcomers_wait_for_a_reply_or_the_end_of_the_standing_link_or_their_time():
    check, standing, other = LinkCheck(), FakeLink(), FakeLink()
    assert check.next_at() is None and check.overdue(99.0) == []
    check.ask("first", standing, 2.0)
    check.ask("second", standing, 1.0)
    check.ask("third", other, 3.0)
    assert check.next_at() == 1.0
    assert [late.newcomer for late in check.overdue(1.0)] == ["second"]
    assert check.replied(FakeLink()) == []
    assert [asker.newcomer for asker in check.replied(standing)] == ["first"]
    assert check.replied(standing) == [] and check.next_at() == 3.0
    check.ask("fourth", other, 4.0)
    assert check.on_end("third") == []
    assert [asker.newcomer for asker in check.on_end(other)] == ["fourth"]
    assert check.next_at() is None
