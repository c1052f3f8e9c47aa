"""Links between seeds: who says that it is a seed is asked, by dialling it, before it is heard."""

import pytest

from gossip.addresses import address_of
from gossip.monitoring import other_seeds
from gossip.monitoring.other_seeds import SPEAKER
from tests.tools.files import count, events, wait_event
from tests.tools.keepers import PERIOD as VIRTUAL_PERIOD
from tests.tools.keepers import Keepers
from tests.tools.monitoring_seeds import (
    PERIOD, FakeSeed, agree, beside, entries, held, listens, monitoring_seeds)
from tests.tools.ports import free_address
from tests.tools.registering import registered
from tests.tools.waiting import wait_until

NONCE = "0123456789abcdef" * 2
ROWS = f"rows:0.000:about:127.0.0.2:6000:7:1:{entries([1])}"
SAID_BY_SEEDS = [
    ROWS, ROWS.replace("rows", "part"), "load:5:", "verdicts:0:||",
    "tree:99:127.0.0.1:1:127.0.0.1#1=000000000000000000000000",
    "kick:127.0.0.1:6000:0.900:600.000"]


def hello(address, seed, nonce=NONCE):
    """What another seed says first."""
    return f"seed:{address}:to {seed.address}:{nonce}"


@pytest.fixture
def fake_seed(net):
    seed = FakeSeed(free_address())
    net.ends.append(seed)
    return seed


def introduced(net, seed, fake_seed):
    """A connection on which the fake seed has proved that it is one."""
    end = net.dial(seed)
    fake_seed.said.append(NONCE)
    end.say(hello(fake_seed.address, seed))
    assert end.hear() == f"seed checked:{NONCE}"
    return end


def test_a_seed_that_has_said_the_nonce_is_heard(net, fake_seed):
    seed = beside(net, fake_seed.address)
    end = introduced(net, seed, fake_seed)
    end.say(ROWS)
    wait_until(lambda: held(seed) == 1)


@pytest.mark.parametrize("line", SAID_BY_SEEDS)
def test_a_stranger_that_says_what_seeds_say_is_cut_off(net, fake_seed, line):
    seed = beside(net, fake_seed.address)
    tree = seed.keeping.tree
    end = net.dial(seed)
    end.say(line)
    assert end.hear() is None
    assert wait_event(seed, "refused:").endswith("is not expected from one who is waiting")
    assert held(seed) == 0 and seed.keeping.tree.version == tree.version


@pytest.mark.parametrize("line", SAID_BY_SEEDS)
def test_who_has_not_proved_that_it_is_a_seed_may_say_nothing(net, fake_seed, line):
    seed = beside(net, fake_seed.address)
    end = net.dial(seed)
    end.say(hello(fake_seed.address, seed), line)
    assert end.hear() is None
    assert "is not expected from one who is a seed that has not" in wait_event(seed, "refused:")
    assert held(seed) == 0 and fake_seed.address not in seed.keeping.tree


def test_who_says_a_nonce_that_the_seed_has_not_said_is_cut_off(net, fake_seed):
    seed = beside(net, fake_seed.address, introduction_limit=0.2)  # less than the check takes
    end = net.dial(seed)
    end.say(hello(fake_seed.address, seed))
    assert end.hear() is None
    assert fake_seed.asked == [NONCE]
    wait_until(lambda: any(event.endswith(f"{fake_seed.address} has not said that it dialled")
                           for event in events(seed)))


def test_who_answers_with_another_nonce_is_not_believed(net, fake_seed):
    seed = beside(net, fake_seed.address)
    fake_seed.reply = lambda line: f"seed checked:{'f' * 32}\n" if "check" in line else ""
    end = net.dial(seed)
    end.say(hello(fake_seed.address, seed))
    assert end.hear() is None


