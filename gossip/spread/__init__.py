"""How a message reaches everyone, once.

spreading      the part of a node that uses all these: takes lines in, forwards them
origin         makes messages, and says when the generator waits
allowance      a rate limit: how much a neighbour may say in its own name
shares         whose texts are evicted first
message_list   which messages were seen, and the texts held
run            what is known of one life of a peer   room       how much is remembered
flood          to all neighbours                  rumors, mongering   to one after the other
tree           to neighbours that lack what comes from this origin
comparisons    when to compare again what was seen
catch_up, anti_entropy   compare it, and fetch what is missing

overlay/ decides which links there are.
"""
