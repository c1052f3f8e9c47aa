"""Confirming: how a peer finds out which runs are genuine, and proves its own. A part of a peer.

The rules are in `known_runs`. A peer asks every configured seed, with many questions over each
short connection. If the seeds do not decide, the peer dials the address itself and takes the proof.
When a run is found to be genuine or is denied, all parts of the node hear `on_settled`.
"""

import functools

from gossip import wire
from gossip.addresses import Address, Target, can_be_dialled
from gossip.node.part import Part
from gossip.overlay.places import ShutOut
from gossip.signing import grammar
from gossip.signing.known_runs import Homes, Key, KnownRuns, Outcome, key_of, run_of
from gossip.tools import Rate, Recent

ASKED = "a seed that is asked about runs"  # the role of the link to it
FALSE_RUN = "a run that nobody confirms"  # what a neighbour has brought

PROOFS = 50  # a second, and at once, made for strangers that send a Liveness Request
PROOFS_FOR_OTHERS = 40  # of these, for strangers without the IP of a seed, so that seeds get some
DENIED = {FALSE_RUN: 16}, 60.0  # in seconds, for which a neighbour's unknown runs are then ignored
ANSWER_LIMIT = 2.0  # seconds for the answers over one connection, connecting included
AHEAD_LIMIT = 10_000  # addresses kept that were asked about in advance


class _About:
    """The questions about one address over one connection. An answer does not name its question,
    and may overtake others, because a seed may have to probe first."""

    awaited = 0  # answers

    def __init__(self):
        self.keys: list[Key] = []


