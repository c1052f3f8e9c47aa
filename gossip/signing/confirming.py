"""Confirming: how a peer finds out which runs are genuine, and proves its own. A part of a peer.

The rules are in `known_runs`. A peer asks every configured seed over fresh short connections, many
questions over each: ahead for every address that a list names, and again for a run that it meets
and does not know. When seeds do not decide, it dials the address itself and takes the proof.

All parts of the node hear `on_settled` when a run is genuine, or was denied.
"""

import functools

from gossip import wire
from gossip.addresses import Address, can_be_dialled
from gossip.node.part import Part
from gossip.overlay.shut_out import ShutOut
from gossip.signing import grammar
from gossip.signing.known_runs import Homes, Key, KnownRuns, Outcome, key_of, run_of
from gossip.signing.signed_lines import Signer, proven_start, registering
from gossip.tools import Budget, Recent

ASKED = "a seed that is asked about runs"  # the role of a link to one
FALSE_RUN = "a run that nobody confirms"  # what a neighbour has brought

PROOFS = 50  # in a second that are made for those who ask for a sign of life,
PROOFS_FOR_OTHERS = 40  # and for those who are not at the IP of a seed: they leave some for seeds
DENIED = {FALSE_RUN: 16}, 60.0  # so many within seconds, and a neighbour's new ones do not count
ANSWER_LIMIT = 2.0  # seconds for the answers over one connection, connecting included
QUESTIONS = 500  # that one connection carries
AHEAD_LIMIT = 10_000  # addresses kept that were asked about ahead


class _About:
    """The questions about one address that a connection carries. An answer does not say which of
    them it answers: a seed that has to find out first answers others before."""

    __slots__ = ("keys", "awaited")

    def __init__(self):
        self.keys: list[Key] = []
        self.awaited = 0  # answers


