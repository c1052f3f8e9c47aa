"""A program and its terminal: flags, one-line errors, the screen, the keyboard, signals, limits.

The programs themselves are in programs/.
"""
