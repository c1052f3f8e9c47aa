"""Connections to a seed over which hand-made peers register."""


def register(net, seed, fake, ip="127.0.0.1"):
    """A connection on which a hand-made peer asks to be listed."""
    end = net.dial(seed, ip)
    end.say(f"register:{fake.address}")
    return end


def listed(net, seed, fake):
    """The connection over which a hand-made peer is listed."""
    end = register(net, seed, fake)
    assert end.hear() == "registered successfully"
    return end


def registered(net, seed, fake=None):
    """A hand-made peer that is listed, a new one if none is given, and the connection for that."""
    fake = fake or net.fake()
    return fake, listed(net, seed, fake)


def put_off(seed):
    """For how many seconds each thing is put off that the seed does later from now on: a list that
    grows."""
    waits, take_over = [], seed.flusher.take_over

    def noted(job, after=0.0):
        take_over(job, after)
        waits.append(after)

    seed.flusher.take_over = noted
    return waits
