"""Seeds as the runner starts them, all in one process."""

import signal

from gossip.addresses import parse_address
from tests.tools.files import lines_of
from tests.tools.ports import free_addresses
from tests.tools.programs import Program, write_config
from tests.tools.waiting import wait_until


def test_seeds_of_the_config_are_started_by_the_runner(tmp_path):
    addresses = free_addresses(3)
    config = write_config(tmp_path, [*addresses, parse_address("203.0.113.9:8080")])
    with Program("runner.py", "--config", config, "--outputs", tmp_path) as runner:
        wait_until(lambda: len(list(tmp_path.glob("seed_*.txt"))) == 3)
        wait_until(lambda: all(lines_of(tmp_path / f"seed_{a.file_part}.txt")
                               for a in addresses))
        runner.process.send_signal(signal.SIGINT)
        code, out, err = runner.finish()
    assert (code, err) == (0, "") and "3 seeds" in out
    assert all(lines_of(tmp_path / f"seed_{a.file_part}.txt")[-1] == "stopped:interrupted"
               for a in addresses)
