"""Vouching: how a seed learns which runs an address has had, and tells who asks. A part of a seed.

Every probe of the seed may bring a proof; what was proved is kept in `proven_runs`. A registration
belongs to a run: only who has the key of the run that listens at an address can register it. So no
other program on the same host can take a registration over, or say `leave` for it.
"""

import collections
import functools

from gossip import wire
from gossip.addresses import Address, can_be_dialled
from gossip.node.node import WAITING
from gossip.node.part import Part
from gossip.seeds.admission import REGISTERED
from gossip.signing.known_runs import run_of
from gossip.signing.proven_runs import ProvenRuns
from gossip.signing.signed_lines import proven_start, registering

PROBES = 100  # in a second, for those who ask about runs
PROBES_OF_ONE = 3  # the same, of one address: it makes only so many proofs, and others need some
ASKERS_LIMIT = 2_000  # questions that wait for one probe


class Vouching(Part):
    """What one seed knows of runs. `ask_prober(address, verdict, wanted)` is a Prober's `ask`."""

    ANSWERS = {WAITING: {"proof", "runs"}, REGISTERED: {"proof", "runs"}}

    def __init__(self, node, ask_prober):
        self._node = node
        self._ask_prober = ask_prober
        self._proven = ProvenRuns()
        self._second = 0
        self._probed = collections.Counter()  # address -> probes in this second for who asks
        # address that is probed for who asks -> the links of the questions that wait for it
        self._asking: dict[Address, list] = {}

    def on_probed(self, probe) -> None:
        """A probe is over."""
        if probe.alive:
            start = (None if probe.proof is None
                     else proven_start(probe.address, probe.proof, probe.proved))
            self._proven.probed(probe.address, start)

    def knows(self, address: Address, start: int) -> bool:
        """Whether the seed would name this run of an address now, without a probe."""
        return self._proven.has(address, start)

    def run_of(self, address: Address) -> int | None:
        """The run that an address proved in its last probe; None when it proved none."""
        return self._proven.latest(address)

    def latest_run(self, address: Address) -> bytes | None:
        """The last run that an address has proved, also if a later probe brought no proof."""
        starts = [*self._proven.starts(address)[-1:], self._proven.latest(address)]
        return next((run_of((address, start)) for start in reversed(starts) if start), None)

    def has_proved(self, address: Address) -> bool:
        """Whether some run of an address has proved itself here."""
        return self._proven.knows(address)

    def look_at(self, address: Address) -> None:
        """Somebody speaks of an address that has proved nothing here: find out, if possible."""
        if self._can_be_probed(address):
            self._ask_prober(address, lambda alive: None)

    def _can_be_probed(self, address: Address) -> bool:
        return can_be_dialled(address) and address.family == self._node.address.family

    # Who registers.

    def on_proof(self, link, message: wire.Proof) -> None:
        """A proof for the line that comes next."""
        link.proof = message

    def fault_of(self, link, address: Address, standing) -> str | None:
        """The reason for which an address that was just probed must not be registered on this link;
        None without one. `standing` is the link of an older registration that stands, if any: one
        that was proved goes to nobody without a proof, although the address is asked by so many
        that it has not proved itself now."""
        start = self._proven.latest(address)
        if link.proof is None:
            proved = start is not None or standing is not None and standing.proof is not None
            return f"{address} signs, and this is not signed with its key" if proved else None
        if start is None:
            return f"{address} has not proved its key, try again"
        text = registering(address, self._node.address)
        if proven_start(address, link.proof, text) != start:
            return f"not signed with the key of {address}"
        return None

    # Who asks.

    def on_runs(self, link, message: wire.Runs) -> None:
        """Somebody asks for the runs of an address. One that is not known may be running now: find
        out first."""
        if len(message.starts) != 1:
            raise wire.WireError("one START is expected from who asks about runs")
        address, start = message.address, message.starts[0]
        known = self._proven.starts(address)
        if start in known or known and not start or not self._can_be_probed(address):
            self._tell(link, address)
            return
        begins = self._wait(link, address)
        if begins:
            self._ask_prober(address, lambda alive: self._found_out(address),
                             wanted=functools.partial(self._is_wanted, address))
        elif begins is not None:
            self._node.counters.add("questions about runs without a probe")
            self._tell(link, address)

    def _wait(self, link, address: Address) -> bool | None:
        """Have a question wait for a probe of the address. True: this is to begin now. None: it is
        under way. False: there is no room for it."""
        second = int(self._node.now())
        links = self._asking.get(address)
        if links is not None and len(links) < ASKERS_LIMIT:
            links.append(link)
            return None
        if second != self._second:
            self._second = second
            self._probed.clear()
        if (links is not None or self._probed[address] == PROBES_OF_ONE
                or sum(self._probed.values()) == PROBES):
            return False
        self._probed[address] += 1
        self._asking[address] = [link]
        return True

    def _is_wanted(self, address: Address) -> bool:
        """Whether somebody still waits for the probe of an address."""
        return not all(link.ended for link in self._asking[address])

    def _found_out(self, address: Address) -> None:
        """The probe is over, or could not be made: tell all who wait for it."""
        for link in self._asking.pop(address):
            self._tell(link, address)

    def _tell(self, link, address: Address) -> None:
        link.send(wire.runs(address, self._proven.starts(address)))
