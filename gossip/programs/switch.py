"""The switch: `peer.py --chat` and `peer.py -c` are programs of their own, chosen by their flags.

A chat server opens its sockets here, before anything else is imported (gossip/chat/doorstep.py).
So this file imports the doorstep alone, and a program only when it is asked for.
"""

import sys

from gossip.chat.doorstep import open_early


def run_other_program(arguments: list[str]) -> None:
    """Run the chat server or the gossip module that the command line of peer.py asks for, and
    exit with its code; return at once when it asks for a peer."""
    if "--chat" in arguments:
        doors = open_early(arguments)
        from gossip.programs.chat_program import chat_main
        sys.exit(chat_main(doors))
    if any(word[:2] == "-c" for word in arguments):
        from gossip.programs.voidphone_program import module_main
        sys.exit(module_main())