def test_who_is_no_seed_of_the_network_or_has_another_ip_is_not_even_asked(net, fake_seed):
    seed = beside(net, fake_seed.address)
    for address, ip in ((fake_seed.address, "127.0.0.9"), (free_address(), "127.0.0.1"),
                        (seed.address, "127.0.0.1")):
        end = net.dial(seed, ip)
        end.say(hello(address, seed))
        assert end.hear() is None
    assert fake_seed.asked == []


def test_a_flood_of_one_who_has_not_proved_it_ends_its_connection_alone(net, fake_seed):
    one, other = monitoring_seeds(net, 2)
    end = net.dial(one)
    end.say(hello(other.address, one))
    try:
        for _ in range(1_000):
            end.send(f"{ROWS}\n".encode() * 1_000)
    except OSError:
        pass  # it was cut off while it spoke
    assert end.hear_end()
    assert held(one, other) == 0 and listens(one, other) and listens(other, one)


def test_many_who_say_that_they_are_a_seed_do_not_keep_the_true_one_out(net, fake_seed):
    seed = beside(net, fake_seed.address)
    strangers = [net.dial(seed) for _ in range(40)]
    for number, end in enumerate(strangers):
        end.say(hello(fake_seed.address, seed, f"{number:032x}"))
    introduced(net, seed, fake_seed)
    assert all(end.hear() is None for end in strangers)


def test_a_seed_is_not_asked_by_any_number_of_links_at_once(net, fake_seed, monkeypatch):
    monkeypatch.setattr(other_seeds, "CHECKS_AT_ONCE", 3)
    seed = beside(net, fake_seed.address)
    ends = [net.dial(seed) for _ in range(5)]
    for number, end in enumerate(ends):
        end.say(hello(fake_seed.address, seed, f"{number:032x}"))
        wait_until(lambda: len(fake_seed.asked) == min(3, number + 1))
    assert all(end.hear() is None for end in ends[3:])
    assert len(fake_seed.asked) == 3


def test_a_seed_says_yes_to_its_own_nonces_alone(net, fake_seed):
    seed = beside(net, fake_seed.address)
    wait_until(lambda: fake_seed.hellos)
    nonce = fake_seed.hellos[-1].rpartition(":")[2]
    end = net.dial(seed)
    end.say(f"seed check:{fake_seed.address}:{nonce}")
    assert end.hear() == f"seed checked:{nonce}"
    end.say(f"seed check:{fake_seed.address}:{NONCE}")
    assert end.hear() is None


def test_a_seed_says_yes_only_to_the_seed_to_which_it_has_said_a_nonce(net, fake_seed):
    other = FakeSeed(free_address())
    net.ends.append(other)
    net.seed_addresses = sorted([fake_seed.address, other.address, own := free_address()])
    seed = net.seed(own, monitor=True, report_interval=PERIOD)
    wait_until(lambda: fake_seed.hellos and other.hellos)
    nonce = fake_seed.hellos[-1].rpartition(":")[2]
    for asker in (other.address, free_address()):
        end = net.dial(seed)
        end.say(f"seed check:{asker}:{nonce}")
        assert end.hear() is None


def test_what_was_said_to_another_seed_is_not_even_asked_about(net, fake_seed):
    seed = beside(net, fake_seed.address)
    fake_seed.said.append(NONCE)
    end = net.dial(seed)
    end.say(f"seed:{fake_seed.address}:to {free_address()}:{NONCE}")
    assert end.hear() is None
    assert fake_seed.asked == []


def test_a_seed_that_is_heard_on_a_new_link_is_heard_on_that_one_alone(net, fake_seed):
    seed = beside(net, fake_seed.address)
    older = introduced(net, seed, fake_seed)
    introduced(net, seed, fake_seed).say(ROWS)
    assert older.hear() is None
    wait_until(lambda: held(seed) == 1)


