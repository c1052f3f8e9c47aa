"""The other seeds: their links, their lives, and the tree that they need.

Each pair of seeds has two links, on each of which the dialler speaks. Whether it is the seed that
it claims to be is found out by dialling back:

    A to B, on a link that A has dialled      seed:A:to B:NONCE
    B to A, on a link of its own              seed check:B:NONCE
    A to B, in answer to that                 seed checked:NONCE
    B to A, on the first link                 seed checked:NONCE

Only then may A say anything else. A confirms to B only a NONCE that it said to B, because a program
on the port of a seed that is down is told nonces, too, and could repeat them to another seed.
"""

import collections
import math
import secrets

from gossip import wire
from gossip.addresses import Address
from gossip.monitoring import grammar
from gossip.monitoring.threaded_tree import ThreadedTree, first_key, last_key
from gossip.node.node import WAITING
from gossip.node.part import Part
from gossip.tools import Backoff

# Roles of a link, as this seed sees the other end.
SPEAKER = "another seed"  # it has proved that
UNCHECKED = "a seed that has not proved it"
ASKED = "a seed that is asked whether it dialled"
LISTENER = "a seed that listens"

CHECKS_AT_ONCE = 64  # of links that claim to be the same seed
BACKLOG = 64 * 1024 * 1024  # bytes that may wait for another seed: all rows of several tables
FIRST_PAUSE, LAST_PAUSE = 0.25, 2.0  # seconds between two dials

LIVING = 3  # periods for which a seed counts as living after its last word
SETTLED = 2  # periods after which a seed is sure of what it sees
STEADY = 3  # uneven periods in a row before a recut, because a peer just kicked takes its rows
# along, and others are about to be kicked, whose rows should stay now


class _Way:
    """The links to and from another seed."""

    def __init__(self):
        self.link = None  # that this seed has dialled, from its dial to its end
        self.dialled = 0.0  # when
        # said on it, until the other end has confirmed it, and listens
        self.nonce: str | None = None
        self.retry = Backoff(FIRST_PAUSE, LAST_PAUSE)
        self.heard_on = None  # the link on which the other seed speaks, also after its end


