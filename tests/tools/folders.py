"""Folders of output files of networks that ran in virtual time."""

import pathlib
import tempfile

from grapevine import runner
from grapevine.lab.simulation.accidents import parse_schedule
from grapevine.lab.simulation.simulate import play

Files = dict[str, list[tuple[str, str]]]  # name -> the lines of a file: time, event


def files_of(schedule: str, until: float | None = None) -> Files:
    """Play a schedule, and return what its nodes have written."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = play(parse_schedule(schedule), until, pathlib.Path(folder))
        assert outcome.faults == []
        return {path.name: [(line[:26], line[27:]) for line in path.read_text().splitlines()]
                for path in sorted(pathlib.Path(folder).iterdir())}


def simulated(arguments: list[str]) -> int:
    """Return the exit code of the command."""
    return runner.main(["simulate", *arguments])


def write_files(files: Files, folder: pathlib.Path) -> pathlib.Path:
    for name, lines in files.items():
        (folder / name).write_text("".join([f"{at}:{event}\n" for at, event in lines]))
    return folder
