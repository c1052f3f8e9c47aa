"""Messages seen: of which runs the living peers of a virtual network have not seen the same.

Where gossip is signed, a peer takes what a run has said when more than half of the seeds name the
run, or the run proves itself. A run that has ended cannot prove anything, and seeds that were
started again do not know it. So its messages stay with those who took them while it was known,
and others need not have them.
"""

from gossip.addresses import parse_address
from gossip.settings import majority


def runs_that_differ(network, peers: list) -> list[str]:
    """The runs of which these peers, which links join, should all have seen the same messages, and
    have not."""
    seen = {peer.address: peer.messages.seen() for peer in peers}
    runs = sorted({run for one in seen.values() for run in one})
    return [run.decode() for run in runs
            if any(one.get(run) != seen[peers[0].address].get(run) for one in seen.values())
            and not _may_differ(network, run, peers, seen)]


def _may_differ(network, run: bytes, peers: list, seen: dict) -> bool:
    """Whether one may lack messages of a run: the run has ended, no majority of honest seeds knows
    it, and nobody who takes its messages has a neighbour with more of them."""
    return (network.settings.sign and not _is_vouched_for(network, run)
            and not any(_was_not_told(peer, run, seen) for peer in peers))


def _is_vouched_for(network, run: bytes) -> bool:
    """Whether a run lives, or more than half of the seeds live, are honest, and know it."""
    text, _, start = run.decode().rpartition(":")
    address, start = parse_address(text), int(start)
    node = network.nodes.get(address)
    if node is not None and node.spreading.origin.start == start:
        return True
    knowing = [seed for seed in network.honest_seeds() if seed.vouching.knows(address, start)]
    return len(knowing) >= majority(len(network.seeds))


def _was_not_told(peer, run: bytes, seen: dict) -> bool:
    """Whether a peer takes what a run has said, and lacks some that a neighbour has."""
    return peer.confirming.is_known(run) and any(
        peer.messages.lacking([(run, seen[other][run])])
        for other in peer.neighbours.addresses() if run in seen.get(other, ()))
