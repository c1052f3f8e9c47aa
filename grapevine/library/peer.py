"""A peer of the network inside a program, and networks for tests.

The threads of a peer run in the background, and every method may be called from any thread, and in
handlers of signals. Nothing is printed.
"""

import base64
import contextlib
import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from grapevine.classes import peer_class
from grapevine.library.errors import Refused
from grapevine.library.messages import BYTES, Inbox, Message, Program, seconds_of
from grapevine.library.node import WAIT_POLL, Hand, ProgramOutput, program_class
from grapevine.library.serving import Serving
from grapevine.library.starting import (
    AUTO, Folder, SeedList, Seeds, address_asked_for, any_port, file_of, list_of_seeds,
    settings_of, world_at)
from grapevine.settings import Settings

USUAL = Settings(gossip_count=0, liveness_interval=1.0)  # a program says, and wants to know soon
AT_ONCE = 128  # texts that are said at once
BACKLOG = 10_000  # messages that wait for the program
FULL_LOOK = 0.001  # seconds between two looks whether a text has room
LEAVE_LIMIT = 90.0  # seconds that leaving may take, of a peer that is late all the time
CALLS_LIMIT = 5.0  # seconds that it waits for callbacks
FORM_LIMIT = 10.0  # seconds within which a network forms
QUICK = {"liveness_interval": 0.5, "antientropy_interval": 0.5}  # for networks of one process


def join(port: int | str = 0, *, host: str = AUTO, seeds: SeedList = None,
         on_message: Callable[[Message], object] | None = None,
         on_neighbour: Callable[[str], object] | None = None,
         on_death: Callable[[str], object] | None = None,
         outputs: Folder = None, backlog: int | str = BACKLOG, since: str | float | None = None,
         serve: bool = False, **settings: Any) -> "Peer":
    """Start a peer that joins, at a port or at `HOST:PORT`. Port 0 means any free port.

    `host`: the IP to listen on and to announce, or a name of this machine; `auto` means the IP from
    which it reaches the seeds.
    `seeds`: `HOST:PORT` of each, or the path of a list with a line for each; by default config.txt
    beside the program, or in the current folder. Seeds that do not answer are retried.
    `on_message(message)`, `on_neighbour(address)`, `on_death(address)`: called in turn by a thread
    of their own, perhaps before this returns. Their errors go to the logger "grapevine".
    `outputs`: a folder for the output file; None means no file.
    `backlog`: how many messages may wait to be taken before the oldest are dropped and counted;
    "wait" means that neighbours wait instead, and give up the link if that takes long.
    `since`: "now", or a Unix time, leaves out earlier messages.
    `serve`: also be those seeds of the list that have the same IP and that nobody else is; so a
    network needs no processes but those of its programs.
    Every other argument is a setting by its name, such as `sign` or `liveness_interval`.
    PortInUse, NoSeed, Refused, ValueError or TypeError if it cannot start."""
    chosen, seed_list = settings_of(settings, USUAL), list_of_seeds(seeds)
    address = address_asked_for(port, host, seed_list)
    _check(serve, on_message, on_neighbour, on_death)
    kind, hand = program_class(peer_class(chosen)), Hand()
    program = Program(hand, _inbox(backlog, since), on_message, on_neighbour, on_death)

    def begin() -> None:
        with world_at(address) as world:
            output = ProgramOutput(file_of(outputs, "peer", world.address), program)
            world.begin(kind(program, world.address, chosen, output, world, seed_list))
            hand.nodes.append(world.node)
            if serve:
                Serving(program, seed_list, chosen, outputs).begin()
            program.begin(str(world.address))

    with hand:
        hand.start(begin)
        return Peer(program)


def _check(serve: object, *calls: object) -> None:
    """Raise ValueError unless `serve` is a bool, TypeError unless a thread can make these calls."""
    if not isinstance(serve, bool):
        raise ValueError(f"serve is True or False, not {serve!r}")
    for call in calls:
        if call is not None and not callable(call) or inspect.iscoroutinefunction(call):
            raise TypeError(f"{call!r} is no function that a thread can call; with asyncio take "
                            "messages by `async for`")


