"""The chat log: the texts of gossip lines, in the order in which a chat server got them.

Pure. The messages of one run are sorted by their numbers, within the places that they have in the
log: of run a and run b, `a2,b1,a1` becomes `a1,b1,a2`.
"""

from gossip import wire

EMPTY = b"<empty>"


def chat_log(lines: list[bytes]) -> bytes:
    """`TEXT,TEXT,…` of gossip lines in the order of their arrival."""
    messages = [wire.gossip_fields(line) for line in lines]
    numbered: dict[bytes, list[tuple[int, bytes]]] = {}
    for run, number, text in messages:
        numbered.setdefault(run, []).append((number, text))
    in_order = {run: iter(sorted(said)) for run, said in numbered.items()}
    return b",".join([next(in_order[run])[1] for run, _, _ in messages]) or EMPTY
