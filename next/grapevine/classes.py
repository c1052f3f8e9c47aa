"""The classes of nodes that settings ask for. peer.py and seed.py stand above the package."""

from grapevine.settings import Settings


def seed_class() -> type:
    """Return the class of all seeds: they vouch for peers that sign."""
    from grapevine.signing.seed import VouchingSeed
    return VouchingSeed


def peer_class(settings: Settings) -> type:
    """Return the class of a peer with these settings."""
    if settings.sign:
        from grapevine.signing.peer import SignedPeer
        return SignedPeer
    from peer import Peer
    return Peer