def _inbox(backlog: int | str, since: str | float | None) -> Inbox:
    """Return the inbox that `join` was asked for; ValueError for other values."""
    if backlog != "wait" and not (isinstance(backlog, int) and backlog >= 1):
        raise ValueError(f"backlog is a number of messages, or \"wait\", not {backlog!r}")
    if since != "now" and not isinstance(since, (int, float, type(None))) or since != since:
        raise ValueError(f"since is \"now\" or a Unix time, not {since!r}")
    return Inbox(backlog if isinstance(backlog, int) else BACKLOG, backlog == "wait",
                 time.time() if isinstance(since, str) else since or 0.0)


class Joined:
    """The state that peers show, here and in aio.py. Tables that are replaced, and never changed,
    are read as they are; all else is asked for through the hand."""

    def __init__(self, program: Program):
        self._hand, self._program, self._inbox = program.hand, program, program.inbox
        self._node = program.hand.nodes[0]
        self._is_leaving = False
        self.address = str(self._node.address)  # IP:PORT, where this peer listens

    @property
    def neighbours(self) -> list[str]:
        """The addresses of the present neighbours."""
        links = self._here().neighbours.links
        return [] if self._node.stopping else list(map(str, sorted(link.peer for link in links)))

    @property
    def known(self) -> list[str]:
        """The addresses of all other peers that it knows."""
        known = self._here().peer_list.known
        return [] if self._node.stopping else list(map(str, known))

    def status(self) -> dict[str, object]:
        """Return counts by name, also of everything that was dropped."""
        return {**self._hand.ask(self._here(), self._node.status), "address": self.address,
                "serves": self._program.serves(),
                "messages not taken yet": self._inbox.count(),
                "messages dropped, because they were not taken": self._inbox.dropped}

    def _has_caught_up(self) -> bool:
        """Tell whether `caught_up` need not wait."""
        return bool(self._hand.ask(self._here(), self._node.is_complete))

    def _here(self) -> Any:
        """Return the node. RuntimeError if it is in another process."""
        if not self._hand.is_here():
            raise RuntimeError("this peer joined before a fork, and lives in the parent process; "
                               "join after the fork")
        return self._node

    def _checked(self, text: str) -> str:
        """Return a text that can be said."""
        node = self._here()
        if not isinstance(text, str):
            raise TypeError(f"a text is a str, not {type(text).__name__}; see say_bytes")
        if self._is_leaving or node.stopping:
            raise Refused(f"{self.address} has ended; nothing was sent")
        if text.endswith("\r"):
            raise ValueError("a message is one line, without a line end")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("the text is not Unicode: it has half of a surrogate pair") from None
        if node.messages.forbids(text):
            raise Refused("it has a forbidden word; nothing was sent")
        node.check(text)
        return str.__str__(text)  # of an Enum, for example, its value

    def _parts(self, texts: Iterable[str]) -> list[list[str]]:
        """Return texts that can be said, in parts that are said at once."""
        if isinstance(texts, str) or not isinstance(texts, Iterable):
            raise TypeError("say_all takes several texts; see say")
        checked = [self._checked(text) for text in texts]
        return [checked[at:at + AT_ONCE] for at in range(0, len(checked), AT_ONCE)]

    def _said(self, text: str, number: int, time: str) -> Message:
        return Message(self.address, self._node.start_number, number, float(time), text,
                       self.address)

    def _next(self, timeout: float | None) -> Message:
        self._here()
        if self._program.on_message is not None:
            raise RuntimeError("on_message gets the messages of this peer")
        return self._inbox.take(timeout)

    def __repr__(self) -> str:
        return f"<grapevine.Peer {self.address}>"

    def __reduce__(self) -> Any:
        raise TypeError("a peer lives in the process in which it joined, and cannot be pickled or "
                        "copied; join there, too")


