"""From a command line to running nodes: one file per program, and the choice between them.

seed.py and peer.py pass in their classes. This file imports only the doorstep, and a program when
needed, because peer.py calls it before its slow imports. Programs share starting.py."""

import sys

from gossip.chat.doorstep import open_early


def run_other_program(arguments: list[str]) -> None:
    """Run the chat server or gossip module that a command line of peer.py asks for, and exit."""
    if "--chat" in arguments:
        doors = open_early(arguments)
        from gossip.programs.chat_program import chat_main
        sys.exit(chat_main(doors))
    if any(word[:2] == "-c" for word in arguments):
        from gossip.programs.voidphone_program import module_main
        sys.exit(module_main())
