"""The program peer.py: from its command line to a running peer, its console, and its end.

A thread reads and carries out what is typed. Texts that are pasted together are gossiped together.
"""

import contextlib
import difflib
import functools
import itertools
import os
import pathlib
import threading
import time

from gossip.addresses import Address, address_of
from gossip.escaping import escape
from gossip.net.live_world import LiveWorld
from gossip.programs.starting import check_reachable, open_output, start_node
from gossip.spread.origin import TooLong
from gossip.terminal.command_line import (
    FAILED, CommandError, Parser, PortTaken, add_common_flags, add_peer_flags, check_free,
    load_seeds, parse_port, peer_settings, port_or_address, run_command, show)
from gossip.terminal.input import End, Keyboard, Keys
from gossip.terminal.prompt import PromptScreen, TypedLines
from gossip.terminal.screen import Screen
from gossip.terminal.words import Words, many

FIRST_PORTS = range(5001, 5100)  # the first that is free is offered
QUIT_LIMIT = 20.0  # seconds that leaving may take; it takes six if no neighbour answers
SHOWN = 100  # messages that `messages` shows
COMMANDS = ("peers", "messages", "status", "help", "quit", "exit", "raw")
SIMILAR = 0.7  # similarity to a command, 0 to 1, from which a word is a typing error


def peer_main(peer_class) -> int:
    return run_command("peer.py", _peer_command, peer_class)


def _peer_command(peer_class) -> None:
    parser = Parser(prog="peer.py", usage="python peer.py [PORT] [flags]",
                    description="One gossiping peer. Type /help while it runs.",
                    epilog="peer.py --chat ID N PORT    a chat server "
                           "(more: peer.py --chat 0 1 10000 --help)\n"
                           "peer.py -c FILE.ini         a gossip module of VoidPhone",
                    usual=("--config", "--outputs", "--quiet", "--gossip-count", "--sign", "--raw"))
    parser.add_argument("port", nargs="?", type=port_or_address, metavar="PORT",
                        help="the port to listen on, or IP:PORT (asked for when missing)")
    add_common_flags(parser)
    add_peer_flags(parser)
    parser.add_argument("--end-with-input", action="store_true",
                        help="end with standard input (for programs that start peers)")
    parser.add_argument("--raw", action="store_true",
                        help="show events on a terminal as they stand in the output file")
    args = parser.parse_args()
    seeds = load_seeds(args.config)
    talks = os.isatty(0) and os.isatty(1) and not (args.raw or args.quiet)
    keyboard = Keyboard()
    offer = functools.partial(_free_port, args.host, seeds) if talks else None
    address = args.port or ask_for_port(keyboard, offer)
    if not isinstance(address, Address):
        address = address_of(args.host, address)
    elif args.host not in (parser.get_default("host"), address.ip):
        parser.error(f"--host {args.host} and {address} are two addresses; give one")
    check_reachable(seeds, address)
    if address in seeds:
        raise _of_a_seed(address, seeds, args.config.name)
    check_free(address)
    end = End()
    if talks:
        words, keys = Words(str(address), args.liveness_misses, len(seeds)), Keys()
        screen = PromptScreen(words, escapes=keys.escapes)
    else:
        screen = Screen()
    output = open_output(args.outputs, "peer", address, args.file_limit,
                         None if args.quiet else screen)
    peer = peer_class(address, seeds, peer_settings(args), output, LiveWorld)
    if talks:
        console = Talk(peer, TypedLines(keys, screen), screen, words)
        console.greet()
    else:
        console = Console(peer, keyboard, screen)
    start_node(peer)
    threading.Thread(  # not the peer's own, because nothing can wake it while it reads
        target=peer.world.threads.guard, name="console", daemon=True,
        args=("console", _run_console, (peer, console, args.end_with_input, end))).start()
    end.wait(lambda: peer.stopping)
    peer.stop()
    if talks:
        console.take_leave()
    screen.close()


def _run_console(peer, console: "Console", end_with_input: bool, end: End) -> None:
    console.read_lines()
    if peer.leaving:
        peer.world.await_end(QUIT_LIMIT)
    if peer.leaving or end_with_input:
        peer.stop()  # if it has not stopped
    if peer.stopping:
        end.come()


