"""Admission: the part of a seed that decides which addresses are listed.

Before an address is listed it is probed. A peer that is probed repeats `register:` at once
(joining.py). When another connection wants its address, and `register:` comes over the older
connection within a second of the probe, the newer is refused. Else it replaces the older, because
nobody is at the other end.
"""

import functools
import math
import weakref
from typing import Any

from gossip import wire
from gossip.addresses import Address, is_loopback
from gossip.liveness.prober import FIRST
from gossip.node.node import WAITING
from gossip.node.part import Part
from gossip.tools import Backoff, Recent

REGISTERED = "a registered peer"  # the role of a connection, as a seed sees the other end
STANDS = "registered on another connection, which stands"  # reasons for a refusal
FULL = "too many of your IP are registered"
VERIFYING_LIMIT = 1_024  # registrations that wait for a probe at one seed
REFUSED_REST = 1.0  # seconds for which a connection is not read after a refusal
WORD_LIMIT = 1.0  # seconds from a probe within which a registration that stands has to speak

FIRST_REST, LONGEST_REST = 1.0, 30.0  # seconds; it doubles with each failure after the second
REMEMBERED = 10_000  # addresses whose failures are kept


class _Newcomer:
    """A connection that wants to be the registration of an address."""

    older: Any = None  # the row of the registration that has to speak, or is replaced
    until = 0.0  # by when it has to

    def __init__(self, link, address: Address, asked: float):
        self.link, self.address = link, address
        self.asked = asked  # when it said `register:`


