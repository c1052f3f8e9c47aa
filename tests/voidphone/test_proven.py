"""Neighbours that came by themselves are dialled back once: who is not found at its address goes
first when there are too many. And who did not take our work is left alone for a while."""

import threading

import pytest

from gossip.voidphone import gossip_module, messages, neighbours
from gossip.voidphone.neighbours import DIALLED_BACK
from tests.tools.files import count
from tests.tools.module_words import still_there, view
from tests.tools.modules import EASY_BITS, QUIET, work_for
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until


class Listener:
    """An address at which HELLO is answered with work, as a module does."""

    def __init__(self, modules):
        self.acceptor = modules.acceptor()
        self.address = self.acceptor.address
        self.answered = 0
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self):
        while True:
            try:
                end = self.acceptor.accept(0.1)
            except TimeoutError:
                continue
            except (OSError, ValueError):
                return  # it is closed
            if end.hear_kind("hello"):
                end.say(messages.VerificationRequest(1))
                self.answered += 1

    def close(self):
        self.acceptor.close()
        self._thread.join(30)


@pytest.fixture
def listeners(modules):
    """Makes listeners, and closes them."""
    made = []

    def make(number):
        made.extend(Listener(modules) for _ in range(number))
        return made[-number:]
    yield make
    for one in made:
        one.close()


def lacks_proof(module, peer) -> bool:
    """Whether this is a neighbour that is not proven."""
    return any(link.peer == peer and not link.proven for link in module.view.links())


def proven(module, *ends):
    """Wait until the module knows that these are where they said."""
    for end in ends:
        wait_until(lambda: not lacks_proof(module, end.address), what=f"{end.address}")


def kept(module, ends):
    return sum(end.address in view(module) for end in ends)


def test_a_neighbour_is_dialled_back_once_and_asked_for_no_more_than_work(modules):
    acceptor = modules.acceptor()
    module = modules.module()
    neighbour = modules.neighbour(module, acceptor.address)
    assert lacks_proof(module, acceptor.address)
    back = acceptor.accept()
    assert back.hear() == messages.Hello(module.address)
    back.say(messages.VerificationRequest(1))
    assert back.hear_end()
    proven(module, neighbour)
    still_there(neighbour)
    assert not acceptor.dialled() and count(module, "refused:") == 0
    wait_until(lambda: len(module.links()) == 1)


def test_a_neighbour_whose_address_does_not_answer_stays_unproven(modules):
    acceptor = modules.acceptor()
    module = modules.module()
    modules.neighbour(module, acceptor.address), modules.neighbour(module)
    assert acceptor.accept().hear_kind("hello")  # and no answer, for longer than a probe takes
    wait_until(lambda: len(module.links()) == 2)
    assert all(lacks_proof(module, peer) for peer in view(module)) and len(view(module)) == 2


def test_modules_prove_one_another(modules):
    one = modules.module()
    other = modules.module(bootstrapper=one.address)
    wait_until(lambda: view(one) == {other.address} and view(other) == {one.address})
    wait_until(lambda: not lacks_proof(one, other.address))
    assert not lacks_proof(other, one.address)
    wait_until(lambda: len(one.links()) == len(other.links()) == 1)
    assert count(one, "refused:") == count(other, "refused:") == 0


def test_at_most_so_many_are_dialled_back_at_once(modules):
    acceptors = [modules.acceptor() for _ in range(4)]
    module = modules.module(settings=QUIET._replace(probes_at_once=2, probe_limit=60.0))
    for acceptor in acceptors:
        modules.neighbour(module, acceptor.address)
    still_there(modules.neighbour(module))
    assert sum(link.role == DIALLED_BACK for link in module.links()) == 2


def test_an_address_is_dialled_back_once_at_a_time(modules):
    acceptor = modules.acceptor()
    module = modules.module(settings=QUIET._replace(probe_limit=60.0))
    for _ in range(3):
        still_there(modules.neighbour(module, acceptor.address))
    assert sum(link.role == DIALLED_BACK for link in module.links()) == 1


def test_fifty_fake_modules_that_listen_nowhere_push_out_one_at_most(modules, listeners):
    module = modules.module(degree=4, max_connections=8)
    honest = [modules.neighbour(module, one.address) for one in listeners(8)]
    proven(module, *honest)
    fakes = [modules.neighbour(module) for _ in range(50)]
    assert kept(module, honest) == 7 and kept(module, fakes[-1:]) == 1
    wait_until(lambda: len(module.links()) == 8)
    for end in honest:
        if end.address in view(module):
            still_there(end)


