"""Command lines: flags and their values, errors of one line, exit codes."""

import argparse
import contextlib
import errno
import importlib
import math
import os
import re
import select
import sys
from collections.abc import Iterable

from grapevine.addresses import (
    Address, Name, Target, address_of, can_be_dialled, parse_target)
from grapevine.settings import (
    RULES, WAYS, Settings, parse_capacity, parse_config, parse_filter, parse_way)

_PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
_IS_INSTALLED = os.path.exists(os.path.join(_PACKAGE, "peer.py"))  # else it is a checkout
HOME = _PACKAGE if _IS_INSTALLED else os.path.dirname(_PACKAGE)  # the folder of peer.py
PYTHON = [sys.executable] if _IS_INSTALLED else [sys.executable, "-S"]  # starts those programs,
# which need nothing but the standard library; without site-packages they start sooner
_IS_CHECKOUT = any(os.path.exists(os.path.join(HOME, name))  # neither is ever installed
                   for name in ("config.txt", "tests/pytest.ini"))
FILES = HOME if _IS_CHECKOUT else os.curdir  # the folder of config.txt and outputs
CONFIG, OUTPUTS = os.path.join(FILES, "config.txt"), os.path.join(FILES, "outputs")
STANDARD_OUTPUT = "-"  # as --outputs: of a single node
FAILED, USAGE, INTERRUPTED = 1, 2, 130  # exit codes
SIMILAR = 0.73  # from which a word is taken for a mistyped one; status is not start
USUAL_WIDTH = 80  # columns of an unknown terminal; a status line's right part ends here at most
PLAIN = "show on a terminal what a pipe gets: rows and events, not sentences"  # help of --plain


class CommandError(Exception):
    """An error that ends the program with a line on standard error."""

    def __init__(self, message: str, code: int = USAGE):
        super().__init__(message)
        self.code = code


