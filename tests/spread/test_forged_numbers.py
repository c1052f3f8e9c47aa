"""What is said in a peer's name does not silence it; what is gone is gone for who says so."""

import pytest

from gossip import wire
from gossip.capacity import fixed
from gossip.settings import WAYS
from gossip.spread import catch_up
from gossip.spread.anti_entropy import GONE_ROUNDS
from tests.tools.files import received
from tests.tools.nets import linked_net
from tests.tools.waiting import wait_until

ALL = 2**63 - 1


def run_of(peer) -> str:
    return f"{peer.address}:{peer.spreading.origin.start}"


def forged(peer, numbers):
    return [f"gmessage:1.000000:{run_of(peer)}:{number}:forged" for number in numbers]


def true(peer):
    return [line for line in received(peer) if not line.endswith(":forged")]


@pytest.mark.parametrize("spread", WAYS)
@pytest.mark.parametrize("order", [1, -1])
def test_whoever_uses_up_far_numbers_in_a_name_silences_nobody(net, spread, order):
    """2,400 numbers that touch no other; then a hundred messages, one by one, and a late joiner."""
    peers = linked_net(net, 4, spread=spread, capacity=fixed(8))
    silenced = peers[0]
    for victim in peers[1:]:
        end = net.neighbour(victim, net.fake())
        end.say(*forged(silenced, range(10**6, 10**6 + 4800, 2)[::order]))
        wait_until(lambda: any(text.endswith(":forged") for text in received(victim)))
    for number in range(100):
        silenced.gossip([f"text {number}"])
    wait_until(lambda: sum(len(true(peer)) for peer in peers[1:]) == 300)
    late = net.peer(spread=spread, capacity=fixed(8))
    wait_until(lambda: len(true(late)) == 100)
    for peer in (*peers, late):
        texts = received(peer)  # forged ones may still come
        assert len(texts) == len(set(texts))
    assert all(peer.status()["numbers beyond a gap for which there was no room"] >= 1400
               for peer in peers[1:])


def test_what_a_neighbour_calls_gone_comes_from_others_and_is_told_nobody(net):
    peers = linked_net(net, 2)
    peers[0].gossip([f"text {number}" for number in range(50)])
    wait_until(lambda: len(received(peers[1])) == 50)
    victim, liar = net.peer(antientropy_interval=600, capacity=fixed(8)), net.fake()
    end = net.neighbour(victim, liar)
    for run in (run_of(peers[0]), run_of(peers[1])):
        end.say(f"status:seen:{run}=1-{ALL}", f"status:gone:{run}=1-{ALL}", "status:sent")
    wait_until(lambda: len(received(victim)) == 50)
    peers[1].gossip(["one more"])
    wait_until(lambda: len(received(victim)) == 51)
    end.say(f"status:want:{run_of(peers[0])}=51-{ALL}")
    assert end.hear_until("status:sent") == "status:sent"
    assert not any(str(ALL).encode() in entry for entry in victim.messages.vector())


def linked(net, **settings):
    """A peer that compares only when it is told to, and a hand-made neighbour."""
    peer = net.peer(**{"antientropy_interval": 600, "liveness_interval": 600, **settings})
    end = net.neighbour(peer, net.fake())
    end.hear_until("status:digest:")
    return peer, end


def heard_at_once(peer, end) -> list[str]:
    """What the peer says to all that it was told before."""
    end.say(f"Liveness Request:7.000000:{peer.address}")
    heard = []
    while not (line := end.hear()).startswith("Liveness Reply:7.000000:"):
        heard.append(line)
    return heard


DIFFERENT = "status:digest:" + "7" * 32
RUN = "127.0.0.1:9:7"


def test_two_digests_that_were_compared_are_not_compared_again_before_one_changes(net):
    peer, end = linked(net)
    end.say(DIFFERENT)
    assert heard_at_once(peer, end) == ["status:seen:", "status:show:" + "f" * 16]
    end.say(DIFFERENT)  # no vector was told: the comparison was broken off
    assert heard_at_once(peer, end) == ["status:seen:", "status:show:" + "f" * 16]
    end.say("status:seen:")
    end.say(DIFFERENT, "status:meet " + DIFFERENT[7:])
    assert heard_at_once(peer, end) == []
    end.say("status:digest:" + "8" * 32)
    assert len(heard_at_once(peer, end)) == 2
    end.say("status:seen:", f"gmessage:1.000000:{RUN}:1:x", "status:digest:" + "8" * 32)
    assert heard_at_once(peer, end)[:1] == [f"status:seen:{RUN}=1"]


