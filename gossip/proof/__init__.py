"""What the output files prove: records read from files, and rows of the check made of them.

Nothing here knows a node, a socket or a thread. Pictures of the same files: pictures/.
"""
