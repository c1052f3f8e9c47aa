"""`python tests [pytest arguments]`: runs the tests, in a .venv with pytest if pytest is missing.

Without the name of a file among the arguments, all files are run, two at a time: most tests wait
for something. `python tests --slow` adds the long tests of whole networks, one file at a time.
"""

import collections
import concurrent.futures
import importlib.util
import os
import pathlib
import queue
import re
import subprocess
import sys
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
COUNT = re.compile(r"(\d+) (failed|passed|skipped|error)")
NOTHING_RUN = 5  # pytest's exit code where a selection like -k leaves nothing of a file


def python_with_pytest() -> str:
    """This interpreter if it has pytest, else one in .venv, which is made if need be."""
    if importlib.util.find_spec("pytest"):
        return sys.executable
    python = str(VENV / ("Scripts" if os.name == "nt" else "bin") / "python")
    if subprocess.run([python, "-c", "import pytest"], stderr=subprocess.DEVNULL).returncode \
            if os.path.exists(python) else True:
        venv.create(VENV, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "pytest"], check=True)
    return python


def pytest_command(python: str, arguments: list[str]) -> list[str]:
    return [python, "-B", "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={ROOT}",
            "-c", str(ROOT / "tests" / "pytest.ini"), *arguments]


def run_all(python: str, arguments: list[str], at_once: int) -> int:
    """Run every file in a pytest of its own, the largest first; print each when it ends."""
    begun, total, failed = time.monotonic(), collections.Counter(), False
    slots = queue.SimpleQueue()  # each has ports of its own
    for slot in range(at_once):
        slots.put(slot)

    def run(path: pathlib.Path) -> subprocess.CompletedProcess:
        slot = slots.get()
        try:
            return subprocess.run(pytest_command(python, [*arguments, str(path)]), text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT,
                                  env={**os.environ, "TEST_SLOT": str(slot)})
        finally:
            slots.put(slot)

    files = sorted((ROOT / "tests").glob("test_*.py"), key=lambda path: -path.stat().st_size)
    pool = concurrent.futures.ThreadPoolExecutor(at_once)
    try:
        for done in concurrent.futures.as_completed([pool.submit(run, path) for path in files]):
            result = done.result()
            failed |= result.returncode not in (0, NOTHING_RUN)
            print(f"{pathlib.Path(result.args[-1]).name}:\n{result.stdout}", end="", flush=True)
            for count, word in COUNT.findall(result.stdout.splitlines()[-1]):
                total[word] += int(count)
    finally:
        pool.shutdown(cancel_futures=True)
    counts = ", ".join(f"{count} {word}" for word, count in sorted(total.items()))
    print(f"{counts} in {time.monotonic() - begun:.2f}s")
    return int(failed)


if __name__ == "__main__":
    given = sys.argv[1:] or ["-q"]
    interpreter = python_with_pytest()
    if any(os.path.exists(argument.partition("::")[0]) for argument in given):
        sys.exit(subprocess.call(pytest_command(interpreter, given)))
    sys.exit(run_all(interpreter, given, 1 if "--slow" in given else 2))
