"""From a command line to running nodes.

seed.py and peer.py pass their classes to seed_program and peer_program; other_programs runs chat
servers and gossip modules; all share `starting`, and peers `console`. This file imports only the
doorstep, because seed.py, peer.py and runner.py call it before their slow imports.
"""

import signal
import sys

from gossip.chat.doorstep import open_early


def import_quietly() -> None:
    """Let Ctrl-C end this program without a traceback, until `run_command` takes it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_other_program(arguments: list[str]) -> None:
    """Run the chat server or gossip module of a command line; exit."""
    is_chat = "--chat" in arguments
    if is_chat or any(word[:2] == "-c" for word in arguments):
        doors = open_early(arguments)  # None for a module
        from gossip.programs.other_programs import chat_command, module_command
        from gossip.terminal.command_line import run_command
        program = (chat_command, doors) if is_chat else (module_command,)
        sys.exit(run_command("peer.py", *program))
