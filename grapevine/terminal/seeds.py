"""The seeds of runner.py: on a terminal, a line for each peer that comes or goes."""

import argparse
import os
import time

from grapevine.addresses import Address
from grapevine.events import about, parted
from grapevine.settings import majority
from grapevine.terminal.command_line import (
    FAILED, OF_SEEDS, PLAIN, CommandError, Parser, add_common, add_settings, load_seeds, show)
from grapevine.terminal.folders import command, commands, peer_command, ports
from grapevine.terminal.programs import begin_seeds, known_seeds
from grapevine.terminal.screen import CLOCK, Screen, StatusLine, folded, obeys
from grapevine.terminal.starting import (
    block_signals, is_taken, open_output, prepare_descriptors, seed_addresses, wait_for_end)
from grapevine.terminal.words import many, sentence
from grapevine.tools import Recent

INDENT = 12  # columns before the second line of a sentence
REMEMBERED = 10_000  # ended peers, limited because an attacker may invent addresses
GATHER = 0.5  # seconds in which a peer may register with several seeds, before it is shown
PORT_PATIENCE = 5.0  # seconds to find out which program has a port
OF_NETWORKS = {  # a flag that is for more than seeds -> what it needs
    "watch": "--watch needs --peers N; to look at what runs already: python runner.py watch",
    **dict.fromkeys(("once", "kill", "malicious"), "--once, --kill and --malicious need --peers"),
    **dict.fromkeys(("watch-port", "watch-host"),
                    "--watch-port and --watch-host need --peers and --watch")}


