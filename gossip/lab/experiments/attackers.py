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
    """Return the class of a seed that lies about runs, or answers truthfully, but too late, or
    never."""
    class Liar(seed_class):
        def start_threads(self) -> None:
            super().start_threads()
            self.answer_honestly, self.vouching.on_runs = self.vouching.on_runs, self.answer

        def answer(self, link, message: grammar.Runs) -> None:
            if lie == "late":
                self.flusher.take_over(
                    functools.partial(self.answer_honestly, link, message), TOO_LATE)
            elif lie == "false":  # name every run that is asked for, and invented runs
                asked = [start for start in message.starts if start]
                invented = [self.rng.randint(1, wire.NUMBER_LIMIT) for _ in range(INVENTED)]
                link.send(grammar.runs(message.address, asked + invented))
            elif lie == "none":
                link.send(grammar.runs(message.address, []))
    return Liar


def misbehaving(peer_class: type, role: Role) -> type:
    """Return the class of a peer that attacks its network."""
    return type("Attacker", (_MORE.get(role.kind, _Attacker), peer_class), {"role": role})


class _Attacker:
    """Turn a peer into an attacker, which forwards or reports by its role. A subclass does more."""

    role: Role

    def start_threads(self) -> None:
        self.output.write(f"misbehaving:{self.role.kind}:{self.role.share:g}")
        self.forward_honestly = self.spreading.way.forward
        self.report_honestly = self.reporting.entries
        self.spreading.way.forward = self.forward
        self.reporting.entries = self.entries
        super().start_threads()

    def forward(self, lines: list[bytes], source, covers: list[bytes] = ()) -> None:
        """Forward own messages honestly, and lines of a neighbour altered."""
        if source is not None and covers:
            pairs = self.altered(list(zip(lines, covers)))
            lines, covers = [line for line, _ in pairs], [cover for _, cover in pairs]
        if lines:
            self.forward_honestly(lines, source, covers)

    def altered(self, pairs: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return what to forward of a neighbour's lines and their signed lines."""
        match self.role.kind:
            case "drop" | "mute":
                return []
            case "drophalf":
                return [pair for pair in pairs if self.rng.random() < 0.5]
            # onoff tampers in two of four periods; in every other period it would miss all of what
            # is said every two periods, or nothing
            case "onoff" if int(self.now() / self.settings.report_interval) % 4 not in (0, 3):
                return pairs
            case "tamper" | "onoff" | "collude":
                return [(line + b"!" if self.is_chosen() else line, cover) for line, cover in pairs]
        return pairs

    def entries(self) -> list[Entry]:
        """Return what to report of the neighbours."""
        entries = self.report_honestly()  # whose counts begin anew
        return [] if self.role.kind == "mute" else [self.told(entry) for entry in entries]

    def told(self, entry: Entry) -> Entry:
        """Return the entry of one neighbour in a report."""
        match self.role.kind, entry.peer in self.role.accomplices:
            case "drop" | "drophalf", _:
                return entry._replace(first=entry.expected)  # it was always first
            case "slander" | "collude", False:
                return entry._replace(corrupt=entry.expected)
            case "collude", True:
                return entry._replace(missing=0, corrupt=0, forbidden=0)  # praises its own kind
        return entry

    def is_chosen(self) -> bool:
        """Draw whether a message is attacked."""
        return self.rng.random() < self.role.share


class _Forge(_Attacker):
    """An attacker that signs lines in other names with its own key."""

    def start_threads(self):
        self.forging_key = signing_key(self.rng.randbytes(32))
        super().start_threads()

    def altered(self, pairs):
        forged, key = [], self.forging_key
        for run, number, _ in (wire.gossip_fields(line) for line, _ in pairs if self.is_chosen()):
            number += AHEAD
            address, _, start = run.decode().rpartition(":")
            time = wire.format_time(self.time())
            said = wire.gossip(time, parse_address(address), int(start), number, "never said")
            named = hashlib.sha256(said).digest()[:grammar.HASH_SIZE]
            forged.append((said, grammar.signed(run, number, key.public, named, key.sign)))
        return pairs + forged


class _Forbidden(_Attacker):
    """An attacker that says forbidden words in its own name."""

    def __init__(self, address: Address, seeds: list[Address], settings, *rest):
        self.forbidden = settings.filter.words
        settings = settings._replace(filter=Filter())  # its own filter would silence it
        super().__init__(address, seeds, settings, *rest)

    def forward(self, lines, source, covers=()):
        super().forward(lines, source, covers)
        texts = []
        for run, number in map(wire.gossip_key, lines if source is not None and covers else ()):
            address = parse_address(run.rpartition(b":")[0].decode())
            # accomplices would answer one another for ever
            if address not in self.role.accomplices and self.is_chosen():
                texts.append(f"{self.rng.choice(self.forbidden)} {number}")
        if texts:
            self.spreading.originate(self.spreading.make(texts))


class _FalseDead(_Attacker):
    """An attacker that reports living neighbours dead, in turn."""

    accusations = 0  # so far

    def start_threads(self):
        self.keep("false deaths", self.accuse, after=self.settings.report_interval)
        super().start_threads()

    def accuse(self, now: float) -> float:
        if neighbours := sorted(self.neighbours.addresses()):
            self.accusations += 1
            accused = neighbours[self.accusations % len(neighbours)]
            self.joining.report(wire.DeadNode(accused, wire.format_time(self.time()), self.address))
        return now + self.settings.report_interval


class _TwoTexts(_Attacker):
    """An attacker that signs two texts with one number, for different neighbours."""

    def forward(self, lines, source, covers=()):
        links = self.neighbours.links()
        # an accomplice would tell nobody of the other text, because it may be kicked already
        victims = [link for link in links if link.peer not in self.role.accomplices]
        if source is not None or len(links) < 2 or not victims:
            self.forward_honestly(lines, source, covers)
            return
        victim = min(victims, key=lambda link: link.peer)
        self.forward_honestly(lines, victim, covers)
        lines = [line + b" or not" for line in lines]
        victim.send(b"".join(line + b"\n" for line in self.spreading.behind_covers(lines)))


_MORE = {"forge": _Forge, "forbidden": _Forbidden, "falsedead": _FalseDead, "twotexts": _TwoTexts}
