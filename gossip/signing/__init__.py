"""Who said it: signed gossip.

ed25519       keys, sign, check (RFC 8032); pure
signed_lines  `signed:` lines and proofs, made and judged

Which runs an address has had:

known_runs    which runs a peer believes in       confirming   asks seeds about the others
proven_runs   which runs a seed has verified      vouching     learns them, and tells who asks

Which message a signed line speaks of is kept in spread/covers.py.
"""
