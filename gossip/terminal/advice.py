"""Advice: what a person may do next, as commands to type."""

import os
import pathlib
import shlex

from gossip.terminal.command_line import ROOT


def command(words: str, folder: pathlib.Path | None = None) -> str:
    """A command of runner.py; with the folder of the output files, unless that is the usual one."""
    if folder is None or folder.resolve() == ROOT / "outputs":
        return f"python runner.py {words}"
    return f"python runner.py {words} {shlex.quote(shown(folder))}"


def commands(*lines: tuple[str, str]) -> str:
    """Lines of commands, and what each is for."""
    longest = max(len(typed) for typed, _ in lines)
    return "\n".join(f"  {typed:<{longest}}   {purpose}" for typed, purpose in lines)


def shown(folder: pathlib.Path) -> str:
    """A folder's path for people: relative where it is below the current folder."""
    try:
        return str(folder.relative_to(os.getcwd()))
    except (OSError, ValueError):
        return str(folder)


def ports(addresses) -> list[str]:
    """Names of addresses for people: ports alone while all are on one IP."""
    hosts = {address.rpartition(":")[0] for address in addresses}
    return [address.rpartition(":")[2] if len(hosts) == 1 else address for address in addresses]
