"""Whole networks: in several processes or in virtual time, and benchmarks of them.

network    seeds and peers in processes        worker    such a process: one peer, or many nodes
following  from its start to its proof         steps     what a terminal shows of it, in words
ports      which are free                      bench     how fast, how large
accidents  who attacks it, and how             status    which nodes answer, now; the seeds' tree
attackers  seeds and peers that lie            modules   networks of gossip modules

In virtual time:

simulate   the command                         accidents what befalls a network: schedules
drawing    schedules by chance                 schedules plays them, many or one smaller
virtual_network  nodes that start and end      verdict   whether the network healed

The commands of runner.py use this folder. What a network proves, proof/ reads from its files.
"""
