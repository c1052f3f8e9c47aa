"""The experiment of runner.py module."""

import socket
import time
import types

from gossip.lab.experiments import modules
from tests.tools.module_words import LOCAL
from tests.tools.ports import free_range
from tests.tools.programs import Program


def test_the_experiment_of_one_command(tmp_path):
    with Program("runner.py", "module", "--peers", 8, "--pow-bits", 10, "--once", "--outputs",
                 tmp_path, "--base-port", free_range(16)) as program:
        code, out, err = program.finish(timeout=180)
    rows = [line.split()[:2] for line in out.splitlines() if " holds " in line]
    assert (code, err, [name for name, _ in rows]) == (0, "", ["view", "broadcast"] * 2), out


def test_the_experiment_fails_when_something_is_not_told(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(modules, "DELIVER_LIMIT", 0.3)
    monkeypatch.setattr(modules, "STILL", 0.1)
    monkeypatch.setattr(modules, "End", lambda: types.SimpleNamespace(pause=time.sleep))
    monkeypatch.setattr(modules.Experiment, "_counts", lambda self, pairs: [0 for _ in pairs])
    args = types.SimpleNamespace(outputs=tmp_path, base_port=free_range(6), peers=3, degree=3,
                                 pow_bits=4, file_limit=0)
    assert modules.run_experiment(args) == 1
    assert "broadcast  FAILS  0 of 6 told once, 6 not" in capfd.readouterr().out


def test_the_experiment_says_so_when_a_module_cannot_start(tmp_path):
    base = free_range(6)
    with socket.create_server((LOCAL, base)), Program(
            "runner.py", "module", "--peers", 3, "--once", "--outputs", tmp_path,
            "--base-port", base) as program:
        code, _, err = program.finish(timeout=60)
    assert code == 1 and f"port {base} is in use" in err
