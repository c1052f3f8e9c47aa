"""The handshake: a peer that dials says HELLO, does a proof of work, and is welcomed.

Both sides are here: giving work and checking it, and doing the work that other peers give.
The duty "work" searches. Accepting and dialling are in gossip_module.py.

A peer that was welcomed is dialled back once, and told HELLO: who hands out work for that is found
at the address that it named (proven), and the work is not done. Who did not take our work is left
alone for a while: it would have us work for nothing, again and again.
"""

import collections
import hmac
import os
import queue
import time
from collections.abc import Callable

from gossip.addresses import Address
from gossip.node.node import Node
from gossip.voidphone import messages
from gossip.voidphone.doorway import (
    ANSWERED, CHALLENGED, DIALLED, DIALLED_BACK, NEIGHBOUR, WORKED_FOR, Doorway, PeerLink)
from gossip.voidphone.ini import Config
from gossip.voidphone.outbox import Outbox
from gossip.voidphone.view import View
from gossip.voidphone.work import find, is_work
from gossip.wire import WireError

HELLO_LIMIT = 10.0  # seconds to wait for HELLO, for the reply to ours, and to our work
WORK_LIMIT = 300.0  # seconds that a peer may take for its work, counted from its HELLO
LEFT_ALONE = 60.0  # seconds for which nobody works for a peer that did not take our work
MOST_LEFT_ALONE = 1_000  # such peers that are remembered
SLOT, SLOTS = 60.0, 6  # seconds of a slot; a nonce counts in its own slot and the 5 after it


class Handshake:
    """Makes neighbours of strangers: everything between the connection and the view."""

    def __init__(self, node: Node, config: Config, view: View, doorway: Doorway,
                 met: Callable[[], None]):
        self._node = node
        self._config = config
        self._view = view
        self._doorway = doorway
        self._met = met  # called after each welcome
        self._secret = os.urandom(16)  # of it, nonces are derived
        self._dialled_back: set[Address] = set()  # those being dialled
        self._left_alone: collections.OrderedDict[Address, float] = collections.OrderedDict()
        # -> until when
        self.duty = None  # takes `work`, once it is kept
        self._searches: queue.SimpleQueue[PeerLink] = queue.SimpleQueue()

    def await_hello(self, link: PeerLink) -> None:
        """Give the other end HELLO_LIMIT seconds for its HELLO, or for the reply to ours."""
        link.await_line(time.monotonic() + HELLO_LIMIT)

    def challenge(self, link: PeerLink, message: messages.Hello) -> None:
        """A peer says HELLO with its listening address: give it work."""
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
        """The nonce of a connection in a slot. It is derived, so that nothing has to be kept."""
        text = f"{link.serial}:{slot}".encode()
        return int.from_bytes(hmac.digest(self._secret, text, "sha256")[:8], "big")

    def check_work(self, link: PeerLink, message: messages.VerificationResponse,
                   outbox: Outbox) -> None:
        """A peer sends its work: welcome it, or raise WireError if the work does not count."""
        slot = present_slot()
        if message.address != link.hello:
            raise WireError(f"work for {message.address}, not for {link.hello}")
        if message.nonce not in (self._nonce(link, slot - age) for age in range(SLOTS)):
            raise WireError("work for a nonce that is not this connection's, or too old")
        if not is_work(message.nonce, message.challenge, self._config.pow_bits):
            raise WireError("the work is not done")
        self._take_in(link, message.address, outbox)

    def _take_in(self, link: PeerLink, peer: Address, outbox: Outbox) -> None:
        """A peer has done its work: tell it the view, and the neighbours of it."""
        view = [other for other in self._view.addresses() if other != peer]
        others = self._view.links()
        if self.welcome(link, peer, dialled=False):
            link.send(messages.PeerResponse(tuple(view)).pack())
            self._view.pushed(peer, time.monotonic())  # its echo is not new
            outbox.add([other for other in others if other is not link],
                       messages.Push(self._config.p2p_ttl, peer).pack())

    def take_work(self, link: PeerLink, message: messages.VerificationRequest) -> None:
        """The peer that we dialled gives us work: queue it for the thread "work", unless we only
        wanted to know whether it is there."""
        self._view.prove(link.peer)
        if link.role == DIALLED_BACK:
            link.close("proven")
            return
        link.role = WORKED_FOR
        link.nonce = message.nonce
        link.await_no_line()
        self._searches.put(link)
        self.duty.hurry()

    def dial_back(self, link: PeerLink) -> None:
        """A neighbour has come by itself: find out whether it is there where it said. There are
        `probes_at_once` such dials at most, and it has `probe_limit` seconds to answer."""
        if not self._view.lacks_proof(link.peer):
            return
        if (link.peer in self._dialled_back
                or len(self._dialled_back) >= self._node.settings.probes_at_once):
            return
        self._dialled_back.add(link.peer)
        back = self._node.new_link(DIALLED_BACK, link.peer)
        back.await_line(time.monotonic() + self._node.settings.probe_limit)
        self._node.dial(back)

    def is_left_alone(self, peer: Address, now: float) -> bool:
        """Whether nobody works for a peer, as it did not take our work lately."""
        return self._left_alone.get(peer, now) > now

    def _leave_alone(self, peer: Address) -> None:
        """A peer did not take our work."""
        self._left_alone.pop(peer, None)
        self._left_alone[peer] = time.monotonic() + LEFT_ALONE
        if len(self._left_alone) > MOST_LEFT_ALONE:
            self._left_alone.popitem(last=False)

    def work(self, now: float) -> float | None:
        """A turn: do the next work that a peer has given; answer None when there is none."""
        if self._searches.empty():
            return None
        link = self._searches.get()
        if not link.ended:
            self._work_for(link)
        return now

    def _work_for(self, link: PeerLink) -> None:
        try:
            with self._node.turn.left():
                challenge = find(link.nonce, self._config.pow_bits, lambda: not link.ended)
        except OSError as error:
            self._node.disconnect(link, f"no worker could be started: {error.strerror}")
            return
        if challenge is not None:
            link.role = ANSWERED
            link.await_line(time.monotonic() + HELLO_LIMIT)
            answer = messages.VerificationResponse(link.nonce, challenge, self._node.address)
            link.send(answer.pack())
        elif not link.ended:  # the workers were killed from outside
            self._node.disconnect(link, "the search for its work ended without a result")

    def welcome(self, link: PeerLink, peer: Address, dialled: bool) -> bool:
        """Make a verified peer a neighbour; False if a better link to it exists already."""
        link.trust()  # first: a neighbour may have more news waiting than a stranger
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
        """A link has ended: free its place among the dials."""
        if link.role == DIALLED_BACK:
            self._dialled_back.discard(link.peer)
        if link.role in (DIALLED, WORKED_FOR, ANSWERED):
            if link.role == ANSWERED and not self._node.stopping:
                self._node.write_refusal(link.peer,
                                         "it did not take our work: has it more pow_bits?")
                if self._view.link(link.peer) is None:  # else its own dial was sooner
                    self._leave_alone(link.peer)
            self._view.end_dial(link.peer)


def present_slot() -> int:
    """The number of the current time slot."""
    return int(time.monotonic() // SLOT)
