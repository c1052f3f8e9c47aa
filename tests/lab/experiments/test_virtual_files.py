"""Virtual files: what nodes write is kept in memory, and can be read and saved."""

from gossip.lab.experiments.virtual_network import VirtualFolder
from gossip.lab.proof.records import Records
from gossip.node.output_file import OutputFile

NOON = 1_700_000_000 * 10**9  # Unix nanoseconds
NAME = "peer_127.0.0.1_5000.txt"


def live(folder, *events):
    """A life of a peer: write events, and end."""
    output = OutputFile(NAME, lambda: NOON, file=folder.file(NAME))
    output.write("started:peer:127.0.0.1:5000", *events)
    output.close()


def test_a_later_life_writes_on_and_whoever_reads_sees_all_that_is_written_so_far():
    folder = VirtualFolder()
    live(folder, "one:ü")
    records = Records(folder).refresh()
    assert [run.address for run in records.peers] == ["127.0.0.1:5000"]
    live(folder, "two")
    assert len(records.refresh().peers) == 2
    lines = folder.file(NAME).open("rb").read().decode().splitlines()
    assert [line[27:] for line in lines] == [
        "started:peer:127.0.0.1:5000", "one:ü", "started:peer:127.0.0.1:5000", "two"]


def test_files_are_found_by_a_pattern_and_have_an_order():
    folder = VirtualFolder()
    for name in ("peer_b.txt", "seed_a.txt", "peer_a.txt", "peer_a.html"):
        assert folder.file(name) is folder.file(name)
    found = sorted(folder.glob("peer_*.txt"))
    assert [file.name for file in found] == ["peer_a.txt", "peer_b.txt"]
    assert all(file.is_file() for file in found) and folder.glob("*.svg") == []


def test_a_folder_that_is_saved_holds_the_same_bytes(tmp_path):
    folder = VirtualFolder()
    live(folder, "one")
    folder.file("seed_a.txt").write(b"\xff\n")
    folder.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        NAME: bytes(folder.file(NAME).data), "seed_a.txt": b"\xff\n"}
