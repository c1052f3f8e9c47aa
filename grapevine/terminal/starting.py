"""The work of programs before and after a node runs: addresses, output files, descriptors, signals.

Problems are found before anything starts. The main thread only waits for the end, so that a signal
never interrupts a thread that has a lock.
"""

import contextlib
import errno
import io
import math
import os
import signal
import socket
import threading

try:
    import resource
except ImportError:  # Windows
    resource = None

from grapevine.addresses import Address, Name, Target, address_of, look_up
from grapevine.output import Output
from grapevine.terminal.command_line import (
    FAILED, STANDARD_OUTPUT, CommandError, cannot_listen)
from grapevine.terminal.screen import Log, Screen
from grapevine.worlds.sockets import listener_at
from grapevine.worlds.threads import ThreadWorld

ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")
          if hasattr(signal, name)]  # signals that end a program
SIGNALS = ENDING + [getattr(signal, name)  # those that only the main thread takes
                    for name in ("SIGWINCH", "SIGCONT", "SIGTSTP", "SIGQUIT")
                    if hasattr(signal, name)]
CAN_MASK = hasattr(signal, "pthread_sigmask")  # else another thread may take a signal
SIGNAL_POLL = 1.0  # seconds after which the main thread looks for a signal, because one that
# comes just before a wait does not end that
OPEN_MAX = 10_240  # open files that macOS grants, though it says that there is no limit


# Addresses.

def own_ip(seeds: list[Target]) -> str:
    """Return the IP of this machine on the way to the seeds. One that only a name leads to, and
    that is on loopback, is the last choice: a machine may know itself by it alone."""
    last_choice = None
    for seed in seeds:
        for away in _places_of(seed):
            with contextlib.suppress(OSError), socket.socket(  # there may be no route
                    away.family, socket.SOCK_DGRAM) as sock:
                sock.connect((away.ip, away.port))  # sends nothing, but asks the table of routes
                own = address_of(sock.getsockname()[0].partition("%")[0], 1)
                if isinstance(seed, Address) or not own.is_loopback:
                    return own.ip
                last_choice = last_choice or own.ip
    if last_choice is None:
        raise CommandError("no way to any seed of the config: is there a network? Or give your IP",
                           FAILED)
    return last_choice


def _places_of(target: Target) -> list[Address]:
    try:
        return look_up(target)
    except OSError:  # no such name
        return []


def look_up_here(target: Target) -> Address | None:
    """Return the address of this machine to which a target leads; None if it leads elsewhere."""
    for address in _places_of(target):
        with contextlib.suppress(OSError), socket.socket(address.family) as sock:
            sock.bind((address.ip, 0))
            return address
    return None


def local_address(target: Target) -> Address:
    """Return the address of this machine to which a target leads. CommandError if there is none."""
    address = look_up_here(target)
    if address is None:
        raise CommandError(f"{host_and_port(target)[0]} is not an address of this machine", FAILED)
    return address


def host_and_port(typed: int | Target | None) -> tuple[str | None, int | None]:
    """Return the host, if one was typed, and the port, of what a person typed."""
    if isinstance(typed, Address):
        return typed.ip, typed.port
    return (typed.host, typed.port) if isinstance(typed, Name) else (None, typed)


def host_ip(host: str | None, seeds: list[Target]) -> str:
    """Return the IP to announce: that of a host, which may be a name, or the usual one."""
    if host is None or host == "auto":
        return own_ip(seeds)
    try:
        return address_of(host, 1).ip
    except ValueError:
        return local_address(Name(host, 1)).ip


def seed_addresses(target: int | Target | None, seeds: list[Target]) -> list[Address]:
    """Return where to listen: at the typed seed, or at all of config.txt that are here."""
    if isinstance(target, (Address, Name)):
        return [local_address(target)]
    here = {seed: address for seed in seeds if (address := look_up_here(seed))}
    for seed, address in here.items():
        if (isinstance(seed, Name) and address.is_loopback and len(here) < len(seeds)
                and target in (None, seed.port)):
            raise CommandError(f"{seed} leads to {address.ip} here, where no other machine reaches "
                               "it: give its IP in the config, or mend this machine's hosts file",
                               FAILED)
    if target is not None:
        named = [address for seed, address in here.items() if seed.port == target]
        return [*named, address_of(own_ip(seeds), target)][:1]
    if not here:
        raise CommandError("no seed of the config is an address of this machine", FAILED)
    return list(dict.fromkeys(here.values()))


