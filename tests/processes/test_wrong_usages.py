"""Wrong usages: each is answered with one line that says what to do, and exit code 2 (1 where a
folder or an address cannot be used). They end before anything starts, so they need no process of
their own."""

import os
import re

import pytest

from grapevine import runner
from grapevine.terminal.programs import peer_main, seed_main
from tests.tools.programs import ROOT, free_ports

MAINS = {"peer.py": peer_main, "seed.py": seed_main, "runner.py": runner.main}
OF_A_NODE = "--outputs - is for a single node: python peer.py, or python seed.py with a PORT"

FAILED = ("a file", "this machine", "nowhere/")  # in what is said with exit code 1
WRONG = [  # command line, what it says; config.txt is a file, grapevine a folder of this project
    ("runner.py --watch",
     "--watch needs --peers N; to look at what runs already: python runner.py watch"),
    ("runner.py program library x", "argument IP:PORT: 'x' is not IP:PORT"),
    ("runner.py --once", "--once, --kill and --malicious need --peers"),
    ("runner.py --watch-port 8000", "--watch-port and --watch-host need --peers and --watch"),
    ("runner.py --peers 3 --watch-port 1", "--watch-port and --watch-host need --watch"),
    ("runner.py --peers 2 --spread magic",
     "argument --spread: 'magic' is none of flood, rumor, tree"),
    ("runner.py --peers 70000", "70000 peers from port 5000 on pass port 65535"),
    ("runner.py --peers 3 --kill 3", "that leaves nobody honest and alive of 3 peers"),
    ("runner.py --peers 3 --kill 1 --malicious none",
     "--malicious kicks peers, it kills none: leave --kill out"),
    ("runner.py --pears 10", "unrecognized arguments: --pears 10; did you mean --peers?"),
    ("runner.py --peer 10", "unrecognized arguments: --peer 10; did you mean --peers?"),
    ("runner.py --outputs -", OF_A_NODE), ("runner.py check --outputs -", OF_A_NODE),
    ("runner.py check config.txt", "config.txt is no folder; give the folder of the output files"),
    ("runner.py check grapevine nowhere", "no folder nowhere"),
    ("runner.py --peers 0", "argument --peers: '0' is not a whole number of 1 or more"),
    ("runner.py bench --peers 1", "argument --peers: '1' is not a whole number of 2 or more"),
    ("runner.py bench --size 65401",
     "argument --size: '65401' is not a whole number from 1 to 65400"),
    ("runner.py bench --json nowhere/figures.json",
     "nowhere/figures.json: No such file or directory"),
    ("seed.py 70000", "argument PORT: '70000' is not a port (1 to 65535)"),
    ("seed.py 127.0.0.1", "argument PORT: '127.0.0.1' is not HOST:PORT"),
    ("seed.py 0.0.0.0:8080", "argument PORT: '0.0.0.0:8080' is no address that can be dialled"),
    ("seed.py --port 80", "unrecognized arguments: --port; a port stands alone, without a flag"),
    ("seed.py --outputs -", "--outputs - is for a single seed, not for 6: give its PORT"),
    ("peer.py x", "argument PORT: 'x' is not a port (1 to 65535)"),
    ("peer.py 0", "argument PORT: '0' is not a port (1 to 65535)"),
    ("peer.py somewhere:5001", "somewhere:5001 is a name; give the port alone, and --host "
                               "somewhere"),
    ("peer.py --host 127.0.0.2 127.0.0.1:5001",
     "--host 127.0.0.2 and 127.0.0.1:5001 are two addresses; give one"),
    ("peer.py --host 0.0.0.0 1", "argument --host: 0.0.0.0 is no address that others can dial; "
                                 "give the one they shall use"),
    ("peer.py --host no/where 1", "argument --host: 'no/where' does not appear to be an IPv4 or "
                                  "IPv6 address"),
    ("peer.py 192.0.2.77:5001",
     "cannot listen on 192.0.2.77:5001: 192.0.2.77 is not an address of this machine"),
    ("peer.py 5001 --listen 127.0.0.1", "--listen needs --host, the IP that others dial"),
    ("peer.py --capacity 5 5001", "argument --capacity: '5' is no rule; did you mean fixed:5?"),
    ("peer.py 5001 --capacity odd", "argument --capacity: 'odd' is none of rule, fixed:K with a K "
                                    "of 2 or more, or powerlaw:ALPHA with an ALPHA above 0, up to "
                                    "10"),
    *((f"{program} --nonsense", "unrecognized arguments: --nonsense")
      for program in ("runner.py", "peer.py 5001")),
    *((f"{program} --liveness-interval {value}", f"argument --liveness-interval: '{value}' is not "
       "a number of seconds of 0.01 or more")
      for program, value in (("seed.py", "0"), ("peer.py 5001", "nan"))),
    ("seed.py localhost", "argument PORT: 'localhost' is not a port (1 to 65535)"),
    ("peer.py --gossip-interval no 1",
     "argument --gossip-interval: 'no' is not a number of seconds of 0.01 or more"),
    ("peer.py 5001 --outputs=", "--outputs has no name of a folder"),
    ("peer.py --json", "--json needs a PORT"),
    *((f"peer.py {what} --outputs -", "--outputs - needs a PORT, and goes without --json")
      for what in ("", "5001 --json")),
    ("peer.py --port 5001", "unrecognized arguments: --port; a port stands alone, without a flag"),
    *((f"{command} --config missing.txt", "cannot read missing.txt: No such file or directory; "
       "write it: a line like 127.0.0.1:8080 for each seed")
      for command in ("peer.py 5001", "runner.py", "runner.py demo")),
    ("peer.py --filter missing.txt 5001",
     "argument --filter: cannot read missing.txt: No such file or directory"),
    ("peer.py 5001 --config pyproject.toml",
     "pyproject.toml: line 3: 'requires = [\"hatchling\"]' is not HOST:PORT"),
    ("peer.py --chat 0 0 5000", "--chat 0 0: ID is from 0 to N-1"),
    ("peer.py --chat x 1 5000", "argument --chat: 'x' is not a whole number of 0 or more"),
    ("peer.py --chat 0 1 70000", "--chat: 70000 is not a port (1 to 65535)"),
    ("peer.py --chat 0 1", "argument --chat: expected 3 arguments"),
    ("peer.py --chat 0 1 5000 --udp-base", "argument --udp-base: expected one argument"),
    ("peer.py --chat 0 1 5000 --liveness-interval 3",
     "unrecognized arguments: --liveness-interval 3"),
    ("peer.py --chat 0 2 5000 --udp-base 65535",
     "--udp-base 65535 leaves no UDP port for each of 2 servers"),
    *((f"{command} --chat-key {file}", says)
      for command in ("peer.py --chat 0 1 5000", "runner.py console") for file, says in (
          ("missing", "cannot read missing: No such file or directory"),
          (os.devnull, f"{os.devnull}: it is empty; write a secret into it"))),
    ("runner.py console --settle -1",
     "argument --settle: '-1' is not a number of seconds of 0 or more"),
    ("runner.py console more", "unrecognized arguments: more"),
    ("peer.py -c", "argument -c: expected one argument"),
    ("peer.py -cmissing.ini", "cannot read missing.ini: No such file or directory"),
    ("peer.py -c config.txt", "config.txt: no section [gossip]"),
    ("peer.py -c tests/data/module.ini 5001", "unrecognized arguments: 5001"),
    *((f"peer.py -c tests/data/module.ini {flag} 0",
       f"argument {flag}: '0' is not a number of seconds of 0.01 or more")
      for flag in ("-v", "-s")),
    *((f"{command} --outputs config.txt", "config.txt is a file, not a folder")
      for command in ("runner.py", "runner.py check", "seed.py", "peer.py 5001")),
]


