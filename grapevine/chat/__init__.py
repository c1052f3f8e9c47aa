"""Chat servers in a line, which gossip over datagrams, and a console that starts them."""
