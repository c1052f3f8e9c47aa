"""The classes of nodes that settings ask for."""

from grapevine.settings import Settings


def seed_class(settings: Settings) -> type:
    """Return the class of a seed with these settings. All vouch for peers that sign."""
    if settings.monitor:
        from grapevine.monitoring.seed import JudgingSeed
        return JudgingSeed
    from grapevine.signing.seed import VouchingSeed
    return VouchingSeed


def peer_class(settings: Settings) -> type:
    """Return the class of a peer with these settings."""
    if settings.monitor:
        from grapevine.monitoring.peer import WatchedPeer
        return WatchedPeer
    if settings.sign:
        from grapevine.signing.peer import SignedPeer
        return SignedPeer
    from grapevine.peer import Peer
    return Peer
