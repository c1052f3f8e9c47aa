"""Membership: whom a module dials, asks, keeps and gives up, and whom it calls silent."""

import contextlib
import socket
import struct
import threading
import time

import pytest

from gossip.addresses import address_of
from gossip.settings import Settings
from gossip.voidphone import gossip_module, messages
from gossip.voidphone.ini import MOST_NEIGHBOURS
from tests.tools.files import events, wait_event
from tests.tools.module_words import LOCAL, endpoint, refused, still_there, view, work
from tests.tools.modules import QUIET
from tests.tools.ports import free_addresses
from tests.tools.waiting import wait_until

# Views.


def test_a_push_is_passed_on_once_with_a_shorter_life(modules):
    module = modules.module(degree=3, min_degree=1, p2p_ttl=5)
    one, two, three = (modules.neighbour(module) for _ in range(3))
    one.hear_kind("push"), one.hear_kind("push"), two.hear_kind("push")
    far, near, last = free_addresses(3)
    one.say(messages.Push(900, far), messages.Push(1, near), messages.Push(0, near),
            messages.Push(3, far), messages.Push(2, last))
    for end in (two, three):
        assert end.hear_bytes() == bytes.fromhex("000c01fd0004") + endpoint(far)
        assert end.hear_bytes() == bytes.fromhex("000c01fd0001") + endpoint(last)
    two.say(messages.Push(3, far))
    still_there(two)
    module.view._pushed.pop(far)  # its time is over
    two.say(messages.Push(2, far))
    assert one.hear() == three.hear() == messages.Push(1, far)


def test_pushed_addresses_of_a_neighbour_are_dialled_while_half_of_the_places_is_free(modules):
    module = modules.module(degree=6, min_degree=1)
    neighbour, acceptors = modules.neighbour(module), [modules.acceptor() for _ in range(8)]
    neighbour.say(messages.Push(1, module.address), messages.Push(1, neighbour.address),
                  *(messages.Push(1, acceptor.address) for acceptor in acceptors[:7] * 2))
    still_there(neighbour)
    wait_until(lambda: len(module.links()) == 4)  # the neighbour was looked for, and left alone
    ends = [acceptor.accept() for acceptor in acceptors[:3]]
    assert [end.hear() for end in ends] == [messages.Hello(module.address)] * 3
    ends[0].close()  # its place is free again
    wait_until(lambda: len(module.links()) == 3)
    neighbour.say(*(messages.Push(1, acceptor.address) for acceptor in acceptors))
    acceptors[7].accept()
    assert not any(acceptor.dialled() for acceptor in acceptors)


def test_of_many_pushes_over_one_link_the_rest_is_dropped(modules):
    module = modules.module(degree=2)
    neighbour, other = modules.neighbour(module), modules.neighbour(module)
    assert neighbour.hear_kind("push")
    neighbour.say(*(messages.Push(5, address_of("127.0.0.9", 1 + port)) for port in range(5_000)))
    still_there(neighbour)
    other.say(messages.PeerRequest())
    heard = []
    while (message := other.hear()).kind == "push":
        heard.append(message.address.port)
    assert heard[:50] == [*range(1, 51)] and len(heard) < 2_500  # in some seconds


def test_of_many_questions_over_one_link_the_rest_is_dropped(modules):
    neighbour = modules.neighbour(modules.module(degree=2))
    neighbour.say(*[messages.PeerRequest()] * 5_000)
    answers = 0
    with contextlib.suppress(TimeoutError):
        while message := neighbour.hear(1.0):
            answers += message.kind == "peer_response"
    assert 50 <= answers < 2_500  # in some seconds


def test_what_is_on_its_way_over_a_replaced_link_arrives(modules):
    module = modules.module()
    client, old = modules.api(module, 7), modules.neighbour(module)
    new = modules.neighbour(module, old.address)
    wait_event(module, f"disconnected:{old.address}:replaced")
    for number, end in enumerate((old, new)):
        end.say(messages.PeerNotification(255, number, 7, bytes([number])))
        assert client.hear_kind("notification").data == bytes([number])
    assert old.hear_end()


def test_what_a_dialled_module_sends_before_it_knows_the_better_link_arrives(modules):
    small, large = sorted(free_addresses(2))
    acceptor = modules.acceptor(small)
    module = modules.module(p2p_address=large, bootstrapper=small)
    client, dialled = modules.api(module, 7), acceptor.accept()
    dialled.hear_kind("hello")
    dialled.say(messages.VerificationRequest(1))
    dialled.hear_kind("verification_response")
    modules.neighbour(module, small)  # the better link
    dialled.say(messages.PeerResponse(()), messages.PeerNotification(255, 1, 7, b"news"))
    assert client.hear_kind("notification").data == b"news"
    refused(module, dialled, "duplicate")
    assert view(module) == {small} and not any("our work" in event for event in events(module))


