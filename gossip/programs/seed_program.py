"""The program seed.py, from its command line to its end."""

import collections
import time

from gossip.addresses import Address
from gossip.events import about, parted
from gossip.net.live_world import LiveWorld
from gossip.programs.starting import (
    check_free, known_to, local_seeds, node_at, open_output, own_address, start_node)
from gossip.settings import majority
from gossip.terminal.command_line import (
    OF_SEEDS, STANDARD_OUTPUT, CommandError, Parser, add_address, add_common_flags, add_settings,
    complain, load_seeds, peer_settings, run_command, show, typed_address)
from gossip.terminal.folders import command, commands, peer_command, ports
from gossip.terminal.input import End
from gossip.terminal.screen import NOTHING, Screen, StatusLine, folded
from gossip.terminal.words import FORMS, many
from gossip.tools import Recent

INDENT = 12  # columns before the second line of a sentence
REMEMBERED = 10_000  # ended peers, limited because an attacker may invent addresses
GATHER = 0.5  # seconds in which a peer may register with several seeds, before it is shown
RAW = ("failed", "full", "lost")  # kinds of events that are shown unchanged


def seed_main(seed_class) -> int:
    return run_command("seed.py", _seed_command, seed_class)


def _seed_command(seed_class) -> None:
    parser = Parser(prog="seed.py", description="One seed, or all local ones of config.txt.")
    add_address(parser, "the seed to run, also as HOST:PORT; a port alone: the local seed that has "
                        "it")
    add_common_flags(parser, of_node=True)
    add_settings(parser, *OF_SEEDS)
    args = parser.parse_args()
    seeds = load_seeds(args.config)
    typed = typed_address(parser, args)
    if typed is None:
        addresses = local_seeds(seeds)
    else:
        addresses = [node_at(typed, seeds) if isinstance(typed, int) else own_address(typed)]
    run_seeds(seed_class, addresses, seeds, args)


def run_seeds(seed_class, addresses, seeds, args, in_words: bool = False) -> None:
    """Run seeds until a signal, or until a seed cannot start. With `in_words`, show a line for each
    peer that comes or goes, and what to do next."""
    is_log = args.outputs == STANDARD_OUTPUT
    if is_log and len(addresses) > 1:
        raise CommandError(f"--outputs - is for a single seed, not for {len(addresses)}: give its "
                           "PORT")
    end, settings, running = End(), peer_settings(args), []
    if in_words:
        screen = SeedScreen(SeedWords(majority(len(seeds)), len(addresses)),
                            f"The proof: {command('check', args.outputs)}")
    else:
        screen = None if args.quiet or is_log else Screen()
    try:
        for address in addresses:
            known = known_to(address, seeds, settings.monitor)
            if address not in known:
                complain(f"seed.py: {address} is not in {args.config.name}: peers will not find it")
            check_free(address)
            output = open_output(args.outputs, "seed", address, settings.file_limit,
                                 screen and screen.of(address))
            seed = seed_class(address, known, settings, output, LiveWorld)
            start_node(seed)
            running.append(seed)
        if in_words:
            screen.say(_what_next(addresses, args))
        end.wait()
    finally:
        for seed in running:
            seed.stop()
    if screen is not None:
        screen.close()


def _what_next(addresses: list[Address], args) -> str:
    names = " ".join(ports(map(str, addresses)))
    verb = "seed is" if len(addresses) == 1 else "seeds are"
    return "\n".join([
        f"{len(addresses)} {verb} up: {names}   ({args.config.name})", "", commands(
            (peer_command(args.config, args.outputs, args.monitor),
             "a peer, in another terminal; as many as you like"),
            (command("watch", args.outputs), "the network in a browser"),
            (command("check", args.outputs), "the proof, whenever you like")),
        "Ctrl-C ends the seeds; the peers go on.", ""])