class Peer(Joined, contextlib.AbstractContextManager["Peer"]):
    """A peer, made by `grapevine.join`. As a context manager it leaves at the end. Iterating waits
    for messages of others, each of which comes once, and ends with the peer."""

    def __init__(self, program: Program):
        super().__init__(program)
        self.joined = program.joined  # an event, set when a majority of the seeds list this peer

    def say(self, text: str) -> Message:
        """Say a text without line ends to everyone, and return the message. Wait for slow
        neighbours, two seconds at most. ValueError if the text has a line end or more than some
        65,400 bytes; Refused if it has a word of the setting `filter`, or the peer has ended."""
        text = self._checked(text)
        self._wait_for_room(text)
        numbers, stamp = self._hand.say(text)
        return self._said(text, numbers[0], stamp)

    def say_all(self, texts: Iterable[str]) -> list[Message]:
        """Say texts, one behind the other, and return the messages. With `sign` they share
        signatures. The errors are those of `say`; then nothing was said."""
        said = []
        for part in self._parts(texts):
            self._wait_for_room(max(part, key=len))
            numbers, stamp = self._hand.say(*part)
            said += [self._said(text, numbers[at], stamp) for at, text in enumerate(part)]
        return said

    def _wait_for_room(self, text: str) -> None:
        while not self._hand.has_room(len(text)) and not self._node.stopping:
            time.sleep(FULL_LOOK)

    def say_bytes(self, data: bytes) -> Message:
        """Say at most 49,000 bytes to everyone, as base64. They come as `message.data`."""
        return self.say(BYTES + base64.b64encode(data).decode())

    def caught_up(self, timeout: float | None = None) -> bool:
        """Wait until it has all that neighbours hold, or is alone. Return False on timeout. With
        the backlog "wait", 10,000 messages at most come while nobody takes them."""
        deadline = time.monotonic() + seconds_of(timeout)
        while (not (done := self._has_caught_up()) and time.monotonic() < deadline
               and not self._node.stopping):
            time.sleep(WAIT_POLL)
        return done

    def next(self, timeout: float | None = None) -> Message:
        """Wait for the next message of others. TimeoutError after `timeout` seconds, EOFError after
        the end of the peer and its last message."""
        return self._next(timeout)

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
        if self._hand.is_here():
            self._is_leaving = True
            self._hand.call(self._leave)
            self._hand.join(LEAVE_LIMIT)
            self._end()

    def _leave(self) -> None:
        with self._node.world.lock:
            self._node.leave()

    def close(self) -> None:
        """End abruptly like a crash, so that others find this peer dead."""
        if self._hand.is_here():
            self._program.drops_calls = True
            self._end()

    def _end(self) -> None:
        self._hand.end()
        self._program.end(CALLS_LIMIT)

    def __exit__(self, *error: object) -> None:
        self.leave()


class Network(list[Peer], contextlib.AbstractContextManager["Network"]):
    """Seeds and peers on free ports in this process, made by `grapevine.network`: a list of the
    peers. As a context manager it ends with all of its nodes."""

    def __init__(self, seeds: Seeds):
        super().__init__()
        self.seeds = seeds  # `grapevine.join(seeds=network.seeds)` joins as one more peer

    def kill(self, number: int) -> None:
        """End a peer abruptly, as a crash does. It keeps its number."""
        self[number].close()

    def close(self) -> None:
        """End all peers abruptly, then the seeds."""
        for peer in self:
            peer.close()
        self.seeds.close()

    def __exit__(self, *error: object) -> None:
        self.close()


def network(peers: int = 5, *, seeds: int = 3, host: str = "127.0.0.1", outputs: Folder = None,
            backlog: int | str = BACKLOG, **settings: Any) -> Network:
    """Start a network on free ports, and wait until it is connected. Deaths are found within two
    seconds, because its liveness interval is 0.5 s. `host` is an IP; `outputs`, `backlog` and
    settings are as in `grapevine.join`."""
    for name, count, least in ("peers", peers, 0), ("seeds", seeds, 1):
        if not isinstance(count, int) or count < least:
            raise ValueError(f"{name} is how many to start, not {count!r}")
    quick: dict[str, Any] = QUICK | settings
    formed = Network(Seeds([any_port(str(host))] * seeds, [], settings_of(quick, USUAL), outputs))
    try:
        for _ in range(peers):
            formed.append(join(0, host=host, seeds=formed.seeds, outputs=outputs, backlog=backlog,
                               **quick))
        deadline = time.monotonic() + FORM_LIMIT
        while not _are_connected(formed):
            if time.monotonic() > deadline:
                raise Refused(f"the network has not formed within {FORM_LIMIT:g} s")
            time.sleep(WAIT_POLL)
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
