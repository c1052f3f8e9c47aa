"""From a command line to running nodes: flags, the programs peer.py and seed.py, what is typed."""
