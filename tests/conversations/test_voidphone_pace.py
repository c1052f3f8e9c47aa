"""Who brings more to a gossip module than others take is not read for a while: nothing is lost,
and nobody waits for one that does not read."""

import pytest

from grapevine.link import BACKLOG
from grapevine.voidphone import news
from grapevine.voidphone.messages import Announce, PeerNotification, Validation
from grapevine.voidphone.relay import PIECE, PIECES, WAIT
from tests.tools import voidphone
from tests.tools.voidphone import TYPE, WAITING, ModuleScene

MIB = 1 << 20
SIZE = 8_000  # bytes of data of a message
BUFFER = 64 << 10  # bytes that kernels keep


def numbered(kind, count: int, size: int = SIZE, first: int = 0) -> list:
    made = []
    for number in range(first, first + count):
        data = number.to_bytes(4, "big") + bytes(size - 4)
        made.append(Announce(0, TYPE, data) if kind is Announce
                    else PeerNotification(1, 7, TYPE, data))
    return made


def numbers(values: list) -> list[int]:
    return [int.from_bytes(value.data[:4], "big") for value in values if hasattr(value, "data")]


def waiting_for(scene: ModuleScene) -> int:
    return max(len(link.waiting) for link in scene.node.links)


class Reader:
    """An end that reads so many bytes a second, in sips; `most` is what waited for anybody."""

    def __init__(self, end, rate: float):
        self.end, self.scene, self._rate = end, end.scene, rate
        self.heard, self.most = [], 0
        end.stop_reading()

    def read(self, seconds: float) -> list[int]:
        """Read for some seconds; return the numbers of all so far."""
        pause = BUFFER / self._rate  # a sip is what the kernel keeps
        for _ in range(max(1, int(seconds / pause))):
            self.scene.run(pause)
            self.most = max(self.most, waiting_for(self.scene))
            self.end.read_on()
            self.end.stop_reading()
            self.heard += self.end.lines
            self.end.lines.clear()
        return numbers(self.heard)


def stage(clients: int = 1, peers: int = 1, **keys):
    keys = {"degree": 20, "max_connections": 40, "buffer": BUFFER} | keys
    return voidphone.stage(clients, peers, **keys)


@pytest.mark.parametrize("who", ["client", "neighbour"])
def test_an_announcer_waits_for_those_who_read_slowly_and_nothing_is_lost(who):
    scene, announcer, slow = stage(1, 0) if who == "client" else stage(0, 1)
    total = 1_500  # 12 MB
    announcer.say(*numbered(Announce, total))
    reader = Reader(slow, 2e6)
    assert reader.read(8.0) == list(range(total))
    assert MIB < reader.most < 1.5 * MIB and slow.closed is None


@pytest.mark.parametrize("kind", [Announce, PeerNotification])
def test_a_client_that_never_reads_keeps_nobody_waiting_for_long_and_is_dropped(kind):
    scene, announcer, never, other, peer = stage(2)
    never.stop_reading()
    (announcer if kind is Announce else peer).say(*numbered(kind, 1_500))
    assert numbers(other.hear_all(2.5)) == list(range(1_500))
    assert scene.count("subscriptions") == 1
    assert scene.events("refused:")[0].endswith(":backlog overflow")


def test_a_held_announcer_is_not_blamed_for_its_unfinished_message():
    scene, announcer, slow = stage(1, 0, buffer=4 << 10)
    announcer.say(*numbered(Announce, 20, size=60_000))  # 1.2 MB, of which less may wait
    reader = Reader(slow, 0.04e6)  # it takes a small buffer at a time, so a piece takes 26 seconds
    reader.read(100.0)
    slow.read_on()
    assert numbers(reader.heard + slow.hear_all(5.0)) == list(range(20))
    assert scene.events("refused:") == []


@pytest.mark.parametrize("rate", [1e6, 6e6])
def test_a_client_that_takes_less_than_a_neighbour_brings_is_not_cut_off(rate):
    scene, _, client, peer = stage()
    total = 1_500
    peer.say(*numbered(PeerNotification, total))
    reader = Reader(client, rate)
    assert reader.read(13e6 / rate) == list(range(total))
    assert MIB < reader.most < 3 * MIB and scene.events("refused:") == []


