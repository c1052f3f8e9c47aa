"""Seeds and peers that attack their network, for experiments and tests alone.

The class of an attacker is derived from the class of an honest node, which is handed in.
"""

import functools
import hashlib

from gossip import wire
from gossip.addresses import Address, parse_address
from gossip.lab.experiments.accidents import Role
from gossip.monitoring.grammar import Entry
from gossip.settings import Filter
from gossip.signing import grammar
from gossip.signing.ed25519 import signing_key

TOO_LATE = 3.0  # seconds until a late answer; a peer waits for two
INVENTED = 2  # runs that a liar adds to an answer
AHEAD = 1_000_000  # by which the number of a forged message is ahead of a real one


def lying(seed_class: type, lie: str) -> type:
    """Return the class of a seed that lies about runs."""
    class Liar(seed_class):
        def start_threads(self) -> None:
            super().start_threads()
            self.vouching.on_runs = functools.partial(_LIARS[lie], self, self.vouching.on_runs)
    return Liar


def _invent(seed, answer, link, message: grammar.Runs) -> None:
    """Name every run that is asked for, and invented runs."""
    asked = [start for start in message.starts if start]
    invented = [seed.rng.randint(1, wire.NUMBER_LIMIT) for _ in range(INVENTED)]
    link.send(grammar.runs(message.address, asked + invented))


def _dawdle(seed, answer, link, message: grammar.Runs) -> None:
    """Answer truthfully, but too late."""
    seed.flusher.take_over(functools.partial(answer, link, message), TOO_LATE)


_LIARS = {"false": _invent, "late": _dawdle, "never": lambda *question: None,
          "none": lambda seed, answer, link, message: link.send(grammar.runs(message.address, []))}


def misbehaving(peer_class: type, role: Role) -> type:
    """Return the class of a peer that attacks its network."""
    attack_class = _ATTACKS[role.kind]

    class Attacker(peer_class):
        def __init__(self, address: Address, seeds: list[Address], settings, *rest):
            self.forbidden = settings.filter.words
            if attack_class is _Forbidden:  # otherwise its own filter would silence it
                settings = settings._replace(filter=Filter())
            super().__init__(address, seeds, settings, *rest)

        def start_threads(self) -> None:
            self.output.write(f"misbehaving:{role.kind}:{role.share:g}")
            self.attack = attack_class(self, role)
            super().start_threads()
    return Attacker


