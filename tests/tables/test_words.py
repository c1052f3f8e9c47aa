"""Words: what a peer's terminal says of each kind of event."""

import random

import pytest

from grapevine.terminal.words import SHOWN, Words

CLOCK = "22:01:45.901"
SECOND = 1795212000  # a moment, in seconds since 1970, with which messages are stamped
OWN = "127.0.0.1:5001"


def address(port):
    return f"127.0.0.1:{port}"


def gossip(port, text, at=1795212105):
    return f"gmessage:{at}.899630:{address(port)}:1795212104892:1:{text}"


def received(by, port, text, at=1795212105):
    return f"received:{address(by)}:{gossip(port, text, at)}"


def told(*events, words=None, clock=CLOCK):
    """What is said of events, and of nothing behind them, as `HEAD TEXT (ASIDE)`."""
    words = words or Words(OWN, 3, 6)
    said = [sentence for event in events for sentence in words.tell(clock, event)]
    said += words.tell(clock)
    return [" ".join(filter(None, [head.strip(), text.strip(), aside and f"({aside})"]))
            for _, head, text, aside in said]


@pytest.mark.parametrize("event, sentence", [
    (f"connected:{address(5002)}", "+ 5002 is a neighbour (1 neighbour)"),
    (f"disconnected:{address(5002)}:left:there", "- 5002 said goodbye (0 neighbours)"),
    (f"disconnected:{address(5002)}:closed by the other end:broken",
     "- 5002 closed its connection (0 neighbours)"),
    (f"disconnected:{address(5002)}:too {{many}}:here",
     "- 5002 is no neighbour any more: too {many} (0 neighbours)"),
    (f"generated:{gossip(5001, 'a:b')}", "me a:b"),
    (received(5002, 5002, "Hello you"), "5002 Hello you"),
    (received(5003, 5002, "Hello"), "5002 Hello (through 5003)"),
    (f"liveness missed:{address(5002)}:2", "? 5002 does not answer: 2 of 3"),
    (f"dead:{address(5002)}:41.000", "x 5002 is dead; no seed could be told"),
    (f"told:{address(8080)}:Dead Node:{address(5002)}:17.5:{address(5003)}",
     "x 5002 is dead, says seed 8080"),
    (f"told:{address(8080)}:Dead Node:{OWN}:17.5:{address(5003)}",
     "x I am dead, says seed 8080"),
    ("unregistered:host-a:8080:no such name", "seed host-a:8080:no such name"),
    ("not read:127.0.0.1:5002:2000 bytes",
     "? 5002 has not read all that was said: 2000 bytes may be lost"),
    (f"unregistered:{address(8080)}:registration refused: 'a:1': 'a' is no IP",
     "? seed 8080 does not list me: 'a:1': 'a' is no IP"),
    (f"kicked:{address(8080)}:0.950", "x seed 8080 shuts me out as malicious (0.950)"),
    (f"corrupt:{address(5002)}:xyz", "? 5002 sent a message whose signature is wrong"),
    (f"forbidden:{address(5002)}:{gossip(5003, 'x')}",
     "? 5002 sent a message with a forbidden word"),
    ("contradiction:a|b", "? somebody has signed two messages with the same number"),
    (f"leaving:{OWN}", "- saying goodbye to all"),
    ("failed:liveness:KeyError: 5", "x a thread failed: liveness:KeyError: 5"),
    ("something new:5", "something new:5"),
    *((event, None) for event in [  # what matters to nobody is hidden
        f"started:peer:{OWN}", "settings:gossip-count=10:start=5", f"degree:{OWN}=>3",
        f"peer list:{address(8080)}:127.0.0.1#5002", f"refused:{address(5009)}:full",
        f"liveness request:{address(5002)}", f"liveness reply:{address(5002)}:0.512",
        f"disconnected:{address(5002)}:dead:here", f"disconnected:{address(5002)}:told dead:here",
        f"unregistered:{address(8080)}:Connection refused", "stopped:quit", "seed:a:80=10.0.0.1:80",
        f"unconfirmed:{address(5002)}:17", f"reported:{address(8080)}:x"])
])
def test_each_kind_of_event_has_its_sentence_or_none(event, sentence):
    assert told(event) == ([] if sentence is None else [sentence])


