"""Signing: who said what, in signed gossip.

ed25519       keys, signing and verifying (RFC 8032), by our own code if need be
openssl       the OpenSSL of Python's hashlib, which judges alike
grammar       the lines: signed, proofs, contradictions, runs; read, made and verified

Which runs an address has had:
known_runs    which runs are genuine, and which was met last at an address
confirming    asks seeds about the others
vouching      which runs a seed has verified, and its answers to peers
link_proofs   which run is at the other end of a link

How signed gossip spreads, on what spread/ does for any gossip:
signed_spreading  the part of a peer: lines that wait for their run, rate limits of verifying
signed_messages   the message list, which takes only messages for which a good cover speaks
covers            signed lines, and the messages that they speak for
"""
