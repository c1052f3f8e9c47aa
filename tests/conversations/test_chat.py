"""One chat server: what its proxies hear from it, who it says is there, how it ends."""

import pytest

from grapevine.chat import server as chat_server
from tests.tools.chat import A, Line, alone, received, with_neighbour
from tests.tools.virtual import gossip


# Proxies.

@pytest.mark.parametrize("said", [
    "msg", "msg 1", "msg 1 ", "msg x text", "msg -1 text", "get", "get chatlog", "get chatLog ",
    "crash now", "", "help", "msg  1 text", "GET chatLog"])
def test_a_line_that_is_none_stores_nothing_and_the_connection_stays(said):
    server = alone()
    proxy = server.proxy()
    proxy.say(said, "msg 7 fine", "get chatLog")
    assert proxy.hear() == "chatLog fine"
    assert server.events("refused:")[0].endswith(f":unknown line {said.encode()!r}")
    assert len(server.events("refused:")) == len(server.events("generated:")) == 1


def test_strange_bytes_and_ends_of_lines():
    server = alone()
    proxy = server.proxy()
    proxy.send("msg 1 a b  c\r\nmsg 2 \u00e4\u2028\U0001f347\x01\n".encode() + b"msg 3 \xff\nget ")
    server.run(0.1)
    proxy.send(b"chatLog\r\n")
    assert proxy.hear() == "chatLog a b  c,\u00e4\u2028\U0001f347\x01"
    assert server.event("refused:").endswith(":msg with a text that is not UTF-8")


@pytest.mark.parametrize("portion", [50_000, 1_000_000])
def test_a_line_that_is_too_long_is_refused_and_what_follows_is_done(portion):
    server = alone()
    proxy = server.proxy()
    for line in ("msg 1 " + "x" * 131_067, "x" * 131_072, "msg 2 " + "\r" * 400_000 + "x"):
        said = f"{line}\n".encode()
        for at in range(0, len(said), portion):
            proxy.send(said[at:at + portion])
            server.run(0.1)
    proxy.say("msg 3 y", "get chatLog")
    assert proxy.hear() == "chatLog y"
    assert [event.partition(":a ")[2] or event.partition(":unknown ")[2][:8]
            for event in server.events("refused:")] == [
                "line longer than 131072 bytes", "line b'x", "line longer than 131072 bytes"]


def test_what_does_not_fit_into_a_datagram_is_refused_and_the_longest_that_does_arrives():
    line = Line(3)
    servers = line.start_all(key=b"secret")
    proxy = servers[0].proxy()
    proxy.say("msg 1 " + "x" * 59_900)
    excess = int(servers[0].event("refused:").split("too long by ")[1].split()[0])
    assert 0 < excess < 200
    proxy.say("msg 2 " + "y" * (59_900 - excess + 1), "msg 3 " + "z" * (59_900 - excess))
    line.run(1.0)
    assert [server.log() for server in servers] == [["z" * (59_900 - excess)]] * 3


def test_one_proxy_too_many_is_refused_and_the_others_stay(monkeypatch):
    monkeypatch.setattr(chat_server, "PROXIES", 2)
    server = alone()
    proxies = [server.proxy() for _ in range(3)]
    assert proxies[2].ends_within(1.0) and not proxies[0].closed
    assert server.event("refused:").endswith(":2 proxies are connected")
    proxies[1].hang_up()
    server.run(0.1)
    assert server.log() == []


def test_a_proxy_may_be_silent_for_as_long_as_it_likes():
    server = alone()
    proxy = server.proxy()
    server.run(600.0)
    proxy.say("get chatLog")
    assert proxy.hear() == "chatLog <empty>"


