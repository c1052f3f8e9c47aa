"""Virtual duties: what a node does again and again, without the threads that do it live.

A duty is a method `turn(now)` that answers when it is due next; the world calls it then. Sending
needs no thread either: a connection tells when it has room. Nobody can wait here, as nothing else
would happen meanwhile: whoever has to raises WouldWait.
"""

from gossip.node.world import NEVER


class WouldWait(Exception):
    """A node has to wait for what only another event can bring: in virtual time, for ever."""


class VirtualTurn:
    """Nothing happens at the same time: whoever calls the node has the turn."""

    def __enter__(self) -> None:
        """There are no other threads to keep out."""

    def __exit__(self, *error) -> None:
        """As above."""

    def after(self, call, *arguments) -> None:
        """Make a call at once, as it cannot wait here."""
        call(*arguments)

    def share(self) -> None:
        """Nobody waits here."""

    def waited(self) -> float:
        """Nobody waits here."""
        return 0.0


class VirtualDuty:
    """A method of a node that is called again and again. Its world has `now`, `later`, `node`."""

    def __init__(self, world, name: str, turn, after: float):
        self.label = f"{name!r} of {world.node.address}"
        self.turns = 0  # how often it was called
        self._world = world
        self._turn = turn
        self._due = NEVER  # when the next turn is due
        self._over = False  # it has answered that it is not to be called again
        self._set(world.now() + after)

    def hurry(self) -> None:
        """Have the turn called soon, before the time that it answered."""
        self._set(self._world.now())

    def _set(self, due: float) -> None:
        """Be due at this moment, unless sooner anyway."""
        if not self._over and due < self._due:
            self._due = due
            self._world.later(due, self, self._take, due)

    def _take(self, due: float) -> None:
        """Take the turn that was due at this moment."""
        if due != self._due:
            return  # it was hurried since, and has been called
        self._due = NEVER
        self.turns += 1
        answer = self._turn(self._world.now())
        if answer == NEVER:
            self._over, self._due = True, NEVER
        elif answer is not None:
            self._set(answer)


class VirtualFlusher:
    """Sends what connections did not take, when they have room again."""

    def __init__(self, world):
        self._world = world

    def watch(self, link) -> None:
        """Nothing to do for a link with a backlog: its connection tells when it has room."""

    def forget(self, link) -> None:
        """Nothing to do for a link that has ended."""

    def take_over(self, job, after: float = 0.0) -> None:
        """Have `job()` called after so many seconds."""
        self._world.later(self._world.now() + after, self, job)

    def condition(self) -> "NoWaiting":
        """A condition on which nobody can wait."""
        return NoWaiting()

    def has_room(self, links) -> bool:
        """Whether new messages may be made: no link has a long backlog that still moves."""
        return not any(link.pauses_origin(self._world.now()) for link in links)

    def wait_for_room(self, links, seconds: float) -> None:
        """WouldWait when there is none."""
        if not self.has_room(links):
            raise WouldWait("for room in the backlog of a neighbour")


class NoWaiting:
    """Stands for a condition where nobody may wait on one."""

    def __enter__(self) -> None:
        """There are no other threads to keep out."""

    def __exit__(self, *error) -> None:
        """As above."""

    def notify_all(self) -> None:
        """Nobody waits."""

    def wait(self, timeout: float | None = None) -> bool:
        raise WouldWait("until another thread has sent what was brought before")

    def wait_for(self, predicate, timeout: float | None = None) -> bool:
        if predicate():
            return True
        return self.wait(timeout)
