"""The library for asyncio, as in `async with grapevine.aio.join(5001) as peer`.

Joining and leaving run in threads of the event loop's executor; no thread waits for messages, for
seeds, or until something is said.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from grapevine.library.messages import BYTES, Message, seconds_of
from grapevine.library.node import WAIT_POLL
from grapevine.library.peer import FULL_LOOK, Joined, Peer as BlockingPeer, join as join_blocking

AT_ONCE = 100  # messages taken, or said, before other tasks run


class Peer(Joined, contextlib.AbstractAsyncContextManager["Peer"]):
    """A peer in an event loop, with the methods of `grapevine.Peer`. `async for` takes messages."""

    def __init__(self, peer: BlockingPeer):
        super().__init__(peer._program)
        self._peer = peer
        self._came = asyncio.Event()  # a message came, or the peer has ended
        self._uses = 0
        self._loop = asyncio.get_running_loop()
        if self._program.on_message is None:
            self._inbox.on_arrival = self._wake

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed before the peer
            self._loop.call_soon_threadsafe(self._came.set)

    async def joined(self, timeout: float | None = None) -> bool:
        """Wait until enough seeds list this peer. Return False after the timeout."""
        return await self._poll(self._peer.joined.is_set, timeout)

    async def caught_up(self, timeout: float | None = None) -> bool:
        return await self._poll(self._has_caught_up, timeout)

    async def _poll(self, holds: Callable[[], bool], timeout: float | None) -> bool:
        """Wait without a thread, because an event loop has few."""
        deadline = self._loop.time() + seconds_of(timeout)
        while not (done := holds()) and self._loop.time() < deadline and not self._node.stopping:
            await asyncio.sleep(WAIT_POLL)
        return done

    async def say(self, text: str) -> Message:
        text = self._checked(text)
        await self._wait_for_room(text)
        numbers, stamp = self._hand.say(text, waits=False)
        return self._said(text, numbers[0], stamp)

    async def say_all(self, texts: Iterable[str]) -> list[Message]:
        said = []
        for part in self._parts(texts):
            await self._wait_for_room(max(part, key=len))
            numbers, stamp = self._hand.say(*part, waits=False)
            said += [self._said(text, numbers[at], stamp) for at, text in enumerate(part)]
        return said

    async def _wait_for_room(self, text: str) -> None:
        await self._give_way()
        while not self._hand.has_room(len(text)) and not self._node.stopping:
            await asyncio.sleep(FULL_LOOK)

    async def _give_way(self) -> None:
        """Let other tasks run now and then, however much is said and taken."""
        self._uses += 1
        if self._uses % AT_ONCE == 0:
            await asyncio.sleep(0)

    async def say_bytes(self, data: bytes) -> Message:
        return await self.say(BYTES + base64.b64encode(data).decode())

    async def next(self, timeout: float | None = None) -> Message:
        deadline = self._loop.time() + seconds_of(timeout)
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("take messages in the event loop in which the peer joined")
        await self._give_way()
        while True:  # no `wait_for`, which before Python 3.12 may hide a cancellation
            self._came.clear()
            self._inbox.look()
            try:
                return self._next(0)
            except TimeoutError:
                if self._loop.time() >= deadline:
                    raise TimeoutError(f"no message within {timeout} s") from None
            alarm = self._loop.call_at(deadline, self._came.set)
            try:
                await self._came.wait()
            finally:
                alarm.cancel()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.next()
        except EOFError:
            raise StopAsyncIteration from None

    async def leave(self) -> None:
        self._is_leaving = True
        await asyncio.shield(_in_thread(self._peer.leave))

    async def close(self) -> None:
        await asyncio.shield(_in_thread(self._peer.close))

    async def __aexit__(self, *error: object) -> None:
        await self.leave()


def _in_thread(call: Callable[[], Any]) -> "asyncio.Future[Any]":
    """Make a call in a thread. Shield it, or it is lost if who waits is cancelled before that."""
    # no task, because the end of the loop cancels tasks, and the thread would go on nevertheless
    return asyncio.get_running_loop().run_in_executor(None, call)


def _close_unwanted(joining: "Future[BlockingPeer]") -> None:
    """End a peer whose `join` was cancelled."""
    if joining.exception() is None:
        joining.result().close()


class _Joining(contextlib.AbstractAsyncContextManager[Peer]):
    """A peer that joins when it is awaited, or by `async with`."""

    def __init__(self, port: int | str, arguments: dict[str, Any]):
        self._port, self._arguments = port, arguments

    async def _join(self) -> Peer:
        # a thread of its own, which calls `_close_unwanted` even if the loop is closed before
        joining = ThreadPoolExecutor(1).submit(join_blocking, self._port, **self._arguments)
        try:
            return Peer(await asyncio.shield(asyncio.wrap_future(joining)))
        except asyncio.CancelledError:
            joining.add_done_callback(_close_unwanted)
            raise

    def __await__(self) -> Generator[Any, None, Peer]:
        return self._join().__await__()

    async def __aenter__(self) -> Peer:
        self._peer = await self
        return self._peer

    async def __aexit__(self, *error: object) -> None:
        await self._peer.leave()


def join(port: int | str = 0, **arguments: Any) -> _Joining:
    """Join, with the arguments of `grapevine.join`. Use it as `async with join(…) as peer`, or as
    `peer = await join(…)`. Callbacks run in a thread of their own, not in the loop."""
    return _Joining(port, arguments)
