"""Whole networks: nodes in several processes, their progress, and benchmarks of them.

The commands of runner.py use this folder. What a network proves, proof/ reads from its files.
"""
