"""`python tests [pytest arguments]`: runs the tests, in a .venv with pytest if pytest is missing.

Without the name of a file among the arguments, all files are run, eight at a time, because
most tests wait for something; small files of one folder share a pytest, which loads no plugins
unless PYTEST_DISABLE_PLUGIN_AUTOLOAD is set to nothing. `python tests --slow` adds the long tests
of whole networks, one file at a time. A terminal shows how far they are; what failed is named last,
with the command that runs it again.
"""

import concurrent.futures
import importlib.util
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.tools.results import Results  # noqa: E402

VENV = ROOT / ".venv"
SAYS_WHY = re.compile(r"error: (?!usage:)(.*)", re.IGNORECASE)  # in what pytest writes
USAGE = 2  # exit code, as of all programs here
WRONG_USAGE = 4  # pytest's exit code for arguments that it does not know
NOTHING_RUN = 5  # pytest's exit code where a selection like -k leaves nothing of a file
LONGEST = ("lab/experiments",)  # the folder whose tests are begun first: they run whole networks
# Those that are begun last: they compute more than they wait, so that no core is idle at the end.
COMPUTING = ("lab/proof", "lab/simulation", "node", "signing", "spread", "terminal", "wire")
TOGETHER = 45_000  # bytes of test files that one pytest runs, unless a single file has more


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
    return [python, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={ROOT}",
            "-c", str(ROOT / "tests" / "pytest.ini"), *arguments]


def wrong_usage(python: str, arguments: list[str], environment: dict[str, str]) -> str | None:
    """What pytest says of arguments that it does not take; None when it takes them. Afterwards
    pytest, our conftest and what both import is compiled, once for all batches."""
    quickly = ["--collect-only", str(ROOT / "tests" / "data")]  # no test is there
    result = subprocess.run(pytest_command(python, [*arguments, *quickly]), text=True,
                            stdin=subprocess.DEVNULL, capture_output=True, env=environment)
    if result.returncode != WRONG_USAGE:
        return None
    return next(iter(SAYS_WHY.findall(result.stderr)), result.stderr)


def batches() -> list[list[pathlib.Path]]:
    """All files of tests, what waits longest first; small files of one folder stand together."""
    together: list[list[pathlib.Path]] = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        last = together[-1] if together else []
        if last and last[0].parent == path.parent and size([*last, path]) <= TOGETHER:
            last.append(path)
        else:
            together.append([path])
    return sorted(together, key=turn)


def turn(paths: list[pathlib.Path]) -> tuple[bool, bool, int]:
    """What comes first has the lowest turn."""
    folder = paths[0].parent.relative_to(ROOT / "tests").as_posix()
    return folder in COMPUTING, folder not in LONGEST, -size(paths)


def size(paths: list[pathlib.Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def run_all(python: str, arguments: list[str], environment: dict[str, str], at_once: int) -> int:
    """Run each batch of files in a pytest of its own; show its result when it ends."""
    all_batches, failed = batches(), False
    results = Results(len(all_batches), ROOT / "tests", "--slow" in arguments)
    slots = queue.SimpleQueue()  # each has ports of its own
    for slot in range(at_once):
        slots.put(slot)

    def run(paths: list[pathlib.Path]) -> subprocess.CompletedProcess:
        slot = slots.get()
        try:
            return subprocess.run(pytest_command(python, [*results.flags, *arguments,
                                                          *map(str, paths)]), text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT,
                                  env={**environment, "TEST_SLOT": str(slot)})
        finally:
            slots.put(slot)

    pool = concurrent.futures.ThreadPoolExecutor(at_once)
    try:
        running = {pool.submit(run, paths): paths for paths in all_batches}
        for done in concurrent.futures.as_completed(running):
            result = done.result()
            is_well = result.returncode in (0, NOTHING_RUN)
            failed |= not is_well
            results.add(running[done], result.stdout, is_well)
    finally:
        pool.shutdown(cancel_futures=True)
        results.close()
    print(results.summary())
    return int(failed)


def main(arguments: list[str]) -> int:
    """Run the tests; what Python compiles is kept until they end, for all their processes."""
    interpreter = python_with_pytest()
    of_files = any(os.path.exists(argument.partition("::")[0]) for argument in arguments)
    with tempfile.TemporaryDirectory() as compiled:
        environment = {"PYTHONPYCACHEPREFIX": compiled, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                       **os.environ}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if of_files:
            return subprocess.call(pytest_command(interpreter, arguments), env=environment)
        wrong = wrong_usage(interpreter, arguments, environment)
        if wrong is not None:
            print(f"tests: {wrong}", file=sys.stderr)
            return USAGE
        return run_all(interpreter, arguments, environment, 1 if "--slow" in arguments else 8)


if __name__ == "__main__":
    # a shell starts what it runs in the background deaf to Ctrl-C, and so would the programs be
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:] or ["-q"]))
