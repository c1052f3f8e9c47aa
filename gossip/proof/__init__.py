"""What the output files prove: records read from files, and rows of the check made of them.

check      all rows, and how they are shown    evidence   a row, and what several rows need
delivery   the rows about messages             deaths     the rows about life and death
blame      deaths without a reason, not reported, or of who lived
rounds     the row about liveness rounds       registering   the row about registrations
malicious  the row about who was kicked
registration_history  with which seeds a run was registered, by its own word
company    which runs had to meet, and until when they heard of one another
denials    which messages a run may lack, as nobody confirmed who said them
reach      when seeds were up, and when a peer could reach them
graph      who was linked when                 pieces     connected components, as links come and go
degrees    measured and predicted              powerlaw   the exponent that fits them
records    files, read as they grow            events     what a line tells, as a value
runs       one life of a peer                  seed_runs  one life of a seed
sleep      when a peer was frozen, by the gaps in its file

Nothing here knows a node, a socket or a thread. Pictures of the same files: pictures/.
"""
