"""The chat: servers in a line that gossip over datagrams, and the console that talks to them.

A server is server.py and doorstep.py; the console is console.py and server_process.py. Rumors and
anti-entropy are in spread/, the program peer.py --chat in programs/.
"""
