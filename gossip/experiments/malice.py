"""Malice: which peers of a network attack it, and how; read from text, and dealt out by chance.

As text it is `KIND:COUNT` or `KIND:COUNT:SHARE`, several with commas between, or `none`. What an
attacker does is in attackers.py; whether it was found out, the proof tells (proof/malicious.py).
"""

import argparse
import math
import random
from typing import NamedTuple

from gossip.addresses import Address
from gossip.settings import Filter
from gossip.terminal.command_line import ROOT, word_filter

KINDS = {  # word -> what such a peer does
    "drop": "forwards nothing, and says that it was the first to bring everything",
    "drophalf": "forwards one half of the messages, and says the same",
    "tamper": "changes a share of what it forwards",
    "forge": "adds lines in the names of others to a share of what it forwards",
    "forbidden": "says forbidden words for a share of what it forwards",
    "falsedead": "reports its neighbours dead, one in each period",
    "slander": "reports that copies by honest neighbours are corrupt",
    "collude": "tampers, slanders the honest, and praises its kind",
    "onoff": "tampers in every other period",
    "twotexts": "signs two texts with one number, and tells one neighbour the other one",
    "mute": "forwards nothing, and reports nothing",
}
SHARE = 0.3  # of messages, when none is given
NONE = "none"
FORBIDDEN = ROOT / "tests" / "data" / "filter.txt"  # the words, where no other file is named


class Attack(NamedTuple):
    """So many peers of one kind."""

    kind: str
    count: int
    share: float = SHARE

    def __str__(self) -> str:
        return f"{self.kind}:{self.count}" + (f":{self.share:g}" if self.share != SHARE else "")


class Role(NamedTuple):
    """The attack of one peer, and its accomplices, who know one another."""

    kind: str
    share: float
    accomplices: tuple[Address, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.kind, f"{self.share:g}", *map(str, self.accomplices)])


class Malice(tuple):
    """The attacks on one network; none in a network that is only watched."""

    def __str__(self) -> str:
        return ",".join(map(str, self)) or NONE

    def words(self) -> Filter:
        """The words that nobody may say; some are needed where somebody says them."""
        says = any(attack.kind == "forbidden" for attack in self)
        return word_filter(str(FORBIDDEN)) if says else Filter()

    def count(self) -> int:
        """How many peers attack."""
        return sum(attack.count for attack in self)

    def deal(self, peers: list[Address], rng: random.Random) -> dict[Address, Role]:
        """Return the attackers and their roles; the other peers are honest."""
        chosen = rng.sample(peers, self.count())
        roles = {}
        for attack in self:
            kin, chosen = chosen[:attack.count], chosen[attack.count:]
            roles |= {peer: Role(attack.kind, attack.share,
                                 tuple(other for other in kin if other != peer)) for peer in kin}
        return roles


def parse_malice(text: str) -> Malice:
    """The attacks that a text names; ValueError says which of its words is bad."""
    if text == NONE:
        return Malice()
    attacks = Malice(map(_parse_attack, text.split(",")))
    if len({attack.kind for attack in attacks}) < len(attacks):
        raise ValueError(f"{text!r} names a kind twice")
    return attacks


def _parse_attack(word: str) -> Attack:
    kind, *rest = word.split(":")
    try:
        attack = Attack(kind, int(rest[0]), *map(float, rest[1:2]))
    except (IndexError, ValueError):
        raise ValueError(f"{word!r} is not KIND:COUNT or KIND:COUNT:SHARE") from None
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    if attack.count < 1 or len(rest) > 2 or math.isnan(attack.share) or not 0 < attack.share <= 1:
        raise ValueError(f"{word!r} has a COUNT below 1, or a SHARE that is not above 0, up to 1")
    return attack


def add_malicious(parser: argparse.ArgumentParser) -> None:
    """The flag that names the attacks on a network."""
    parser.add_argument("--malicious", type=_flag, metavar="KIND:COUNT[:SHARE],…",
                        help=f"peers that attack the network, or {NONE}, and monitoring to find "
                             f"them out; a KIND is one of {', '.join(KINDS)}; SHARE is that of "
                             f"the messages that are attacked ({SHARE})")


def _flag(text: str) -> Malice:
    try:
        return parse_malice(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