def test_the_bootstrapper_is_dialled_between_all_addresses_that_are_known(modules):
    bootstrapper = modules.acceptor()
    module = modules.module(bootstrapper=bootstrapper.address)
    bootstrapper.accept().close()
    with module.turn:
        for address in free_addresses(20):
            module.view.pushed(address, module.now())
    for _ in range(3):
        bootstrapper.accept().close()
    assert sum(event.startswith("refused:") for event in events(module)) < 20


@pytest.mark.parametrize("degree, min_degree, dialled", [(9, 1, 4), (8, 1, 3), (2, 1, 0),
                                                         (2, 2, 1)])
def test_a_view_fills_half_of_the_free_places(modules, degree, min_degree, dialled):
    acceptor, others = modules.acceptor(), [modules.acceptor() for _ in range(6)]
    module = modules.module(bootstrapper=acceptor.address, degree=degree, min_degree=min_degree)
    end = acceptor.welcome(view=[module.address, acceptor.address,
                                 *(other.address for other in others * 2)])
    still_there(end)
    assert len(module.links()) == 1 + dialled
    wait_until(lambda: sum(other.dialled() for other in others) == dialled)


def test_one_neighbour_fills_no_more_than_half_of_the_free_places_however_often_it_answers(
        modules, monkeypatch):
    monkeypatch.setattr(gossip_module, "ASK_AGAIN", 0.01)
    module = modules.module(degree=8, min_degree=4)
    neighbour, others = modules.neighbour(module), [modules.acceptor() for _ in range(16)]
    for at in range(0, 16, 2):
        assert neighbour.hear() == messages.PeerRequest()
        neighbour.say(messages.PeerResponse(tuple(other.address for other in others[at:at + 2])))
    assert neighbour.hear() == messages.PeerRequest()
    assert len(module.links()) == 1 + 3


def test_a_view_with_few_neighbours_asks_for_more(modules, monkeypatch):
    monkeypatch.setattr(gossip_module, "ASK_AGAIN", 0.05)
    module = modules.module(degree=6, min_degree=2)
    neighbour, acceptor = modules.neighbour(module), modules.acceptor()
    for answer in ((), (), (acceptor.address,)):
        assert neighbour.hear_bytes() == bytes.fromhex("000401f8")
        neighbour.say(messages.PeerResponse(answer))
    acceptor.welcome()
    wait_until(lambda: view(module) == {neighbour.address, acceptor.address})


def test_nobody_is_asked_twice_without_an_answer(modules, monkeypatch):
    monkeypatch.setattr(gossip_module, "ASK_AGAIN", 0.01)
    module = modules.module(degree=6, min_degree=3)
    first = modules.neighbour(module)
    assert first.hear() == messages.PeerRequest()
    second = modules.neighbour(module)
    assert second.hear() == messages.PeerRequest()
    assert first.hear().kind == "push"
    for _ in range(20):
        second.say(messages.PeerResponse(()))
        assert second.hear() == messages.PeerRequest()
    first.say(messages.PeerRequest())
    assert first.hear().kind == "peer_response"


def test_an_empty_view_tries_the_bootstrapper_again_with_back_off(modules, monkeypatch):
    monkeypatch.setattr(gossip_module, "RETRY_FIRST", 0.05)
    acceptor, dialled = modules.acceptor(), []
    module = modules.module(bootstrapper=acceptor.address)
    for _ in range(6):
        end = acceptor.accept()
        dialled.append(time.monotonic())  # the rest begins later, when it is closed
        end.close()
    for number, (one, other) in enumerate(zip(dialled, dialled[1:])):
        assert other - one > 0.05 * 2**number / 2 - 0.02
    acceptor.welcome()
    wait_until(lambda: view(module) == {acceptor.address})


def test_who_loses_everyone_tries_whom_it_knows(modules, monkeypatch):
    monkeypatch.setattr(gossip_module, "RETRY_FIRST", 0.05)
    bootstrapper, known = modules.acceptor(), modules.acceptor()
    module = modules.module(bootstrapper=bootstrapper.address, degree=2, min_degree=1)
    end = bootstrapper.welcome(view=[known.address])
    still_there(end)
    assert not known.dialled()
    bootstrapper.close()
    known.welcome()
    wait_until(lambda: view(module) == {known.address})


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("module_is_smaller", [True, False])
def test_of_two_links_of_a_pair_the_one_dialled_by_the_smaller_stays(
        modules, module_is_smaller, ours_first):
    own, other = free_addresses(2)[::1 if module_is_smaller else -1]
    acceptor = modules.acceptor(other)
    module = modules.module(p2p_address=own, bootstrapper=other, min_degree=1)
    if ours_first:
        ours = acceptor.welcome()
        wait_until(lambda: view(module) == {other})
        theirs = modules.dial(module)
        theirs.address = other
        theirs.say(messages.Hello(other))
        theirs.say(work(theirs, theirs.hear().nonce))
    else:
        ours = acceptor.accept()
        theirs = modules.neighbour(module, other)
        acceptor.accept().close()  # the neighbour is dialled back
        ours.say(messages.VerificationRequest(1))
        ours.hear_kind("verification_response")
        ours.say(messages.PeerResponse(()))
    stays, goes = (ours, theirs) if module_is_smaller else (theirs, ours)
    assert goes.hear_end()
    still_there(stays)
    assert view(module) == {other}
    wait_until(lambda: len(module.links()) == 1)


