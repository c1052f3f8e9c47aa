"""The console of a peer: what is typed, what is said and answered."""

import threading
from types import SimpleNamespace

import pytest

from grapevine.peer import Peer
from grapevine.terminal.console import Console
from grapevine.terminal.talk import Talk, understood
from grapevine.terminal.words import Words
from tests.tools.virtual import NODE, Scene, neighbour


class Shown:
    """A screen in the test's hands."""

    def __init__(self):
        self.words, self.dropped, self.raw, self.said = Words(NODE, 3, 1), 0, False, []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def scene():
    return Scene(Peer)


@pytest.fixture
def screen():
    return Shown()


WORLD = SimpleNamespace(lock=threading.Lock())


def talk(scene, screen):
    console = Talk(scene.node, WORLD, screen, "somewhere/peer.txt")
    assert screen.said.pop().startswith("I am 5001. Type a message, or /help.")
    return console


@pytest.mark.parametrize("typed, meant", [
    ("peers", ("peers", "")), ("/Peers", ("peers", "")), (" STATUS ", ("status", "")),
    ("/help", ("help", "")), ("exit", ("quit", "")), ("/exit now", ("quit", "")),
    ("say  a b ", ("say", " a b ")), ("/say a  b", ("say", "a  b")), ("say", ("say", "")),
    ("hello all", ("say", "hello all")), ("quit now", ("say", "quit now")),
    ("peres", ("peres", "")), ("hello", ("say", "hello")), ("Hlep", ("Hlep", "")),
    ("/peres x", ("/peres x", "")), ("", ("", "")), ("/", ("/", "")),
    ("/say", ("say", "")), ("hello\tall ", ("say", "hello\tall")), ("/raw", ("raw", ""))])
def test_what_is_typed_on_a_terminal_is_a_command_or_a_message(typed, meant):
    assert understood(typed) == meant


def test_lines_that_come_together_are_said_in_order_and_a_slip_is_not(scene, screen):
    talk(scene, screen).carry_out([b"one line", b"say two", b"/say 3", b"peres"])
    assert [event.split(":", 5)[-1].rpartition(":")[2] for event in scene.events("generated:")] == [
        "one line", "two", "3"]
    assert screen.said == [
        "unknown command 'peres' (/help lists them); to gossip it: say peres"]


def test_only_say_is_a_message_in_a_pipe(scene, screen):
    Console(scene.node, WORLD, screen).carry_out(
        [b"hello", b"say hello", b"say", b"say \xff", b"", b"say " + b"x" * 70_000, b"/help"])
    assert len(scene.events("generated:")) == 1
    assert screen.said[:3] == ["unknown command 'hello'; type help", "say what? Type: say TEXT",
                               "not UTF-8; nothing was done"]
    assert screen.said[3].startswith("too long by ") and len(screen.said) == 5


def test_messages_are_shown_for_people_and_for_pipes(scene, screen):
    Console(scene.node, WORLD, screen).carry_out([b"messages", b"say a\tb", b"messages"])
    talk(scene, screen).carry_out([b"/messages"])
    assert screen.said[0] == "no messages yet"
    assert screen.said[1].startswith("gmessage:") and screen.said[1].endswith(r":1:a\x09b")
    assert screen.said[2].endswith(r"      me  a\x09b")


def test_peers_and_status_tell_what_there_is(scene, screen):
    neighbour(scene)
    console = talk(scene, screen)
    console.carry_out([b"/peers", b"/status", b"status"])
    assert screen.said[0] == "neighbours (1): 6001\nknown peers (0): "
    summary, *counts = screen.said[1].split("\n")
    assert summary == (f"{NODE}: 1 neighbour (room for 38), 0 seeds, 0 known peers, 0 messages")
    assert all(not line.endswith(": 0") for line in counts)


def test_raw_changes_what_the_screen_shows(scene, screen):
    console = talk(scene, screen)
    console.carry_out([b"/raw"])
    assert screen.raw and screen.said == ["Events as in the output file. In words again: /raw"]
    console.carry_out([b"raw"])
    assert not screen.raw and screen.said[1] == "Events in words."


@pytest.mark.parametrize("is_heard", [True, False])
def test_quit_says_what_it_waits_for(scene, screen, is_heard):
    console = talk(scene, screen)
    console.carry_out([*([] if is_heard else [b"hello you"]), b"/quit", b"never said"])
    assert screen.said == ([] if is_heard else [
        "Waiting for neighbours that hear that, three seconds at most."])
    assert scene.event("stopped:", 5.0) == "stopped:quit"
    assert not any("never said" in event for event in scene.events("generated:"))
    console.take_leave()
    assert screen.said[-1].startswith("5001 said goodbye. Its file: somewhere/peer.txt\nThe proof")
