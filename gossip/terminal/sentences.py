"""Sentences: what each kind of event means, in words, for all who show events to people.

A peer's terminal (words.py) and the seeds' terminal (seed_screen.py) tell what happens to the node
itself: `mine`. The story of the live page tells it of one node among others, `one`, and of further
nodes that do the same in the same second, `many`. In all of them {other} is whom the event is
about and {rest} what follows; {node} is the node whose event it is, {count} how many nodes do it.
"""

from typing import NamedTuple


class Forms(NamedTuple):
    """The words for one kind of event. A form that is empty is not told."""

    sign: str = ""  # + came, - went, ? is silent or does wrong, x dead
    mine: str = ""
    one: str = ""
    many: str = ""


def ports(addresses) -> list[str]:
    """Return names of addresses for people: ports alone while all are on one IP."""
    addresses = list(addresses)
    hosts = {address.rpartition(":")[0] for address in addresses}
    return [address.rpartition(":")[2] if len(hosts) == 1 else address for address in addresses]


FORMS = {
    # Starts and ends.
    "started": Forms(one="{node} starts", many="{count} {kind}s start"),
    "stopped": Forms(one="{node} is stopped: {rest}",
                     many="{count} more peers are stopped: {rest}"),
    "leaving": Forms("-", "saying goodbye to all", "{node} says goodbye",
                     "{count} more peers say goodbye"),
    "failed": Forms("x", "a thread failed: {rest}", "a thread of {node} failed: {rest}",
                    "threads of {count} more nodes failed"),
    "full": Forms("?", "the output file is full: what comes now is not written down",
                  "the file of {node} is full", "the files of {count} more nodes are full"),
    # Neighbours.
    "connected": Forms("+", "{other} is a neighbour"),
    "disconnected": Forms("-", "{other} is no neighbour any more: {rest}"),
    "disconnected left": Forms("-", "{other} said goodbye"),
    "disconnected closed by the other end": Forms("-", "{other} closed its connection"),
    "lost": Forms("?", "{rest}", "{node}: every connection to it has broken",
                  "{count} more peers: every connection to them has broken"),
    "back": Forms(one="{node} is connected again", many="{count} more peers are connected again"),
    "caught up": Forms("~", "caught up: {rest} from {other}"),
    # Liveness.
    "liveness missed": Forms("?", "{other} does not answer: {rest} of {limit}",
                             "{node} gets no answer from {other}: miss {rest} of {limit}",
                             "{count} more get no answer from {other}: miss {rest} of {limit}"),
    "liveness reply": Forms("+", "{other} answers again",
                            "{other} answers again: {node} has heard from it",
                            "{other} answers again: {count} more have heard from it"),
    "dead": Forms("x", "{other} is dead; {rest}", "{node} probes once more, and calls {other} dead",
                  "{count} more call {other} dead"),
    "reported": Forms(one="{node} reports {dead} to {other}",
                      many="{count} more reports: {dead} is dead"),
    "told": Forms("x", "{rest} dead, says seed {other}"),
    # Misbehaviour.
    "flood": Forms("?", "{other} says more than it may"),
    "corrupt": Forms("?", "{other} sent a message whose signature is wrong"),
    "forbidden": Forms("?", "{other} sent a message with a forbidden word"),
    "contradiction": Forms("?", "somebody has signed two messages with the same number"),
    "kicked": Forms("x", "seed {other} shuts me out as malicious ({rest})",
                    "{other} shuts {node} out", "{count} more seeds shut {node} out"),
    # Seeds, as peers see them.
    "registered": Forms("", "registered with {rest}"),
    "unregistered": Forms("-", "seed {other} is gone: {rest}"),
    "registration refused": Forms("?", "seed {other} does not list me: {rest}"),
    "seed gone": Forms(one="{node} is gone", many="{count} more seeds are gone"),
    "seed back": Forms(one="{node} is up again", many="{count} more seeds are up again"),
    # Peers, as seeds see them.
    "dead report": Forms("x", "{other} reports {rest} dead"),
    "rejected": Forms(" ", "{other} answers: it stays on the lists"),
    "removed": Forms("x", "{other} is shut out: {rest}", "{node} removed {other}: {rest}",
                     "{count} more seeds removed {other}"),
    "removed left": Forms("-", "{other} said goodbye"),
    "removed gone": Forms("-", "{other} is gone: its connection has ended, and it does not answer",
                          "{node} lost its connection to {other}, probed it, and removed it",
                          "{count} more seeds removed {other}"),
    "removed dead": Forms("x", "{other} is dead: a peer has reported it, and it does not answer",
                          "{node} probed {other}, and removed it as dead",
                          "{count} more seeds removed {other}"),
}
