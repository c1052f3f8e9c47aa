"""A copy of this project, whose `outputs` and config.txt a test may use as a user does."""

import pathlib
import shutil

from tests.tools.programs import ROOT, write_config


def copy_project(folder: pathlib.Path, seeds) -> pathlib.Path:
    """Copy the programs into the folder, with these seeds in config.txt; answer the folder."""
    shutil.copytree(ROOT / "gossip", folder / "gossip")
    for name in ("runner.py", "seed.py", "peer.py"):
        shutil.copy2(ROOT / name, folder)
    write_config(folder, seeds)
    return folder
