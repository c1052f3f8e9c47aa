"""The seeds of runner.py: on a terminal, a line for each peer that comes or goes."""

import argparse
import os
import time

from grapevine.addresses import Address, parse_address
from grapevine.events import about
from grapevine.settings import majority
from grapevine.terminal.command_line import (
    FAILED, OF_SEEDS, PLAIN, CommandError, Parser, add_common, add_settings, load_seeds, show)
from grapevine.terminal.folders import command, commands, peer_command, ports
from grapevine.terminal.programs import begin_seeds, known_seeds
from grapevine.terminal.prompt import WordsScreen
from grapevine.terminal.screen import Screen, cut, folded, obeys
from grapevine.terminal.starting import (
    block_signals, is_taken, open_output, prepare_descriptors, seed_addresses, wait_for_end)
from grapevine.terminal.words import DAY, Narrator, many
from grapevine.tools import Recent

ENDED_LIMIT = 10_000  # ended peers, limited because an attacker may invent addresses
GATHER = 0.5  # seconds in which a peer may register with several seeds, before it is shown
PORT_TIMEOUT = 5.0  # seconds to find out which program has a port
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
        if ask_seed(seed, PORT_TIMEOUT).took is None:
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


class SeedWords(Narrator):
    """The narrator of seeds' events. A peer is shown when `wanted` seeds list it; when it came
    GATHER ago, if fewer list it then; and when the last seed removes it. One goodbye is enough."""

    def __init__(self, wanted: int, seeds: int):
        super().__init__()
        self._wanted = wanted
        self._seeds = seeds  # of this process
        self._listed: dict[str, dict[Address, None]] = {}  # peer -> the seeds that list it
        # peer to show -> `_now` and `_clock` when it came
        self._coming: dict[str, tuple[float, str]] = {}
        self._ended = Recent(ENDED_LIMIT)  # peer that a seed has removed -> why
        self._reported = Recent(ENDED_LIMIT)  # peer whose death was reported -> True

    def is_waiting(self) -> bool:
        return bool(self._coming)

    def _pass(self, clock: str) -> None:
        super()._pass(clock)
        for peer in [peer for peer, (came, _) in self._coming.items()
                     if GATHER <= (self._now - came) % DAY < DAY / 2]:
            self._tell_coming(peer)

    def _on_registered(self, peer: str, _: str) -> None:
        if not peer:
            return
        self._own = self._own or peer  # ports are names on the IP of the first peer
        listed = self._listed.setdefault(peer, {})
        self._ended.pop(peer, None)
        if not listed:
            self._reported.pop(peer, None)
            self._coming[peer] = self._now, self._clock
        is_new = self._seed not in listed
        listed[self._seed] = None
        if is_new and len(listed) == self._wanted:
            self._coming.setdefault(peer, (self._now, self._clock))  # or fewer have been told
            self._tell_coming(peer)

    def _tell_coming(self, peer: str) -> None:
        _, clock = self._coming.pop(peer, (0.0, ""))
        if clock:
            names = " ".join(sorted(str(seed.port) for seed in self._listed[peer]))
            self._say_so(f"{self.name(peer):<12} known to {names}", "+", clock=clock)

    def _on_removed(self, peer: str, rest: str) -> None:
        why = rest.partition(":")[0] if rest.startswith("gone:") else rest
        listed = self._listed.get(peer, {})
        if self._seed not in listed:
            return
        self._tell_coming(peer)
        del listed[self._seed]
        if why == "gone" and self._ended.get(peer) == "left":
            why = "left"  # because another seed has heard its goodbye
        self._ended[peer] = why
        if not listed:
            del self._listed[peer]
            self._say("removed", peer, why)

    def _on_dead_report(self, _: str, report: str) -> None:
        peer, rest = about(report.removeprefix("Dead Node:"))
        reporter, _ = about(rest.partition(":")[2])
        is_known = peer in self._listed or self._ended.get(peer)
        if reporter and is_known and peer not in self._reported:
            self._reported[peer] = True
            self._say("dead report", reporter, self.name(peer))

    def _on_rejected(self, _: str, report: str) -> None:
        peer, rest = about(report.removeprefix("Dead Node:"))
        if about(rest.partition(":")[2])[1] == "it answers" and self._reported.pop(peer, None):
            self._say("rejected", peer)

    def _on_failed(self, _: str, error: str) -> None:
        self._say_so(f"seed {self._seed.port}: failed:{error}", " ")

    def _on_refused(self, who: str, reason: str) -> None:
        if who == str(self._seed):  # it can accept nobody
            self._say_so(f"seed {self._seed.port}: {reason}", " ")

    def prompt(self, room: int) -> str:
        """Return a line with the seeds and the listed peers, and with room for the ^C of Ctrl-C."""
        names = [self.name(str(peer)) for peer in sorted(map(parse_address, self._listed))]
        return cut(f"{many(self._seeds, 'seed')}, {many(len(names), 'peer')}"
                   f"{':' if names else ''} {' '.join(names)}".rstrip(), room - len("^C"))

    def summary(self) -> str:
        """Return how many peers came, left, died, and were shut out."""
        ends = [why for peer, why in self._ended.items() if peer not in self._listed]
        left, died = ends.count("left"), ends.count("gone") + ends.count("dead")
        out = len(ends) - left - died
        return (f"{many(len(self._listed) + len(ends), 'peer')} came, {left} left, {died} died"
                f"{f', {out} were shut out' if out else ''}")


class SeedScreen(WordsScreen):
    """A screen that shows seeds' events in words, above what there is."""

    def __init__(self, words: SeedWords, last: str):
        self._last, self._begun = last, time.monotonic()
        super().__init__(words)

    # The screen's thread calls these.

    def _present(self, items: list, is_last: bool) -> None:
        if self.dropped and not self._items:
            with self._lock:
                dropped, self.dropped = self.dropped, 0
            items = [*items, f"{many(dropped, 'event')} not shown, because the terminal was "
                             "blocked; the output files have all"]
        if is_last:
            super()._present(items, False)  # first, because the summary counts what they tell
            minutes, seconds = divmod(round(time.monotonic() - self._begun), 60)
            items = [f"The seeds have ended after {f'{minutes} min ' if minutes else ''}"
                     f"{seconds} s: {self.words.summary()}. {self._last}"]
        super()._present(items, is_last)

    def _answer(self, answer: str) -> list[str]:
        return folded(answer, 4).split("\n")
