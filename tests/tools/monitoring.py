"""Conversations with nodes that monitor: seeds and peers in the hand of a test (virtual.py)."""

import hashlib

from grapevine.addresses import parse_address
from grapevine.monitoring import grammar
from grapevine.monitoring.evidence import contradiction_of
from grapevine.monitoring.peer import WatchedPeer
from grapevine.monitoring.seed import JudgingSeed
from grapevine.monitoring.threaded_tree import SPACE, key_of
from grapevine.signing import ed25519
from grapevine.signing.grammar import parse_signed, signed_line
from tests.tools.signing import KeyMachine, SeedMachine, neighbour, proof, signed, signer
from tests.tools.virtual import NODE, End, Machine, Scene, listed

PERIOD = 10.0
GOOD = (100, 0, 30, 0, 0)  # counts of an entry
BAD = (100, 0, 30, 50, 0)  # a third of the copies was corrupt


def time_of(scene: Scene) -> str:
    """Return TIME by the clock of a node."""
    return f"{scene.node.time():.6f}"


def entries(counts: dict) -> str:
    return " ".join(f"{listed(str(address))}={','.join(map(str, numbers))}"
                    for address, numbers in counts.items())


def evidence(address: str, key=None, number: int = 1) -> str:
    """Return the line by which a key, that of `KeyMachine`, is known to have signed two texts."""
    lines = [parse_signed(signed(address, key or signer(address), number, text).encode())
             for text in ("one", "other")]
    return grammar.say("contradiction", contradiction_of(*lines)).decode().rstrip()


def signed_again(line: str) -> str:
    """Return a line of `KeyMachine`'s key, with one text, that is signed with another nonce."""
    head = line[line.index("gmessage:"):]
    address, text = ":".join(head.split(":")[2:4]), head.split(":", 6)[-1]
    key = ed25519.SigningKey(hashlib.sha256(f"{address} ".encode()).digest())
    key._prefix = b"another"
    return signed_line(key, head.encode(), [text.encode()]).decode()


class Desk(SeedMachine):
    """A seed that registers a peer, and keeps what that reports."""

    def __init__(self, scene: Scene, address: str, listed: str = ""):
        super().__init__(scene, address, listed)
        self.reports: list[tuple] = []  # (START, PERIOD, {neighbour: counts})
        self.link: End | None = None  # over which the node has registered last

    def took(self, end: End, data: bytes) -> None:
        self._from = end
        super().took(end, data)

    def _reply(self, line: str) -> str | None:
        if line.startswith("register:"):
            self.link = self._from
        if not line.startswith("report:"):
            return super()._reply(line)
        start, period, found = grammar.parse(line.encode())[1]
        self.reports.append((start, period, {str(one.peer): one[1:] for one in found}))
        return ""

    def said_of(self, address: str) -> tuple[int, ...]:
        """Return the sums of all that was reported of a neighbour."""
        return tuple(map(sum, zip(*[found[address] for _, _, found in self.reports
                                    if address in found])))


class Reporter(KeyMachine):
    """A peer that is registered with a seed, and reports to it."""

    def __init__(self, scene: Scene, address: str, secret: str = ""):
        super().__init__(scene, address, secret)
        self.period = 0
        self.end = self.register()
        assert self.end.hear() == "registered successfully"

    def register(self) -> End:
        """Ask a seed to be registered, and return the end on which it will answer."""
        end = self.dial()
        end.say(proof(self.key, f"register:{self.address} to {NODE}"), f"register:{self.address}")
        return end

    def report(self, counts: dict, period: int | None = None) -> None:
        self.period = self.period + 1 if period is None else period
        self.end.say(f"report:{self.key.start}:{self.period}:{entries(counts)}")


