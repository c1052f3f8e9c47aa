"""Wrong usages: each is answered with one line that says what to do, and exit code 2 (1 where a
folder or an address cannot be used). They end before anything starts, so they need no process of
their own."""

import os
import re

import pytest

from grapevine import runner
from grapevine.lab.attackers import KINDS
from grapevine.terminal.programs import peer_main, seed_main
from tests.tools.programs import ROOT, free_ports

MAINS = {"peer.py": peer_main, "seed.py": seed_main, "runner.py": runner.main}
OF_A_NODE = "--outputs - is for a single node: python peer.py, or python seed.py with a PORT"

FAILED = ("a file", "this machine", "nowhere/", "cannot write")  # said with exit code 1
LISTS = {"HERE": "127.0.0.1:{port}", "FAR": "192.0.2.1:8080", "NAME": "elsewhere.invalid:8080"}
WRONG = [  # command line, what it says; config.txt is a file, grapevine a folder of this project,
    # and a word of LISTS is a list of that seed
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
    ("seed.py --outputs -", "--outputs - is for a single seed, not for 6: give its PORT"),
    ("peer.py 0", "argument PORT: '0' is not a port (1 to 65535)"),
    ("peer.py nowhere.invalid:5001", "nowhere.invalid is not an address of this machine"),
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
    *((f"{program} --liveness-interval {value}", f"argument --liveness-interval: '{value}' is not "
       "a number of seconds of 0.01 or more")
      for program, value in (("seed.py", "0"), ("peer.py 5001", "nan"), ("peer.py 1", "no"))),
    ("peer.py 5001 --outputs=", "--outputs has no name of a folder"),
    ("peer.py --config FAR 127.0.0.1 5001", "127.0.0.1 cannot be reached from other machines, "
     "where the seeds are; give an address in their network, or none"),
    ("peer.py --config FAR ::1 5001",
     "no seed of the config has an address like [::1]; give an IPv4 address, or none"),
    ("seed.py 127.0.0.1:8079 --monitor --config NAME", "with --monitor config.txt has to give the "
     "IP of every other seed, also that of elsewhere.invalid:8080"),
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
    ("runner.py --config HERE --outputs config.txt/out",
     "cannot write into config.txt/out: Not a directory"),
    *((f"{command} --outputs{value}", says)
      for command in ("runner.py", "runner.py check", "runner.py demo", "runner.py simulate")
      for value, says in (("=", "--outputs has no name of a folder"), (" -", OF_A_NODE))),
    *((f"{command} --outputs config.txt", "config.txt is a file, not a folder")
      for command in ("runner.py", "runner.py check", "runner.py demo", "runner.py simulate",
                      "seed.py", "peer.py 5001")),
    *((f"runner.py {command} --malicious {word}",
       f"argument --malicious: '{word}' is not KIND:COUNT[:SHARE], KIND one of "
       f"{', '.join(KINDS)}, SHARE above 0, up to 1")
      for command in ("--peers 5", "simulate")
      for word in ("odd:1", "drop", "drop:²", "drop:-1", "drop:1:x", "drop:1:nan", "drop:1:7")),
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
def test_a_wrong_usage_is_told_in_one_line_that_says_what_to_do(usage, says, call, tmp_path):
    for name, seed in LISTS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.txt").write_text(seed.format(port=free_ports(1)[0]))
    code, out, err = call(*(tmp_path / word / "config.txt" if word in LISTS else word
                            for word in usage.split()))
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