@pytest.mark.parametrize("module_is_smaller", [True, False])
def test_of_two_links_in_one_direction_the_newer_stays(modules, module_is_smaller):
    own, other = free_addresses(2)[::1 if module_is_smaller else -1]
    module = modules.module(p2p_address=own)
    old = modules.neighbour(module, other)
    new = modules.neighbour(module, old.address)
    assert old.hear_end()
    still_there(new)
    assert view(module) == {new.address}


def test_above_max_connections_another_one_than_the_newcomer_is_dropped(modules):
    module = modules.module(degree=2, max_connections=3)
    ends = []
    for number in range(8):
        ends.append(modules.neighbour(module))
        assert ends[-1].address in view(module) and len(view(module)) == min(number + 1, 3)
    wait_until(lambda: len(module.links()) == 3)
    for end in ends:
        if end.address in view(module):
            still_there(end)
        else:
            assert end.hear_end()
            assert f"disconnected:{end.address}:one too many" in events(module)


def test_the_largest_view_fits_into_a_505():
    addresses = tuple(address_of(LOCAL, port) for port in range(1, MOST_NEIGHBOURS + 1))
    assert messages.parse(messages.PeerResponse(addresses).pack()).addresses == addresses


def test_who_has_few_neighbours_dials_whom_it_knows_even_if_they_know_nobody(modules):
    module = modules.module(degree=4, min_degree=2)
    modules.neighbour(module)  # it never answers 504
    known = modules.acceptor()
    module.view.pushed(known.address, time.monotonic())
    assert known.accept().hear_kind("hello")


@pytest.mark.parametrize("ip", ["0.0.0.0", "224.0.0.1", "255.255.255.255"])
def test_who_names_an_address_that_nobody_can_dial_is_disconnected(modules, ip):
    module = modules.module()
    end = modules.neighbour(module)
    end.send(struct.pack(">HHH", 12, 509, 3) + socket.inet_aton(ip) + struct.pack(">H", 7))
    assert end.hear_end()
    refused(module, end, "that others can dial")


# Liveness.


def test_a_neighbour_that_is_silent_for_three_intervals_leaves(modules):
    module = modules.module(settings=Settings(liveness_interval=0.4), min_degree=1)
    begun = time.monotonic()
    silent, lively = modules.neighbour(module), modules.neighbour(module)
    stop = threading.Event()

    def ping():
        while not stop.wait(0.1):
            lively.say(messages.Ping())

    thread = threading.Thread(target=ping)
    thread.start()
    try:
        assert silent.hear_kind("push")
        heard = []
        while (message := silent.hear_bytes()) is not None and len(heard) < 10:
            heard.append(message)
        assert time.monotonic() - begun >= 3 * 0.4
        assert set(heard) == {bytes.fromhex("000401fe")} and 2 <= len(heard) < 10
        assert wait_event(module, f"disconnected:{silent.address}:silent")
        assert view(module) == {lively.address}
    finally:
        stop.set()
        thread.join()


def test_a_broken_neighbour_leaves_at_once(modules):
    module = modules.module()
    end = modules.neighbour(module)
    end.close()
    wait_until(lambda: view(module) == set(), 30)
    assert QUIET.liveness_interval == 60
    wait_event(module, f"disconnected:{end.address}:")


def test_a_bootstrapper_that_has_started_again_is_found_by_those_that_have_neighbours(modules):
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address, degree=4, min_degree=1,
                            settings=Settings(liveness_interval=0.2))
    neighbour = modules.neighbour(module)
    for _ in range(4):  # it may have dialled twice before it had a neighbour
        wait_until(lambda: neighbour.say(messages.Ping()) or acceptor.dialled(), pause=0.1)
        acceptor.accept().close()
    assert len(module.view.links()) == 1


def test_a_bootstrapper_without_a_place_is_dialled_ever_more_rarely(modules):
    """Each dial costs it work, and replaces another neighbour."""
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address, degree=4, min_degree=1)
    modules.neighbour(module)
    for _ in range(3):  # it may have dialled twice before it had a neighbour
        if acceptor.dialled():
            acceptor.accept().close()
        module.membership.hurry()
        wait_until(lambda: not module.membership.is_set())
    assert not acceptor.dialled() and module._again.due > module.now() + 20
