"""The parts that seed.py, peer.py and runner.py are made of. Imports point downwards only.

faces     programs, chat_program, command_line, limits, signals, console, chat_console,
          network, worker, progress, bench, records, graph, degrees, check, layout, charts,
          plot, report (page.html, .css, .js)
node      node (what seed and peer share), chat, pool, prober, link_check
outside   link, flusher, flood, mongering, spreading, anti_entropy, datagrams, listener,
          output_file, screen, keyboard
rules     message_list, catch_up, neighbours, overlay, places, liveness, peer_list, origin,
          registrations, registry, rumors, waiting_room, cadence, counters, chat_log
values    addresses, capacity, powerlaw, intervals, pieces, wire, settings, doorstep

The folder `module` is the gossip module of the VoidPhone project, on the same links and nodes.

A rule is a class of values: no socket, no thread, no clock (time and randomness are handed
in). `outside` moves bytes. `peer.py` and `seed.py` are the places where rules meet links.
"""
