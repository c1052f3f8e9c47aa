"""The grammar of the wire: how lines are parsed and made.

lines   the lines of the assignment
status  the lines `status:…`
fields  address, time, text, bytes; how a line is declared and parsed; WireError

Pure. The files `grammar` of signing and monitoring declare further lines, which are known once the
files are imported, as seed.py and peer.py do. Parts (node/part.py) decide which node may say what.
"""

from gossip.wire.fields import (
    LINE_LIMIT, NUMBER_LIMIT, Answer, Bare, WireError, format_time, parse)
from gossip.wire.lines import (
    ASK_KNOWN_PEERS, ASK_PEER_LIST, GOSSIP, GOSSIP_LIMIT, REGISTERED, RUMOR, SIGNED, Accepted,
    Block, Connect, DeadNode, Gossip, KnownPeers, Leave, LivenessReply, LivenessRequest, PeerList,
    Refused, Register, RegistrationRefused, accepted, check_run, connect, covered, dead_node,
    gossip, gossip_fields, gossip_key, gossip_part, gossip_time, is_gossip, known_peers, leave,
    liveness_reply, liveness_request, parse_block, parse_gossip, peer_list, refused, register,
    registration_refused, rumors)
from gossip.wire.status import (
    NOTHING_SEEN, SLICES, Status, entries, status, status_entries, status_entry, status_lines,
    status_slices)
