"""Networks are looked at from outside: experiments, virtual time, proof and pictures."""

FOR_EVER = 1_000_000_000  # messages of a peer that gossips without end
