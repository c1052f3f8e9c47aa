"""A network on this machine: seeds in this process, every peer a process of its own.

Peers end when this process does, however it ended: their standard input is a pipe from here.
"""

import pathlib
import socket
import subprocess
import sys

from gossip.addresses import Address, address_of
from gossip.command_line import FAILED, ROOT, CommandError, peer_flags, start_seeds
from gossip.settings import Settings

END_LIMIT = 5.0  # seconds in which a peer ends that is told to; then it is killed


class PeerProcess:
    """One peer.py."""

    def __init__(self, address: Address, flags: list[str]):
        self.address = address
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "peer.py"), str(address.port), "--host", address.ip,
             "--quiet", "--end-with-input", *flags],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.id = self._process.pid
        self.killed = False

    def type(self, text: str) -> None:
        """Type lines into the peer's console."""
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def ended(self) -> int | None:
        """The exit code of a peer that has ended, None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """End the peer without a word."""
        self.killed = True
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Let the peer end: its input has ended."""
        try:
            self._process.stdin.close()
        except OSError:
            pass  # it has ended already

    def wait(self) -> None:
        """Wait for the end; a peer that does not come to it is killed."""
        try:
            self._process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()


class Network:
    """Seeds and peers, to be used in a `with`."""

    def __init__(self, seed_class, seeds: list[Address], config: pathlib.Path,
                 outputs: pathlib.Path, screen=None):
        self._seed_class = seed_class
        self._seeds = seeds
        self._flags = ["--config", str(config), "--outputs", str(outputs)]
        self._outputs = outputs
        self._screen = screen
        self.seeds: list = []
        self.peers: list[PeerProcess] = []

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *error) -> None:
        for peer in self.peers:
            peer.end()
        for peer in self.peers:
            peer.wait()
        for seed in self.seeds:
            seed.stop()

    def start_seeds(self, local: list[Address]) -> None:
        self.seeds = start_seeds(self._seed_class, local, self._seeds, self._outputs,
                                 self._screen)

    def start_peers(self, host: str, ports: range, settings: Settings) -> None:
        """Start peers; CommandError before the first when a port is in use."""
        addresses = [address_of(host, port) for port in ports]
        for address in addresses:
            if address in self._seeds:
                raise CommandError(f"port {address.port} is a seed's; choose another --base-port")
            check_free(address)
        for address in addresses:
            self.peers.append(PeerProcess(address, [*self._flags, *peer_flags(settings)]))

    def unexpected_ends(self) -> list[PeerProcess]:
        """Peers that have ended although nobody asked them to."""
        return [peer for peer in self.peers if not peer.killed and peer.ended() is not None]


def check_free(address: Address) -> None:
    """CommandError when a peer could not listen there."""
    family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address.dial)
            sock.listen()
        except OSError as error:
            raise CommandError(f"cannot listen on {address}: {error.strerror}", FAILED) from None


def clear_outputs(folder: pathlib.Path) -> None:
    """Delete what earlier networks wrote."""
    for pattern in ("seed_*.txt", "peer_*.txt"):
        for path in folder.glob(pattern):
            path.unlink()
