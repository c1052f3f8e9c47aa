"""The command line, the input and the terminal of a program.

command_line.py and folders.py serve the start of a program; input.py and screen.py serve it while
it runs; keys.py, prompt.py and words.py, with the sentences, serve a peer on a terminal. Programs
are in programs/.
"""
