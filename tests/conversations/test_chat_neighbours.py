"""What the neighbours of a chat server hear from it: rumors, datagrams, anti-entropy."""

import random

import pytest

from tests.tools.chat import A, Hand, Line, Server, received, with_neighbour
from tests.tools.virtual import gossip

RUN = f"{A}:7"


# Rumors. Without anti-entropy, so that it hides nothing.

def test_a_message_is_told_at_once_and_after_an_answer_no_more():
    for answer in ("took", "knew"):
        server, hand = with_neighbour()
        server.proxy().say("msg 1 text")
        told = hand.hear("rumor:gmessage:")
        origin = told.split(":", 2)[2].rpartition(":")[0]
        run, _, number = origin.partition(":")[2].rpartition(":")
        hand.say(f"status:{answer}:{run}={number}")
        assert hand.count(":text", 5.0) == 0


def test_a_neighbour_that_does_not_answer_is_told_four_times_and_then_no_more():
    server, hand = with_neighbour()
    proxy = server.proxy()
    proxy.say("msg 1 text")
    assert hand.count(":text", 0.1) == 1
    assert hand.count(":text", 0.4) == 3
    proxy.say("msg 2 second")
    assert hand.count(":second", 0.08) == 1
    assert hand.count("", 5.0) == 0
    proxy.say("msg 3 more")
    assert hand.count("", 5.0) == 0


def with_an_unanswered_text(seconds=0.5):
    """Return a server, its proxy, and a neighbour that lives and has not answered one text for some
    seconds."""
    server, hand = with_neighbour()
    proxy = server.proxy()
    proxy.say("msg 1 text")
    server.run(seconds)
    hand.say("status:sent")
    return server, proxy, hand


def test_each_message_is_told_again_in_its_own_time():
    _, proxy, hand = with_an_unanswered_text(0.1)
    proxy.say("msg 2 more")
    assert hand.count(":more", 0.1) == 1 and hand.count(":more", 0.1) == 1


def test_who_lives_and_has_not_got_one_rumor_is_told_others():
    _, proxy, hand = with_an_unanswered_text()
    assert hand.count(":text", 5.0) == 0
    proxy.say("msg 2 more")
    assert hand.count(":more", 0.1) == 1


def test_who_comes_or_was_silent_is_told_the_digest_as_soon_as_it_says_something():
    server, hand = with_neighbour(antientropy_interval=1000.0)
    proxy = server.proxy()
    for text in "", "msg 1 text":
        if text:
            proxy.say(text)
            server.run(5.0)
        assert hand.count("", 5.0) == 0 or not text
        hand.datagrams.clear()
        hand.say(f"status:took:{RUN}=1")
        assert [data[:14] for data in hand.datagrams] == [b"status:digest:"]
    proxy.say("msg 2 more")
    assert hand.count(":more", 0.1) == 1


def test_many_texts_go_together():
    server, hand = with_neighbour()
    server.proxy().say(*[f"msg 1 {number}" for number in range(300)])
    assert hand.count("rumor:", 0.1) == 1
    assert hand.datagrams[-1].count(b"rumor:") == 300


def between_two(**settings) -> tuple[Server, Hand, Hand]:
    line = Line(3)
    return line.start(1, **settings), line.hand(0), line.hand(2)


def test_a_neighbour_that_answers_nothing_is_told_a_bounded_amount():
    server, left, right = between_two(antientropy_interval=0.0)
    for number in range(1, 21):
        left.world.post(f"rumor:{gossip(A, number, 'x' * 50_000)}\n".encode(), server.address, 0)
    assert 4 < right.count("rumor:", 0.1) < 8
    assert len(received(server)) == 20


