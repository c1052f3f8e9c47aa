"""Reading a link: waits for the lines that come over its connection, and for its deadlines.

Called by the one thread that reads the link.
"""

from gossip.net.connection import DONT_WAIT, READ_SIZE

SIP = 8_192  # bytes asked for after a rest: many short rests disturb others less than few long ones
DEADLINE_LOOK = 5.0  # seconds after which a reader looks whether its deadline was changed


def next_lines(link, now, overdue) -> list[bytes] | None:
    """Wait for whole lines and return those that came together; None at the end of the stream.
    WireError when a line is too long. `now()` is the clock of deadlines; `overdue(link)` is called
    when a line is too late, and ends the link or sets another deadline."""
    if link.unfinished is not None or link.framing.fault is not None:
        link.read_on()
    while True:
        size = SIP if link.rest_until else READ_SIZE
        try:
            if link.deadline is None and link.unfinished is None:  # so it is with neighbours
                data = link.connection.receive(size)
            else:
                data = _receive_in_time(link, size, now(), overdue)
        except BlockingIOError:
            _wait_readable(link, now)
            continue
        except OSError as error:
            link.end_of_stream(error.strerror or str(error))
            return None
        if not data:
            link.end_of_stream("closed by the other end")
            return None
        lines = link.take(data)
        if lines:
            return lines


def _receive_in_time(link, size: int, now: float, overdue) -> bytes:
    """Return bytes that have come; BlockingIOError when there are none. Mostly there are some, and
    asking the kernel first saves a wait. After the deadline it is asked once more: what came in
    time may be read late."""
    if link.is_overdue(now) and not link.last_look():
        overdue(link)
    return link.connection.receive(size, DONT_WAIT)


def _wait_readable(link, now) -> None:
    """Wait for bytes until the deadline, but not for long: another thread may change it."""
    due = link.due()
    wait = DEADLINE_LOOK if due is None else min(DEADLINE_LOOK, due - now())
    if wait > 0:
        link.connection.wait_readable(wait)
