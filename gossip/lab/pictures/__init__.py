"""Pictures: charts, the network, and a page about it, made of the records of proof/.

Values in, SVG, HTML or tables out. What the files prove about a network is decided in proof/, not
here. `report` writes them; a network that runs is followed by the files live_*.py:

    live_lines   the lines of all files, as they grow      live_follow    events and words for pages
    live_states  which state each node is in               live_requests  who may ask for what
    live_sample  which messages are shown                  live_server    the page, and the command
"""
