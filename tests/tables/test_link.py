"""A link: what waits to be sent, and when that is too much."""

import pytest

from grapevine.link import BACKLOG, BACKLOG_OF_UNIDENTIFIED, CHUNK, Link
from tests.tables.samples import A


class Connection:
    """A connection that takes as many bytes as there is room for."""

    def __init__(self, room: int = 0):
        self.room, self.taken, self.closes, self.world, self.time = room, b"", 0, self, 5.0
        self.is_broken = False

    def now(self) -> float:
        return self.time

    def send(self, data: bytes) -> int:
        taken = data[:self.room]
        self.taken, self.room = self.taken + taken, self.room - len(taken)
        return len(taken)

    def close(self) -> None:
        self.closes += 1


def link_with(room: int = 0) -> tuple[Link, Connection]:
    connection = Connection(room)
    return Link("ROLE", None, A, connection), connection


def test_bytes_are_sent_in_order_whatever_room_there_is():
    link, connection = link_with(room=3)
    link.send(b"1234")
    connection.room = 9
    link.send(b"5678")
    assert connection.taken == b"123", "nothing overtakes what waits"
    connection.room = 2
    link.flush(6.0)
    connection.room = 99
    link.flush(7.0)
    assert connection.taken == b"12345678" and not link.waiting
    link.send(b"9")
    assert connection.taken == b"123456789"


@pytest.mark.parametrize("is_broken, waiting", [(False, CHUNK), (True, 0)],
                         ids=["the rest waits", "nothing waits for a broken connection"])
def test_a_large_backlog_is_handed_on_in_chunks(is_broken, waiting):
    link, connection = link_with()
    link.limit = BACKLOG
    link.send(b"x" * (2 * CHUNK))
    connection.room, connection.is_broken = 10 * CHUNK, is_broken
    link.flush(6.0)
    assert len(connection.taken) == CHUNK and len(link.waiting) == waiting


@pytest.mark.parametrize("limit", [None, BACKLOG])
def test_who_does_not_read_so_much_is_disconnected(limit):
    link, connection = link_with()
    limit = link.limit = limit or link.limit
    assert limit in (BACKLOG, BACKLOG_OF_UNIDENTIFIED) and BACKLOG > BACKLOG_OF_UNIDENTIFIED
    link.send(b"x" * limit)
    assert link.closed is None
    link.send(b"x")
    assert link.closed == "backlog overflow" and connection.closes == 1


def test_a_link_is_crowded_while_much_waits_for_somebody_who_reads():
    link, connection = link_with(room=1)
    link.send(b"x" * 101)
    assert not link.is_crowded(5.0, 100) and link.is_crowded(5.0, 99)
    assert link.is_crowded(5.9, 99) and not link.is_crowded(6.0, 99), "it does not read at all"
    link.flush(6.5)
    assert not link.is_crowded(6.5, 99), "it has taken nothing"
    connection.room = 1
    link.flush(7.0)
    assert link.is_crowded(7.9, 98) and not link.is_crowded(7.9, 99)
    assert link.is_crowded(10.9, 98, patience=4.0) and not link.is_crowded(11.0, 98, patience=4.0)


def test_a_link_ends_once_for_its_first_reason_and_sends_no_more():
    link, connection = link_with(room=99)
    link.close("first")
    link.close("second")
    link.send(b"late")
    assert (link.closed, connection.closes, connection.taken) == ("first", 1, b"")
