"""The proof by output files: records read from files, and rows of the check made of them.

check      all rows, and how they are shown
evidence   which runs had to meet, and until when they heard of one another, or of a seed
delivery   the rows about messages             deaths     the row about life and death
malicious  the row about who was kicked
graph      who was linked when, how many pieces there were, and which power law fits the degrees
clocks     whose clock was wrong, and the times of its files put right
records    files, read as they grow, and the pieces of one that was rotated
runs       one life of a peer or of a seed     events     what a line tells; spans of time

Nothing here knows a node, a socket or a thread. Pictures of the same files: pictures/.
"""
