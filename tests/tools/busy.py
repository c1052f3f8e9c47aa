"""Processors that other work takes: busy loops in processes of their own."""

import contextlib
import subprocess
import sys

LOOP = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\n" \
       "while time.monotonic() < end: pass"


@contextlib.contextmanager
def busy_loops(count: int, seconds: float):
    """So many processes are busy while this lasts, for so many seconds at most."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", LOOP,
                                                            str(seconds)]))
            stack.callback(process.kill)
        yield
