"""`runner.py status`: which seeds and peers answer, now.

Each seed is asked for its list, and each listed peer by a Liveness Request, over a new connection
that ends with the answer. No node writes a line about it.
"""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from grapevine import wire
from grapevine.addresses import Address, Name, Target, address_of, look_up
from grapevine.settings import majority
from grapevine.terminal.command_line import CONFIG, FAILED, Parser, load_seeds, port_or_target, show
from grapevine.terminal.starting import seed_addresses
from grapevine.terminal.words import many
from grapevine.tools import ProtocolError

ANSWER_TIMEOUT = 2.0  # seconds for an answer, connecting included
AT_ONCE = 64  # nodes asked at the same time


class Asked(NamedTuple):
    """A node that was asked, and its answer."""

    address: Address | OSError  # an error says why its name leads nowhere
    took: float | None  # seconds until the answer; None: there is none
    why: str = ""  # there is no answer
    listed: tuple[Address, ...] = ()  # by a seed


def show_status(arguments: list[str]) -> int:
    """Ask nodes, and show a line for each. Return FAILED if too few answer."""
    parser = Parser(prog="runner.py status", description="Ask every seed of config.txt for its "
                    "list, and every listed peer whether it lives. Exit with 0 if a majority of "
                    "the seeds answer, or all nodes that are named.")
    parser.add_argument("nodes", nargs="*", type=port_or_target, metavar="HOST:PORT",
                        help="ask only these: seeds of config.txt, or peers")
    parser.add_argument("--config", metavar="FILE", default=CONFIG,
                        help="the list of seeds (config.txt)")
    args = parser.parse_args(arguments)
    seeds = load_seeds(args.config)
    nodes = [seed_addresses(node, seeds)[0] if isinstance(node, int) else node
             for node in args.nodes]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        at = dict(zip([*seeds, *nodes], pool.map(place_of, [*seeds, *nodes])))
        named = [node for node in nodes if at[node] in map(at.get, seeds)] if nodes else seeds
        asked = list(pool.map(ask_seed, map(at.get, named)))
        lists = [seed.listed for seed in asked if seed.took is not None]
        peers = [node for node in nodes if node not in named] if nodes else sorted(
            {peer for listed in lists for peer in listed})
        answered = list(pool.map(ask_peer, [at.get(peer, peer) for peer in peers]))
    for node, seed in zip(named, asked):
        show(_row_of("seed", node, seed, many(len(seed.listed), "peer")))
    for node, peer in zip(peers, answered):
        on = f" on {sum(peer.address in listed for listed in lists)} of {len(lists)} lists"
        show(_row_of("peer", node, peer, f"{(peer.took or 0.0) * 1000:.1f} ms")
             + ("" if nodes else on))
    up = sum(node.took is not None for node in [*asked, *(answered if nodes else ())])
    return 0 if up >= (len(nodes) or majority(len(seeds))) else FAILED


def place_of(target: Target) -> Address | OSError:
    """Return where a target is, or why its name leads nowhere."""
    try:
        return look_up(target)[0]
    except OSError as error:
        return error


def _row_of(kind: str, node: Target, asked: Asked, answer: str) -> str:
    """Return the line of a node, with its name, address and answer."""
    leads = isinstance(node, Name) and isinstance(asked.address, Address)
    return (f"{kind} {node}{f' ({asked.address})' if leads else ''} "
            f"{f'down: {asked.why}' if asked.took is None else answer}")


def ask_seed(address: Address | OSError, patience: float = ANSWER_TIMEOUT) -> Asked:
    """Ask a seed for its list."""
    listed: list[Address] = []

    def is_answer(line: bytes) -> bool:
        kind, values = wire.parse(line)
        listed.extend(values[0] if kind == "peer_list" else ())
        return kind == "peer_list"

    asked = ask(address, patience, lambda own: (wire.say("ask_peer_list"), is_answer))
    return asked._replace(listed=tuple(listed))


def ask_peer(address: Address | OSError) -> Asked:
    """Ask a peer for a sign of life."""
    def question(own: Address) -> tuple[bytes, Callable]:
        now = wire.format_time(time.time())
        reply = wire.say("liveness_reply", now, own, address).rstrip()
        return wire.say("liveness_request", now, own), reply.__eq__

    return ask(address, ANSWER_TIMEOUT, question)


def ask(address: Address | OSError, patience: float, question: Callable) -> Asked:
    """Ask a node. `question(own address)` returns the request, and a function that tells whether a
    line is the answer."""
    if isinstance(address, OSError):
        return Asked(address, None, address.strerror or str(address))
    began = time.monotonic()
    try:
        with socket.create_connection((address.ip, address.port), patience) as sock:
            request, is_answer = question(address_of(*sock.getsockname()[:2]))
            sock.sendall(request)
            rest = b""
            while (left := began + patience - time.monotonic()) > 0:
                sock.settimeout(left)
                if not (data := sock.recv(wire.LINE_LIMIT)):
                    return Asked(address, None, "it closed the connection")
                *lines, rest = (rest + data).split(b"\n")
                if any([is_answer(line.rstrip(b"\r")) for line in lines]):
                    return Asked(address, time.monotonic() - began)
            raise TimeoutError  # it says much, but no answer
    except TimeoutError:
        return Asked(address, None, f"no answer within {patience:g} s")
    except (OSError, ProtocolError) as error:
        return Asked(address, None, getattr(error, "strerror", None) or str(error))
