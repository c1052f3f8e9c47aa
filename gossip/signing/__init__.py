"""Who said it: signatures, and which runs an address has had.

ed25519        keys, sign, check (RFC 8032); pure
"""
