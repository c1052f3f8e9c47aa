"""Files that a live page asks for: the last lines of a node, and the report."""

import os
import pathlib

from gossip.pictures.live_file import open_file
from gossip.pictures.live_requests import Refused
from gossip.terminal.folders import REPORT

TAIL, TAIL_LINES = 64 * 1024, 60  # of a node's file: bytes that are looked at, lines shown
LARGEST = 16 * 1024 * 1024  # bytes of a report


def last_lines(path: pathlib.Path | None) -> bytes:
    """The last whole lines of a node's file; Refused when there is none."""
    try:
        if path is None:
            raise FileNotFoundError
        with open(open_file(path), "rb", buffering=0) as file:
            file.seek(max(0, file.seek(0, 2) - TAIL))
            lines = file.read(TAIL).split(b"\n")
    except OSError:
        raise Refused(404, "there is no such node, or no file of it that can be read") from None
    return b"\n".join(lines[-TAIL_LINES - 1:-1]) + b"\n"


def report(folder: pathlib.Path) -> bytes:
    """The report that `runner.py plot` has made; Refused when there is none."""
    if not has_report(folder):
        raise Refused(404, "there is no report: python runner.py plot makes it")
    try:
        with open(open_file(folder / REPORT), "rb") as file:
            found = file.read(LARGEST + 1)
    except OSError:
        raise Refused(404, "the report cannot be read") from None
    if len(found) > LARGEST:
        raise Refused(404, f"the report is large: open {REPORT} itself in a browser")
    return found


def has_report(folder: pathlib.Path) -> bool:
    """Whether there is one."""
    return os.path.isfile(folder / REPORT)
