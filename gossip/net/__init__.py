"""The real world of a node: the only place where it meets threads, sockets and clocks.

live_world   what a node may ask for, live      threads      threads with an owner, and turns
connection   TCP sockets, and the listener      names        lookups of host names
flusher      sends what was not taken at once   pulse        how late threads run

This folder moves bytes, and does not know what lines mean. Nothing here imports node/.
"""
