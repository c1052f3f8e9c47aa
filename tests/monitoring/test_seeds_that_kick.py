"""Seeds that keep and decide together: who tampers is convicted once, and refused by all."""

from tests.tools.files import wait_event
from tests.tools.keepers import PERIOD, Keepers
from tests.tools.monitoring_seeds import monitoring_seeds
from tests.tools.registering import registered
from tests.tools.waiting import wait_until


def written(keepers, start):
    """(when, seed) of the events that begin with this."""
    return [(when, seed) for when, seed, event in keepers.written if event.startswith(start)]


def test_who_tampers_is_convicted_by_one_seed_and_removed_by_all():
    keepers = Keepers(1, 4, peers=8, degree=7)
    tamperer, *honest = [peer.address for peer in keepers.peers]
    keepers.tampering.append(tamperer)
    keepers.run(14 * PERIOD)
    assert len(written(keepers, "verdict:")) == 1 == len(written(keepers, f"verdict:{tamperer}:"))
    assert ({seed for _, seed in written(keepers, f"removed:{tamperer}:malicious:")}
            == set(keepers.addresses))
    assert len(written(keepers, "removed:")) == 4
    keepers.run(2 * PERIOD)
    for seed in keepers.seeds():
        assert not seed.keeping.rows_of(tamperer)
        assert seed.deciding.is_banned(tamperer, seed.now())


def test_a_seed_that_is_killed_and_one_that_is_new_change_no_verdict():
    for number in range(3):
        keepers = Keepers(number, 5, peers=8, degree=7, up=4)
        tamperer = keepers.peers[0].address
        keepers.tampering.append(tamperer)
        keepers.run(5 * PERIOD)
        keepers.kill(keepers.addresses[number % 4], keepers.time.now + 6 * PERIOD)
        keepers.run(PERIOD)
        keepers.start(keepers.addresses[4], 0)
        keepers.run(20 * PERIOD)
        assert {seed for _, seed in written(keepers, f"removed:{tamperer}:malicious:")} == set(
            keepers.addresses)
        assert len(written(keepers, "verdict:")) == len(written(keepers, f"verdict:{tamperer}:"))


def test_a_peer_that_one_seed_has_kicked_is_told_and_refused_by_all(net):
    seeds = monitoring_seeds(net, 3)
    (peer, end), (other, other_end) = registered(net, seeds[0]), registered(net, seeds[1])
    guilt = type("Guilt", (), {"badness": 0.75, "rates": {other.address: 0.75}})
    seeds[2].deciding._convict(peer.address, guilt, seeds[2].now())
    for heard in (end, other_end):
        assert heard.hear_until("kick:").startswith(f"kick:{peer.address}:0.750")
    assert end.hear_end()
    wait_event(seeds[2], f"verdict:{peer.address}:0.750:{other.address.listed}=0.750")
    for seed in seeds:
        wait_event(seed, f"removed:{peer.address}:malicious:0.750")
        again = net.dial(seed)
        again.say(f"register:{peer.address}")
        assert again.hear().startswith("registration refused:kicked as malicious, again in ")


def test_a_seed_that_starts_anew_is_told_who_is_banned_and_tells_who_registers(net):
    seeds = monitoring_seeds(net, 2)
    peer, _ = registered(net, seeds[0])
    guilt = type("Guilt", (), {"badness": 0.75, "rates": {}})
    seeds[0].deciding._convict(peer.address, guilt, seeds[0].now())
    net.end(seeds[1])
    seeds[1] = net.seed(seeds[1].address, monitor=True, report_interval=0.25)
    wait_until(lambda: seeds[1].deciding.is_banned(peer.address, seeds[1].now()))
    _, end = registered(net, seeds[1])
    assert end.hear_until("kick:").startswith(f"kick:{peer.address}:0.750:")