class SeedLinks(Part):
    """The links of a seed to the others. Lines are lost while there is no link; `said_first(seed)`
    repeats on each new link what must not be lost."""

    ANSWERS = {WAITING: {"seed_hello", "seed_check"},
               ASKED: {"seed_checked"}, LISTENER: {"seed_checked"}}

    def __init__(self, node, seeds: list[Address], said_first):
        self._node, self._said_first = node, said_first
        self.duty = None  # that calls `dial_missing`, once it is kept
        self._ways = {seed: _Way() for seed in seeds}
        self._checks: dict = {}  # link to a seed that is asked -> (link that is checked, nonce)

    # For the seed that speaks.

    def dial_missing(self, now: float) -> float | None:
        """Dial seeds without a link whose pause is over."""
        for seed, way in self._ways.items():
            if way.link is None and way.retry.due <= now:
                way.link = self._node.new_link(LISTENER, seed)
                way.dialled, way.nonce = now, secrets.token_hex(16)
                self._node.dial(way.link)
        return min((way.retry.due for way in self._ways.values() if way.link is None), default=None)

    def on_up(self, link) -> None:
        """Introduce this seed on a dialled link, or ask the other end."""
        if link.role == ASKED:
            link.send(grammar.seed_check(self._node.address, self._checks[link][1]))
        elif link.role == LISTENER:
            link.deadline = self._node.now() + self._node.settings.introduction_limit
            nonce = self._ways[link.peer].nonce
            link.send(grammar.seed_hello(self._node.address, link.peer, nonce))

    def on_seed_check(self, link, message: grammar.SeedCheck) -> None:
        """Confirm to a seed that this seed has dialled it."""
        way = self._ways.get(message.address)
        if way is None or way.nonce != message.nonce:
            raise wire.WireError(f"this seed has not said that to {message.address}")
        link.send(grammar.seed_checked(message.nonce))

    def send(self, seed: Address, lines: bytes) -> None:
        """Say something to another seed, if it listens."""
        way = self._ways[seed]
        if way.link is not None and way.nonce is None and lines:
            way.link.send(lines)

    def to_all(self, lines: bytes) -> None:
        for seed in self._ways:
            self.send(seed, lines)

    # For the seed that listens.

    def on_seed_hello(self, link, message: grammar.SeedHello) -> None:
        """Dial the seed that a link claims to come from, and ask."""
        if not self._node.settings.monitor:
            raise wire.WireError("this seed keeps no reports")
        if message.address not in self._ways or message.address.ip != link.remote_ip:
            raise wire.WireError(f"{message.address} is no seed of this network, or not its IP")
        if message.to != self._node.address:
            raise wire.WireError(f"meant for {message.to}")
        if sum(check.peer == message.address for check in self._checks) >= CHECKS_AT_ONCE:
            raise wire.WireError(f"too many say that they are {message.address}")
        check = self._node.new_link(ASKED, message.address)
        self._checks[check] = link, message.nonce
        link.role, link.deadline = UNCHECKED, math.inf  # it waits as long as the check
        check.deadline = self._node.now() + self._node.settings.probe_limit
        self._node.dial(check)

    def on_seed_checked(self, link, message: grammar.SeedChecked) -> None:
        """Accept a seed as a speaker, or begin to speak to it."""
        way = self._ways[link.peer]
        if link.role == LISTENER:
            if way.link is not link or way.nonce != message.nonce:
                raise wire.WireError("another nonce than was said, or said again")
            link.trust(BACKLOG)
            way.nonce = None
            way.retry.reset()
            link.send(self._said_first(link.peer))
            return
        checked, nonce = self._checks[link]
        if message.nonce != nonce:
            raise wire.WireError("another nonce than was asked for")
        link.close("checked")
        if checked.ended:
            return
        self._node.introduced(checked, SPEAKER, link.peer)
        older, way.heard_on = way.heard_on, checked
        if older is not None:
            older.close("another link of this seed")
        checked.send(grammar.seed_checked(nonce))

    def heard(self, seed: Address) -> float:
        link = self._ways[seed].heard_on
        return -math.inf if link is None else link.heard

    def drop_silent(self, since: float) -> None:
        """End old links to silent seeds, because bytes may go nowhere."""
        for seed, way in self._ways.items():
            if way.link is not None and max(way.dialled, self.heard(seed)) < since:
                way.link.close("silent")

    def on_end(self, link) -> None:
        """Retry after a pause, if this seed had dialled the link."""
        checked, _ = self._checks.pop(link, (None, ""))
        if checked is not None and checked.role == UNCHECKED and not checked.ended:
            self._node.disconnect(checked, f"{link.peer} has not said that it dialled")
        way = self._ways.get(link.peer)
        if way is not None and way.link is link:
            way.link, way.nonce = None, None
            way.retry.failed(self._node.now(), self._node.rng.uniform(0.5, 1.0))
            self.duty.hurry()


class _Told:
    """The last words of another seed."""

    def __init__(self):
        self.at = -math.inf  # when it told its load last
        self.load: grammar.Load | None = None
        self.tree: ThreadedTree | None = None
        self.agreed = math.inf  # when it first told its load under this seed's tree


