"""The seeds of runner.py on a terminal: a line for each peer, and what to do next."""

import re

import pytest

from tests.tools.ports import free_address, free_addresses
from tests.tools.programs import Program, write_config
from tests.tools.terminals import CTRL_C, Terminal
from tests.tools.waiting import wait_until


@pytest.mark.parametrize("rows, width", [(24, 80), (10, 40)])
def test_each_peer_that_comes_or_goes_is_a_line(rows, width, tmp_path):
    config = write_config(tmp_path, free_addresses(3))
    flags = ["--config", config, "--outputs", tmp_path / "o"]
    left, dies = free_address().port, free_address().port
    with Terminal("runner.py", *flags, rows=rows, width=width) as terminal:
        terminal.shows("Ctrl-C ends the seeds")
        with Program("peer.py", dies, *flags, "--quiet") as program:
            terminal.shows(f"+ {dies}")
            with Program("peer.py", left, *flags, "--quiet") as leaver:
                terminal.shows(f"+ {left}")
                assert leaver.finish("quit\n")[0] == 0
            terminal.shows(f"- {left} said goodbye")
            program.process.kill()
            terminal.shows(f"- {dies} is gone")
        terminal.type(CTRL_C)
        assert terminal.finish() == 0
        assert [line for line in terminal.glass.too_wide.values()
                if str(tmp_path) not in line] == []
        shown = " ".join(" ".join(terminal.texts()).split())
        assert shown.startswith("3 seeds are up:") and "python runner.py watch" in shown
        assert re.search(r"The seeds have ended after .*: 2 peers came, 1 left, 1 died\. "
                         r"The proof: python runner\.py check", shown)
        assert shown.count(f"+ {dies} ") == shown.count(f"- {dies} is gone") == 1
        assert "registered:" not in shown and "settings:" not in shown


def test_plain_shows_the_events_of_each_seed(tmp_path):
    seed = free_address()
    config = write_config(tmp_path, [seed])
    with Terminal("runner.py", "--config", config, "--outputs", tmp_path, "--plain") as terminal:
        terminal.shows(f"[seed {seed.port}] settings:seeds=1")
        assert "1 seeds; start peers with: python peer.py" in terminal.text
        terminal.type(CTRL_C)
        assert terminal.finish() == 0
        assert "The proof" not in terminal.text


def test_without_a_terminal_the_events_are_shown(tmp_path):
    seed = free_address()
    config = write_config(tmp_path, [seed])
    with Program("runner.py", "--config", config, "--outputs", tmp_path) as program:
        assert program.process.stdout.readline() == (
            b"1 seeds; start peers with: python peer.py   (Ctrl-C stops the seeds)\n")
        line = program.process.stdout.readline().decode()
        assert re.fullmatch(rf"[\d:.]{{12}} \[seed {seed.port}\] started:seed:{seed}\n", line)
        wait_until(lambda: (tmp_path / f"seed_127.0.0.1_{seed.port}.txt").exists())
        program.process.terminate()
        assert program.finish()[0] == 0