class _Attack:
    """An attacker whose methods are honest, unless a subclass overrides them."""

    def __init__(self, peer, role: Role):
        self.peer = peer
        self.share = role.share
        self.accomplices = set(role.accomplices)
        self.forward_honestly = peer.spreading.way.forward
        self.report_honestly = peer.reporting.entries
        peer.spreading.way.forward = self.forward
        peer.reporting.entries = self.entries

    def forward(self, lines: list[bytes], source, covers: list[bytes] = ()) -> None:
        """Forward own messages honestly, and lines of a neighbour altered."""
        if source is not None and covers:
            pairs = self.altered(list(zip(lines, covers)))
            lines, covers = [line for line, _ in pairs], [cover for _, cover in pairs]
        if lines:
            self.forward_honestly(lines, source, covers)

    def altered(self, pairs: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return what to forward of a neighbour's lines and their signed lines."""
        return pairs

    def entries(self) -> list[Entry]:
        return [self.told(entry) for entry in self.report_honestly()]

    def told(self, entry: Entry) -> Entry:
        """Return the entry of one neighbour in a report."""
        return entry

    def is_chosen(self) -> bool:
        """Draw whether a message is attacked."""
        return self.peer.rng.random() < self.share


class _Drop(_Attack):
    """An attacker that forwards nothing, and reports every neighbour as always first."""

    def altered(self, pairs):
        return []

    def told(self, entry):
        return entry._replace(first=entry.expected)


class _DropHalf(_Drop):
    """An attacker that forwards half of the messages."""

    def altered(self, pairs):
        return [pair for pair in pairs if self.peer.rng.random() < 0.5]


class _Mute(_Drop):
    """An attacker that forwards nothing, and sends empty reports."""

    def entries(self):
        self.report_honestly()
        return []


class _Tamper(_Attack):
    """An attacker that changes a share of what it forwards."""

    def altered(self, pairs):
        return [(line + b"!" if self.is_chosen() else line, cover) for line, cover in pairs]


class _OnOff(_Tamper):
    """An attacker that tampers in two of four periods."""

    def altered(self, pairs):
        # in every other period it would miss all of what is said every two periods, or nothing
        is_on = int(self.peer.now() / self.peer.settings.report_interval) % 4 in (0, 3)
        return super().altered(pairs) if is_on else pairs


class _Forge(_Attack):
    """An attacker that signs lines in other names with its own key."""

    def __init__(self, peer, role):
        super().__init__(peer, role)
        self._key = signing_key(peer.rng.randbytes(32))

    def altered(self, pairs):
        return pairs + [self._forged(line) for line, _ in pairs if self.is_chosen()]

    def _forged(self, line: bytes) -> tuple[bytes, bytes]:
        """Return a later message of the run, and its signed line."""
        run, number, _ = wire.gossip_fields(line)
        number += AHEAD
        address, _, start = run.decode().rpartition(":")
        time = wire.format_time(self.peer.time())
        said = wire.gossip(time, parse_address(address), int(start), number, "never said")
        named = hashlib.sha256(said).digest()[:grammar.HASH_SIZE]
        return said, grammar.signed(run, number, self._key.public, named, self._key.sign)


class _Forbidden(_Attack):
    """An attacker that says forbidden words in its own name."""

    def forward(self, lines, source, covers=()):
        super().forward(lines, source, covers)
        texts = []
        for run, number in map(wire.gossip_key, lines if source is not None and covers else ()):
            address = parse_address(run.rpartition(b":")[0].decode())
            # accomplices would answer one another for ever
            if address not in self.accomplices and self.is_chosen():
                texts.append(f"{self.peer.rng.choice(self.peer.forbidden)} {number}")
        if texts:
            self.peer.spreading.originate(self.peer.spreading.make(texts))


class _FalseDead(_Attack):
    """An attacker that reports living neighbours dead, in turn."""

    def __init__(self, peer, role):
        super().__init__(peer, role)
        self._accused = 0  # so far
        peer.keep("false deaths", self._turn, after=peer.settings.report_interval)

    def _turn(self, now: float) -> float:
        if neighbours := sorted(self.peer.neighbours.addresses()):
            self._accused += 1
            accused = neighbours[self._accused % len(neighbours)]
            self.peer.joining.report(wire.DeadNode(
                accused, wire.format_time(self.peer.time()), self.peer.address))
        return now + self.peer.settings.report_interval


class _Slander(_Attack):
    """An attacker that reports everything of honest neighbours as corrupt."""

    def told(self, entry):
        if entry.peer in self.accomplices:
            return entry
        return entry._replace(corrupt=entry.expected)


class _TwoTexts(_Attack):
    """An attacker that signs two texts with one number, for different neighbours."""

    def forward(self, lines, source, covers=()):
        links = self.peer.neighbours.links()
        if source is not None or len(links) < 2:
            self.forward_honestly(lines, source, covers)
            return
        victim = min(links, key=lambda link: link.peer)
        self.forward_honestly(lines, victim, covers)
        lines = [line + b" or not" for line in lines]
        victim.send(b"".join(line + b"\n" for line in self.peer.spreading.signed(lines)))


class _Collude(_Tamper):
    """An attacker that tampers, slanders the honest, and praises its accomplices."""

    def told(self, entry):
        if entry.peer in self.accomplices:
            return entry._replace(missing=0, corrupt=0, forbidden=0)
        return entry._replace(corrupt=entry.expected)


_ATTACKS = {"drop": _Drop, "drophalf": _DropHalf, "tamper": _Tamper, "forge": _Forge,
            "forbidden": _Forbidden, "falsedead": _FalseDead, "slander": _Slander,
            "collude": _Collude, "onoff": _OnOff, "twotexts": _TwoTexts, "mute": _Mute}
