"""Attackers: seeds and peers that lie, for experiments and tests; no program starts one otherwise.

A class of an attacker is made from the class of an honest node, which is handed in.
"""

import collections
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
AHEAD = 1_000_000  # numbers by which a message that is made up is ahead of a real one


def lying(seed_class: type, lie: str) -> type:
    """Return a seed that lies to all who ask about runs, in a way of LIES (accidents.py)."""
    class Liar(seed_class):
        def start_threads(self) -> None:
            super().start_threads()
            answer = _Late(self) if lie == "late" else _LIARS[lie]
            self.vouching.on_runs = functools.partial(answer, self)
    return Liar


def _invent(seed, link, message: grammar.Runs) -> None:
    """Name every run that is asked for, and invented ones."""
    asked = [start for start in message.starts if start]
    invented = [seed.rng.randint(1, wire.NUMBER_LIMIT) for _ in range(INVENTED)]
    link.send(grammar.runs(message.address, asked + invented))


def _name_none(seed, link, message: grammar.Runs) -> None:
    link.send(grammar.runs(message.address, []))


class _Late:
    """Answers the truth when nobody waits for it any more."""

    def __init__(self, seed):
        self._answer = seed.vouching.on_runs
        self._due: collections.deque = collections.deque()  # (when, link, question)
        self._duty = seed.keep("late answers", self._turn)

    def __call__(self, seed, link, message: grammar.Runs) -> None:
        self._due.append((seed.now() + TOO_LATE, link, message))
        self._duty.hurry()

    def _turn(self, now: float) -> float | None:
        while self._due and self._due[0][0] <= now:
            _, link, message = self._due.popleft()
            self._answer(link, message)
        return self._due[0][0] if self._due else None


_LIARS = {"false": _invent, "never": lambda *question: None, "none": _name_none}


def misbehaving(peer_class: type, role: Role) -> type:
    """Return a peer that attacks its network in the way of its role, of ATTACKS (accidents.py)."""
    attack_class = _ATTACKS[role.kind]

    class Attacker(peer_class):
        def __init__(self, address: Address, seeds: list[Address], settings, *rest):
            self.forbidden = settings.filter.words
            if attack_class is _Forbidden:  # else it would not say what is forbidden
                settings = settings._replace(filter=Filter())
            super().__init__(address, seeds, settings, *rest)

        def start_threads(self) -> None:
            self.output.write(f"misbehaving:{role.kind}:{role.share:g}")
            self.attack = attack_class(self, role)
            super().start_threads()
    return Attacker


class _Attack:
    """Stands in for two methods of a peer: how lines go on, and what is reported. Honest in all
    that its subclasses do not change."""

    def __init__(self, peer, role: Role):
        self.peer = peer
        self.share = role.share
        self.accomplices = set(role.accomplices)
        self.forward_honestly = peer.spreading.way.forward
        self.report_honestly = peer.reporting.entries
        peer.spreading.way.forward = self._forward
        peer.reporting.entries = self.entries

    def _forward(self, lines: list[bytes], source, covers: list[bytes] = ()) -> None:
        """Forward messages made here as they are, and the others by the attack."""
        if source is None or not covers:
            self.forward_honestly(lines, source, covers)
        else:
            self.forward(lines, source, covers)

    def forward(self, lines: list[bytes], source, covers: list[bytes]) -> None:
        """Forward lines that a neighbour has brought; `covers` has the signed line of each."""
        self.forward_honestly(lines, source, covers)

    def entries(self) -> list[Entry]:
        """Return the report of a period."""
        return [self.told(entry) for entry in self.report_honestly()]

    def told(self, entry: Entry) -> Entry:
        """Return the entry of one neighbour in a report."""
        return entry

    def is_chosen(self) -> bool:
        """Return whether a message is among the share that is attacked."""
        return self.peer.rng.random() < self.share


class _Drop(_Attack):
    """Forwards nothing, and claims the excuses of those who bring all first."""

    def forward(self, lines, source, covers):
        pass

    def told(self, entry):
        return entry._replace(first=entry.expected)


class _DropHalf(_Drop):
    """Forwards one half of the messages."""

    def forward(self, lines, source, covers):
        kept = [pair for pair in zip(lines, covers) if self.peer.rng.random() < 0.5]
        if kept:
            lines, covers = zip(*kept)
            self.forward_honestly(list(lines), source, list(covers))


