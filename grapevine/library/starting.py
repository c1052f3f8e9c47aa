"""The start of the library's nodes: settings, seeds, addresses, doors, files."""

import contextlib
import errno
import functools
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from grapevine.addresses import Address, Target, address_of, can_be_dialled
from grapevine.classes import seed_class
from grapevine.library.deaths import DeathsOfListed
from grapevine.library.errors import NoSeed, PortInUse, Refused
from grapevine.library.node import Hand, Nowhere
from grapevine.output import Output
from grapevine.settings import Settings, parse_config
from grapevine.terminal.command_line import (
    SETTINGS, CommandError, cannot_listen, load_seeds, port_or_target)
from grapevine.terminal.starting import (
    check_reachable, host_and_port, host_ip, look_up_here, open_file)
from grapevine.worlds.threads import ThreadWorld

SeedList = Iterable[str] | str | os.PathLike[str] | None  # addresses, a path, or the usual list
Folder = str | os.PathLike[str] | None  # for output files, if any
CONFIG = "config.txt"
STAGES = [(0.25, 256), (1.0, 64), (1.0, 64)]  # of a seed's probe; see Seed.STAGES
AUTO = "auto"  # as `host`: the IP from which this machine reaches the seeds


def settings_of(named: dict[str, Any], usual: Settings) -> Settings:
    """Return `usual` with named settings. TypeError for a wrong name, ValueError for a value."""
    settings = usual._replace(**{name: _checked(name, value) for name, value in named.items()})
    return settings._replace(sign=settings.sign or settings.monitor)


def _checked(name: str, value: Any) -> Any:
    if name not in SETTINGS:
        raise TypeError(f"there is no argument {name!r}, and settings are "
                        f"{', '.join(sorted(SETTINGS))}; see help(grapevine.join)")
    convert, *_ = SETTINGS[name]
    if convert is None and not isinstance(value, bool):
        raise ValueError(f"{name} is True or False, not {value!r}")
    try:
        return value if convert is None else convert(str(value))
    except (ValueError, CommandError) as error:
        raise ValueError(f"{name}: {error}") from None


def list_of_seeds(seeds: SeedList) -> list[Target]:
    """Return the addresses or names of seeds, or raise NoSeed."""
    try:
        if seeds is None:
            program = getattr(sys.modules.get("__main__"), "__file__", CONFIG)
            beside = os.path.join(os.path.dirname(os.path.realpath(program)), CONFIG)
            seeds = next(filter(os.path.exists, (beside, CONFIG)), None)
            if seeds is None:
                raise ValueError(f"no {CONFIG} beside the program or in the current folder")
        if isinstance(seeds, (str, os.PathLike)):
            return load_seeds(os.fspath(seeds))
        return parse_config("\n".join(seeds).encode(), may_have_header=False)
    except (CommandError, OSError, TypeError, ValueError) as error:
        raise NoSeed(f"{error}; give seeds=[\"IP:PORT\", …], or the path of a file with one a line"
                     ) from None


def address_asked_for(port: int | str, host: str, seeds: list[Target]) -> Address:
    """Return the address of a port (perhaps 0), or of `HOST:PORT`. ValueError if it is none, NoSeed
    if no seed can reach it, Refused if it is not of this machine, or there is no way to a seed."""
    named, number = host_and_port(0 if str(port) == "0" else port_or_target(str(port)))
    if named is not None and host not in (AUTO, named):
        raise ValueError(f"{port} names its host; leave host={host!r} out")
    try:
        ip = host_ip(named or host and str(host), seeds)
    except CommandError as error:
        raise Refused(str(error)) from None
    address = address_of(ip, number) if number else any_port(ip)
    if not can_be_dialled(address):
        raise ValueError(f"{address.ip} is no address that others can dial")
    if address in seeds:
        raise Refused(f"{address} is the address of a seed; take another port")
    try:
        check_reachable(seeds, address)
    except CommandError as error:
        raise NoSeed(str(error)) from None
    return address


