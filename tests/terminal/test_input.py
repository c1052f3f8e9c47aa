"""Input: lines of a descriptor, whatever other programs do to it."""

import os
import threading

from gossip.terminal.input import Keyboard


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
