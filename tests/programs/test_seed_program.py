"""Seeds as the runner starts them, all in one process."""

import signal

from gossip.lab.proof import check
from gossip.lab.proof.records import Records
from tests.tools.files import lines_of
from tests.tools.ports import free_addresses, free_port
from tests.tools.programs import Program, peer_file, run, write_config
from tests.tools.waiting import wait_until


def test_seeds_of_the_config_are_started_by_the_runner(tmp_path):
    addresses = free_addresses(3)
    config = write_config(tmp_path, addresses)
    with Program("runner.py", "--config", config, "--outputs", tmp_path) as runner:
        wait_until(lambda: len(list(tmp_path.glob("seed_*.txt"))) == 3)
        wait_until(lambda: all(lines_of(tmp_path / f"seed_{a.file_part}.txt")
                               for a in addresses))
        runner.process.send_signal(signal.SIGINT)
        code, out, err = runner.finish()
    assert (code, err) == (0, "") and "3 seeds" in out
    assert all(lines_of(tmp_path / f"seed_{a.file_part}.txt")[-1] == "stopped:interrupted"
               for a in addresses)


def test_a_second_runner_appends_to_the_files_of_its_seeds_and_the_check_takes_them_as_two_lives(
        tmp_path):
    config = write_config(tmp_path, free_addresses(2))
    flags = ["--config", config, "--outputs", tmp_path]
    ports = [free_port(), free_port()]
    few = ["--gossip-count", 2, "--gossip-interval", 0.05]
    for life in (1, 2):
        with Program("runner.py", *flags) as runner:
            wait_until(lambda: starts(tmp_path) == [life, life])
            with Program("peer.py", ports[0], *flags, *few) as one, \
                    Program("peer.py", ports[1], *flags, *few) as other:
                wait_until(lambda: [messages(peer_file(flags, port)) for port in ports]
                           == [4 * life, 4 * life])
                assert one.finish("quit\n")[0] == other.finish("quit\n")[0] == 0
            runner.process.send_signal(signal.SIGINT)
            assert runner.finish()[0] == 0
    lives = Records(tmp_path).refresh().seeds
    assert [seed.superseded for seed in lives] == [True, False] * 2
    assert all(len(seed.registered) == 2 and seed.ended is not None for seed in lives)
    holds, text = check.check_folder(tmp_path)
    assert holds, text


def starts(folder):
    return [sum(event.startswith("started:") for event in lines_of(path))
            for path in folder.glob("seed_*.txt")]


def messages(path):
    return sum(event.startswith(("generated:", "received:")) for event in lines_of(path))


def test_a_folder_that_cannot_be_written_is_told_before_anything_else(tmp_path):
    config = write_config(tmp_path, free_addresses(1))
    assert run("runner.py", "--config", config, "--outputs", config / "out") == (
        1, "", f"runner.py: cannot write into {config / 'out'}: Not a directory\n")
