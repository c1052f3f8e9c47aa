"""Gossip lines of two origins, what a peer drops of lines, and what a list tells a neighbour."""

import itertools

from gossip import wire
from gossip.addresses import parse_address
from gossip.spread.message_list import MessageList

A, B = parse_address("127.0.0.1:5001"), parse_address("127.0.0.1:5002")


def line(number, origin=A, start=7, text="x"):
    return wire.gossip("1.000000", origin, start, number, text)


def sifted(messages: MessageList, lines, link=None):
    """The lines that a peer goes on to add, as `sift` in peer.py says."""
    new = list(itertools.filterfalse(messages.holds, lines))
    without_known = getattr(messages, "without_known_covers", lambda lines, link: lines)
    return without_known(new, link)


def told(messages: MessageList):
    """All that is known, as a neighbour hears it."""
    return [entry for told_line in wire.status_lines("seen", messages.vector())
            for entry in wire.parse(told_line[:-1]).entries]
