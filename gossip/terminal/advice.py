"""Advice: what a person may do next, as commands to type."""

import pathlib
import shlex

from gossip.terminal.command_line import OUTPUTS, ROOT
from gossip.terminal.folders import shown


def command(words: str, folder: pathlib.Path) -> str:
    """A command of runner.py about the output files of a folder."""
    named = "" if folder.resolve() == OUTPUTS else f" {shlex.quote(shown(folder))}"
    return f"python runner.py {words}{named}"


def peer_command(config: pathlib.Path, folder: pathlib.Path) -> str:
    """What starts a peer of these seeds that writes into this folder."""
    flags = [("--config", config, ROOT / "config.txt"), ("--outputs", folder, OUTPUTS)]
    return "python peer.py" + "".join(f" {flag} {shlex.quote(shown(path))}"
                                      for flag, path, usual in flags if path.resolve() != usual)


def commands(*lines: tuple[str, str]) -> str:
    """Lines of commands, and what each is for."""
    longest = max(len(typed) for typed, _ in lines)
    return "\n".join(f"  {typed:<{longest}}   {purpose}" for typed, purpose in lines)


def ports(addresses) -> list[str]:
    """Names of addresses for people: ports alone while all are on one IP."""
    addresses = list(addresses)
    hosts = {address.rpartition(":")[0] for address in addresses}
    return [address.rpartition(":")[2] if len(hosts) == 1 else address for address in addresses]
