"""Names of seeds: looked up at each dial, by a resolver that the test has in its hands."""

import json
import socket
import threading

import pytest

from gossip import wire
from gossip.addresses import Name, address_of
from gossip.lab.experiments.status import status_command
from gossip.net.names import KEPT, Names
from gossip.node.whereabouts import Whereabouts
from gossip.programs import starting
from gossip.programs.json_console import JsonScreen
from gossip.programs.starting import host_of, known_to, local_seeds, node_at
from gossip.terminal.command_line import AUTO, CommandError
from tests.tools.fakes import peer as at, run_late
from tests.tools.files import count, events, wait_event
from tests.tools.programs import write_config
from tests.tools.waiting import wait_until

HERE, THERE, LOOPBACK = "10.0.0.1", "10.0.0.2", "127.0.0.1"


class Resolver:
    """Where names lead; None: a lookup hangs until the end of the test."""

    def __init__(self):
        self.ips: dict[str, list[str] | None] = {}
        self.asked = []
        self.takes = 0.0  # seconds for a lookup
        self.over = threading.Event()
        self._usual = socket.getaddrinfo  # for the test itself, which has IPs

    def look_up(self, host, *how, **named):
        if not isinstance(host, bytes):
            return self._usual(host, *how, **named)
        self.asked.append(host.decode())
        ips = self.ips.get(host.decode(), ())
        if ips is None or self.takes:
            self.over.wait(self.takes or 30)
        if not ips:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in ips]


@pytest.fixture
def resolver(monkeypatch):
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver.look_up)
    yield resolver
    resolver.over.set()


def named(net, *names):
    """From now on nodes know the seeds of a network by these names."""
    net.seed_addresses = [Name(name, address.port)
                          for name, address in zip(names, net.seed_addresses)]


def test_a_resolver_that_hangs_delays_one_seed_and_no_end(net, resolver):
    seeds = net.seeds(2)  # a peer needs both
    named(net, "a", "b")
    resolver.ips = {"a": None, "b": [LOOPBACK]}
    peer = net.peer()
    wait_event(peer, f"registered:{seeds[1].address}")
    wait_event(peer, f"unregistered:{net.seed_addresses[0]}:no answer about its name yet")
    peer.quit()
    peer.world.await_end(60)
    assert not resolver.over.is_set() and "stopped:quit" in events(peer)


def test_names_are_looked_up_anew_and_what_they_lead_to_is_written_when_it_changes(net, resolver):
    seed, = net.seeds(1)
    address = seed.address
    named(net, "a")
    peer = net.peer(sign=True)
    wait_event(peer, f"unregistered:a:{address.port}:no such name")
    resolver.ips["a"] = ["::1", "127.0.0.2", LOOPBACK, "10.1.1.1"]
    wait_event(peer, f"registered:{address}")
    said = events(peer)
    at_first = said.index(f"seed:a:{address.port}={address}")
    assert said[at_first + 1] == (
        f"ambiguous:a:{address.port}:2 addresses, of which the lowest is the seed")
    resolver.ips["a"] = ["127.0.0.2"]
    assert [link.peer for link in peer.joining.links()] == [address]  # it stands
    net.end(seed)
    net.seed(address_of("127.0.0.2", address.port))
    wait_event(peer, f"registered:127.0.0.2:{address.port}")
    assert count(peer, "seed:a") == 2 and count(peer, "ambiguous") == 1


def test_lines_that_lead_to_one_seed_are_one_registration(net, resolver):
    seed, = net.seeds(1)
    names = [Name(name, seed.address.port) for name in "abc"]
    net.seed_addresses, resolver.ips = names, {name.host: [LOOPBACK] for name in names}
    peer = net.peer(retry_first=0.05, retry_last=0.1)
    same = wait_event(peer, "unregistered:")
    wait_event(peer, f"registered:{seed.address}")
    line = f":{seed.address.port}"
    assert same in {f"unregistered:{one}{line}:leads to {seed.address}, as {other}{line} does"
                    for one in "abc" for other in "abc" if one != other}
    wait_until(lambda: len(resolver.asked) > 12, what="further dials")
    assert len(peer.joining.links()) == 1
    assert count(peer, same) == 1


