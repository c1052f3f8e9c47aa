"""The grammar of the wire: one line in, one value out, and back.

lines        the lines of the assignment, written and read
gossip_line  the gossip line: its fields, its prefixes, its key
signing      lines that a run's key has signed; which runs an address has had
status       the lines of anti-entropy
monitoring   what peers report of one another, what seeds do with it
fields       address, time, text, bytes; how a line is declared; WireError

Pure. Which node may say what, and what follows, say the parts that answer (node/part.py).
"""

from gossip.wire.fields import LINE_LIMIT, NUMBER_LIMIT, Answer, WireError, format_time
from gossip.wire.gossip_line import (
    GOSSIP, GOSSIP_LIMIT, RUMOR, SIGNED, Block, Gossip, check_run, covered, gossip,
    gossip_fields, gossip_key, gossip_part, parse_block, parse_gossip, rumors, shown)
from gossip.wire.lines import (
    ASK_KNOWN_PEERS, ASK_PEER_LIST, REGISTERED, Accepted, AskKnownPeers, AskPeerList, Connect,
    DeadNode, KnownPeers, Leave, LivenessReply, LivenessRequest, PeerList, Refused, Register,
    Registered, RegistrationRefused, accepted, connect, dead_node, is_gossip, known_peers, leave,
    liveness_reply, liveness_request, parse, peer_list, refused, register, registration_refused)
from gossip.wire.monitoring import (
    ABOUT, ASK_TREE, BY, ENTRIES_LIMIT, JUDGED_LIMIT, QUANTILES, AskTree, Entry, Kick, Load, Loads,
    Part, Report, Rows, SeedCheck, SeedChecked, SeedHello, Tree, Unconfirmed,
    Verdicts, kick, load, loads, part, report, rows, seed_check, seed_checked,
    seed_hello, tree, unconfirmed, verdicts)
from gossip.wire.signing import (
    HASH_SIZE, HASHES_LIMIT, KEY_SIZE, SIGNATURE_SIZE, STARTS_LIMIT, Contradiction, Proof, Runs,
    Signed, contradict, contradiction, parse_signed, proof, runs, signed, signed_head)
from gossip.wire.status import (
    NOTHING_SEEN, RANGES_LIMIT, SHORT_ENTRY, SLICES, STATUS_TARGET, Status, entries, status,
    status_entries, status_entry, status_lines, status_show, status_slices)
