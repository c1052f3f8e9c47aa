"""Peers and seeds that attack their network, for experiments and tests alone.

An attacker is an honest node of which a method or two do something else. A peer says in its own
file what it is, which seeds and honest peers cannot read.
"""

import random
from typing import NamedTuple

from grapevine import wire
from grapevine.addresses import Address, parse_address
from grapevine.asking import Verdict
from grapevine.classes import seed_class
from grapevine.monitoring.grammar import Entry
from grapevine.monitoring.peer import WatchedPeer
from grapevine.settings import Settings
from grapevine.signing.ed25519 import signing_key
from grapevine.signing.grammar import parse_signed, say_runs, signed_line

SHARE = 0.3  # of the messages that are attacked
AHEAD = 1_000_000  # by which the number of a forged message is ahead of a real one
NONE = "none"  # instead of attacks: the network is only watched
WORDS = ("casino", "lottery")  # of the filter where somebody says forbidden words
LIES = ("invents", "denies", "is silent")  # of a seed about runs


class Role(NamedTuple):
    """The kind of attack of a peer, on which share of the messages, and who has the same role."""

    kind: str
    share: float
    accomplices: tuple[Address, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.kind, f"{self.share:g}", *map(str, self.accomplices)])


def parse_role(text: str) -> Role:
    kind, share, *accomplices = text.split()
    return Role(kind, float(share), tuple(map(parse_address, accomplices)))


def parse_attacks(text: str) -> list[tuple[int, Role]]:
    """Parse `KIND:COUNT[:SHARE],…` into roles and how many peers have each; NONE or nothing has
    none. ValueError names the bad word."""
    attacks = []
    for word in text.split(",") if text not in ("", NONE) else ():
        kind, _, rest = word.partition(":")
        count, _, share = rest.partition(":")
        try:
            number, role = int(count), Role(kind, float(share or SHARE))
            if kind not in KINDS or number < 0 or not 0 < role.share <= 1:
                raise ValueError
        except ValueError:
            raise ValueError(f"{word!r} is not KIND:COUNT[:SHARE], KIND one of {', '.join(KINDS)}, "
                             "SHARE above 0, up to 1") from None
        attacks.append((number, role))
    return attacks


def attacks_in(text: str) -> str:
    """Return a text that `parse_attacks` understands, or raise its ValueError."""
    parse_attacks(text)
    return text


def nobody_left(peers: int, attacks: str, killed: int = 0) -> str:
    """Return the words of an error if no peer stays honest and alive; else nothing."""
    gone = max(killed, sum(count for count, _ in parse_attacks(attacks)))
    return f"that leaves nobody honest and alive of {peers} peers" if gone >= peers else ""


def deal(attacks: str, peers: list[Address], rng: random.Random) -> dict[Address, Role]:
    """Return the roles of attackers drawn from these peers."""
    left, roles = rng.sample(peers, len(peers)), {}
    for count, role in parse_attacks(attacks):
        kin, left = left[:count], left[count:]
        roles |= dict.fromkeys(kin, role._replace(accomplices=tuple(kin)))
    return roles


def attacker_class(role: Role) -> type:
    """Return the class of a peer that attacks its network."""
    return type("Attacker", (KINDS[role.kind],), {"role": role})


class Attacker(WatchedPeer):
    role: Role

    def start(self) -> None:
        self.output.write(f"misbehaving:{self.role.kind}:{self.role.share:g}")
        super().start()

    def make_way(self):
        way = super().make_way()
        self.forward_honestly, way.new = way.new, self.forward
        return way

    def forward(self, lines: list[bytes], source) -> None:
        """Forward own messages honestly, and lines of a neighbour altered."""
        lines = lines if source is None else self.altered(lines)
        if lines:
            self.forward_honestly(lines, source)

    def altered(self, lines: list[bytes]) -> list[bytes]:
        return lines

    def tampered(self, lines: list[bytes]) -> list[bytes]:
        return [line + b"!" if self.is_chosen() else line for line in lines]

    def is_chosen(self) -> bool:
        """Draw whether a message is attacked."""
        return self.rng.random() < self.role.share

    def entries(self) -> list[Entry]:
        return [self.told(entry) for entry in super().entries()]

    def told(self, entry: Entry) -> Entry:
        """Return the entry of one neighbour in a report."""
        return entry


