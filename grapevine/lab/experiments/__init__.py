"""Whole networks on this machine: many nodes in few processes, watched from outside."""
