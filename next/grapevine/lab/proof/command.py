"""The command `check`: the proof of a folder of output files, or a verdict for each of several."""

import os
import pathlib

from grapevine.lab.proof import check
from grapevine.terminal.command_line import (
    FAILED, OUTPUTS, USAGE, CommandError, Parser, run_command, write_all)


def check_main(arguments: list[str]) -> int:
    return run_command("runner.py check", check_folders, arguments)


def check_folders(arguments: list[str]) -> int:
    parser = Parser(prog="runner.py check", description="Prove from output files what happened.")
    parser.add_argument("--json", action="store_true",
                        help="write the rows as JSON, one object a line for each folder")
    parser.add_argument("folders", nargs="*", metavar="DIR", type=pathlib.Path,
                        default=[pathlib.Path(OUTPUTS)], help="where the output files are (outputs)"
                        "; of several folders each has a verdict, and what fails")
    args = parser.parse_args(arguments)
    for folder in args.folders:
        check_readable(folder)
    judge = (check.check_as_json if args.json else check.judge_folder if len(args.folders) > 1
             else check.check_folder)
    all_hold = True
    for holds, text in map(judge, args.folders):
        text = "".join(c if c == "\n" or c.isprintable() else "?" for c in text)  # of others' files
        write_all(1, f"{text}\n".encode(errors="replace"))
        all_hold = all_hold and holds
    return 0 if all_hold else FAILED


def check_readable(folder: pathlib.Path) -> None:
    """Raise CommandError, or OSError, unless the files of a folder can be read."""
    if not folder.exists():
        raise CommandError(f"no folder {folder}", USAGE)
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder; give the folder of the output files", USAGE)
    os.listdir(folder)  # or it says why not, because `glob` passes over what nobody may read