class Parser(argparse.ArgumentParser):
    """A parser whose errors are CommandErrors, and that shows the text of a ValueError. The help
    lists the flags in `usual` first."""

    def __init__(self, usual: tuple[str, ...] = (), **named):
        self._usual = usual
        if usual:
            named["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, add_help=False, **named)
        if usual:
            self._first = self.add_argument_group("the usual flags")
            self._others = self.add_argument_group("all other flags")
        self.add_argument("-h", "--help", action="help", help="show this help message and exit")

    def add_argument(self, *flags: str, type=None, **named):
        def convert(text: str):
            try:
                return type(text)
            except ValueError as error:
                raise argparse.ArgumentTypeError(str(error)) from None

        if type is not None:
            named["type"] = convert
        if not self._usual:
            return super().add_argument(*flags, **named)
        is_first = not flags[0].startswith("-") or flags[-1] in self._usual
        return (self._first if is_first else self._others).add_argument(*flags, **named)

    def switch(self, flag: str, help: str) -> None:
        self.add_argument(flag, action="store_true", help=help)

    def error(self, message: str):
        unknown = re.match("unrecognized arguments: (--[^ =]+)", message)
        hint = did_you_mean(unknown[1], self._option_string_actions) if unknown else ""
        if unknown and unknown[1] == "--port" and any(
                action.dest == "port" and not action.option_strings for action in self._actions):
            hint = "; a port stands alone, without a flag"
        raise CommandError(f"{message}{hint} (see {self.prog} --help)")


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return a question about the words that are most like a mistyped one; "" if none is."""
    import difflib  # not above: every start would take longer

    near = difflib.get_close_matches(word, words, 2, SIMILAR)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def find(place: str):
    """Import a function, named as `module:function`, only when it is asked for."""
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)


def run_command(name: str, command, arguments: list[str] | None) -> int:
    """Run a program; return its exit code. A user's error is one line on standard error."""
    try:
        return command(arguments) or 0
    except CommandError as error:
        complain(f"{name}: {error}")
        return error.code
    except OSError as error:
        complain(f"{name}: {error.filename or 'system'}: {error.strerror or error}")
        return FAILED
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
        complain(f"{name}: system: no thread left")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def printable(text: str) -> str:
    """Return a text of others, such as a name of a file, as a line that is safe to show."""
    return "".join(c if c.isprintable() else "?" for c in text)


def complain(text: str) -> None:
    """Write a line to standard error, on a terminal wrapped between words."""
    text = printable(text)
    if os.isatty(2):
        import textwrap  # not above, because few programs complain

        text = textwrap.fill(text, terminal_width(2),
                             break_long_words=False, break_on_hyphens=False)
    write_all(2, f"{text}\n".encode(errors="replace"))


def terminal_width(descriptor: int = 1) -> int:
    try:
        return os.get_terminal_size(descriptor).columns or USUAL_WIDTH
    except OSError:  # for example NUL of Windows, which says that it is a terminal
        return USUAL_WIDTH


def show(text: str, end: str = "\n") -> None:
    write_all(1, f"{text}{end}".encode(errors="replace"))


def write_all(descriptor: int, data: bytes) -> bool:
    """Write to a descriptor; return False if it is closed. From a file a console of Windows takes
    UTF-8, from `os.write` another code."""
    left = memoryview(data)
    try:
        with open(descriptor, "wb", buffering=0, closefd=False) as file:
            while left:
                if (taken := file.write(left)) is None:  # who shares it has made it non-blocking
                    select.select([], [descriptor], [])
                left = left[taken or 0:]
    except OSError:
        return False
    return True


# Values.

def number(low: float, what: str, kind: type = float, most: float = 1e9):
    """Return a converter of numbers from `low` to `most`, whose errors call them `what`."""
    def convert(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= most:
            raise ValueError(f"{text!r} is not {what}")
        return value
    return convert


def count(low: int):
    return number(low, f"a whole number of {low} or more", int)


def seconds(low: float):
    return number(low, f"a number of seconds of {low:g} or more")


parse_port = number(1, "a port (1 to 65535)", int, most=65_535)


def parse_ip(text: str) -> str:
    """Return an IP that others can dial."""
    address = address_of(text.strip("[]"), 1)
    if not can_be_dialled(address):
        raise ValueError(f"{text} is no address that others can dial; give the one they shall use")
    return address.ip


def port_or_target(text: str) -> int | Target:
    """Return the port, or the address or name with a port, that a person typed."""
    text = text.strip()
    return parse_target(text) if re.search(r"[\s:,.]", text) else parse_port(text)


def parse_host(text: str) -> str:
    """Return an IP that others can dial, or the name of a host."""
    with contextlib.suppress(ValueError):
        if isinstance(target := parse_target(f"{text} 1"), Name):
            return target.host
    return parse_ip(text)


def parse_rule(text: str) -> str:
    if re.fullmatch("[2-9]|[1-9][0-9]{1,3}", text):
        raise ValueError(f"{text!r} is no rule; did you mean fixed:{text}?")
    return parse_capacity(text)


def word_filter(path: str) -> tuple[str, ...]:
    try:
        return load(path, parse_filter)
    except CommandError as error:
        raise ValueError(str(error)) from None


def load(path: str, parse):
    """Return what `parse` makes of a file, or raise CommandError."""
    try:
        with open(path, "rb") as file:
            return parse(file.read())
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from None


def load_seeds(path: str) -> list[Target]:
    """Read config.txt; a CommandError names the wrong line, or says how to write one."""
    try:
        return load(path, parse_config)
    except CommandError as error:
        if os.path.lexists(path):
            raise
        raise CommandError(f"{error}; write it: a line like 127.0.0.1:8080 for each seed"
                           ) from None


# Flags.

_COUNT, _SECONDS = count(0), seconds(0.01)
SETTINGS = {  # name -> converter, name of its value, help
    "gossip_count": (_COUNT, "N", "messages that the peer generates (%(default)s)"),
    "gossip_interval": (_SECONDS, "N", "seconds between two messages (%(default)g)"),
    "liveness_interval": (_SECONDS, "N", "seconds between liveness rounds (%(default)g)"),
    "liveness_misses": (count(1), "N", "unanswered rounds before the last probe (%(default)s)"),
    "antientropy_interval": (seconds(0), "N", "seconds between comparisons with a neighbour; 0: "
                                              "never (%(default)g)"),
    "cache_size": (_COUNT, "N", "messages kept for those who lack them (%(default)s)"),
    "spread": (parse_way, "WAY", f"how new messages travel: {', '.join(WAYS)} (%(default)s)"),
    "rumor_stop": (number(1e-9, "a probability above 0, up to 1", most=1), "P",
                   "probability that a rumor ends once a neighbour knew it already (%(default)g)"),
    "capacity": (parse_rule, "RULE", f"how many neighbours: {RULES} (%(default)s)"),
    "rate": (_COUNT, "N", "lines a second that a neighbour may say in its own name, before it is "
                          "read more slowly (%(default)s); 0: any number"),
    "burst": (_COUNT, "N", "lines that it may say beyond that at once (%(default)s)"),
    "filter": (word_filter, "FILE", "words that no message may have, one a line"),
    "sign": (None, None, "sign messages, and take only signed ones"),
    "monitor": (None, None, "peers watch each other, seeds have who is malicious shut out; implies "
                            "--sign"),
    "report_interval": (_SECONDS, "N", "seconds between reports about neighbours (%(default)g)"),
    "ban": (_SECONDS, "N", "seconds for which who is malicious is shut out (%(default)g)"),
    "registrations_per_ip": (_COUNT, "N", "peers of one IP that a seed lists, except on loopback "
                                          "(%(default)s); 0: any number"),
}
OF_SEEDS = ("liveness_interval", "registrations_per_ip", "monitor", "report_interval", "ban")
OF_PEERS = tuple(name for name in SETTINGS if name != "registrations_per_ip")


def add_settings(parser: Parser, names: tuple[str, ...]) -> None:
    for name in names:
        kind, unit, what = SETTINGS[name]
        value = {"action": "store_true"} if kind is None else {
            "type": kind, "metavar": unit, "default": Settings._field_defaults[name]}
        parser.add_argument(f"--{name.replace('_', '-')}", help=what, **value)


def settings_of(args: argparse.Namespace) -> Settings:
    settings = Settings(**{name: value for name, value in vars(args).items()
                           if name in Settings._fields})
    return settings._replace(sign=settings.sign or settings.monitor)


def folder_to_be(text: str, may_be_output: bool = False) -> str:
    """Take the name of a folder, which may be missing; or `-`, where that means standard output."""
    if may_be_output and text == STANDARD_OUTPUT:
        return text
    if not text:
        raise CommandError("--outputs has no name of a folder")
    if text == STANDARD_OUTPUT:
        raise CommandError("--outputs - is for a single node: python peer.py, or python "
                           "seed.py with a PORT")
    if os.path.exists(text) and not os.path.isdir(text):
        raise CommandError(f"{text} is a file, not a folder", FAILED)
    return text


def add_common(parser: Parser, folder: str | None = OUTPUTS, is_node: bool = False,
               idle: tuple[str, ...] = ()) -> None:
    """Add --config, --quiet, and --outputs: a folder, which may be missing (None: it is as DIR),
    or for a single node standard output. No help shows `idle` flags, which do nothing, and are
    known because all commands take the same."""
    usual = "as DIR" if folder is None else os.path.relpath(folder, FILES)
    flags = {
        "--config": ("the list of seeds (config.txt)", {"metavar": "FILE", "default": CONFIG}),
        "--outputs": (f"where output files {'are' if folder is None else 'go'} ({usual})"
                      + ("; - for standard output" if is_node else ""),
                      {"metavar": "DIR", "default": folder,
                       "type": lambda text: folder_to_be(text, is_node)}),
        "--quiet": ("show no events on the terminal", {"action": "store_true"})}
    for flag, (what, named) in flags.items():
        parser.add_argument(flag, help=argparse.SUPPRESS if flag in idle else what, **named)


def peer_parser() -> Parser:
    parser = Parser(prog="peer.py", usage="python peer.py [IP] [PORT] [flags]",
                    description="One gossiping peer. Type /help while it runs.",
                    epilog="peer.py --chat ID N PORT    a chat server "
                           "(more: peer.py --chat 0 1 10000 --help)\n"
                           "peer.py -c FILE.ini         a gossip module of VoidPhone",
                    usual=("--config", "--outputs", "--quiet", "--gossip-count", "--sign", "--raw"))
    _add_address(parser, "the port to listen on (asked for when missing); also as HOST:PORT")
    add_common(parser, is_node=True)
    parser.add_argument("--host", type=parse_host, metavar="IP",
                        help="the address to listen on and to announce, or a name of this machine "
                             "(the IP from which it reaches the seeds)")
    parser.add_argument("--listen", type=parse_ip, metavar="IP",
                        help="listen on this IP and dial from it, but announce --host: for a peer "
                             "behind a router that forwards its port")
    add_settings(parser, OF_PEERS)
    parser.switch("--end-with-input", "end with standard input (for programs that start peers)")
    parser.switch("--raw", "show events on a terminal as they stand in the output file")
    parser.switch("--leave", "on SIGTERM say goodbye, as `quit` does; a second SIGTERM is abrupt")
    parser.switch("--json", "tell events, and take commands, as lines of JSON, for a program; the "
                            "usual --gossip-count is then 0")
    return parser


def seed_parser() -> Parser:
    parser = Parser(prog="seed.py", description="One seed, or all local ones of config.txt.")
    _add_address(parser, "the seed to run, also as HOST:PORT; a port alone: the local seed that "
                         "has it")
    add_common(parser, is_node=True)
    add_settings(parser, OF_SEEDS)
    return parser


def _add_address(parser: Parser, what: str) -> None:
    """Add the arguments for a node's address, `[IP] PORT` or `HOST:PORT`."""
    parser.add_argument("ip", nargs="?", metavar="IP", help="the IP to listen on (may be left out)")
    parser.add_argument("port", nargs="?", metavar="PORT", help=what)


def typed_target(parser: Parser, args: argparse.Namespace) -> int | Target | None:
    """Return the port, address or name given as arguments; None if there is none."""
    words = [word for word in (args.ip, args.port) if word is not None]
    if len(words) == 2 and ":" in words[0] and "]" not in words[0]:
        words[0] = f"[{words[0]}]"  # an IPv6 address
    try:
        return port_or_target(" ".join(words)) if words else None
    except ValueError as error:
        parser.error(f"argument PORT: {error}")


def cannot_listen(address: Address, error: OSError) -> CommandError:
    why = {errno.EADDRINUSE: f"port {address.port} is in use",
           errno.EACCES: f"the system does not allow port {address.port}",
           errno.EADDRNOTAVAIL: f"{address.ip} is not an address of this machine"
           }.get(error.errno, error.strerror or str(error))
    return CommandError(f"cannot listen on {address}: {why}", FAILED)
