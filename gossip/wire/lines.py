"""The lines of the assignment: parsing a line into a value, or a WireError; and making lines.

Pure. Every kind of line with fields has a class here; its `kind` names the method `on_<kind>` of
the part that answers it. `parse` checks a line in full, so that what a node forwards is valid for
all.
"""

from typing import NamedTuple

from gossip.addresses import Address
from gossip.wire.fields import (
    ADDRESSES, BARE, LINES, LINES_OR_PREFIXES, PEER, TEXT, TIME, Answer, Bare, WireError,
    address_in, declare, declare_bare, declare_kind)
from gossip.wire.gossip_line import GOSSIP

NAMED_LIMIT = 300  # bytes of the address that a peer names, valid or not


class Register(NamedTuple):
    """A peer asks a seed to list it. If `address` is None, `fault` says what is wrong with it."""

    address: Address | None
    fault: str = ""
    kind = "register"


class DeadNode(NamedTuple):
    """A death: the dead peer, the time of the report in the reporter's spelling, the reporter."""

    dead: Address
    time: str
    reporter: Address
    kind = "dead_node"

    @property
    def line(self) -> str:
        return dead_node(self).decode().rstrip("\n")


# Further kinds: the class of the value, and the function that makes the line from its fields.

# A seed has listed the asker.
REGISTERED = declare_bare("registered successfully", Bare("registered"))
# A seed has not listed the asker.
RegistrationRefused, registration_refused = declare_kind(
    "registration_refused", "registration refused:%s", reason=TEXT)
# Somebody asks a seed for its list, and is told all but itself; 2,500 of the longest fit.
ASK_PEER_LIST = declare_bare("peer list", Bare("ask_peer_list"))
PeerList, peer_list = declare_kind("peer_list", "peer list:%s", addresses=ADDRESSES)
# A peer that no seed answers asks a neighbour, which tells some of the peers that it knows, and the
# asker's successors on the ring.
ASK_KNOWN_PEERS = declare_bare("known peers", Bare("ask_known_peers"))
KnownPeers, known_peers = declare_kind(
    "known_peers", "known peers:%s", made=Answer, addresses=ADDRESSES)
# A peer ends gracefully.
Leave, leave = declare_kind("leave", "leave:%s", address=PEER)
# A peer asks another to become its neighbour, which accepts or refuses; a neighbour that ends the
# link later says the last line, too.
Connect, connect = declare_kind("connect", "Connection with Peer:%s", address=PEER)
Accepted, accepted = declare_kind("accepted", "connection accepted:%s", address=PEER)
Refused, refused = declare_kind(
    "refused", "connection refused:%s:%s", address=PEER, reason=TEXT)
# A peer or seed asks whether a peer is alive, which repeats time and address, and adds its own.
LivenessRequest, liveness_request = declare_kind(
    "liveness_request", "Liveness Request:%s:%s", time=TIME, address=PEER)
LivenessReply, _liveness_reply = declare_kind(
    "liveness_reply", "Liveness Reply:%s:%s:%s", made=Answer, time=TIME, asker=PEER, replier=PEER)

_dead_node = declare(DeadNode, "Dead Node:%s:%s:%s", PEER, TIME, PEER)


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
    return line.startswith(GOSSIP) or (
        b":gmessage:" in line and line.partition(b":")[0] not in LINES)
