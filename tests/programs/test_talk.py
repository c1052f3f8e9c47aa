"""A peer on a terminal: words, a prompt that is never torn, and a terminal that is given back."""

import re
import signal
import socket
import sys
from unittest.mock import MagicMock, Mock

import pytest

from gossip.programs.talk import Talk, understood
from gossip.terminal import keys as terminal_keys
from tests.tools.files import lines_of
from tests.tools.ports import free_port
from tests.tools.programs import Program, peer_file
from tests.tools.waiting import wait_until

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are POSIX", allow_module_level=True)
from tests.tools.terminals import Terminal  # noqa: E402

QUIET = ["--gossip-count", 0]
WHOLE = re.compile(
    r"\d\d:\d\d:\d\d +(?:\d+  .*|me  .*|\.\.\. [0-9,]+ more .*|[-+?x~] .*|registered with .*"
    r"|No seed .*)| +\S.*")  # or what did not fit into the line before


@pytest.mark.parametrize("typed, meant", [
    ("peers", ("peers", "")), ("/Peers", ("peers", "")), (" STATUS ", ("status", "")),
    ("/help", ("help", "")), ("exit", ("quit", "")), ("/exit now", ("quit", "")),
    ("say  a b ", ("say", " a b ")), ("/say a  b", ("say", "a  b")), ("say", ("say", "")),
    ("hello all", ("say", "hello all")), ("quit now", ("say", "quit now")),
    ("peres", ("peres", "")), ("hello", ("say", "hello")), ("Hlep", ("Hlep", "")),
    ("/peres x", ("/peres x", "")), ("", ("", "")), ("/", ("/", "")),
    ("/say", ("say", "")), ("hello\tall ", ("say", "hello\tall")), ("/raw", ("raw", ""))])
def test_what_is_typed_is_a_command_or_a_message(typed, meant):
    assert understood(typed) == meant


def test_lines_that_come_together_go_out_together_and_a_slip_does_not():
    peer, screen = MagicMock(stopping=False, leaving=None), Mock()
    peer.messages.forbids.return_value = False
    Talk(peer, screen, screen).carry_out([b"one line", b"say two", b"/say 3", b"peres"])
    peer.gossip.assert_called_once_with(["one line", "two", "3"])
    screen.say.assert_called_once_with(
        "unknown command 'peres' (/help lists them); to gossip it: say peres")


@pytest.mark.parametrize("said, heard, waits", [
    (True, [False, False, True], True), (True, [True, True], False), (False, [], False)])
def test_the_console_says_what_it_waits_for_before_it_leaves(said, heard, waits):
    peer, screen = MagicMock(stopping=False, leaving=None), Mock()
    peer.messages.forbids.return_value = False
    peer.neighbours.could_fetch.side_effect = heard
    Talk(peer, screen, screen).carry_out([*([b"hello"] if said else []), b"/quit"])
    assert [call.args[0].startswith("Waiting for neighbours")
            for call in screen.say.call_args_list] == ([True] if waits else [])
    peer.quit.assert_called_once_with()


def test_a_windows_console_sends_the_same_keys(monkeypatch):
    waiting = ["h", "\xe0", "K", "\xe4", "\ud83c", "\udf47", "\x00", "\x3b", "\r", "\xe0"]
    monkeypatch.setattr(terminal_keys, "msvcrt", Mock(
        getwch=lambda: waiting.pop(0), kbhit=lambda: bool(waiting)), raising=False)
    console = terminal_keys.WindowsKeys.__new__(terminal_keys.WindowsKeys)
    assert console.read().decode() == "h\x1b[D\xe4\U0001f347\r\xe0"


def gossiper(flags, port, interval):
    return Program("peer.py", port, *flags, "--quiet", "--gossip-count", 1_000_000,
                   "--gossip-interval", interval)


@pytest.mark.parametrize("rows, width, others", [(24, 80, [60, 100]), (10, 40, [30, 50])])
def test_a_busy_terminal_is_never_torn_and_what_is_typed_arrives_whole(
        flags, seeds, rows, width, others):
    ports = [free_port(), free_port()]
    text = "hello to all, 日本 as well, from me: bye!!"
    assert len(text) == 40
    with gossiper(flags, ports[1], 0.02), Terminal(
            "peer.py", ports[0], *flags, *QUIET, rows=rows, width=width) as terminal:
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
    assert any(e.startswith("generated:") and e.endswith(f":1:{text}")
               for e in lines_of(peer_file(flags, ports[0])))


