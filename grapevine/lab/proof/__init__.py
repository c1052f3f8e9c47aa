"""The proof of what a network did, by its output files: each claim holds, FAILS, or is unclear.

check         `runner.py check`: all rows, most of them here, and how they are shown
delivery      the rows about messages          deaths     the row about life and death
malicious     the row about peers that were kicked
disturbances  the one mechanism by which a claim that is not met is unclear
evidence      a row, what rows ask, and what disturbed the nodes
graph         links over time, how many pieces there were, and which power law fits the degrees
clocks        which clocks were wrong, and how their times are put right
records       files, read as they grow
runs          lives of peers and of seeds      events     the lines that runs keep

What a runner did to the nodes (lab/scenario.py) is read with their files. Nothing here knows a
node, a socket or a thread.
"""
