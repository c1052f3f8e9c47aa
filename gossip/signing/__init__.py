"""Who said it: signed gossip.

ed25519       keys, sign, check (RFC 8032), by
openssl       that of Python's hashlib, or else
edwards       our own code, which judges alike; pure
signed_lines  `signed:` lines and proofs, made and judged

Which runs an address has had:

known_runs    which runs a peer believes in       confirming   asks seeds about the others
proven_runs   which runs a seed has verified      vouching     learns them, and tells who asks
link_proofs   which run is at the other end of a link   homes   which run was met last

Which message a signed line speaks of is kept in spread/covers.py.
"""