class Confirming(Part):
    """The questions and the proofs of one peer; none of either without a `signer`. `ask_prober` is
    a Prober's `ask`."""

    ANSWERS = {ASKED: {"runs"}}

    def __init__(self, node, seeds: list[Target], signer: grammar.Signer | None, ask_prober):
        self._node = node
        self._seeds = seeds
        self._signer = signer
        self._ask_prober = ask_prober
        self._denied = ShutOut(*DENIED)  # who has brought too many runs that were denied
        self.own_run = b"" if signer is None else run_of((node.address, signer.start))
        self._runs = KnownRuns(seeds, self.own_run)
        self.homes = Homes()
        self._proofs, self._proofs_for_others = (
            Rate(most) for most in (PROOFS, PROOFS_FOR_OTHERS))
        self._ahead = Recent(AHEAD_LIMIT)  # address that was asked about in advance -> True
        # for each seed, the questions for the next connection to it
        self._waiting: dict[Target, dict[Key, None]] = {seed: {} for seed in seeds}
        # for some seeds, those that its connection carries, by address; None until it is up
        self._asked: dict[Target, dict[Address, _About] | None] = {}

    # Proofs.

    def proof_of_life(self, link, reply: bytes) -> bytes:
        """Return the proof for a Liveness Reply to a stranger, if any."""
        if self._signer is None:
            return b""
        now, is_seed = self._node.now(), link.remote_ip in self._node.whereabouts.ips
        if (is_seed or self._proofs_for_others.spend(now)) and self._proofs.spend(now):
            return self._signer.proof(reply.decode().rstrip("\n"))
        self._node.counters.add("proofs of life not made")
        return b""

    def registration(self, seed: Address) -> bytes:
        """Return the lines with which a peer registers at a seed."""
        register = wire.register(self._node.address)
        if self._signer is None:
            return register
        return self._signer.proof(grammar.registering(self._node.address, seed)) + register

    # What the peer asks.

    def is_known(self, run: bytes) -> bool:
        """Return whether a run is genuine; without signatures every run is."""
        return self._signer is None or self._runs.is_known(run)

    def counts_or_asks(self, run: bytes) -> bool:
        """Return whether a run counts; if few seeds name it, ask again."""
        now = self._node.now()
        counts = self._runs.counts(run, now)
        if not counts and self._runs.ask_again(key := key_of(run), now):
            self._ask([key])
        return counts

    def is_denied(self, run: bytes, neighbour: Address | None) -> bool:
        """Return whether a run is ignored if this neighbour brings it now."""
        if self._runs.is_known(run):
            return False
        now = self._node.now()
        return self._runs.is_denied(run, now) or self._is_disbelieved(neighbour, now)

    def _is_disbelieved(self, neighbour: Address | None, now: float) -> bool:
        """Return whether a neighbour's unknown runs are ignored, and count that."""
        disbelieved = self._denied.reason(neighbour, now) is not None
        if disbelieved:
            self._node.counters.add("unknown runs of neighbours that brought false ones")
        return disbelieved

    def prove(self, address: Address, start: int) -> None:
        """Note that a run proved itself when this peer dialled its address."""
        if self._runs.learn((address, start)):
            self._settled(run_of((address, start)), True)
        self.homes.met(address, start, self._node.now())
        if self._node.settings.monitor:
            self.counts_or_asks(run_of((address, start)))  # have seeds asked, too

    def meet(self, run: bytes, link) -> bool:
        """Find out whether a run that a neighbour brought is genuine. Return whether somebody is
        asked, so that `on_settled` follows; it was called already if the run was denied at once."""
        return (not self._is_disbelieved(link.peer, self._node.now())
                and self.find_out(run, link.peer) and self._runs.is_open(key_of(run)))

    def find_out(self, run: bytes, brought_by: Address | str) -> bool:
        """Find out about a run, whoever brought false ones. Return whether it is genuine, or
        somebody is asked."""
        key = key_of(run)
        if self._runs.is_asked(key) or self._runs.is_known(run):
            return True
        opened = self._runs.open(key, brought_by, self._node.now())
        if opened:
            self._ask([key])
        else:
            self._node.counters.add("unknown runs not asked about")
        return opened

    def on_listed(self, addresses) -> None:
        """Ask in advance about the runs of peers that seeds name."""
        if self._signer is None:
            return
        keys = [(address, 0) for address in sorted(addresses) if not self._ahead.get(address)
                and self._runs.open((address, 0), None, self._node.now())]
        for key in keys:
            self._ahead.put(key[0], True)
        self._ask(keys)

    def _ask(self, keys: list[Key]) -> None:
        """Ask every seed; if there is none, dial."""
        for key in keys if not self._seeds else ():
            self._act(self._runs.undecided(key))
        for waiting in self._waiting.values():
            waiting.update(dict.fromkeys(keys))
        for seed in self._seeds:
            self._connect(seed)

    # Connections to seeds.

    def _connect(self, seed: Target) -> None:
        """Dial a seed, unless that was done or no question waits."""
        if seed in self._asked or not self._waiting[seed]:
            return
        self._asked[seed] = None
        link = self._node.new_link(ASKED, seed)
        link.deadline = self._node.now() + ANSWER_LIMIT
        self._node.dial(link)

    def on_up(self, link) -> None:
        """Ask a connected seed, once: another line of config.txt may lead to it, too."""
        if link.role != ASKED:
            return
        first = self._node.whereabouts.first_at(link.peer)
        if first not in (link.target, None):
            link.close(f"leads to {link.peer}, as {first} does")
            return
        questions = self._take(link.target)
        link.send(b"".join([grammar.runs(address, [start]) for address, start in questions]))
        if not questions:
            link.close("nothing to ask any longer")

    def _take(self, seed: Address) -> list[Key]:
        """Return the open questions that the connection to a seed now carries."""
        keys = [key for key in self._waiting[seed] if self._runs.is_asked(key)]
        self._waiting[seed], self._asked[seed] = {}, {}
        for key in keys:
            about = self._asked[seed].setdefault(key[0], _About())
            about.keys.append(key)
            about.awaited += 1
        return keys

    def on_runs(self, link, message: grammar.Runs) -> None:
        """Take the runs of an address that a seed names. Only its last answer about the address
        tells which runs it does not name."""
        asked = self._asked[link.target]
        about = asked.get(message.address)
        if about is None:
            raise wire.WireError(f"runs of {message.address}, which was not asked")
        about.awaited -= 1
        answered = [key for key in about.keys if key[1] in message.starts or not about.awaited]
        if not about.awaited:
            del asked[message.address]
        if not asked:
            link.close("answered")
        for key in answered:
            self._act(self._runs.answer(link.target, key, message.starts, self._node.now()))

    def on_end(self, link) -> None:
        """Give up the answers that a seed owes when its link ends."""
        if link.role != ASKED:
            return
        seed = link.target
        if self._asked[seed] is None:  # the link was never up
            self._take(seed)
        for key in [key for about in self._asked.pop(seed).values() for key in about.keys]:
            self._act(self._runs.answer(seed, key, None, self._node.now()))
        self._connect(seed)

    # What follows.

    def _act(self, outcome: Outcome) -> None:
        for run in outcome.genuine:
            self._settled(run, True)
        if outcome.denied is not None:
            self._deny(outcome.denied)
        elif outcome.dial is not None:
            self._dial(outcome.dial)

    def _dial(self, key: Key) -> None:
        """Probe the address of a run about which seeds have not decided."""
        address, _ = key
        if address.family == self._node.address.family and can_be_dialled(address):
            self._ask_prober(address, functools.partial(self._deny, key),
                             wanted=functools.partial(self._runs.is_open, key))
        else:
            self._deny(key)

    def on_probed(self, probe) -> None:
        """Take the proof that came with the answer to a probe."""
        if self._signer is None or not probe.alive or probe.proof is None:
            return
        start = grammar.proven_start(probe.address, probe.proof, probe.reply.line)
        if start is not None:
            self.prove(probe.address, start)

    def _deny(self, key: Key, alive: bool | None = False) -> None:
        """Deny a run that is still open. `alive` is what a dial has found; if None, it could not
        find out, and no neighbour is blamed."""
        now, run = self._node.now(), run_of(key)
        denied, brought_by = self._runs.deny(key, now)
        if not denied:
            return
        if alive is not None and isinstance(brought_by, Address):
            self._denied.note(brought_by, FALSE_RUN, 1, now)
        self._node.output.write(f"unconfirmed:{run.decode()}")
        self._settled(run, False)

    def _settled(self, run: bytes, genuine: bool) -> None:
        for part in self._node.parts:
            part.on_settled(run, genuine)