def run_all_seeds(arguments: list[str]) -> int:
    """Run the seeds of config.txt that are here until Ctrl-C, appending to their output files."""
    parser = Parser(prog="runner.py", description="All seeds of config.txt that are here.")
    add_common(parser)
    add_settings(parser, OF_SEEDS)
    parser.switch("--plain", PLAIN)
    for name in ("peers", *OF_NETWORKS):  # so that they are known words
        parser.add_argument(f"--{name}", dest=name, nargs="?", const="", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    for name, needs in OF_NETWORKS.items():
        if vars(args)[name] is not None:
            parser.error(needs)
    seeds = load_seeds(args.config)
    local, known = seed_addresses(None, seeds), known_seeds(seeds, args.monitor)
    check_ports(local, args.config)
    prepare_descriptors()
    if in_words := obeys() and not (args.plain or args.quiet):
        block_signals()
        words = SeedWords(majority(len(seeds)), len(local))
        screen = SeedScreen(words, f"The proof: {command('check', args.outputs)}")
    else:
        open_output(args.outputs, "seed", local[0], None).close()  # or it says why not
        show(f"{len(local)} seeds; start peers with: python peer.py   (Ctrl-C stops the seeds)")
        block_signals()
        screen = Screen()
    worlds = begin_seeds(local, known, args, None if args.quiet else screen)
    if in_words:
        screen.say(what_next(local, args))
    return wait_for_end(worlds, screen)


def check_ports(seeds: list[Address], config: str) -> None:
    """Raise CommandError when another program listens where seeds should."""
    running = [seed for seed in seeds if is_taken(seed)]
    if not running:
        return
    from grapevine.lab.status import ask_seed  # not above, because free ports need it not

    for seed in running:
        if ask_seed(seed, PORT_PATIENCE).took is None:
            raise CommandError(f"another program has port {seed.port}: change "
                               f"{os.path.basename(config)}", FAILED)
    if running == seeds:
        raise CommandError("the seeds run already; go on with: python peer.py", FAILED)
    raise CommandError(f"{len(running)} of {len(seeds)} seeds run already "
                       f"({', '.join(ports(running))}); start each of the others with: "
                       "python seed.py IP:PORT", FAILED)


def what_next(addresses: list[Address], args) -> str:
    names = " ".join(ports(addresses))
    verb = "seed is" if len(addresses) == 1 else "seeds are"
    return "\n".join([
        f"{len(addresses)} {verb} up: {names}   ({os.path.basename(args.config)})", "", commands(
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
        self._reported = Recent(REMEMBERED)  # peer whose death was reported -> True
        self._host: str | None = None  # of the first peer

    def due_in(self, now: float) -> float | None:
        """Return the seconds until a peer is to be shown; None if none waits."""
        return min((max(0.0, at - now) for at, _ in self._coming.values()), default=None)

    def tell(self, now: float, line: str = "", seed: Address | None = None) -> list[str]:
        """Return lines about peers that came GATHER seconds ago, and about a seed's event, if any:
        `HH:MM:SS.mmm EVENT`."""
        self._lines, self._now, self._clock = [], now, line[:8]
        for peer in [peer for peer, (at, _) in self._coming.items() if at <= now]:
            self._tell_coming(peer)
            self._early.add(peer)
        event = line[CLOCK:]
        kind, peer, rest = parted(event.replace("Dead Node:", "", 1))
        tell = getattr(self, f"_on_{kind.replace(' ', '_')}", None)
        if tell is not None and peer:
            tell(seed, peer, rest)
        elif kind == "failed":
            self._lines.append(f"{self._clock}    seed {seed.port}: {event}")
        return self._lines

    def _on_registered(self, seed: Address, peer: str, _: str) -> None:
        listed = self._listed.setdefault(peer, {})
        self._ended.pop(peer, None)
        if not listed:
            self._reported.pop(peer, None)
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

    def _on_removed(self, seed: Address, peer: str, rest: str) -> None:
        why = rest.partition(":")[0] if rest.startswith("gone:") else rest
        listed = self._listed.get(peer, {})
        if seed not in listed:
            return
        self._tell_coming(peer)
        del listed[seed]
        if why == "gone" and self._ended.get(peer) == "left":
            why = "left"  # because another seed has heard its goodbye
        self._ended[peer] = why
        if not listed:
            del self._listed[peer]
            self._early.discard(peer)
            self._say("removed", peer, why)

    def _on_dead_report(self, _: Address, peer: str, rest: str) -> None:
        reporter, _ = about(rest.partition(":")[2])
        is_known = peer in self._listed or self._ended.get(peer)
        if reporter and is_known and peer not in self._reported:
            self._reported[peer] = True
            self._say("dead report", reporter, self._name(peer))

    def _on_rejected(self, _: Address, peer: str, rest: str) -> None:
        if about(rest.partition(":")[2])[1] == "it answers" and self._reported.pop(peer, None):
            self._say("rejected", peer)

    def _say(self, kind: str, other: str, rest: str = "") -> None:
        sign, text = sentence(kind, self._name(other), rest)
        self._lines.append(f"{self._clock}  {sign} {text}")

    def status(self) -> str:
        """Return a line with the seeds and the listed peers."""
        names = [self._name(peer) for peer in sorted(self._listed, key=lambda peer: (
            peer.rpartition(":")[0], int(peer.rpartition(":")[2])))]
        return (f"{many(self._seeds, 'seed')}, {many(len(names), 'peer')}"
                f"{':' if names else ''} {' '.join(names)}".rstrip())

    def summary(self) -> str:
        """Return how many peers came, left, died, and were shut out."""
        ends = [why for peer, why in self._ended.items() if peer not in self._listed]
        left, died = ends.count("left"), ends.count("gone") + ends.count("dead")
        out = len(ends) - left - died
        return (f"{many(len(self._listed) + len(ends), 'peer')} came, {left} left, {died} died"
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

    def _present(self, items: list, is_last: bool) -> None:
        now, lines = time.monotonic(), []
        for item in items:
            if isinstance(item, str):
                self._status.above(item, 4)
            else:
                lines += self._words.tell(now, *item)
        lines += self._words.tell(now)
        if self.dropped and not self._items:
            with self._lock:
                dropped, self.dropped = self.dropped, 0
            lines.append(f"{'':{INDENT}}{many(dropped, 'event')} not shown, because the terminal "
                         "was blocked; the output files have all")
        for line in lines:
            self._status.above(line, INDENT)
        if is_last:
            self._tell_end()
        elif items or lines:
            self._status.update(self._words.status())

    def _tell_end(self) -> None:
        self._status.clear()
        minutes, seconds = divmod(round(time.monotonic() - self._begun), 60)
        show(folded(f"The seeds have ended after {f'{minutes} min ' if minutes else ''}{seconds} "
                    f"s: {self._words.summary()}. {self._last}"))
