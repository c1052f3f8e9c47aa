"""A peer of the network inside a program, and networks for tests.

The threads of a peer run in the background, and every method may be called from any thread. Nothing
is printed, and the program's handlers of signals stay.
"""

import base64
import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from gossip.addresses import address_of
from gossip.library.messages import BYTES, LOOK, Inbox, Message, Subscriber, message_of
from gossip.library.starting import (
    Folder, NoSeed, Refused, SeedList, Seeds, address_asked_for, class_of, errors_of_a_start,
    list_of_seeds, listen, put_off, settings_of, start)
from gossip.overlay.neighbours import NEIGHBOUR
from gossip.programs.starting import check_reachable, quit_when_heard
from gossip.settings import Settings, majority
from gossip.terminal.command_line import AUTO

USUAL = Settings(gossip_count=0)  # because a program has messages of its own
BACKLOG = 10_000  # messages that wait for the program
QUIT_LIMIT = 25.0  # seconds that leaving may take: more than all waits of `Peer`
CALLS_LIMIT = 5.0  # seconds that leaving waits for callbacks
FORM_LIMIT = 10.0  # seconds within which a network forms
QUICK = {"liveness_interval": 0.5, "antientropy_interval": 0.5, "probe_limit": 1.0,
         "retry_first": 0.1}  # for networks of one process


def join(port: int | str = 0, *, host: str = AUTO, seeds: SeedList = None,
         on_message: Callable[[Message], object] | None = None,
         on_neighbour: Callable[[str], object] | None = None,
         on_death: Callable[[str], object] | None = None,
         outputs: Folder = None, backlog: int | str = BACKLOG, since: str | float | None = None,
         **settings: Any) -> "Peer":
    """Start a peer that joins, at a port or at `IP:PORT`. Port 0 means any free port.

    `host`: the IP to listen on and to announce, or a name of this machine; `auto` means the IP from
    which it reaches the seeds.
    `seeds`: `HOST:PORT` of each, or the path of a list with a line for each; by default config.txt
    beside the program, or in the current folder. Seeds that do not answer are retried.
    `on_message(message)`, `on_neighbour(address)`, `on_death(address)`: called in turn by a thread
    of their own, perhaps before this returns. Their errors go to the logger "gossip".
    `outputs`: a folder for the output file; None means no file.
    `backlog`: how many messages may wait to be taken before the oldest are dropped and counted;
    "wait" means that neighbours wait instead, and give up the link if that takes long.
    `since`: "now", or a Unix time, leaves out earlier messages.
    Every other argument is a setting by its name, such as `sign` or `liveness_interval`.

    PortInUse, NoSeed, Refused, ValueError or TypeError if it cannot start."""
    node_settings = settings_of(settings, USUAL)
    seed_list = list_of_seeds(seeds)
    address = address_asked_for(port, host, seed_list)
    with errors_of_a_start(NoSeed):
        check_reachable(seed_list, address)
    if address in seed_list:
        raise Refused(f"{address} is the address of a seed; take another port")
    _check_callbacks([call for call in (on_message, on_neighbour, on_death) if call is not None])
    inbox = _inbox(backlog, since)

    class Listened(class_of("peer", "Peer")):  # type: ignore[misc]
        """A peer whose link readers wait while the inbox is full."""

        def sift(self, link: Any, lines: list[bytes]) -> list[bytes]:
            if link.role == NEIGHBOUR:  # so that probes and seeds are answered meanwhile
                inbox.wait_for_room(lambda: link.ended or self.leaving)
            return super().sift(link, lines)  # type: ignore[no-any-return]

        def wake(self) -> None:
            super().wake()
            inbox.end()

    with contextlib.ExitStack() as started:
        with put_off():  # a handler that raises would leave half a peer behind
            address, sock = listen(address)
            started.callback(sock.close)
            subscriber = Subscriber(str(address), inbox, majority(len(seed_list)), on_message,
                                    on_neighbour, on_death)
            node = start(Listened, address, sock, seed_list, node_settings, outputs, subscriber)
            started.callback(node.stop)
            subscriber.begin()
            started.callback(subscriber.end, 0.0)
        started.pop_all()  # because nothing has to be undone
    return Peer(node, subscriber)


