"""The ways in which a message reaches everyone, once.

spreading      the part of a node that uses all these: takes lines in, forwards them
origin         makes messages, and says when the generator waits, and what neighbours may say
message_list   which messages were seen, and the texts held
run            what is known of one life of a peer
room           how much is remembered, and whose texts are evicted first
flood          to all neighbours                  rumors   to one after the other
tree           to neighbours that lack what comes from this origin
catch_up, anti_entropy   compare what was seen, and fetch what is missing

overlay/ decides which links there are.
"""
