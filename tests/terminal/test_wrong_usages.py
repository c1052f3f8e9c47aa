"""Wrong usages: each is answered with one line that says what to do, and exit code 2 (1 where a
folder cannot be used); and usages that were wrong once and are understood now."""

import os
import re

import pytest

from tests.tools.files import lines_of
from tests.tools.ports import free_address, free_addresses, free_range
from tests.tools.programs import Program, run, write_config
from tests.tools.terminals import Terminal
from tests.tools.waiting import wait_until

COMMANDS = ("Commands: demo, check, plot, watch, bench, simulate, console, module, status, "
            "tree")

WRONG = [  # command line, what it says; README.md is a file, gossip a folder of this project
    ("runner.py dmeo", f"no command 'dmeo'; did you mean demo? {COMMANDS}"),
    ("runner.py Simulat --peers 3",
     f"no command 'Simulat'; did you mean simulate? {COMMANDS}"),
    ("runner.py start", f"no command 'start'. {COMMANDS}"),
    ("runner.py workers", f"no command 'workers'. {COMMANDS}"),
    ("runner.py --watch",
     "--watch needs --peers N; to look at what runs already: python runner.py watch"),
    ("runner.py --once", "--once, --kill and --malicious need --peers"),
    ("runner.py --watch-port 8000", "--watch-port and --watch-host need --peers and --watch"),
    ("runner.py demo --peers 3 --kill 3", "that leaves nobody honest and alive of 3 peers"),
    ("runner.py demo --seeds 0", "argument --seeds: '0' is not a whole number of 1 or more"),
    ("runner.py demo --peers 0", "argument --peers: '0' is not a whole number of 1 or more"),
    ("runner.py bench --size 70000", "--size 70000: a message has at most 65000 bytes"),
    ("seed.py 70000", "argument PORT: '70000' is not a port (1 to 65535)"),
    ("seed.py 127.0.0.1", "argument PORT: '127.0.0.1' is not IP:PORT"),
    ("seed.py 0.0.0.0:8080", "argument PORT: 0.0.0.0 is no address that others can dial; "
                             "give the one they shall use"),
    ("peer.py x", "argument PORT: 'x' is not a port (1 to 65535)"),
    ("peer.py 127.0.0.1:0", "argument PORT: '127.0.0.1:0' is not IP:PORT"),
    ("peer.py somewhere:5001", "somewhere:5001 is a name; give the port alone, and --host "
                               "somewhere"),
    ("peer.py --host 127.0.0.2 127.0.0.1:5001",
     "--host 127.0.0.2 and 127.0.0.1:5001 are two addresses; give one"),
    ("peer.py --capacity 5 5001",
     "argument --capacity: '5' is no rule; did you mean fixed:5?"),
    ("peer.py --capacity 1 5001",
     "argument --capacity: '1' is neither fixed:K with a K of 2 or more nor powerlaw:ALPHA with "
     "an ALPHA above 0, up to 10"),
    *((f"{command} --outputs -", "--outputs - is for a single node: python peer.py, or python "
       "seed.py with a PORT") for command in ("runner.py", "runner.py check", "peer.py -c x.ini",
                                              "peer.py --chat 0 1 10000")),
    ("peer.py 5001 --outputs=", "--outputs has no name of a folder"),
    ("seed.py --outputs -", "--outputs - is for a single seed, not for 6: give its PORT"),
    *((f"peer.py {what} --outputs -", "--outputs - needs a PORT, and goes without --json")
      for what in ("", "5001 --json")),
    ("peer.py --port 5001", "unrecognized arguments: --port; a port stands alone, without a flag"),
    ("seed.py --port 80", "unrecognized arguments: --port; a port stands alone, without a flag"),
    ("runner.py --pears 10", "unrecognized arguments: --pears 10; did you mean --peers?"),
    ("runner.py --peer 10", "unrecognized arguments: --peer 10; did you mean --peers?"),
    ("tests --fast", "unrecognized arguments: --fast"),
    ("tests nowhere.py", "file or directory not found: nowhere.py"),
    ("runner.py check README.md", "README.md is no folder; give the folder of the output files"),
    ("runner.py plot README.md", "README.md is no folder; give the folder of the output files"),
    ("runner.py check gossip nowhere", "no folder nowhere"),
    *((f"{command} --outputs README.md", "README.md is a file, not a folder")
      for command in ("runner.py", "runner.py demo", "runner.py check", "runner.py console",
                      "runner.py module", "seed.py", "peer.py 5001", "peer.py --chat 0 1 10000")),
]


