"""A peer, and the seeds, on a terminal: words, a prompt that is never torn, and a terminal that is
given back."""

import re
import signal
import socket
import sys

import pytest

from tests.tools.programs import OutputFile, free_ports, wait_until

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are POSIX", allow_module_level=True)
from tests.tools.terminals import CTRL_C, Terminal  # noqa: E402

QUIET = ["--gossip-count", 0]
WHOLE = re.compile(
    r"\d\d:\d\d:\d\d +(?:\d+  .*|me  .*|\.\.\. [0-9,]+ more .*|[-+?x~] .*|registered with .*"
    r"|No seed .*)| +\S.*")  # or what did not fit into the line before


def flags_of(network):
    return ["--config", network.config, "--outputs", network.outputs]


class PeerTerminal(Terminal):
    """A peer of a network on a terminal, and its output file."""

    def __init__(self, network, *flags, **options):
        self.port = free_ports(1)[0]
        self.file = OutputFile(network.outputs / f"peer_127.0.0.1_{self.port}.txt")
        super().__init__("peer.py", self.port, *flags_of(network), *QUIET, *flags, **options)


def test_a_busy_terminal_is_never_torn_and_what_is_typed_arrives_whole(started):
    rows, width, others = 10, 40, [30, 50]
    started.start_peer("--quiet", "--gossip-count", 1_000_000, "--gossip-interval", 0.02)
    text = "hello to all, 日本 as well, from me: bye!!"
    assert len(text) == 40
    with PeerTerminal(started, rows=rows, width=width) as terminal:
        terminal.shows("more messages")
        for place, letter in enumerate(text, 1):
            size = others[place // 10 % 2] if place % 10 == 0 else None
            if size is not None:  # what is under way may still have the old width
                terminal.glass.width = max(size, terminal.glass.width)
                terminal.resize(rows, size)
            terminal.type(letter)
            wait_until(lambda place=place: text[:place][-8:] in terminal.texts()[-1])
            if size is not None:
                terminal.glass.width = size
        terminal.type("\r")
        terminal.shows("me  hello")
        terminal.prompts("")
        *lines, prompt = terminal.texts()
    assert terminal.glass.too_wide == {}
    told = lines[lines.index("") + 1:]  # without the greeting
    assert [line for line in told if not WHOLE.fullmatch(line)] == []
    assert re.fullmatch(r"(\d+, 1 neighbour, [0-9,]+ messages )?> ", prompt)
    assert terminal.file.events("generated:")[0].endswith(f":1:{text}")


def test_a_terminal_that_becomes_narrower_keeps_one_prompt(started):
    with PeerTerminal(started) as terminal:
        terminal.shows("registered with")
        terminal.type("x" * 60)
        wait_until(lambda: terminal.texts()[-1].endswith("x" * 40))
        for width in (40, 25):
            terminal.rewrap(10, width)
            terminal.prompts("x" * (width - 3))
            assert sum("xx" in line for line in terminal.texts()) == 1


def test_the_keys_work_on_a_real_terminal(started):
    with PeerTerminal(started) as terminal:
        terminal.shows("registered with")
        terminal.type("orld 日\x1b[D\x1b[1~Hello w\x1b[4~!")
        terminal.prompts("Hello world 日!")
        terminal.type("\n\x1b[A\x17twice\n")
        terminal.shows("me  Hello world 日!")
        terminal.shows("me  Hello world twice")
        terminal.type("STATUS\n")
        terminal.shows(" 0 known peers, 2 messages")
        terminal.type("/raw\none more\n")
        terminal.shows("generated:gmessage:")
        terminal.type("\x04")
        assert terminal.finish() == 0 and terminal.has_usual_modes()
        terminal.shows(f"{terminal.port} said goodbye. Its file: ")
    assert terminal.file.events()[-1] == "stopped:quit"


@pytest.mark.parametrize("end", [CTRL_C, signal.SIGTERM, signal.SIGHUP], ids=repr)
def test_the_terminal_is_as_before_after_the_end(started, end):
    if end == signal.SIGHUP and signal.getsignal(end) == signal.SIG_IGN:
        pytest.skip("these tests were started deaf to SIGHUP, and so are the programs")
    with PeerTerminal(started) as terminal:
        terminal.prompts("")
        terminal.type("half a line")
        terminal.prompts("half a line")
        wait_until(lambda: not terminal.has_usual_modes())
        if end == CTRL_C:
            terminal.type(end)
        else:
            terminal.process.send_signal(end)
        assert terminal.finish() == 0 and terminal.has_usual_modes()
        terminal.shows("was interrupted")
        assert terminal.texts()[-1] == "" and not any("half" in line for line in terminal.texts())
    assert terminal.file.events()[-1] == "stopped:interrupted"


def stop(shell, times):
    """Press Ctrl-Z, and wait until the shell has told of so many stops."""
    shell.type("\x1a")
    wait_until(lambda: sum("Stopped" in line for line in shell.texts()) == times)
    assert shell.has_usual_modes()


def test_the_terminal_is_as_before_while_the_peer_is_stopped_and_the_line_comes_back(started):
    with Terminal("--norc", "--noprofile", "--noediting", "-i", program="bash",
                  PS1="ready ") as shell:
        shell.shows("ready")
        command = [sys.executable, "peer.py", free_ports(1)[0], *flags_of(started), *QUIET]
        shell.type(" ".join(map(str, command)) + "\n")
        shell.shows("registered with")
        for turn in range(2):
            shell.type("half ")
            shell.prompts("half ")
            stop(shell, turn + 1)
            shell.type("fg\n")
            shell.prompts("half ")
            wait_until(lambda: not shell.has_usual_modes())
            shell.type(f"a line {turn}\n")
            shell.shows(f"me  half a line {turn}")
        stop(shell, 3)
        shell.type("bg\necho $((40 + 2))\n")  # the shell has the keys now
        shell.shows("ready 42")
        assert shell.has_usual_modes()
        shell.type("fg\n")
        wait_until(lambda: not shell.has_usual_modes())
        shell.type("back again\n")
        shell.shows("me  back again")
        shell.type(CTRL_C)
        wait_until(shell.has_usual_modes)
        shell.shows("was interrupted")
        shell.type("exit\n")
        shell.finish()


def test_no_seed_and_enter_for_a_free_port(network):
    with socket.create_server(("127.0.0.1", 0)) as other, \
            Terminal("peer.py", *flags_of(network), *QUIET) as terminal:
        terminal.shows("Port to listen on (Enter for 5")
        offered = re.search(r"Enter for (\d+)", terminal.text)[1]
        terminal.type("?\n")
        terminal.shows(f"is not a port (1 to 65535). Try again, for example {offered}.")
        terminal.type(f"{other.getsockname()[1]}\n")
        terminal.shows(f"port {other.getsockname()[1]} is in use. Try again.")
        terminal.type("\n")
        terminal.shows("I am 50")
        terminal.shows("No seed answers yet. Start them in another terminal: python runner.py")
        assert terminal.glass.colours
        terminal.type(CTRL_C)
        assert terminal.finish() == 0


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=repr)
def test_a_plain_terminal_has_no_colours(started, environ):
    with PeerTerminal(started, "--raw", **environ) as terminal:
        terminal.shows("registered:")
        assert not terminal.glass.colours
        terminal.type("quit\n")
        assert terminal.finish() == 0
    with PeerTerminal(started, **environ) as terminal:
        terminal.shows("registered with")
        terminal.type("Hello all\nhalf")
        terminal.shows("me  Hello all")
        terminal.prompts("half")
        assert not terminal.glass.colours


