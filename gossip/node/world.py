"""The world that a node needs: time, lateness, turns, connections, and a place to listen.

A node is rules, tables and an output file. Whatever takes time or moves bytes goes through its
world: clocks, threads and sockets in the live world (net/live_world.py), a heap of calls in the
virtual world (lab/simulation/virtual_world.py). Nothing else tells a node the time.

In return, the world calls the node: `accept(connection, remote)` for a newcomer, `found(link,
addresses)` when the name of a dialled link was looked up, `up(link)` when a dialled link is
connected, `lines(link, lines)` with what came, `fault(link, error)` when a link broke a rule or
could not be dialled, `make_room(reason)` when descriptors are short, and last, once per link,
`ended(link)`. Each of these calls but `accept` is a turn. Nor is `sift(link, lines)`, called before
`lines`: it returns the lines that are worth a turn. If the node sets `rest_until` of a link in
`lines`, the link is not read before that time.
"""

from typing import Protocol

from gossip.addresses import Address, Name

NEVER = float("inf")  # returned by a turn that is not to be called again


class Duty(Protocol):
    """A method `turn(now)` that the world calls repeatedly. The method does what is due by `now`
    and returns when it is due next (None: only if hurried; NEVER: no more)."""

    def hurry(self) -> None:
        """Have `turn` called soon, before it is due. The method must bear extra calls."""


class Flushing(Protocol):
    """The flusher: sends what the other ends of links did not take at once."""

    def watch(self, link) -> None:
        """Have the backlog of this link sent."""

    def take_over(self, job, after: float = 0.0) -> None:
        """Have `job()` called after `after` seconds, while the caller goes on."""

    def wait_until(self, predicate, seconds: float) -> None:
        """Wait outside of turns, for `seconds` at most, until the predicate holds or the node
        stops. Where a node has no threads, waiting fails."""

    def notify(self) -> None:
        """Have all who wait look again whether their predicate holds."""


class Turn(Protocol):
    """A context manager: within it, no other thread calls the node. The world takes a turn for each
    of its calls. Nobody waits within a turn."""

    def after(self, call, *arguments) -> None:
        """Make a call, which may wait, once the present turn is over."""

    def share(self) -> None:
        """Leave a long turn for a moment if another thread waits."""

    def waited(self) -> float:
        """Return the seconds of the longest wait for a turn within LATE_FOR; 0 without threads."""

    def left(self):
        """Return a context manager that leaves the present turn; missing without threads."""


class World(Protocol):
    """Made with the node that it serves: `world(node)`."""

    turn: Turn
    flusher: Flushing

    def now(self) -> float:
        """Return the seconds of a clock that never goes back."""

    def time(self) -> float:
        """Return Unix seconds, by this node's own clock."""

    def lateness(self) -> float:
        """Return the seconds of the worst lateness within LATE_FOR (gossip/settings.py)."""

    def worst_lateness(self) -> float:
        """Return the worst lateness since measuring began, in seconds."""

    def listen(self) -> None:
        """Listen on the node's address; OSError if it is not available."""

    def begin(self) -> None:
        """Make what accepts connections and what flushes backlogs; both wait for `go`."""

    def go(self) -> None:
        """Let everything that has begun do its work."""

    def keep(self, name: str, turn, after: float = 0.0) -> Duty:
        """Have `turn(now)` called after `after` seconds, then whenever it is due."""

    def dial(self, link, thread: str = "link reader") -> None:
        """Connect a link to its peer, then read it. If that fails, `fault` and `ended` follow. A
        peer that is known by name is looked up before, in the thread that connects."""

    def look_up(self, names: list[Name]) -> dict[Name, list[Address] | OSError]:
        """Return where names lead now. It may take a second, so no turn may call it."""

    def missing_ip(self) -> str | None:
        """Return the node's IP if this machine lost it, else None."""

    def lacks(self, error: OSError) -> bool:
        """Return whether this machine is short of descriptors, memory, ports or threads. Then the
        error says nothing about the other end."""

    def wake(self) -> None:
        """Stop: accept nothing more, and end the duties."""

    def close(self) -> None:
        """Wait until everything has ended, and free it."""
