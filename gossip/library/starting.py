"""The start of the library's nodes, safe from signals and forks.

Python calls handlers of signals in the main thread, between any two steps. If a handler raises in
a node's turn, tables stay half changed, and a lock held. So handlers are called after the turn.
"""

import contextlib
import functools
import importlib.util
import operator
import os
import pathlib
import signal
import socket
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

try:  # not `signal`, whose enumerations take 30 µs a call of `say`, and swallow errors of handlers
    from _signal import getsignal, signal as set_handler  # type: ignore[import-not-found]
except ImportError:
    from signal import getsignal, signal as set_handler

from gossip.addresses import Address, Name, Target, address_of, can_be_dialled, parse_typed
from gossip.net import threads
from gossip.net.live_world import LiveWorld
from gossip.net.pulse import PULSE
from gossip.node.output_file import OutputFile
from gossip.programs.starting import (
    PortTaken, cannot_listen, hold, host_of, known_to, local_seeds, open_output, start_node)
from gossip.settings import WAYS, Settings, of_one_network
from gossip.terminal.command_line import AUTO, ROOT, SETTINGS, CommandError, load_seeds
from gossip.tools import did_you_mean

SeedList = Iterable[str] | str | os.PathLike[str] | None  # addresses, a path, or the usual list
Folder = str | os.PathLike[str] | None  # for output files, if any
CONFIG = "config.txt"
SIGNALS = [int(number) for number in signal.valid_signals()]

threads.STACK_SIZE = 0
_nodes: "weakref.WeakSet[Any]" = weakref.WeakSet()  # the nodes of this process


class PortInUse(OSError):
    """The error that another program listens at the address."""


class NoSeed(ValueError):
    """The error that no listed seed can be dialled. Seeds that do not answer are no error."""


class Refused(RuntimeError):
    """The error of an unusable address, forbidden text or ended peer."""


@contextlib.contextmanager
def errors_of_a_start(usual: type[Exception] = Refused) -> Iterator[None]:
    """Raise CommandErrors as errors of the library with the same text."""
    try:
        yield
    except CommandError as error:
        raise (PortInUse if isinstance(error, PortTaken) else usual)(str(error)) from None


def start(kind: Any, address: Address, sock: socket.socket, seeds: list[Target], settings: Settings,
          outputs: Folder, subscriber: Any = None) -> Any:
    """Start a node of a class, for which `sock` listens. The caller closes it if this fails."""
    with errors_of_a_start():
        output = (OutputFile(None, time.time_ns, subscriber) if outputs is None else open_output(
            pathlib.Path(outputs).absolute(), kind.kind, address, settings.file_limit, subscriber))
        try:
            node = kind(address, seeds, settings, output, functools.partial(LiveWorld, sock=sock))
        except OSError as error:  # it has pipes, and there may be no descriptor left
            output.close()
            raise cannot_listen(address, error) from None
        _nodes.add(node)
        start_node(node)
    return node


