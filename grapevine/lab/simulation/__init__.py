"""Whole networks in virtual time, and accidents by chance.

`accidents` is a schedule and its text, `drawing` draws one from a number, `lives` starts and ends
the nodes and knows the truth about them, `judge` asks whether the network has healed, and
`simulate` is the command.
"""
