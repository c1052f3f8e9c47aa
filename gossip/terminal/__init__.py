"""A program and its terminal: flags, one-line errors, the screen, the keyboard, signals, limits.

Which programs there are: programs/.
"""
