"""Vouching: how a seed learns which runs an address has had, and tells peers. A part of a seed.

Every probe of the seed may bring a proof, which is kept by address. A registration belongs to a
run: only the owner of the key that listens at an address can register it.
"""

from gossip import wire
from gossip.addresses import Address, can_be_dialled, in_turns
from gossip.node.node import WAITING
from gossip.node.part import Part
from gossip.registering.admission import REGISTERED
from gossip.signing import grammar
from gossip.signing.known_runs import run_of
from gossip.tools import Rate

KEPT = 60.0  # seconds for which no run is forgotten, because peers that denied it ask again sooner
RUNS_LIMIT = 100_000  # in all; of more, those of a tenth of all addresses go: of the IPs that have
# most addresses, and there of those asked about longest ago
PROBES = 100  # a second, for peers that ask about runs
PROBES_OF_ONE = 3  # the same of one address, because its proofs are limited, and others need some
ASKERS_LIMIT = 2_000  # questions that wait for one probe


class Vouching(Part):
    """The runs that one seed knows. `ask_prober` is a Prober's `ask`."""

    ANSWERS = {WAITING: {"proof", "runs"}, REGISTERED: {"proof", "runs"}}

    def __init__(self, node, ask_prober):
        self._node = node
        self._ask_prober = ask_prober
        # address -> its last runs (START -> when it was proved first), the latest last, and the run
        # that it proved in the last probe; the address asked about least recently stands first
        self._runs: dict[Address, tuple[dict[int, float], int | None]] = {}
        self._count = 0  # runs in all
        self._probes = Rate(PROBES)
        self._probes_of_one = Rate(PROBES_OF_ONE)
        self._asking: dict[Address, list] = {}  # address that is probed for askers -> their links

    # What was proved.

    def on_probed(self, probe) -> None:
        if probe.alive:
            self.proved(probe.address, probe.proof and grammar.proven_start(
                probe.address, probe.proof, probe.reply.line))

    def proved(self, address: Address, start: int | None) -> None:
        """Note which run, if any, an address proved in a probe. If its keys change too fast, the
        new run is ignored, because peers may still be told of the oldest."""
        starts, now = self._runs_of(address)[0], self._node.now()
        if start is not None and start not in starts:
            is_full = len(starts) == grammar.STARTS_LIMIT
            if is_full and next(iter(starts.values())) > now - KEPT:
                start = None
            else:
                starts[start] = now
                self._count += not is_full
                if is_full:
                    del starts[next(iter(starts))]
        if starts:
            self._runs[address] = starts, start
        if self._count > RUNS_LIMIT:
            for gone in in_turns(reversed(self._runs))[len(self._runs) * 9 // 10:]:
                self._count -= len(self._runs.pop(gone)[0])

    def _runs_of(self, address: Address) -> tuple[dict[int, float], int | None]:
        return self._runs.get(address, ({}, None))

    def starts(self, address: Address) -> list[int]:
        """Return an address's runs for an asker, the latest last."""
        if address in self._runs:
            self._runs[address] = self._runs.pop(address)  # as the last
        return list(self._runs_of(address)[0])

    def run_of(self, address: Address) -> int | None:
        """Return the run that an address proved in its last probe."""
        return self._runs_of(address)[1]

    def latest_run(self, address: Address) -> bytes | None:
        """Return the run that the last probe proved; if it proved none, the newest run."""
        starts, latest = self._runs_of(address)
        return run_of((address, latest or next(reversed(starts)))) if starts else None

    def look_at(self, address: Address) -> None:
        """Probe an address that has proved nothing here, if possible."""
        if self._can_be_probed(address):
            self._ask_prober(address, lambda alive: None)

    def _can_be_probed(self, address: Address) -> bool:
        return can_be_dialled(address) and address.family == self._node.address.family

    # Registrations.

    def on_proof(self, link, message: grammar.Proof) -> None:
        link.proof = message

    def fault_of(self, link, address: Address, standing) -> str | None:
        """Return why a probed address must not be registered here, or None. A proven registration
        (`standing` is its link) never yields to an unproven one, even if the address was asked by
        too many to prove itself now."""
        start = self.run_of(address)
        if link.proof is None:
            proved = start is not None or standing is not None and standing.proof is not None
            return f"{address} signs, and this is not signed with its key" if proved else None
        if start is None:
            return f"{address} has not proved its key, try again"
        text = grammar.registering(address, self._node.address)
        proven = grammar.proven_start(address, link.proof, text)
        return None if proven == start else f"not signed with the key of {address}"

    # Questions.

    def on_runs(self, link, message: grammar.Runs) -> None:
        """Tell the runs of an address, after a probe if need be."""
        if len(message.starts) != 1:
            raise wire.WireError("one START is expected from who asks about runs")
        address, start = message.address, message.starts[0]
        known, waiting = self.starts(address), self._asking.get(address)
        if start in known or known and not start or not self._can_be_probed(address):
            self._tell(link, address)
        elif waiting is not None and len(waiting) < ASKERS_LIMIT:
            waiting.append(link)
        elif waiting is None and self._may_probe(address):
            askers = self._asking[address] = [link]
            self._ask_prober(address, lambda alive: self._found_out(address),
                             wanted=lambda: not all(asker.ended for asker in askers))
        else:
            self._node.counters.add("questions about runs without a probe")
            self._tell(link, address)

    def _may_probe(self, address: Address) -> bool:
        """Count one more probe for askers; return False beyond the limits."""
        now = self._node.now()
        # in this order, so that questions about many addresses do not evict what one has spent
        return self._probes.spend(now) and self._probes_of_one.spend(now, key=address)

    def _found_out(self, address: Address) -> None:
        """Tell all askers that wait for a probe, even if it failed."""
        for link in self._asking.pop(address):
            self._tell(link, address)

    def _tell(self, link, address: Address) -> None:
        link.send(grammar.runs(address, self.starts(address)))
