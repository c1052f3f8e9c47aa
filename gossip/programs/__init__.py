"""From a command line to running nodes: one file per program.

starting.py is what the programs share; switch.py chooses between those of peer.py; console.py is
what a person types at a peer. seed.py and peer.py hand in their classes: nothing here imports them.
"""