def _check_callbacks(calls: list[Any]) -> None:
    """Raise TypeError unless a thread can make the calls."""
    for call in calls:
        import inspect  # not above, because it takes some milliseconds

        if not callable(call):
            raise TypeError(f"{call!r} cannot be called")
        if inspect.iscoroutinefunction(call):
            raise TypeError(f"{call!r} is a coroutine function, and a thread makes the calls; "
                            "with asyncio take messages by `async for`")


def _inbox(backlog: int | str, since: str | float | None) -> Inbox:
    """Return the inbox that `join` was asked for; ValueError for other values."""
    if backlog != "wait" and not (isinstance(backlog, int) and backlog >= 1):
        raise ValueError(f"backlog is a number of messages, or \"wait\", not {backlog!r}")
    if since != "now" and not isinstance(since, (int, float, type(None))) or since != since:
        raise ValueError(f"since is \"now\" or a Unix time, not {since!r}")
    return Inbox(backlog if isinstance(backlog, int) else BACKLOG, backlog == "wait",
                 time.time() if isinstance(since, str) else since or 0.0)


class Joined:
    """The state that peers show, here and in aio.py."""

    def __init__(self, node: Any, subscriber: Subscriber):
        self.address = str(node.address)  # IP:PORT, where this peer listens
        self._node, self._subscriber, self._inbox = node, subscriber, subscriber.inbox
        self._process = os.getpid()

    @property
    def neighbours(self) -> list[str]:
        """The addresses of the present neighbours."""
        return self._addresses(self._node.neighbours)

    @property
    def known(self) -> list[str]:
        """The addresses of all other peers that it knows."""
        return self._addresses(self._node.peer_list)

    def _addresses(self, table: Any) -> list[str]:
        self._check_process()
        with put_off(), self._node.turn:
            return [] if self._node.stopping else list(map(str, table.addresses()))

    def status(self) -> dict[str, object]:
        """Return counts by name, also of everything that was dropped."""
        self._check_process()
        with put_off():
            status = self._node.status()
        return {**status, "messages not taken yet": len(self._inbox),
                "messages dropped, because they were not taken": self._inbox.dropped}

    def __repr__(self) -> str:
        return f"<gossip.Peer {self.address}>"

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError("this peer joined before a fork, and lives in the parent process; "
                               "join after the fork")