class SeedWords:
    """The narrator of seeds' events. A peer is shown GATHER after it came, or when `wanted` seeds
    list it, or both; and when the last seed removes it. One goodbye is enough. `_on_<kind>` takes
    seed, peer, rest."""

    def __init__(self, wanted: int, seeds: int):
        self._wanted = wanted
        self._seeds = seeds  # of this process
        self._lines: list[str] = []  # to show
        self._now, self._clock = 0.0, ""  # of the present event
        self._listed: dict[str, dict[Address, None]] = {}  # peer -> the seeds that list it
        self._coming: dict[str, tuple[float, str]] = {}  # peer to show -> when, and its first time
        self._early: set[str] = set()  # peers shown while fewer than `wanted` seeds listed them
        self._ended = Recent(REMEMBERED)  # peer that a seed has removed -> why
        self._ends: collections.Counter[str] = collections.Counter()  # why -> how many peers
        self._reported = Recent(REMEMBERED)  # peer whose death was reported -> True
        self._host: str | None = None  # of the first peer

    def due_in(self, now: float) -> float | None:
        """Return the seconds until a peer is to be shown; None if none waits."""
        return min((max(0.0, at - now) for at, _ in self._coming.values()), default=None)

    def tell(self, now: float, clock: str, events: list[str], seed: Address | None) -> list[str]:
        """Return lines about peers that came GATHER seconds ago, and events at `HH:MM:SS…`."""
        self._lines, self._now, self._clock = [], now, clock[:8]
        for peer in [peer for peer, (at, _) in self._coming.items() if at <= now]:
            self._tell_coming(peer)
            self._early.add(peer)
        for event in events:
            kind, peer, rest = parted(event.replace("Dead Node:", "", 1))
            tell = getattr(self, f"_on_{kind.replace(' ', '_')}", None)
            if tell is not None and peer:
                tell(seed, peer, rest)
            elif kind in RAW:
                self._lines.append(f"{self._clock}    seed {seed.port}: {event}")
        return self._lines

    def _on_registered(self, seed: Address, peer: str, _: str) -> None:
        listed = self._listed.setdefault(peer, {})
        ended = self._ended.pop(peer)  # None if it is new, or was forgotten
        if not listed:
            self._ends[ended] -= 1
            self._reported.pop(peer)
            self._coming[peer] = self._now + GATHER, self._clock
        listed[seed] = None
        if len(listed) >= self._wanted:
            if peer in self._early:
                self._early.remove(peer)
                self._coming[peer] = self._now, self._clock
            self._tell_coming(peer)

    def _tell_coming(self, peer: str) -> None:
        _, clock = self._coming.pop(peer, (0.0, None))
        if clock is not None:
            names = " ".join(sorted(str(seed.port) for seed in self._listed[peer]))
            self._lines.append(f"{clock}  + {self._name(peer):<12} known to {names}")

    def _on_removed(self, seed: Address, peer: str, why: str) -> None:
        listed = self._listed.get(peer, {})
        if seed not in listed:
            return
        self._tell_coming(peer)
        del listed[seed]
        if why == "gone" and self._ended.get(peer) == "left":
            why = "left"  # because another seed has heard its goodbye
        self._ended.put(peer, why)
        if not listed:
            del self._listed[peer]
            self._early.discard(peer)
            self._ends[why] += 1
            self._say("removed", peer, why)

    def _on_dead_report(self, _: Address, peer: str, rest: str) -> None:
        reporter, _ = about(rest.partition(":")[2])
        is_known = peer in self._listed or self._ended.get(peer)
        if reporter and is_known and self._reported.add(peer, True):
            self._say("dead report", reporter, self._name(peer))

    def _on_rejected(self, _: Address, peer: str, rest: str) -> None:
        if about(rest.partition(":")[2])[1] == "it answers" and self._reported.pop(peer):
            self._say("rejected", peer)

    def _say(self, kind: str, other: str, rest: str = "") -> None:
        form = FORMS.get(f"{kind} {rest}", FORMS[kind])
        text = form.mine.format(other=self._name(other), rest=rest)
        self._lines.append(f"{self._clock}  {form.sign} {text}")

    def status(self) -> str:
        """Return a line with the seeds and the listed peers."""
        names = [self._name(peer) for peer in sorted(self._listed, key=lambda peer: (
            peer.rpartition(":")[0], int(peer.rpartition(":")[2])))]
        return (f"{many(self._seeds, 'seed')}, {many(len(names), 'peer')}"
                f"{':' if names else ''} {' '.join(names)}".rstrip())

    def summary(self) -> str:
        """Return how many peers came, left, died, and were shut out."""
        ended = sum(count for why, count in self._ends.items() if why is not None)
        left, died = self._ends["left"], self._ends["gone"] + self._ends["dead"]
        out = ended - left - died
        return (f"{many(len(self._listed) + ended, 'peer')} came, {left} left, {died} died"
                f"{f', {out} were shut out' if out else ''}")

    def _name(self, peer: str) -> str:
        """Return a peer's port, or its address if on another IP."""
        host, _, port = peer.rpartition(":")
        self._host = self._host or host
        return port if host == self._host else peer


class SeedScreen(Screen):
    """A screen that shows seeds' events in words, above a status line."""

    def __init__(self, words: SeedWords, last: str):
        self._words, self._last = words, last
        self._status = StatusLine()
        self._begun = time.monotonic()
        super().__init__()

    # The screen's thread calls these.

    def _due_in(self) -> float | None:
        return self._words.due_in(time.monotonic())

    def _show(self, item) -> None:
        if said := isinstance(item, str):
            self._status.above(item, 4)
        lines = self._words.tell(time.monotonic(), *(NOTHING if said else item))
        if self.dropped and self._queue.empty():
            with self._lock:
                dropped, self.dropped = self.dropped, 0
            lines.append(f"{'':{INDENT}}{many(dropped, 'event')} not shown, because the terminal "
                         "was blocked; the output files have all")
        for line in lines:
            self._status.above(line, INDENT)
        if said or lines:
            self._status.update(self._words.status())

    def _end(self) -> None:
        self._show(NOTHING)
        self._status.clear()
        minutes, seconds = divmod(round(time.monotonic() - self._begun), 60)
        show(folded(f"The seeds have ended after {f'{minutes} min ' if minutes else ''}{seconds} "
                    f"s: {self._words.summary()}. {self._last}"))
