"""Ports that are taken: a network gets others, unless they were named."""

import contextlib
import errno
import socket
import threading
import types

import pytest

from grapevine.addresses import address_of, parse_address
from grapevine.lab.experiments import ports
from grapevine.terminal.command_line import CommandError, cannot_listen, load_seeds
from grapevine.terminal.programs import ask_port
from tests.tools.programs import free_range

LOCAL = "127.0.0.1"


@contextlib.contextmanager
def taken(*numbers):
    """Another program listens on these ports, and says nothing."""
    with contextlib.ExitStack() as stack:
        for number in numbers:
            stack.enter_context(socket.create_server((LOCAL, number)))
        yield


def addresses(first, *offsets):
    return [address_of(LOCAL, first + offset) for offset in offsets]


@pytest.fixture
def usual(tmp_path, monkeypatch):
    """What the command line of a network says without flags; its ports, ten in a row, and two such
    blocks above them."""
    first = free_range(40)
    config = tmp_path / "config.txt"
    config.write_text("".join(f"{address}\n" for address in addresses(first, 0, 1, 2)))
    for name, value in ("CONFIG", str(config)), ("BASE_PORT", first + 5), ("BLOCK", 10):
        monkeypatch.setattr(ports, name, value)
    return types.SimpleNamespace(config=str(config), base_port=first + 5, outputs=tmp_path,
                                 first=first, seeds=None, peers=2, host=None)


def test_usual_ports_that_are_free_are_kept_without_a_word(usual):
    found = ports.choose_ports(usual)
    assert found.seeds == found.local == addresses(usual.first, 0, 1, 2)
    assert (found.peers, found.notice) == (addresses(usual.first, 5, 6), "")
    assert str(found.config) == usual.config
    found.write_config(usual.outputs)
    assert not (usual.outputs / ports.OTHER_CONFIG).exists()


def test_usual_ports_that_are_taken_are_replaced_and_that_is_told(usual):
    first = usual.first
    with taken(first + 1, first + 5):
        found = ports.choose_ports(usual)
    assert found.seeds == found.local == addresses(first, 10, 11, 12)
    assert found.peers == addresses(first, 15, 16)
    told, joins = found.notice.splitlines()
    assert told == (f"ports taken, all or in part: {first}-{first + 2}, {first + 5}-{first + 6}; "
                    f"used instead: {first + 10}-{first + 12}, {first + 15}-{first + 16}")
    assert joins.startswith("another peer joins with: python peer.py --config ")
    found.write_config(usual.outputs)
    assert load_seeds(str(usual.outputs / ports.OTHER_CONFIG)) == found.seeds


@pytest.mark.parametrize("ports_taken, base", [((6,), 15), ((0,), 15), ((6, 15), 25),
                                               ((0, 10), 25)])
def test_the_peers_of_a_network_beside_another_one_move_together(usual, ports_taken, base):
    """Also where only the seeds meet others: their dead are dialled again at their ports, and their
    peers may not listen yet."""
    with taken(*(usual.first + offset for offset in ports_taken)):
        assert ports.choose_ports(usual).peers == addresses(usual.first, base, base + 1)


def test_a_network_waits_while_another_one_has_chosen_ports_and_does_not_listen_yet(monkeypatch):
    monkeypatch.setattr(ports, "TURN", free_range(1))
    with ports.take_turn() as first:
        second = threading.Thread(target=lambda: ports.take_turn().close())
        second.start()
        second.join(0.2)
        assert second.is_alive()
        first.close()
        second.join(5.0)
    assert not second.is_alive()


def test_a_network_may_have_fewer_seeds(usual):
    usual.seeds = 2
    found = ports.choose_ports(usual)
    assert found.seeds == addresses(usual.first, 0, 1) and found.notice == ""
    assert found.config == usual.outputs / ports.OTHER_CONFIG


def test_ports_that_were_named_are_kept(usual, tmp_path):
    first = usual.first
    usual.config, usual.base_port = str(tmp_path / "own.txt"), first + 6
    (tmp_path / "own.txt").write_text(f"{LOCAL}:{first}\n{LOCAL}:{first + 1}\n")
    with taken(first + 5):
        found = ports.choose_ports(usual)
    assert found.peers == addresses(first, 6, 7) and found.notice == ""
    assert found.seeds == found.local == addresses(first, 0, 1)
    assert str(found.config) == usual.config
    with taken(first), pytest.raises(CommandError, match=f"another program has port {first}: "):
        ports.choose_ports(usual)
    with taken(first + 7), pytest.raises(CommandError, match=f"port {first + 7} is in use"):
        ports.choose_ports(usual)
    usual.base_port = first
    with pytest.raises(CommandError, match=f"port {first} is a seed's"):
        ports.choose_ports(usual)


def test_seeds_that_other_machines_know_are_kept(usual):
    usual.host = "192.0.2.1"
    both = [parse_address("203.0.113.9:8080"), parse_address("203.0.113.9:8081")]
    with open(usual.config, "w") as file:
        file.write("203.0.113.9:8080\n203.0.113.9:8081\n")
    with pytest.raises(CommandError, match="192.0.2.1 is not an address of this machine"):
        ports.choose_ports(usual)
    usual.host = LOCAL
    with pytest.raises(CommandError, match="cannot be reached from other machines"):
        ports.choose_ports(usual)
    assert ports.seeds_to_start(both, ports.pathlib.Path(usual.config)) == []


def test_a_block_holds_no_port_that_shall_be_avoided(usual):
    one, two, three = (addresses(usual.first, at) for at in (0, 10, 20))
    assert ports.free_block(one, []) == one and ports.free_block(one, one) == two
    assert ports.free_block(one, two, 10) == three
    with taken(usual.first), pytest.raises(CommandError, match="no 2 ports in a row"):
        ports.free_block(addresses(65_500, 0, 35), addresses(65_500, 0))


def test_the_last_port_may_be_that_of_a_peer(usual):
    usual.base_port, seeds = 65_534, addresses(usual.first, 0)
    assert ports.peer_addresses(usual, seeds) == addresses(65_534, 0, 1)
    usual.peers = 3
    with pytest.raises(CommandError):
        ports.peer_addresses(usual, seeds)


def test_the_next_free_port_is_none_that_shall_be_avoided():
    first = free_range(4)
    with taken(first + 1):
        assert ports.next_free(LOCAL, first, addresses(first, 2)) == address_of(LOCAL, first + 3)
    with pytest.raises(CommandError, match="no port above 65535"):
        ports.next_free(LOCAL, 65535, [])


def test_a_port_that_the_system_does_not_allow_is_asked_for_again(capfd):
    def check(port):
        if port == 80:
            raise cannot_listen(address_of(LOCAL, port), PermissionError(
                errno.EACCES, f"Permission denied (while attempting to bind on {port})"))

    typed = iter([b"80\n", b"5003\n"])
    assert ask_port(types.SimpleNamespace(line=lambda: next(typed)), check) == 5003
    assert ("cannot listen on 127.0.0.1:80: the system does not allow port 80. Try again.\n"
            in capfd.readouterr().out)
