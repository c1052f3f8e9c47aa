"""What can be looked at: charts, the network, and a page about it, made of the records of proof/.

Values in, SVG or HTML out. What the files prove about a network is decided in proof/, not here.
"""
