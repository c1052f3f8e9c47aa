"""The same nodes in virtual time, without threads, sockets and clocks.

virtual_links  what is going to happen, in order; duties; connections made of numbers, cuts
virtual_world  what a node may ask for, in virtual time; turns and sending without threads

It knows of a node only what every world knows (gossip/node/world.py). Which nodes there are is in
gossip/lab/experiments/virtual_network.py, what happens to them in accidents.py beside it.
"""