def test_a_long_log_waits_for_its_proxy_while_others_talk_and_its_next_lines_follow():
    server = alone()
    proxy, other = server.proxy(), server.proxy()
    proxy.say(*[f"msg {number} " + "x" * 50_000 for number in range(180)])
    server.run(1.0)
    proxy.stop_reading()
    proxy.say("get chatLog", "msg 1 after")
    server.run(20.0)
    other.say("msg 1 small", "get chatLog")
    assert other.hear().split(",")[180:] == ["small"]
    proxy.read_on()
    assert len(proxy.hear(5.0)) == len("chatLog ") + 180 * 50_001 - 1
    server.run(0.1)
    other.say("get chatLog")
    assert other.hear(5.0).split(",")[180:] == ["small", "after"]


def test_a_crash_ends_the_server_without_a_last_line_and_nothing_behind_it_is_done():
    server = alone()
    proxy = server.proxy()
    proxy.say("msg 1 before", "crash", "msg 2 behind")
    assert proxy.ends_within(1.0) and server.crashed
    assert server.events()[-1].endswith(":before")


# Who is there, and the end.

def test_who_is_silent_is_written_down_and_who_comes_back():
    line = Line(2)
    one, other = line.start_all()
    assert one.event("connected:") == f"connected:{other.address}"
    other.world.kill()
    assert one.event("disconnected:", 6.0) == f"disconnected:{other.address}:silent:broken"
    assert one.events()[-1] == f"degree:{one.address}=>0"
    line.start(1)
    assert one.event("connected:") == f"connected:{other.address}"


def test_a_server_that_was_frozen_calls_nobody_gone():
    for own_id in range(8):  # whose worlds differ in the order in which they go on
        line = Line(9)
        server, hand = line.start(own_id), line.hand(own_id + 1)
        hand.say("status:sent", to=own_id)
        server.run(1.0)
        server.world.freeze()
        hand.say("status:sent", to=own_id)
        server.run(20.0)
        server.world.thaw()
        server.run(1.0)
        assert server.events("late:")[1:] and not server.events("disconnected:")


def leave(server) -> None:
    server.world.do("life line", server.node.leave)


@pytest.mark.parametrize("agreed", [False, True])
def test_a_server_does_not_end_before_its_neighbour_says_that_it_knows_the_same(agreed):
    server, hand = with_neighbour(antientropy_interval=1.0)
    digest = hand.hear("status:digest:")
    hand.say(digest if agreed else "status:digest:" + "f" * 32)
    leave(server)
    server.run(1.0)
    assert not server.node.stopping
    hand.say(digest)
    server.run(0.5)
    assert server.events()[-1] == "stopped:quit"


def test_a_server_ends_when_no_gossip_has_come_for_a_moment():
    server, hand = with_neighbour(antientropy_interval=1.0)
    leave(server)
    for number in range(1, 6):
        hand.say(gossip(A, number))
        hand.say(f"status:digest:{server.node.messages.digest()}")
        server.run(0.2)
        assert not server.node.stopping
    server.run(0.2)
    assert server.events()[-1] == "stopped:quit" and len(received(server)) == 5


@pytest.mark.parametrize("seconds, is_leaving", [(0.0, False), (1.0, False), (0.0, True)])
def test_a_server_reads_what_its_proxy_says_before_it_ends(seconds, is_leaving):
    """The bytes of the proxy are so long on their way; or it comes while the server leaves."""
    server = alone()
    server.run(1.0)
    if is_leaving:
        leave(server)
    proxy = server.proxy()
    server.net.slow[proxy.machine.address] = seconds
    proxy.say(*[f"msg 1 {number}" for number in range(100)])
    proxy.hang_up()
    if not is_leaving:
        leave(server)
    server.run(2 * seconds + 1.0)
    assert len(server.events("generated:")) == 100 and server.events()[-1] == "stopped:quit"


def test_a_server_whose_neighbour_goes_on_to_differ_ends_after_four_seconds():
    server, hand = with_neighbour(antientropy_interval=1.0)
    leave(server)
    began = server.node.now()
    for number in range(1, 61):
        if not server.node.stopping:
            hand.say(f"status:digest:{number:032x}")
            server.run(0.1)
    assert 4.0 <= server.node.now() - began <= 4.2