@pytest.mark.parametrize("usage, says", WRONG, ids=[usage for usage, _ in WRONG])
def test_a_wrong_usage_is_told_in_one_line_that_says_what_to_do(usage, says, call):
    ends_with_sockets = "--chat 0 1" in usage
    own_process = ends_with_sockets or usage.startswith("tests")
    code, out, err = (run if own_process else call)(*usage.split())
    program, _, message = err.partition(": ")
    assert (code, out) == (1 if "a file" in says else 2, "")
    assert usage.startswith(program) and err.count("\n") == 1
    assert message.partition(" (see ")[0].strip() == says


def test_seeds_and_peers_take_a_port_or_an_address_and_the_config_what_people_write(tmp_path):
    one, other = free_addresses(2)
    config = tmp_path / "config.txt"
    config.write_text(f"localhost:{one.port}\n127.0.0.1 , {other.port}  # by hand\n"
                      f"127.0.0.1\t{one.port}\n")
    flags = ["--config", config, "--outputs", tmp_path, "--quiet"]
    peers = [free_address(), free_address()]
    with Program("seed.py", one.port, *flags) as first, \
            Program("seed.py", f"localhost:{other.port}", *flags) as second, \
            Program("peer.py", peers[0], *flags) as third, \
            Program("peer.py", f"localhost,{peers[1].port}", "--host", "localhost",
                    *flags) as fourth:
        for peer in peers:
            path = tmp_path / f"peer_{peer.file_part}.txt"
            wait_until(lambda: path.exists() and {f"registered:{one}", f"registered:{other}"}
                       <= set(lines_of(path)))
        for program in (third, fourth):
            assert program.finish("quit\n") == (0, "", "")
        for program in (first, second):
            program.process.terminate()
            assert program.finish() == (0, "", "")


def test_a_seed_that_is_named_by_its_port_alone_is_the_local_one_of_the_config(tmp_path):
    seed = free_address("127.0.0.2")
    config = tmp_path / "config.txt"
    config.write_text(f"{seed}\n")
    with Program("seed.py", seed.port, "--config", config, "--outputs", tmp_path) as program:
        path = tmp_path / f"seed_{seed.file_part}.txt"
        wait_until(path.exists)
        program.process.terminate()
        assert program.finish()[0::2] == (0, "")


def test_a_demo_has_as_many_peers_and_seeds_as_asked_for_and_as_many_die(tmp_path):
    seeds, base = free_addresses(2), free_range(5)
    code, out, err = run("runner.py", "demo", "--peers", 5, "--seeds", 3, "--kill", 2,
                         "--base-port", base, "--config", write_config(tmp_path, seeds),
                         "--outputs", tmp_path / "out")
    assert (code, err) == (0, ""), out
    assert len(list((tmp_path / "out").glob("peer_*.txt"))) == 5 and "2 died" in out
    assert len(list((tmp_path / "out").glob("seed_*.txt"))) == 3 and "with 2 seeds of 3" in out


@pytest.mark.parametrize("usage", ["runner.py dmeo", "runner.py --once"])
def test_a_terminal_breaks_an_error_between_words(usage):
    with Terminal(*usage.split(), width=40) as terminal:
        assert terminal.finish() == 2
        lines = terminal.texts()
        assert len(lines) > 2 and not terminal.glass.too_wide
        assert "Commands:" in " ".join(lines) or "need --peers" in " ".join(lines)


def test_help_begins_with_commands_and_examples_and_names_each_flag_once():
    code, help_of, _ = run("runner.py", "--help", env={**os.environ, "COLUMNS": "80"})
    first, _, rest = help_of.partition("the usual flags:")
    usual, _, others = rest.partition("all other flags:")
    assert code == 0 and first.count("  python runner.py") == 3
    assert all(f"\n  {word} " in first for word in COMMANDS[10:].split(", "))
    flags = re.findall(r"^  (?:-h, )?(--[a-z-]+)", usual + others, re.MULTILINE)
    assert len(re.findall("^  --", usual, re.MULTILINE)) == 6
    assert len(flags) == len(set(flags)) and {"--help", "--sign"} <= {*flags}
    assert max(map(len, help_of.splitlines())) <= 80