class OtherSeed(Machine):
    """Another seed of the network of a node, which is a seed. `mouth` is the link that the node has
    dialled, on which this one speaks; `ear` the one on which it listens."""

    def __init__(self, scene: Scene, address: str):
        super().__init__(scene, parse_address(address))
        self.mouth: End | None = None
        self.ear: End | None = None

    def begin(self) -> "OtherSeed":
        """Wait until the node has dialled."""
        while self.mouth is None or self.mouth.closed:
            self.mouth = self.accept()
        assert self.mouth.hear() == f"seed listens:{NODE}"
        return self

    def claim(self) -> str:
        """Dial the node, and return the nonce that it says."""
        self.ear = self.dial()
        self.ear.say(f"seed listens:{self.address}")
        return self.ear.hear_until("seed asks:").partition(":")[2]

    def join(self) -> "OtherSeed":
        """Speak, and be spoken to."""
        if self.mouth is None:
            self.begin()
        self.mouth.say(f"seed confirms:{self.claim()}")
        assert self.ear.hear_until("tree:")
        return self

    def say(self, *lines: str) -> None:
        self.mouth.say(*lines)
        self.scene.run(0.01)

    def told(self, start: str = "verdicts:") -> list[str]:
        """Return the lines that the node has told it, and that begin so."""
        return [line for line in self.ear.hear_all(0.01) if line.startswith(start)]

    def rows(self, seconds: float = 0.1) -> list[tuple]:
        """Return the rows that the node has forwarded: (side, reporter, PERIOD, peers)."""
        heard = [grammar.parse(line.encode())[1] for line in self.ear.hear_all(seconds)
                 if line.startswith("rows:")]
        return [(side, str(reporter), period, [str(one.peer) for one in found])
                for _, side, reporter, _, period, found in heard]


def seed_scene(*others: str, before: tuple[str, ...] = (), **settings):
    """Return the scene of a judging seed, and other seeds, which do not speak yet. Those `before`
    stand before it in config.txt, and so tend the tree."""
    scene = Scene(JudgingSeed, seeds=[*before, NODE, *others], monitor=True, sign=True, **settings)
    return scene, *[OtherSeed(scene, address) for address in (*before, *others)]


def tree(version: int, author: str, *starts: tuple[str, int]) -> str:
    words = " ".join(f"{listed(seed)}={key:024x}" for seed, key in starts)
    return f"tree:{version}:{author}:{words}"


def address_in(first: int, last: int, taken=()) -> str:
    """Return the address of a peer whose key is between two."""
    return next(address for address in (f"127.0.0.1:{port}" for port in range(6000, 7000))
                if address not in taken and first <= key_of(parse_address(address)) <= last)


def pass_periods(scene: Scene, count: int, *seeds: OtherSeed, each=lambda: None) -> None:
    """Let periods pass, in which other seeds tell their load, and `each()` is called."""
    for _ in range(count):
        for seed in seeds:
            seed.mouth.say("load:0:")
        each()
        scene.run(PERIOD)


class Clique:
    """Peers that are all linked, and report it. `told` has what one says of another instead."""

    def __init__(self, scene: Scene, *addresses: str):
        self.scene, self.peers = scene, [Reporter(scene, address) for address in addresses]
        self.told: dict[tuple[str, str], tuple | None] = {}

    def report(self) -> None:
        for one in self.peers:
            if one.end.closed is None:
                names = str(one.address), [str(other.address) for other in self.peers]
                told = {other: self.told.get((names[0], other), GOOD)
                        for other in names[1] if other != names[0]}
                one.report({other: counts for other, counts in told.items() if counts})

    def accuse(self, subject: str, counts: tuple = BAD) -> None:
        self.told |= {(str(one.address), subject): counts for one in self.peers}

    def pass_periods(self, count: int, *seeds: OtherSeed) -> None:
        pass_periods(self.scene, count, *seeds, each=self.report)

    def pass_until(self, event: str, *seeds: OtherSeed) -> None:
        """Let periods pass until the node writes another event that begins so."""
        count, until = len(self.scene.events(event)), self.scene.now + 20 * PERIOD
        while len(self.scene.events(event)) == count:
            self.pass_periods(1, *seeds)
            assert self.scene.now < until


