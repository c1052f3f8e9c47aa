"""The handshake: HELLO, the work that is given and done, and the welcome of a neighbour.

Link readers call it; the thread "work" does what peers ask of us. How links are accepted and
dialled, and what becomes of them later, is the module's.
"""

import hmac
import os
import queue
import threading
import time
from collections.abc import Callable

from gossip.addresses import Address
from gossip.node.node import Node
from gossip.voidphone import messages
from gossip.voidphone.doorway import (
    ANSWERED, CHALLENGED, DIALLED, NEIGHBOUR, WORKED_FOR, Doorway, PeerLink)
from gossip.voidphone.ini import Config
from gossip.voidphone.outbox import Outbox
from gossip.voidphone.view import View
from gossip.voidphone.work import Search, is_work
from gossip.wire import WireError

HELLO_LIMIT = 10.0  # seconds for a stranger's HELLO, and for the answer to ours
WORK_LIMIT = 300.0  # seconds for the work, from HELLO on
SLOT, SLOTS = 60.0, 6  # seconds for which a nonce is given out, and slots for which it is good


class Handshake:
    """What is said until the other end of a link is a neighbour, in both directions."""

    def __init__(self, node: Node, config: Config, view: View, doorway: Doorway,
                 met: Callable[[], None]):
        self._node = node
        self._config = config
        self._view = view
        self._doorway = doorway
        self._met = met  # called when there is one more neighbour
        self._secret = os.urandom(16)  # nonces are made of it
        self._searches: queue.SimpleQueue[PeerLink | None] = queue.SimpleQueue()
        self._search_lock = threading.Lock()  # guards the next two
        self._search: Search | None = None
        self._searched_for: PeerLink | None = None

    def await_hello(self, link: PeerLink) -> None:
        """Give the other end of a link some seconds for its HELLO, or for the answer to ours."""
        link.await_line(time.monotonic() + HELLO_LIMIT)

    def challenge(self, link: PeerLink, message: messages.Hello) -> None:
        """A stranger says where it listens: give it work."""
        address = message.address
        if address.ip != link.remote_ip:
            raise WireError(f"HELLO from {link.remote_ip} for {address}")
        if address == self._node.address:
            raise WireError("HELLO with our own address")
        if link.hello not in (None, address):
            raise WireError(f"HELLO with another address, {address}")
        slot = present_slot()
        if link.slot == slot:
            self._node.counters.add("HELLOs said again")
            return
        if link.hello is None:
            link.await_line(time.monotonic() + WORK_LIMIT)
        link.hello, link.slot = address, slot
        link.role = CHALLENGED
        link.send(messages.VerificationRequest(self._nonce(link, slot)).pack())

    def _nonce(self, link: PeerLink, slot: int) -> int:
        """Derived, not kept: of the secret, the connection, and the time."""
        text = f"{link.serial}:{slot}".encode()
        return int.from_bytes(hmac.digest(self._secret, text, "sha256")[:8], "big")

    def check_work(self, link: PeerLink, message: messages.VerificationResponse,
                   outbox: Outbox) -> None:
        """The work is done, or not."""
        slot = present_slot()
        if message.address != link.hello:
            raise WireError(f"work for {message.address}, not for {link.hello}")
        if message.nonce not in (self._nonce(link, slot - age) for age in range(SLOTS)):
            raise WireError("work for a nonce that is not this connection's, or too old")
        if not is_work(message.nonce, message.challenge, self._config.pow_bits):
            raise WireError("the work is not done")
        view = [peer for peer in self._view.addresses() if peer != message.address]
        others = self._view.links()
        link.hold()  # news flow once it is in the view, but the answer comes first
        if self.welcome(link, message.address, dialled=False):
            link.release(messages.PeerResponse(tuple(view)).pack())
            self._view.pushed(message.address, time.monotonic())  # it may come back: no news then
            outbox.add([other for other in others if other is not link],
                       messages.Push(self._config.p2p_ttl, message.address).pack())

    def take_work(self, link: PeerLink, message: messages.VerificationRequest) -> None:
        """Whom we dialled gives us work: once per HELLO."""
        link.role = WORKED_FOR
        link.nonce = message.nonce
        link.await_line(float("inf"))
        self._searches.put(link)

    def keep_working(self) -> None:
        """Do the work that peers give us, one after the other."""
        while (link := self._searches.get()) is not None:
            if link.ended:
                continue
            with self._search_lock:
                self._search = Search(link.nonce, self._config.pow_bits)
                self._searched_for = link
                search = self._search
            if self._node.stopping.is_set() or link.ended:
                search.cancel()
            try:
                challenge = search.find()
            except OSError as error:
                self._node.disconnect(link, f"no worker could be started: {error.strerror}")
                continue
            finally:
                with self._search_lock:
                    self._search = self._searched_for = None
            if challenge is None:
                if not link.ended:  # not by us: somebody has ended the workers
                    self._node.disconnect(link, "the search for its work ended without a result")
                continue
            link.role = ANSWERED
            link.await_line(time.monotonic() + HELLO_LIMIT)
            answer = messages.VerificationResponse(link.nonce, challenge, self._node.address)
            link.send(answer.pack())

    def welcome(self, link: PeerLink, peer: Address, dialled: bool) -> bool:
        """A verified peer becomes a neighbour, unless a better link leads there."""
        link.trust()  # before others send to it: their news may be more than a stranger may have
        admitted = self._view.admit(peer, link, dialled)
        self._doorway.leave(link)
        if not admitted.accepted:
            self._node.disconnect(link, "duplicate", peer)
            return False
        link.role, link.peer = NEIGHBOUR, peer
        self._node.output.drain(self._view.changes)
        for _, old, reason in admitted.parted:
            old.close(reason)
        self._met()
        return True

    def on_end(self, link: PeerLink) -> None:
        """A link has ended: so does the search for its work, and its dial."""
        with self._search_lock:
            if self._searched_for is link and self._search is not None:
                self._search.cancel()
        if link.role in (DIALLED, WORKED_FOR, ANSWERED):
            if link.role == ANSWERED and not self._node.stopping.is_set():
                self._node.write_refusal(link.peer,
                                         "it did not take our work: has it more pow_bits?")
            self._view.end_dial(link.peer)

    def wake(self) -> None:
        """The node stops: end the thread that works."""
        self._searches.put(None)
        with self._search_lock:
            if self._search is not None:
                self._search.cancel()


def present_slot() -> int:
    """The number of the time slot for which nonces are given out now."""
    return int(time.monotonic() // SLOT)
