"""Messages out of their place: what may not be said on a link of which role."""

import pytest

from gossip.addresses import address_of
from gossip.voidphone import gossip_module, messages
from tests.tools.module_words import LOCAL, NEWS, refused, still_there, view, work
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until

BEFORE = [messages.PeerRequest(), messages.PeerResponse(()), messages.VerificationRequest(1),
          messages.Push(5, address_of(LOCAL, 6001)), NEWS]


@pytest.mark.parametrize("role, message", [
    (role, message) for role in ("stranger", "challenged", "dialled", "worked for")
    for message in BEFORE
    if (role, message.kind) != ("dialled", "verification_request")  # this one is expected
], ids=lambda value: value if isinstance(value, str) else value.kind)
def test_what_comes_before_the_handshake_is_over_ends_the_connection(modules, role, message):
    if role in ("dialled", "worked for"):
        acceptor = modules.acceptor()
        module = modules.module(bootstrapper=acceptor.address, pow_bits=64)
        end = acceptor.accept()
        end.hear_kind("hello")
        if role == "worked for":
            end.say(messages.VerificationRequest(1))
    else:
        module = modules.module()
        end = modules.dial(module) if role == "stranger" else modules.challenged(module)[0]
    end.say(message)
    refused(module, end, f"{message.kind.replace('_', ' ')} is not expected from one")
    assert view(module) == set()


def test_a_507_that_nobody_asked_for_ends_the_connection(modules):
    module = modules.module()
    end = modules.dial(module)
    end.address = free_address()
    end.say(work(end, 1))
    refused(module, end, "verification response is not expected from one who has not said")
    acceptor = modules.acceptor()
    dialler = modules.module(bootstrapper=acceptor.address)
    end = acceptor.accept()
    end.address = acceptor.address
    end.say(work(end, 1))
    refused(dialler, end, "verification response is not expected from one")


def test_neighbours_may_not_begin_anew(modules):
    module = modules.module()
    for message in (messages.VerificationRequest(1), messages.Hello(free_address()),
                    messages.VerificationResponse(1, 1, free_address())):
        end = modules.neighbour(module)
        end.say(message)
        refused(module, end, f"{message.kind.replace('_', ' ')} is not expected from a neighb")
    wait_until(lambda: view(module) == set())


@pytest.mark.parametrize("when", ["after the work", "after the view"])
def test_a_second_506_ends_the_connection(modules, when):
    """The one during the search stands with what comes before the handshake is over."""
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address)
    if when == "after the view":
        end = acceptor.welcome()
    else:
        end = acceptor.accept()
        end.say(messages.VerificationRequest(1))
        end.hear_kind("verification_response")
    end.say(messages.VerificationRequest(2))
    refused(module, end, "verification request is not expected from")


@pytest.mark.parametrize("dialled", [True, False])
def test_a_505_without_a_question_ends_the_connection(modules, dialled):
    if dialled:
        acceptor = modules.acceptor()
        module = modules.module(bootstrapper=acceptor.address, min_degree=1)
        end = acceptor.welcome()
    else:
        module = modules.module(min_degree=1)
        end = modules.neighbour(module)
    still_there(end)
    end.say(messages.PeerResponse((free_address(),)))
    refused(module, end, "peer response without a request")
    wait_until(lambda: view(module) == set())


def test_a_second_answer_to_one_504_ends_the_connection(modules, monkeypatch):
    monkeypatch.setattr(gossip_module, "ASK_AGAIN", 60.0)
    module = modules.module(min_degree=2)
    end = modules.neighbour(module)
    assert end.hear_bytes() == bytes.fromhex("000401f8")
    end.say(messages.PeerResponse(()))
    still_there(end)
    end.say(messages.PeerResponse(()))
    refused(module, end, "peer response without a request")
