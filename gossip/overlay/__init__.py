"""The overlay: which peers are neighbours.

ring         successors, which peers are accepted, which are surplus
neighbours   the table, one link per pair
places       which peers to dial next, also while no seed is up, and which to refuse
peer_list    all peers that are known, and how a peer hears of them
admitting    what becomes of newcomers: judged, looked for, accepted or refused
linking      how links to neighbours begin and end: the part of a peer that uses all these

How messages travel over the links is in spread/.
"""
