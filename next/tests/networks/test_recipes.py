"""The recipes of grapevine/machines: what they start runs, as it stands there."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from tests.tools.programs import ROOT, free_ports, wait_until

FOLDER = ROOT / "grapevine" / "machines"


def test_the_image_is_the_checkout():
    image = dict(line.split(" ", 1) for line in (FOLDER / "Dockerfile").read_text().splitlines()
                 if not line.startswith("#"))
    assert image["COPY"] == ". /grapevine" and image["WORKDIR"] == "/grapevine"
    assert image["RUN"] == "python -m compileall -q ."  # each check of health is a process
    assert (image["USER"], image["ENTRYPOINT"]) == ("1000", '["python"]')


@pytest.mark.parametrize("name", ["grapevine-seed@.service", "grapevine-peer@.service"])
def test_the_units_of_systemd(name, tmp_path):
    unit = FOLDER / name
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    [start] = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    port, of_seed = free_ports(2)
    config = tmp_path / "config.txt"
    config.write_text(f"127.0.0.1:{port if 'seed' in name else of_seed}\n")
    command = [{"/usr/bin/python3": sys.executable, "/etc/grapevine.txt": config,
                "/var/lib/grapevine": tmp_path, "%i": port}.get(word, word)
               for word in start.removeprefix("ExecStart=").split()]
    command[1] = ROOT / pathlib.Path(command[1]).name
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL) as node:
        [path] = wait_until(lambda: list(tmp_path.glob(f"*_127.0.0.1_{port}.txt")))
        wait_until(lambda: "started:" in path.read_text())
        node.send_signal(signal.SIGTERM)
        assert node.wait(30) == (130 if "seed" in name else 0)
    assert path.read_text().splitlines()[-1][27:] == (
        "stopped:interrupted" if "seed" in name else "stopped:quit")


def services() -> dict[str, tuple[list[str], list[str]]]:
    """Return the command of each service in compose.yaml, and that of its health."""
    service = (r"^  ([a-z0-9-]+):\n    <<: \*node\n    command: (\[.*\])\n"
               r"    healthcheck:\n      <<: \*health\n      test: (\[.*\])$")
    found = re.findall(service, (FOLDER / "compose.yaml").read_text(), re.MULTILINE)
    return {name: (json.loads(command), json.loads(health)) for name, command, health in found}


def test_compose_is_yaml_with_three_seeds_and_a_peer():
    assert list(services()) == ["seed-0", "seed-1", "seed-2", "peer"]
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    for name, (command, health) in services().items():
        service = recipe["services"][name]
        assert (service["command"], service["healthcheck"]["test"]) == (command, health)
        assert service["user"] == "1000" and service["read_only"] is True
        assert service["configs"] == [{"source": "seeds", "target": "/grapevine/config.txt"}]
    assert (FOLDER / recipe["configs"]["seeds"]["file"]).exists()
