"""Reading a link: waits for the lines that come over its connection, and for its deadlines.

Called by the one thread that reads the link.
"""

from gossip.net.connection import DONT_WAIT, READ_SIZE
from gossip.wire import WireError

SIP = 8_192  # bytes asked for after a rest: many short rests disturb others less than few long ones
DEADLINE_LOOK = 5.0  # seconds after which a reader looks whether its deadline was changed


class Overdue(WireError):
    """A line, or the rest of one, did not come in time."""


def next_lines(link, now) -> list[bytes] | None:
    """Wait for whole lines and return those that came together; None at the end of the stream.
    WireError when a line is too long, Overdue when it is too late. `now()` is the clock of deadlines."""
    link.read_on()
    while True:
        try:
            data = _receive(link, now)
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


def _receive(link, now) -> bytes:
    """Return bytes that have come. Without a deadline, wait for them; with one, BlockingIOError
    when there are none. Mostly there are some, and asking the kernel first saves a wait. After the
    deadline it is asked once more: what came in time may be read late."""
    due, size = link.due(), SIP if link.rest_until else READ_SIZE
    if due is None:
        return link.connection.receive(size)
    if due <= now() and not link.last_look():
        raise Overdue(link.overdue())
    return link.connection.receive(size, DONT_WAIT)


def _wait_readable(link, now) -> None:
    """Wait for bytes until the deadline, but not for long: another thread may change it."""
    due = link.due()
    wait = DEADLINE_LOOK if due is None else min(DEADLINE_LOOK, due - now())
    if wait > 0:
        link.connection.wait_readable(wait)