def test_a_broken_line_of_a_seed_ends_its_link(net, fake_seed):
    seed = beside(net, fake_seed.address)
    for line in (ROWS.replace("10,1", "10,11"), f"tree:5:{fake_seed.address}:127.0.0.1#1="
                 + "0" * 24, "load:-1:", "kick:127.0.0.1:6000:0.900"):
        end = introduced(net, seed, fake_seed)
        end.say(line)
        assert end.hear() is None
    assert held(seed) == 0


def test_a_seed_that_accepts_and_never_asks_is_dialled_again(net, fake_seed):
    beside(net, fake_seed.address, introduction_limit=0.2)
    wait_until(lambda: len(fake_seed.hellos) >= 3)
    assert len(set(fake_seed.hellos)) == len(fake_seed.hellos), "a nonce was said twice"


def test_a_link_to_a_seed_that_has_gone_silent_is_given_up():
    keepers = Keepers(1, 2)
    keepers.run(5 * VIRTUAL_PERIOD)
    one, other = keepers.seeds()
    assert listens(one, other)
    keepers.network.freeze(other.address)
    keepers.run(6 * VIRTUAL_PERIOD)
    assert not listens(one, other) and not one.keeping.tending.is_living(other.address, one.now())
    keepers.network.thaw(other.address)
    keepers.run(6 * VIRTUAL_PERIOD)
    assert listens(one, other) and one.keeping.tending.is_living(other.address, one.now())


def test_a_link_that_breaks_is_dialled_again(net):
    one, other = monitoring_seeds(net, 2)
    for link in other.links():
        if link.role == SPEAKER:
            link.close("broken by the test")
    wait_until(lambda: not listens(one, other))
    wait_until(lambda: listens(one, other))
    assert agree([one, other])


def test_a_seed_that_reads_late_is_told_more_than_a_peer_would_be(net):
    """All rows of a table may be said to it, and the link would have to say them again."""
    net.seed_addresses = [free_address(), free_address()]
    one, other = (net.seed(address, monitor=True, report_interval=PERIOD, backlog_limit=10_000)
                  for address in net.seed_addresses)
    wait_until(lambda: listens(one, other))
    lines = b"%s\n" % ROWS.encode() * 10_000
    with other.turn:  # so that it reads nothing
        for _ in range(16 * 1024 * 1024 // len(lines)):
            one.seed_links.to_all(lines)
        assert not one.seed_links._ways[other.address].link.ended


def test_a_seed_that_starts_anew_is_told_the_tree_and_its_rows(net):
    seeds = monitoring_seeds(net, 3)
    peer, end = registered(net, seeds[0])
    end.say(f"report:7:1:{entries(range(60))}")
    wait_until(lambda: held(*seeds) == 120)
    net.end(seeds[1])
    seeds[1] = net.seed(seeds[1].address, monitor=True, report_interval=0.25)
    wait_until(lambda: agree(seeds) and held(*seeds) == 120, what="all rows at their places")
    assert held(seeds[1])


def test_without_monitoring_a_seed_takes_nothing_of_it(net):
    net.seed_addresses = [free_address(), free_address()]
    seed = net.seed(net.seed_addresses[0])
    one, other = net.seed_addresses[:2]
    for line in (f"seed:{other}:to {one}:{NONCE}", f"seed check:{other}:{NONCE}", "ask tree"):
        end = net.dial(seed)
        end.say(line)
        assert end.hear() is None
    _, end = registered(net, seed)
    end.say(f"report:7:1:{entries([1])}", "peer list")
    assert end.hear() == "peer list:"
    assert seed.status()["reports that do not count"] == 1 and count(seed, "report:") == 0


def test_a_registered_peer_says_nothing_that_seeds_say(net):
    seed, = monitoring_seeds(net, 1)
    for line in SAID_BY_SEEDS:
        _, end = registered(net, seed)
        end.say(line)
        assert end.hear() is None
    assert held(seed) == 0 and not seed.deciding.is_banned(
        address_of("127.0.0.1", 6000), seed.now())
