"""Programs that serve the seeds themselves."""

import contextlib
import socket

import grapevine
from tests.tools.programs import free_ports, wait_until


@contextlib.contextmanager
def serving(*ips: str, **settings):
    """Yield programs at these IPs, which are all linked, and each of which serves the seed of its
    IP, if there is one."""
    seed_port, port = free_ports(2)
    seeds = [f"{ip}:{seed_port}" for ip in dict.fromkeys(ips[:3])]
    with contextlib.ExitStack() as stack:
        peers = []
        for number, ip in enumerate(ips):
            own = f"{ip}:{port}" if ip not in ips[:number] else 0
            named = {"host": ip} if own == 0 else {}
            peers.append(grapevine.join(own, seeds=seeds, serve=True, capacity="fixed:4", **named,
                                        **settings))
            stack.callback(peers[-1].close)
        assert all(peer.joined.wait(20) for peer in peers)
        wait_until(lambda: all(len(peer.neighbours) == len(ips) - 1 for peer in peers))
        yield seeds, peers


LOOPBACK = [f"127.0.0.{number}" for number in range(1, 6)]


def served(peer: grapevine.Peer) -> list[str]:
    return peer.status()["serves"]


def test_the_programs_of_three_ips_are_the_seeds_of_all(tmp_path):
    with serving(*LOOPBACK, outputs=tmp_path) as (seeds, peers):
        assert [served(peer) for peer in peers] == [[seed] for seed in seeds] + [[], []]
        assert peers[4].caught_up(20)
        message = peers[4].say("x")
        assert {peer.next(20).number for peer in peers[:4]} == {message.number}
    assert ["settings:seeds=3\n" in file.read_text()
            for file in tmp_path.glob("seed_*.txt")] == [True] * 3


def test_a_killed_program_that_serves_is_told_dead_by_all_and_comes_back_as_a_seed():
    deaths: list[str] = []
    with serving(*LOOPBACK, on_death=deaths.append) as (seeds, peers):
        peers[1].close()
        wait_until(lambda: len(deaths) == 4)
        assert deaths == [peers[1].address] * 4
        with grapevine.join(peers[1].address, seeds=seeds, serve=True) as again:
            assert again.joined.wait(20) and again.caught_up(20)
            assert served(again) == [seeds[1]]
        assert deaths == [peers[1].address] * 4


def test_all_that_serve_killed_at_once_and_started_again_have_what_the_others_have():
    with serving(*LOOPBACK) as (seeds, peers), contextlib.ExitStack() as stack:
        said = [peer.say("before").number for peer in peers[:3]]
        for peer in peers[3:]:
            assert sorted(peer.next(20).number for _ in said) == said
        for peer in peers[:3]:
            peer.close()
        again = [stack.enter_context(grapevine.join(peer.address, seeds=seeds, serve=True))
                 for peer in peers[:3]]
        for peer in again:
            assert peer.joined.wait(20) and peer.caught_up(20)
            assert len([peer.next(0) for _ in said]) == len(said)
        assert [served(peer) for peer in again] == [[seed] for seed in seeds]


def test_the_next_program_on_the_machine_takes_a_seed_over():
    with serving("127.0.0.1", "127.0.0.1") as (seeds, (first, second)):
        assert served(first) == seeds and served(second) == []
        first.leave()
        wait_until(lambda: served(second) == seeds)
        with grapevine.join(seeds=seeds) as newcomer:
            assert newcomer.joined.wait(20)
            wait_until(lambda: newcomer.neighbours == [second.address])


def test_only_an_address_that_it_does_not_serve_is_looked_at(monkeypatch):
    """A look at its own seed would fail, and be told, if no descriptor is left."""
    tried = []

    def try_at(address):
        tried.append(address.port)
        raise grapevine.Refused("no descriptor is left")

    monkeypatch.setattr("grapevine.library.serving.ADDRESS_POLL", 0.02)
    own, others = free_ports(2)
    with socket.create_server(("127.0.0.1", others)), grapevine.join(
            seeds=[f"127.0.0.1:{own}", f"127.0.0.1:{others}"], serve=True) as peer:
        assert served(peer) == [f"127.0.0.1:{own}"]
        monkeypatch.setattr("grapevine.library.serving.world_at", try_at)
        wait_until(lambda: len(tried) >= 3)
        assert set(tried) == {others}
