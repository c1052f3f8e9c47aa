"""Commands of this project that end at once, called in the test's own process."""

import runpy
import sys

import pytest

from tests.tools.programs import ROOT


@pytest.fixture
def call(monkeypatch, capfd):
    """What calls a program, as `run` does, without a process of its own."""
    def call(program, *arguments):
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "argv", [program, *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(program, run_name="__main__")
        return (end.value.code or 0, *capfd.readouterr())
    return call
