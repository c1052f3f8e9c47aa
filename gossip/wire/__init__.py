"""What is said: the grammar of the wire, one line in, one value out; and back.

Pure. Who may say what, and what follows, is in peer.py and seed.py.
"""

from gossip.wire.lines import (
    ASK_KNOWN_PEERS, ASK_PEER_LIST, GOSSIP, GOSSIP_LIMIT, LINE_LIMIT, NUMBER_LIMIT, PARTS,
    RANGES_LIMIT, REGISTERED, RUMOR, SHORT_ENTRY, STATUS_TARGET, Accepted, AskKnownPeers,
    AskPeerList, Connect, DeadNode, Gossip, KnownPeers, Leave, LivenessReply, LivenessRequest,
    PeerList, Refused, Register, Registered, RegistrationRefused, Status, WireError, accepted,
    check_run, connect, dead_node, entries, format_time, gossip, gossip_fields, gossip_key,
    gossip_part, is_gossip, known_peers, leave, liveness_reply, liveness_request, parse,
    parse_gossip, peer_list, refused, register, registration_refused, rumors, status,
    status_entries, status_entry, status_lines, status_parts, status_show)
