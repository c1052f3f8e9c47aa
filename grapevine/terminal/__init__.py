"""From a command line to running nodes, and what a person sees of them.

command_line.py, folders.py and starting.py serve the start of all programs; screen.py and
console.py their output and input. prompt.py, keys.py, words.py and talk.py are for a peer on a
terminal, seeds.py is for the seeds of runner.py. programs.py has peer.py and seed.py.
"""