@pytest.fixture
def call(monkeypatch, capfd):
    """What calls a program without a process of its own: it returns the code, output, errors."""
    def call(program: str, *arguments) -> tuple[int, str, str]:
        monkeypatch.chdir(ROOT)
        code = MAINS[program](list(map(str, arguments)))
        return (code, *capfd.readouterr())
    return call


@pytest.mark.parametrize("usage, says", WRONG, ids=[usage for usage, _ in WRONG])
def test_a_wrong_usage_is_told_in_one_line_that_says_what_to_do(usage, says, call):
    code, out, err = call(*usage.split())
    program, _, message = err.partition(": ")
    assert (code, out) == (1 if any(word in says for word in FAILED) else 2, "")
    assert usage.startswith(program) and err.count("\n") == 1
    assert message.partition(" (see ")[0].strip() == says


@pytest.mark.parametrize("word, says", [
    ("dmeo", "no command 'dmeo'; did you mean demo? Commands: demo, check, "),
    ("Simulat", "no command 'Simulat'; did you mean simulate? Commands: demo, "),
    ("start", "no command 'start'. Commands: demo, "),
    ("workers", "no command 'workers'. Commands: demo, ")])
def test_a_mistyped_command_is_guessed_if_it_is_like_one(word, says, call):
    code, out, err = call("runner.py", word, "--peers", 3)
    assert (code, out) == (2, "") and err.startswith(f"runner.py: {says}") and err.count("\n") == 1


