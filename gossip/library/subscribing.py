"""What a node tells a program: events fill the inbox, and callbacks are called by a thread.

The node calls `Subscriber.show` within its turns, so nothing here waits but the thread of `Calls`.
"""

import contextlib
import functools
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from gossip.events import about
from gossip.library.messages import Inbox, Message
from gossip.tools import Recent

AT_ONCE = 100  # messages handed on before other calls have their turn
DEATHS = 1_000  # dead peers remembered, so that each death is told once

_log = logging.getLogger("gossip")


class Calls:
    """The thread that makes the calls a program has asked for, one at a time."""

    def __init__(self, address: str, on_message: Callable[[Message], object] | None):
        self.on_message = on_message
        self.dropped = False  # no call is made any more
        self._address = address
        self._queue: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"callbacks {address}", daemon=True)

    def begin(self, inbox: Inbox) -> None:
        """Start the thread."""
        self._inbox = inbox
        self._thread.start()

    def put(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have a call made."""
        self._queue.put(functools.partial(call, *arguments))

    def messages_came(self) -> None:
        """Have the messages in the inbox handed to `on_message`."""
        self._queue.put(self._hand_on)

    def messages_were_dropped(self) -> None:
        """Have the program's log tell it."""
        self.put(_log.warning, "messages were dropped, because they were not taken in time; "
                 "status() counts them; see backlog in help(gossip.join)")

    def end(self, patience: float) -> None:
        """End the thread after the calls that wait; wait for it, `patience` seconds at most."""
        self._queue.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join(patience)

    def _run(self) -> None:
        while (call := self._queue.get()) is not None and not self.dropped:
            self._make(call)

    def _hand_on(self) -> None:
        assert self.on_message is not None
        with contextlib.suppress(TimeoutError, EOFError):
            for _ in range(AT_ONCE):
                if self.dropped:
                    return
                self._make(self.on_message, self._inbox.take(0))
            self.messages_came()

    def _make(self, call: Callable[..., object], *arguments: Any) -> None:
        try:
            call(*arguments)
        except BaseException:  # also SystemExit: it would end this thread, and all calls
            with contextlib.suppress(Exception):  # of a handler of the program
                _log.exception("a callback of %s failed", self._address)


class Subscriber:
    """Takes what the node writes as events, within its turns."""

    def __init__(self, own: str, inbox: Inbox, calls: Calls, wanted: int,
                 on_neighbour: Callable[[str], object] | None,
                 on_death: Callable[[str], object] | None):
        """`wanted`: seeds that have to list the peer before `joined` is set."""
        self.joined = threading.Event()
        self._own, self._inbox, self._calls, self._wanted = own, inbox, calls, wanted
        self._on_neighbour, self._on_death = on_neighbour, on_death
        self._listed_by: set[str] = set()
        self._lists_of: set[str] = set()  # seeds whose list has come
        self._neighbours: set[str] = set()
        self._dead = Recent(DEATHS)
        self._told_of = ""  # the peer of whose death a seed told last
        self._replaced = ""  # the peer whose link was replaced by another one just now

    def show(self, clock: str, head: str, lines: str) -> None:
        """Take events that were written together. Only gossip lines have a head."""
        if head.startswith("received:"):
            self._inbox.put(about(head.partition(":")[2])[0], lines)
        if head:
            return
        for event in lines.split("\n"):
            kind, _, rest = event.partition(":")
            if kind in _TAKEN:
                _TAKEN[kind](self, rest)
            elif kind in ("failed", "lost"):
                self._calls.put(_log.error, "%s: %s", self._own, event)

    def _registered(self, seed: str) -> None:
        self._listed_by.add(seed)
        if len(self._listed_by) >= self._wanted:
            self.joined.set()

    def _list_came(self, rest: str) -> None:
        self._lists_of.add(about(rest)[0])

    def has_lists(self) -> bool:
        """Return whether a majority of the seeds have told their lists."""
        return len(self._lists_of) >= self._wanted

    def _connected(self, peer: str) -> None:
        self._dead.pop(peer)
        if self._on_neighbour is not None and peer != self._replaced:
            self._calls.put(self._on_neighbour, peer)
        self._replaced = ""
        self._neighbours.add(peer)

    def _disconnected(self, rest: str) -> None:
        peer, reason = about(rest)
        self._neighbours.discard(peer)
        self._replaced = peer if reason in ("replaced", "duplicate") else ""
        if reason == "told dead" and peer == self._told_of:
            self._died(peer)

    def _died(self, peer: str) -> None:
        if self._on_death is not None and self._dead.add(peer, True):
            self._calls.put(self._on_death, peer)

    def _told(self, rest: str) -> None:
        """A seed tells of a death. A neighbour that has just answered stays linked, and lives."""
        _, report = about(rest)
        self._told_of, _ = about(report.removeprefix("Dead Node:"))
        if self._told_of not in self._neighbours and self._told_of != self._own:
            self._died(self._told_of)


_TAKEN = {"registered": Subscriber._registered, "peer list": Subscriber._list_came,
          "connected": Subscriber._connected, "disconnected": Subscriber._disconnected,
          "dead": Subscriber._died, "told": Subscriber._told}
