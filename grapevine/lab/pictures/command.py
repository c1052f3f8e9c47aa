"""The commands `plot` and `watch`: pictures of the output files in a folder."""

import contextlib
import os
import time

from grapevine.lab.pictures import live_server, report
from grapevine.terminal.command_line import FAILED, CommandError, Parser, parse_ip, parse_port, show
from grapevine.terminal.folders import parse_folders
from grapevine.terminal.starting import block_signals, take_signals


def plot(arguments: list[str]) -> None:
    parser = Parser(prog="runner.py plot",
                    description="Draw degrees.svg, network.svg and report.html into the folder.")
    parser.add_argument("--csv", action="store_true",
                        help="write the figures behind them, too, as tables beside the report")
    folders, args = parse_folders(parser, arguments, many=True)
    for folder in folders:
        try:
            paths = report.plot_folder(folder, args.csv)
        except ValueError as error:
            raise CommandError(str(error), FAILED) from None
        show("\n".join(map(str, paths)))
        if os.isatty(1):
            show(f"open this one in a browser:\n{paths[-1].resolve().as_uri()}")


def watch(arguments: list[str]) -> None:
    """Serve the page of a folder's network, until Ctrl-C or SIGTERM."""
    parser = Parser(prog="runner.py watch",
                    description="Serve a page that follows whatever runs in the folder.")
    parser.add_argument("--port", type=parse_port, default=0, metavar="PORT",
                        help="the page's port (any free one)")
    parser.add_argument("--host", type=parse_ip, metavar="IP",
                        help="an address of this machine at which others see the page (this "
                             "machine alone)")
    (folder,), args = parse_folders(parser, arguments)
    block_signals()
    with contextlib.suppress(KeyboardInterrupt):
        server = live_server.announced(folder, args.port, args.host)
        take_signals()
        server.serve(time.sleep)
