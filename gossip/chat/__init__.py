"""The chat: servers in a line that gossip over datagrams, and the console that talks to them.

A server is server.py, doorstep.py and datagrams.py (lines over UDP); the console is console.py and
server_process.py. Rumors and anti-entropy are in spread/, the program peer.py --chat in programs/.
"""
