"""Whole networks: in several processes or in virtual time, and benchmarks of them.

network    seeds and peers in processes        worker    such a process: one peer, or many nodes
following  from its start to its proof         steps     what a terminal shows of it, in words
ports      which are free                      bench     how fast, how large
status     which nodes answer, now; the tree of the seeds
accidents  who attacks it, and how
modules    networks of gossip modules, their proof, and how fast they are

In virtual time:

simulate   the command                         accidents what befalls a network: schedules
drawing    schedules by chance                 schedules plays them, many or one smaller
virtual_network  nodes that start and end; the truth
verdict    whether the network healed
attackers  seeds and peers that lie; workers start them, too

The commands of runner.py use this folder. What a network proves, proof/ reads from its files.
"""
