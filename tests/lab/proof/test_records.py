"""Records read from output files."""

import codecs
import fnmatch
import io
from typing import NamedTuple

from gossip.lab.proof import check
from gossip.lab.proof.records import Records
from tests.tools.folders import Folder
from tests.tools.stories import SEED, tell


class File(NamedTuple):
    """A file that is not on a disk."""

    name: str
    data: bytearray

    def is_file(self):
        return True

    def open(self, mode):
        assert mode == "rb"
        return io.BytesIO(self.data)


class Memory:
    """A folder that is not on a disk."""

    def __init__(self):
        self.files = []

    def glob(self, pattern):
        return [file for file in self.files if fnmatch.fnmatch(file.name, pattern)]


def test_files_in_memory_are_read_as_they_grow(tmp_path):
    folder = Folder(tmp_path, 3, [(0, 1), (1, 2)])
    folder.gossip(folder.peers[0], 3, "message 1")
    folder.write()
    memory = Memory()
    texts = {path.name: path.read_bytes() for path in tmp_path.glob("*")}
    name = "peer_127.0.0.1_5000.txt"
    texts[name] = codecs.BOM_UTF8 + texts[name]  # as some editors save it
    for name in sorted(texts, reverse=True):
        memory.files.append(File(name, bytearray()))
    records = Records(memory)
    for begin, end in ((0, 100), (100, None)):  # the second time in the middle of a line
        for file in memory.files:
            file.data.extend(texts[file.name][begin:end])
        records.refresh()
    assert [run.address for run in records.peers] == folder.peers
    assert check.check_records(records) == check.check_folder(tmp_path)


def test_a_file_tells_of_a_peer_or_a_seed_whatever_its_name_says(tmp_path):
    tell(tmp_path, SEED, "0.5 5001 starts")
    (tmp_path / "seed_127.0.0.1_8080.txt").rename(tmp_path / "peer_of_port_8080.txt")
    (tmp_path / "peer_127.0.0.1_5001.txt").rename(tmp_path / "seed_5001.txt")
    records = Records(tmp_path).refresh()
    assert [run.address for run in records.peers] == ["127.0.0.1:5001"]
    assert [run.address for run in records.seeds] == ["127.0.0.1:8080"]


def test_the_runs_of_a_node_are_in_order_whatever_its_files_are_called(tmp_path):
    """A file may be renamed before another life of the node begins."""
    tell(tmp_path, SEED, "0.5 5001 starts \n 9 5001 stopped:quit")
    first = tmp_path / "peer_127.0.0.1_5001.txt"
    first.rename(tmp_path / "peer_z.txt")
    tell(tmp_path, "20 5001 starts")
    first.rename(tmp_path / "peer_a.txt")
    assert [run.ended for run in Records(tmp_path).refresh().peers] == ["quit", None]