class Peer(Joined, contextlib.AbstractContextManager["Peer"]):
    """A peer, made by `gossip.join`. As a context manager it leaves at the end. Iterating waits for
    messages of others, each of which comes once, and ends with the peer."""

    def __init__(self, node: Any, subscriber: Subscriber):
        super().__init__(node, subscriber)
        self.joined = subscriber.joined  # an event, set when a majority of the seeds list this peer
        self._said_at: float | None = None  # by the node's clock

    def say(self, text: str) -> Message:
        """Say a text without line ends to everyone, and return the message. Wait for slow
        neighbours, two seconds at most. ValueError if the text has a line end or more than some
        65,400 bytes; Refused if it has a word of the setting `filter`, or the peer has ended."""
        self._check_process()
        if not isinstance(text, str):
            raise TypeError(f"a text is a str, not {type(text).__name__}; see say_bytes")
        if text.endswith("\r"):
            raise ValueError("a message is one line, without a line end")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("the text is not Unicode: it has half of a surrogate pair") from None
        with put_off():
            if self._node.messages.forbids(text):
                raise Refused("it has a forbidden word; nothing was sent")
            lines = self._node.gossip([text])
            if not lines:
                raise Refused(f"{self.address} has ended; nothing was sent")
            self._said_at = self._node.now()
            return message_of(lines[0].decode())

    def say_bytes(self, data: bytes) -> Message:
        """Say at most 49,000 bytes to everyone, as base64. They come as `message.data`."""
        return self.say(BYTES + base64.b64encode(data).decode())

    def caught_up(self, timeout: float | None = None) -> bool:
        """Wait until it has all that neighbours hold, or is alone. Return False on timeout."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while (not (done := self.has_caught_up()) and time.monotonic() < deadline
               and not self._node.stopping):
            time.sleep(LOOK)
        return done

    def has_caught_up(self) -> bool:
        """Tell whether `caught_up` need not wait."""
        self._check_process()
        with put_off(), self._node.turn:
            if self._is_alone() or not self._node.settings.antientropy_interval:
                return self._is_alone() or bool(self._node.neighbours.addresses())
            return bool(self._node.spreading.anti_entropy.has_caught_up())

    def _is_alone(self) -> bool:
        """Tell whether it has no neighbour, and the seeds know no other peer."""
        return self._subscriber.has_lists and not (
            self._node.peer_list.addresses() or self._node.neighbours.addresses())

    def next(self, timeout: float | None = None) -> Message:
        """Wait for the next message of others. TimeoutError after `timeout` seconds, EOFError after
        the end of the peer and its last message."""
        self._check_process()
        if self._subscriber.on_message is not None:
            raise RuntimeError("on_message gets the messages of this peer")
        return self._inbox.take(timeout)

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        try:
            return self.next()
        except EOFError:
            raise StopIteration from None

    def leave(self) -> None:
        """Say goodbye, and end. If something was said, first wait for two neighbours, or for one
        that stays, three seconds at most; then let neighbours read, 15 seconds at most."""
        if os.getpid() != self._process:
            return
        with put_off():
            quit_when_heard(self._node, self._said_at, self._is_alone)
            self._node.world.await_end(QUIT_LIMIT)
            self._node.stop("quit")
            self._subscriber.end(CALLS_LIMIT)

    def close(self) -> None:
        """End abruptly like a crash, so that others find this peer dead."""
        if os.getpid() != self._process:
            return
        with put_off():
            self._subscriber.drops_calls = True
            self._node.stop()
            self._subscriber.end(CALLS_LIMIT)

    def __exit__(self, *error: object) -> None:
        self.leave()


class Network(contextlib.AbstractContextManager["Network"]):
    """Seeds and peers on free ports in this process, made by `gossip.network`. As a context manager
    it ends with all of its nodes. `network[0]` is the first peer."""

    def __init__(self, seeds: Seeds):
        self.seeds = seeds  # `gossip.join(seeds=network.seeds)` joins as one more peer
        self.peers: list[Peer] = []

    def __getitem__(self, number: int) -> Peer:
        return self.peers[number]

    def __len__(self) -> int:
        return len(self.peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self.peers)

    def kill(self, number: int) -> None:
        """End a peer abruptly, as a crash does. It keeps its number."""
        self.peers[number].close()

    def close(self) -> None:
        """End all peers abruptly, then the seeds."""
        for peer in self.peers:
            peer.close()
        self.seeds.close()

    def __exit__(self, *error: object) -> None:
        self.close()


def network(peers: int = 5, *, seeds: int = 3, host: str = "127.0.0.1", outputs: Folder = None,
            backlog: int | str = BACKLOG, **settings: Any) -> Network:
    """Start a network on free ports, and wait until it is connected. Deaths are found within two
    seconds, because its liveness interval is 0.5 s. `host` is an IP; `outputs`, `backlog` and
    settings are as in `gossip.join`."""
    quick: dict[str, Any] = QUICK | settings
    anywhere = [address_of(host, 1)._replace(port=0)] * seeds
    formed = Network(Seeds(anywhere, [], settings_of(quick, USUAL), outputs))
    try:
        for _ in range(peers):
            formed.peers.append(join(0, host=host, seeds=formed.seeds, outputs=outputs,
                                     backlog=backlog, **quick))
        deadline = time.monotonic() + FORM_LIMIT
        while not _are_connected(formed.peers):
            if time.monotonic() > deadline:
                raise Refused(f"the network has not formed within {FORM_LIMIT:g} s")
            time.sleep(LOOK)
    except BaseException:
        formed.close()
        raise
    return formed


def _are_connected(peers: list[Peer]) -> bool:
    """Tell whether links lead from each peer to each other."""
    apart = {peer.address: peer.neighbours for peer in peers}
    ahead = [peer.address for peer in peers[:1]]
    while ahead:
        ahead += apart.pop(ahead.pop(), [])
    return not apart
