"""The library for asyncio."""

import asyncio
import concurrent.futures
import contextlib
import threading
import time

import pytest

import grapevine
from tests.library.tools import free_address, wait_until_free
from tests.tools.programs import wait_until


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def join(net, **arguments):
    return grapevine.aio.join(seeds=net.seeds.addresses, **arguments)


def test_saying_and_iterating(net):
    async def talk():
        async with join(net) as peer:
            assert await peer.joined(30) and await peer.caught_up(30)
            net[0].say("hello")
            async for message in peer:
                assert message.text == "hello"
                break
            said = await peer.say("answer")
            await peer.say_bytes(b"\xff")
            with pytest.raises(ValueError):
                await peer.say("two\nlines")
            return said

    said = run(talk())
    heard = [net[1].next(30) for _ in range(3)]
    assert sorted(message.text for message in heard) == sorted(["hello", "answer", "base64:/w=="])
    assert said in [message._replace(came_from=said.origin) for message in heard]


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
        with pytest.raises(grapevine.Refused):
            await peer.say("late")

    run(wait())


def test_thousands_of_messages_come_and_are_said_while_the_loop_does_other_things(net):
    async def hear():
        beats = 0
        async with join(net) as peer:
            async def beat():
                nonlocal beats
                while True:
                    beats += 1
                    await asyncio.sleep(0.001)

            beating = asyncio.create_task(beat())
            for number in range(3_000):
                net[0].say(str(number))
                await peer.say(f"mine {number}")
            heard = [(await peer.next(30)).number for _ in range(3_000)]
            beating.cancel()
        return heard, beats

    heard, beats = run(hear())
    assert sorted(heard) == list(range(1, 3_001)) and beats > 0
    assert len([message for message in (net[1].next(30) for _ in range(6_000))
                if message.text.startswith("mine")]) == 3_000


def test_a_peer_may_outlive_its_loop(net):
    peer = run(join(net))
    net[0].say("nobody listens")
    wait_until(lambda: peer.status()["messages not taken yet"] == 1)
    run(peer.close())


def test_a_join_that_ends_with_its_loop_leaves_no_peer(net, monkeypatch):
    address, cancelled = free_address(), threading.Event()

    def join_later(*arguments, **named):  # else it may be done before the loop ends
        assert cancelled.wait(60)
        return grapevine.join(*arguments, **named)

    async def begin():
        task = asyncio.ensure_future(grapevine.aio.join(address, seeds=net.seeds))
        task.add_done_callback(lambda _: cancelled.set())
        await asyncio.sleep(0)

    monkeypatch.setattr(grapevine.aio, "join_blocking", join_later)
    run(begin())
    wait_until_free(address)


def test_a_join_whose_loop_is_closed_meanwhile_leaves_no_peer(net, monkeypatch):
    address, closed = free_address(), threading.Event()

    def join_later(*arguments, **named):
        assert closed.wait(60)
        return grapevine.join(*arguments, **named)

    monkeypatch.setattr(grapevine.aio, "join_blocking", join_later)
    loop = asyncio.new_event_loop()
    with pytest.raises(asyncio.TimeoutError):
        loop.run_until_complete(asyncio.wait_for(join(net, port=address), 0.01))
    loop.close()
    closed.set()  # the fixture `nothing_left` sees what is left


def test_what_is_there_is_taken_without_waiting_and_waits_can_be_cancelled(net):
    async def use():
        async with grapevine.aio.join(seeds=net.seeds) as peer:
            net[0].say("x")
            until = time.monotonic() + 30
            while time.monotonic() < until:
                with contextlib.suppress(TimeoutError):
                    assert (await peer.next(0)).text == "x"
                    break
                await asyncio.sleep(0.01)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(peer.next(), 0.05)
            nobody = await grapevine.aio.join(seeds=[free_address()])
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(nobody.joined(), 0.05)
            assert not await nobody.joined(0.05) and not await nobody.caught_up(0.05)
            for use in nobody.joined, nobody.caught_up, nobody.next:
                with pytest.raises(TypeError, match="a number of seconds, or None, not '1'"):
                    await use("1")
            await nobody.close()

    run(use())


def test_a_task_that_is_cancelled_as_its_message_comes_ends_and_the_message_stays(net):
    async def cancel_after(pauses: int):
        async with grapevine.aio.join(seeds=net.seeds, since="now") as peer:
            waiting = asyncio.create_task(peer.next(30))
            await asyncio.sleep(0.1)
            net[0].say("x")
            wait_until(lambda: peer.status()["messages not taken yet"] == 1)
            for _ in range(pauses):
                await asyncio.sleep(0)
            if waiting.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                assert (await peer.next(30)).text == "x"
            else:
                assert waiting.result().text == "x"

    for pauses in range(5):
        run(cancel_after(pauses))


def test_messages_are_taken_in_the_loop_of_the_join_and_another_one_is_told_so(net):
    peer = run(join(net))
    with pytest.raises(RuntimeError, match="in the event loop in which the peer joined"):
        run(peer.next(5))
    run(peer.close())


@pytest.mark.parametrize("end", ["leave", "close"])
def test_an_end_that_is_cancelled_while_all_threads_are_busy_comes_nevertheless(net, end):
    address, is_free = free_address(), threading.Event()

    async def use():
        peer = await grapevine.aio.join(address, seeds=net.seeds)
        asyncio.get_running_loop().set_default_executor(
            concurrent.futures.ThreadPoolExecutor(1, "asyncio"))
        busy = asyncio.create_task(asyncio.to_thread(is_free.wait))
        await asyncio.sleep(0)
        ending = asyncio.create_task(getattr(peer, end)())
        await asyncio.sleep(0)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        is_free.set()
        await busy

    run(use())
    wait_until_free(address)
