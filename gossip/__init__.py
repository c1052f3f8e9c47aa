"""The parts that seed.py, peer.py and runner.py are made of: the map.

    wire/          what is said: every line, written and read
    seeds/         registering: a seed's list, a peer's side of it, reports between seeds
    overlay/       who is whose neighbour: the ring, places, links that begin and end
    spread/        how a message reaches everyone, once
    signing/       who said it: keys, signatures, whose run it is
    monitoring/    who cheats: what peers report, the tree of seeds that keeps it, the verdicts
    liveness/      who lives: rounds of questions, and the prober
    node/          what seed and peer share: links, roles, dispatch, the output file, the world
    net/           the real world: threads, sockets and clocks that a node meets
    chat/          the chat servers and their console
    voidphone/     the gossip module of the VoidPhone project
    terminal/      a program and its terminal
    programs/      from a command line to running nodes, one file per program
    lab/           what looks at a network from outside; runner.py alone imports it
      simulation/  the same nodes in virtual time, without threads, sockets and clocks
      experiments/ whole networks, live or with accidents in virtual time, and benchmarks
      proof/       what the output files prove
      pictures/    what can be looked at
    addresses, intervals, capacity, settings, escaping     what every folder may name

wire, seeds, overlay, spread and liveness are the words of the assignment: rules without a thread,
a socket or a clock, which are handed the time. peer.py and seed.py are where they meet. Which
folder may import which: tests/test_layers.py.
"""