class Tending:
    """The state of the other seeds, as one seed knows it. Rules only.

    `heard(seed)` is when a seed spoke last. The keeper of the tree is the first living seed in the
    order of config.txt. A seed that has just begun, or stood still, has not heard the others yet,
    so it neither keeps the tree nor decides. A seed decides about a subject after owning it for two
    periods, and a period after all seeds have told their loads under this tree. Until then rows may
    be on their way, because a seed tells its load behind the rows that it forwards. If no seed has
    joined, only subjects whose rows move have to wait."""

    def __init__(self, own: Address, seeds: list[Address], period: float, heard, now: float):
        self._own, self._heard, self._period = own, heard, period  # in seconds
        self._seeds = seeds  # all, in the order of config.txt
        self._uneven = 0  # periods in a row in which loads were uneven
        self._awake_since = self._last_turn = now
        self.behind = now  # when rows were late last
        self._trees = collections.deque([(now, ThreadedTree.alone(own))])  # (since when, tree)
        self._told: dict[Address, _Told] = collections.defaultdict(_Told)

    def took(self, tree: ThreadedTree, now: float) -> None:
        self._trees.append((now, tree))
        for told in self._told.values():
            told.agreed = math.inf

    def since(self) -> float:
        """Return since when the newest tree counts."""
        return self._trees[-1][0]

    def said(self, seed: Address, tree: ThreadedTree) -> None:
        self._told[seed].tree = tree

    def told(self, seed: Address, load: grammar.Load, now: float) -> None:
        told = self._told[seed]
        told.at, told.load = now, load
        if told.tree == self._trees[-1][1]:
            told.agreed = min(told.agreed, now)

    def turn(self, now: float, is_late: bool = False) -> None:
        """Forget old trees, and notice whether anything, or this seed, was late, once a period."""
        long_ago = now - SETTLED * self._period
        if now - self._last_turn > SETTLED * self._period:
            self._awake_since = self.behind = now
        if is_late or any(told.at <= long_ago for told in self._others()):
            self.behind = now  # what a seed forwards comes before its load
        self._last_turn = now
        while len(self._trees) > 1 and self._has_all(now) and self._trees[1][0] <= long_ago:
            self._trees.popleft()

    def _others(self) -> list[_Told]:
        """Return the last words of the other seeds in the newest tree."""
        return [self._told[seed] for seed in self._trees[-1][1].seeds() if seed != self._own]

    def loads(self, own: grammar.Load) -> dict[Address, grammar.Load]:
        return {**{seed: told.load for seed, told in self._told.items() if told.load is not None},
                self._own: own}

    def is_living(self, seed: Address, now: float) -> bool:
        """Return whether a seed is this one, or has spoken lately."""
        return seed == self._own or self._heard(seed) > now - LIVING * self._period

    def is_keeper(self, now: float) -> bool:
        """Return whether this seed mends the tree."""
        first = next(seed for seed in self._seeds if self.is_living(seed, now))
        return first == self._own and self._is_settled(now)

    def decides(self, subject: Address, now: float) -> bool:
        """Return whether this seed decides about a peer, for long enough already."""
        return (self._is_settled(now)
                and all(tree.owner(first_key(subject)) == self._own for _, tree in self._trees)
                and (self._has_all(now) or self._kept(subject)))

    def _has_all(self, now: float) -> bool:
        """Return whether all rows have come since the last change of tree."""
        return all(told.agreed <= now - self._period for told in self._others())

    def _kept(self, subject: Address) -> bool:
        """Return whether a subject's rows were all here in recent trees."""
        seeds = set(self._trees[-1][1].seeds())  # a new seed may have rows from before it joined
        return all(tree.owner(last_key(subject)) == self._own and seeds.issubset(tree.seeds())
                   for _, tree in self._trees)

    def mended(self, tree: ThreadedTree, own: grammar.Load, now: float) -> ThreadedTree:
        """Return the tree as it should be, which may be the same."""
        loads, mended = self.loads(own), tree
        living = [seed for seed in self._seeds if self.is_living(seed, now)]
        for seed in living:
            if seed not in mended:
                mended = mended.joined(self._own, seed, loads)
        for seed in mended.seeds():
            if seed not in living:
                mended = mended.without(self._own, seed, loads)
        moved = self._trees[-1][0] + self._period  # when the rows had moved; loads are told later
        all_told = now >= moved and all(told.at >= moved for told in self._others())
        uneven = mended is tree and all_told and tree.too_uneven(loads)
        self._uneven = self._uneven + 1 if uneven else 0
        if self._uneven < STEADY:
            return mended
        self._uneven = 0
        return tree.recut(self._own, loads)

    def _is_settled(self, now: float) -> bool:
        """Return whether this seed was up without pause for long enough."""
        return self._seeds == [self._own] or now - self._awake_since >= SETTLED * self._period
