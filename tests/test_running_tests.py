"""`python tests`: what it shows of tests that pass, fail, break and are skipped."""

import os
import re
import subprocess
import sys

import pytest

from tests.tools.terminals import CTRL_C, Terminal
from tests.tools.programs import ROOT

TESTS = {
    "test_good.py": "import pytest\ndef test_one(): pass\n"
                    "@pytest.mark.skip(reason='needs a moon')\ndef test_two(): pass\n",
    "sub/test_bad.py": "import pytest\n@pytest.mark.parametrize('it', ['a b'])\n"
                       "def test_three(it): assert False, 'x - y'\n",
    "other/test_broken.py": "import nothing_of_this_name\n",
    "third/test_slow.py": "import time\ndef test_four(): time.sleep(SECONDS)\n",
}
# What `python tests` does, of the tests in another folder.
MAIN = """
import pathlib, signal, sys
sys.path.insert(0, {root!r})
import tests.__main__ as program
program.ROOT = pathlib.Path({folder!r})
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(program.main(["-q"]))
"""


@pytest.fixture
def project(tmp_path):
    """A folder with tests: what makes files of them, and answers the command that runs all."""
    def make(*names, seconds=0):
        (tmp_path / "tests" / "data").mkdir(parents=True)  # has no tests: arguments are tried there
        for name in names:
            path = tmp_path / "tests" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(TESTS[name].replace("SECONDS", str(seconds)))
        (tmp_path / "tests" / "pytest.ini").write_text(
            "[pytest]\naddopts = --import-mode=importlib\n")
        return ["-c", MAIN.format(root=str(ROOT), folder=str(tmp_path))]
    return make


def again(name):
    return f"  {os.path.basename(sys.executable)} tests {name}"


FAILED = [again("'tests/sub/test_bad.py::test_three[a b]'"), again("tests/other/test_broken.py")]


def test_a_pipe_gets_all_of_it_and_last_what_failed(project, tmp_path):
    done = subprocess.run([sys.executable, *project(*TESTS)], cwd=tmp_path, text=True,
                          capture_output=True, timeout=300)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and done.stderr == ""
    assert {"test_good.py:", "sub/test_bad.py:", "other/test_broken.py:",
            "third/test_slow.py:"} < set(lines)
    counts, head, *failed = lines[-4:]
    assert re.fullmatch(r"1 error, 1 failed, 2 passed, 1 skipped in [\d.]+s", counts)
    assert head == "what failed, and what runs it again:" and sorted(failed) == FAILED


def test_a_pipe_gets_the_counts_last_when_all_is_well(project, tmp_path):
    done = subprocess.run([sys.executable, *project("test_good.py")], cwd=tmp_path, text=True,
                          capture_output=True, timeout=300)
    name, dots, passed, counts = done.stdout.splitlines()
    assert (done.returncode, name) == (0, "test_good.py:") and dots.startswith(".s ")
    assert passed.startswith("1 passed, 1 skipped in ")
    assert counts.startswith("1 passed, 1 skipped in ")


@pytest.mark.parametrize("rows, width", [
    (10, 40), pytest.param(24, 80, marks=pytest.mark.slow)])
def test_a_terminal_shows_how_far_it_is_then_what_was_skipped_and_failed(
        rows, width, project, tmp_path):
    command = project(*TESTS)
    with Terminal(*command, rows=rows, width=width, cwd=tmp_path) as terminal:
        assert terminal.finish() == 1
        shown = terminal.texts()
        assert not any(" batches, " in line for line in terminal.glass.too_wide.values())
        assert "4 of 4 batches, 2 passed" in terminal.text
        skipped, head, *failed, end = shown[-5:]
        assert skipped == "  skipped 1: needs a moon" and sorted(failed) == FAILED and end == ""
        assert "sub/test_bad.py:" in shown and "test_good.py:" not in shown


def test_ctrl_c_leaves_the_prompt_on_a_line_of_its_own(project, tmp_path):
    command = project("test_good.py", "third/test_slow.py", seconds=300)
    with Terminal(*command, cwd=tmp_path) as terminal:
        terminal.shows("1 of 2 batches, 1 passed")
        terminal.type(CTRL_C)
        assert terminal.finish() != 0
        assert any(re.match(r"1 of 2 batches, 1 passed, 0 failed +\d+ s$", line)
                   for line in terminal.texts())