class _Mute(_Drop):
    """Forwards nothing, and names no neighbour."""

    def entries(self):
        self.report_honestly()
        return []


class _Tamper(_Attack):
    """Changes a share of what it forwards."""

    def forward(self, lines, source, covers):
        lines = [line + b"!" if self.is_chosen() else line for line in lines]
        self.forward_honestly(lines, source, covers)


class _OnOff(_Tamper):
    """Tampers in two of four periods: the first and the last. In strictly every other one it would
    attack all of what is said every two periods, or nothing."""

    def forward(self, lines, source, covers):
        is_on = int(self.peer.now() / self.peer.settings.report_interval) % 4 in (0, 3)
        forward = super().forward if is_on else self.forward_honestly
        forward(lines, source, covers)


class _Forge(_Attack):
    """Signs lines in the names of others with a key of its own."""

    def __init__(self, peer, role):
        super().__init__(peer, role)
        self._key = signing_key(peer.rng.randbytes(32))

    def forward(self, lines, source, covers):
        forged = [self._forged(line) for line in lines if self.is_chosen()]
        self.forward_honestly([*lines, *[line for line, _ in forged]], source,
                              [*covers, *[cover for _, cover in forged]])

    def _forged(self, line: bytes) -> tuple[bytes, bytes]:
        """A later message of the same run, which nobody has said, and a signed line for it."""
        run, number, _ = wire.gossip_fields(line)
        number += AHEAD
        address, _, start = run.decode().rpartition(":")
        time = wire.format_time(self.peer.time())
        said = wire.gossip(time, parse_address(address), int(start), number, "never said")
        head = grammar.signed_head(run, number, self._key.public,
                                hashlib.sha256(said).digest()[:grammar.HASH_SIZE])
        return said, grammar.signed(head, self._key.sign(head))


class _Forbidden(_Attack):
    """Says forbidden words in its own name."""

    def forward(self, lines, source, covers):
        self.forward_honestly(lines, source, covers)
        texts = []
        for run, number in map(wire.gossip_key, lines):
            address = parse_address(run.rpartition(b":")[0].decode())
            # accomplices would answer one another for ever
            if address not in self.accomplices and self.is_chosen():
                texts.append(f"{self.peer.rng.choice(self.peer.forbidden)} {number}")
        if texts:
            self.peer.spreading.originate(self.peer.spreading.make(texts))


class _FalseDead(_Attack):
    """Reports one living neighbour after the other dead."""

    def __init__(self, peer, role):
        super().__init__(peer, role)
        self._accused = 0  # how many so far
        peer.keep("false deaths", self._turn, after=peer.settings.report_interval)

    def _turn(self, now: float) -> float:
        neighbours = sorted(self.peer.neighbours.addresses())
        if neighbours:
            self._accused += 1
            accused = neighbours[self._accused % len(neighbours)]
            self.peer.joining.report(wire.DeadNode(
                accused, wire.format_time(self.peer.time()), self.peer.address))
        return now + self.peer.settings.report_interval


class _Slander(_Attack):
    """Reports that whatever the honest forward is corrupt."""

    def told(self, entry):
        if entry.peer in self.accomplices:
            return entry
        return entry._replace(corrupt=entry.expected)


class _TwoTexts(_Attack):
    """Signs two texts with one number: one neighbour gets the one, all others the other."""

    def _forward(self, lines, source, covers=()):
        links = self.peer.neighbours.links()
        if source is not None or len(links) < 2:
            self.forward_honestly(lines, source, covers)
            return
        victim = min(links, key=lambda link: link.peer)
        self.forward_honestly(lines, victim, covers)
        lines = [line + b" or not" for line in lines]
        victim.send(b"".join(line + b"\n" for line in self.peer.spreading.signed(lines)))


class _Collude(_Tamper):
    """Tampers, slanders the honest, praises its kind."""

    def told(self, entry):
        if entry.peer in self.accomplices:
            return entry._replace(missing=0, corrupt=0, forbidden=0)
        return entry._replace(corrupt=entry.expected)


_ATTACKS = {"drop": _Drop, "drophalf": _DropHalf, "tamper": _Tamper, "forge": _Forge,
            "forbidden": _Forbidden, "falsedead": _FalseDead, "slander": _Slander,
            "collude": _Collude, "onoff": _OnOff, "twotexts": _TwoTexts, "mute": _Mute}
