"""Folders of output files: where they are, how to empty them, and the commands about them.

Nodes that are started by hand write into `outputs`, and nobody deletes their files. A network that
the runner starts has a folder of its own, which is emptied first.
"""

import contextlib
import os
import pathlib
import re
import shlex

try:
    import fcntl
except ImportError:  # Windows: two networks in one folder are not noticed there
    fcntl = None

from gossip.events import ROTATED
from gossip.terminal.command_line import (
    CONFIG, FAILED, OUTPUTS, CommandError, Parser, add_common_flags, complain)

DEMO, NETWORK, MODULES = (OUTPUTS / name for name in ("demo", "network", "modules"))
RECORDED = ("seed_*.txt*", "peer_*.txt*")  # the output files that a check reads
REPORT, PICTURES = "report.html", ("degrees.svg", "network.svg")  # made of output files
TABLES = tuple(f"report-{name}.csv" for name in ("peers", "deliveries", "timeline", "badness"))
OTHER_CONFIG = "config-other-ports.txt"  # the seeds, where those of config.txt had no free ports
OF_A_NETWORK = (*RECORDED, REPORT, *PICTURES, *TABLES, OTHER_CONFIG)
OF_MODULES = ("module_*.txt*",)
COMPARED = 1024 * 1024  # bytes of two files that are compared at a time


def clear_outputs(folder: pathlib.Path, patterns: tuple[str, ...] = OF_A_NETWORK) -> None:
    """Make a folder, or delete an earlier network's files in it. If there are output files, the
    files that were made of them go, too. No other file is touched."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [path for pattern in patterns for path in folder.glob(pattern)]
        if any(map(_is_of_a_node, paths)):
            for path in paths:
                if _is_of_a_node(path) or not path.name.startswith(("seed_", "peer_", "module_")):
                    path.unlink()
    except OSError as error:
        raise CommandError(f"cannot clear {folder}: {error.strerror}", FAILED) from None


def _is_of_a_node(path: pathlib.Path) -> bool:
    return re.fullmatch(rf"(seed|peer|module)_.+_[0-9]+\.txt{ROTATED}", path.name) is not None


@contextlib.contextmanager
def reserved(folder: pathlib.Path):
    """Lock a folder against other networks; CommandError if there is one in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = None if fcntl is None else os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise CommandError(f"cannot write into {folder}: {error.strerror}", FAILED) from None
    try:
        if descriptor is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError(f"another network writes into {shown(folder)}: end it, or give "
                                   "another folder by --outputs", FAILED) from None
            except OSError:
                pass  # a file system without locks
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def newest_folder() -> pathlib.Path:
    """Return the folder whose output files were written to last; OUTPUTS when there are none."""
    return max((OUTPUTS, DEMO, NETWORK), key=_written_at)


def _written_at(folder: pathlib.Path) -> float:
    """Return when an output file of the folder was last written to; 0 without one."""
    last = 0.0
    for path in (path for pattern in RECORDED for path in folder.glob(pattern)):
        with contextlib.suppress(FileNotFoundError):  # a network that starts has deleted it
            last = max(last, path.stat().st_mtime)
    return last


class Together:
    """Several folders of output files as that of one network. Of the copies of a file the longest
    counts, because a file that was copied earlier is shorter; the files of one name are in the
    order of time. What is made of the files goes into the first folder."""

    def __init__(self, folders: list[pathlib.Path]):
        self._folders = folders
        paths = {path.resolve(): path for folder in folders for pattern in RECORDED
                 for path in folder.glob(pattern) if path.is_file()}
        self._files: list[pathlib.Path] = []
        before = None  # the first line of the last file, which is that of all its copies
        for first, _, path in sorted((_first_line(path), -path.stat().st_size, path)
                                     for path in paths.values()):
            if first != before or not first:
                self._files.append(path)
            elif not _begins_like(self._files[-1], path):
                raise CommandError(f"{path} begins as a copy of {self._files[-1]}, and then "
                                   "differs: leave the wrong one out", FAILED)
            before = first

    def glob(self, pattern: str) -> list[pathlib.Path]:
        return [path for path in self._files if path.match(pattern)]

    def __truediv__(self, name: str) -> pathlib.Path:
        return self._folders[0] / name

    def __str__(self) -> str:
        return " and ".join(map(str, self._folders))


def _first_line(path: pathlib.Path) -> bytes:
    """Return the line that tells a node's life: it has the time of its start, and its address."""
    with path.open("rb") as file:
        return file.readline(COMPARED).rstrip()


def _begins_like(path: pathlib.Path, copy: pathlib.Path) -> bool:
    """Tell whether a file begins with all that a shorter one has."""
    with path.open("rb") as whole, copy.open("rb") as part:
        while data := part.read(COMPARED):
            if whole.read(len(data)) != data:
                return False
    return True


def parse_folders(parser: Parser, arguments: list[str], how_many="?", more="") -> tuple:
    """Return the folders of a command line, or else the newest one; and all flags. Where it may
    name several, --together makes one of them."""
    if how_many == "*":
        parser.add_argument("--together", action="store_true",
                            help="take the files of all folders as those of one network, which ran "
                                 "on several machines; copies of a file count once")
    parser.add_argument("folders", nargs=how_many, metavar="DIR", type=pathlib.Path,
                        help="where the output files are (the newest of outputs, outputs/demo and "
                             f"outputs/network){more}")
    add_common_flags(parser)
    parser.set_defaults(outputs=None)
    args = parser.parse_args(arguments)
    folders = args.folders if how_many == "*" else [args.folders]
    if not any(folders):
        folders = [args.outputs or newest_folder()]
        if args.outputs is None:
            complain(f"the newest output files: {shown(folders[0])}")
    for path in folders:
        if path.exists() and not path.is_dir():
            raise CommandError(f"{path} is no folder; give the folder of the output files")
        if not path.is_dir():
            raise CommandError(f"no folder {path}")
    if how_many == "*" and args.together:
        folders = [Together(folders)]
    return folders, args


def shown(folder: pathlib.Path) -> str:
    """Return the folder's path for people: relative where it is below the current folder."""
    try:
        return str(folder.relative_to(os.getcwd()))
    except (OSError, ValueError):
        return str(folder)


def command(words: str, folder: pathlib.Path) -> str:
    """Return a command of runner.py about the output files of a folder."""
    named = "" if folder.resolve() == OUTPUTS else f" {shlex.quote(shown(folder))}"
    return f"python runner.py {words}{named}"


def peer_command(config: pathlib.Path, folder: pathlib.Path) -> str:
    """Return the command for a peer that knows these seeds and writes into this folder."""
    flags = [("--config", config, CONFIG), ("--outputs", folder, OUTPUTS)]
    return "python peer.py" + "".join(f" {flag} {shlex.quote(shown(path))}"
                                      for flag, path, usual in flags if path.resolve() != usual)


def commands(*lines: tuple[str, str]) -> str:
    """Return lines of commands, and what each is for."""
    longest = max(len(typed) for typed, _ in lines)
    return "\n".join(f"  {typed:<{longest}}   {purpose}" for typed, purpose in lines)


def ports(addresses) -> list[str]:
    """Return names of addresses for people: ports alone if all are on one IP."""
    addresses = list(addresses)
    hosts = {address.rpartition(":")[0] for address in addresses}
    return [address.rpartition(":")[2] if len(hosts) == 1 else address for address in addresses]
