"""Fast announcers and slow readers: nothing is lost, and nobody waits for one who never reads."""

import random
import socket
import threading
import time

import pytest

from gossip.voidphone import messages, neighbours, news
from gossip.voidphone.messages import Announce, Validation
from tests.tools.files import count, wait_event
from tests.tools.module_words import (
    FENCE, MIB, PROBE, TYPE, announce, heard, link_of, news_from, start, told, validate)
from tests.tools.waiting import wait_until


def in_background(target):
    thread = threading.Thread(target=target)
    thread.start()
    return thread


def narrow(end):
    """Have the kernel keep little for this end."""
    end.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)


def numbered(frames, kind):
    """The numbers that the messages of a type begin with."""
    at = {502: 8, 511: 10}[kind]
    return [int.from_bytes(frame[at:at + 4], "big") for frame in frames
            if frame[2:4] == kind.to_bytes(2, "big")]


def test_a_subscriber_that_never_reads_delays_nobody_and_is_dropped(modules):
    module = start(modules)
    announcer, never, reader = (modules.api(module, *kinds) for kinds in ((), [TYPE], [TYPE]))
    link = link_of(module, never)
    said = []

    def speak():
        while not link.ended and len(said) < 40_000:
            said.append(len(said))
            announce(announcer, said[-1].to_bytes(4, "big") + b"x" * 1016)
    thread = in_background(speak)
    seen, frames = [], messages.Frames()
    reader.sock.settimeout(0.1)

    def all_seen():
        try:
            seen.extend(numbered(frames.feed(reader.sock.recv(65_536)), 502))
        except TimeoutError:
            pass  # all may have been said meanwhile
        return not thread.is_alive() and len(seen) == len(said)
    wait_until(all_seen, 60, pause=0)
    thread.join()
    assert seen == said and link.ended and len(said) * 1024 > 8 * MIB
    wait_until(lambda: module.status()["subscriptions"] == 1)
    assert wait_event(module, f"refused:{link.remote}:backlog overflow")


@pytest.mark.parametrize("who", ["subscriber", "neighbour"])
def test_nothing_is_lost_at_full_speed(modules, who):
    module = start(modules)
    announcer, total = modules.api(module), 30_000
    slow = modules.api(module, TYPE) if who == "subscriber" else modules.neighbour(module)
    narrow(slow)
    link, most = link_of(module, slow), 0
    stream = b"".join(Announce(0, TYPE, number.to_bytes(4, "big") + b"x" * 1012).pack()
                      for number in range(total))
    announcer.sock.settimeout(100)
    thread = in_background(lambda: announcer.sock.sendall(stream))
    seen, frames = [], messages.Frames()
    slow.sock.settimeout(60)
    wait_until(lambda: link.waiting() > MIB)  # it is slow: it has read nothing yet
    while len(seen) < total and (data := slow.sock.recv(131_072)):
        seen += numbered(frames.feed(data), 502 if who == "subscriber" else 511)
        most = max(most, link.waiting())
    thread.join()
    assert seen == list(range(total))
    assert most < 1.5 * MIB


def test_a_paused_announcer_is_not_blamed_for_its_unfinished_message(modules, monkeypatch):
    monkeypatch.setattr(neighbours, "MESSAGE_LIMIT", 1.5)
    module = start(modules)
    announcer, slow = modules.api(module), modules.api(module, TYPE)
    narrow(slow)
    link, total = link_of(module, slow), 200
    stream = b"".join(Announce(0, TYPE, number.to_bytes(4, "big") + b"x" * 60_000).pack()
                      for number in range(total))
    announcer.sock.settimeout(100)
    thread = in_background(lambda: announcer.sock.sendall(stream))
    seen, frames = [], messages.Frames()
    slow.sock.settimeout(60)
    wait_until(lambda: link.waiting() > MIB)
    time.sleep(2.0)  # it does not read for longer than a message may take
    while len(seen) < total and (data := slow.sock.recv(131_072)):
        seen += numbered(frames.feed(data), 502)
    thread.join()
    assert seen == list(range(total)) and count(module, "refused:") == 0


def test_much_that_is_validated_at_once_reaches_a_neighbour_that_reads(modules):
    module, total = start(modules), 250
    announcer, subscriber, peer = (
        modules.api(module), modules.api(module, TYPE), modules.neighbour(module))
    thread = in_background(lambda: [announcer.say(Announce(0, TYPE, b"x" * 60_000))
                                    for _ in range(total)])
    notified = [told(subscriber) for _ in range(total)]
    thread.join()
    subscriber.say(*(Validation(notification.id, True) for notification in notified))
    assert all(len(heard(peer).data) == 60_000 for _ in range(total))
    assert view_is(module, peer)


def view_is(module, *peers):
    return set(module.view.addresses()) == {peer.address for peer in peers}


def test_an_announcer_waits_for_modules_that_validate_but_are_far_behind(modules, monkeypatch):
    monkeypatch.setattr(news, "WAITING", 200)
    module, total = start(modules), 2000
    announcer, subscriber, peer = (
        modules.api(module), modules.api(module, TYPE), modules.neighbour(module))
    thread = in_background(lambda: [announcer.say(Announce(0, TYPE, b"%d" % number))
                                    for number in range(total)])
    for _ in range(total):  # one by one: slower than they are announced
        validate(subscriber, told(subscriber))
    thread.join()
    assert [int(heard(peer).data) for _ in range(total)] == list(range(total))


def test_a_type_is_far_behind_by_its_own_messages_alone(monkeypatch):
    monkeypatch.setattr(news, "WAITING", 100)
    pending = news.Pending(random.Random(1), 10.0)
    for number in range(61):
        message = messages.PeerNotification(5, number, TYPE if number else FENCE, b"news")
        pending.add(message, number, [], ["a module"], 0.0)
    assert [pending.lag(data_type, 0.5) for data_type in (TYPE, FENCE, PROBE)] == [0.5, None, None]
    assert pending.lag(FENCE, 6.0) == 6.0


def test_who_never_validates_holds_up_announcements_of_no_other_type(modules):
    module = start(modules, patience=2.0)
    announcer, _, subscriber, peer = (
        modules.api(module), modules.api(module, TYPE + 1),  # which it never validates
        modules.api(module, TYPE, TYPE + 2), modules.neighbour(module))
    begun, number, notification = time.monotonic(), 0, None
    while notification is None or notification.data_type != TYPE:
        for data_type in TYPE + 1, TYPE + 2:
            number += 1
            news_from(peer, b"%d" % number, number=number, data_type=data_type)
        notification = told(subscriber)
        validate(subscriber, notification)
        if begun and time.monotonic() - begun > 1.5:  # half of the patience is over
            announce(announcer)
            begun = 0
        assert number < 2_000, "the announcement waits as long as others are validated"
        time.sleep(0.01)
