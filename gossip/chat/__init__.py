"""The chat: servers in a line that gossip over datagrams, and the console that talks to them.

How rumors and anti-entropy work is in spread/; how a server is started, in programs/.
"""
