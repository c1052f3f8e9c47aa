"""Pictures: charts, the network, and a page about it, made of the records of proof/.

Values in, SVG, HTML or tables out. What the files prove about a network is decided in proof/, not
here. A network that runs is followed by the files live_*.py:

    live_lines   the lines of all files, as they grow      live_sample     which messages are shown
    live_nodes   what is known of a node                   live_states     which state it is in
    live_story   what happens, in words                    live_requests   who may ask for what
    live_follow  a folder becomes a stream of events       live_server     answers, and streams
    live_page    the page, and the command
"""