def _of_a_seed(address: Address, seeds: list[Address], config: str) -> CommandError:
    """Return the error for a peer at a seed's address; it names a port that no seed has."""
    taken = {seed.port for seed in seeds}
    other = next(port for port in itertools.count(5001) if port not in taken)
    why = f"{address.port} is the port of a seed in {config}; take another, for example {other}"
    try:
        check_free(address)
    except PortTaken:
        return CommandError(f"port {address.port} is in use: {why}", FAILED)
    return CommandError(why)


def _free_port(host: str, seeds: list[Address]) -> int | None:
    """Return the first of FIRST_PORTS that is free and no seed's; None if there is none."""
    for port in FIRST_PORTS:
        with contextlib.suppress(CommandError):
            if address_of(host, port) not in seeds:
                check_free(address_of(host, port))
                return port
    return None


def ask_for_port(keyboard: Keyboard, offer=None) -> int:
    """Ask until a port is typed, or Enter accepts `offer()`; CommandError at the end of input."""
    while True:
        offered = offer and offer()
        hint = f" (Enter for {offered})" if offered else ""
        show(f"Port to listen on{hint}: ", end="")
        line = keyboard.line()
        if line is None:
            show("")
            raise CommandError("no port was typed")
        if offered and not line.strip():
            if offer() == offered:
                return offered
            show(f"{offered} was taken meanwhile.")
            continue
        try:
            return parse_port(line.decode(errors="replace"))
        except ValueError as error:
            show(f"{error}. Try again, for example 5001.")


def split_command(line: str) -> tuple[str, str]:
    """Return (command, text); only `say` has a text, which begins after one blank or tab."""
    line = line.lstrip()
    if line[:3] == "say" and line[3:4] in (" ", "\t"):
        return "say", line[4:]
    return line.rstrip(), ""


def understood(line: str) -> tuple[str, str]:
    """Return (command, text) for a typed line. A command may begin with `/`, in upper or lower
    case. `say TEXT` is a message, and so is a line that does not resemble a command."""
    command, text = split_command(line)
    words = line.split()
    if command == "say" or not words:
        return command, text
    first, slash = words[0].lower(), words[0][0] == "/"
    if first == "/say":
        return "say", line.split(maxsplit=1)[1] if len(words) > 1 else ""
    if first.removeprefix("/") in COMMANDS and (slash or len(words) == 1):
        return first.removeprefix("/").replace("exit", "quit"), ""
    is_mistyped = slash or len(words) == 1 and difflib.get_close_matches(
        first, COMMANDS, 1, SIMILAR)
    return (command, "") if is_mistyped else ("say", command)


class Console:
    """Carries out typed lines on a peer and shows the answers."""

    HELP = """say TEXT   gossip TEXT to everyone
peers      my neighbours, and everyone I know
messages   the latest messages I hold
status     counts, also of everything dropped
help       this
quit       leave gracefully: nobody reports me dead
(Ctrl-C ends me abruptly, so that others find me dead)"""

    def __init__(self, peer, keyboard: Keyboard, screen: Screen):
        self._peer = peer
        self._keyboard = keyboard
        self._screen = screen

    def read_lines(self) -> None:
        """Read lines until the end of input or `quit`."""
        while not self._over():
            lines = self._keyboard.lines()
            if lines is None:
                return
            self.carry_out(lines)

    def carry_out(self, lines: list[bytes]) -> None:
        """Carry out lines in order; consecutive texts are gossiped together."""
        texts = []
        for line in lines:
            if self._over():
                return
            try:
                word, text = self._split(line.decode())
                if word == "say" and text:
                    with self._peer.turn:
                        self._peer.spreading.origin.check(text, time.time())
                    if self._peer.messages.forbids(text):
                        self._screen.say("it has a forbidden word; nothing was sent")
                    else:
                        texts.append(text)
                    continue
                self._gossip(texts)
                texts = []
                self._command(word)
            except UnicodeDecodeError:
                self._screen.say("not UTF-8; nothing was done")
            except TooLong as error:
                self._screen.say(str(error))
        self._gossip(texts)

    def _over(self) -> bool:
        """Return whether the peer has ended, or is about to."""
        return self._peer.stopping or self._peer.leaving

    def _gossip(self, texts: list[str]) -> None:
        """Gossip texts together; one by one if a text is too long by now, because numbers grow."""
        try:
            if texts:
                self._peer.gossip(texts)
        except TooLong as error:
            if len(texts) == 1:
                self._screen.say(str(error))
            else:
                for text in texts:
                    self._gossip([text])

    def _command(self, command: str) -> None:
        if command == "quit":
            self._peer.quit()
        elif command:
            answers = {"help": lambda: self.HELP, "peers": self._peers, "status": self._status,
                       "messages": self._messages, "say": lambda: "say what? Type: say TEXT"}
            answer = answers.get(command, lambda: self._unknown(command))
            self._screen.say(answer())

    _split = staticmethod(split_command)

    def _unknown(self, command: str) -> str:
        return f"unknown command '{escape(command[:60])}'; type help"

    def _counts(self) -> dict[str, object]:
        with self._peer.turn:
            return {**self._peer.status(), "lines not shown": self._screen.dropped}

    def _status(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self._counts().items())

    def _peers(self) -> str:
        with self._peer.turn:
            neighbours = self._peer.neighbours.addresses()
            known = self._peer.peer_list.addresses()
        return (f"neighbours ({len(neighbours)}): {' '.join(map(self._named, neighbours))}\n"
                f"known peers ({len(known)}): {' '.join(map(self._named, known))}")

    def _named(self, address: Address) -> str:
        return str(address)

    def _messages(self) -> str:
        with self._peer.turn:
            held, latest = self._peer.messages.count(), self._peer.messages.latest(SHOWN)
        lines = [escape(line.decode()) for line in latest]
        more = [f"({held - len(lines)} older ones are held, too)"] if held > len(lines) else []
        return "\n".join([*more, *lines]) or "no messages yet"


