"""Command lines: flags and their values, one-line errors, exit codes."""

import argparse
import contextlib
import math
import os
import pathlib
import re
import select
import signal

try:
    import resource
except ImportError:  # Windows
    resource = None

from gossip.addresses import (
    Address, Target, address_of, can_be_dialled, is_host_name, parse_typed, typed_ip)
from gossip.capacity import Capacity, parse_capacity
from gossip.settings import WAYS, Filter, Settings, parse_config, parse_filter
from gossip.tools import did_you_mean

ROOT = pathlib.Path(__file__).resolve().parents[2]  # the folder of the programs
_OURS = [ROOT / name for name in ("config.txt", "tests/pytest.ini")]  # neither is ever installed
HOME = ROOT if any(map(pathlib.Path.exists, _OURS)) else pathlib.Path.cwd()
OUTPUTS, CONFIG = HOME / "outputs", HOME / "config.txt"
FAILED, USAGE, INTERRUPTED = 1, 2, 130  # exit codes
OPEN_MAX = 10_240  # open files that macOS grants, though it says that there is no limit
STANDARD_OUTPUT = pathlib.Path("-")  # as --outputs: of a single node
AUTO = "auto"  # as --host: the IP from which this machine reaches the seeds
QUIET = "show no events on the terminal"  # the help of --quiet


class CommandError(Exception):
    """An error that ends the program with a line on standard error."""

    def __init__(self, message: str, code: int = USAGE):
        super().__init__(message)
        self.code = code


class Parser(argparse.ArgumentParser):
    """A parser that shows a converter's ValueError. The help lists `usual` flags first."""

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
        def convert(text: str):  # because argparse hides the text of a ValueError
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

    def count(self, flag: str, low: int, default: int | None, help: str, unit="N", **named) -> None:
        """Add a flag for whole numbers from `low` on. The help tells its default, if any."""
        usual = "" if default is None else f" ({default})"
        self.add_argument(flag, type=whole_number(low), default=default, metavar=unit,
                          help=help + usual, **named)

    def error(self, message: str):
        unknown = re.match("unrecognized arguments: (--[^ =]+)", message)
        hint = did_you_mean(unknown[1], self._option_string_actions) if unknown else ""
        if unknown and unknown[1] == "--port" and any(
                action.dest == "port" and not action.option_strings for action in self._actions):
            hint = "; a port stands alone, without a flag"
        raise CommandError(f"{message}{hint} (see {self.prog} --help)")


def run_command(name: str, command, *args) -> int:
    """Run a program, and return its exit code. Show a user's error as a line."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:  # see import_quietly
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _prepare_descriptors()
    try:
        return command(*args) or 0
    except CommandError as error:
        complain(f"{name}: {error}")
        return error.code
    except OSError as error:
        complain(f"{name}: {error.filename or 'system'}: {error.strerror or error}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _prepare_descriptors() -> None:
    """Open descriptors 0 to 2, so that no socket gets them. Raise the limit of descriptors."""
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(spare)
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for most in (max(soft, min(hard, OPEN_MAX)), hard):  # some allow less than they say
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def complain(text: str) -> None:
    """Write a line to standard error, on a terminal wrapped between words."""
    if os.isatty(2):
        import textwrap  # not above, because few programs complain

        text = textwrap.fill(text, os.get_terminal_size(2).columns or 80,
                             break_long_words=False, break_on_hyphens=False)
    write_all(2, f"{text}\n".encode(errors="replace"))


def show(text: str, end: str = "\n") -> None:
    write_all(1, f"{text}{end}".encode(errors="replace"))


def write_all(descriptor: int, data: bytes) -> bool:
    """Write to a descriptor. Return False if it is closed."""
    left = memoryview(data)
    try:
        while left:
            try:
                left = left[os.write(descriptor, left):]
            except BlockingIOError:  # who shares it has made it non-blocking
                select.select([], [descriptor], [])
    except OSError:
        return False
    return True


def number(low: float, what: str, whole: bool = False, most: float = 1e9):
    """Return a converter for numbers from `low` to `most`. Its errors call them `what`."""
    def convert(text: str):
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= most:
            raise ValueError(f"{text!r} is not {what}")
        return value
    return convert


def whole_number(low: int):
    return number(low, f"a whole number of {low} or more", whole=True)


def seconds(low: float):
    return number(low, f"a number of seconds of {low:g} or more")


def parse_port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text.strip()) or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def parse_host(text: str) -> str:
    address = address_of(typed_ip(text.strip("[]")), 1)
    if not can_be_dialled(address):
        raise ValueError(f"{text} is no address that others can dial; give the one they shall use")
    return address.ip


def port_or_address(text: str) -> int | Target:
    """Return the port, the address or the name that a text means."""
    if not re.search(r"[\s:,.]", text.strip()):
        return parse_port(text)
    target = parse_typed(text.strip())
    if isinstance(target, Address):
        parse_host(target.ip)
    return target


def add_address(parser: Parser, what: str) -> None:
    """Add the arguments for a node's address, `[IP] PORT` or `HOST:PORT`."""
    parser.add_argument("ip", nargs="?", metavar="IP", help="the IP to listen on (may be left out)")
    parser.add_argument("port", nargs="?", metavar="PORT", help=what)


