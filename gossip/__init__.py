"""The parts that seed.py, peer.py and runner.py are made of. Imports point downwards only.

faces     command_line, console, records, check, progress, network, bench
node      node (what seed and peer share), link_check, prober
outside   link, flusher, listener, output_file, screen, keyboard
rules     message_list, intervals, catch_up, neighbours, overlay, places, liveness,
          peer_list, registrations, registry, waiting_room, cadence
values    addresses, wire, settings

A rule is a class of values: no socket, no thread, no clock (time and randomness are handed
in). `outside` moves bytes. `peer.py` and `seed.py` are the places where rules meet links.
"""
