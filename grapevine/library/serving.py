"""The seeds that a program serves besides its peer: those of the list that have the peer's IP.

The thread `hand` looks every second at an address that another program has, so that the next one on
this machine takes it over when that program ends.
"""

import contextlib

from grapevine.addresses import Address, Target, look_up
from grapevine.classes import seed_class
from grapevine.library.errors import PortInUse
from grapevine.library.messages import Program
from grapevine.library.starting import Folder, begin_seed, program_seed_class, world_at
from grapevine.registrations import LONGEST_REST
from grapevine.settings import Settings

YOUNG = LONGEST_REST + 0.5  # seconds in which the peers of a seed that begins anew are back
ADDRESS_POLL = 1.0  # seconds between two looks for an address that has become free


class Served:
    """Overrides of a seed that lives and dies with a peer."""

    LOOKS_INTO_ALL = True  # because the seed that listed the dead one may have died with it

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.grown_at = self.now() + YOUNG

    def on_ask_peer_list(self, link) -> None:
        """A young seed does not say that there is nobody else: if the network has lived on without
        it, a peer would count as caught up that is not."""
        if self.now() < self.grown_at and set(self.registry.ordered) <= {link.peer}:
            self.later(self.grown_at - self.now(), self._answer_late, link)
        else:
            super().on_ask_peer_list(link)

    def _answer_late(self, link) -> None:
        if link.closed is None:
            self.on_ask_peer_list(link)


class Serving:
    """The seeds of one program, which become nodes of its hand. No node's lock is held when a
    method is called."""

    def __init__(self, program: Program, seeds: list[Target], settings: Settings, outputs: Folder):
        """`program` is told what keeps a free address from being served later."""
        self._hand, self._program, self._failure = program.hand, program, ""
        self._settings, self._outputs = settings, outputs
        peer = self._hand.nodes[0].address
        self._own: dict[Target, Address] = {}  # a seed that has the peer's IP -> its address
        for seed in seeds:
            with contextlib.suppress(OSError):  # no such name
                if (address := look_up(seed, peer)[0]).ip == peer.ip:
                    self._own[seed] = address
        self._known = [self._own.get(seed, seed) for seed in seeds]

    def begin(self) -> None:
        """Serve what nobody else does, now and later. Refused if that cannot be."""
        peer = self._hand.nodes[0]
        if self._own:
            with peer.world.lock:
                peer.later(ADDRESS_POLL, self._hand.call, self._look)
        self._take_over()

    def _look(self) -> None:
        try:
            self.begin()
        except Exception as error:  # whatever it is, it may be over in a second
            if str(error) != self._failure:
                self._failure = str(error)
                self._program.error(f"a seed is not served: {error}")

    def _take_over(self) -> None:
        kind = program_seed_class(seed_class(self._settings), Served)
        for seed in [node for node in self._hand.nodes[1:] if node.stopping]:
            seed.world.end("failed")
            self._hand.nodes.remove(seed)
        served = [seed.address for seed in self._hand.nodes[1:]]
        for own in [address for address in self._own.values() if address not in served]:
            with contextlib.suppress(PortInUse), world_at(own) as world:
                self._hand.nodes.append(
                    begin_seed(kind, world, self._settings, self._outputs, self._known))
