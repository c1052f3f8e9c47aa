"""A program and its terminal: flags and one-line errors, what comes in, what is shown, limits.

command_line.py and folders.py are for the start of a program; input.py, prompt.py and screen.py are
for the time while it runs; words.py has the sentences. Programs are in programs/.
"""
