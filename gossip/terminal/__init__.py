"""The command line, the input and the terminal of a program.

command_line.py and folders.py serve the start of a program; input.py, prompt.py and screen.py serve
it while it runs; words.py has the sentences. Programs are in programs/.
"""
