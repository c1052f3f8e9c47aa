"""How the library starts a node: errors, classes, settings, lists of seeds, ports, output files."""

import contextlib
import difflib
import functools
import importlib.util
import os
import pathlib
import socket
import sys
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from gossip.addresses import Address, Name, Target, address_of, can_be_dialled, parse_typed
from gossip.net import threads
from gossip.net.connection import listening
from gossip.net.live_world import LiveWorld
from gossip.net.pulse import PULSE
from gossip.node.output_file import OutputFile
from gossip.programs.starting import (
    PortTaken, cannot_listen, host_of, open_output, start_node)
from gossip.settings import WAYS, Settings, of_one_network
from gossip.terminal.command_line import ROOT, SETTINGS, CommandError, load_seeds

Seeds = Iterable[str] | str | os.PathLike[str] | None  # addresses, the path of a list, or the usual
Folder = str | os.PathLike[str] | None  # for output files; None: no files
CONFIG = "config.txt"

threads.STACK_SIZE = 0
_nodes: "weakref.WeakSet[Any]" = weakref.WeakSet()  # that this process has started


class PortInUse(OSError):
    """Another program listens at the address."""


class NoSeed(ValueError):
    """The list of seeds is missing or wrong, or has no seed that a peer with this address can dial.
    Seeds that do not answer are no error."""


class Refused(RuntimeError):
    """The peer cannot have this address, may not say this text, or has ended."""


@contextlib.contextmanager
def errors_of_a_start() -> Iterator[None]:
    """Raise the errors of the terminal as errors of the library, with the same sentence."""
    try:
        yield
    except PortTaken as error:
        raise PortInUse(str(error)) from None
    except CommandError as error:
        raise Refused(str(error)) from None


def start(kind: Any, address: Address, sock: socket.socket, seeds: list[Target], settings: Settings,
          outputs: Folder, subscriber: Any = None) -> Any:
    """Start a node of this class, for which `sock` listens; `outputs` may be None."""
    try:
        with errors_of_a_start():
            output = (OutputFile(None, time.time_ns, subscriber) if outputs is None else
                      open_output(pathlib.Path(outputs), kind.kind, address, settings.file_limit,
                                  subscriber))
            node = kind(address, seeds, settings, output, functools.partial(LiveWorld, sock=sock))
            _nodes.add(node)
            start_node(node)
    except BaseException:
        sock.close()
        raise
    return node


@functools.cache
def class_of(module: str, name: str) -> Any:
    """Return a class of peer.py or seed.py, which stand beside this package. They are loaded by
    their paths, because a program may have a peer.py or a seed.py of its own."""
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
    """Return `usual` with these settings. TypeError for a wrong name, ValueError for a value."""
    settings = usual._replace(**{name: _checked(name, value) for name, value in named.items()})
    return settings._replace(sign=settings.sign or settings.monitor)


def _checked(name: str, value: Any) -> Any:
    if name not in Settings._fields:
        near = difflib.get_close_matches(name, Settings._fields, 2)
        raise TypeError(f"there is no setting {name!r}"
                        + (f"; did you mean {' or '.join(near)}?" if near else ""))
    usual = Settings._field_defaults[name]
    convert = SETTINGS[name][0] if name in SETTINGS else None
    if isinstance(usual, bool):
        good = isinstance(value, bool)
    elif convert is WAYS:
        good = value in WAYS
    elif convert is None:
        good = isinstance(value, (int, float)) and value >= 0
    else:
        try:
            return convert(str(value))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if not good:
        raise ValueError(f"{name} cannot be {value!r}; usually it is {usual!r}")
    return value


def list_of_seeds(seeds: Seeds) -> list[Target]:
    """Return the addresses or names of seeds; NoSeed says why there are none."""
    try:
        if seeds is None or isinstance(seeds, (str, os.PathLike)):
            return load_seeds(_usual_config() if seeds is None else pathlib.Path(seeds))
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


def _usual_config() -> pathlib.Path:
    """Return config.txt beside the program, or else in the current folder."""
    program = getattr(sys.modules.get("__main__"), "__file__", None)
    folders = [pathlib.Path(program).resolve().parent] if program else []
    for folder in (*folders, pathlib.Path.cwd()):
        if (folder / CONFIG).exists():
            return folder / CONFIG
    raise CommandError(f"no {CONFIG} beside the program or in the current folder; "
                       "give seeds=[\"IP:PORT\", …]")


def address_asked_for(port: int | str, host: str, seeds: list[Target]) -> Address:
    """Return the address of a port (0: any free one), or of `IP:PORT`. ValueError if it is none;
    Refused if `host` is another machine's name, or `auto` without a way to any seed."""
    if isinstance(port, str):
        address = parse_typed(port)
        if isinstance(address, Name):
            raise ValueError(f"{port} is a name; give the port alone, and host=\"{address.host}\"")
    elif 0 <= port <= 65535:
        with errors_of_a_start():
            ip = host_of(host, seeds, 0.0)
        address = address_of(ip, port or 1)._replace(port=port)
    else:
        raise ValueError(f"{port} is not a port (0 to 65535)")
    if not can_be_dialled(address):
        raise ValueError(f"{address.ip} is no address that others can dial")
    return address


def listen(address: Address) -> tuple[Address, socket.socket]:
    """Listen at an address; return it with its port, and the socket. PortInUse, or Refused."""
    with errors_of_a_start():
        try:
            sock = listening(address)
        except OSError as error:
            raise cannot_listen(address, error) from None
    return address._replace(port=sock.getsockname()[1]), sock


def _after_fork() -> None:
    """In a child process, where no thread of the parent's nodes runs, close their sockets."""
    PULSE.begin_anew()
    threads.begin_anew()
    for node in list(_nodes):
        node.world.abandon(node.links())
    _nodes.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
