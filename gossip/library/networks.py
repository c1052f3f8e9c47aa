"""Seeds, and whole networks for tests, inside a program."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from gossip.addresses import Address, Target, address_of
from gossip.library.peer import USUAL, Peer, join
from gossip.library.starting import (
    Folder, Refused, Seeds as ListOfSeeds, class_of, errors_of_a_start, list_of_seeds, listen,
    settings_of, start)
from gossip.programs.starting import known_to, local_seeds
from gossip.settings import Settings

FORM_LIMIT = 10.0  # seconds within which a network forms
LOOK = 0.01  # seconds between two looks whether it has
QUICK = {"liveness_interval": 0.5, "antientropy_interval": 0.5, "probe_limit": 1.0,
         "retry_first": 0.1}  # for networks of one process


class Seeds(contextlib.AbstractContextManager["Seeds"]):
    """Seeds in this process, for `gossip.join(seeds=…)`. As a context manager they end."""

    def __init__(self, nodes: list[Any]):
        self._nodes = nodes
        self.addresses = [str(node.address) for node in nodes]  # IP:PORT of each

    def __iter__(self) -> Iterator[str]:
        return iter(self.addresses)

    def status(self) -> list[dict[str, object]]:
        """Return counts of each seed, by their names."""
        return [node.status() for node in self._nodes]

    def close(self) -> None:
        """End the seeds. The peers go on."""
        for node in self._nodes:
            node.stop()

    def __exit__(self, *error: object) -> None:
        self.close()


def seeds(seeds: ListOfSeeds = None, *, outputs: Folder = None, **settings: Any) -> Seeds:
    """Start all seeds of a list that are on this machine; arguments and errors are those of
    `gossip.join`."""
    all_seeds = list_of_seeds(seeds)
    with errors_of_a_start():
        own = local_seeds(all_seeds)
    return _start_seeds(own, all_seeds, settings_of(settings, Settings()), outputs)


def _start_seeds(own: list[Address], all_seeds: list[Target], settings: Settings,
                 outputs: Folder) -> Seeds:
    """Start seeds; port 0 is any free one, in `all_seeds`, too."""
    kind = class_of("seed", "Seed")
    with contextlib.ExitStack() as started:
        opened = []
        for address in own:
            opened.append(listen(address))
            started.callback(opened[-1][1].close)
        known = all_seeds if all_seeds is not own else [address for address, _ in opened]
        nodes: list[Any] = []
        for address, sock in opened:
            with errors_of_a_start():
                others = known_to(address, known, settings.monitor)
            nodes.append(start(kind, address, sock, others, settings, outputs))
            started.callback(nodes[-1].stop)
        started.pop_all()  # all have started, so none is stopped
    return Seeds(nodes)


class Network(contextlib.AbstractContextManager["Network"]):
    """Seeds and peers on free ports in this process; made by `gossip.network`. As a context manager
    it ends with all of its nodes. Peers are numbered: `network[0]` is the first."""

    def __init__(self, seeds: Seeds, peers: list[Peer]):
        self.seeds = seeds  # `gossip.join(seeds=network.seeds)` joins as one more peer
        self._peers = peers

    def __getitem__(self, number: int) -> Peer:
        return self._peers[number]

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers)

    def kill(self, number: int) -> None:
        """End a peer as a crash does: without a word to anybody. It keeps its number."""
        self._peers[number].close()

    def close(self) -> None:
        """End all peers, abruptly, then the seeds."""
        for peer in self._peers:
            peer.close()
        self.seeds.close()

    def __exit__(self, *error: object) -> None:
        self.close()


def network(peers: int = 5, *, seeds: int = 3, host: str = "127.0.0.1", outputs: Folder = None,
            backlog: int | str = 10_000, **settings: Any) -> Network:
    """Start a network for a test, on free ports, and wait until it is connected. Deaths are found
    within two seconds, because its liveness interval is 0.5 s. Arguments as for `gossip.join`."""
    quick: dict[str, Any] = QUICK | settings
    anywhere = [address_of(host, 1)._replace(port=0)] * seeds
    started: list[Peer] = []
    registry = _start_seeds(anywhere, anywhere, settings_of(quick, USUAL), outputs)
    formed = Network(registry, started)
    try:
        for _ in range(peers):
            started.append(join(0, host=host, seeds=registry, outputs=outputs, backlog=backlog,
                                **quick))
        deadline = time.monotonic() + FORM_LIMIT
        while not _are_connected(started):
            if time.monotonic() > deadline:
                raise Refused(f"the network has not formed within {FORM_LIMIT:g} s")
            time.sleep(LOOK)
    except BaseException:
        formed.close()
        raise
    return formed


def _are_connected(peers: list[Peer]) -> bool:
    """Return whether links lead from each peer to each other."""
    apart = {peer.address: peer.neighbours for peer in peers}
    ahead = [peer.address for peer in peers[:1]]
    while ahead:
        ahead += apart.pop(ahead.pop(), [])
    return not apart
