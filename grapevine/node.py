"""A node: links with roles, what becomes of what they say, deadlines, duties, lateness.

ANSWERS is the state machine of the protocol: {role of a link: {kind of message, UP or END: name of
a method}}. A transition is `link.role = …`. What no method answers breaks a rule, and ends the
link. Whatever a node does it does in a call of its world (worlds/__init__.py), one at a time, with
the lock held where there are threads; it never waits. A node assumes no text, no TCP and no single
listener: subclasses cut and parse what comes.
"""

import collections
import errno
import functools
import math

from grapevine.addresses import Address, Target
from grapevine.link import BACKLOG, Link
from grapevine.output import Output
from grapevine.settings import Settings
from grapevine.tools import Budget, ProtocolError

UNIDENTIFIED = "UNIDENTIFIED"  # the role of an accepted link on which nothing was said yet
UP, END = "(up)", "(end)"  # in ANSWERS: a dial has connected; the link has ended

INTRODUCTION = 5.0  # seconds for the first whole line of an unidentified connection, and the next
CONNECT = 2.0  # seconds to connect
CROWD_LIMIT = 1_024  # links that may wait to introduce themselves: of more the oldest goes
LATE = 0.5  # seconds: a call that comes later than this makes the node late
LATE_FOR = 1.0  # seconds for which a late node passes no verdict
HELD_LOOK = 0.02  # seconds between two looks whether a held link may go on
SLICE = 0.05  # seconds for messages of one link, before others may have the lock
REFUSALS = 70  # lines `refused:` a second in the output file
REASON_LIMIT = 100  # characters of a reason in the output file
RESOURCE_ERRNOS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL,
                   errno.EAGAIN}  # errors that tell nothing about the other end


class Duty:
    """A method of a node that is called when it is due, and returns when it is due next."""

    def __init__(self, node: "Node", name: str, method, after: float):
        self._node, self._name, self._method = node, name, method
        self.due = math.inf
        self.by(node.now() + after)

    def wake(self) -> None:
        """Have it called at once."""
        self.by(self._node.now())

    def by(self, due: float) -> None:
        """Have it called at this moment at the latest."""
        due = max(due, now := self._node.now())
        if due < self.due:
            self._node.later(due - now, self._call, due, thread=self._name)
            self.due = due  # only now, because `later` fails if no thread is left

    def _call(self, due: float) -> None:
        if due != self.due:
            return  # it was made due sooner, and has been called
        self.due = math.inf
        next_due = self._node.now() + 1.0  # if it fails
        try:
            next_due = self._method(self._node.now())
        finally:
            self.by(next_due)


