"""The real world: sockets, and the threads that wait on them.

It moves bytes and lines, and does not know what they mean.
"""
