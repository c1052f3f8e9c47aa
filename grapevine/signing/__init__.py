"""Signed gossip, `peer.py --sign`: README.md says what is signed, and what that proves."""