class Node:
    """An address, links and an output file. A subclass has ANSWERS, `start`, `cut`, `parse`."""

    ANSWERS: dict[str, dict[str, str]] = {}
    CROWD = {UNIDENTIFIED}  # roles of which there may be CROWD_LIMIT
    LINK = Link

    def __init__(self, address: Address, settings: Settings, output: Output, world):
        self.address, self.settings, self.output, self.world = address, settings, output, world
        self.now, self.time, self.rng = world.now, world.time, world.rng
        self.links: dict[Link, None] = {}  # all, the oldest first
        self._duties: list[Duty] = []  # all but those of links
        self.stopping = False
        self.late_until = 0.0  # no verdict before that
        # since when it was late, as its file told last, and when it did: once in LATE_FOR seconds,
        # and at once if it was late for longer than was told
        self._late_since = self._told_late = -math.inf
        self._ahead = self.time() - self.now()  # which grows if the machine sleeps
        self._refusals = Budget(REFUSALS, REFUSALS)
        self._shortages = Budget(0.1, 1)  # lines about a lack of descriptors, for example
        self.counters: collections.Counter = collections.Counter()  # of `status`: what -> how often

    def cut(self, link: Link, data: bytes) -> list:
        """Return the whole messages in the bytes that came; `link.rest` keeps the beginning of the
        next. ProtocolError if that is too long."""
        raise NotImplementedError

    def parse(self, message) -> tuple[str, tuple]:
        """Return the kind and values of a message. ProtocolError if it has none."""
        raise NotImplementedError

    # Time. A process that was frozen, or has too much to do, reads late what came in time. So does
    # one whose machine slept; if the clock was set forward, no line of its file has that time.

    def schedule(self, name: str, method, after: float = 0.0) -> Duty:
        """Have a method called whenever it is due, first after some seconds, in the thread `name`
        where there are threads."""
        self._duties.append(Duty(self, name, method, after))
        return self._duties[-1]

    def later(self, seconds: float, call, *arguments, thread: str = "timer") -> None:
        """Make a call some seconds later, unless the node has stopped by then."""
        seconds = max(seconds, 0.0)  # what was due before makes nobody late
        self.world.later(seconds, self._on_time, self.now() + seconds, call, arguments,
                         thread=thread)

    def _on_time(self, due: float, call, arguments: tuple) -> None:
        if not self.stopping:
            before, self._ahead = self._ahead, self.time() - self.now()
            self._note_lateness(max(self.now() - due, self._ahead - before))
            call(*arguments)

    def _note_lateness(self, seconds: float) -> None:
        if seconds > LATE:
            now, since = self.now(), self.now() - seconds
            if since < self._late_since - LATE or now >= self._told_late + LATE_FOR:
                self.output.write(f"late:{seconds:.3f}")
                self._late_since, self._told_late = since, now
            self.late_until = now + LATE_FOR

    def is_late(self) -> bool:
        """Tell whether this node ran late a moment ago, so that it judges nobody."""
        return self.now() < self.late_until

    # The life of a link. The world calls accepted, up, took, ended and crowd_out.

    def accepted(self, connection, remote: Address) -> Link:
        """Take a connection that somebody has made."""
        link = self._add(UNIDENTIFIED, None, remote, connection)
        self.expect(link, INTRODUCTION)
        if (len(self.links) > CROWD_LIMIT
                and sum(link.role in self.CROWD for link in self.links) > CROWD_LIMIT):
            self.crowd_out()
        return link

    def _add(self, role: str, peer, remote: Address | None, connection=None) -> Link:
        link = self.LINK(role, peer, remote, connection)
        link.look = Duty(self, "timer", functools.partial(self._look, link), math.inf)
        self.links[link] = None
        return link

    def crowd_out(self, error: OSError | None = None) -> None:
        """End the oldest link that has not said who it is. An error is why nobody can be accepted:
        descriptors are short, for example."""
        if error and self._shortages.spend(1, self.now()):
            self.write_refusal(self.address, error.strerror)
        for link in self.links:
            if link.role in self.CROWD and not link.closed:
                link.close("too many strangers")
                return

    def dial(self, role: str, peer: Target, limit: float) -> Link:
        """Connect to an address or a name, which has to say something within `limit` seconds."""
        link = self._add(role, peer, None)
        link.connection = self.world.dial(link, min(CONNECT, limit))
        self.expect(link, limit)
        return link

    def up(self, link: Link) -> None:
        """A dial has connected, and `link.remote` is known."""
        self._event(link, UP)

    def expect(self, link: Link, seconds: float) -> None:
        """Give the other end so many seconds for its next line."""
        link.deadline = self.now() + seconds
        link.look.by(link.deadline)

    def _look(self, link: Link, now: float) -> float:
        """Look whether the other end did; return when to look again."""
        if link.closed or link.deadline is None:
            return math.inf
        due = max(link.deadline, self.late_until)  # what came in time may not be read yet
        if due > now:
            return due
        self.overdue(link)
        return math.inf

    def overdue(self, link: Link) -> None:
        """The other end did not say its next line in time."""
        link.close("said nothing in time")

    def trust(self, link: Link, role: str, peer: Target) -> None:
        """The other end has shown who it is: it may be silent, and slow."""
        link.role, link.peer, link.deadline, link.limit = role, peer, None, BACKLOG

    def refuse(self, link: Link, reason: str) -> None:
        """End a link whose other end broke a rule, and write that down."""
        if link.closed is None:
            self.write_refusal(link.peer or link.remote, reason)
            link.close(reason[:REASON_LIMIT])

    def write_refusal(self, who: Target, reason: str) -> None:
        """Write `refused:…`, but only so often, because strangers cause it."""
        if self._refusals.spend(1, self.now()):
            self.output.write(f"refused:{who}:{reason[:REASON_LIMIT]}")
        else:
            self.counters["refusals not written"] += 1

    def ended(self, link: Link, reason: str, error: OSError | None = None) -> None:
        """A link is over: exactly once for each, after which nothing comes of it any more."""
        link.closed = link.closed or reason
        link.rest, link.pending, link.waiting = b"", [], bytearray()  # a deadline still knows it
        self.links.pop(link, None)
        if not self.stopping:
            self._event(link, END, error)

    def _event(self, link: Link, event: str, *arguments) -> None:
        method = self.ANSWERS.get(link.role, {}).get(event)
        if method is not None:
            getattr(self, method)(link, *arguments)

    # Messages.

    def took(self, link: Link, data: bytes) -> None:
        """Bytes have come."""
        link.heard_at = self.now()
        self._go_on(link, data)

    def _go_on(self, link: Link, data: bytes = b"") -> None:
        """Handle what is pending, and has come, unless the link is held; refuse a broken rule."""
        link.turn_at = self.now()
        try:
            link.pending += self.cut(link, data) if data else []
            while link.pending and not (link.is_held or link.closed):
                pending, link.pending = link.pending, []
                self.handle(link, pending)
        except ProtocolError as error:
            self.refuse(link, str(error))

    def handle(self, link: Link, messages: list) -> None:
        """Handle, in order, messages that came together. Those behind one that holds the link, or
        changes its role, stay pending. ProtocolError for a broken rule."""
        role = link.role
        for at, message in enumerate(messages):
            if link.is_held or link.role != role or link.closed:
                link.pending += messages[at:]
                return
            self.handle_one(link, message)
            if self.now() - link.turn_at > SLICE:
                self.hold(link, None, SLICE)

    def handle_one(self, link: Link, message) -> None:
        """Have the method that ANSWERS names handle one message."""
        kind, values = self.parse(message)
        method = self.ANSWERS.get(link.role, {}).get(kind)
        if method is None:
            raise ProtocolError(f"unexpected '{kind.replace('_', ' ')}' while {link.role}")
        if link.role == UNIDENTIFIED:
            self.expect(link, INTRODUCTION)
        getattr(self, method)(link, *values)

    def hold(self, link: Link, is_over=None, seconds: float = math.inf) -> None:
        """Handle and read no more of a link until `is_over()`, or for so many seconds. Nobody waits
        for that: the method that holds a link returns, and messages behind its own stay pending."""
        if not link.is_held and not (is_over and is_over()):
            link.is_held = True
            self._keep_holding(link, is_over, self.now() + seconds)

    def _keep_holding(self, link: Link, is_over, until: float) -> None:
        if link.closed:
            return
        left = until - self.now()
        if left > 0 and not (is_over and is_over()):
            pause = min(left, HELD_LOOK) if is_over else left
            if link.deadline is not None:
                link.deadline += pause  # its next message may wait here
            self.later(pause, self._keep_holding, link, is_over, until)
            return
        link.is_held = False
        try:
            self._go_on(link)
        except Exception:
            link.close("failed")  # it could cause that again; its world writes that down
            raise
        if not link.is_held:
            link.connection.resume()

    # The end.

    def stop(self, reason: str) -> None:
        """Write the last word, and end all links. May be called again."""
        if not self.stopping:
            due = min([duty.due for duty in self._duties], default=math.inf)
            self._note_lateness(self.now() - due)  # of who goes on, and is stopped at once
            self.stopping = True
            self.output.finish(f"stopped:{reason}")
            self.world.stop()  # first, or neighbours might dial again before its door is shut
            for link in list(self.links):
                link.close(reason)
