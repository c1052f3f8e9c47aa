"""The real world of a node: the only place where it meets threads, sockets and clocks.

live_world   what a node may ask for, live      threads      threads with an owner
listener     accepts connections                connection   one TCP socket, and its reader
flusher      sends what was not taken at once   turns        one thread at a time calls a node
pulse        how late threads run               names        lookups of host names

This folder moves bytes, and does not know what lines mean. Nothing here imports node/.
"""
