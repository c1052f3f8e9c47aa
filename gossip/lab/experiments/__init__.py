"""Whole networks, in several processes or in virtual time, and benchmarks.

In processes: `network` holds the workers, `worker` is such a process, `following` leads from the
start to the proof, `steps` shows the progress, `status` asks what runs, `bench` and `modules`
measure. In virtual time: `drawing` draws `accidents` by chance, `schedules` plays them on a
`virtual_network`, with `attackers`, and `verdict` tells whether it healed.
"""
