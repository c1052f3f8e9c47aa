"""The lines of the assignment: parsing a line into a value, or a WireError; and making lines.

Pure. Every kind of line is a class here, whose `kind` names the method `on_<kind>` of the part that
answers it. `parse` checks a line in full, so that what a node forwards is valid for every receiver.
"""

from typing import NamedTuple

from gossip.addresses import Address
from gossip.wire.fields import (
    ADDRESSES, BARE, LINES, LINES_OR_PREFIXES, PEER, TEXT, TIME, Answer, WireError, address_in,
    declare, declare_bare)
from gossip.wire.gossip_line import GOSSIP

NAMED_LIMIT = 300  # bytes of the address that a peer names, valid or not


class Register(NamedTuple):
    """A peer asks a seed to list it. If `address` is None, `fault` says what is wrong with it."""

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
    """Some of the peers that a peer knows, among them the asker's successors on the ring."""

    addresses: frozenset
    kind = "known_peers"


class DeadNode(NamedTuple):
    """A death: the dead peer, the time of the report in the reporter's spelling, the reporter."""

    dead: Address
    time: str
    reporter: Address
    kind = "dead_node"

    @property
    def line(self) -> str:
        return dead_node(self).decode().rstrip("\n")


class Leave(NamedTuple):
    """A peer ends gracefully."""

    address: Address
    kind = "leave"


class Connect(NamedTuple):
    """A peer asks another to become its neighbour."""

    address: Address
    kind = "connect"


class Accepted(NamedTuple):
    """The peer that was asked accepts the asker as a neighbour."""

    address: Address
    kind = "accepted"


class Refused(NamedTuple):
    """The peer that was asked refuses the asker; or, later, a neighbour ends the link."""

    address: Address
    reason: str
    kind = "refused"


class LivenessRequest(NamedTuple):
    """A peer or seed asks whether a peer is alive."""

    time: str
    address: Address
    kind = "liveness_request"


class LivenessReply(NamedTuple):
    """A peer is alive: time and address of the request, then the address of the replier."""

    time: str
    asker: Address
    replier: Address
    kind = "liveness_reply"


# Each declaration returns a function that writes the line from its fields.

REGISTERED = declare_bare("registered successfully", Registered())
ASK_PEER_LIST = declare_bare("peer list", AskPeerList())
ASK_KNOWN_PEERS = declare_bare("known peers", AskKnownPeers())
registration_refused = declare(RegistrationRefused, "registration refused:%s", TEXT)
peer_list = declare(PeerList, "peer list:%s", ADDRESSES)  # 2,500 of the longest fit
known_peers = declare(KnownPeers, "known peers:%s", ADDRESSES, made=Answer)
leave = declare(Leave, "leave:%s", PEER)
connect = declare(Connect, "Connection with Peer:%s", PEER)
accepted = declare(Accepted, "connection accepted:%s", PEER)
refused = declare(Refused, "connection refused:%s:%s", PEER, TEXT)
liveness_request = declare(LivenessRequest, "Liveness Request:%s:%s", TIME, PEER)
_dead_node = declare(DeadNode, "Dead Node:%s:%s:%s", PEER, TIME, PEER)
_liveness_reply = declare(LivenessReply, "Liveness Reply:%s:%s:%s", TIME, PEER, PEER, made=Answer)


def dead_node(report: DeadNode) -> bytes:
    return _dead_node(*report)


def liveness_reply(request: LivenessRequest, own: Address) -> Answer:
    """Return the answer of `own` to a request."""
    return _liveness_reply(*request, own)


def register(own: Address) -> bytes:
    return f"register:{own}\n".encode()


def _register(named: bytes) -> Register:
    if len(named) > NAMED_LIMIT:
        raise WireError("malformed register line")
    try:
        return Register(address_in(named))
    except WireError as error:
        return Register(None, str(error))


LINES[b"register"] = _register


def parse(line: bytes):
    """Parse a line that is not gossip, without its `\\n`. WireError if it is invalid."""
    word, colon, body = line.partition(b":")
    if not colon and line in BARE:
        return BARE[line]
    read = LINES.get(word) or LINES_OR_PREFIXES.get(word)
    if not colon or read is None:
        raise WireError("'gmessage' is expected from neighbours only" if is_gossip(line)
                        else f"unknown line {line[:40]!r}")
    return read(body)


def is_gossip(line: bytes) -> bool:
    """Return whether a line is gossip: `gmessage:`, perhaps behind prefixes. A word of
    LINES_OR_PREFIXES counts as a prefix, because no line that it begins contains gossip."""
    if line.startswith(GOSSIP):
        return True
    return b":gmessage:" in line and line.partition(b":")[0] not in LINES
