"""Who is whose neighbour: the ring, capacities in use, one link per pair, whom to dial next.

Rules only; how messages travel over the links is in spread/.
"""
