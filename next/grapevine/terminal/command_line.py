"""Command lines: flags and their values, errors of one line, exit codes."""

import argparse
import errno
import math
import os
import re

from grapevine.addresses import Address, Target, address_of, can_be_dialled, parse_target
from grapevine.settings import (
    RULES, Settings, parse_capacity, parse_config, parse_filter, parse_way)

HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
CONFIG, OUTPUTS = os.path.join(HOME, "config.txt"), os.path.join(HOME, "outputs")
FAILED, USAGE, INTERRUPTED = 1, 2, 130  # exit codes


class CommandError(Exception):
    """An error that ends the program with a line on standard error."""

    def __init__(self, message: str, code: int = USAGE):
        super().__init__(message)
        self.code = code


class Parser(argparse.ArgumentParser):
    """A parser whose errors are CommandErrors, and that shows the text of a ValueError."""

    def __init__(self, **named):
        super().__init__(allow_abbrev=False, **named)

    def add_argument(self, *flags: str, type=None, **named):
        def convert(text: str):
            try:
                return type(text)
            except ValueError as error:
                raise argparse.ArgumentTypeError(str(error)) from None

        if type is not None:
            named["type"] = convert
        return super().add_argument(*flags, **named)

    def error(self, message: str):
        raise CommandError(f"{message} (see {self.prog} --help)")


def run_command(name: str, command, *arguments) -> int:
    """Run a program; return its exit code. A user's error is one line on standard error."""
    try:
        return command(*arguments) or 0
    except CommandError as error:
        complain(f"{name}: {error}")
        return error.code
    except OSError as error:
        complain(f"{name}: {error.filename or 'system'}: {error.strerror or error}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def complain(text: str) -> None:
    write_all(2, f"{text}\n".encode(errors="replace"))


def write_all(descriptor: int, data: bytes) -> bool:
    """Write to a descriptor; return False if it is closed."""
    try:
        while data:
            data = data[os.write(descriptor, data):]
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


def parse_port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text.strip()) or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def parse_ip(text: str) -> str:
    """Return an IP that others can dial."""
    address = address_of(text.strip("[]"), 1)
    if not can_be_dialled(address):
        raise ValueError(f"{text} is no address that others can dial; give the one they shall use")
    return address.ip


def port_or_target(text: str) -> int | Target:
    """Return the port, or the address or name with a port, that a person typed."""
    return parse_target(text) if re.search(r"[\s:,.]", text.strip()) else parse_port(text)


def word_filter(path: str) -> tuple[str, ...]:
    return load(path, parse_filter)


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
    """Read config.txt; a CommandError names the wrong line."""
    return load(path, parse_config)


# Flags.

_COUNT, _SECONDS = count(0), seconds(0.01)
SETTINGS = {  # name -> converter, name of its value, help
    "gossip_count": (_COUNT, "N", "messages that the peer generates (%(default)s)"),
    "gossip_interval": (_SECONDS, "N", "seconds between them (%(default)g)"),
    "liveness_interval": (_SECONDS, "N", "seconds between liveness rounds (%(default)g)"),
    "liveness_misses": (count(1), "N", "unanswered rounds before the last probe (%(default)s)"),
    "antientropy_interval": (seconds(0), "N", "seconds between comparisons with a neighbour; 0: "
                                              "never (%(default)g)"),
    "cache_size": (_COUNT, "N", "messages kept for those who lack them (%(default)s)"),
    "spread": (parse_way, "WAY", "how new messages travel: flood, rumor or tree (%(default)s)"),
    "rumor_stop": (number(1e-9, "a probability above 0, up to 1", most=1), "P",
                   "probability that a rumor ends once a neighbour knew it already (%(default)g)"),
    "capacity": (parse_capacity, "RULE", f"how many neighbours: {RULES} (%(default)s)"),
    "rate": (_COUNT, "N", "lines a second that a neighbour may say in its own name, before it is "
                          "read more slowly (%(default)s); 0: any number"),
    "burst": (_COUNT, "N", "lines that it may say beyond that at once (%(default)s)"),
    "filter": (word_filter, "FILE", "words that no message may have, one a line"),
    "sign": (None, None, "sign messages, and take only signed ones"),
    "monitor": (None, None, "watch neighbours, and shut out who is malicious; implies --sign"),
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


def add_common(parser: Parser, outputs: str = OUTPUTS) -> None:
    """Add --config, --outputs and --quiet."""
    parser.add_argument("--config", metavar="FILE", default=CONFIG,
                        help="the list of seeds (config.txt)")
    parser.add_argument("--outputs", metavar="DIR", default=outputs,
                        help=f"where output files go ({os.path.relpath(outputs, HOME)})")
    parser.add_argument("--quiet", action="store_true", help="show no events on the terminal")


def peer_parser() -> Parser:
    parser = Parser(prog="peer.py", description="A peer of the network in config.txt.")
    parser.add_argument("where", nargs="*", metavar="[IP] PORT", help="where to listen; without a "
                        "port the program asks for one, without an IP it takes the one by which "
                        "this machine reaches the seeds")
    add_common(parser)
    parser.add_argument("--host", type=parse_ip, metavar="IP", help="the IP to announce")
    parser.add_argument("--listen", type=parse_ip, metavar="IP", help="the IP to listen on, if it "
                        "is not the announced one, as behind a router that forwards the port")
    add_settings(parser, OF_PEERS)
    return parser


def seed_parser() -> Parser:
    parser = Parser(prog="seed.py", description="A seed; without an argument, all seeds of "
                                                "config.txt that are on this machine.")
    parser.add_argument("where", nargs="*", metavar="HOST:PORT", help="which seed of config.txt")
    add_common(parser)
    add_settings(parser, OF_SEEDS)
    return parser


def typed_target(parser: Parser, args: argparse.Namespace) -> int | Target | None:
    """Return the port, address or name given as arguments; None if there is none."""
    try:
        return port_or_target(" ".join(args.where)) if args.where else None
    except ValueError as error:
        parser.error(f"argument PORT: {error}")


def cannot_listen(address: Address, error: OSError) -> CommandError:
    if error.errno == errno.EADDRINUSE:
        return CommandError(f"port {address.port} is in use", FAILED)
    return CommandError(f"cannot listen on {address}: {error.strerror}", FAILED)

