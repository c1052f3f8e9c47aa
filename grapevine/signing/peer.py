"""A peer that signs: its gossip, its registrations, its links, its signs of life.

It takes only what is signed by a run that belongs to its address. Each method here goes before one
of Peer, or is called by one that does. Lines of an unknown run are dropped: the seeds are asked,
and once the run is genuine, the neighbours that have brought or offered its messages are asked for
them. Who has signatures checked that let nothing in has a budget for that, and is heard more slowly
beyond it.
"""

from grapevine import wire
from grapevine.addresses import Address, Target
from grapevine.asking import PROBE, Verdict
from grapevine.node import END, UNIDENTIFIED, UP
from grapevine.prober import Prober
from grapevine.signing import grammar
from grapevine.signing.ed25519 import implementation
from grapevine.signing.messages import SignedAdded, SignedMessages
from grapevine.signing.proving import PROOF, Proving, ProvenLink, with_more
from grapevine.signing.runs import ANY, Outcome, Question, Runs, Turns
from grapevine.tools import Accounts, Backoff, ProtocolError, Recent
from grapevine.peer import DIALLED, NEIGHBOUR, STAGES, UNIT, Peer

# Roles of a link to a seed that is asked about runs: before it is up, and then.
TO_ASK, ASKED = "TO_ASK", "ASKED"

ANSWER_LIMIT = 2.0  # seconds for the next answer of a seed, connecting included
RATE, AT_ONCE = 20, 200  # a second, and at once: signatures of a neighbour that let nothing in, and
# unknown runs that a neighbour, or the list of a seed, may have asked for
VAIN_REST = 10.0  # seconds at most for which a neighbour beyond that is not heard at a time
CORRUPT_FOR = 60.0  # seconds within which CORRUPT_LIMIT corrupt lines end a link
COMPARE_AFTER = 2.0, 600.0  # seconds, at first and at most, until unknown runs are compared anew
SHOWN = 500  # characters of a corrupt line in the output file
LATER = 1e-5  # seconds by which TIME grows at least from dial to dial
UNPROVEN, CORRUPT = "unproven", "corrupt"  # reasons of refusals


