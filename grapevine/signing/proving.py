"""Nodes that hear proofs: what answers a probe may prove its key, and so its run."""

from grapevine.addresses import Address
from grapevine.link import Link
from grapevine.signing import grammar

PROOF = {"proof": "on_proof"}  # in the table of a state machine


class ProvenLink(Link):
    """A link with what stood before a line."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.proof: grammar.Proof | None = None
        self.run = b""  # that it has proved
        self.turns = None  # of questions for the seed at the other end
        self.dialled_at = ""  # TIME of this peer's own proof
        self.has_proved = False  # to the other end, which asked for a sign of life


def with_more(answers: dict[str, dict], more: dict[str, dict]) -> dict[str, dict]:
    """Return the table of a state machine with more lines in some roles."""
    return {role: answers.get(role, {}) | more.get(role, {}) for role in [*answers, *more]}


class Proving:
    """Goes before the class of a node, which asks others for a sign of life."""

    LINK = ProvenLink
    parse = staticmethod(grammar.parse)

    def on_proof(self, link: ProvenLink, key: bytes, signature: bytes, time: str = "") -> None:
        link.proof = grammar.Proof(key, signature, time)

    def on_sign_of_life(self, link: ProvenLink, time: str, asker: Address, replier: Address
                        ) -> None:
        start = link.proof and link.proof.start(replier, grammar.replying(time, asker, replier))
        super().on_sign_of_life(link, time, asker, replier)
        self.proved(link.peer, start)

    def proved(self, address: Address, start: int | None) -> None:
        """An address has answered a probe, and has proved a run, or None."""
        raise NotImplementedError
