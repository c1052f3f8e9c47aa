"""The lines of the assignment: one line in, one value out, or a WireError; and back.

Pure. Every kind of line is a class here, and its `kind` names the method `on_<kind>` of peer.py
or seed.py that handles it. `parse` checks a line in full: what a node passes on is valid for
whoever receives it.
"""

import re
from typing import NamedTuple

from gossip.addresses import Address
from gossip.wire.fields import (
    ADDRESS, TIME, Answer, WireError, address_in, parse_list, text_in)
from gossip.wire.gossip_line import GOSSIP
from gossip.wire.monitoring import MONITORING, AskTree
from gossip.wire.runs import parse_proof, parse_runs
from gossip.wire.signed_line import parse_contradiction
from gossip.wire.status import parse_status


class Register(NamedTuple):
    """A peer asks a seed to list it. Without an address: `fault` says what is wrong with the one
    that it named."""

    address: Address | None
    fault: str = ""
    kind = "register"


class Registered(NamedTuple):
    """A seed has listed the asker."""

    kind = "registered"


class RegistrationRefused(NamedTuple):
    """A seed has not listed the asker."""

    reason: str
    kind = "registration_refused"


class AskPeerList(NamedTuple):
    """Somebody asks a seed for its list."""

    kind = "ask_peer_list"


class PeerList(NamedTuple):
    """A seed's list, without the asker."""

    addresses: frozenset
    kind = "peer_list"


class AskKnownPeers(NamedTuple):
    """A peer that no seed answers asks a neighbour which peers it knows."""

    kind = "ask_known_peers"


class KnownPeers(NamedTuple):
    """Some of the peers that a peer knows; the asker's successors on the ring are among them."""

    addresses: frozenset
    kind = "known_peers"


class DeadNode(NamedTuple):
    """A death: the dead peer, the time of the report as its reporter wrote it, the reporter."""

    dead: Address
    time: str
    reporter: Address
    kind = "dead_node"

    @property
    def line(self) -> str:
        return f"Dead Node:{self.dead}:{self.time}:{self.reporter}"


class Leave(NamedTuple):
    """A peer ends gracefully."""

    address: Address
    kind = "leave"


class Connect(NamedTuple):
    """A peer asks another to become its neighbour."""

    address: Address
    kind = "connect"


class Accepted(NamedTuple):
    """The peer that was asked takes the asker as a neighbour."""

    address: Address
    kind = "accepted"


class Refused(NamedTuple):
    """The peer that was asked does not take the asker; or, later, a neighbour ends the link."""

    address: Address
    reason: str
    kind = "refused"


class LivenessRequest(NamedTuple):
    """Are you there?"""

    time: str
    address: Address
    kind = "liveness_request"


class LivenessReply(NamedTuple):
    """I am: time and address of the request, then the address of the replier."""

    time: str
    asker: Address
    replier: Address
    kind = "liveness_reply"


# Writing: each of these makes a line, with its `\n`.


def register(own: Address) -> bytes:
    return f"register:{own}\n".encode()


REGISTERED = b"registered successfully\n"
ASK_PEER_LIST = b"peer list\n"
ASK_KNOWN_PEERS = b"known peers\n"


def registration_refused(reason: str) -> bytes:
    return f"registration refused:{reason}\n".encode()


def peer_list(addresses, word: str = "peer list") -> bytes:
    """A list of addresses; a line has room for 2,500 of the longest."""
    return f"{word}:{':'.join([address.listed for address in addresses])}\n".encode()


def known_peers(addresses) -> Answer:
    return Answer(peer_list(addresses, "known peers"))


def dead_node(report: DeadNode) -> bytes:
    return f"{report.line}\n".encode()


def leave(own: Address) -> bytes:
    return f"leave:{own}\n".encode()


def connect(own: Address) -> bytes:
    return f"Connection with Peer:{own}\n".encode()


def accepted(own: Address) -> bytes:
    return f"connection accepted:{own}\n".encode()


def refused(own: Address, reason: str) -> bytes:
    return f"connection refused:{own}:{reason}\n".encode()


def liveness_request(time: str, own: Address) -> bytes:
    return f"Liveness Request:{time}:{own}\n".encode()


def liveness_reply(request: LivenessRequest, own: Address) -> Answer:
    return Answer(f"Liveness Reply:{request.time}:{request.address}:{own}\n".encode())


# Reading: a line comes without its `\n`.


def _register(named: bytes) -> Register:
    try:
        return Register(address_in(named))
    except WireError as error:
        return Register(None, str(error))


_KINDS = {  # first word of a line: (pattern of the rest, its match to a value)
    b"register": (re.compile(rb"(.{,300})", re.DOTALL), lambda m: _register(m[1])),
    b"registration refused": (
        re.compile(rb"(.*)", re.DOTALL), lambda m: RegistrationRefused(text_in(m[1]))),
    b"Dead Node": (
        re.compile(ADDRESS + b":" + TIME + b":" + ADDRESS),
        lambda m: DeadNode(address_in(m[1]), m[2].decode(), address_in(m[3]))),
    b"leave": (re.compile(ADDRESS), lambda m: Leave(address_in(m[1]))),
    b"Connection with Peer": (re.compile(ADDRESS), lambda m: Connect(address_in(m[1]))),
    b"connection accepted": (re.compile(ADDRESS), lambda m: Accepted(address_in(m[1]))),
    b"connection refused": (
        re.compile(ADDRESS + rb":(.*)", re.DOTALL),
        lambda m: Refused(address_in(m[1]), text_in(m[2]))),
    b"Liveness Request": (
        re.compile(TIME + b":" + ADDRESS),
        lambda m: LivenessRequest(m[1].decode(), address_in(m[2]))),
    b"Liveness Reply": (
        re.compile(TIME + b":" + ADDRESS + b":" + ADDRESS),
        lambda m: LivenessReply(m[1].decode(), address_in(m[2]), address_in(m[3]))),
}


_LISTS = {b"peer list": PeerList, b"known peers": KnownPeers}
_ELSEWHERE = {b"status": parse_status, b"runs": parse_runs, b"proof": parse_proof,
              b"contradiction": parse_contradiction}


def parse(line: bytes):
    """Return the value of a line that is not gossip; WireError when the line is not valid."""
    if line == b"registered successfully":
        return Registered()
    if line == b"peer list":
        return AskPeerList()
    if line == b"known peers":
        return AskKnownPeers()
    if line == b"ask tree":
        return AskTree()
    word, colon, body = line.partition(b":")
    if colon and word in _LISTS:
        return _LISTS[word](parse_list(word, body))
    if colon and word in _ELSEWHERE:
        return _ELSEWHERE[word](body)
    pattern, make = _KINDS.get(word) or MONITORING.get(word, (None, None))
    if not colon or pattern is None:
        raise WireError(f"unknown line {line[:40]!r}")
    match = pattern.fullmatch(body)
    if not match:
        raise WireError(f"malformed {word.decode()} line")
    return make(match)


def is_gossip(line: bytes) -> bool:
    """Whether the line is gossip: it starts with `gmessage:`, or with prefixes before that. Words
    of monitoring may be prefixes, too: no line that they begin has anything of the kind in it."""
    if line.startswith(GOSSIP):
        return True
    word = line.partition(b":")[0]
    return (b":gmessage:" in line and word not in _KINDS and word not in _LISTS
            and word not in _ELSEWHERE)
