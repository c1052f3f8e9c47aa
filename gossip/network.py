"""A network on this machine: seeds in this process, every peer a process of its own.

Peers end when this process does, however it ended: their standard input is a pipe from here.
"""

import pathlib
import subprocess
import sys

from gossip.addresses import Address
from gossip.command_line import FAILED, ROOT, CommandError, check_free, peer_flags
from gossip.programs import check_reachable, start_seeds
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
                 outputs: pathlib.Path):
        self._seed_class = seed_class
        self._seeds = seeds
        self._flags = ["--config", str(config), "--outputs", str(outputs)]
        self._outputs = outputs
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

    def check(self, local: list[Address], peers: list[Address]) -> None:
        """CommandError, before anything is touched, when an address cannot be had."""
        for address in peers:
            if address in self._seeds:
                raise CommandError(f"port {address.port} is a seed's; choose another --base-port")
        check_reachable(self._seeds, peers[0])
        for address in [*local, *peers]:
            check_free(address)

    def start(self, local: list[Address], peers: list[Address], settings: Settings) -> None:
        """Start seeds, then peers."""
        self.seeds = start_seeds(self._seed_class, local, self._seeds, self._outputs)
        flags = [*self._flags, *peer_flags(settings)]
        self.peers = [PeerProcess(address, flags) for address in peers]

    def newly_ended(self) -> list[PeerProcess]:
        """Peers that have ended since the last call although nobody here asked them to."""
        ended = [peer for peer in self.peers if not peer.killed and peer.ended() is not None]
        for peer in ended:
            peer.killed = True
        return ended


def clear_outputs(folder: pathlib.Path) -> None:
    """Make the folder if need be, and delete what earlier networks wrote there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for pattern in ("seed_*.txt", "peer_*.txt"):
            for path in folder.glob(pattern):
                path.unlink()
    except OSError as error:
        raise CommandError(f"cannot clear {folder}: {error.strerror}", FAILED) from None
