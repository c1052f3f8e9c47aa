"""The queue of addresses to probe: a limited number at a time, in stages. Calls its node back.

An address that says nothing in the seconds of one stage goes to the queue of the next, so that
silent addresses do not delay those that answer. One that refuses the connection is dead at once:
nobody listens there. In a queue the IPs take turns, because who answers slowly waits among silent
addresses, and one IP may have any number of these. While nothing can be found out, the address is
asked again and again, and keeps its place among those probed at once: if all that wait had their
turns meanwhile, all would be asked again in one second, which makes a node late, and then finds
nothing out. One for which only strangers have asked, all of whom have hung up, is not probed any
more, or a flood of those would keep others waiting.
"""

import collections
import functools
import math

from grapevine.addresses import Address
from grapevine.asking import Verdict

STRANGERS_LIMIT = 8_192  # addresses of strangers that wait in a queue
ASK_AGAIN = 1.0  # seconds until a probe that found nothing out is repeated


class Prober:
    """`node` has probe(address, on_verdict, seconds) and later(seconds, call, …); `stages`
    are pairs of seconds for a probe, and probes at once. If more than `limit` addresses wait for a
    stage, further ones count as silent."""

    def __init__(self, node, stages: list[tuple[float, int]], limit: float = math.inf):
        self._node, self._limit = node, limit
        self._seconds = [seconds for seconds, _ in stages]
        self._free = [at_once for _, at_once in stages]
        self._queues = [collections.OrderedDict() for _ in stages]  # IP -> what waits, in turn
        self._waiting = [0] * len(stages)  # addresses in each
        self._verdicts: dict[Address, list] = {}  # of each: (whom to tell, the asker's link)

    def __contains__(self, peer: Address) -> bool:
        return peer in self._verdicts

    def ask(self, peer: Address, on_verdict, link=None) -> None:
        """Have `on_verdict` called with any verdict but UNKNOWN. Two questions share a probe. If
        all that have asked did so over links that have ended, the address may count as silent."""
        if peer in self._verdicts:
            self._verdicts[peer].append((on_verdict, link))
        else:
            self._verdicts[peer] = [(on_verdict, link)]
            self._enqueue(peer, 0)

    def _enqueue(self, peer: Address, stage: int) -> None:
        if self._waiting[stage] < self._limit:
            self._waiting[stage] += 1
            self._queues[stage].setdefault(peer.host, collections.deque()).append(peer)
            self._begin()
        else:
            self._tell(peer, Verdict.SILENT)

    def _tell(self, peer: Address, verdict: Verdict) -> None:
        for on_verdict, _ in self._verdicts.pop(peer):
            on_verdict(verdict)

    def _begin(self) -> None:
        for stage, queue in enumerate(self._queues):
            while queue and self._free[stage]:
                ip, addresses = next(iter(queue.items()))
                peer = addresses.popleft()
                self._waiting[stage] -= 1
                if not addresses:
                    del queue[ip]
                if all(link is not None and link.closed for _, link in self._verdicts[peer]):
                    self._tell(peer, Verdict.SILENT)  # and it is still the turn of its IP
                    continue
                if addresses:
                    queue.move_to_end(ip)
                self._free[stage] -= 1
                ended = functools.partial(self._ended, peer, stage)
                self._node.probe(peer, ended, self._seconds[stage])

    def _ended(self, peer: Address, stage: int, verdict: Verdict) -> None:
        if verdict is Verdict.UNKNOWN:
            self._node.later(ASK_AGAIN, self._ask_again, peer, stage)
            return
        self._free[stage] += 1
        if verdict is Verdict.SILENT and stage + 1 < len(self._queues):
            self._enqueue(peer, stage + 1)
        else:
            self._tell(peer, verdict)
        self._begin()

    def _ask_again(self, peer: Address, stage: int) -> None:
        self._free[stage] += 1
        self._begin()  # those that wait come first, so their queue has room for it
        self._enqueue(peer, stage)