def test_a_seed_believes_another_that_it_knows_by_name(net, resolver):
    """It looks the name up when a report comes, and to tell others of deaths."""
    first, second = net.seeds(2)
    resolver.ips = {"a": [LOOPBACK], "b": [LOOPBACK]}
    for seed, name in ((first, "b"), (second, "a")):
        net.end(seed)
    net.seed_addresses = [first.address, Name("b", second.address.port)]
    one = net.seed(first.address)
    net.seed_addresses = [Name("a", first.address.port), second.address]
    two = net.seed(second.address)
    assert one.settings_shown() == two.settings_shown() == "seeds=2"
    net.seed_addresses = [first.address, second.address]
    peer, dead = net.peer(), net.fake()
    ends = []
    for seed in (one, two):
        run_late(seed, 0.0)  # else it may be too busy to find out, and nobody asks it again
        ends.append(net.dial(seed))
        ends[-1].say(f"register:{dead.address}")
        ends[-1].hear_until("registered")
        wait_until(lambda seed=seed: seed.registry.row(peer.address) is not None)
    dead.close()
    report = wire.DeadNode(dead.address, "1.000000", peer.address)
    peer.joining.report(report)
    for seed in (one, two):
        wait_event(seed, f"passed on:{report.line}")
    stranger = net.dial(one, "127.0.0.3")
    stranger.say(report._replace(time="2.000000").line)
    wait_event(one, "rejected:")
    rejected, = [event for event in events(one) if event.startswith("rejected:")]
    assert "neither a registered peer nor" in rejected
    asked = len(resolver.asked)
    resolver.ips["b"] = ["127.0.0.3"]
    one._looked_at = -60.0  # a second later
    stranger.say(report._replace(time="3.000000").line)
    wait_event(one, "seed:b:" + f"{second.address.port}=127.0.0.3")
    assert len(resolver.asked) > asked


def test_status_tells_where_names_lead(net, resolver, tmp_path, capfd):
    seed, = net.seeds(1)
    port = seed.address.port
    config = write_config(tmp_path, [f"a:{port}", f"b:{port}", f"c:{port}"])
    resolver.ips = {"a": [LOOPBACK], "c": None}
    flags = ["--config", str(config)]
    assert status_command([f"A:{port}", *flags]) == 0 and status_command(flags) == 1
    assert capfd.readouterr().out.splitlines() == [
        f"seed a:{port} ({seed.address}) 0 peers"] * 2 + [
        f"seed b:{port} down: no such name",
        f"seed c:{port} down: no answer about its name yet"]


def test_events_as_json_call_a_seed_a_seed_that_is_known_by_name():
    screen = JsonScreen([Name("a", 80)])
    said = screen._raw("", ["seed:a:80=10.0.0.1:80", "registered:10.0.0.1:80"], None)
    screen.close()
    assert [json.loads(line) for line in said.splitlines()] == [
        {"event": "seed", "detail": "a:80=10.0.0.1:80"},
        {"event": "registered", "seed": "10.0.0.1:80"}, {"event": "joined", "seeds": 1}]


def find(names, name, limit):
    found = names.find_all([name], limit)[name]
    if isinstance(found, OSError):
        raise found
    return found


def test_a_result_that_comes_late_is_kept_for_the_next_who_asks(resolver, monkeypatch):
    names, name = Names(), Name("a", 1)
    resolver.ips["a"] = None
    with pytest.raises(OSError, match="no answer about its name yet"):
        find(names, name, 0.05)
    resolver.ips["a"] = [THERE, HERE]
    assert names.find_all([name, Name("b", 1), at(5)], 0.05)[at(5)] == [at(5)]
    assert resolver.asked == ["a", "b"]  # the same lookup is waited for again
    resolver.over.set()
    with pytest.raises(OSError, match="^no such name$"):
        find(names, name, 30)
    resolver.ips["a"] += ["0.0.0.0", "224.0.0.1", "fe80::1%eth0"]  # nobody can dial these
    assert find(names, name, 30) == [address_of(HERE, 1), address_of(THERE, 1)]
    assert resolver.asked == ["a", "b", "a"]
    names.stop()
    resolver.over.clear()
    resolver.ips["a"] = None
    with pytest.raises(OSError):
        find(names, name, 60)  # nobody waits once it is stopped
    assert KEPT < 60


