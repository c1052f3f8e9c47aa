"""What seed and peer share: links with roles, dispatch of lines, the output file, counts.

What lines mean is in seed.py and peer.py.
"""
