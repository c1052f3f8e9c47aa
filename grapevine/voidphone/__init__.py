"""The gossip module of VoidPhone: a binary API for clients of its host, and news between hosts."""