MISSED, ANSWER = f"liveness missed:{address(5002)}:3", f"liveness reply:{address(5002)}:1.5"


@pytest.mark.parametrize("events, sentences", [
    ([ANSWER, MISSED, ANSWER, ANSWER], ["? 5002 does not answer: 3 of 3", "+ 5002 answers again"]),
    ([MISSED, f"dead:{address(5002)}:41.000", f"connected:{address(5002)}", ANSWER], [
        "? 5002 does not answer: 3 of 3", "x 5002 is dead; no seed could be told",
        "+ 5002 is a neighbour (1 neighbour)"]),
    ([f"leaving:{OWN}", f"disconnected:{address(5002)}:left:there"], ["- saying goodbye to all"])],
    ids=["who was silent answers", "who was dead starts again", "who leaves hears no goodbyes"])
def test_what_came_before_decides_what_is_told(events, sentences):
    assert told(*events) == sentences


def test_seeds_are_told_together_once_they_are_enough():
    words = Words(OWN, 3, 6)
    for port in (8082, 8080, 8085):
        assert told(f"registered:{address(port)}", words=words) == []
    assert told(f"registered:{address(8083)}", words=words) == [
        "registered with 4 of 6 seeds: 8080 8082 8083 8085"]
    assert not words.is_waiting()
    assert told(f"unregistered:{address(8082)}:closed", words=words) == [
        "- seed 8082 is gone: closed"]
    assert words.is_waiting()
    assert [text for _, _, text, _ in words.rest()] == [
        "registered with 3 of 6 seeds: 8080 8083 8085"]


def test_a_refusal_says_what_to_do_once_per_reason():
    words, no = Words(OWN, 3, 6), "registration refused: "
    for why, help_ in ((f"no Liveness Reply from {OWN}", "A firewall, or a router, has to let"),
                       ("127.0.0.1 is not your IP", "This is NAT: --host ROUTERS-IP --l")):
        first, second = (told(f"refused:{address(port)}:{no}{why}",
                              f"unregistered:{address(port)}:{no}{why}", words=words)
                         for port in (8080, 8081))
        assert first[0] == f"? seed 8080 does not list me: {why}"
        assert first[1].startswith(help_) and len(first) == 2
        assert second == [f"? seed 8081 does not list me: {why}"]


@pytest.mark.parametrize("ports, why, advice", [
    ((5002, 5003), "unknown line b'proof:wU-uRV'",
     "A peer that signs its gossip was refused: all peers take --sign, or none."),
    ((5001, 5001), "Too many open files",
     "The system lets this node open too few files: see `ulimit -n`."),
])
def test_a_fault_that_is_no_single_peers_is_told_once_with_what_to_do(ports, why, advice):
    words = Words(OWN, 3, 6)
    refused = [f"refused:{address(port)}:{why}" for port in ports]
    assert told(*refused, words=words) == [advice]
    assert told(*refused, words=words) == []


def test_that_no_seed_answers_is_told_once_with_what_to_do():
    words = Words(OWN, 3, 2)
    refused = [f"unregistered:{address(port)}:Connection refused" for port in (8080, 8081)]
    assert told(*refused, words=words) == []
    assert told(words=words, clock="22:01:46.500") == [] and words.is_waiting()
    assert told(words=words, clock="22:01:46.950") == [
        "No seed answers yet. Start them in another terminal: python runner.py"]
    assert told(*refused, words=words, clock="22:02:46.950") == [] and not words.is_waiting()
    told(*[f"registered:{address(port)}" for port in (8080, 8081)], words=words)
    assert told(*refused, words=words) == ["- seed 8080 is gone: Connection refused",
                                           "- seed 8081 is gone: Connection refused"]
    assert words.rest()[0][2].startswith("No seed answers. Start them")
    assert words.rest() == []


