"""From a command line to running nodes.

seed.py and peer.py pass their classes to seed_program and peer_program; other_programs runs chat
servers and gossip modules; all share `starting`, and peers `consoles`. This file imports only the
doorstep, because peer.py calls it before its slow imports.
"""

import sys

from gossip.chat.doorstep import open_early


def run_other_program(arguments: list[str]) -> None:
    """Run the chat server or gossip module of a command line; exit."""
    if "--chat" in arguments:
        doors = open_early(arguments)
        from gossip.programs.other_programs import chat_command, run_command
        sys.exit(run_command("peer.py", chat_command, doors))
    if any(word[:2] == "-c" for word in arguments):
        from gossip.programs.other_programs import module_command, run_command
        sys.exit(run_command("peer.py", module_command))