def check_reachable(seeds: list[Target], own: Address) -> None:
    """Raise CommandError if no seed can reach a peer's address."""
    if any(isinstance(seed, Name) for seed in seeds):  # nobody knows where it leads
        return
    if all(seed.family != own.family for seed in seeds):
        raise CommandError(f"no seed of the config has an address like "
                           f"{own.text.rpartition(':')[0]}; "
                           f"give an IPv{4 if ':' in own.ip else 6} address, or none")
    if own.is_loopback and not any(seed.is_loopback for seed in seeds):
        raise CommandError(f"{own.ip} cannot be reached from other machines, where the seeds are; "
                           "give an address in their network, or none")


def is_taken(address: Address) -> bool:
    """Tell whether another program listens there. CommandError if nobody can."""
    try:
        listener_at(address).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise cannot_listen(address, error) from None
        return True
    return False


# Nodes.

def open_door(address: Address) -> socket.socket:
    """Listen at an address. CommandError if this is not possible."""
    try:
        return listener_at(address)
    except OSError as error:
        raise cannot_listen(address, error) from None


def output_path(folder: str, kind: str, address: Address) -> str:
    return os.path.join(folder, f"{kind}_{address.file_part}.txt")


def open_output(folder: str, kind: str, address: Address, show) -> Output:
    """Open the output file of a node, for appending, or standard output. CommandError if that
    fails."""
    return (Output(Log()) if folder == STANDARD_OUTPUT
            else Output(open_file(folder, kind, address), show))


def open_file(folder: str, kind: str, address: Address) -> io.RawIOBase:
    """Open a node's file in a folder, for appending. CommandError if that fails."""
    try:
        os.makedirs(folder, exist_ok=True)
        file = open(output_path(folder, kind, address), "a+b", buffering=0)
        if file.seekable() and file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")  # a power failure tore the last line
        return file
    except OSError as error:
        raise CommandError(f"cannot write into {folder}: {error.strerror}", FAILED) from None


# What a process needs.

def prepare_descriptors() -> float:
    """Open descriptors 0 to 2, so that no socket gets them; allow as many as possible, and return
    how many these are."""
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(spare)
    if resource is None:
        return math.inf
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (max(soft, min(hard, OPEN_MAX)), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (OSError, ValueError):
            break  # the system allows less than it says
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return math.inf if allowed == resource.RLIM_INFINITY else allowed


# Signals, and the end.

def end_with_pipe(descriptor: int, world: ThreadWorld, end) -> None:
    """Call `end()`, with the lock held, when whoever started this program closes a pipe, or
    ends."""
    def wait() -> None:
        with contextlib.suppress(OSError):  # there is no pipe
            while os.read(descriptor, 1 << 16):
                pass
        with world.lock:
            end()

    threading.Thread(target=world.live, args=(wait,), name="life line", daemon=True).start()


def block_signals() -> None:
    """Threads that begin from now on never take a signal, so that the main thread does, at once.
    None stops a program in the background that uses the terminal."""
    if CAN_MASK:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for name in ("SIGTTIN", "SIGTTOU"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def take_signals() -> None:
    """Have signals end this program from now on, also one that came while they were blocked."""
    for number in ENDING:
        if number in (signal.SIGINT, signal.SIGTERM) or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)
    if CAN_MASK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def interrupt(number: int, frame) -> None:
    """End the program by a KeyboardInterrupt with the signal; nothing interrupts that."""
    block_signals()
    for each in ENDING:  # one that is blocked waits for `take_signals`
        if signal.getsignal(each) == interrupt:
            signal.signal(each, lambda number, frame: None)
    raise KeyboardInterrupt(number)


def wait_for_end(worlds: list[ThreadWorld], screen: Screen, leave=None,
                 take_leave=lambda: None) -> int:
    """Wait until a node has stopped, or a signal comes; then end the process. If `leave` is given,
    a first SIGTERM calls it. `take_leave` is called before the screen is closed. A signal is the
    usual end, and no failure."""
    with contextlib.suppress(KeyboardInterrupt):
        try:
            _await_end(worlds)
        except KeyboardInterrupt as signalled:
            if leave is not None and signal.SIGTERM in signalled.args:
                leave()
                _await_end(worlds)
    for world in worlds:
        world.end("interrupted", 0.0)
    take_leave()
    screen.close()
    has_failed = any(world.has_failed for world in worlds)
    os._exit(FAILED if has_failed else 0)  # a thread may be blocked, by a terminal for example


def _await_end(worlds: list[ThreadWorld]) -> None:
    take_signals()
    while not any(world.over.is_set() for world in worlds):
        worlds[0].over.wait(SIGNAL_POLL)
