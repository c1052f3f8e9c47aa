"""The command `check`: the proof of a folder of output files, or a verdict for each of several."""

import os

from grapevine.lab.proof import check
from grapevine.terminal.command_line import Parser, printable, show
from grapevine.terminal.folders import parse_folders
from grapevine.terminal.screen import folded

ROW = 18  # columns before what a row of the proof says


def check_folders(arguments: list[str]) -> int:
    parser = Parser(prog="runner.py check", description="Prove from output files what happened.")
    parser.switch("--json", "write the rows as JSON, one object a line for each folder")
    folders, args = parse_folders(parser, arguments, many=True, more="; of several folders each "
                                  "has a verdict, and what fails")
    judge = (check.check_as_json if args.json else check.judge_folder if len(folders) > 1
             else check.check_folder)
    verdicts = []
    for verdict, text in map(judge, folders):
        text = "\n".join(map(printable, text.split("\n")))  # much of it comes from others' files
        show(folded(text, ROW) if os.isatty(1) and not args.json else text)
        verdicts.append(verdict)
    return check.CODES[check.worst(verdicts)]