def test_pieces_of_many_neighbours_cut_no_client_off_and_these_are_not_silent_meanwhile():
    scene, _, client, *peers = stage(1, 120, max_connections=200, liveness=1.0)
    for at, peer in enumerate(peers):
        peer.say(*numbered(PeerNotification, 40, first=40 * at))
    reader = Reader(client, 0.5e6)
    reader.read(20.0)
    assert reader.most < 4 * MIB and client.closed is None
    assert len(scene.neighbours()) == 120


def test_a_client_that_reads_very_slowly_stops_neighbours_but_for_a_piece_at_a_time():
    scene, _, client, *peers = stage(1, 4)
    for at, peer in enumerate(peers):
        peer.say(*numbered(PeerNotification, 500, first=500 * at))
    reader = Reader(client, 0.04e6)
    reader.read(5.0)
    before = waiting_for(scene)
    reader.read(12.0)
    assert 0 < waiting_for(scene) - before < 12.0 * 4 * PIECE / WAIT
    assert PIECES * PIECE == MIB // 2 and WAIT == 2.0


def test_a_neighbour_that_never_reads_keeps_an_announcer_waiting_for_two_seconds_in_all():
    scene, announcer, listener, never = stage()
    never.stop_reading()
    announcer.say(*[Announce(0, TYPE + 1, bytes(60_000))] * 100, Announce(0, TYPE, b"soon"))
    assert listener.told(2.5).data == b"soon" and never.closed is None


def test_a_neighbour_that_hardly_reads_keeps_an_announcer_waiting_for_two_seconds_at_a_time():
    scene, announcer, listener, slow = stage(buffer=4 << 10)
    announcer.say(*[Announce(0, TYPE + 1, bytes(60_000))] * 22, Announce(0, TYPE, b"soon"))
    Reader(slow, 0.04e6).read(15.0)  # a small buffer every 1.6 seconds
    assert listener.told(0.1).data == b"soon" and slow.closed is None


def test_much_that_is_validated_at_once_reaches_a_neighbour_that_reads():
    scene, announcer, client, peer = stage(buffer=256 << 10)
    announcer.say(*numbered(Announce, 250, size=60_000))  # 15 MB, more than may wait
    told = client.hear_all(5.0)
    assert 250 * 60_000 > BACKLOG
    client.say(*[Validation(value.id, 1) for value in told])
    assert numbers([value for value in peer.hear_all(5.0)
                    if isinstance(value, PeerNotification)]) == list(range(250))
    assert scene.neighbours() == {str(peer.machine.address)}


def test_an_announcer_waits_for_clients_that_validate_but_are_far_behind(monkeypatch):
    monkeypatch.setattr(news, "WAITING", 400)
    scene, announcer, client = stage(1, 0)
    announcer.say(*[Announce(0, TYPE, b"%d" % number) for number in range(1_000)])
    for number in range(1_000):  # so the oldest of half of 400 waits for two seconds
        told = client.told()
        assert int(told.data) == number
        client.validate(told)
        scene.run(0.01)
    scene.run(0.1)
    assert scene.count(news.CROWDED_OUT) == scene.count(WAITING) == 0


def test_an_announcer_waits_for_nobody_who_validates_another_type_alone(monkeypatch):
    monkeypatch.setattr(news, "WAITING", 400)
    scene, announcer, client = stage(1, 0)
    other, another = scene.client(TYPE + 1), scene.client()
    announcer.say(*numbered(Announce, 1_000, size=1_000))
    for _ in range(50):
        another.announce(bytes(60_000), data_type=TYPE + 1)
        other.validate(other.told())
        scene.run(0.1)
    assert len(client.hear_all(0.1)) == 1_000


def test_clients_that_announce_and_validate_do_not_wait_for_each_other(monkeypatch):
    monkeypatch.setattr(news, "WAITING", 1_500)
    scene, *_ = stage(0, 0)
    both, begun, said = [scene.client(TYPE), scene.client(TYPE)], scene.now, 0
    scene.client().say(*numbered(Announce, 1_500, size=1_000))  # it waits for both
    while said < 600 or scene.count(WAITING):
        for end in both:
            told = end.hear_all(0.001)
            end.say(*numbered(Announce, 20 * (said < 600), first=said),
                    *[Validation(value.id, 1) for value in told])
        said += 20
    assert scene.count(news.CROWDED_OUT) == 0
    assert scene.now < begun + 1.0
