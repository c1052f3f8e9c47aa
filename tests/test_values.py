"""Settings and flags: what is passed on is what was given."""

import pytest

from gossip.capacity import Capacity, fixed
from gossip.settings import Settings
from gossip.terminal.command_line import (
    CommandError, Parser, add_peer_flags, peer_flags, peer_settings)


@pytest.mark.parametrize("capacity", [Capacity(), fixed(6), Capacity("powerlaw", 2.25)])
def test_flags_survive_being_passed_on(capacity):
    settings = Settings(gossip_count=3, gossip_interval=0.5, capacity=capacity, cache_size=7)
    parser = Parser()
    add_peer_flags(parser)
    assert peer_settings(parser.parse_args(peer_flags(settings))) == settings
    with pytest.raises(CommandError):
        parser.parse_args(["--capacity", "fixed:1"])
    with pytest.raises(CommandError):
        parser.parse_args(["--capacity", "powerlaw:0"])
