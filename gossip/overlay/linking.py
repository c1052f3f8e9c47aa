"""Linking: the part of a peer that begins and ends links.

A peer dials others for the ring and for its free places; `admitting` decides about newcomers. The
rules are in the files beside this one. Gossip and liveness are not handled here.
"""

from gossip import wire
from gossip.addresses import Address
from gossip.events import escape
from gossip.node.part import Part
from gossip.overlay.admitting import Admitting
from gossip.overlay.neighbours import NEIGHBOUR, Admission, Neighbours
from gossip.overlay.peer_list import Learning
from gossip.overlay.places import FoundDead, Places, ShutOut
from gossip.registering.joining import Joining

# Roles of a link, as this peer sees the other end.
DIALLED = "a peer that has not answered yet"
OVER = "a peer whose dial is over"

ANSWER_LIMIT = 5.0  # seconds that a dialled peer may take to accept or refuse
REASON_SHOWN = 100  # bytes of another's reason in the output file
STRANGE = "for a reason that cannot be shown"


class Linking(Part):
    """The links of a peer to its neighbours."""

    ANSWERS = {DIALLED: {"accepted", "refused"}, NEIGHBOUR: {"leave", "refused"}}

    def __init__(self, node, joining: Joining, probers: list, proofs):
        """`probers` are the lanes of liveness/prober.py, `proofs` the LinkProofs (signing/)."""
        self._node, self._joining, self._proofs = node, joining, proofs
        address, settings = node.address, node.settings
        self.neighbours = Neighbours(address, settings, node.output.write)
        self.places = Places(address, self.neighbours.capacity, settings, node.rng)
        self.learning = Learning(node, joining, self.neighbours)
        self.peer_list = self.learning.peer_list
        self.found_dead = FoundDead()
        most = settings.corrupt_most()
        self._shut_out = ShutOut(
            {"corrupt": most, "forbidden": most, "flood": 1}, settings.corrupt_memory,
            settings.report_interval if settings.monitor else settings.corrupt_memory)
        self.admitting = Admitting(node, self, joining, probers, proofs)
        self._ring_stood = False  # whether the ring link did at the last turn of membership

    def next_round(self, now: float) -> None:
        """Look after all links. Without a seed, also dial a peer that was found dead."""
        self.places.next_round()
        self.admitting.next_round()
        self.give_up_surplus(settled=self._node.settings.liveness_interval)
        has_seed = self._joining.has_seed()
        self.peer_list.next_round(self.neighbours.addresses(), has_seed)
        if not has_seed and (dead := self.found_dead.in_turn(now, self.peer_list.named())):
            self.dial(dead)
        self._node.membership.hurry()

    def keep_links(self, now: float) -> None:
        """Dial for the ring, then for a free place. If the ring link has gone, ask for a list."""
        listed = self.peer_list.addresses()
        linked, dialling = self.neighbours.addresses(), self.neighbours.dialling()
        successor = self.places.successor(listed, now)
        if self.places.dials_for_ring(successor, linked, dialling, now):
            self.dial(successor, for_ring=True)
            dialling.add(successor)
        # peers found dead are dialled, too (`next_round`), and take no place from others
        dialling = {peer for peer in dialling if peer in self.peer_list}
        counted = self.neighbours.counted(now, self.peer_list.listed_among(linked))
        if other := self.places.ordinary_dial(listed, linked, dialling, now, counted):
            self.dial(other)
        stands = successor is None or successor in linked
        if self._ring_stood and not stands:
            self._joining.hurry()
        self._ring_stood = stands

    def give_up_surplus(self, settled: float) -> None:
        listed = self.peer_list.listed_among(self.neighbours.addresses())
        for peer, row in self.neighbours.surplus(self._node.now(), settled, listed):
            row.link.send(wire.refused(self._node.address, "full"), urgent=True)
            if row.proven:
                self.places.leave_alone(peer)
            self.unlink(peer, "given up", row.link)

    # How links begin.

    def dial(self, peer: Address, for_ring: bool = False, chosen: bool = True) -> None:
        """Ask a peer to become a neighbour. A dial that renews another's link is not `chosen`."""
        if (self._node.leaving or self.offence(peer)
                or not self.neighbours.begin_dial(peer, for_ring, chosen)):
            return
        link = self._node.new_link(DIALLED, peer)
        link.deadline = self._node.now() + ANSWER_LIMIT
        self._node.dial(link)

    def on_up(self, link) -> None:
        """Introduce this peer to the peer that was dialled."""
        if link.role == DIALLED:
            link.send(self._proofs.asking(link) + wire.connect(self._node.address))

    def enter(self, link, admission: Admission) -> None:
        # first, because gossip begins in this turn, but has to follow the answer
        link.send(self._proofs.answering(link) + wire.accepted(self._node.address))
        self._welcome(link, admission)
        self._met(link)

    def on_accepted(self, link, message: wire.Accepted) -> None:
        peer, own = link.peer, self._node.address
        if message.address not in (peer, own):
            raise wire.WireError(f"{message.address} answered instead")
        if fault := self._proofs.fault_of_answer(link):
            raise wire.WireError(fault)
        if reason := self.offence(peer):  # it was shut out since it was dialled
            self._dial_over(link)
            link.close(reason)
            return
        admission = self.neighbours.admit(peer, link, own, self._node.now())
        if admission.accepted:
            self._welcome(link, admission)
            self.neighbours.end_dial(peer)
            self._met(link)
        else:
            self.answered(peer)
            self._dial_over(link)
            link.send(wire.refused(own, admission.reason))
            self._node.disconnect(link, admission.reason)

    def _met(self, link) -> None:
        """Note that the other end knows, too, that both are neighbours."""
        if self._node.leaving:
            link.send(wire.leave(self._node.address))
            return
        for part in self._node.parts:
            part.on_met(link)
        self.give_up_surplus(settled=float("inf"))  # only when there are far too many
        self._node.membership.hurry()

    def _welcome(self, link, admission: Admission) -> None:
        """Give a link its role, and end the link that it replaces."""
        self._node.introduced(link, NEIGHBOUR, link.peer)
        if replaced := admission.replaced:
            replaced.send(wire.refused(self._node.address, "duplicate"))
            replaced.close(admission.reason)
        if admission.proven:
            self._proven(link.peer, link)

    def answered(self, peer: Address) -> None:
        """Take the link of a peer that answered a dial as proven."""
        if link := self.neighbours.link(peer):
            self.probed(link, True)

    def probed(self, link, alive: bool | None) -> None:
        """Take what a probe of a neighbour's address found out, if anything."""
        if alive is not None and self.neighbours.probed(link.peer, link, alive):
            if alive:
                self._proven(link.peer, link)
            else:  # its link stays until its place is wanted
                self._pass_over(link.peer)
                self.give_up_surplus(settled=float("inf"))

    def _proven(self, peer: Address, link) -> None:
        """Note that a neighbour has answered at its address."""
        self.places.linked(peer)
        if self.found_dead.discard(peer) and not self._joining.has_seed():
            self.learning.ask(link)  # it knows peers that were cut off together with it
        self._node.membership.hurry()

    def replaced(self, peer: Address) -> None:
        """End the link to a run when another run has its address."""
        link = self.neighbours.link(peer)
        if link is not None and not self._proofs.is_at_home(link):
            self.unlink(peer, "replaced", link)

    def on_refused(self, link, message: wire.Refused) -> None:
        """Take the refusal of a dialled peer, or a neighbour's goodbye."""
        peer, reason, now = link.peer, message.reason[:REASON_SHOWN], self._node.now()
        if len(escape(reason).encode()) > REASON_SHOWN:
            reason = STRANGE
        if reason == "full" and peer == self.places.successor(self.peer_list.addresses(), now):
            self._joining.ask_at_once()  # maybe a nearer peer is in no list yet
        if link.role == NEIGHBOUR:
            if reason == "full" and peer in self.neighbours.proven():
                self._leave_alone(peer)
            self.unlink(peer, reason, link)
            return
        if reason == "full":
            self.places.leave_alone(peer)
        self._node.counters.add("dials that were refused")
        self.places.put_off(peer, self._dial_over(link), now)
        self.neighbours.forget(peer)  # it lives, so a link that broke before is no sign of death
        self.answered(peer)
        link.close("refused")

    def _dial_over(self, link) -> bool:
        """End a dial, after which another may begin. Return whether it was for the ring."""
        link.role = OVER
        self._node.membership.hurry()
        return self.neighbours.end_dial(link.peer)

    # How links end.

    def unlink(self, peer: Address, reason: str, link) -> None:
        """End a neighbour's link."""
        was_linked = self.neighbours.remove(peer, link, reason)
        link.close(reason)
        self._place_is_free(was_linked)

    def _place_is_free(self, is_new: bool) -> None:
        if is_new:
            self.places.link_broke()
        self._node.membership.hurry()

    def bury(self, peer: Address, reason: str, link) -> None:
        """Unlist and unlink a dead peer, but remember it."""
        self.peer_list.discard(peer)
        self.give_up_silent(peer, reason, link)

    def give_up_silent(self, peer: Address, reason: str, link) -> None:
        """Unlink a silent peer. Remember it, because without a seed nobody else may know it."""
        self.found_dead.add(peer, self._node.now())
        self._place_is_free(self.neighbours.forget(peer))
        if link is not None:
            self.unlink(peer, reason, link)

    def on_leave(self, link, message: wire.Leave) -> None:
        if message.address != link.peer:
            self._node.counters.add("leaves in the name of others")
            return
        if link.peer in self.neighbours.proven():
            self.peer_list.discard(link.peer)
            self.found_dead.discard(link.peer)
        self.unlink(link.peer, "left", link)

    def broke_rules(self, link, reason: str) -> None:
        """Disconnect a neighbour that broke rules. Leave it alone for a while."""
        if link.role == NEIGHBOUR:
            self._leave_alone(link.peer)
            self.unlink(link.peer, reason[:REASON_SHOWN], link)

    def offended(self, link, offence: str, count: int) -> None:
        """Count an offence. Refuse a neighbour that repeats it too often."""
        if until := self._shut_out.note(link.peer, offence, count, self._node.now()):
            self._node.write_refusal(link.peer, offence)
            self.shut_out(link.peer, offence, until, link)

    def shut_out(self, peer: Address, reason: str, until: float, link=None) -> bool:
        """Refuse a peer until then. Return whether the reason is news."""
        is_news = self._shut_out.refuse(peer, reason, until, self._node.now())
        self.places.pass_over(peer, until)
        if link := link or self.neighbours.link(peer):
            link.send(wire.refused(self._node.address, reason), urgent=True)
            self.unlink(peer, reason, link)
        else:
            self._place_is_free(self.neighbours.forget(peer))
        return is_news

    def offence(self, peer: Address) -> str | None:
        return self._shut_out.reason(peer, self._node.now())

    def on_end(self, link) -> None:
        """Free the place of a link that has ended."""
        if link.role == DIALLED:
            self.neighbours.end_dial(link.peer)
            if not link.lacked:  # a shortage here says nothing of the peer
                self._pass_over(link.peer)
        elif link.role == NEIGHBOUR and self._node.leaving:
            self.unlink(link.peer, "left", link)
        elif link.role == NEIGHBOUR and self.neighbours.link(link.peer) is link:
            self._lost(link)

    def _leave_alone(self, peer: Address) -> None:
        self.places.leave_alone(peer)
        self.places.put_off(peer, for_ring=True, now=self._node.now())

    def _pass_over(self, peer: Address) -> None:
        """Skip a silent peer, which may only be frozen, on the ring."""
        now = self._node.now()
        self.places.pass_over(peer, now + self._node.settings.liveness_interval)
        if self.peer_list.unreachable(peer) and not self._joining.has_seed():
            self.found_dead.add(peer, now)
        self._node.membership.hurry()

    def _lost(self, link) -> None:
        """Redial a peer whose link broke. Rounds then count misses."""
        peer, now, row = link.peer, self._node.now(), self.neighbours.row(link.peer)
        counts = row.proven or now - row.since >= self._node.settings.liveness_interval
        self.neighbours.remove(peer, link, link.reason, missed=counts)
        if counts and not self._joining.has_seed():
            self._joining.hurry()  # no seed will tell of others; neighbours may
        self.places.link_broke()
        if counts and self.places.redial_at_once(peer, now):
            self.dial(peer, chosen=row.chosen)
        elif counts:
            self._leave_alone(peer)
        self._node.membership.hurry()
