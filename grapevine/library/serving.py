"""The seeds that a program serves besides its peer: those of the list that have the peer's IP.

An address that another program has is looked at every second, so that the next one on this machine
takes it over when that program ends.
"""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from grapevine.addresses import Address, Target, look_up
from grapevine.classes import seed_class
from grapevine.library.errors import PortInUse, Refused
from grapevine.library.starting import Folder, begin_seed, program_seed_class, world_at
from grapevine.registrations import LONGEST_REST
from grapevine.settings import Settings

YOUNG = LONGEST_REST + 0.5  # seconds in which the peers of a seed that begins anew are back
LOOK = 1.0  # seconds between two looks for an address that has become free


class _Served:
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
    """The seeds of one program, and the thread `caretaker`, which looks for more. No node's lock is
    held when a method is called."""

    def __init__(self, own: Address, seeds: list[Target], settings: Settings, outputs: Folder,
                 on_error: Callable[[str], None]):
        """`own` is the peer's address. `on_error` is told what keeps a free address from being
        served later."""
        self._seeds = {seed: _where(seed, own) for seed in seeds}
        self._own = [address for address in self._seeds.values()
                     if address is not None and address.ip == own.ip]
        self._settings, self._outputs = settings, outputs
        self._on_error, self._failure = on_error, ""
        self._nodes: dict[Address, Any] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="caretaker", daemon=True)

    def begin(self) -> None:
        """Serve what nobody else does. Refused if that cannot be."""
        self._take_over()
        if self._own:
            try:
                self._thread.start()
            except RuntimeError as error:
                raise Refused(f"nodes need threads: {error}") from None

    def _look(self) -> None:
        while not self._is_over.wait(LOOK):
            try:
                self._take_over()
            except Exception as error:  # whatever it is, it may be over in a second
                if str(error) != self._failure:
                    self._failure = str(error)
                    self._on_error(f"a seed is not served: {error}")

    def _take_over(self) -> None:
        kind = program_seed_class(seed_class(self._settings), _Served)
        for own in self._own:
            if own in self._nodes and not self._nodes[own].stopping:
                continue
            with contextlib.suppress(PortInUse), world_at(own) as world:
                if own in self._nodes:
                    self._nodes[own].world.end("failed")
                others = [seed for seed, address in self._seeds.items() if address != own]
                self._nodes[own] = begin_seed(kind, world, self._settings, self._outputs, others)

    def is_young(self) -> bool:
        """Tell whether one of them has begun a moment ago."""
        return any(node.now() < node.grown_at for node in list(self._nodes.values()))

    def addresses(self) -> list[str]:
        """Return IP:PORT of each seed that is served at present."""
        return [str(own) for own, node in list(self._nodes.items()) if not node.stopping]

    def end(self) -> None:
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()
        for node in self._nodes.values():
            node.world.end("interrupted")


def _where(seed: Target, own: Address) -> Address | None:
    try:
        return look_up(seed, own)
    except OSError:
        return None  # no such name