class SignedPeer(Proving, Peer):
    MESSAGES = SignedMessages
    ANSWERS = with_more(Peer.ANSWERS, {
        PROBE: PROOF, UNIDENTIFIED: PROOF, DIALLED: PROOF,
        TO_ASK: {UP: "begin_asking", END: "answers_ended"},
        ASKED: {"runs": "on_runs", END: "answers_ended"}})

    def __init__(self, address: Address, settings, output, world, seeds: list[Target]):
        self._signer = grammar.Signer(address, world.rng.randbytes(32))
        super().__init__(address, settings, output, world, seeds)
        self.runs = Runs(seeds, self.run.encode())
        self.messages.is_genuine = self.runs.is_genuine
        self.home_prober = Prober(self, STAGES)  # of addresses about which seeds do not decide
        self._vain = Accounts(1_000, RATE, AT_ONCE)  # of neighbours: checks that let nothing in
        self._questions = Accounts(1_000, RATE, AT_ONCE)  # of neighbours and seeds: unknown runs
        self._corrupt = Recent(1_000)  # neighbour -> when it brought corrupt lines
        self._at_home = Recent(10_000)  # address -> the run that it proved last, or nothing
        self._dialled_at = 0.0  # TIME of the latest dial
        self._linked_at = Recent(10_000)  # run -> TIME with which it linked last
        self._asked: dict[Target, ProvenLink] = {}  # seed -> the link over which it is asked
        self._comparing = Backoff(*COMPARE_AFTER)  # of what was compared in vain
        self._asked_ahead = Recent(10_000)  # listed addresses whose runs were asked for

    def new_start(self) -> int:
        return self._signer.start

    # Gossip.

    def seal(self, lines: list[bytes]) -> list[bytes]:
        return self._signer.sign(lines)

    def brought(self, link: ProvenLink, added: SignedAdded) -> None:
        super().brought(link, added)
        for one, other in added.contradictions:
            self.contradicted(one, other)
        for signed in added.unknown:
            self.meet(link, signed.run, [(signed.first, signed.last)])
        for signed in added.entered:  # which may repeat much that is known beside what is new
            if wire.origin_of(signed.run) == link.peer:
                self.charge(link, len(signed.line) / UNIT)
        if rest := self._vain.of(link.peer).charge(added.vain, self.now()):
            self.hold(link, None, min(rest, VAIN_REST))
        for line in added.corrupt:
            self.on_corrupt(link, line)

    def contradicted(self, one: grammar.Signed, other: grammar.Signed) -> None:
        """A run has signed two lines with a number in common."""
        number = max(one.first, other.first)
        self.output.write(f"contradiction:{one.run.decode()}:{number}")

    def on_corrupt(self, link: ProvenLink, line: bytes) -> None:
        """Write down a line that nobody has signed; the third in a minute ends the link."""
        if link.closed:
            return
        self.output.write(f"corrupt:{link.peer}:{line.decode(errors='backslashreplace')[:SHOWN]}")
        self._corrupt[link.peer] = [*self._lately_corrupt(link.peer), self.now()]
        if len(self._corrupt[link.peer]) >= self.messages.CORRUPT_LIMIT:
            link.send(wire.say("refused", self.address, CORRUPT))
            self.refuse(link, CORRUPT)

    def _lately_corrupt(self, peer: Address) -> list[float]:
        return [at for at in self._corrupt.get(peer, ()) if self.now() < at + CORRUPT_FOR]

    def heard(self, link: ProvenLink, status: wire.Status) -> int:
        if status.verb == "seen":
            for run, ranges in status.entries:
                if not self.runs.is_genuine(run):
                    self.meet(link, run, ranges, is_offer=True)
        return super().heard(link, status)

    def has_caught_up(self) -> bool:
        return super().has_caught_up() and not any(
            question.offers for question in self.runs.open.values())

    # Whose runs these are.

    def meet(self, link: ProvenLink, run: bytes, ranges: list, is_offer: bool = False) -> None:
        """A neighbour has messages of a run that is not known to be genuine: find out."""
        if run not in self.runs.open:
            self.ask_about(run, link, is_offer)
        question = self.runs.open.get(run)
        if question is not None:
            if link is not question.brought_by and link not in question.offers:
                if question.is_dialled and self._questions.of(link.peer).spend(1, self.now()):
                    self.runs.reopen(question)  # it may have proved itself to seeds meanwhile
                for seed in list(question.left):
                    self.ask_seed(seed, question, link)
            question.offer(link, ranges)

    def ask_about(self, run: bytes, link: ProvenLink, is_offer: bool = False) -> bool:
        """Ask all seeds about a run that a neighbour, or the list of a seed, has brought; return
        whether that may be. The one who brought it is never blamed, because it may know better."""
        if (self.runs.may_ask(run, link, self.now(), is_offer)
                and self._questions.of(link.peer).spend(1, self.now())):
            question = self.runs.ask(run, link)
            for seed in list(question.left):
                self.ask_seed(seed, question, link)
            return True
        self.compare_later()
        return False

    def compare_later(self) -> None:
        """Compare with neighbours anew in a while, because runs may be asked about again then."""
        now = self.now()
        if now >= self._comparing.due:
            self._comparing.failed(now)
            self.later(self._comparing.due - now, self.sync.compare_anew)

    def on_peer_list(self, link: ProvenLink, addresses: tuple[Address, ...]) -> None:
        super().on_peer_list(link, addresses)
        for address in addresses:  # of peers whose messages may come soon
            if address not in self._asked_ahead and address != self.address:
                if not self.ask_about(grammar.run_of(address, ANY), link):
                    break  # too many for now
                self._asked_ahead[address] = True

    def ask_seed(self, seed: Target, question: Question, brought_by: ProvenLink) -> None:
        """Put a question to a seed, over the link that is there, or over a new one."""
        link = self._asked.get(seed)
        if link is None:
            link = self._asked[seed] = self.dial(TO_ASK, seed, ANSWER_LIMIT)
            link.turns = Turns(seed)
        link.turns.add(question, brought_by)
        if link.role == ASKED:
            self.put_questions(link)

    def begin_asking(self, link: ProvenLink) -> None:
        link.role = ASKED
        self.put_questions(link)

    def put_questions(self, link: ProvenLink) -> None:
        """Ask what waits, and is still open, as far as the seed may owe answers."""
        asked = link.turns.next() if not link.closed else []
        if asked:
            self.expect(link, ANSWER_LIMIT)
            link.send(b"".join([grammar.say_runs(each.address, [each.start]) for each in asked]))
            self.later(ANSWER_LIMIT, self.give_up_questions, link, asked)

    def give_up_questions(self, link: ProvenLink, asked: list[Question]) -> None:
        """Wait no longer for what a seed has not answered, though it may have answered others."""
        for question in asked:
            if not link.closed and link.turns.asked.pop(question, None) is not None:
                self.answered(question, link, None)
        self.put_questions(link)

    def on_runs(self, link: ProvenLink, address: Address, starts: tuple[int, ...]) -> None:
        """Take an answer. It does not say to which question: to one about a run that it names; else
        the oldest, because a seed that has to look answers in order."""
        asked = sorted([each for each in link.turns.asked if each.address == address],
                       key=lambda each: (each.start not in starts, each.start != ANY))
        if not asked:  # it is late, or a lying seed says it without end
            self.charge(link, 1)
            return
        question = asked[0]
        del link.turns.asked[question]
        self.expect(link, ANSWER_LIMIT)
        self.answered(question, link, starts)
        self.put_questions(link)

    def answers_ended(self, link: ProvenLink, error: OSError | None) -> None:
        """A link to a seed is over: nothing more was asked, or the seed is slow, or down."""
        del self._asked[link.peer]
        was_up, waiting = link.role == ASKED, link.turns.waiting()
        for question in list(link.turns.asked if was_up else dict(waiting)):
            self.answered(question, link, None)
        for question, brought_by in waiting:
            if link.peer in question.left:
                self.ask_seed(link.peer, question, brought_by)

    def answered(self, question: Question, link: ProvenLink, starts: tuple[int, ...] | None
                 ) -> None:
        """Take what a seed says about a question, None if it says nothing."""
        named, outcome = self.runs.answer(question, link.peer, link.remote, starts)
        for run in named:
            self.settle(run, True)
        if outcome is Outcome.DENY:
            self.settle(question.run, False)
        elif outcome is Outcome.DIAL:
            self.home_prober.ask(
                question.address,
                lambda alive: question.is_dialled and self.settle(question.run, False))

    def settle(self, run: bytes, is_genuine: bool) -> None:
        """Take a verdict on a run. One that has proved itself is not denied any more."""
        was_genuine = self.runs.is_genuine(run)
        question = self.runs.settle(run, is_genuine or was_genuine, self.now())
        if was_genuine or question is None or question.start == ANY:
            return
        if not is_genuine:
            if not question.is_repeated:
                self.output.write(f"unconfirmed:{run.decode()}")
            self.compare_later()
            return
        self._comparing.reset()
        for link, ranges in question.offers.items():
            if link.role == NEIGHBOUR and not link.closed:
                self.sync.offered(link, [(run, ranges.ranges())], self.now())
        self.sync.compare_anew()
        self.fetch()

    def proved(self, address: Address, start: int | None) -> None:
        """An address that this peer has dialled has proved a run, or None."""
        self._at_home[address] = b"" if start is None else grammar.run_of(address, start)
        if start is not None:
            self.settle(self._at_home[address], True)

    # What this peer proves.

    def register(self, link: ProvenLink) -> None:
        link.send(self._signer.proof(grammar.registering(self.address, link.remote)))
        super().register(link)

    def introduce_self(self, link: ProvenLink) -> None:
        self._dialled_at = max(self.time(), self._dialled_at + LATER)
        link.dialled_at = wire.format_time(self._dialled_at)
        text = grammar.linking(self.address, link.peer, link.dialled_at)
        link.send(self._signer.proof(text, link.dialled_at))
        super().introduce_self(link)

    def on_probe(self, link: ProvenLink, time: str, asker: Address) -> None:
        """Prove who is at home, once on a connection: to sign costs less than a connection does."""
        if not link.has_proved:
            link.has_proved = True
            link.send(self._signer.proof(grammar.replying(time, asker, self.address)))
        super().on_probe(link, time, asker)

    def enter(self, link: ProvenLink, peer: Address, is_dialled: bool) -> None:
        if not is_dialled:
            self._linked_at[link.run] = float(link.proof.time)
            text = grammar.accepting(self.address, peer, link.proof.time)
            link.send(self._signer.proof(text, link.proof.time))
        super().enter(link, peer, is_dialled)

    # What others have to prove.

    def on_accepted(self, link: ProvenLink, by: Address) -> None:
        link.run = self._proven_run(link, grammar.accepting)
        if not link.run or link.proof.time != link.dialled_at:
            raise ProtocolError(UNPROVEN)
        self.proved(*grammar.read_run(link.run))
        other = self.neighbours.link(link.peer)
        if other is not None and other.dialled_at > link.dialled_at:  # the later dial stays
            link.close("duplicate")
        else:
            super().on_accepted(link, by)

    def _proven_run(self, link: ProvenLink, text_of) -> bytes:
        """Return the run that a link's proof proves; nothing without a good one."""
        if link.proof is None or not link.proof.time:
            return b""
        start = link.proof.start(link.peer, text_of(link.peer, self.address, link.proof.time))
        return b"" if start is None else grammar.run_of(link.peer, start)

    def fault_of(self, link: ProvenLink) -> str:
        """Refuse as others do, but let a newcomer that proves its key take the place of a link that
        has another key, or that it has dialled before."""
        if fault := self.fault_of_identity(link):
            return fault
        fault, row = super().fault_of(link), self.neighbours.rows.get(link.peer)
        if fault == "duplicate" and row is not None and row.link is not None:
            return "" if row.link.run != link.run or not row.is_dialled else fault
        return fault

    def fault_of_identity(self, link: ProvenLink) -> str:
        """Refuse a newcomer without a good proof that is later than the last one of its run."""
        if len(self._lately_corrupt(link.peer)) >= self.messages.CORRUPT_LIMIT:
            return CORRUPT
        link.run = link.run or self._proven_run(link, grammar.linking)
        is_later = link.run and float(link.proof.time) > self._linked_at.get(link.run, 0.0)
        return "" if is_later else UNPROVEN

    def probed(self, link: ProvenLink, alive: Verdict) -> None:
        """The probe has shown whether the run of a newcomer is at home."""
        if link.closed is None and alive and self._at_home.get(link.peer) != link.run:
            self.turn_away(link, UNPROVEN)
        else:
            super().probed(link, alive)

    def status(self) -> dict[str, object]:
        return {**super().status(), "signatures checked": self.messages.checked,
                "signed by": implementation().NAME, "open questions": len(self.runs.open)}
