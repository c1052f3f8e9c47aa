"""The check of real output files: it fails when lines are missing, repeated or changed."""

import signal

import pytest

from gossip.lab.proof import check
from gossip.lab.proof.records import Records
from tests.tools.files import copy, lines_of
from tests.tools.ports import free_port
from tests.tools.programs import Program, peer_file, run
from tests.tools.waiting import wait_until


def edit(folder, kind, start, change, first_only):
    """Change the lines whose event begins like that, in all files of a kind, or only the first;
    returns it."""
    changed = []
    for path in sorted(folder.glob(f"{kind}_*.txt")):
        lines = []
        for line in path.read_text().splitlines():
            if line[27:].startswith(start) and not (first_only and changed):
                lines += change(line)
                changed.append(line)
            else:
                lines.append(line)
        path.write_text("".join(line + "\n" for line in lines))
    return changed[0]


@pytest.mark.parametrize("kind, start, change, row", [
    ("peer", "received:", lambda line: [], "broadcast"),
    ("peer", "received:", lambda line: [line, line], "once"),
    ("seed", "removed:", lambda line: [], "dead"),
    ("seed", "dead report:", lambda line: [], "dead"),
    ("peer", "generated:", lambda line: [], "broadcast"),
    ("peer", "generated:", lambda line: [line, line], "once"),
    ("peer", "received:", lambda line: [line + "!"], "broadcast"),
    ("peer", "received:", lambda line: [line.replace("received:127.0.0.1:", "received:127.0.0.2:")],
     "broadcast"),
    ("peer", "started:", lambda line: [], "broadcast"),
    ("seed", "", lambda line: [], "dead"),
    ("peer", "liveness reply:", lambda line: [line, line[:27] + "failed:reader:x"], "threads"),
])
def test_the_check_fails_when_a_line_is_missing_or_repeated(network, tmp_path, kind, start,
                                                            change, row):
    folder = copy(network, tmp_path)
    line = edit(folder, kind, start, change, first_only=kind == "peer")
    assert not check.check_folder(folder)[0]
    failing = [r for r in check.prove(Records(folder).refresh()) if r.holds is False]
    assert row in [r.name for r in failing]
    if start == "received:" and row == "broadcast":
        message = ":".join(line.split("gmessage:")[1].split(":")[1:5])
        assert any(message in detail for r in failing for detail in r.details)


def test_a_death_by_ctrl_c_that_nobody_reports_fails_the_check(flags, seeds, tmp_path):
    ports = [free_port(), free_port(), free_port()]
    fast = ["--gossip-count", 1, "--gossip-interval", 0.1, "--liveness-interval", 0.3]
    with Program("peer.py", ports[0], *flags, *fast), \
            Program("peer.py", ports[1], *flags, *fast), \
            Program("peer.py", ports[2], *flags, *fast) as dying:
        wait_until(lambda: all(messages_per_run(peer_file(flags, port)) == [3]
                               for port in ports))
        dying.process.send_signal(signal.SIGINT)
        wait_until(lambda: check.check_folder(flags[3])[1].count("1 died; removed"))
        wait_until(lambda: check.check_folder(flags[3])[0])
        died = [run.last for run in Records(flags[3]).refresh().peers
                if run.address == f"127.0.0.1:{ports[2]}"][0]
        run("peer.py", free_port(), *flags, *fast, text="quit\n")  # the seeds write on
        wait_until(lambda: Records(flags[3]).refresh().newest() > died + 5)
    for kind, start in (("peer", "dead:"), ("peer", "reported:"), ("seed", "dead report:"),
                        ("seed", "removed:")):
        edit(flags[3], kind, start, lambda line: [], first_only=False)
    holds, text = check.check_folder(flags[3])
    assert not holds and "has not removed it" in text


def messages_per_run(path):
    runs = []
    for event in lines_of(path):
        if event.startswith("started:"):
            runs.append(0)
        elif event.startswith(("generated:", "received:")):
            runs[-1] += 1
    return runs


def test_runs_of_an_earlier_day_in_the_same_files_do_not_disturb_the_check(flags, seeds):
    ports = [free_port(), free_port()]
    for session in (1, 2):
        with Program("peer.py", ports[0], *flags, "--gossip-interval", 0.05) as one, \
                Program("peer.py", ports[1], *flags, "--gossip-interval", 0.05) as other:
            wait_until(lambda: all(messages_per_run(peer_file(flags, port)) == [20] * session
                                   for port in ports))
            for program in (one, other):
                program.type("quit\n")
            assert one.finish()[0] == other.finish()[0] == 0
    holds, text = check.check_folder(flags[3])
    assert holds, text