class Confirming(Part):
    """The questions of one peer, and its own proofs. Without a `signer` nothing is signed, asked,
    or proved."""

    ANSWERS = {ASKED: {"runs"}}

    def __init__(self, node, seeds: list[Address], signer: Signer | None, ask_prober):
        """`ask_prober(address, verdict, wanted)` is a Prober's `ask`."""
        self._node = node
        self._seeds = seeds
        self._signer = signer
        self._ask_prober = ask_prober
        # who brought too many runs that nobody confirmed is not listened to about unknown runs
        self._denied = ShutOut(*DENIED)
        self.own_run = b"" if signer is None else run_of((node.address, signer.start))
        self._runs = KnownRuns(seeds, self.own_run)
        self.homes = Homes()
        self._proofs, self._proofs_for_others = Budget(PROOFS), Budget(PROOFS_FOR_OTHERS)
        self._seed_ips = {seed.ip for seed in seeds}
        self._registering: dict[Address, bytes] = {}  # seed -> the proof for it
        self._ahead = Recent(AHEAD_LIMIT)  # address that was asked about ahead -> True
        # seed -> the questions that wait for the next connection to it
        self._waiting: dict[Address, dict[Key, None]] = {seed: {} for seed in seeds}
        # seed -> the questions that its connection carries, by address; None until it is up
        self._asked: dict[Address, dict[Address, _About] | None] = {}

    # Proofs.

    def proof_of_life(self, link, reply: bytes) -> bytes:
        """Return the proof that goes before a Liveness Reply to an asker without a name."""
        if self._signer is None:
            return b""
        now, is_seed = self._node.now(), link.remote_ip in self._seed_ips
        if not (is_seed or self._proofs_for_others.spend(now)) or not self._proofs.spend(now):
            self._node.counters.add("proofs of life not made")
            return b""
        return self._signer.proof(reply.decode().rstrip("\n"))

    def registration(self, seed: Address) -> bytes:
        """Return the lines with which a peer registers at a seed."""
        register = wire.register(self._node.address)
        if self._signer is None:
            return register
        if seed not in self._registering:
            self._registering[seed] = self._signer.proof(registering(self._node.address, seed))
        return self._registering[seed] + register

    # What the peer asks.

    def is_known(self, run: bytes) -> bool:
        """Whether a run is genuine; every run is where nothing is signed."""
        return self._signer is None or self._runs.is_known(run)

    def counts(self, run: bytes) -> bool:
        """Whether neighbours are judged by messages of a run: most seeds name it. Where few do,
        they are asked again now and then."""
        now = self._node.now()
        if self._runs.counts(run, now):
            return True
        key = key_of(run)
        if self._runs.ask_again(key, now):
            self._ask([key])
        return False

    def is_denied(self, run: bytes, neighbour: Address | None) -> bool:
        """Whether nobody is asked about a run if this neighbour brings it now."""
        if self._runs.is_known(run):
            return False
        now = self._node.now()
        return self._runs.is_denied(run, now) or self._is_disbelieved(neighbour, now)

    def _is_disbelieved(self, neighbour: Address | None, now: float) -> bool:
        """Whether a neighbour that brings an unknown run has brought false ones."""
        disbelieved = self._denied.reason(neighbour, now) is not None
        if disbelieved:
            self._node.counters.add("unknown runs of neighbours that brought false ones")
        return disbelieved

    def is_open(self, run: bytes) -> bool:
        """Whether it is being found out whether a run is genuine."""
        return self._runs.is_open(key_of(run))

    def prove(self, address: Address, start: int) -> None:
        """A run has proved itself to this peer, which had dialled its address."""
        self._act(self._runs.prove((address, start)))
        self.homes.met(address, start, self._node.now())
        if self._node.settings.monitor:
            self.counts(run_of((address, start)))  # have seeds asked, too

    def meet(self, run: bytes, link) -> bool:
        """A neighbour has brought a run that was not known. Have found out whether it is genuine;
        return whether that is under way, or has just been found out. Then `on_settled` follows,
        unless it came before."""
        if self._is_disbelieved(link.peer, self._node.now()):
            return False
        return self.find_out(run, link.peer)

    def find_out(self, run: bytes, brought_by: Address | str) -> bool:
        """The same for a run that a neighbour, or a newcomer from this IP, has brought."""
        key = key_of(run)
        opened = self._runs.open(key, brought_by, self._node.now())
        if opened:
            self._ask([key])
        elif opened is not None:
            self._node.counters.add("unknown runs not asked about")
        return opened is not False

    def on_listed(self, addresses) -> None:
        """Seeds name these peers: ask which runs they have had."""
        if self._signer is None:
            return
        new = sorted(address for address in addresses if not self._ahead.get(address))
        keys = [(address, 0) for address in new
                if self._runs.open((address, 0), None, self._node.now())]
        for address, _ in keys:
            self._ahead.put(address, True)
        self._ask(keys)

    def _ask(self, keys: list[Key]) -> None:
        """Ask every seed."""
        if not self._seeds:
            for key in keys:
                self._act(self._runs.undecided(key))
            return
        for waiting in self._waiting.values():
            waiting.update(dict.fromkeys(keys))
        for seed in self._seeds:
            self._connect(seed)

    # Connections to seeds.

    def _connect(self, seed: Address) -> None:
        """Begin to ask a seed, unless that has begun or there is nothing to ask."""
        if seed in self._asked or not self._waiting[seed]:
            return
        self._asked[seed] = None
        link = self._node.new_link(ASKED, seed)
        link.await_line(self._node.now() + ANSWER_LIMIT)
        self._node.dial(link)

    def on_up(self, link) -> None:
        """A seed is connected: ask."""
        if link.role != ASKED:
            return
        questions = self._take(link.peer)
        link.send(b"".join([grammar.runs(address, [start]) for address, start in questions]))
        if not questions:
            link.close("nothing to ask any longer")

    def _take(self, seed: Address) -> list[Key]:
        """Have the connection to a seed carry the questions that wait and are still open."""
        waiting, self._waiting[seed] = self._waiting[seed], {}
        keys = [key for key in waiting if self._runs.is_asked(key)]
        self._waiting[seed] = dict.fromkeys(keys[QUESTIONS:]) | self._waiting[seed]
        asked = self._asked[seed] = {}
        for key in keys[:QUESTIONS]:
            about = asked.setdefault(key[0], _About())
            about.keys.append(key)
            about.awaited += 1
        return keys[:QUESTIONS]

    def on_runs(self, link, message: grammar.Runs) -> None:
        """A seed names the runs of an address. Which it does not name is known from its last answer
        about that address."""
        asked = self._asked[link.peer]
        about = asked.get(message.address)
        if about is None:
            raise wire.WireError(f"runs of {message.address}, which was not asked")
        about.awaited -= 1
        if about.awaited:
            answered = [key for key in about.keys if key[1] in message.starts]
        else:
            answered = asked.pop(message.address).keys
        if not asked:
            link.close("answered")
        for key in answered:
            self._act(self._runs.answer(link.peer, key, message.starts, self._node.now()))

    def on_end(self, link) -> None:
        """The connection to a seed is over: what it has not answered stays unanswered."""
        if link.role != ASKED:
            return
        seed = link.peer
        if self._asked[seed] is None:  # it was never up
            self._take(seed)
        unanswered = [key for about in self._asked.pop(seed).values() for key in about.keys]
        for key in unanswered:
            self._act(self._runs.answer(seed, key, None, self._node.now()))
        self._connect(seed)

    # What follows.

    def _act(self, outcome: Outcome) -> None:
        for run in outcome.genuine:
            self._settled(run)
        if outcome.denied is not None:
            self._deny(outcome.denied)
        elif outcome.dial is not None:
            self._dial(outcome.dial)

    def _dial(self, key: Key) -> None:
        """Seeds have not decided: take the word of who listens there."""
        address = key[0]
        if address.family == self._node.address.family and can_be_dialled(address):
            self._ask_prober(address, functools.partial(self._deny, key),
                             wanted=functools.partial(self._runs.is_open, key))
        else:
            self._deny(key)

    def on_probed(self, probe) -> None:
        """A probe is over. A proof that came with the answer tells of a run."""
        if self._signer is None or not probe.alive or probe.proof is None:
            return
        start = proven_start(probe.address, probe.proof, probe.proved)
        if start is not None:
            self.prove(probe.address, start)

    def _deny(self, key: Key, alive: bool | None = False) -> None:
        """Nobody confirms a run, if it is still asked about. `alive` is what a dial has found; None
        when the address could not be dialled, which is nobody's fault."""
        now, run = self._node.now(), run_of(key)
        denied, brought_by = self._runs.deny(key, now)
        if not denied:
            return
        if alive is not None and isinstance(brought_by, Address):
            self._denied.note(brought_by, FALSE_RUN, 1, now)
        self._node.output.write(f"unconfirmed:{run.decode()}")
        self._settled(run)

    def _settled(self, run: bytes) -> None:
        for part in self._node.parts:
            part.on_settled(run)
