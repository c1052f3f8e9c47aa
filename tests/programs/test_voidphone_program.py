"""The program peer.py -c: its command line, its configuration, modules as processes."""

import contextlib
import socket
import time
import types

import pytest

from gossip.addresses import address_of
from gossip.net.live_world import LiveWorld
from gossip.programs.starting import start_node
from gossip.settings import Settings
from gossip.terminal.command_line import CommandError
from gossip.voidphone.gossip_module import GossipModule
from gossip.voidphone.ini import read_ini
from gossip.voidphone.messages import Notify
from tests.tools.carriers import Carrier, passed_on
from tests.tools.files import lines_of, open_file
from tests.tools.module_words import FENCE, PROBE, TYPE, announce, heard, news_from, told, validate
from tests.tools.modules import EASY_BITS, ByteEnd, write_ini
from tests.tools.ports import free_address, free_port, listens
from tests.tools.programs import Program
from tests.tools.waiting import wait_until


class Running:
    """`peer.py -c` as a process, and where it is found."""

    def __init__(self, folder, *arguments, **keys):
        self.address, self.api = free_address(), free_address()
        ini = write_ini(folder, p2p_address=self.address, api_address=self.api, **keys)
        self.program = Program("peer.py", "-c", ini, "--outputs", folder, "--quiet",
                               "--end-with-input", *arguments)
        self.file = folder / f"module_{self.address.file_part}.txt"
        self.config = types.SimpleNamespace(pow_bits=keys.get("pow_bits", EASY_BITS))

    def __enter__(self):
        self.program.__enter__()
        wait_until(lambda: listens(self.api.port), what="the API to listen")
        return self

    def __exit__(self, *error):
        self.program.__exit__(*error)

    def ends_well(self):
        return self.program.finish() == (0, "", "")


@pytest.fixture
def subscribe():
    """Connections to modules that are other processes."""
    ends = []

    def connect(running, *kinds):
        """A module that is subscribed for sure: what it says next is told to another."""
        witness, end = ByteEnd(running.api.dial), ByteEnd(running.api.dial)
        ends.extend((witness, end))
        witness.say(Notify(PROBE))
        end.say(*map(Notify, kinds))

        def heard_of():
            announce(end, b"", 1, PROBE)
            return not witness.hears_nothing(0.2)
        wait_until(heard_of)
        witness.close()
        return end
    yield connect
    for end in ends:
        end.close()


def test_two_processes_tell_each_other_exactly_once(tmp_path, subscribe):
    with Running(tmp_path) as one, Running(tmp_path, bootstrapper=one.address) as other:
        wait_until(lambda: f"connected:{other.address}" in lines_of(one.file) and
                   f"connected:{one.address}" in lines_of(other.file))
        here, there = subscribe(one, TYPE), subscribe(other, TYPE)
        for speaker, listener in ((here, there), (there, here)):
            for number in range(100):
                announce(speaker, b"%d" % number)
            notified = [told(listener) for _ in range(100)]
            assert [message.data for message in notified] == [b"%d" % n for n in range(100)]
            for message in notified:
                validate(listener, message)
        announce(here, b"last")
        assert told(there).data == b"last"
        announce(there, b"last")
        assert told(here).data == b"last"
        assert one.ends_well() and other.ends_well()
        for file in (one.file, other.file):
            lines = lines_of(file)
            assert sum(line.startswith("received:") and f":{TYPE}:" in line
                       for line in lines) == 101  # a probe may have been kept for the other
            assert not any(line.startswith(("refused:", "failed:")) for line in lines)


def test_processes_in_a_line_and_in_a_ring(tmp_path, subscribe, modules):
    with contextlib.ExitStack() as stack:
        line = [stack.enter_context(Running(tmp_path)) for _ in range(5)]
        carriers = [Carrier(modules, *pair) for pair in zip(line, line[1:])]
        announcer, *subscribers = [subscribe(one, TYPE) for one in line]
        for ttl, reach in ((1, 1), (2, 2), (0, 4), (255, 4)):
            data = b"%d hops" % ttl
            announce(announcer, data, ttl)
            assert passed_on(subscribers[:reach]) == [data] * reach
        assert [[ttl for ttl, data in carrier.carried if data.endswith(b"hops")]
                for carrier in carriers] == [
            [0, 1, 255, 254], [0, 255, 253], [255, 252], [255, 251]]
        Carrier(modules, line[-1], line[0])
        for number in range(10):
            announce(announcer, b"round %d" % number)
            first, second, third, last = subscribers
            assert passed_on([first, last, second, third]) == [b"round %d" % number] * 4
        announce(first, b"back")
        assert passed_on([announcer]) == [b"back"]
        modules.stop()
        assert all(one.ends_well() for one in line)