def typed_address(parser: Parser, args) -> int | Target | None:
    words = [word for word in (args.ip, args.port) if word is not None]
    if len(words) == 2 and ":" in words[0] and "]" not in words[0]:
        words[0] = f"[{words[0]}]"  # an IPv6 address
    try:
        return port_or_address(" ".join(words)) if words else None
    except ValueError as error:
        parser.error(f"argument PORT: {error}")


def capacity(text: str) -> Capacity:
    if re.fullmatch("[2-9]|[1-9][0-9]{1,3}", text):
        raise ValueError(f"{text!r} is no rule; did you mean fixed:{text}?")
    return parse_capacity(text)


def word_filter(text: str) -> Filter:
    path = pathlib.Path(os.path.realpath(text))
    try:
        return Filter(str(path), parse_filter(path.read_bytes()))
    except OSError as error:
        raise ValueError(f"cannot read {text}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from None


_COUNT, _SECONDS = whole_number(0), seconds(0.01)
SETTINGS = {  # name -> converter (None: a switch; WAYS: choices), name of the value, help text
    "monitor": (None, "", "watch neighbours, report to seeds, shut malicious peers out; implies "
                          "--sign; all seeds and peers do, or none"),
    "report_interval": (_SECONDS, "N", "seconds between reports (%(default)g)"),
    "ban": (_SECONDS, "N", "seconds for which a malicious peer is refused (%(default)g)"),
    "registrations_per_ip": (_COUNT, "N", "peers of one IP that a seed lists, except on loopback "
                                          "(%(default)s); 0: any number"),
    "file_limit": (_COUNT, "MIB", "MiB after which an output file is full, and only says so "
                                  "(%(default)s); 0: never"),
    "gossip_count": (_COUNT, "N", "messages that the peer generates (%(default)s)"),
    "gossip_interval": (_SECONDS, "N", "seconds between them (%(default)g)"),
    "liveness_interval": (_SECONDS, "N", "seconds between liveness rounds (%(default)g)"),
    "liveness_misses": (whole_number(1), "N", "unanswered rounds before the last probe "
                                              "(%(default)s)"),
    "antientropy_interval": (seconds(0), "N", "seconds between comparisons with a neighbour; "
                                              "0: never (%(default)g)"),
    "cache_size": (_COUNT, "N", "messages kept for those who lack them (%(default)s)"),
    "capacity": (capacity, "RULE", "neighbours: fixed:K or powerlaw:ALPHA, instead of the usual "
                                   "rule"),
    "spread": (WAYS, None, "how new messages travel (flood)"),
    "rumor_stop": (number(math.ulp(0.0), "a probability above 0, up to 1", most=1), "P",
                   "probability that a rumor is dropped after it was told to a neighbour that "
                   "knew it (%(default)g)"),
    "sign": (None, "", "sign gossip, and take only what is signed; all peers do, or none"),
    "rate": (_COUNT, "N", "lines a second that a neighbour may say in its own name, before it is "
                          "read more slowly (%(default)s); 0: any number"),
    "burst": (_COUNT, "N", "lines that it may say beyond that at once (%(default)s)"),
    "settle": (_SECONDS, "N", "seconds that a message is known before a neighbour that has not "
                              "forwarded it counts as having missed it (%(default)g)"),
    "filter": (word_filter, "FILE", "words that no message may have, one a line"),
}
_OF_BOTH = ("monitor", "report_interval", "ban", "file_limit")
OF_SEEDS_ALONE = ("registrations_per_ip",)  # settings that a peer does not have
OF_SEEDS = (*_OF_BOTH, *OF_SEEDS_ALONE)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def add_settings(parser: Parser, *names: str, usual: Settings = Settings()) -> None:
    """Add the flags of settings, with the defaults in `usual`."""
    for name in names:
        kind, unit, what = SETTINGS[name]
        kinds = ({"action": "store_true"} if kind is None else {"choices": kind} if kind is WAYS
                 else {"type": kind, "metavar": unit})
        parser.add_argument(_flag(name), default=getattr(usual, name), help=what, **kinds)


def add_peer_flags(parser: Parser) -> None:
    """Add the flags of a peer that runner.py passes on."""
    def convert(text: str) -> str:
        name = typed_ip(text)
        return name.lower() if is_host_name(name) else parse_host(text)  # `auto` passes as a name

    add_settings(parser, *_OF_BOTH)
    parser.add_argument("--host", type=convert, default=AUTO, metavar="IP",
                        help="the address to listen on and to announce, or a name of this machine "
                             "(%(default)s: the IP from which it reaches the seeds)")
    add_settings(parser, *(name for name in SETTINGS if name not in OF_SEEDS))


def add_common_flags(parser: Parser, outputs: pathlib.Path | None = OUTPUTS,
                     of_node: bool = False) -> None:
    """Add --config, --outputs and --quiet. With `of_node`, output may go to standard output."""
    add_config(parser)
    add_outputs(parser, outputs, of_node)
    parser.switch("--quiet", QUIET)


def add_config(parser: Parser) -> None:
    parser.add_argument("--config", metavar="FILE", type=pathlib.Path, default=CONFIG,
                        help="the list of seeds (config.txt)")


def add_outputs(parser: Parser, folder: pathlib.Path | None = OUTPUTS,
                of_node: bool = False) -> None:
    """Add the flag for the folder of output files, which may be missing; None: it is as DIR."""
    def convert(text: str) -> pathlib.Path:
        path = pathlib.Path(text)
        if of_node and text == "-":
            return path
        if not text:
            raise CommandError("--outputs has no name of a folder")
        if path == STANDARD_OUTPUT:
            raise CommandError("--outputs - is for a single node: python peer.py, or python "
                               "seed.py with a PORT")
        if path.exists() and not path.is_dir():
            raise CommandError(f"{text} is a file, not a folder", FAILED)
        return path

    usual = "as DIR" if folder is None else folder.relative_to(HOME).as_posix()
    parser.add_argument("--outputs", metavar="DIR", default=folder, type=convert,
                        help=f"where output files {'are' if folder is None else 'go'} ({usual})"
                             + ("; - for standard output" if of_node else ""))


def peer_settings(args: argparse.Namespace) -> Settings:
    named = {name: value for name, value in vars(args).items() if name in Settings._fields}
    settings = Settings(**named)
    return settings._replace(sign=settings.sign or settings.monitor)


def flags_of(kind: str, settings: Settings) -> list[str]:
    """Return the flags that give a "seed" or "peer" these settings."""
    flags = []
    for name, value in settings._asdict().items():
        is_known = name in OF_SEEDS if kind == "seed" else name not in OF_SEEDS_ALONE
        if is_known and value != Settings._field_defaults[name]:
            flags += [_flag(name)] if value is True else [_flag(name), str(value)]
    return flags


def load(path: pathlib.Path, read):
    """Return what `read` makes of a file, or raise CommandError."""
    try:
        return read(path)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from None


def load_seeds(path: pathlib.Path) -> list[Target]:
    """Read config.txt, or raise a CommandError that names the wrong line."""
    return load(path, lambda config: parse_config(config.read_bytes()))
