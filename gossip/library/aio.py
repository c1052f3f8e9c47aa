"""The library for asyncio: `async with gossip.aio.join(5001) as peer`.

Calls that wait run in a thread of the event loop's executor. Taking messages does not, so that no
thread waits where nobody speaks.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

from gossip.library.messages import Message
from gossip.library.peer import LOOK, Joined, Peer as BlockingPeer, join as join_blocking

AT_ONCE = 100  # messages taken before other tasks have their turn


class Peer(Joined, contextlib.AbstractAsyncContextManager["Peer"]):
    """A peer that has joined, for one event loop; `async for` takes messages until it ends."""

    def __init__(self, peer: BlockingPeer):
        super().__init__(peer._node, peer._subscriber)
        self._peer = peer
        self._came = asyncio.Event()  # messages came to the empty inbox, or the peer has ended
        self._taken = 0
        self._loop = asyncio.get_running_loop()
        if self._subscriber.on_message is None:
            self._inbox.on_arrival = self._wake
            self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed before the peer
            self._loop.call_soon_threadsafe(self._came.set)

    async def joined(self, timeout: float | None = None) -> bool:
        """Wait until enough seeds list this peer; return False if that takes longer."""
        return await self._poll(self._peer.joined.is_set, timeout)

    async def caught_up(self, timeout: float | None = None) -> bool:
        """Wait until this peer holds all that its neighbours hold; see `gossip.Peer.caught_up`."""
        return await self._poll(self._peer.has_caught_up, timeout)

    async def _poll(self, holds: Callable[[], bool], timeout: float | None) -> bool:
        """Wait without a thread, of which an event loop has few."""
        deadline = math.inf if timeout is None else self._loop.time() + timeout
        while (not (done := holds()) and self._loop.time() < deadline
               and not self._node.stopping):
            await asyncio.sleep(LOOK)
        return done

    async def say(self, text: str) -> Message:
        """Say a text of one line to everyone; see `gossip.Peer.say`."""
        return await asyncio.to_thread(self._peer.say, text)

    async def say_bytes(self, data: bytes) -> Message:
        """Say bytes to everyone; see `gossip.Peer.say_bytes`."""
        return await asyncio.to_thread(self._peer.say_bytes, data)

    async def next(self, timeout: float | None = None) -> Message:
        """Wait for the next message of others; see `gossip.Peer.next`."""
        if timeout is not None and timeout <= 0:
            return self._peer.next(0)
        try:
            return await asyncio.wait_for(self._next(), timeout)
        except asyncio.TimeoutError:  # another class than TimeoutError before Python 3.11
            raise TimeoutError(f"no message within {timeout} s") from None

    async def _next(self) -> Message:
        self._taken += 1
        if self._taken % AT_ONCE == 0:
            await asyncio.sleep(0)  # other tasks have their turn, however many messages wait
        while True:
            self._came.clear()
            try:
                return self._peer.next(0)
            except TimeoutError:
                await self._came.wait()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self._next()
        except EOFError:
            raise StopAsyncIteration from None

    async def leave(self) -> None:
        """Say goodbye, and end; see `gossip.Peer.leave`."""
        await asyncio.to_thread(self._peer.leave)

    async def close(self) -> None:
        """End abruptly; see `gossip.Peer.close`."""
        await asyncio.to_thread(self._peer.close)

    async def __aexit__(self, *error: object) -> None:
        await self.leave()


def _close_unwanted(joining: "asyncio.Future[BlockingPeer]") -> None:
    """End a peer for which nobody waits any more."""
    if not joining.cancelled() and joining.exception() is None:
        joining.result().close()


class _Joining(contextlib.AbstractAsyncContextManager[Peer]):
    """A peer that is to join: it joins when it is awaited, or entered by `async with`."""

    def __init__(self, port: int | str, arguments: dict[str, Any]):
        self._port, self._arguments = port, arguments

    async def _join(self) -> Peer:
        joining = asyncio.ensure_future(
            asyncio.to_thread(join_blocking, self._port, **self._arguments))
        try:
            return Peer(await asyncio.shield(joining))
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
    """Join as `gossip.join` does, with the same arguments: `async with join(…) as peer`, or
    `peer = await join(…)`. Callbacks are called by a thread of their own, not by the loop."""
    return _Joining(port, arguments)