def test_a_proxy_waits_two_seconds_at_most_for_room():
    server, left, right = between_two(antientropy_interval=0.0)
    proxy = server.proxy()
    for number in range(30):
        left.post(f"rumor:{gossip(A, number + 1, 'x' * 50_000)}\n".encode(), 1)
        right.say("status:sent", to=1)
        if number == 5:
            proxy.say(*[f"msg 1 {'x' * 1_000} {number}" for number in range(60)])
        server.run(0.08)
    assert len(server.events("generated:")) == 60


def test_who_tells_a_message_itself_need_not_answer_it():
    _, left, right = between_two(antientropy_interval=0.0)
    left.say(f"rumor:{gossip(A, 1)}", to=1)
    right.hear(f"rumor:{gossip(A, 1)}")
    right.say(f"rumor:{gossip(A, 1)}", to=1)
    assert right.count(gossip(A, 1), 5.0) == 0


def test_a_proxy_that_says_much_waits_for_answers_and_not_for_ever():
    server, hand = with_neighbour()
    hand.say("status:sent")
    server.proxy().say(*[f"msg 1 {'x' * 1_000} {number}" for number in range(300)])
    server.run(0.1)
    assert 50 < len(server.events("generated:")) < 150
    server.run(5.0)
    assert len(server.events("generated:")) == 300


def test_a_crash_sends_what_was_said_before_it_to_a_neighbour_that_is_silent():
    server, hand = with_neighbour()
    proxy = server.proxy()
    proxy.say("msg 1 early")
    server.run(2.0)
    proxy.say("msg 1 last", "crash")
    told = hand.hear("rumor:"), hand.hear("rumor:")
    while not told[1].endswith(":last"):
        told = told[1], hand.hear("rumor:")
    assert told[0].endswith(":early")


def test_a_crash_sends_what_a_neighbour_that_lives_has_not_answered():
    server, proxy, hand = with_an_unanswered_text()
    server.run(5.0)
    proxy.say("crash")
    assert hand.count(":text", 1.0) == 1


def test_a_crash_sends_what_a_neighbour_had_no_room_for_even_if_it_says_something_again():
    server, hand = with_neighbour()
    hand.say("status:sent")
    proxies = [server.proxy() for _ in range(10)]
    for number, proxy in enumerate(proxies):
        proxy.say(f"msg 1 {'x' * 50_000} {number}")
    hand.say("status:sent")
    proxies[0].say("crash")
    server.run(3.0)
    assert {line[-1] for line in hand.lines if line.startswith("rumor:")} == set("0123456789")


def test_a_crash_repeats_nothing_to_a_neighbour_that_has_the_same():
    server, hand = with_neighbour(antientropy_interval=1.0)
    proxy = server.proxy()
    proxy.say("msg 1 missed")
    server.run(2.0)
    hand.lines.clear()
    hand.say(hand.hear("status:digest:", 2.0))
    proxy.say("crash")
    assert hand.count("rumor:", 1.0) == 0 and server.crashed


# Datagrams.

NO_KEY, NOT_SIGNED = "signed, and no key was given", "not signed, and a key was given"
WRONG = "signed with another key, or for somebody else"


def test_only_the_neighbours_count():
    line = Line(3)
    server = line.start(0)
    line.hand(2).say(f"rumor:{gossip(A, 7)}")
    assert server.log() == [] and not server.events("connected:")


def test_a_key_keeps_out_who_has_none():
    key, line = b"secret", Line(2)
    server, hand = line.start(0, key), line.hand(1)
    told = f"rumor:{gossip(A, 1)}"
    hand.say(told)
    hand.say(told, key=b"wrong")
    assert server.events("refused:") == [f"refused:{line.udp[1]}:{reason}"
                                         for reason in (NOT_SIGNED, WRONG)]
    assert server.log() == [] and not server.events("connected:")
    hand.say(told, key=key)
    assert server.log() == ["hello"]
    signed, _, content = next(datagram for datagram in hand.datagrams
                              if b"status:took" in datagram).partition(b"\n")
    assert len(signed) == 64 and content.startswith(b"status:took:")