def test_the_command_line_says_how_long_to_wait_and_to_remember(tmp_path, subscribe, modules):
    with Running(tmp_path, "-v", "0.2", "-s", "0.2") as one:
        subscriber, announcer = subscribe(one, TYPE), subscribe(one)
        peer = modules.neighbour(one)

        def told_again():
            news_from(peer)
            return not subscriber.hears_nothing(0.1)
        wait_until(told_again)
        wait_until(told_again)
        validate_later_and_later(announcer, subscriber, peer)
        assert one.ends_well()


def validate_later_and_later(announcer, subscriber, peer):
    """Until it is too late."""
    for delay in (0.3, 1, 2, 4):
        announce(announcer, b"%f" % delay)
        while (notified := told(subscriber)).data != b"%f" % delay:
            pass  # what the peer had sent again
        time.sleep(delay)
        validate(subscriber, notified)
        announce(subscriber, b"fence", 0, FENCE)
        if heard(peer).data == b"fence":
            return
        assert heard(peer).data == b"fence"
    raise AssertionError("it waits longer than it should")


@pytest.mark.parametrize("change, words", [
    ({"degree": None}, "degree is missing"), ({"cache_size": "x"}, "cache_size = x: expected"),
    ({"p2p_address": "[::1]:6001"}, "p2p_address = ::1: expected is an IPv4 address"),
    ({"p2p_address": "0.0.0.0:6001"}, "p2p_address = 0.0.0.0:6001: expected"),
    (None, "cannot read")])
def test_a_wrong_file_ends_the_program_with_one_line_and_exit_2(tmp_path, change, words):
    path = tmp_path / "missing.ini" if change is None else write_ini(tmp_path, **change)
    with Program("peer.py", "-c", path, "--outputs", tmp_path / "out") as program:
        code, out, err = program.finish()
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert err.startswith("peer.py: ") and words in err and str(path) in err


@pytest.mark.parametrize("arguments", [["-c"], ["-c", "FILE", "-v", "x"], ["-c", "FILE", "-s", "0"],
                                       ["-c", "FILE", "5001"]])
def test_a_wrong_command_line_is_one_line_and_exit_2(tmp_path, arguments):
    path = write_ini(tmp_path)
    with Program("peer.py", *(path if word == "FILE" else word for word in arguments)) as program:
        code, out, err = program.finish()
    assert (code, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("key, host", [("p2p_address", "127.0.0.1"), ("api_address", "127.0.0.1"),
                                       ("api_address", "localhost")])
def test_a_port_in_use_is_exit_1(tmp_path, key, host):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        path = write_ini(tmp_path, **{key: f"{host}:{port}"})
        with Program("peer.py", "-c", path, "--outputs", tmp_path / "out", "--quiet") as program:
            code, out, err = program.finish()
    assert (code, out) == (1, "") and len(err.splitlines()) == 1
    assert f"127.0.0.1:{port}: port {port} is in use" in err


def test_the_first_api_address_of_this_machine_counts_and_none_behind_one_in_use(tmp_path):
    config = read_ini(write_ini(tmp_path))
    here, elsewhere = config.api_address[0], address_of("192.0.2.1", 7001)
    for addresses in ((elsewhere, here), (here, elsewhere)):
        module = unstarted(config._replace(api_address=addresses), tmp_path)
        start_node(module)
        socket.create_connection(here.dial, 5).close()
        module.stop()
    with socket.create_server(here.dial):
        module = unstarted(config._replace(api_address=(here, free_address())), tmp_path)
        with pytest.raises(CommandError, match=f"{here}: port {here.port} is in use") as caught:
            start_node(module)
        assert caught.value.code == 1


def test_the_api_does_not_listen_where_the_port_for_peers_is_taken(tmp_path):
    own, api = free_address(), free_address()
    config = read_ini(write_ini(tmp_path, p2p_address=own, api_address=api))
    with socket.create_server(own.dial):
        module = unstarted(config, tmp_path)
        with pytest.raises(OSError):
            module.listen()
        assert not listens(api.port)
        module.stop()


def unstarted(config, folder) -> GossipModule:
    return GossipModule(config, Settings(), open_file(folder / "module.txt"),
                        LiveWorld)
