"""Input: lines of a descriptor, whatever other programs do to it."""

import os
import subprocess
import sys
import threading

from gossip.terminal.input import Keyboard
from tests.tools.programs import ROOT


def test_who_makes_the_input_non_blocking_does_not_end_it():
    """It does so for all that share it."""
    end, source = os.pipe()
    os.set_blocking(end, False)
    keyboard = Keyboard(end)
    said = threading.Timer(0.1, os.write, (source, b"hello\n"))
    said.start()
    assert keyboard.lines() == [b"hello"]
    said.join()
    os.close(source)
    assert keyboard.lines() is None
    os.close(end)


def test_a_long_line_loses_its_end_and_not_its_middle():
    end, source = os.pipe()
    keyboard = Keyboard(end, longest=10)
    writer = threading.Thread(target=os.write, args=(source, b"a" * 100_000 + b"b\nnext\n"))
    writer.start()
    assert keyboard.line() == b"a" * 10 and keyboard.line() == b"next"
    writer.join()
    os.close(source)
    os.close(end)


def test_an_end_for_which_more_is_awaited_sleeps_between_its_looks():
    code = ("from gossip.terminal.input import End; end, looks = End(), []; end.come(); "
            "end.wait_for_more(lambda: looks.append(1), 0.3); print(len(looks))")
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert 1 <= int(result.stdout) < 100
