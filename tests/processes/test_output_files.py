"""Output files of programs, as a user finds them."""

from tests.tools.programs import free_ports


def test_a_life_begins_with_a_line_of_its_own_behind_one_that_a_power_failure_tore(network):
    network.start_seeds()
    [port] = free_ports(1)
    path = network.outputs / f"peer_127.0.0.1_{port}.txt"
    path.write_bytes(b"2026-01-02 03:04:05.000000:started:peer:127.0.0.1:1\n2026-01-02 03:0")
    network.start_peer(port=port).event(f"started:peer:127.0.0.1:{port}")
    begin = path.read_bytes().split(b"\n")
    assert begin[1] == b"2026-01-02 03:0"
    assert begin[2].endswith(b":started:peer:127.0.0.1:%d" % port)
