"""`python tests [pytest arguments]`: runs the tests, in a .venv with pytest if pytest is missing.

`python tests --slow` adds the long tests of whole networks.
"""

import importlib.util
import os
import pathlib
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"


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


if __name__ == "__main__":
    arguments = sys.argv[1:] or ["-q"]
    sys.exit(subprocess.call(
        [python_with_pytest(), "-B", "-m", "pytest", "-p", "no:cacheprovider",
         f"--rootdir={ROOT}", "-c", str(ROOT / "tests" / "pytest.ini"), *arguments,
         *([] if any(os.path.exists(a.partition("::")[0]) for a in arguments)
           else [str(ROOT / "tests")])]))
