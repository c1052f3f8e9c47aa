"""Who lives: unanswered requests counted in rounds, and one more probe before a verdict.

What follows from a death is in peer.py and seed.py.
"""