def test_fifty_fake_modules_that_listen_push_out_none_that_we_dialled(modules, listeners):
    ours = [modules.acceptor() for _ in range(3)]
    module = modules.module(degree=6, min_degree=3, max_connections=8,
                            bootstrapper=ours[0].address)
    ends = [ours[0].welcome(view=[one.address for one in ours[1:]])]
    ends += [acceptor.welcome() for acceptor in ours[1:]]
    wait_until(lambda: len(view(module)) == 3)
    fakes = listeners(10)
    for number in range(50):
        fake = modules.neighbour(module, fakes[number % 10].address)
        proven(module, fake)
    assert {one.address for one in ours} < view(module) and len(view(module)) == 8
    for end in ends:
        still_there(end)


def test_whoever_is_pushed_out_at_once_is_welcomed_before(modules, listeners):
    """Else it takes its work for refused, and leaves this module, maybe its bootstrapper, alone."""
    module = modules.module(degree=2, max_connections=2)
    proven(module, modules.neighbour(module, listeners(1)[0].address))
    first, nonce = modules.challenged(module)
    first.say(messages.VerificationResponse(nonce, work_for(nonce, EASY_BITS), first.address))
    wait_until(lambda: first.address in view(module))
    modules.neighbour(module)
    assert first.address not in view(module)
    assert first.hear_kind("peer_response") and first.hear_end()


# Work that was not taken.


def refuse_work(acceptor):
    """Give a module work, and hang up when it is done."""
    end = acceptor.accept()
    end.hear_kind("hello")
    end.say(messages.VerificationRequest(1))
    end.hear_kind("verification_response")
    end.close()


def test_who_did_not_take_our_work_is_left_alone_for_60_seconds(modules):
    acceptor = modules.acceptor()
    module = modules.module(min_degree=1)
    neighbour = modules.neighbour(module)
    neighbour.say(messages.Push(1, acceptor.address))
    refuse_work(acceptor)
    wait_until(lambda: module.handshake.is_left_alone(acceptor.address))
    assert neighbours.LEFT_ALONE == 60.0 and count(module, "refused:") == 1
    ended = module.now()
    neighbour.say(messages.Push(1, acceptor.address))
    still_there(neighbour)
    assert not acceptor.dialled()
    module.now = lambda: ended + 60.0
    neighbour.say(messages.Push(1, acceptor.address))
    acceptor.welcome()
    wait_until(lambda: acceptor.address in view(module))


def test_who_takes_our_work_and_hangs_up_gets_work_ever_more_rarely(modules, monkeypatch):
    """As modules do that have too many neighbours, and replace one of them."""
    monkeypatch.setattr(gossip_module, "RETRY_FIRST", 0.01)
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address)
    clock = module.now
    for times in (1, 2):
        acceptor.welcome().close()
        wait_until(lambda: count(module, "disconnected:") == times)
        ended, rest = clock(), neighbours.REST * times
        for since, alone in ((rest - 0.2, True), (rest, False)):
            module.now = lambda: ended + since
            assert module.handshake.is_left_alone(acceptor.address) is alone
        module.now = clock


def test_a_bootstrapper_that_did_not_take_our_work_is_not_tried_at_once(modules, monkeypatch):
    monkeypatch.setattr(gossip_module, "RETRY_FIRST", 0.01)
    acceptor = modules.acceptor()
    module = modules.module(bootstrapper=acceptor.address)
    refuse_work(acceptor)
    wait_until(lambda: module.handshake.is_left_alone(acceptor.address))
    for _ in range(20):
        module.look_for_neighbours(module.now())
    assert not acceptor.dialled()


def test_so_many_that_did_not_take_our_work_are_remembered(modules, monkeypatch):
    assert neighbours.MOST_LEFT_ALONE == 1000
    monkeypatch.setattr(neighbours, "MOST_LEFT_ALONE", 2)
    module, addresses = modules.module(), [free_address() for _ in range(3)]
    for address in addresses:
        module.handshake.leave_alone(address, refused=True)
    left = [module.handshake.is_left_alone(address) for address in addresses]
    assert left == [False, True, True]
