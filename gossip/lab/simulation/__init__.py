"""The same nodes in virtual time: a peer or a seed without a thread, a socket or a clock.

virtual_time   what is going to happen, in order; turns, duties and sending without threads
virtual_links  connections made of numbers, cuts, machines without power
virtual_world  what a node may ask for, in virtual time

It knows of a node only what every world knows (gossip/node/world.py). Which nodes there are is in
gossip/lab/experiments/virtual_network.py, what happens to them in accidents.py beside it.
"""