# Seeds.

@pytest.mark.parametrize("rows, width", [(24, 80), (10, 40)])
def test_each_peer_that_comes_or_goes_is_a_line_on_the_terminal_of_the_seeds(
        network, rows, width):
    with Terminal("runner.py", *flags_of(network), rows=rows, width=width) as terminal:
        terminal.shows("Ctrl-C ends the seeds")
        dies, leaves = [network.start_peer("--quiet") for _ in range(2)]
        ports = [peer.address.rpartition(":")[2] for peer in (dies, leaves)]
        for port in ports:
            terminal.shows(f"+ {port}")
        leaves.type("quit")
        terminal.shows(f"- {ports[1]} said goodbye")
        dies.kill()
        terminal.shows(f"- {ports[0]} is gone")
        terminal.type(CTRL_C)
        assert terminal.finish() == 0
        assert [line for line in terminal.glass.too_wide.values()
                if str(network.folder) not in line] == []
        shown = " ".join(" ".join(terminal.texts()).split())
    assert shown.startswith("1 seed is up:") and "python runner.py watch" in shown
    assert re.search(r"The seeds have ended after .*: 2 peers came, 1 left, 1 died\. "
                     r"The proof: python runner\.py check", shown)
    assert shown.count(f"+ {ports[0]} ") == shown.count(f"- {ports[0]} is gone") == 1
    assert "registered:" not in shown and "settings:" not in shown


def test_plain_shows_the_events_of_each_seed(network):
    port = network.seed_addresses[0].rpartition(":")[2]
    with Terminal("runner.py", *flags_of(network), "--plain") as terminal:
        terminal.shows(f"[seed {port}] ")
        terminal.shows("settings:seeds=1")
        assert "1 seeds; start peers with: python peer.py" in terminal.text
        terminal.type(CTRL_C)
        assert terminal.finish() == 0 and "The proof" not in terminal.text


def test_a_benchmark_says_at_once_how_long_it_takes():
    with Terminal("runner.py", "bench", "--peers", 2, "--runs", 2, "--spread", "tree") as terminal:
        terminal.shows("about a minute each")
        assert terminal.texts()[0] == "measures 2 networks, about a minute each"
        terminal.type(CTRL_C)
        assert terminal.finish() != 0


# Errors.

@pytest.mark.parametrize("usage", ["runner.py dmeo", "runner.py --once"])
def test_a_terminal_breaks_an_error_between_words(usage):
    with Terminal(*usage.split(), width=40) as terminal:
        assert terminal.finish() == 2
        lines = terminal.texts()
        assert len(lines) > 2 and not terminal.glass.too_wide
        assert "Commands:" in " ".join(lines) or "need --peers" in " ".join(lines)
