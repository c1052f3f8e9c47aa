"""The node: everything that seed and peer share.

node         address, links with roles, start and stop   part       what a node is made of
world        what a node asks of the world (live: net/; in virtual time: lab/simulation/)
link         one connection, its lines, and who is at its end
backlog      bytes that the other end has not taken yet
probe        one question: do you answer?
whereabouts  where the seeds are, and where their names led last
output_file  one line per event

seed.py, peer.py and their parts decide what lines mean.
"""
