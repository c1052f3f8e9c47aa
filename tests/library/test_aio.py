"""The library for asyncio."""

import asyncio
import contextlib
import threading

import pytest

import gossip
from tests.tools.ports import free_address
from tests.tools.waiting import wait_until


@pytest.fixture
def net():
    before = set(threading.enumerate())
    with gossip.network(2) as running:
        yield running
    wait_until(lambda: {thread for thread in threading.enumerate()
                        if not thread.name.startswith("asyncio")} <= before)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def join(net, **arguments):
    return gossip.aio.join(seeds=net.seeds.addresses, **arguments)


def test_saying_and_iterating(net):
    async def talk():
        async with join(net) as peer:
            assert await peer.joined(30)
            net[0].say("hello")
            async for message in peer:
                assert message.text == "hello"
                break
            said = await peer.say("answer")
            await peer.say_bytes(b"\xff")
            return said

    said = run(talk())
    heard = [net[1].next(30) for _ in range(3)]
    assert sorted(message.text for message in heard) == sorted(["hello", "answer", "base64:/w=="])
    assert said.origin == heard[-1].origin


def test_next_has_a_timeout_and_ends_with_the_peer(net):
    async def wait():
        peer = await join(net)
        with pytest.raises(TimeoutError):
            await peer.next(0.05)
        waiter = asyncio.create_task(peer.next())
        await asyncio.sleep(0)
        await peer.close()
        with pytest.raises(EOFError):
            await waiter
        assert [message async for message in peer] == []
        with pytest.raises(gossip.Refused):
            await peer.say("late")

    run(wait())


def test_a_thousand_messages_come_while_the_loop_does_other_things(net):
    async def hear():
        beats = 0
        async with join(net) as peer:
            async def beat():
                nonlocal beats
                while True:
                    beats += 1
                    await asyncio.sleep(0.001)

            beating = asyncio.create_task(beat())
            for number in range(1_000):
                net[0].say(str(number))
            heard = [(await peer.next(30)).number for _ in range(1_000)]
            beating.cancel()
        return heard, beats

    heard, beats = run(hear())
    assert sorted(heard) == list(range(1, 1_001)) and beats > 0


def test_a_peer_may_outlive_its_loop(net):
    peers = []

    async def start():
        peers.append(await join(net))

    run(start())
    net[0].say("nobody listens")
    wait_until(lambda: peers[0].status()["messages not taken yet"] == 1)
    peers[0]._peer.close()


def test_a_join_that_ends_with_its_loop_leaves_no_peer(net, monkeypatch):
    address, cancelled = str(free_address()), threading.Event()

    def join_later(*arguments, **named):  # else it may be done before the loop ends
        assert cancelled.wait(60)
        return gossip.join(*arguments, **named)

    async def begin():
        task = asyncio.ensure_future(gossip.aio.join(address, seeds=net.seeds)._join())
        task.add_done_callback(lambda _: cancelled.set())
        await asyncio.sleep(0)

    monkeypatch.setattr(gossip.aio, "join_blocking", join_later)
    run(begin())

    def is_free():
        with contextlib.suppress(gossip.PortInUse), gossip.join(address, seeds=net.seeds):
            return True
    wait_until(is_free)
