"""Honest peers in virtual time that are judged by newcomers, or after a cut: none is blamed."""

import pytest

from gossip.addresses import address_of
from gossip.capacity import fixed
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.lab.simulation import virtual_links
from gossip.monitoring.other_seeds import SPEAKER
from gossip.settings import Settings
from peer import Peer
from seed import Seed

SEEDS, OLD, LATE = ([address_of("127.0.0.1", first + number) for number in range(count)]
                    for first, count in ((4000, 3), (5000, 5), (5100, 10)))
ROOMY = address_of("127.0.0.1", 5300)
WATCHED = Settings(gossip_count=0, sign=True, monitor=True)


class RoomyPeer(Peer):
    """A peer that keeps more messages than others."""

    def __init__(self, address, seeds, settings, *rest):
        super().__init__(address, seeds, settings._replace(cache_size=1_000), *rest)


class Network(VirtualNetwork):
    """A network that has stood for some seconds."""

    def __init__(self, settings, nodes, chance=5):
        super().__init__(chance, {"seed": Seed, "peer": Peer}, SEEDS, settings,
                         virtual_links.Cables(), hostile={ROOMY: RoomyPeer})
        self.begin([*SEEDS, *nodes], 0.3)
        self.pass_by(20.0)

    def begin(self, nodes, apart):
        for number, node in enumerate(nodes):
            self.time.at(self.time.now + apart * number, self.start, node)

    def pass_by(self, seconds):
        self.time.run(self.time.now + seconds)

    def talk(self, seconds, pause=1.0, texts=1):
        """Let two peers say something, then pause, again and again."""
        for _ in range(int(seconds / pause)):
            for peer in OLD[:2]:
                self.say(peer, ["hello"] * texts)
            self.pass_by(pause)

    def written(self):
        return b"".join(bytes(file.data) for file in self.folder.values()).decode()

    def assert_that_nobody_is_blamed(self):
        written = self.written()
        assert ":judged:" in written and ":verdict:" not in written
        assert ":unconfirmed:" not in written


@pytest.mark.parametrize("old, leaving", [
    (1, 0), pytest.param(3, 0, marks=pytest.mark.slow), pytest.param(3, 2, marks=pytest.mark.slow)])
def test_who_has_evicted_a_message_owes_it_to_no_newcomer(old, leaving):
    """A peer with more room was cut off when newcomers came, and brings what the others have
    dropped. Newcomers forward that, and who had it long ago sends nothing."""
    network = Network(WATCHED._replace(cache_size=300, capacity=fixed(6)), [*OLD[:old], ROOMY])
    for part in range(2):
        for number in range(30):
            network.say(OLD[0], [f"{part} {number} {one}" for one in range(10)])
            network.pass_by(0.5)
        network.pass_by(20.0)
        if part == 0:
            network.cut(frozenset([ROOMY]))
    network.begin(LATE, 0.5)
    network.pass_by(150.0)
    for peer in OLD[1:1 + leaving]:
        network.leave(peer)
    network.pass_by(60.0 if leaving else 0.0)
    run = network.nodes[OLD[0]].confirming.own_run
    assert network.nodes[LATE[0]].messages.seen()[run] == [(301, 600)]
    network.mend(frozenset([ROOMY]))
    network.pass_by(200.0)
    assert network.nodes[LATE[0]].messages.seen()[run] == [(1, 600)]
    network.assert_that_nobody_is_blamed()


@pytest.mark.slow
def test_who_has_offered_a_message_does_not_owe_it_while_a_newcomer_fetches_all_slowly(monkeypatch):
    """Another newcomer forwards what it has fetched, and who had it long ago sends nothing."""
    monkeypatch.setattr(virtual_links, "SLOW_BANDWIDTH", 115_000.0)
    network = Network(WATCHED, OLD[:4])
    for number in range(100):
        network.say(OLD[number % 4], ["x" * 8_000 + f" {number} {one}" for one in range(10)])
        network.pass_by(0.2)
    network.pass_by(80.0)
    for peer in LATE[:9]:
        network.slow(peer, 20)
    network.begin(LATE[:9], 0.5)
    network.pass_by(300.0)
    assert network.nodes[LATE[0]].messages.count() == 1_000
    network.assert_that_nobody_is_blamed()


@pytest.mark.slow
def test_who_comes_back_last_when_no_peer_had_a_seed_is_left_alone_by_nobody():
    """The others report before it does that it names none of them."""
    network = Network(WATCHED, OLD)
    network.talk(120)
    network.cut(frozenset(OLD))
    network.talk(120)
    network.mend(frozenset(OLD))
    network.talk(100)
    network.assert_that_nobody_is_blamed()


@pytest.mark.parametrize("newcomers, cut", [(1, 10), (2, 12)])
def test_what_waited_on_links_to_seeds_comes_at_once_and_nobody_is_left_alone(newcomers, cut):
    """The links outlive a short cut, so that all reports of it come as if they were new, or late
    if it was longer."""
    network = Network(WATCHED._replace(report_interval=1.0, capacity=fixed(3)),
                      [*OLD, *LATE[:newcomers]])
    network.talk(12, pause=0.5, texts=5)
    network.cut(frozenset(SEEDS))
    network.talk(cut, pause=0.5, texts=5)
    network.mend(frozenset(SEEDS))
    network.talk(14, pause=0.5, texts=5)
    network.assert_that_nobody_is_blamed()


@pytest.mark.slow
@pytest.mark.parametrize("chance", [2, 6, 8])
def test_rows_that_wait_at_a_seed_that_forwards_them_part_nobody(chance):
    """The seed in the middle reads late what the first has sent, so the rows of some reports come
    late to the third, which hears both of them in time, and other reporters, too."""
    network = Network(WATCHED._replace(report_interval=1.0, capacity=fixed(6)),
                      [*OLD, *LATE[:5]], chance)
    network.talk(12, pause=0.5, texts=5)
    middle = network.nodes[network.nodes[SEEDS[0]].keeping.tree.root]
    waiting, lines = [], middle.lines

    def read_late(link, some):
        if link.role == SPEAKER and link.peer == SEEDS[0]:
            waiting.append((link, some))
        else:
            lines(link, some)

    middle.lines = read_late
    network.talk(7, pause=0.5, texts=5)
    middle.lines = lines
    for link, some in waiting:
        lines(link, some)
    network.talk(14, pause=0.5, texts=5)
    network.assert_that_nobody_is_blamed()