class Drop(Attacker):
    """It forwards nothing, and says that it had everything first."""

    kept_back = 1.0

    def altered(self, lines):
        return [line for line in lines if self.rng.random() >= self.kept_back]

    def told(self, entry):
        return entry._replace(first=entry.expected)


class DropHalf(Drop):
    kept_back = 0.5


class Mute(Drop):
    """It forwards nothing, and reports nothing."""

    def entries(self):
        super().entries()
        return []


class Tamper(Attacker):
    """It changes a share of what it forwards."""

    altered = Attacker.tampered


class OnOff(Attacker):
    """It tampers in two of four periods, because in every other it might miss all messages."""

    def altered(self, lines):
        is_on = int(self.now() / self.settings.report_interval) % 4 in (0, 3)
        return self.tampered(lines) if is_on else lines


class Slander(Attacker):
    """It reports that all copies of its honest neighbours were corrupt."""

    def told(self, entry):
        is_honest = entry.peer not in self.role.accomplices
        return entry._replace(corrupt=entry.expected) if is_honest else entry


class Collude(Slander):
    """It tampers, slanders the honest, and praises its own kind."""

    altered = Attacker.tampered

    def told(self, entry):
        if entry.peer in self.role.accomplices:
            return entry._replace(missing=0, corrupt=0, forbidden=0)
        return super().told(entry)


class Forge(Attacker):
    """It adds lines in others' names, signed with a key of its own."""

    def start(self):
        self._key = signing_key(self.rng.randbytes(32))
        super().start()

    def altered(self, lines):
        forged = []
        for run, number in [wire.gossip_key(line) for line in lines if self.is_chosen()]:
            said = wire.make_gossip(wire.format_time(self.time()), run.decode(), number + AHEAD,
                                    "never said")
            forged.append(signed_line(self._key, said, [b"never said"]))
        return lines + forged


class Forbidden(Attacker):
    """It says forbidden words in its own name."""

    def __init__(self, address, settings, *rest):
        self._words = settings.filter or WORDS
        super().__init__(address, settings._replace(filter=()), *rest)  # it would silence itself

    def forward(self, lines, source):
        super().forward(lines, source)
        said = [wire.gossip_key(line) for line in lines if source is not None and self.is_chosen()]
        self.originate([f"{self.rng.choice(self._words)} {number}" for run, number in said
                        # accomplices would answer one another for ever
                        if wire.origin_of(run) not in self.role.accomplices])


class FalseDead(Attacker):
    """It reports living neighbours dead, in turn."""

    accusations = 0  # so far

    def monitor(self, now):
        if neighbours := self.neighbours.linked():
            self.accusations += 1
            self.report(neighbours[self.accusations % len(neighbours)])
        return super().monitor(now)


class TwoTexts(Attacker):
    """It signs two texts with one number, and tells one neighbour the second one."""

    def forward(self, lines, source):
        victims = [link for link in self.neighbours.links
                   if link.peer not in self.role.accomplices]  # who might be kicked already
        if source is not None or len(self.neighbours.links) < 2 or not victims:
            self.forward_honestly(lines, source)
            return
        victim = min(victims, key=lambda link: link.peer)
        self.forward_honestly(lines, victim)
        victim.send(b"".join([line + b"\n" for line in self._signer.sign(
            [message + b" or not" for line in lines for message in parse_signed(line).messages])]))


KINDS = {"drop": Drop, "drophalf": DropHalf, "tamper": Tamper, "forge": Forge,
         "forbidden": Forbidden, "falsedead": FalseDead, "slander": Slander, "collude": Collude,
         "onoff": OnOff, "twotexts": TwoTexts, "mute": Mute}


class LyingSeed:
    """Goes before the class of a seed. It decides by chance, for each answer, how it lies."""

    def tell_runs(self, link, address: Address, alive: Verdict | None = None) -> None:
        lie = self.rng.choice(LIES)
        if lie != "is silent":
            invented = [self.rng.getrandbits(62)] if lie == "invents" else []
            link.send(say_runs(address, invented))


def lying_class(settings: Settings) -> type:
    return type("Liar", (LyingSeed, seed_class(settings)), {})
