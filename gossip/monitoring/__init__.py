"""Monitoring: peers watch their neighbours, and seeds decide which peers are malicious.

After Jin and Chan, "Detecting malicious nodes in peer-to-peer streaming by peer-based monitoring"
(ACM TOMCCAP 6(2), 2010): reports about neighbours, kept by trusted nodes in a threaded binary tree.
Only the abstract of that paper was used; the rest is this project's own design.

grammar        the lines that peers and seeds say

At a peer:
watch          what a peer saw of its neighbours, counted
reporting      a report once a period; kicks, and neighbours that rarely name this peer

At a seed:
rows           the entries of reports, each filed under two keys
threaded_tree  which seed holds which keys, and the way from one seed to another
other_seeds    links between seeds; which seeds live; the tree as it ought to be
keeping        which reports count; rows taken in and forwarded; the tree, and its loads
verdicts       rows in; badness, charges and the guilty out; pure
deciding       once a period: which peers are malicious; kicks
"""
