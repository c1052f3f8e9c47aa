"""The world that a node needs: time, lateness, turns, connections, and a place to listen.

A node is rules, tables and an output file. Whatever takes time or moves bytes goes through its
world. The live one (net/live_world.py) has clocks, threads and sockets; the virtual one
(lab/simulation/virtual_world.py) has a heap of calls instead, because the node asks the time
nowhere else.

In return, the world calls the node: `accept(connection, remote)` for a newcomer, `up(link)`
when a dialled link stands, `lines(link, lines)` with what came, `fault(link, error)` when a link
broke a rule or could not be dialled, `make_room(reason)` when descriptors are short, and last, once
per link, `ended(link)`. Each of these calls is a turn: one at a time, and nobody waits in it.
Before `lines`, and outside of a turn, it calls `sift(link, lines)`, which returns those that are
worth a turn. A link whose `rest_until` the node has set in `lines` is not read before.
"""

from typing import Protocol

NEVER = float("inf")  # the answer of a turn that is not to be called again


class Duty(Protocol):
    """The handle of a method `turn(now)` that the world calls again and again. The method does
    what is due by `now` and returns when it is due next (None: only if hurried; NEVER: no more)."""

    def hurry(self) -> None:
        """Have `turn` called soon, before the time that it answered. It must bear extra calls."""


class Flushing(Protocol):
    """The flusher: sends what the other ends of links did not take at once."""

    def watch(self, link) -> None:
        """This link has a backlog."""

    def forget(self, link) -> None:
        """This link has ended."""

    def take_over(self, job, after: float = 0.0) -> None:
        """Have `job()` called after `after` seconds, while the caller goes on."""

    def condition(self):
        """Something to wait on as on a threading.Condition, outside of a turn. Where a node has no
        threads, whoever waits on it fails."""

    def has_room(self, links) -> bool:
        """Whether new messages may be made: no link `pauses_origin` (gossip/node/link.py)."""

    def wait_for_room(self, links, seconds: float) -> None:
        """Wait until they may, for `seconds` at most; only the console calls it."""


class Turn(Protocol):
    """A context manager: within it, no other thread calls the node. The world takes a turn for
    each of its calls. Nobody waits within a turn."""

    def after(self, call, *arguments) -> None:
        """Have a call made that may wait, once the present turn is over."""

    def share(self) -> None:
        """Leave a turn that takes long for a moment, if somebody waits."""

    def waited(self) -> float:
        """Seconds for which a thread waited for its turn at longest within the last LATE_FOR
        seconds; 0 where a node has no threads."""

    def left(self):
        """A context manager: the present turn is interrupted for as long as it lasts. Where a node
        has no threads, nobody can wait, and there is none."""


class World(Protocol):
    """Made with the node that it serves: `world(node)`."""

    turn: Turn
    flusher: Flushing

    def now(self) -> float:
        """Seconds of a clock that never goes back."""

    def time(self) -> float:
        """Unix seconds, by this node's own clock."""

    def lateness(self) -> float:
        """Seconds by which this process ran its threads late at worst within the last LATE_FOR
        seconds (gossip/settings.py); what follows from that is in gossip/node/lateness.py."""

    def worst_lateness(self) -> float:
        """The same since the process began to look."""

    def listen(self) -> None:
        """Listen on the node's address; OSError when it is not available."""

    def begin(self) -> None:
        """Make what accepts connections and what flushes backlogs; they wait for `go`."""

    def go(self) -> None:
        """Let everything that has begun do its work."""

    def keep(self, name: str, turn, after: float = 0.0) -> Duty:
        """Have `turn(now)` called after `after` seconds, then at each time that it answers."""

    def dial(self, link, thread: str = "link reader") -> None:
        """Connect a link to its peer, then read it. When that fails, `fault` and `ended` follow."""

    def lacks(self, error: OSError) -> bool:
        """Whether an error means that this machine is short of descriptors, memory or ports, and
        so says nothing of the other end."""

    def wake(self) -> None:
        """The node stops: accept nothing more, and end the duties."""

    def close(self) -> None:
        """Wait until everything has ended, and free it."""
