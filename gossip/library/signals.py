"""Signals are handled after a call, instead of cutting it off halfway.

Python calls a program's handlers of signals in the main thread, between any two steps of whatever
runs there, and a handler may raise: KeyboardInterrupt. In the middle of a node's turn that would
leave tables half changed, and a lock held.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

try:  # without the enumerations of `signal`, which take 30 µs a call of `say`, and swallow what a
    # handler raises within them
    from _signal import getsignal, signal as set_handler  # type: ignore[import-not-found]
except ImportError:
    from signal import getsignal, signal as set_handler

Handlers = dict[int, Callable[[int, FrameType | None], Any]]
SIGNALS = [getattr(signal, name) for name in (
    "SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]


@contextlib.contextmanager
def put_off() -> Iterator[None]:
    """Have signals that come meanwhile handled at the end, as usual. Only the main thread handles
    any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    handlers: Handlers = {}
    try:
        for number in SIGNALS:  # to ask for all that there are would take 0.1 ms
            handler = getsignal(number)
            if callable(handler):
                handlers[number] = handler
                set_handler(number, lambda *what: came.append(what))
        yield
    finally:
        _restore(dict(handlers))
        for number, frame in came:
            handlers[number](number, frame)


def _restore(handlers: Handlers) -> None:
    """Set all handlers again, even if a signal comes meanwhile, and its handler raises."""
    if handlers:
        number, handler = handlers.popitem()
        try:
            set_handler(number, handler)
        finally:
            _restore(handlers)
