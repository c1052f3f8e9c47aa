"""Whole networks: nodes in several processes, their progress, and benchmarks of them.

The commands of runner.py use it. What a network proves is read from its files by proof/.
"""
