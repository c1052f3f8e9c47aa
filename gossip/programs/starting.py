"""The start of all programs: opening output files, starting nodes and awaiting their end."""

import pathlib
import threading
import time

from gossip.addresses import Address
from gossip.node.output_file import OutputFile
from gossip.programs.own_addresses import cannot_listen
from gossip.terminal.command_line import (
    FAILED, QUIET, STANDARD_OUTPUT, CommandError, Parser, add_outputs, add_settings)
from gossip.terminal.input import End, Keyboard
from gossip.terminal.screen import Log, Screen


def add_output_flags(parser: Parser) -> None:
    """Add the flags of the programs that `run_node` runs."""
    add_outputs(parser)
    add_settings(parser, "file_limit")
    parser.switch("--quiet", QUIET)


def open_output(folder: pathlib.Path, kind: str, address: Address, limit: int,
                screen=None) -> OutputFile:
    """Open an output file of `limit` MiB at most (0: any size), in a folder made if missing; on
    standard output it has no limit."""
    if folder == STANDARD_OUTPUT:
        return OutputFile(None, time.time_ns, file=Log())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        output = OutputFile(folder / f"{kind}_{address.file_part}.txt", time.time_ns, screen,
                            limit=limit)
    except OSError as error:
        raise CommandError(f"cannot write into {folder}: {error.strerror}", FAILED) from None
    if isinstance(screen, Screen):
        screen.on_failure = output.write_failure
    return output


def start_node(node, wanted=None) -> None:
    """Prepare a node and let it go."""
    prepare_node(node, wanted)
    node.go()


def prepare_node(node, wanted=None) -> None:
    """Start a node but for its `go`; CommandError names the address that is not available, and says
    why. `wanted()` returns that address if it may be another than the node's own."""
    try:
        node.prepare()
    except OSError as error:
        node.output.finish()
        node.stop()
        raise cannot_listen(wanted() if wanted else node.address, error) from None


def run_node(kind: str, address: Address, args, make, start=start_node,
             life_line: int | None = None, farewell=lambda node: None) -> None:
    """Run the node that `make(output)` returns, until it ends or a signal comes. It also ends,
    after `farewell(node)`, with `life_line`, a descriptor that the starting program holds."""
    end, screen = End(), None if args.quiet else Screen()
    node = make(open_output(args.outputs, kind, address, args.file_limit, screen))
    start(node)

    def await_end():
        lines = Keyboard(life_line)
        while lines.lines() is not None:
            pass
        farewell(node)
        node.stop("quit")
        end.come()

    if life_line is not None:
        threading.Thread(target=await_end, name="life line", daemon=True).start()
    end.wait(lambda: node.stopping)
    node.stop()
    if screen is not None:
        screen.close()
