"""What can be looked at: charts, the network, and a page about a run, made of proof/'s records.

Values in, SVG or HTML out. What is true about a run is decided in proof/, not here.
"""