class Admission(Part):
    """The peers that want to be listed by a seed."""

    ANSWERS = {WAITING: {"register"}, REGISTERED: {"register"}}

    def __init__(self, node):
        self._node = node
        self._rests = Rests(REMEMBERED)
        self.newcomers: dict = {}  # link -> newcomer, the oldest first
        self._contesting: dict[Address, _Newcomer] = {}  # newcomers that wait for an older's word

    def on_register(self, link, message: wire.Register) -> None:
        """Verify a newcomer, or repeat `registered` for a listed peer."""
        address, node, now = message.address, self._node, self._node.now()
        if isinstance(address, str):
            self._refuse(link, link.remote, address)
        elif address.ip != link.remote_ip:
            node.write_refusal(link.remote, f"{address} is not its IP")
            link.send(wire.registration_refused(f"{address.ip} is not your IP"))
        elif (row := node.registry.row(address, link)) is not None:
            row.repeated = now
            link.send(wire.REGISTERED)
            if address in self._contesting:  # the registration stands
                self._turn_away(self._contesting[address], STANDS)
        elif link.role == REGISTERED and link.peer != address:
            self._refuse(link, address, f"this connection is {link.peer}'s")
        elif (refusal := self._refusal(address, now)) is not None:
            self._refuse(link, address, refusal)
        elif link not in self.newcomers:  # else its verdict is on the way
            self._verify(_Newcomer(link, address, now))

    def _refuse(self, link, who: Address | str, reason: str) -> None:
        """Refuse, and write that down. The connection is not read for a while."""
        if link.role != REGISTERED:
            link.rest_until = self._node.now() + REFUSED_REST
        self._node.write_refusal(who, reason)
        link.send(wire.registration_refused(reason))

    def _refusal(self, address: Address, now: float) -> str | None:
        """Return why an address is not even probed, or None."""
        row = self._node.registry.row(address)
        has_spoken = row is not None and row.stands() and row.repeated >= now - WORD_LIMIT
        if has_spoken or address in self._contesting:
            return STANDS  # or the other newcomer is listed, which was sooner
        if is_loopback(address) and not is_loopback(self._node.address):
            return f"{address.ip} cannot be reached from other machines"
        if self._node.registry.is_full_for(address):
            return FULL
        if self._rests.left(address, now):
            return f"no Liveness Reply from {address} twice, try again later"
        return self._node.deciding.refusal(address, now)

    def _verify(self, newcomer: _Newcomer) -> None:
        """Have an address probed; of too many, a slow one gives way. Contesting newcomers are
        not counted, because each registered address has at most one."""
        link, node = newcomer.link, self._node
        while len(self.newcomers) - len(self._contesting) >= VERIFYING_LIMIT:
            if not node.probers[FIRST].give_way(newcomer.address):
                self._refuse(link, newcomer.address, "too many registrations at once, try again")
                return
        self.newcomers[link] = newcomer
        link.deadline = math.inf  # the next word is this seed's
        node.waiting_room.leave(link)
        node.probers[FIRST].ask(newcomer.address, functools.partial(self._verified, newcomer),
                                lambda: not link.ended)

    def _verified(self, newcomer: _Newcomer, alive: bool | None) -> None:
        """Take the prober's verdict on an address that wants to be listed."""
        address = newcomer.address
        if alive:
            self._rests.pop(address)
        elif alive is False:
            self._rests.failed(address, newcomer.asked, self._node.now())
        if self.newcomers.get(newcomer.link) is not newcomer:
            return  # its connection has ended
        row = self._node.registry.row(address)
        if alive:
            fault = (self._node.vouching.fault_of(newcomer.link, address, row and row.link)
                     or self._node.deciding.fault_of(address))
        else:
            fault = (f"no Liveness Reply from {address}" if alive is False
                     else "too busy to find out whether you answer, try again")
        if fault is not None:
            self._turn_away(newcomer, fault)
        elif row is not None and row.stands() and row.link is not newcomer.link:
            self._await_word(newcomer, row)
        else:
            self._list(newcomer)

    def _list(self, newcomer: _Newcomer) -> None:
        """List a newcomer, in place of an older registration, if any."""
        link, address, node = newcomer.link, newcomer.address, self._node
        if node.registry.is_full_for(address):
            self._turn_away(newcomer, FULL)
            return
        self._drop(newcomer)
        if link.ended:
            return
        older = node.registry.register(address, link, node.now())
        node.introduced(link, REGISTERED, address)
        if older is not None and older is not link:
            older.close("registered again")
        link.send(wire.REGISTERED)
        node.deciding.on_registered(address, link)

    def _turn_away(self, newcomer: _Newcomer, reason: str) -> None:
        """Refuse a newcomer that waits. Its connection may say something else."""
        self._drop(newcomer)
        if not newcomer.link.ended:
            self._refuse(newcomer.link, newcomer.address, reason)
            if newcomer.link.role != REGISTERED:
                self._node.await_introduction(newcomer.link)

    def _drop(self, newcomer: _Newcomer) -> None:
        del self.newcomers[newcomer.link]
        if self._contesting.get(newcomer.address) is newcomer:
            del self._contesting[newcomer.address]

    def on_end(self, link) -> None:
        if link in self.newcomers:
            self._drop(self.newcomers[link])
        for newcomer in [other for other in self._contesting.values() if other.older.link is link]:
            self._replace(newcomer)

    # Two connections that want one address.

    def _await_word(self, newcomer: _Newcomer, older) -> None:
        """Give the older registration a while to speak. One newcomer waits for that."""
        address = newcomer.address
        if address in self._contesting or older.repeated >= newcomer.asked - WORD_LIMIT:
            self._turn_away(newcomer, STANDS)
            return
        self._contesting[address] = newcomer
        newcomer.older, newcomer.until = older, self._node.now() + WORD_LIMIT
        if older.since >= newcomer.asked:  # it was probed before it was registered: once more
            self._node.probers[FIRST].ask(address, lambda alive: None)
        self._replace_silent(weakref.ref(newcomer))

    def _replace_silent(self, waiting: weakref.ref) -> None:
        """List a waiting newcomer, once the older registration has no time left."""
        newcomer = waiting()
        if newcomer is None or self._contesting.get(newcomer.address) is not newcomer:
            return
        left = newcomer.until + self._node.more_patience() - self._node.now()
        if left > 0:
            self._node.flusher.take_over(functools.partial(self._replace_silent, waiting), left)
        else:
            self._replace(newcomer)

    def _replace(self, newcomer: _Newcomer) -> None:
        """List a newcomer in place of the older registration, unless another did."""
        if self._node.registry.row(newcomer.address) in (None, newcomer.older):
            self._list(newcomer)
        else:
            self._turn_away(newcomer, STANDS)


class Rests(Recent):
    """The addresses that did not answer, and their rests since the last failure. Rests
    grow with each failure from the second on."""

    def failed(self, address: Address, asked: float, now: float) -> None:
        """Note that an address did not answer. Newcomers that share a probe count once."""
        last, rest = self.get(address, default=(-math.inf, Backoff(FIRST_REST, LONGEST_REST)))
        if asked > last > -math.inf:
            rest.failed(now)
        if asked > last:
            self.put(address, (now, rest))

    def left(self, address: Address, now: float) -> float:
        row = self.get(address)
        return 0.0 if row is None else max(0.0, row[1].due - now)
