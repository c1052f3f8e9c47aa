"""The threads of one node, started by name and ended together.

Every thread is a daemon, and carries its name and the node's address. An error that ends a thread
becomes a line in the node's output file. Threads wait for `go` before they do anything.
"""

import errno
import threading
import time

from gossip.tools import failure

# bytes of the stack of each thread, because nothing here recurses deeply; the library says 0, the
# usual size, because all later threads of the process get this one, too
STACK_SIZE = 512 * 1024
JOIN_LIMIT = 5.0  # seconds at most that `join` waits; threads mostly need milliseconds


class Threads:
    """The threads of a node: any object with `address`, `stopping` and `output`."""

    def __init__(self, node):
        self._node = node
        self._going = threading.Event()  # threads may do their work
        self._lock = threading.Lock()  # guards _running
        self._ended = threading.Condition(self._lock)  # notified when _running shrinks
        self._running: set[threading.Thread] = set()

    def start(self, name: str, target, *args) -> bool:
        """Start a thread. False if the node stops or the system has no thread left."""
        thread = threading.Thread(
            target=self.guard, name=f"{name} {self._node.address}", args=(name, target, args),
            daemon=True)
        with self._lock:
            if self._node.stopping:
                return False
            self._running.add(thread)
        try:
            if STACK_SIZE:  # to put it back would take a lock, for which hundreds of threads wait
                threading.stack_size(STACK_SIZE)
            thread.start()
        except RuntimeError:
            self._forget(thread)
            return False
        return True

    def need(self, name: str, target, *args) -> None:
        """Start a thread that the node cannot do without. OSError if that fails."""
        if not self.start(name, target, *args) and not self._node.stopping:
            raise OSError(errno.EAGAIN, "the system has no thread left for it")

    def go(self) -> None:
        """Let the threads do their work."""
        self._going.set()

    def guard(self, name: str, target, args) -> None:
        """Run the body of a thread. Write an unexpected error into the output file."""
        self._going.wait()
        try:
            target(*args)
        except Exception as error:
            self._node.output.write_failure(failure(name, error))
        finally:
            self._forget(threading.current_thread())

    def _forget(self, thread: threading.Thread) -> None:
        with self._ended:
            self._running.discard(thread)
            self._ended.notify_all()

    def own_this(self) -> bool:
        """Return whether the calling thread belongs to this node."""
        with self._lock:
            return threading.current_thread() in self._running

    def join(self) -> None:
        """Wait for all threads but the caller's. A thread that is just starting ends by itself."""
        current = threading.current_thread()
        deadline = time.monotonic() + JOIN_LIMIT
        with self._ended:
            threads = [thread for thread in self._running if thread is not current]
            self._ended.wait_for(lambda: not self._running - {current}, JOIN_LIMIT)
        for thread in threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
