"""poor.py PLATFORM PROGRAM ARGUMENTS…: run a program as on a system that has little.

Not there: what Windows lacks. `send` ignores its flags, `shutdown` wakes nobody who reads or
accepts, a thread that takes a signal does not tell the main thread, and most options of sockets
fail.
"""

import errno
import os
import runpy
import select
import shutil  # noqa: F401 argparse needs it, which can be loaded on a real Windows alone
import signal
import socket
import stat
import sys

LACKING = {
    socket: ["MSG_DONTWAIT", "MSG_NOSIGNAL", "MSG_PEEK", "MSG_WAITALL", "SO_REUSEPORT",
             "IP_BIND_ADDRESS_NO_PORT", "TCP_USER_TIMEOUT", "TCP_QUICKACK"],
    select: ["poll", "epoll", "kqueue"],
    os: ["fork", "forkpty", "register_at_fork", "set_blocking", "pipe2", "killpg", "getuid"],
    signal: ["pthread_sigmask", "pthread_kill", "sigwait", "SIGHUP", "SIGPIPE", "SIGUSR1"],
}
OPTIONS = {(socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.SOL_SOCKET, socket.SO_REUSEADDR),
           (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)}
Socket = socket.socket


class PoorSocket(Socket):
    def setsockopt(self, level, option, *value):
        if (level, option) not in OPTIONS:
            raise OSError(errno.ENOPROTOOPT, "no such option here")
        super().setsockopt(level, option, *value)

    def send(self, data, flags=0):
        """As macOS does, which has MSG_DONTWAIT."""
        return super().send(data)

    def shutdown(self, how):
        """Tell the other end, but nobody here."""
        if how == socket.SHUT_RDWR:
            self.getpeername()  # OSError if it is not connected: nobody who accepts is woken
            how = socket.SHUT_WR
        super().shutdown(how)


def select_sockets(readers, writers, others, *seconds):
    """As `select` of Windows, which takes nothing but sockets, and not none at all."""
    every = [*readers, *writers, *others]
    assert every and all(stat.S_ISSOCK(os.fstat(each).st_mode) for each in every)
    return select_all(readers, writers, others, *seconds)


def main(platform: str, program: str) -> None:
    if platform == "darwin":
        LACKING[socket].remove("MSG_DONTWAIT")
    for module, names in LACKING.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for name in ("fcntl", "resource", "termios", "pwd", "grp"):
        sys.modules[name] = None  # ImportError
    sys.modules.pop("selectors", None)
    socket.socket, sys.platform = PoorSocket, platform
    sys.argv[:] = sys.argv[2:]
    sys.path[0] = os.path.dirname(program)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    select_all, select.select = select.select, staticmethod(select_sockets)
    main(sys.argv[1], sys.argv[2])
