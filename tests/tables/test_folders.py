"""Folders of output files: which one is meant, what is deleted, what people type about them."""

import os
import pathlib

import pytest

from grapevine.terminal import folders
from grapevine.terminal.command_line import CONFIG, OUTPUTS, CommandError, Parser
from grapevine.terminal.folders import (
    clear_outputs, command, commands, parse_folders, peer_command, ports, reserved, shown)

FILES = ("seed_127.0.0.1_8080.txt", "peer_127.0.0.1_5001.txt", "peer_--1_5001.txt", "report.html",
         "network.svg", "report-peers.csv", "config-other-ports.txt")
KEPT = ("peer_notes.txt", "notes.txt", "seed_.txt")


@pytest.fixture
def usual(tmp_path, monkeypatch):
    """The three usual folders, each with an output file, the last of which is the newest."""
    found = [tmp_path / name for name in ("outputs", "outputs/network", "outputs/demo")]
    for age, folder in enumerate(found):
        folder.mkdir()
        (folder / "peer_127.0.0.1_5001.txt").touch()
        os.utime(folder / "peer_127.0.0.1_5001.txt", (1_000 + age, 1_000 + age))
    for name, folder in zip(("OUTPUTS", "NETWORK", "DEMO"), found):
        monkeypatch.setattr(folders, name, str(folder))
    return found


def meant(*arguments, many=True):
    return parse_folders(Parser(prog="runner.py check"), list(map(str, arguments)), many)[0]


def test_the_folder_that_was_written_last_is_meant_and_named(usual, capfd):
    assert meant() == meant(many=False) == [usual[2]]
    assert capfd.readouterr().err == f"the newest output files: {usual[2]}\n" * 2
    os.utime(usual[0] / "peer_127.0.0.1_5001.txt")
    assert meant() == [usual[0]]


def test_folders_that_are_named_are_meant(usual, capfd):
    assert meant(usual[1], usual[0]) == usual[1::-1] and meant("--outputs", usual[1]) == [usual[1]]
    assert capfd.readouterr().err == ""
    for wrong, says in ((usual[0] / "no", "no folder "),
                        (usual[0] / "peer_127.0.0.1_5001.txt", " is no folder; give the folder")):
        with pytest.raises(CommandError, match=says):
            meant(wrong)


def test_an_earlier_network_is_deleted_and_nothing_else(tmp_path):
    for name in FILES + KEPT:
        (tmp_path / name).touch()
    clear_outputs(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(KEPT)


def test_a_report_without_output_files_is_a_user_s_own(tmp_path):
    (tmp_path / "report.html").touch()
    clear_outputs(tmp_path)
    assert (tmp_path / "report.html").exists()


@pytest.mark.skipif(folders.fcntl is None, reason="no locks of folders")
def test_a_folder_is_used_by_one_network_at_a_time(tmp_path):
    with reserved(tmp_path / "new"):
        with pytest.raises(CommandError, match="another network writes into"), \
                reserved(tmp_path / "new"):
            pass
    with reserved(tmp_path / "new"):
        pass


def test_commands_name_what_is_not_usual(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "my files"
    assert shown(mine) == "my files" and shown("/elsewhere") == "/elsewhere"
    assert command("check", OUTPUTS) == "python runner.py check"
    assert command("check", mine) == "python runner.py check 'my files'"
    assert peer_command(CONFIG, pathlib.Path(OUTPUTS)) == "python peer.py"
    assert peer_command(tmp_path / "c.txt", mine, True) == (
        "python peer.py --config c.txt --outputs 'my files' --monitor")
    assert commands(("a", "one"), ("long", "two")) == "  a      one\n  long   two"


def test_the_shell_of_windows_takes_commands_about_folders(monkeypatch):
    """It knows no quotes like these, which `\\` needs."""
    monkeypatch.setattr(os, "sep", "\\")
    assert command("check", "C:\\demo\\files") == "python runner.py check C:/demo/files"


def test_addresses_are_ports_where_they_share_an_ip():
    assert ports(["127.0.0.1:1", "127.0.0.1:2"]) == ["1", "2"]
    assert ports(["127.0.0.1:1", "[::1]:2"]) == ["127.0.0.1:1", "[::1]:2"]
