"""Signing: who said what, in signed gossip.

ed25519       keys, sign, check (RFC 8032), by
openssl       that of Python's hashlib, or else
edwards       our own code, which judges alike; pure
grammar       the lines: signed, proofs, contradictions, runs
signed_lines  `signed:` lines and proofs, made and judged

Which runs an address has had:

known_runs    which runs a peer believes in, and which it met last
confirming    asks seeds about the others
vouching      which runs a seed has verified, and how it tells who asks
link_proofs   which run is at the other end of a link

How signed gossip spreads, on what spread/ does for any gossip:

signed_spreading  the part of a peer: lines wait until their run is known, checks have accounts
signed_messages   the message list: what a cover speaks of is taken
covers            which signed line speaks of which message, and whether it is good
"""