def test_a_terminal_that_becomes_narrower_keeps_one_prompt(flags, seeds):
    with Terminal("peer.py", free_port(), *flags, *QUIET) as terminal:
        terminal.shows("registered with")
        terminal.type("x" * 60)
        wait_until(lambda: terminal.texts()[-1].endswith("x" * 40))
        for width in (40, 25):
            terminal.rewrap(10, width)
            terminal.prompts("x" * (width - 3))
            assert sum("xx" in line for line in terminal.texts()) == 1


def test_the_keys_work_on_a_real_terminal(flags, seeds):
    port = free_port()
    with Terminal("peer.py", port, *flags, *QUIET) as terminal:
        terminal.shows("registered with")
        terminal.type("orld 日\x1b[D\x1b[1~Hello w\x1b[4~!")
        terminal.prompts("Hello world 日!")
        terminal.type("\n\x1b[A\x17twice\n")
        terminal.shows("me  Hello world 日!")
        terminal.shows("me  Hello world twice")
        terminal.type("/messages\nSTATUS\npeers\nperes\n")
        terminal.shows(" 0 known peers, 2 messages")
        terminal.shows("neighbours (0)")
        terminal.shows("unknown command 'peres' (/help lists them); to gossip it: say peres")
        assert not any("gmessage" in line or line.endswith(": 0") for line in terminal.texts())
        terminal.type("/raw\none more\n")
        terminal.shows("generated:gmessage:")
        terminal.type("\x04")
        assert terminal.finish() == 0 and terminal.has_usual_modes()
        terminal.shows(f"{port} said goodbye. Its file: ")
    assert lines_of(peer_file(flags, port))[-1] == "stopped:quit"


@pytest.mark.parametrize("end", ["\x03", signal.SIGTERM, signal.SIGHUP], ids=repr)
def test_the_terminal_is_as_before_after_the_end(flags, seeds, end):
    if end == signal.SIGHUP and signal.getsignal(end) == signal.SIG_IGN:
        pytest.skip("these tests were started deaf to SIGHUP, and so are the programs")
    port = free_port()
    with Terminal("peer.py", port, *flags, *QUIET) as terminal:
        terminal.prompts("")
        terminal.type("half a line")
        terminal.prompts("half a line")
        wait_until(lambda: not terminal.has_usual_modes())
        if end == "\x03":
            terminal.type(end)
        else:
            terminal.process.send_signal(end)
        assert terminal.finish() == 0 and terminal.has_usual_modes()
        terminal.shows("was interrupted")
        assert terminal.texts()[-1] == "" and not any("half" in line for line in terminal.texts())
    assert lines_of(peer_file(flags, port))[-1] == "stopped:interrupted"


def stop(shell, times):
    """Press Ctrl-Z, and wait until the shell has told of so many stops."""
    shell.type("\x1a")
    wait_until(lambda: sum("Stopped" in line for line in shell.texts()) == times)
    assert shell.has_usual_modes()


def test_the_terminal_is_as_before_while_the_peer_is_stopped_and_the_line_comes_back(flags, seeds):
    port = free_port()
    with Terminal("--norc", "--noprofile", "--noediting", "-i", program="bash",
                  PS1="ready ") as shell:
        shell.shows("ready")
        command = [sys.executable, "peer.py", port, *flags, *QUIET]
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
        shell.type("\x03")
        wait_until(shell.has_usual_modes)
        shell.shows("was interrupted")
        shell.type("exit\n")
        shell.finish()


def test_no_seed_and_enter_for_a_free_port(flags):
    with socket.create_server(("127.0.0.1", 0)) as other, \
            Terminal("peer.py", *flags, *QUIET) as terminal:
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
        terminal.type("\x03")
        assert terminal.finish() == 0


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=repr)
def test_a_plain_terminal_has_no_colours(flags, seeds, environ):
    with Terminal("peer.py", free_port(), *flags, *QUIET, "--raw", **environ) as terminal:
        terminal.shows("registered:")
        assert not terminal.glass.colours
        terminal.type("quit\n")
        assert terminal.finish() == 0
    with Terminal("peer.py", free_port(), *flags, *QUIET, **environ) as terminal:
        terminal.shows("registered with")
        terminal.type("Hello all\nhalf")
        terminal.shows("me  Hello all")
        terminal.prompts("half")
        assert not terminal.glass.colours


def test_raw_lines_are_as_before(flags, seeds):
    port = free_port()
    with Terminal("peer.py", port, *flags, *QUIET, "--raw", width=400) as terminal:
        terminal.shows(f"started:peer:127.0.0.1:{port}")
        assert terminal.has_usual_modes()
        terminal.type("say hello\nmessages\nnonsense\nquit\n")
        assert terminal.finish() == 0
        terminal.shows("generated:gmessage:")
        terminal.shows("unknown command 'nonsense'; type help")
        terminal.shows("stopped:quit")
