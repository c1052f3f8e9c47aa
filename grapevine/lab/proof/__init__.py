"""The proof of what a network did, by its output files.

command    `runner.py check`
check      all rows, and how they are shown
evidence   which runs had to meet, and until when they heard of one another, or of a seed
delivery   the rows about messages             deaths     the row about life and death
malicious  the row about peers that were kicked
graph      links over time, how many pieces there were, and which power law fits the degrees
clocks     which clocks were wrong, and how their times are put right
records    files, read as they grow
runs       lives of peers and of seeds         events     what a line tells; spans of time

Nothing here knows a node, a socket or a thread.
"""
