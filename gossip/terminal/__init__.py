"""A program and its terminal: flags and one-line errors, what comes in, what is shown, limits.

command_line.py and folders.py are about what is typed to start a program, input.py, prompt.py and
screen.py about what happens while it runs; words.py has what is said. Programs are in programs/.
"""
