"""Deadlocks are looked for: forty nodes in one process, while everything happens at once."""

import faulthandler
import random
import threading

import pytest

from tests.tools.nets import connected
from tests.tools.waiting import wait_until

PEERS, SPEAKERS, ACCIDENTS = 37, 6, 40
AT_ONCE, PAUSE = 20, 0.2  # messages of a speaker, and seconds until the next
STANDS = 30.0  # seconds for which no thread waits for its turn while all is well
LIMIT = 400.0  # seconds after which all threads tell where they are, and the tests end


class Storm:
    """Threads that act on peers until the storm is over."""

    def __init__(self, net, peers):
        self._net = net
        self.peers = peers
        self._rng = random.Random(1)
        self._over = threading.Event()
        self._threads = []
        self.said = 0  # messages that were handed to a peer

    def keep(self, act) -> None:
        """Have a thread act again and again."""
        def run():
            while not self._over.wait(PAUSE):
                act()
        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            wait_until(lambda thread=thread: not thread.is_alive(), 120, what="the storm to end")

    def speak(self) -> None:
        """Flood through some peers at once, so that floods meet head-on and crosswise."""
        self._rng.choice(self.peers).gossip([f"word {self.said}"] * AT_ONCE)
        self.said += AT_ONCE

    def ask(self) -> None:
        """Ask every node what a console asks."""
        for peer in list(self.peers):
            peer.status()

    def strike(self, number: int) -> None:
        """One peer leaves, is killed or stops; it comes back at its address."""
        at = self._rng.randrange(len(self.peers))
        peer = self.peers[at]
        if number % 3 == 0:
            self._net.kill([peer])
        else:
            if number % 3 == 1:
                peer.quit()
                wait_until(lambda: peer.stopping, what="a peer to leave")
            self._net.end(peer)
        self.peers[at] = self._net.peer(peer.address)


def stand(nodes) -> list[str]:
    """The nodes that have kept a thread waiting for its turn for far too long."""
    return [str(node.address) for node in nodes if node.turn.waited() > STANDS]


@pytest.mark.slow
def test_forty_nodes_go_on_under_floods_farewells_kills_returns_and_questions(net):
    faulthandler.dump_traceback_later(LIMIT, exit=True)  # a deadlock has no other end
    try:
        seeds = net.seeds(3)
        storm = Storm(net, net.peers(PEERS))
        wait_until(lambda: connected(storm.peers), 120)
        for _ in range(SPEAKERS):
            storm.keep(storm.speak)
        storm.keep(storm.ask)
        for number in range(ACCIDENTS):
            storm.strike(number)
            assert stand([*seeds, *storm.peers]) == []
        storm.end()
        assert storm.said > 0
        wait_until(lambda: connected(storm.peers), 120)
        last = storm.peers[0]
        last.gossip(["the last word"])
        wait_until(lambda: len({peer.messages.digest() for peer in storm.peers}) == 1, 300,
                   what="all to have heard the same")
    finally:
        faulthandler.cancel_dump_traceback_later()