@pytest.mark.parametrize("own, found, why", [
    (LOOPBACK, [HERE], "10.0.0.1 cannot be reached from 127.0.0.1"),
    (HERE, ["127.0.1.1"], "127.0.1.1 is another machine on every machine"),
    (HERE, ["fe80::1"], "fe80::1 cannot be reached from an address like 10.0.0.1"),
    (HERE, [HERE], "10.0.0.1:1 is this node itself")])
def test_an_address_that_cannot_be_dialled_is_told_by_its_reason(own, found, why):
    written = []
    places = Whereabouts([Name("a", 1)], address_of(own, 1), lambda *lines: written.extend(lines))
    with pytest.raises(OSError) as error:
        places.choose(Name("a", 1), [address_of(ip, 1) for ip in found])
    assert (str(error.value), written, places.ips) == (why, [], set())
    places.update({Name("a", 1): [address_of("10.0.0.9", 1)], Name("b", 1): OSError("none")})
    assert places.ips == ({"10.0.0.9"} if own == HERE else set())


def test_a_seed_listens_where_its_name_leads_on_this_machine(resolver):
    resolver.ips = {"a": ["10.99.0.1", "127.0.0.3", "127.0.0.2"], "b": [LOOPBACK], "c": [THERE]}
    a, b, c, d = (Name(name, 7_000) for name in "abcd")
    assert local_seeds([a, c, d]) == [address_of("127.0.0.2", 7_000)]
    assert node_at(7_000, [b, Name("b", 7_001)]) == address_of(LOOPBACK, 7_000)
    with pytest.raises(CommandError, match="no seed of the config is an address of this machine"):
        local_seeds([c, d])
    own = address_of(LOOPBACK, 7_000)
    assert known_to(own, [b, Name("b", 7_001), d], False) == [own, Name("b", 7_001), d]
    with pytest.raises(CommandError, match="^b:7000: 127.0.0.1:7000 is another seed on every"):
        known_to(own, [b, c, d], False)
    with pytest.raises(CommandError, match="--monitor config.txt has to give the IP .* of d:7000$"):
        known_to(own, [b, d], True)
    assert known_to(own, [at(1), d], False) == [at(1), d]


def test_a_slow_resolver_is_waited_for_where_nothing_can_go_on_without_it(resolver, monkeypatch):
    for limit in ("LOOK", "LIMIT"):
        monkeypatch.setattr(starting, limit, 0.01)
    resolver.ips, resolver.takes = {"a": [LOOPBACK]}, 0.2
    name, own = Name("a", 7_000), address_of(LOOPBACK, 7_000)
    assert local_seeds([name]) == [starting.own_address(name, 0.0)] == [own]
    assert host_of(AUTO, [name], 0.0) == LOOPBACK
    assert known_to(own, [name, at(1)], False) == [own, at(1)]


def test_the_host_of_a_peer_follows_from_names_or_is_one(resolver, monkeypatch):
    monkeypatch.setattr(starting, "LOOK", 0.01)
    monkeypatch.setattr(starting, "SLOW", 0.02)
    resolver.ips = {"a": ["127.0.0.2"], "b": [LOOPBACK], "c": None}
    a, b, c, d = (Name(name, 7_000) for name in "abcd")
    assert host_of(AUTO, [a, b], 0.0) == LOOPBACK
    assert host_of("a", [at(1)], 0.0) == "127.0.0.2"
    for others in ([b, c], [b, d]):  # the others may be elsewhere
        with pytest.raises(CommandError, match="no way to any seed"):
            host_of(AUTO, others, 0.0)
    with pytest.raises(CommandError, match="^d is not an address of this machine$"):
        host_of("d", [at(1)], 0.0)


def test_a_seed_by_name_is_waited_for_and_then_missing(resolver, monkeypatch, capfd):
    monkeypatch.setattr(starting, "LOOK", 0.01)
    name, told = Name("a", 7_000), "a is not an address of this machine"
    with pytest.raises(CommandError, match=f"^{told}$"):
        starting.own_address(name, 0.1)
    there = threading.Timer(0.1, resolver.ips.update, [{"a": [LOOPBACK]}])
    there.start()
    assert starting.own_address(name, 60.0) == address_of(LOOPBACK, 7_000)
    there.join()
    assert capfd.readouterr().err == f"{told} yet; trying for 0.1 s\n{told} yet; trying for 60 s\n"
    nowhere = address_of("10.99.0.1", 7_000)
    assert starting.own_address(nowhere, 0.0) == nowhere  # who listens there says why not
