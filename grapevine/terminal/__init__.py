"""From a command line to running nodes, and what a person sees of them.

command_line.py, folders.py and starting.py serve the start of all programs; screen.py and
console.py their output and input. words.py and prompt.py are for nodes on a terminal: a peer, with
keys.py and talk.py, or the seeds of runner.py, with seeds.py. programs.py has peer.py and seed.py.
"""
