"""Denials: which messages a run may lack, as nobody has confirmed the run that said them.

Where gossip is signed, a peer takes what a run has said when more than half of the seeds name the
run, or it proves itself; else it writes `unconfirmed:RUN`. While a run is up, that cannot last. One
that has ended cannot prove anything, and seeds that were started again do not know it: then its
messages stay with those who took them before, and do not go through those who deny it.
"""

from gossip.proof.company import Company
from gossip.proof.records import Records
from gossip.proof.runs import PROBE_TIME, PeerRun

ANSWER_TIME = 2.0  # seconds that seeds have to answer, until a peer probes the address itself


class Denials:
    """What the runs of a folder have denied, and what they have taken."""

    def __init__(self, records: Records, company: Company):
        self._newest = records.newest()
        self._company = company
        self._denied = {run for peer in records.peers for run in peer.denied}
        # run -> (run of which it has messages -> when it received the first of them)
        self._taken: dict[PeerRun, dict[str, float]] = {}

    def excuse(self, message: str, origin: PeerRun, run: PeerRun, holders: list[PeerRun]) -> bool:
        """Whether a run may lack a message, because

        - it has denied the run that said it, and one of the two has ended;
        - another has denied that run, which has ended, and the run that lacks the message was not
          in contact with any that had it.
        """
        said_by = run_of(message)
        if said_by not in self._denied:
            return False
        over = origin.left is not None or origin.has_ended(self._newest)
        if said_by in run.denied and said_by not in self._taken_by(run):
            return over or run.has_ended(self._newest)
        return over and not any(end > max(begin, holder.has_since(message)) for holder in holders
                                for begin, end in self._company.contacts(holder, run))

    def time_to_confirm(self, message: str, run: PeerRun, since: float) -> float:
        """Seconds that a run may need, from a time on, to find out whether it takes a message."""
        if run.settings.get("sign") != "yes":
            return 0.0
        taken = self._taken_by(run).get(run_of(message))
        return 0.0 if taken is not None and taken <= since else ANSWER_TIME + PROBE_TIME

    def _taken_by(self, run: PeerRun) -> dict[str, float]:
        """The runs of which a run has received messages: it does not deny them any more."""
        if run not in self._taken:
            taken = self._taken[run] = {}
            for message, delivery in run.received.items():
                taken.setdefault(run_of(message), delivery.at)
        return self._taken[run]


def run_of(message: str) -> str:
    """The run that has said a message, as in `unconfirmed:RUN`."""
    return message.rpartition(":")[0]
