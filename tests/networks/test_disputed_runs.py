"""A peer that proves its key to half of the seeds, and to everybody but its victim: nobody is
judged by what only some of the honest can know to be genuine."""

import contextlib
import hashlib

import pytest

from gossip import wire
from tests.tools.files import count
from tests.tools.waiting import wait_until
from tests.tools.watched import Liar, all_linked, check_once

TIME = "1700000000.000000"
PERIODS, TOGETHER = 12, 40  # for which it gossips; messages in each


@pytest.fixture(autouse=True)
def once(monkeypatch):
    check_once(monkeypatch)


class HalfProven(Liar):
    """Proves its key only to those whom it does not leave out."""

    left_out = frozenset()

    def reply(self, line):
        reply = super().reply(line)
        if line.startswith("Liveness Request:") and line.split(":", 2)[2] in self.left_out:
            return reply.rpartition("proof:")[2].partition("\n")[2] or reply
        return reply


@pytest.mark.slow
def test_a_run_that_half_of_the_seeds_name_turns_no_verdict(net):
    network = all_linked(net, 6, 5, liveness_misses=1_000)
    liar, victim = HalfProven(net), network.honest[0]
    liar.left_out = {str(node.address) for node in (*network.seeds[3:], victim)}
    for seed in network.seeds[:3]:
        liar.register(seed)
    ends = [net.neighbour(peer, liar) for peer in network.honest if peer is not victim]
    network.let_pass(3)  # until all links are judged
    for first in range(1, PERIODS * TOGETHER, TOGETHER):
        lines = [wire.gossip(TIME, liar.address, liar.signer.start, number, "mine")
                 for number in range(first, first + TOGETHER)]
        covers = liar.signer.cover(first, [hashlib.sha256(line).digest() for line in lines])
        for end in ends:
            with contextlib.suppress(OSError):
                end.say(*(line.decode() for line in (*covers, *lines)))
        network.let_pass(1)
    run = f"{liar.address}:{liar.signer.start}"
    wait_until(lambda: count(victim, f"unconfirmed:{run}"), what="the victim to deny the run")
    network.let_pass(4)
    others = [peer for peer in network.honest if peer is not victim]
    assert all(peer.confirming.is_known(run.encode()) for peer in others)
    assert network.fates(liar.address) == []