class Talk(Console):
    """Carries out what is typed on a terminal, and answers in words."""

    HELP = """Type a message and press Enter: everybody gets it (as with say MESSAGE).
/peers      my neighbours, and everyone I know
/messages   the latest messages I hold
/status     counts, also of everything dropped
/raw        show events as they stand in the output file, or in words again
/help       this
/quit       leave gracefully: nobody reports me dead
Ctrl-C ends me abruptly, so that others find me dead."""

    def __init__(self, peer, keyboard: TypedLines, screen: PromptScreen, words: Words):
        super().__init__(peer, keyboard, screen)
        self._words = words

    _split = staticmethod(understood)

    def greet(self) -> None:
        """Say what to do, before the peer starts."""
        self._screen.say(f"I am {self._peer.address.port}. Type a message, or /help. "
                         "/quit says goodbye, Ctrl-C does not.\n"
                         "Every event, with all its fields, in UTC: "
                         f"{_shown(self._peer.output.path)}\n")

    def take_leave(self) -> None:
        """Say that the peer has ended, and where to look now."""
        how = "said goodbye" if self._peer.leaving else "was interrupted"
        path = self._peer.output.path
        self._screen.say(f"{self._peer.address.port} {how}. Its file: {_shown(path)}\n"
                         f"The proof: python runner.py check {_shown(path.parent)}")

    def _command(self, command: str) -> None:
        if command == "raw":
            self._screen.raw = not self._screen.raw
            self._screen.say("Events as in the output file. In words again: /raw"
                             if self._screen.raw else "Events in words.")
        else:
            super()._command(command)

    def _unknown(self, command: str) -> str:
        shown = escape(command[:60])
        return f"unknown command '{shown}'; to gossip it: say {shown}"

    def _named(self, address: Address) -> str:
        return self._words.name(str(address))

    def _messages(self) -> str:
        return "\n".join(map(self._words.message, super()._messages().splitlines()))

    def _status(self) -> str:
        """Return a line of what there is, and a line for each count that is not 0."""
        status = self._counts()
        address, neighbours, seeds, known, held = [status.pop(name) for name in (
            "address", "neighbours", "seeds", "known peers", "messages held")]
        count, _, room = neighbours.partition(" of ")
        return "\n".join([
            f"{address}: {many(int(count), 'neighbour')} (room for {room}), {many(seeds, 'seed')}, "
            f"{many(known, 'known peer')}, {many(held, 'message')}",
            *[f"{name}: {value}" for name, value in status.items() if value != 0]])


def _shown(path: pathlib.Path) -> str:
    """Return a path, or its relative form if that is shorter."""
    try:
        return min(os.path.relpath(path), str(path), key=len)
    except ValueError:  # on another drive
        return str(path)
