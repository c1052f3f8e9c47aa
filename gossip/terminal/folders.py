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

from gossip.events import ROTATED
from gossip.terminal.command_line import (
    CONFIG, FAILED, OUTPUTS, CommandError, Parser, add_common_flags, complain)

DEMO, NETWORK, MODULES = (OUTPUTS / name for name in ("demo", "network", "modules"))
RECORDED = ("seed_*.txt*", "peer_*.txt*")  # what `check` reads
REPORT, PICTURES = "report.html", ("degrees.svg", "network.svg")  # made of output files
TABLES = tuple(f"report-{name}.csv" for name in ("peers", "deliveries", "timeline", "badness"))
OTHER_CONFIG = "config-other-ports.txt"  # the seeds, if ports of config.txt were in use
OF_A_NETWORK = (*RECORDED, REPORT, *PICTURES, *TABLES, OTHER_CONFIG)
OF_MODULES = ("module_*.txt*",)
_OF_A_NODE = re.compile(rf"(seed|peer|module)_[0-9a-f.-]+_[0-9]+\.txt{ROTATED}")


def clear_outputs(folder: pathlib.Path, patterns: tuple[str, ...] = OF_A_NETWORK) -> None:
    """Make a folder, or delete an earlier network's files in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise CommandError(f"cannot write into {folder}: no permission, or a read-only disk",
                               FAILED)
        paths = [path for pattern in patterns for path in folder.glob(pattern)]
        of_nodes = {path for path in paths if _OF_A_NODE.fullmatch(path.name)}
        for path in paths if of_nodes else ():  # without output files, a report is a user's own
            if path in of_nodes or not path.name.startswith(("seed_", "peer_", "module_")):
                path.unlink()
    except OSError as error:
        raise CommandError(f"cannot clear {folder}: {error.strerror}", FAILED) from None


@contextlib.contextmanager
def reserved(folder: pathlib.Path):
    """Lock a folder against other networks. CommandError if a network uses it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
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


def parse_folders(parser: Parser, arguments: list[str], more="", together=None) -> tuple:
    """Return the folders of a command line, and all flags. `together` allows several folders, and
    is the class of what is returned for them."""
    def written_at(folder: pathlib.Path) -> float:
        times = [0.0]
        for path in itertools.chain(*map(folder.glob, RECORDED)):
            with contextlib.suppress(FileNotFoundError):  # a starting network has deleted it
                times.append(path.stat().st_mtime)
        return max(times)

    if together is not None:
        parser.switch("--together", "take the files of all folders as those of one network, which "
                                    "ran on several machines; copies of a file count once")
    parser.add_argument("folders", nargs="?" if together is None else "*", metavar="DIR",
                        type=pathlib.Path, help="where the output files are (the newest of outputs,"
                                                f" outputs/demo and outputs/network){more}")
    add_common_flags(parser, None)
    args = parser.parse_args(arguments)
    folders = [args.folders] if together is None else args.folders
    if not any(folders):
        folders = [args.outputs or max((OUTPUTS, DEMO, NETWORK), key=written_at)]
        if args.outputs is None:
            complain(f"the newest output files: {shown(folders[0])}")
    for path in folders:
        if not path.exists():
            raise CommandError(f"no folder {path}")
        if not path.is_dir():
            raise CommandError(f"{path} is no folder; give the folder of the output files")
        os.listdir(path)  # or it says why not, because `glob` passes over what nobody may read
    if together is not None:
        groups = [folders] if args.together else [[folder] for folder in folders]
        folders = [together(group) for group in groups]
    if together is not None and args.together:
        try:
            folders[0].glob("*")
        except ValueError as error:
            raise CommandError(str(error), FAILED) from None
    return folders, args


def shown(folder: pathlib.Path) -> str:
    """Return a path for people, relative if below the current folder."""
    try:
        return str(folder.relative_to(os.getcwd()))
    except (OSError, ValueError):
        return str(folder)


def command(words: str, folder: pathlib.Path) -> str:
    """Return a command of runner.py about the output files of a folder."""
    named = "" if folder.resolve() == OUTPUTS else f" {shlex.quote(shown(folder))}"
    return f"python runner.py {words}{named}"


def peer_command(config: pathlib.Path, folder: pathlib.Path, monitors: bool = False) -> str:
    """Return the command of a peer that joins the seeds of a config."""
    flags = [("--config", config, CONFIG), ("--outputs", folder, OUTPUTS)]
    return "python peer.py" + "".join(f" {flag} {shlex.quote(shown(path))}"
                                      for flag, path, usual in flags if path.resolve() != usual
                                      ) + " --monitor" * monitors


def commands(*lines: tuple[str, str]) -> str:
    longest = max(len(typed) for typed, _ in lines)
    return "\n".join(f"  {typed:<{longest}}   {purpose}" for typed, purpose in lines)


def ports(addresses) -> list[str]:
    """Return addresses for people, as ports alone if they share an IP."""
    parts = [address.rsplit(":", 1) for address in addresses]
    share_ip = len({host for host, _ in parts}) == 1
    return [port if share_ip else f"{host}:{port}" for host, port in parts]
