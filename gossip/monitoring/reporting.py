"""Reporting: a peer tells a seed what it saw of its neighbours, and hears who is malicious. A part
of a peer.

Once a period, the duty "monitoring" asks every neighbour for a sign of life (watch.py says what
for; nothing is written down, and no miss is counted), and sends one report to one of the seeds that
list this peer. A report is kept for six periods: when its seed is lost, all that are kept go to the
next one, the newest first, for a seed reckons the age of an older one from its PERIOD.

Link readers and the duty call it. It calls the node's `linking` to have somebody shut out.
"""

import collections

from gossip import wire
from gossip.addresses import Address
from gossip.monitoring.watch import Watch

KEPT = 6  # reports, each of a period


class Reporting:
    """The reports of one peer, and what seeds say of others. `seeds()` returns (seed, link) of the
    seeds that list this peer."""

    def __init__(self, node, seeds):
        self._node = node
        self._seeds = seeds
        self._interval = node.settings.report_interval
        self._kept: collections.deque[bytes] = collections.deque(maxlen=KEPT)  # the newest first
        self._period = 0  # of the last report; this and the rest only the duty uses
        self._told = None  # the link to the seed that has had all reports so far
        self._due: float | None = None  # when the next report is
        self._kicked_by: dict[Address, None] = {}  # seeds that have said so of this peer
        self.watch = Watch(node.settings)

    # The duty.

    def turn(self, now: float) -> float:
        """A period is over: ask all neighbours, report what they did."""
        if self._due is None:  # the first period ends at any time, so that not all do together
            self._due = now + self._interval * self._node.rng.random()
            return self._due
        if self.watch.turn(now):
            self._node.counters.add("periods not judged, as this peer stood still")
        time = wire.format_time(self._node.time())
        for link in self._node.neighbours.links():
            self.watch.asked(link, time, now)
            self._node.spreading.way.say_behind(  # all that this peer knew by now comes before it
                link, wire.liveness_request(time, self._node.address), urgent=False)
        self._period += 1
        self._kept.appendleft(wire.report(self._node.spreading.origin.start, self._period,
                                           self.entries()))
        self._send()
        self._due = max(self._due + self._interval, now)
        return self._due

    def entries(self) -> list[wire.Entry]:
        """What is said of the period that is over, neighbour by neighbour."""
        return self.watch.entries()

    def _send(self) -> None:
        """Send the new report to the same seed as the last; if that is lost, all to another."""
        links = [link for _, link in self._seeds() if not link.ended]
        if self._told in links:
            self._told.send(self._kept[0])
        elif links:
            self._told = links[0]
            self._told.send(b"".join(self._kept))
        else:
            self._told = None

    # What happens to links, and what neighbours and seeds say.

    def linked(self, link) -> None:
        """A peer has become a neighbour."""
        self.watch.linked(link, self._node.now())
        if link.ended:
            self.watch.on_end(link)

    def on_end(self, link) -> None:
        """A link has ended."""
        self.watch.on_end(link)

    def replied(self, link, time: str) -> None:
        """A neighbour has answered a request, of this part or of the liveness round."""
        offering = self._node.spreading.anti_entropy.catch_up.offering()
        self.watch.replied(link, time, self._node.now(), caught_up=link not in offering)

    def on_kick(self, link, message: wire.Kick) -> None:
        """A seed says who is malicious: that one is shut out. If it is this peer itself, seeds and
        peers refuse it from now on."""
        self._check(link)
        if message.address == self._node.address:
            if link.peer not in self._kicked_by:
                self._kicked_by[link.peer] = None
                self._node.output.write(f"kicked:{link.peer}:{message.badness:.3f}")
            return
        self._shut_out(message.address, "kicked", message.seconds)

    def on_unconfirmed(self, link, message: wire.Unconfirmed) -> None:
        """A seed says that this neighbour never names this peer: nobody could judge it by what
        this peer says. If its link has just ended, it must not come back. Several seeds say so,
        and it is written down once."""
        self._check(link)
        if self._shut_out(message.address, "unconfirmed"):
            self._node.output.write(f"unconfirmed:{message.address}")

    def _check(self, link) -> None:
        if not any(registered is link for _, registered in self._seeds()):
            raise wire.WireError("only a seed that lists this peer may say that")

    def _shut_out(self, peer: Address, reason: str, seconds: float | None = None) -> bool:
        settings = self._node.settings
        until = self._node.now() + (settings.ban if seconds is None else seconds)
        return self._node.linking.shut_out(peer, reason, until)
