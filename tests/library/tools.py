"""What the tests of the library share."""

import contextlib
import os
import signal
import subprocess
import sys
import threading

import grapevine
from tests.tools.programs import DEADLINE, ROOT, free_ports, wait_until


def free_address() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


@contextlib.contextmanager
def alarm(handler, first: float, pause: float = 0.0):
    """Have a handler of signals called after `first` seconds, and then every `pause` seconds."""
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, first, pause)
        yield
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def running(*calls):
    """Make calls in threads of their own, which have ended afterwards."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()


def wait_until_free(address: str) -> None:
    """Wait until a peer can join at an address."""
    def is_free() -> bool:
        with contextlib.suppress(grapevine.PortInUse):
            grapevine.join(address, seeds=["127.0.0.1:9"]).close()
            return True

    wait_until(is_free)


def python(*arguments, text: str = "", cwd=None, seconds: float = 3 * DEADLINE, **environment
           ) -> tuple[int, str, str]:
    """Run a program that imports grapevine; return its exit code, output and errors."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], input=text, capture_output=True, text=True, cwd=cwd,
        timeout=seconds, env={**os.environ, "PYTHONPATH": str(ROOT), **environment})
    return done.returncode, done.stdout, done.stderr