def test_a_death_is_told_once_with_the_number_of_seeds_that_are_told():
    words = Words(OWN, 3, 6)
    report = f"Dead Node:{address(5003)}:17.5:{OWN}"
    told(*[f"registered:{address(port)}" for port in (8080, 8081)], words=words)
    assert told(f"dead:{address(5003)}:41.000",
                *[f"reported:{address(port)}:{report}" for port in (8080, 8081)],
                f"disconnected:{address(5003)}:dead:here", f"told:{address(8082)}:{report}",
                words=words) == ["x 5003 is dead; told my 2 seeds"]
    other = f"Dead Node:{address(5004)}:17.5:{OWN}"
    assert told(*[f"told:{address(port)}:{which}" for port in (8080, 8081)
                  for which in (other, report)], words=words) == ["x 5004 is dead, says seed 8080"]
    told(f"connected:{address(5004)}", words=words)
    assert told(f"told:{address(8080)}:{other}", words=words) == [
        "x 5004 is dead, says seed 8080"]


def test_a_link_that_replaces_another_is_no_news():
    words = Words(OWN, 3, 6)
    assert len(told(f"connected:{address(5002)}", words=words)) == 1
    assert told(f"disconnected:{address(5002)}:duplicate:here", f"connected:{address(5002)}",
                words=words) == []
    assert words.prompt(80) == "5001, 1 neighbour, 0 messages > "


def test_messages_of_a_second_are_folded_beyond_a_number():
    words = Words(OWN, 3, 6)
    batch = [received(5002, 5002 + n % 3, f"m{n}") for n in range(SHOWN + 30)]
    assert len(told(*batch, words=words)) == SHOWN
    assert told(f"generated:{gossip(5001, 'mine')}", words=words) == ["me mine"]
    assert words.is_waiting()
    assert told(received(5002, 5002, "next"), words=words, clock="22:01:46.000") == [
        "... 30 more messages from 3 peers in this second", "5002 next"]
    assert words.rest() == [] and not words.is_waiting()
    assert words.prompt(80) == f"5001, 0 neighbours, {SHOWN + 32} messages > "
    told(*[f"generated:{gossip(5001, 'x')}"] * (SHOWN + 1), words=words)
    assert [text.strip() for _, _, text, _ in words.rest()] == [
        "... 1 more message of mine in this second"]


def test_old_messages_of_a_second_are_told_as_one():
    words, clock = Words(OWN, 3, 6), "00:10:00.000"  # SECOND % 86400 is 22:40
    midnight = SECOND - SECOND % 86_400
    old = [received(5002, 5004, f"m{n}", midnight + n) for n in range(37)]
    assert told(*old, words=words, clock=clock) == []
    assert [(head, text) for _, head, text, _ in words.rest()] == [
        ("~", "caught up: 37 messages from 5002")]
    assert told(*old[:2], words=words, clock=clock) == [] and words.is_waiting()
    assert told(words=words, clock="00:10:01.000") == [  # two are better shown
        "5004 m0 (through 5002)", "5004 m1 (through 5002)"]
    new = [received(5002, 5004, f"m{n}", midnight + 599) for n in range(9)]
    assert len(told(*new, words=words, clock=clock)) == 9


def test_a_line_of_the_message_list_is_for_people_too():
    assert Words(OWN, 3, 6).message(gossip(5002, "Hi: you", SECOND)) == (
        f"{SECOND // 3600 % 24:02}:{SECOND // 60 % 60:02}:{SECOND % 60:02}    5002  Hi: you")
    assert Words(OWN, 3, 6).message("no messages yet") == "no messages yet"


def test_no_event_stops_the_words():
    draw = random.Random(5)
    kinds = ["connected", "disconnected", "registered", "unregistered", "generated", "received",
             "liveness missed", "liveness reply", "dead", "told", "leaving", "kicked", "lost", ""]
    parts = [OWN, "127.0.0.1:1", "[::1]:7", "Dead Node", "gmessage", "17.5", "1", "{x}", "", "left"]
    words = Words(OWN, 3, 6)
    for _ in range(10_000):
        event = ":".join([draw.choice(kinds), *draw.choices(parts, k=draw.randrange(7))])
        words.tell(f"{draw.randrange(24):02}:00:{draw.randrange(60):02}.5", event)
        if not draw.randrange(9):
            words.rest()
    assert words.prompt(80)
