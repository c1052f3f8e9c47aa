"""The lab: what looks at a network from outside. Its parts: gossip/__init__.py."""
