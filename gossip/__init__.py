"""A map of the folders that seed.py, peer.py and runner.py are made of.

    wire/          the lines that nodes send: parsing and making them
    seeds/         registering: a seed's list, a peer's side of it, reports between seeds
    overlay/       who is whose neighbour: the ring, places, links that begin and end
    spread/        how a message reaches everyone, once
    signing/       who said it: keys, signatures, which runs are genuine
    monitoring/    who cheats: what peers report, the tree of seeds that keeps it, the verdicts
    liveness/      who lives: rounds of requests, and probes
    node/          what seed and peer share: links, roles, dispatch, the output file, the world
    net/           the real world of a node: threads, sockets and clocks
    chat/          the chat servers and their console
    voidphone/     the gossip module of the VoidPhone project
    terminal/      a program and its terminal
    programs/      from a command line to running nodes, one file per program
    lab/           tools that look at a network from outside; only runner.py imports them
      simulation/  the same nodes in virtual time, without threads, sockets and clocks
      experiments/ whole networks, live or with accidents in virtual time, and benchmarks
      proof/       what the output files prove
      pictures/    charts, the report, the live page
    addresses, intervals, capacity, settings, escaping, tools     what every folder may import

wire, seeds, overlay, spread and liveness hold the rules of the assignment, without a thread, a
socket or a clock: their callers pass in the time. peer.py and seed.py bring the rules together.
tests/test_layers.py defines which folder may import which.
"""
