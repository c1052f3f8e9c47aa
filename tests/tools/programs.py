"""Commands of this project as processes, their input and output in the test's hands."""

import os
import pathlib
import subprocess
import sys


ROOT = pathlib.Path(__file__).resolve().parents[2]


class Program:
    """A command of this project as a process, its input and output in the test's hands. It can
    import nothing but the standard library (-S), which only `tests` needs more than."""

    def __init__(self, *arguments, **popen):
        popen = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE,
                 "stderr": subprocess.PIPE, "cwd": ROOT} | popen
        self.process = subprocess.Popen(
            [sys.executable, *["-S"] * (arguments[0] != "tests"), *map(str, arguments)], **popen)

    def type(self, text: str) -> None:
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def finish(self, text: str = "", timeout: float = 90.0) -> tuple[int, str, str]:
        """End its input and return (exit code, output, errors)."""
        out, err = self.process.communicate(text.encode() or None, timeout)
        return self.process.returncode, out.decode(), err.decode()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass  # what was typed last never reached it
        self.process.wait(10)


def run(*arguments, text="", timeout=180, **popen):
    with Program(*arguments, **popen) as program:
        return program.finish(text, timeout)


def write_config(folder: pathlib.Path, addresses) -> pathlib.Path:
    path = folder / "config.txt"
    path.write_text("".join(f"{address}\n" for address in addresses))
    return path


def environment(**changes) -> dict[str, str]:
    return {**os.environ, **changes}


def shell(command, **popen):
    return subprocess.Popen(["bash", "-c", command], cwd=ROOT, **popen)


def peer_file(flags, port):
    return flags[3] / f"peer_127.0.0.1_{port}.txt"
