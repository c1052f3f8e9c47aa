"""Shared by several files: a network of forty peers with its plots; the lines of a folder."""

import pytest

from gossip.lab.pictures import report
from gossip.lab.pictures.live_lines import LiveLines
from tests.tools.folders import Folder
from tests.tools.pictures import HOSTILE, power_law_links


@pytest.fixture(scope="module")
def forty(tmp_path_factory):
    """A network of 40 peers in which two died, with its plots; and what wrote it."""
    folder = Folder(tmp_path_factory.mktemp("forty"), 40, power_law_links(40, 120))
    for at in range(5):
        folder.gossip(folder.peers[at], 3 + at, HOSTILE if at == 0 else f"message {at}")
    for peer in folder.peers[5:7]:
        folder.die(peer, 4)
    folder.say(folder.peers[7], 5, f"refused:{HOSTILE}:full")
    folder.say(folder.seed, 8, f"failed:{HOSTILE}")
    report.plot_folder(folder.write(30))
    return folder


@pytest.fixture
def lines(folder):
    """The lines of the files in `folder`, which each file of tests has its own way to fill."""
    return LiveLines(folder)
