"""The overlay: which peer is whose neighbour.

ring         successors, who must be accepted, who is surplus
places       which peer to dial next        neighbours   the table, one link per pair
peer_list    all peers that are known, and how a peer hears of them
shut_out     whom to refuse for what it sent
found_dead   whom to dial now and then while no seed is up
admitting    what becomes of newcomers: judged, looked for, accepted or refused
linking      how links to neighbours begin and end: the part of a peer that uses all these

How messages travel over the links is in spread/.
"""
