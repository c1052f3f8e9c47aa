"""The program peer.py -c: modules as processes, clients as people write them."""

import contextlib
import pathlib
import signal
import socket
import struct
import time

import pytest

from tests.processes.test_voidphone_work import children, is_living
from tests.tools.programs import (
    ROOT, Node, free_ports, is_clean, link_all, wait_until)

TYPE = 1337
DATA = pathlib.Path(__file__).parents[1] / "data"


def write_ini(folder: pathlib.Path, own: int, api: int, **keys) -> pathlib.Path:
    """Write a configuration; a key that is None is left out."""
    keys = {"cache_size": 50, "degree": 4, "pow_bits": 8, "p2p_address": f"127.0.0.1:{own}",
            "api_address": f"127.0.0.1:{api}"} | keys
    path = folder / f"{own}.ini"
    path.write_text("[gossip]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()
                                           if value is not None))
    return path


class Module(Node):
    """A module as a process."""

    def __init__(self, folder: pathlib.Path, *flags: str, ports: tuple[int, int] = (),
                 text: str = "", **keys):
        own, self.api = ports or free_ports(2)
        ini = write_ini(folder, own, self.api, **keys)
        if text:
            ini.write_text(text)
        super().__init__([ROOT / "peer.py", "-c", ini, "--outputs", folder, *flags],
                         folder / f"screen_{own}.txt", f"127.0.0.1:{own}",
                         folder / f"module_127.0.0.1_{own}.txt")


@pytest.fixture
def start(network, tmp_path):
    """Start modules, which end with the test."""
    def begin(*flags: str, **keys) -> Module:
        module = Module(tmp_path, *flags, **keys)
        network.programs.append(module)
        module.event("started:")
        return module
    return begin


class Client(contextlib.AbstractContextManager):
    """A client as people write it: it asks for the header, then for the rest."""

    def __init__(self, module: Module, *types: int):
        self._sock = socket.create_connection(("127.0.0.1", module.api), 20.0)
        self._stream = self._sock.makefile("rb")
        for data_type in types:
            self._sock.sendall(struct.pack(">HHHH", 8, 501, 0, data_type))

    def announce(self, data: bytes, data_type: int = TYPE) -> None:
        self._sock.sendall(struct.pack(">HHBBH", 8 + len(data), 500, 0, 0, data_type) + data)

    def told(self, is_valid: bool = True) -> bytes:
        """Return the data of the next notification, once it is validated."""
        size, kind = struct.unpack(">HH", self._stream.read(4))
        body = self._stream.read(size - 4)
        assert kind == 502
        self._sock.sendall(struct.pack(">HH2sH", 8, 503, body[:2], is_valid))
        return body[4:]

    def __exit__(self, *error) -> None:
        self._stream.close()
        self._sock.close()


def test_the_two_modules_of_the_readme_tell_each_others_clients_exactly_once(start):
    """They have the files of tests/data, but other ports, and less work to do."""
    ports, modules = dict(zip(("6001", "7001", "6002", "7002"), free_ports(4))), []
    for name, own, api, *flags in (("bootstrapper", "6001", "7001"),
                                   ("module", "6002", "7002", "--quiet")):
        text = (DATA / f"{name}.ini").read_text().replace("pow_bits = 20", "pow_bits = 18")
        for usual, port in ports.items():
            text = text.replace(usual, str(port))
        modules.append(start("--end-with-input", *flags, ports=(ports[own], ports[api]), text=text))
    link_all(modules)
    one, other = modules
    with Client(one, TYPE) as here, Client(other, TYPE) as there:
        for speaker, listener in ((here, there), (there, here)):
            for number in range(200):
                speaker.announce(b"%d" % number)
            assert [listener.told() for _ in range(200)] == [b"%d" % n for n in range(200)]
        here.announce(b"Hello from next door")
        assert there.told() == b"Hello from next door"
    for module in modules:
        module.process.stdin.close()
        assert module.code() == 0 and is_clean(module.shown())
        assert module.events("refused:") == module.events("failed:") == []
        assert module.events()[-1] == "stopped:quit"
        assert module.events()[-2].startswith("counts:")
    assert len(one.events("received:")) == 200 and len(other.events("received:")) == 201
    assert other.events("received:")[-1].endswith(":1337:da20db476d9a9791")
    assert f" connected:{other.address}\n" in one.shown() and other.shown() == ""


def test_hard_work_is_done_beside_the_api_and_its_processes_end_with_the_module(start):
    acceptor = socket.create_server(("127.0.0.1", 0))
    with acceptor:
        module = start(pow_bits=64, bootstrapper=f"127.0.0.1:{acceptor.getsockname()[1]}")
        acceptor.settimeout(20.0)
        dialled, _ = acceptor.accept()
        with dialled, Client(module, TYPE) as listener, Client(module) as announcer:
            dialled.sendall(struct.pack(">HHQ", 12, 506, 1))
            workers = wait_until(lambda: children(module.process.pid))
            for number in range(100):
                announcer.announce(b"%d" % number)
                assert listener.told() == b"%d" % number
            module.send(signal.SIGTERM)
            assert module.code() == 0
    wait_until(lambda: not any(map(is_living, workers)))
    assert module.events()[-1] == "stopped:interrupted"


def test_the_command_line_says_how_long_to_wait_and_to_remember(start):
    module = start("-v", "0.1", "-s", "0.2")
    with Client(module, TYPE) as listener, Client(module) as announcer:
        announcer.announce(b"ready")
        assert listener.told() == b"ready"  # so it has subscribed
        announcer.announce(b"never validated")
        module.has("generated:", 2)
        over = time.monotonic() + 0.3
        wait_until(lambda: time.monotonic() > over)
        announcer.announce(b"validated")
        assert [listener.told(), listener.told()] == [b"never validated", b"validated"]
        wait_until(lambda: announcer.announce(b"") or listener.told() == b"")
    module.send(signal.SIGINT)
    assert module.code() == 0
    assert "messages without a validation in time=" in module.events("counts:")[0]


@pytest.mark.parametrize("key, host", [("p2p_address", "127.0.0.1"), ("api_address", "127.0.0.1"),
                                       ("api_address", "localhost")])
def test_a_port_in_use_is_exit_1(network, tmp_path, key, host):
    with socket.create_server(("127.0.0.1", free_ports(1)[0])) as taken:
        port = taken.getsockname()[1]
        path = write_ini(tmp_path, *free_ports(2), **{key: f"{host}:{port}"})
        program = network.start_python(ROOT / "peer.py", "-c", path)
        assert program.code() == 1
    assert program.shown().count("\n") == 1 and program.shown().startswith("peer.py: ")
    assert program.shown().endswith(f"port {port} is in use\n")