def any_port(ip: str) -> Address:
    """Return what `world_at` takes for any free port of an IP."""
    return address_of(ip, 1)._replace(port=0, text=f"{ip}:0")


@contextlib.contextmanager
def world_at(address: Address) -> Iterator[ThreadWorld]:
    """Listen at an address, for a port 0 at any. PortInUse or Refused if that fails, or a node that
    begins here lacks something; then nothing is left of it."""
    try:
        world = ThreadWorld(address)
    except OSError as error:
        kind = PortInUse if error.errno == errno.EADDRINUSE else Refused
        raise kind(str(cannot_listen(address, error))) from None
    try:
        yield world
    except Exception as error:
        if world.node is not None:
            world.end("interrupted")
        world.abandon()
        if isinstance(error, OSError) and not isinstance(error, PortInUse):
            raise Refused(str(cannot_listen(address, error))) from None
        raise


def file_of(folder: Folder, kind: str, address: Address) -> Any:
    """Return the file for a node's output; Refused if it cannot be opened."""
    if folder is None:
        return Nowhere()
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"outputs is a folder, or None, not {folder!r}")
    try:
        return open_file(os.fspath(folder), kind, address)
    except CommandError as error:
        raise Refused(str(error)) from None


@functools.cache
def program_seed_class(kind: type, *overrides: type) -> type:
    """Return the class of seeds of this class inside a program, whose probes of who is silent take
    2.25 s, so that all peers hear of it within nine seconds."""
    return type("ProgramSeed", (*overrides, DeathsOfListed, kind), {"STAGES": STAGES})


def begin_seed(kind: type, world: ThreadWorld, settings: Settings, outputs: Folder,
               seeds: list[Target]) -> Any:
    """Begin a seed of this class in its world, and return it."""
    output = Output(file_of(outputs, "seed", world.address))
    world.begin(kind(world.address, settings, output, world, seeds))
    return world.node


class Seeds(contextlib.AbstractContextManager["Seeds"]):
    """The seeds of this process, for `grapevine.join(seeds=…)`. As a context manager they end."""

    def __init__(self, own: list[Address], known: list[Target], settings: Settings,
                 outputs: Folder):
        """Start seeds, on free ports for port 0. `known` are all of the network, in the order of
        its list; none if these are all."""
        def begin() -> None:
            with contextlib.ExitStack() as stack:
                worlds = [stack.enter_context(world_at(address)) for address in own]
                everyone = known or [world.address for world in worlds]
                self._hand.nodes += [begin_seed(kind, world, settings, outputs, everyone)
                                     for world in worlds]

        kind, self._hand = program_seed_class(seed_class(settings)), Hand()
        with self._hand:
            self._hand.start(begin)
            self.addresses = [str(node.address) for node in self._hand.nodes]  # IP:PORT of each

    def __iter__(self) -> Iterator[str]:
        return iter(self.addresses)

    def status(self) -> list[dict[str, object]]:
        if not self._hand.is_here():
            raise RuntimeError("these seeds began before a fork, and live in the parent process")
        return [{**self._hand.ask(node, node.status), "address": str(node.address)}
                for node in self._hand.nodes]

    def close(self) -> None:
        """End the seeds. The peers go on, and so do the seeds of a process that was forked."""
        if self._hand.is_here():
            self._hand.end()

    def __exit__(self, *error: object) -> None:
        self.close()


def seeds(seeds: SeedList = None, *, outputs: Folder = None, **settings: Any) -> Seeds:
    """Start the seeds of a list that are on this machine. See `grapevine.join` for the arguments.
    """
    chosen = settings_of(settings, Settings())
    here = {seed: look_up_here(seed) for seed in list_of_seeds(seeds)}
    own = list(dict.fromkeys(filter(None, here.values())))
    if not own:
        raise Refused("no seed of the list is an address of this machine")
    known = list(dict.fromkeys(address or seed for seed, address in here.items()))
    return Seeds(own, known, chosen, outputs)