def test_an_offer_that_was_cut_off_is_no_comparison(net, monkeypatch):
    monkeypatch.setattr(catch_up, "OFFER_LIMIT", 1)
    peer, end = linked(net)
    for _ in range(2):
        end.say(DIFFERENT)
        assert len(heard_at_once(peer, end)) == 2
        end.say(f"status:seen:{RUN}=1 127.0.0.1:10:7=1")
        end.hear_until("status:want:")
        end.say("status:sent")  # it has nothing of it after all


def test_an_offer_of_a_run_that_is_not_known_to_be_genuine_is_no_comparison(net):
    peer, end = linked(net, sign=True)
    for _ in range(2):
        end.say(DIFFERENT)
        assert len(heard_at_once(peer, end)) == 2
        end.say(f"status:seen:{RUN}=1")


def test_after_ten_rounds_they_are_compared_again(net):
    assert GONE_ROUNDS == 10
    peer, end = linked(net, antientropy_interval=0.05)

    def is_compared():
        end.say(DIFFERENT)
        return any("show" in line for line in heard_at_once(peer, end))

    for _ in range(3):
        wait_until(is_compared)
        end.say("status:seen:")


def test_an_offer_of_what_is_gone_is_asked_for_once_while_the_link_stands(net):
    peer, end = linked(net)
    end.say(f"status:seen:{RUN}=1-9")
    assert end.hear_until("status:want:") == f"status:want:{RUN}=1-9"
    end.say(f"gmessage:1.000000:{RUN}:9:x", f"status:gone:{RUN}=1-8", "status:sent")
    end.say(f"status:seen:{RUN}=1-10")
    assert end.hear_until("status:want:") == f"status:want:{RUN}=10"
    end.say("status:sent", f"status:seen:{RUN}=1-10")
    assert heard_at_once(peer, end) == []
    again = net.neighbour(peer, net.fake())
    again.say(f"status:seen:{RUN}=1-10")
    assert again.hear_until("status:want:") == f"status:want:{RUN}=1-8,10"


def test_what_would_be_refused_is_not_asked_for_in_circles(net):
    peer, end = linked(net, intervals_kept=3, runs_of_one=2)
    end.say(*(f"gmessage:1.000000:{RUN}:{number}:x" for number in (10, 20, 30, 40)))
    end.say("gmessage:1.000000:127.0.0.1:10:7:1:x", "gmessage:1.000000:127.0.0.1:11:7:1:x")
    offers = [f"{RUN}=10,20,30,40,50", "127.0.0.1:11:7=1-5", "127.0.0.1:12:7=1"]
    end.say("status:seen:" + " ".join(offers))
    assert heard_at_once(peer, end) == []
    status = peer.status()
    assert status["numbers beyond a gap for which there was no room"] == 1
    assert status["messages of runs for which there was no room"] == 1
    end.say(f"status:seen:{RUN}=10-12 {offers[1]}")
    assert end.hear_until("status:want:") == f"status:want:{RUN}=11-12"


def test_a_run_that_was_refused_is_fetched_once_a_seed_names_its_origin(net):
    peer, end = linked(net, runs_of_one=0)
    newcomer = net.fake()
    run = f"{newcomer.address}:7"
    end.say(f"gmessage:1.000000:{run}:1:x", DIFFERENT, f"status:seen:{run}=1")
    assert not any("want" in line for line in heard_at_once(peer, end))
    end.say(DIFFERENT)
    assert heard_at_once(peer, end) == []
    peer.spreading.on_listed([newcomer.address])
    end.say(DIFFERENT)
    assert len(heard_at_once(peer, end)) == 2
    end.say(f"status:seen:{run}=1")
    assert end.hear_until("status:want:") == f"status:want:{run}=1"
    end.say(f"gmessage:1.000000:{run}:1:x", "status:sent")
    wait_until(lambda: peer.messages.count() == 1)


def test_show_is_answered_once_a_second_and_not_for_what_was_told_a_moment_ago(net):
    peer, end = linked(net)
    peer.spreading.anti_entropy._now = lambda: 7.0  # this second does not end
    show = "status:show:" + "f" * 16
    end.say(*[show] * 100)
    assert heard_at_once(peer, end) == ["status:seen:"]
    assert peer.status()["vectors not told twice in a second"] == 99
    other = net.neighbour(peer, net.fake())
    other.say(DIFFERENT)
    other.hear_until("status:show:")
    other.say(show)
    assert heard_at_once(peer, other) == []


def test_an_empty_question_is_answered_with_an_empty_portion(net):
    peer, end = linked(net)
    end.say("status:want:")
    assert heard_at_once(peer, end) == ["status:sent"]
    assert wire.parse(b"status:want:").entries == ()
