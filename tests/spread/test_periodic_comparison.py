"""The periodic comparison: what nothing else would bring arrives by it, from any neighbour."""

from gossip.intervals import format_ranges
from tests.tools.files import count
from tests.tools.nets import connected, holds_all, neighbours, ring_whole
from tests.tools.waiting import wait_until

RUN = "127.0.0.1:9:7"


def line(number: int) -> str:
    return f"gmessage:1.000000:{RUN}:{number}:x"


def test_a_neighbour_that_says_nothing_is_asked_to_compare_again_and_again(net):
    peer, fake = net.peer(antientropy_interval=0.2, liveness_interval=60), net.fake()
    end = net.neighbour(peer, fake)
    end.hear_until("status:digest:")
    for _ in range(4):
        assert end.hear_until("status:digest:") == f"status:digest:{peer.messages.digest()}"


def test_each_comparison_fetches_what_the_neighbour_has_seen_meanwhile(net):
    peer, fake = net.peer(antientropy_interval=0.2, liveness_interval=60), net.fake()
    end = net.neighbour(peer, fake)
    end.hear_until("status:digest:")
    for number in (1, 2, 3):
        end.hear_until("status:digest:")
        seen = format_ranges([(1, number)])
        end.say(f"status:seen:{RUN}={seen}")
        assert end.hear_until("status:want:") == f"status:want:{RUN}={number}"
        end.say(line(number), "status:sent")
        wait_until(lambda number=number: peer.messages.count() == number)


def test_the_turn_of_every_neighbour_comes(net):
    peer = net.peer(antientropy_interval=0.1, liveness_interval=60)
    ends = [net.neighbour(peer, net.fake()) for _ in range(3)]
    for end in ends:
        end.hear_until("status:digest:")
    for end in ends:
        assert end.hear_until("status:digest:", 30).startswith("status:digest:")


def test_what_was_lost_on_the_way_arrives_although_every_link_stands(net):
    net.seeds(1)
    peers = net.peers(3, antientropy_interval=0.3)
    wait_until(lambda: connected(peers) and ring_whole(peers))
    wait_until(lambda: all(len(neighbours(peer)) == 2 for peer in peers))
    links = [count(peer, "connected:") for peer in peers]
    for number in (1, 2, 3):
        peers[number - 1].messages.add([line(number).encode()])  # it forwards this to nobody
        wait_until(lambda number=number: holds_all(peers, number))
    assert [count(peer, "connected:") for peer in peers] == links  # nobody met anybody anew
