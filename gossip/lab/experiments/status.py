"""The state of a running network: which seeds answer, and which of the peers that they list.

Each seed is asked for its list, and each listed peer by a Liveness Request, over a connection of
its own that ends with the answer. No node writes a line about that.
"""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from gossip import wire
from gossip.addresses import Address, Name, Target, address_of
from gossip.node.link import Lines
from gossip.node.probe import Probe
from gossip.programs.starting import look_up, node_at
from gossip.settings import majority
from gossip.terminal.command_line import (
    FAILED, Parser, add_config, load_seeds, port_or_address, show)
from gossip.terminal.words import many

PATIENCE = 2.0  # seconds for an answer, connecting included
AT_ONCE = 64  # nodes asked at the same time
READ_SIZE = 65_536


class Asked(NamedTuple):
    """A node that was asked: how many seconds its answer took, or why there is none."""

    address: Address | OSError  # an error says why its name leads nowhere
    took: float | None
    why: str = ""
    listed: tuple[Address, ...] = ()  # by a seed


def status_command(arguments: list[str]) -> int:
    """Ask the nodes, and show a line for each; 1 if too few answer."""
    parser = Parser(prog="runner.py status", description="Ask every seed of config.txt for its "
                    "list, and every listed peer whether it lives. Exit with 0 if a majority of "
                    "the seeds answer, or all nodes that are named.")
    parser.add_argument("nodes", nargs="*", type=port_or_address, metavar="HOST:PORT",
                        help="ask only these: seeds of config.txt, or peers")
    add_config(parser)
    args = parser.parse_args(arguments)
    seeds = load_seeds(args.config)
    nodes = [node_at(node, seeds) if isinstance(node, int) else node for node in args.nodes]
    at = {target: found if isinstance(found, OSError) else found[0]
          for target, found in look_up([*seeds, *nodes], PATIENCE).items()}
    places = [at[seed] for seed in seeds]
    named = [node for node in nodes if at[node] in places] if nodes else seeds
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = list(pool.map(ask_seed, [at[seed] for seed in named]))
        lists = [seed.listed for seed in asked if seed.took is not None]
        peers = [node for node in nodes if node not in named] if nodes else sorted(
            {peer for listed in lists for peer in listed})
        answered = list(pool.map(_ask_peer, [at.get(peer, peer) for peer in peers]))
    for node, seed in zip(named, asked):
        show(f"seed {_name(node, seed)} {_told(seed) or many(len(seed.listed), 'peer')}")
    for node, peer in zip(peers, answered):
        on = f" on {sum(peer.address in listed for listed in lists)} of {len(lists)} lists"
        show(f"peer {_name(node, peer)} {_told(peer) or f'{peer.took * 1000:.1f} ms'}"
             f"{'' if nodes else on}")
    up = sum(node.took is not None for node in [*asked, *(answered if nodes else ())])
    return 0 if up >= (len(nodes) or majority(len(seeds))) else FAILED


def _name(node: Target, asked: Asked) -> str:
    """Return how a node was called, and where its name led."""
    leads = isinstance(node, Name) and isinstance(asked.address, Address)
    return f"{node} ({asked.address})" if leads else str(node)


def _told(asked: Asked) -> str:
    """Return why there is no answer; empty if there is one."""
    return "" if asked.took is not None else f"down: {asked.why}"


def ask_seed(address: Address | OSError, patience: float = PATIENCE) -> Asked:
    """Ask a seed for its list."""
    listed: list[Address] = []

    def heard(lines: list[bytes]) -> bool:
        for message in map(wire.parse, lines):
            if message.kind == "peer_list":
                listed.extend(message.addresses)
                return True
        return False

    asked = _ask(address, patience, lambda own: (wire.ASK_PEER_LIST, heard))
    return asked._replace(listed=tuple(listed))


def _ask_peer(address: Address | OSError) -> Asked:
    """Ask a peer whether it lives."""
    def question(own: Address):
        probe = Probe(own, address, wire.format_time(time.time()), None)
        return probe.request, probe.heard

    return _ask(address, PATIENCE, question)


def _ask(address: Address | OSError, patience: float,
         question: Callable[[Address], tuple]) -> Asked:
    """Send what `question(own address)` returns first, and read until what it returns second says
    that the answer is there."""
    if isinstance(address, OSError):
        return Asked(address, None, str(address))
    began = time.monotonic()
    try:
        with socket.create_connection(address.dial, patience) as sock:
            request, heard = question(address_of(*sock.getsockname()[:2]))
            sock.sendall(request)
            lines = Lines()
            while True:
                sock.settimeout(max(0.001, began + patience - time.monotonic()))
                data = sock.recv(READ_SIZE)
                if not data:
                    return Asked(address, None, "it closed the connection")
                if heard(lines.feed(data)):
                    return Asked(address, time.monotonic() - began)
    except TimeoutError:
        return Asked(address, None, f"no answer within {patience:g} s")
    except (OSError, wire.WireError) as error:
        return Asked(address, None, getattr(error, "strerror", None) or str(error))
