"""The real world of a node: the only place where it meets threads, sockets and clocks.

live_world   what a node may ask for, live      threads      threads with an owner
connection   TCP sockets, their readers         turns        one thread at a time calls a node
flusher      sends what was not taken at once   names        lookups of host names
pulse        how late threads run

This folder moves bytes, and does not know what lines mean. Nothing here imports node/.
"""
