"""Whole networks: in several processes or in virtual time, and benchmarks of them.

network    seeds and peers in processes        worker    such a process: hosts many nodes
progress   follows a network by its files      bench     how fast, how large
tree       the tree of running seeds, as text
voidphone_processes, voidphone_experiment, voidphone_bench     the same of gossip modules

In virtual time:

simulate   the command                         accidents        what befalls a network: schedules
schedules  plays them, many or one smaller     virtual_network  nodes that start and end; the truth
verdict    whether the network healed            messages_seen    which messages somebody lacks
attackers  seeds and peers that lie, here alone

The commands of runner.py use this folder. What a network proves, proof/ reads from its files.
"""
