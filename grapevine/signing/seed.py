"""A seed that vouches: with each probe it learns which run is at an address, and tells who asks.

It needs no key, and no flag: peers that do not sign notice nothing. A peer that signs is listed
only with the key that is at home at its address, and while it is, nobody without that key is.
"""

import functools
import math

from grapevine.addresses import Address, Target
from grapevine.asking import PROBE, Verdict
from grapevine.node import INTRODUCTION, UNIDENTIFIED
from grapevine.prober import STRANGERS_LIMIT, Prober
from grapevine.registry import Listing
from grapevine.signing import grammar
from grapevine.signing.proving import PROOF, Proving, ProvenLink, with_more
from grapevine.signing.vouched import VouchedRuns
from grapevine.tools import Accounts, Budget, ProtocolError
from grapevine.seed import AWAITING_PROBE, REGISTERED, Seed

ASKER = "ASKER"  # the role of a link over which somebody asks about runs

PROBES, PROBES_OF_ONE = 100, 3  # a second, for who asks about runs; of one address

_HEARD = PROOF | {"runs": "on_runs"}


class VouchingSeed(Proving, Seed):
    ANSWERS = with_more(Seed.ANSWERS, {
        PROBE: PROOF, UNIDENTIFIED: _HEARD, ASKER: _HEARD, REGISTERED: _HEARD,
        AWAITING_PROBE: PROOF})
    CROWD, PACED = Seed.CROWD | {ASKER}, Seed.PACED | {ASKER}

    def __init__(self, address: Address, settings, output, world, seeds: list[Target]):
        super().__init__(address, settings, output, world, seeds)
        self.vouched = VouchedRuns(settings.report_interval / 2)
        self.prober_of_asked = Prober(self, self.STAGES, STRANGERS_LIMIT)
        self._probes = Budget(PROBES, PROBES)
        self._probes_of = Accounts(10_000, PROBES_OF_ONE, PROBES_OF_ONE)  # of addresses

    def proved(self, address: Address, start: int | None) -> None:
        self.vouched.proved(address, start, self.now())

    def verified(self, link: ProvenLink, asked: float, alive: Verdict,
                 awaited: Listing | None = None) -> None:
        """List a peer only if its registration has the key that is at its address, and then at
        once, whoever was registered for this address before."""
        is_possible = alive and not link.closed and self.registry.has_room(link.peer)
        if is_possible and (fault := self.fault_of(link)):
            self.turn_away(link, link.peer, fault)
        elif is_possible and link.proof is not None:
            self.list_peer(link)
        else:
            super().verified(link, asked, alive, awaited)

    def fault_of(self, link: ProvenLink) -> str:
        """Return why a peer that lives is not listed; nothing if it has the key at its address."""
        start, row = self.vouched.latest(link.peer), self.registry.rows.get(link.peer)
        if link.proof is None:
            stands = row is not None and row.link is not None and row.link.proof is not None
            return f"{link.peer} signs, and this is not signed" if start or stands else ""
        if not start and (wait := self.vouched.wait(link.peer, self.now())):
            return f"too many keys lately; try again in {math.ceil(wait)} seconds"
        if not start:
            return f"{link.peer} has not proved its key to this probe; try again in a second"
        if start != link.proof.start(link.peer, grammar.registering(link.peer, self.address)):
            return f"not signed with the key of {link.peer}"
        return ""

    def on_runs(self, link: ProvenLink, address: Address, starts: tuple[int, ...]) -> None:
        """Tell the runs of an address, once it was probed if the one in question is not known. With
        too many such questions there is no answer; then the asker looks for itself."""
        if len(starts) != 1:
            raise ProtocolError("a question about runs has one START, or 0 for all")
        if link.role == UNIDENTIFIED:
            link.role = ASKER
        if link.role == ASKER:
            self.expect(link, INTRODUCTION)
        known, now = self.vouched.starts(address), self.now()
        if starts[0] in known or known and starts[0] == 0:
            self.tell_runs(link, address)
            return
        if address in self.prober_of_asked or (
                self._probes_of.of(address).spend(1, now) and self._probes.spend(1, now)):
            self.prober_of_asked.ask(
                address, functools.partial(self.tell_runs, link, address), link)

    def tell_runs(self, link: ProvenLink, address: Address, alive: Verdict | None = None) -> None:
        link.send(grammar.say_runs(address, self.vouched.starts(address)))
