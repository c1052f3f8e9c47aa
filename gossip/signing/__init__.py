"""Who said it: signed gossip.

ed25519       keys, sign, check (RFC 8032); pure
signed_lines  `signed:` lines, made and judged

Which message a signed line speaks of is kept in spread/covers.py.
"""
