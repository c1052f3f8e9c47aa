"""Pictures of a network, in a report and on a live page.

Records of proof/ go in, SVG, HTML or tables come out. proof/ decides what the files prove. `report`
writes the pictures (`runner.py plot`). The files live_*.py follow a running network:

    live_lines   the lines of all files, as they grow      live_follow    events for pages, in a log
    live_states  which state each node is in               live_story     what happens, in words
    live_sample  which messages are shown                  live_requests  who may ask for what
                                                           live_server    the page (`watch`)
"""
