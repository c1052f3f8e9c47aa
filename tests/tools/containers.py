"""Containers made by tests: commands of a recipe, each in a network and a file system of its own.

What an orchestrator does is done with what the kernel has: a network namespace per container, all
of them on one switch; the checkout mounted read-only in place of the image; config.txt mounted over
it; names in a hosts file; uid 1000, no standard input. Nothing is left behind when they end.
"""

import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.tools.namespaces import Namespace, Switch
from tests.tools.programs import ROOT, environment

NETWORK = "10.79.0."
COPIED = ("seed.py", "peer.py", "runner.py", "config.txt", "gossip")
INSIDE = """
mount -t tmpfs none /srv
mkdir /srv/python /srv/grapevine
mount --bind "$1" /srv/python
mount --bind "$2" /srv/grapevine
mount --bind "$3" /srv/grapevine/config.txt
mount -o remount,bind,ro /srv/grapevine
cd /srv/grapevine
shift 3
exec env -u PYTHONPYCACHEPREFIX PATH=/srv/python/bin:/usr/bin:/bin \\
    LD_LIBRARY_PATH=/srv/python/lib setpriv --reuid 1000 --regid 1000 --clear-groups python3 "$@"
"""


class Cluster:
    """Containers on one switch. Each has an IP, and those that have a name are found by it."""

    def __init__(self, folder: pathlib.Path, config: str):
        if shutil.which("setpriv") is None:
            pytest.skip("containers need the command setpriv")
        self.logs = folder / "logs"
        self._hosts, self._config = folder / "hosts", folder / "config.txt"
        self._image = folder / "image"
        for path in (self.logs, self._image):
            path.mkdir()
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self._image / name)
        subprocess.run([sys.executable, "-m", "compileall", "-q", self._image], check=True,
                       env=environment(PYTHONPYCACHEPREFIX=""))
        self._config.write_text(config)
        self._names: dict[str, str] = {}
        self._last_ip = 1
        self._switch = Switch()
        self._running: list[Container] = []
        self._write_hosts()

    def start(self, kind: str, arguments: list[str], name: str = "") -> "Container":
        """Start a container with a new IP, to which the name leads from now on."""
        self._last_ip += 1
        ip = f"{NETWORK}{self._last_ip}"
        if name:
            self._names[name] = ip
            self._write_hosts()
        log = self.logs / f"{kind}_{self._last_ip}.txt"
        machine = self._switch.machine(ip)
        machine.know_hosts(self._hosts)
        container = Container(machine, ip, self._inside(arguments), log)
        self._running.append(container)
        return container

    def run(self, container: "Container", arguments: list[str]) -> tuple[int, str]:
        """Run a command in a container, and return its exit code and output."""
        done = container.machine.do(subprocess.run, self._inside(arguments), timeout=60, text=True,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def _inside(self, arguments: list[str]) -> list[str]:
        return ["unshare", "--mount", "sh", "-euc", INSIDE, "sh", sys.base_prefix,
                self._image, self._config, *arguments]

    def _write_hosts(self) -> None:
        """Write all names into the file that is mounted everywhere, so it stays the same file."""
        self._hosts.write_text("127.0.0.1 localhost\n" + "".join(
            f"{ip} {name}\n" for name, ip in self._names.items()))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for container in self._running:
            container.close()
        self._switch.close()


class Container:
    """One running command. `log` is a file with what it wrote to standard output and errors."""

    def __init__(self, machine: Namespace, ip: str, command: list, log: pathlib.Path):
        self.machine, self.ip, self.log = machine, ip, log
        with log.open("w") as out:
            self.process = machine.do(subprocess.Popen, command, stdin=subprocess.DEVNULL,
                                      stdout=out, stderr=subprocess.STDOUT)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self.machine.close()
