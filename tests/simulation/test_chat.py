"""Lines of chat servers, with lost datagrams, frozen and killed servers."""

import random

import pytest

from tests.tools.chat import Line, Server


def same_logs(servers: list[Server], seconds: float) -> bool:
    """Let time pass until all have the same texts; return whether it is in time."""
    return servers[0].pass_until(
        lambda: len({server.node.messages.digest() for server in servers}) == 1, seconds)


def test_without_anti_entropy_ten_thousand_texts_at_once_arrive():
    line = Line(2)
    server, other = line.start_all(antientropy_interval=0.0)
    server.proxy().say(*[f"msg 1 {number}" for number in range(10_000)])
    line.run(2.0)
    assert other.log() == [str(number) for number in range(10_000)]


def test_servers_that_differ_for_good_are_in_no_haste():
    line = Line(2)
    one = line.start(0, cache_size=1)
    texts = ["x" * 50_000 + str(number) for number in range(3)]
    one.node.messages.dropped.clear()
    one.proxy().say(*[f"msg 1 {text}" for text in texts])
    line.run(0.5)
    other = line.start(1, cache_size=1)
    line.run(5.0)
    made = line.net.made
    line.run(5.0)
    assert line.net.made - made < 200, (one.node.messages.digest(), other.node.messages.digest())


@pytest.mark.parametrize("chance", range(8))
def test_with_loss_freezes_and_kills_all_logs_agree_in_the_end(chance):
    rng = random.Random(chance)
    line = Line(rng.randint(2, 6), rng.choice([0.0, 0.05, 0.3]), chance,
                rng.choice([(0.0002, 0.001), (0.005, 0.02)]))
    servers = line.start_all()
    kept = set()
    for number in range(rng.randint(10, 30)):
        line.run(rng.uniform(0.1, 1.5))
        own_id = rng.choice(line.ids)
        server, kind = line.servers[own_id], rng.choice(["say", "say", "say", "freeze", "kill"])
        if server.world.is_frozen:
            continue
        if kind == "say":
            texts = [f"{number}/{own_id}/{count}" for count in range(rng.choice([1, 5, 400]))]
            server.proxy().say(*[f"msg 1 {text}" for text in texts])
            kept.update(texts)
        elif kind == "freeze":
            server.freeze(rng.uniform(0.2, 6.0))
        else:
            server.world.kill()
            kept = {text for text in kept if text.split("/")[1] != str(own_id)}
            line.start(own_id)
    line.run(10.0)
    servers = list(line.servers.values())
    assert same_logs(servers, 50.0)
    logs = [server.log() for server in servers]
    assert kept <= set(logs[0]) and all(len(set(log)) == len(log) for log in logs)
    assert not [event for server in servers for event in server.events("refused:")]
    for server in servers:
        server.world.do("life line", server.node.leave)
    line.run(8.0)
    assert all(server.events()[-1] == "stopped:quit" for server in servers)