# Seeds with others that are joined, and peers with keys in one half.

ONE, TWO = "127.0.0.1:8001", "127.0.0.1:8002"
A, B, C, D, S = [f"127.0.0.1:{port}" for port in range(6001, 6006)]
HALF, THIRD = SPACE // 2, SPACE // 3
LOW, HIGH = address_in(0, HALF - 1), address_in(HALF, SPACE - 1)
LOWER = [address_in(0, HALF - 1, [LOW])]
LOWER += [address_in(0, HALF - 1, [LOW, *LOWER])]


def rows_line(reporter: str, peer: str, age: float = 0.0, side: str = "about") -> str:
    return f"rows:{age:.3f}:{side}:{reporter}:7:1:{entries({peer: GOOD})}"


def held(scene: Scene, subject: str) -> list[tuple[str, str, int]]:
    """Return the rows that the node holds about a peer, and by it: (side, reporter, PERIOD)."""
    return [(row.side, str(row.reporter), row.period)
            for row in scene.node.rows.of(parse_address(subject))]


def joined_scene(*others: str, **settings):
    scene, *seeds = seed_scene(*others, **settings)
    return scene, *[seed.join() for seed in seeds]


def court(*others: str, **settings):
    """Return the scene of a seed that owns nearly all keys, and other seeds, which are joined. One
    of these tends the tree, so that no load changes it."""
    scene, *seeds = joined_scene(before=others, **settings)
    ends = [SPACE - 1 - at for at in range(len(seeds))][::-1]
    seeds[0].say(tree(5, NODE, (NODE, 0), *zip(others, ends)))
    return scene, *seeds


def trial(*addresses: str, others: tuple[str, ...] = (ONE,), **settings):
    """Return the scene of a court, other seeds, and peers that report one another."""
    scene, *seeds = court(*others, **settings)
    return scene, *seeds, Clique(scene, *addresses)


def reporters(scene: Scene, *addresses: str) -> list[Reporter]:
    return [Reporter(scene, address) for address in addresses]


def seed_with(*addresses: str, others: tuple[str, ...] = (), **settings):
    """Return the scene of a seed, other seeds, which are joined, and peers that report to it."""
    scene, *seeds = joined_scene(*others, **settings)
    return scene, *seeds, *reporters(scene, *addresses)


# Peers that watch.

AWAY = "127.0.0.1:6101"
SEEDS = ["127.0.0.1:8001", "127.0.0.1:8002", "127.0.0.1:8003"]


def watched_scene(*addresses: str, seeds: int = 1, quiet: bool = False, **settings):
    """Return a scene, its seeds, which name all runs, and neighbours: pairs of machine and end.
    Links stand, and a run of the first neighbour counts, unless all is to be `quiet`."""
    settings = {"liveness_interval": 1_000.0, "monitor": True, "sign": True} | settings
    scene = Scene(WatchedPeer, seeds=SEEDS[:seeds], **settings)
    desks = [Desk(scene, address) for address in SEEDS[:seeds]]
    for desk in desks:
        desk.runs = {address: [signer(address).start] for address in (A, B, C, AWAY)}
    scene.event("registered:")
    neighbours = [neighbour(scene, address) for address in addresses]
    if addresses and not quiet:
        scene.run(2.5)
        tell(scene, neighbours[0], 1)
        scene.run(3 * PERIOD)
        for desk in desks:
            desk.reports.clear()
    return scene, *desks, *neighbours


def tell(scene: Scene, by, *numbers: int, of: KeyMachine | None = None) -> list[str]:
    """Have a neighbour say messages of its own, or of another origin; return the lines."""
    machine, end = by
    lines = [(of or machine).signed(number, f"text {number}", time=time_of(scene))
             for number in numbers]
    end.say(*lines)
    scene.run(0.01)
    return lines
