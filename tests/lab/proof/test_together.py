"""The files of one machine of several: `check` says which others it needs, and the runner there,
which has only these, proves what they can tell."""

import pytest

from gossip.lab.proof import check, deaths
from gossip.lab.proof.evidence import Proof
from gossip.lab.proof.records import Records, Together, read_folder
from tests.lab.proof.test_clocks import host_of, spread_out
from tests.tools.files import copy
from tests.tools.stories import THREE, tell


@pytest.fixture(params=["of a peer that lives", "of the one that died", "of a seed"])
def machines(network, tmp_path, request):
    """The files of four machines without those of the fifth, the files of that one, and its IP."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    runs = read_folder(network[0])
    dead = {address for run in runs.peers for address in run.dead}
    ports = {"of a peer that lives": [run.address for run in runs.peers if run.address not in dead],
             "of the one that died": dead, "of a seed": [run.address for run in runs.seeds]}
    ip = host_of(min(ports[request.param]).rpartition(":")[2])
    spread_out(network[0], here)
    for path in here.glob(f"*_{ip}_*.txt"):
        path.rename(there / path.name)
    return here, there, ip


def failing(rows):
    return {row.name: row.details for row in rows if row.holds is False}


def test_check_says_whose_files_are_missing_and_holds_with_them(machines):
    here, there, ip = machines
    found = failing(check.prove(read_folder(here)))
    assert set(found) <= {"broadcast", "dead", "pieces"} and found
    for detail in (detail for details in found.values() for detail in details):
        assert detail.endswith(f": put the files of {ip} beside these"), detail
    holds, text = check.check_folder(Together([here, there]))
    assert holds and "of 4 hosts agree" in text, text


def test_a_runner_on_one_machine_proves_what_its_files_can_tell(machines):
    here, there, ip = machines
    records = read_folder(here)
    own = {run.address for run in [*records.peers, *records.seeds]}
    rows = {row.name: row for row in check.prove(records, own)}
    assert failing(rows.values()) == {} and rows["pieces"].holds is None
    said = "".join(path.read_text() for path in here.glob("peer_*.txt"))
    names = [(what, host, port) for what, host, port in (
        path.stem.split("_") for path in there.glob("*.txt"))
        if what == "peer" or f":registered:{host}:{port}\n" in said]
    assert rows["elsewhere"].details == [
        f"{kind}s of {ip}: {' '.join(sorted(port for what, _, port in names if what == kind))}"
        for kind in ("seed", "peer") if any(what == kind for what, *_ in names)]
    made = sum(":generated:" in line for path in there.glob("peer_*.txt")
               for line in path.read_text().splitlines())
    assert f" of {made} messages of " in rows["elsewhere"].figures


def test_what_its_files_can_tell_is_not_excused(machines):
    """A peer may have had its neighbours here for a moment only; not all peers have."""
    here, _, _ = machines
    records = read_folder(here)
    own = {run.address for run in [*records.peers, *records.seeds]}
    found = []
    for path in here.glob("peer_*.txt"):
        text = path.read_text()
        if ":stopped:" in text and any(
                f":connected:{one}\n" in text and f":dead:{one}\n" not in text for one in own):
            path.write_text("".join(
                line for line in text.splitlines(True) if ":received:" not in line
                or ":".join(line.split(":gmessage:")[1].split(":")[1:3]) not in own))
            found.append(set(failing(check.prove(read_folder(here), own))))
            path.write_text(text)
    assert {"broadcast"} in found, found


def test_an_origin_that_is_no_address_is_no_machine_either(network, tmp_path):
    path = min(copy(network, tmp_path).glob("peer_*.txt"))
    with path.open("a") as file:
        file.write("2099-01-01 00:00:00.000000:received:300.1:5:gmessage:1.0:300.1:5:1:1:x\n"
                   "2099-01-01 00:00:00.000000:connected:nobody\n")
    assert "there is no file of 300.1:5, whose messages others received (1)" in failing(
        check.prove(read_folder(tmp_path)))["broadcast"]


@pytest.mark.parametrize("here, healthy", [(None, False), ({5001, 5002, 5003, 8080, 8081}, True)])
def test_a_death_may_be_found_by_a_peer_elsewhere(tmp_path, here, healthy):
    tell(tmp_path, THREE, """
        2.0 5003 asks 5002 until 20
        20.0 5001 parts 5003 closed by the other end
        20.0 5002 parts 5003 closed by the other end
        23.1 8080 dead report:Dead Node:@5003:1.000000:@5009
        24.0 8080 removed:@5003:gone
        60 8080 peer list:@5001:1
    """)
    own = here and {f"127.0.0.1:{port}" for port in here}
    assert deaths.dead(Proof(Records(tmp_path).refresh(), own)).holds is healthy
