"""Gossip lines of two origins, and what a message list tells a neighbour."""

from gossip import wire
from gossip.addresses import parse_address
from gossip.spread.message_list import MessageList

A, B = parse_address("127.0.0.1:5001"), parse_address("127.0.0.1:5002")


def line(number, origin=A, start=7, text="x"):
    return wire.gossip("1.000000", origin, start, number, text)


def told(messages: MessageList):
    """All that is known, as a neighbour hears it."""
    return [entry for told_line in wire.status_lines("seen", messages.vector())
            for entry in wire.parse(told_line[:-1]).entries]
