"""From a command line to running nodes.

seed_program and peer_program, to which seed.py and peer.py pass their classes, and other_programs
(chat servers, gossip modules) share `starting` and `consoles`.

This file imports only the doorstep, because peer.py calls it before its slow imports."""

import sys

from gossip.chat.doorstep import open_early


def run_other_program(arguments: list[str]) -> None:
    """Run the chat server or gossip module that a command line of peer.py asks for, and exit."""
    if "--chat" in arguments:
        doors = open_early(arguments)
        from gossip.programs.other_programs import chat_main
        sys.exit(chat_main(doors))
    if any(word[:2] == "-c" for word in arguments):
        from gossip.programs.other_programs import module_main
        sys.exit(module_main())