def test_a_torn_datagram_is_dropped_and_the_first_of_each_neighbour_is_written_down():
    server, left, right = between_two()
    for _ in range(3):
        left.post(b"torn", 1)
        right.post(b"0" * 64 + b"\nstatus:sent\n", 1)
    assert server.events("refused:") == [f"refused:{left.world.address}:not of whole lines",
                                         f"refused:{right.world.address}:{NO_KEY}"]


@pytest.mark.parametrize("line, says", [
    ("leave:127.0.0.1:20001", "leave is not expected from a chat server"),
    ("nonsense", "unknown line b'nonsense'"), (f"rumor:{gossip(A, 0)}", "malformed")])
def test_a_line_that_no_server_says_is_refused_and_those_behind_it_are_dropped(line, says):
    server, hand = with_neighbour()
    hand.say(f"rumor:{gossip(A, 1)}", line, f"rumor:{gossip(A, 2)}")
    assert says in server.event("refused:")
    hand.say(f"rumor:{gossip(A, 3)}")
    assert len(received(server)) == 2


def test_garbage_changes_nothing():
    server, hand = with_neighbour(antientropy_interval=1.0)
    rng = random.Random(3)
    good = [f"rumor:{gossip(A, 7)}", "status:digest:" + "0" * 32, "status:sent",
            f"status:seen:{RUN}=1-9223372036854775807", f"status:want:{RUN}=1",
            f"status:took:{RUN}=1-9223372036854775807", "status:parts:" + "f" * 512]
    for _ in range(1_000):
        data = bytearray(f"{rng.choice(good)}\n{rng.choice(good)}\n".encode())
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        hand.post(bytes(data[:rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data))
    hand.post(b"")
    hand.say(f"rumor:{gossip(A, 1, 'the last', start=8)}")
    assert "the last" in server.log()


# Anti-entropy.

OTHER = "status:digest:" + "f" * 32


def test_at_rest_a_neighbour_hears_one_digest_a_second_and_answers_cause_no_more():
    server, hand = with_neighbour(antientropy_interval=1.0)
    hand.say(hand.hear("status:digest:"))
    assert hand.count("", 10.0) == hand.count("status:digest:", 10.0) == 10
    server.proxy().say("msg 1 text")
    hand.say(f"status:took:{RUN}=1")
    hand.say(f"status:took:{RUN}=1")
    assert hand.count("status:digest:", 0.9) <= 1


def test_a_neighbour_that_differs_is_compared_with_sooner_until_it_agrees_which_is_answered():
    server, hand = with_neighbour(antientropy_interval=1000.0)
    digest = hand.hear("status:digest:")
    hand.say(OTHER)
    assert 4 <= hand.count("status:digest:", 1.0) <= 6
    hand.say(digest)
    hand.line.run(0.2)
    hand.say(OTHER)
    hand.datagrams.clear()
    hand.say(digest)
    assert hand.datagrams.count(f"{digest}\n".encode()) == 1
    hand.line.run(1.0)
    assert hand.count("", 100.0) == 0


def test_a_neighbour_that_comes_back_at_once_is_told_all_again_soon():
    server, hand = with_neighbour(antientropy_interval=1000.0)
    hand.say(gossip(A, 1))
    for digest in "ab":
        hand.datagrams.clear()
        hand.say("status:digest:" + digest * 32)
        assert sum(b"status:seen:" in data for data in hand.datagrams) == 1
        hand.line.run(0.2)


def test_a_portion_of_what_is_wanted_fits_into_a_datagram():
    server, hand = with_neighbour(antientropy_interval=1.0)
    hand.say(*[gossip(A, number, "x" * 1_000) for number in range(1, 51)])
    hand.say(f"status:want:{RUN}=1-50")
    [portion] = [data for data in hand.datagrams if b"gmessage" in data]
    assert 30 <= portion.count(b"gmessage:") <= 35 and portion.endswith(b"status:sent\n")