@functools.cache
def class_of(module: str, name: str) -> Any:
    """Return a class of peer.py or seed.py, loaded by its path. A program may have a peer.py."""
    path = ROOT / f"{module}.py"
    known = sys.modules.get(module)
    if getattr(known, "__file__", None) == str(path):
        return getattr(known, name)
    spec = importlib.util.spec_from_file_location(f"gossip.library.{module}_py", path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return getattr(loaded, name)


def settings_of(named: dict[str, Any], usual: Settings) -> Settings:
    """Return `usual` with named settings. TypeError for a wrong name, ValueError for a value."""
    settings = usual._replace(**{name: _checked(name, value) for name, value in named.items()})
    return settings._replace(sign=settings.sign or settings.monitor)


def _checked(name: str, value: Any) -> Any:
    if name not in Settings._fields:
        raise TypeError(f"there is no setting {name!r}{did_you_mean(name, Settings._fields)}")
    usual, (convert, *_) = Settings._field_defaults[name], SETTINGS.get(name, (None,))
    if convert not in (None, WAYS):
        try:
            return convert(str(value))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if isinstance(usual, bool):
        good = isinstance(value, bool)
    else:
        good = value in WAYS if convert is WAYS else isinstance(value, (int, float)) and value >= 0
    if not good:
        raise ValueError(f"{name} cannot be {value!r}; usually it is {usual!r}")
    return value


def list_of_seeds(seeds: SeedList) -> list[Target]:
    """Return the addresses or names of seeds, or raise NoSeed."""
    if seeds is None:
        program = getattr(sys.modules.get("__main__"), "__file__", None)
        beside = [pathlib.Path(program).resolve().with_name(CONFIG)] if program else []
        seeds = next(filter(pathlib.Path.exists, [*beside, pathlib.Path.cwd() / CONFIG]), None)
        if seeds is None:
            raise NoSeed(f"no {CONFIG} beside the program or in the current folder; "
                         "give seeds=[\"IP:PORT\", …]")
    if isinstance(seeds, (str, os.PathLike)):
        try:
            return load_seeds(pathlib.Path(seeds))
        except CommandError as error:
            hint = f"; for an address give seeds=[{seeds!r}]" if ":" in str(seeds) else ""
            raise NoSeed(f"{error}{hint}") from None
    addresses: dict[Target, str] = {}
    for number, seed in enumerate(seeds):
        try:
            address = parse_typed(seed)
            if not can_be_dialled(address):
                raise ValueError
        except (ValueError, TypeError):
            raise NoSeed(f"seeds[{number}] is {seed!r}; a seed is \"HOST:PORT\"") from None
        addresses.setdefault(address, f"seeds[{number}]")
    if not addresses:
        raise NoSeed("seeds is empty")
    try:
        return of_one_network(addresses)
    except ValueError as error:
        raise NoSeed(str(error)) from None


def address_asked_for(port: int | str, host: str, seeds: list[Target]) -> Address:
    """Return the address of a port (perhaps 0), or of `IP:PORT`. ValueError if it is none, Refused
    if `host` is another machine's name, or `auto` without a way to any seed."""
    if isinstance(port, str):
        address = parse_typed(port)
        if isinstance(address, Name):
            raise ValueError(f"{port} is a name; give the port alone, and host=\"{address.host}\"")
        if host not in (AUTO, address.ip):
            raise ValueError(f"{port} names its host; leave host={host!r} out")
    elif 0 <= operator.index(port) <= 65535:  # no float, which the cache takes for the number
        with errors_of_a_start():
            ip = host_of(host, seeds, 0.0)
        address = address_of(ip, port or 1)._replace(port=port)
    else:
        raise ValueError(f"{port} is not a port (0 to 65535)")
    if not can_be_dialled(address):
        raise ValueError(f"{address.ip} is no address that others can dial")
    return address


def listen(address: Address) -> tuple[Address, socket.socket]:
    """Listen at an address. Return it with its port, and the socket. PortInUse, or Refused."""
    with errors_of_a_start():
        sock = hold(address)
    return address._replace(port=sock.getsockname()[1]), sock


class Seeds(contextlib.AbstractContextManager["Seeds"]):
    """The seeds of this process, for `gossip.join(seeds=…)`. As a context manager they end."""

    def __init__(self, own: list[Address], all_seeds: list[Target], settings: Settings,
                 outputs: Folder):
        """Start seeds, on free ports for port 0. If `all_seeds` is empty, there are no others."""
        self._nodes: list[Any] = []
        self._process = os.getpid()
        with contextlib.ExitStack() as started:
            with put_off():
                opened = []
                for address in own:
                    opened.append(listen(address))
                    started.callback(opened[-1][1].close)
                known: list[Target] = all_seeds or [address for address, _ in opened]
                started.callback(self.close)
                for address, sock in opened:
                    with errors_of_a_start():
                        others = known_to(address, known, settings.monitor)
                    self._nodes.append(start(class_of("seed", "Seed"), address, sock, others,
                                             settings, outputs))
            started.pop_all()  # because none has to be stopped
        self.addresses = [str(node.address) for node in self._nodes]  # IP:PORT of each

    def __iter__(self) -> Iterator[str]:
        return iter(self.addresses)

    def status(self) -> list[dict[str, object]]:
        if os.getpid() != self._process:
            raise RuntimeError("these seeds began before a fork, and live in the parent process")
        return [node.status() for node in self._nodes]

    def close(self) -> None:
        """End the seeds. The peers go on, and so do the seeds of a process that was forked."""
        with put_off():
            for node in self._nodes if os.getpid() == self._process else ():
                node.stop()

    def __exit__(self, *error: object) -> None:
        self.close()


def seeds(seeds: SeedList = None, *, outputs: Folder = None, **settings: Any) -> Seeds:
    """Start the seeds of a list that are on this machine. See `gossip.join` for the arguments."""
    all_seeds = list_of_seeds(seeds)
    with errors_of_a_start():
        own = local_seeds(all_seeds)
    return Seeds(own, all_seeds, settings_of(settings, Settings()), outputs)


@contextlib.contextmanager
def put_off() -> Iterator[None]:
    """Have signals that come meanwhile handled at the end, up to the first handler that raises."""
    if threading.current_thread() is not threading.main_thread():  # no other handles signals
        yield
        return
    came: list[tuple[int, Any]] = []
    handlers: dict[int, Any] = {}
    try:
        for number in SIGNALS:
            handler = getsignal(number)
            if callable(handler):
                handlers[number] = handler
                set_handler(number, lambda *what: came.append(what))
        yield
    finally:
        _restore(dict(handlers))
        for number, frame in came:
            handlers[number](number, frame)


def _restore(handlers: dict[int, Any]) -> None:
    """Set all handlers again, even if a handler raises meanwhile."""
    if handlers:
        number, handler = handlers.popitem()
        try:
            set_handler(number, handler)
        finally:
            _restore(handlers)


def _after_fork() -> None:
    """Close the sockets of the parent's nodes, which have no threads here."""
    PULSE.begin_anew()
    threads.begin_anew()
    for node in list(_nodes):
        node.world.abandon(node.links())
    _nodes.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
