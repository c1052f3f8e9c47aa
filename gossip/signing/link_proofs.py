"""Link proofs: where gossip is signed, both ends of a link prove their keys. A part of a peer.

A good answer proves the run that answers, because the dialler has reached its address. The run of a
newcomer has to be genuine (confirming asks seeds about an unknown run), and the last met at its
address. Otherwise the address is probed, because seeds may be too busy, or another run may be there
now. Linking is told when an address has another genuine run than was met there.
"""

from gossip import wire
from gossip.addresses import Address
from gossip.liveness.prober import FIRST, LAST
from gossip.node.node import WAITING
from gossip.node.part import Part
from gossip.overlay.linking import DIALLED
from gossip.signing import grammar
from gossip.signing.confirming import Confirming
from gossip.signing.known_runs import key_of, run_of
from gossip.tools import Rate

CHECKS, CHECKS_AT_ONCE = 50, 100  # bad signatures verified: a second, burst
BUSY = "busy"  # the reason for a refusal without a check
UNPROVEN = "unproven"  # the reason for a refusal without a good proof
CONTRADICTED = "contradicted itself"  # the reason why a run is refused for good


class LinkProofs(Part):
    """The proofs of one peer's links; without a `signer` there are none."""

    ANSWERS = {WAITING: {"proof"}, DIALLED: {"proof"}}

    def __init__(self, node, signer: grammar.Signer | None, runs: Confirming, probers: list):
        self._node = node
        self._probers = probers
        self._signer = signer
        self._runs = runs
        # by known run, or by IP for all unknown runs, so that they use up no quota of others
        self._checks = Rate(CHECKS, CHECKS_AT_ONCE)
        # unknown run -> (newcomer that waits until it is settled, verdict to call)
        self._waiting: dict[bytes, list] = {}

    def on_proof(self, link, message: grammar.Proof) -> None:
        """Keep the proof of the line that comes next."""
        if self._signer is None:
            raise wire.WireError("that peer signs, and this one does not")
        link.proof = message

    # What this peer says.

    def asking(self, link) -> bytes:
        """Return the proof that goes before `Connection with Peer`."""
        if self._signer is None:
            return b""
        link.run = 0, self._node.time()  # which run is there is not known yet
        return self._sign(link, wire.format_time(link.run[1]))

    def answering(self, link) -> bytes:
        """Return the proof that goes before `connection accepted`."""
        if self._signer is None:
            return b""
        self._runs.homes.linked(link.peer, link.run[0], self._node.now())
        return self._sign(link, link.proof.time)

    def _sign(self, link, time: str) -> bytes:
        return self._signer.proof(grammar.linking(self._node.address, link.peer, time), time)

    # What others say.

    def fault_of_answer(self, link) -> str | None:
        """Return why an accepted dial fails after all, or None."""
        if self._signer is None:
            return None
        if link.proof is None or link.proof.time != wire.format_time(link.run[1]):
            return f"{UNPROVEN}: no proof for this dial"
        if (start := self._proven_start(link)) is None:
            return f"{UNPROVEN}: not signed for this dial"
        link.run = start, link.run[1]
        self._runs.prove(link.peer, start)
        return CONTRADICTED if self._is_cheat(run_of((link.peer, start))) else None

    def fault_of_asker(self, link) -> str | None:
        """Return why a newcomer is refused for its proof, or None."""
        if self._signer is None:
            return None
        proof = link.proof
        start = grammar.start_of(str(link.peer), proof.key) if proof and proof.time else None
        if start is None or self._runs.homes.is_over(link.peer, start):
            return UNPROVEN
        link.run = start, float(proof.time)
        if self._is_cheat(run := run_of((link.peer, start))):
            return CONTRADICTED
        known = self._runs.is_known(run)
        account = run if known else link.remote_ip
        if self._checks.take(self._node.now(), 1, account):
            self._give_back(account)
            self._node.counters.add("proofs of links not checked")
            return BUSY
        if self._proven_start(link) is None:
            return UNPROVEN
        if known:
            self._give_back(account)
        return None

    def _is_cheat(self, run: bytes) -> bool:
        return self._node.reporting.watch.is_cheat(run)

    def find_out(self, link, verdict) -> None:
        """Find out whether a newcomer's run is at its address; call `verdict(at_home)`."""
        if self._signer is None:
            verdict(True)
        elif self._runs.is_known(run := run_of((link.peer, link.run[0]))):
            self._look(link.peer, link.run[0], verdict)
        else:
            self._waiting.setdefault(run, []).append((link, verdict))
            if not self._runs.find_out(run, link.remote_ip):  # nobody is asked now
                self.on_settled(run, False)

    def is_at_home(self, link) -> bool:
        """Return whether a link's run was the last met at its address."""
        return self._runs.homes.is_last(link.peer, link.run[0])

    def on_settled(self, run: bytes, genuine: bool) -> None:
        """Decide about newcomers whose run is settled, or not asked about."""
        waiting = self._waiting.pop(run, [])
        address, start = key_of(run)
        if not genuine:
            for link, verdict in waiting:
                self._look_anyway(link, run, verdict)
            return
        if not waiting and not self._runs.homes.is_last(address, start):
            self._look(address, start, lambda at_home: (
                self._node.linking.replaced(address) if at_home else None))
        for link, verdict in waiting:
            self._give_back(link.remote_ip)
            self._look(address, start, verdict)

    def _look_anyway(self, link, run: bytes, verdict) -> None:
        """Probe a newcomer's address, because seeds may have been too busy."""
        def looked(alive: bool | None) -> None:
            is_there = self._runs.is_known(run) and self.is_at_home(link)
            if is_there:
                self._give_back(link.remote_ip)
            verdict(is_there)
        self._probers[LAST].ask(link.peer, looked, lambda: not link.ended)

    def _look(self, address: Address, start: int, verdict) -> None:
        """Probe the address of a genuine run if another was met last."""
        homes, since = self._runs.homes, self._node.now()

        def looked(alive: bool | None) -> None:  # the probe may have proved a run
            homes.not_met(address, start, since)
            verdict(homes.is_last(address, start))
        if homes.is_last(address, start):
            verdict(True)
        else:
            self._probers[FIRST].ask(address, looked)

    def _proven_start(self, link) -> int | None:
        text = grammar.linking(link.peer, self._node.address, link.proof.time)
        return grammar.proven_start(link.peer, link.proof, text)

    def _give_back(self, account) -> None:
        self._checks.take(self._node.now(), -1, account)
