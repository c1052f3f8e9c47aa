"""Networks that the runner starts have folders of their own; check, plot and watch find them."""

import os
import signal

import pytest

from gossip.terminal import folders
from tests.tools.files import lines_of
from tests.tools.ports import free_addresses, free_range
from tests.tools.programs import Program, run
from tests.tools.project import copy_project
from tests.tools.waiting import wait_until

LINE = "2026-01-01 00:00:00.000000:started:peer:127.0.0.1:5001\n"
OLD = ("peer_127.0.0.1_1.txt", "seed_127.0.0.1_1.txt", *folders.PICTURES, *folders.TABLES,
       folders.REPORT)
FAST = ["--gossip-count", 2, "--gossip-interval", 0.05, "--capacity", "fixed:2"]


@pytest.fixture
def project(tmp_path):
    """A copy of the project, in whose folders an earlier network and a user have left files."""
    copy_project(tmp_path, free_addresses(2))
    for folder in ("outputs", "outputs/demo", "outputs/network"):
        (tmp_path / folder).mkdir()
        for name in (*OLD, "module_127.0.0.1_1.txt", "notes.txt"):
            (tmp_path / folder / name).write_text(LINE)
            os.utime(tmp_path / folder / name, (1000, 1000))
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("command, own, count", [
    (["demo", "--peers", 4], "outputs/demo", 4), (["--peers", 2, *FAST], "outputs/network", 2),
    (["--peers", 2, "--outputs", "outputs/demo", *FAST], "outputs/demo", 2)])
def test_a_network_empties_its_own_folder_and_no_other(project, command, own, count):
    base = free_range(count)
    peers = [f"peer_127.0.0.1_{base + number}.txt" for number in range(count)]
    before = {folder: names(project / folder) for folder in ("outputs", "outputs/demo",
                                                             "outputs/network")}
    with Program("runner.py", *command, "--quiet", "--base-port", base, cwd=project) as runner:
        for name in peers:
            wait_until(lambda: (project / own / name).exists() and lines_of(project / own / name))
        runner.process.send_signal(signal.SIGINT)
        runner.finish()
    now = names(project / own)
    assert [name for name in now if name.startswith("peer_")] == sorted(peers)
    assert sum(name.startswith("seed_") for name in now) == 2
    assert not set(OLD) & set(now) and {"notes.txt", "module_127.0.0.1_1.txt"} <= set(now)
    for folder in set(before) - {own}:
        assert names(project / folder) == before[folder]
        assert (project / folder / OLD[0]).read_text() == LINE


def test_seeds_alone_write_beside_the_peers_that_are_started_by_hand(project):
    before = names(project / "outputs")
    with Program("runner.py", "--quiet", cwd=project) as runner:
        wait_until(lambda: len(names(project / "outputs")) == len(before) + 2)
        runner.process.send_signal(signal.SIGINT)
        assert runner.finish()[0] == 0
    assert set(before) < set(names(project / "outputs"))


def test_modules_have_a_folder_of_their_own(project):
    own = project / "outputs" / "modules"
    with Program("runner.py", "module", "--peers", 3, "--pow-bits", 0, "--base-port",
                 free_range(6), cwd=project) as runner:
        wait_until(lambda: own.is_dir() and len(names(own)) == 3)
        runner.process.send_signal(signal.SIGINT)
        runner.finish()
    assert "module_127.0.0.1_1.txt" in names(project / "outputs")


@pytest.mark.slow
def test_check_plot_and_watch_take_the_folder_that_was_written_to_last(project):
    for number, folder in enumerate(("outputs/network", "outputs", "outputs/demo")):
        os.utime(project / folder / OLD[number % 2], (2000 + number, 2000 + number))
        _, out, err = run("runner.py", "check", cwd=project)
        assert out.startswith("gossips") and err == f"the newest output files: {folder}\n"
        out = run("runner.py", "plot", cwd=project)[1]
        assert out.splitlines()[-1] == str(project / folder / folders.REPORT)
        with Program("runner.py", "watch", cwd=project) as program:
            first = program.process.stdout.readline().decode()
            assert f"{project / folder} at" in first
            program.process.send_signal(signal.SIGINT)
            assert program.finish()[0] == 0
    named = run("runner.py", "check", "outputs", cwd=project)[1]
    assert named.startswith("gossips") and named == run(
        "runner.py", "check", "--outputs", "outputs", cwd=project)[1]


def test_without_output_files_the_usual_folder_is_named(project):
    for folder in ("outputs", "outputs/demo", "outputs/network"):
        for name in OLD:
            (project / folder / name).unlink()
    code, out, err = run("runner.py", "check", cwd=project)
    assert code == 1 and err == "the newest output files: outputs\n"
    assert out.startswith(f"no output file of a peer in {project / 'outputs'}")


def test_elsewhere_the_whole_path_is_shown(project):
    (project / "elsewhere").mkdir()
    os.utime(project / "outputs" / "demo" / OLD[0], (2000, 2000))
    err = run(project / "runner.py", "check", cwd=project / "elsewhere")[2]
    assert err == f"the newest output files: {project / 'outputs' / 'demo'}\n"


def test_only_output_files_and_what_was_made_of_them_are_deleted(tmp_path):
    own = [tmp_path / name for name in (
        "peer_review.txt", "seed_ideas.txt", "peer_review_2024.txt", "report.html")]
    for path in own:
        path.write_text("mine")
    folders.clear_outputs(tmp_path)
    assert all(path.exists() for path in own)
    (tmp_path / "peer_127.0.0.1_5000.txt").write_text("")
    folders.clear_outputs(tmp_path)
    assert [path.exists() for path in own] == [True, True, True, False]
    assert not (tmp_path / "peer_127.0.0.1_5000.txt").exists()


def test_of_a_folder_of_modules_the_users_own_files_stay(tmp_path):
    own, module = tmp_path / "module_notes.txt", tmp_path / "module_127.0.0.1_1.txt"
    for path in (own, module):
        path.write_text("")
    folders.clear_outputs(tmp_path, folders.OF_MODULES)
    assert own.exists() and not module.exists()


@pytest.mark.skipif(folders.fcntl is None, reason="folders cannot be locked here")
def test_two_networks_at_once_do_not_write_into_one_folder(tmp_path):
    with folders.reserved(tmp_path):
        code, _, err = run("runner.py", "demo", "--outputs", tmp_path)
        assert code == 1 and "another network writes into" in err and len(err.splitlines()) == 1
    with folders.reserved(tmp_path):
        pass  # it is free again
    assert names(tmp_path) == []
