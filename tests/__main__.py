"""Run the tests: `python tests [pytest arguments]`, from anywhere, in a .venv if pytest is missing.

Without the name of a file or folder among the arguments, all files are dealt to pytests, four of
which run at the same time; what failed is printed last. `--slow` adds the tests marked slow.
"""

import concurrent.futures
import importlib.util
import os
import pathlib
import subprocess
import sys
import venv

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent
VENV = ROOT / ".venv"
SHARES, AT_ONCE = 14, 4  # pytests; more shares, so that the last one to end is short
SLOW = {  # how a path begins -> how many times as long its tests take for its size
    "simulation/test_schedules": 80, "simulation/test_watched": 75, "simulation": 40,
    "processes/test_networks": 90, "processes": 30, "library": 8, "pictures": 6}
FINE = (0, 5)  # exit codes of pytest: all passed; nothing was selected


def python_with_pytest() -> str:
    """Return this interpreter if it has pytest, else that of .venv, which is made if need be."""
    if importlib.util.find_spec("pytest"):
        return sys.executable
    python = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
    test = [str(python), "-c", "import pytest"]
    if not python.exists() or subprocess.run(test, stderr=subprocess.DEVNULL).returncode:
        venv.create(VENV, clear=True, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "pytest"], check=True)
    return str(python)


def command(python: str, arguments: list[str]) -> list[str]:
    return [python, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={ROOT}",
            "-c", str(TESTS / "pytest.ini"), *arguments]


def absolute(argument: str) -> str:
    """Return an argument for a pytest that runs in another folder."""
    path, separator, test = argument.partition("::")
    return os.path.abspath(path) + separator + test if os.path.exists(path) else argument


def length(path: pathlib.Path) -> int:
    """Return how long the tests of a file take, in no unit."""
    name = path.relative_to(TESTS).as_posix()
    times = [times for start, times in SLOW.items() if name.startswith(start)]
    return path.stat().st_size * (times[0] if times else 1)


def shares() -> list[list[str]]:
    """Deal all files, the longest first, each to the share that has least so far."""
    lengths = {path: length(path) for path in sorted(TESTS.rglob("test_*.py"))}
    dealt: list[list[pathlib.Path]] = [[] for _ in range(SHARES)]
    for path in sorted(lengths, key=lengths.get, reverse=True):
        min(dealt, key=lambda share: sum(map(lengths.get, share))).append(path)
    return [list(map(str, share)) for share in dealt if share]


def run_all(python: str, arguments: list[str]) -> int:
    def run(files: list[str]) -> subprocess.CompletedProcess:
        return subprocess.run(command(python, ["-q", *arguments, *files]), cwd=ROOT, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = sorted(pool.map(run, shares()), key=lambda result: result.returncode not in FINE)
    for result in results:
        is_fine = result.returncode in FINE
        print(result.stdout.splitlines()[-1] if is_fine and result.stdout else result.stdout)
    return int(any(result.returncode not in FINE for result in results))


def main(arguments: list[str]) -> int:
    python = python_with_pytest()
    os.environ.setdefault("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # a second each to load, unused
    if any(os.path.exists(argument.partition("::")[0]) for argument in arguments):
        return subprocess.call(command(python, list(map(absolute, arguments))), cwd=ROOT)
    return run_all(python, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
