"""Folders of output files, and the commands about them.

The runner empties the folder of a network before it starts it. Nothing deletes other files.
"""

import contextlib
import itertools
import os
import pathlib
import re
import shlex

try:
    import fcntl
except ImportError:  # Windows: two networks in one folder are not noticed there
    fcntl = None

from grapevine.terminal.command_line import (
    CONFIG, FAILED, OUTPUTS, CommandError, Parser, add_common, complain)

DEMO, NETWORK = (os.path.join(OUTPUTS, name) for name in ("demo", "network"))
RECORDED = ("seed_*.txt", "peer_*.txt")  # what `check` reads
REPORT, PICTURES = "report.html", ("degrees.svg", "network.svg")  # made of output files
TABLES = tuple(f"report-{name}.csv" for name in ("peers", "deliveries", "timeline", "badness"))
OTHER_CONFIG = "config-other-ports.txt"  # the seeds, if ports of config.txt were in use
SCENARIO = "scenario.txt"  # what the runner did to its nodes
BESIDE = (REPORT, *PICTURES, *TABLES, OTHER_CONFIG, SCENARIO)  # output files of nodes
_OF_A_NODE = re.compile(r"(seed|peer)_[0-9a-f.-]+_[0-9]+\.txt")


def clear_outputs(folder: pathlib.Path) -> None:
    """Delete an earlier network's files in a folder, which is reserved."""
    try:
        if not os.access(folder, os.W_OK):
            raise CommandError(f"cannot write into {folder}: no permission, or a read-only disk",
                               FAILED)
        paths = [path for path in folder.iterdir() if _OF_A_NODE.fullmatch(path.name)]
        if paths:  # else a report is a user's own
            paths += [folder / name for name in BESIDE]
        for path in paths:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"cannot clear {folder}: {error.strerror}", FAILED) from None


@contextlib.contextmanager
def reserved(folder: pathlib.Path):
    """Lock a folder against other networks. CommandError if a network uses it."""
    try:
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(folder if fcntl else os.devnull, os.O_RDONLY)
    except OSError as error:
        raise CommandError(f"cannot write into {folder}: {error.strerror}", FAILED) from None
    try:
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"another network writes into {shown(folder)}: end it, or give "
                               "another folder by --outputs", FAILED) from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(descriptor)


def parse_folders(parser: Parser, arguments: list[str], many: bool = False, more: str = ""
                  ) -> tuple[list[pathlib.Path], object]:
    """Return the folders that a command line names, of which there may be `many`, and all flags.
    Without a name it is the folder of a network that was written last."""
    parser.add_argument("folders", nargs="*" if many else "?", metavar="DIR",
                        help="where the output files are (the newest of outputs, outputs/demo and "
                             f"outputs/network){more}")
    add_common(parser, None, idle=("--config", "--quiet"))
    args = parser.parse_args(arguments)
    named = args.folders if many else [args.folders]
    if not any(named):
        named = [args.outputs or max((OUTPUTS, DEMO, NETWORK), key=_written_at)]
        if args.outputs is None:
            complain(f"the newest output files: {shown(named[0])}")
    folders = list(map(pathlib.Path, named))
    for path in folders:
        if not os.path.exists(path):  # also if its name is too long
            raise CommandError(f"no folder {path}")
        if not path.is_dir():
            raise CommandError(f"{path} is no folder; give the folder of the output files")
        os.listdir(path)  # or it says why not, because `glob` passes over what nobody may read
    return folders, args


def _written_at(folder: str) -> float:
    """Return when an output file in a folder was written last."""
    times = [0.0]
    for path in itertools.chain(*map(pathlib.Path(folder).glob, RECORDED)):
        with contextlib.suppress(FileNotFoundError):  # a starting network has deleted it
            times.append(path.stat().st_mtime)
    return max(times)


# What people read, and type next.

def shown(folder: str | pathlib.Path) -> str:
    """Return a path for people, relative if below the current folder. With `/` also on Windows,
    because its shell does not know the quotes that `\\` needs."""
    path = str(folder)
    with contextlib.suppress(OSError, ValueError):
        path = str(pathlib.Path(folder).relative_to(os.getcwd()))
    return path.replace(os.sep, "/")


def command(words: str, folder: str | pathlib.Path) -> str:
    """Return a command of runner.py about the output files of a folder."""
    named = "" if _is_same(folder, OUTPUTS) else f" {shlex.quote(shown(folder))}"
    return f"python runner.py {words}{named}"


def peer_command(config: str | pathlib.Path, folder: str | pathlib.Path, monitors: bool = False
                 ) -> str:
    """Return the command of a peer that joins the seeds of a config."""
    flags = [("--config", config, CONFIG), ("--outputs", folder, OUTPUTS)]
    return "python peer.py" + "".join(f" {flag} {shlex.quote(shown(path))}"
                                      for flag, path, usual in flags if not _is_same(path, usual)
                                      ) + " --monitor" * monitors


def _is_same(path: str | pathlib.Path, usual: str) -> bool:
    return os.path.realpath(path) == os.path.realpath(usual)


def commands(*lines: tuple[str, str]) -> str:
    longest = max(len(typed) for typed, _ in lines)
    return "\n".join(f"  {typed:<{longest}}   {purpose}" for typed, purpose in lines)


def ports(addresses) -> list[str]:
    """Return addresses for people, as ports alone if they share an IP."""
    parts = [str(address).rsplit(":", 1) for address in addresses]
    share_ip = len({host for host, _ in parts}) == 1
    return [port if share_ip else f"{host}:{port}" for host, port in parts]
