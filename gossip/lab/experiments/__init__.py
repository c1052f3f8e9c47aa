"""Whole networks: in several processes or in virtual time, and benchmarks of them.

In processes: `network` holds them, `worker` is one of them, `following` goes from the start to the
proof, and `steps` says how far it is; `status` asks what runs; `bench` and `modules` measure.
In virtual time: `drawing` draws `accidents` by chance, `schedules` plays them on a
`virtual_network`, with `attackers`, and `verdict` tells whether it healed.
"""
