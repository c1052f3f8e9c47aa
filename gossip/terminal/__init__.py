"""A program and its terminal: flags, one-line errors, screens, the keyboard, signals, limits.

The programs themselves are in programs/.
"""