@pytest.mark.parametrize("command, said, unsaid", [
    ("check", "--json", ("--config", "--quiet")), ("plot", "--csv", ("--config", "--quiet")),
    ("watch", "--port", ("--config", "--quiet")),
    ("bench", "that is measured: flood, rumor, tree (each)", ("--outputs", "--quiet", "None")),
    ("demo", "--watch ", ("--once",))])
def test_help_names_no_flag_that_does_nothing_for_a_command(capsys, command, said, unsaid):
    with pytest.raises(SystemExit):
        runner.main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert said in shown and not any(word in shown for word in unsaid)


def test_help_begins_with_examples_and_commands_and_names_each_flag_once(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, shown, _ = call("runner.py", "--help")
    first, _, rest = shown.partition("the usual flags:")
    usual, _, others = rest.partition("all other flags:")
    assert code == 0 and first.count("  python runner.py") == 3
    assert all(f"\n  {word} " in first for word in runner.COMMANDS)
    flags = re.findall(r"^  (?:-h, )?(--[a-z-]+)", usual + others, re.MULTILINE)
    assert len(flags) == len(set(flags)) and {"--help", "--sign", "--peers"} <= {*flags}
    assert max(map(len, shown.splitlines())) <= 80


def test_the_port_of_a_seed_is_refused_and_another_one_proposed(network, call):
    port = network.seed_addresses[0].rpartition(":")[2]
    assert call("peer.py", port, "--config", network.config) == (
        2, "", f"peer.py: {port} is the port of a seed in config.txt; take another, for example "
               "5001\n")
    network.config.write_text("127.0.0.1:5001\n")
    code, _, err = call("peer.py", 5001, "--config", network.config)
    assert code == 2 and err.endswith("take another, for example 5002\n")


def test_an_address_that_no_seed_can_reach_is_refused(tmp_path, call):
    (tmp_path / "far.txt").write_text("192.0.2.1:8080\n")
    far = ["--config", tmp_path / "far.txt"]
    assert call("peer.py", *far, "127.0.0.1", 5001)[::2] == (
        2, "peer.py: 127.0.0.1 cannot be reached from other machines, where the seeds are; give "
           "an address in their network, or none\n")
    assert call("peer.py", *far, "::1", 5001)[::2] == (
        2, "peer.py: no seed of the config has an address like [::1]; give an IPv4 address, or "
           "none\n")


def test_a_folder_that_cannot_be_written_is_told_before_anything_else(network, call):
    folder = network.config / "out"
    assert call("runner.py", "--config", network.config, "--outputs", folder) == (
        1, "", f"runner.py: cannot write into {folder}: Not a directory\n")


def test_seeds_that_monitor_have_to_be_named_by_their_ips(tmp_path, call):
    (tmp_path / "config.txt").write_text("elsewhere.invalid:8080\n")
    code, _, err = call("seed.py", f"127.0.0.1:{free_ports(1)[0]}", "--monitor",
                        "--config", tmp_path / "config.txt")
    assert code == 2 and "has to give the IP of every other seed, also that of elsewhere" in err


@pytest.mark.parametrize("word", ["odd:1", "drop", "drop:²", "drop:-1", "drop:1:x", "drop:1:nan",
                                  "drop:1:7"])
@pytest.mark.parametrize("command", [["--peers", "5"], ["simulate"]])
def test_an_attack_that_is_none_is_named(command, word, call):
    code, out, err = call("runner.py", *command, "--malicious", word)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert f"argument --malicious: '{word}' is not KIND:COUNT[:SHARE], KIND one of drop" in err


@pytest.mark.parametrize("command", [["demo"], ["simulate"]])
@pytest.mark.parametrize("name, code, says", [
    ("", 2, "--outputs has no name of a folder"), ("-", 2, "--outputs - is for a single node"),
    (__file__, 1, "is a file, not a folder")])
def test_output_files_go_into_a_folder(command, name, code, says, call):
    found, out, err = call("runner.py", *command, "--outputs", name)
    assert (found, out) == (code, "") and says in err and err.count("\n") == 1
