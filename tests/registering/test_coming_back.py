"""A registration whose connection broke: the peer that still answers has a while to come back."""

import time

from tests.tools.files import count, wait_event
from tests.tools.nets import FAST
from tests.tools.registering import listed, put_off
from tests.tools.waiting import wait_until


def test_a_peer_whose_connection_breaks_stays_on_the_list_until_its_time_is_over(net):
    net.settings = FAST._replace(grace=60.0)
    seed, = net.seeds(1)
    fake, waits = net.fake(), put_off(seed)
    listed(net, seed, fake).close()
    wait_until(lambda: 60.0 in waits, what="the time to come back to begin")
    stranger = net.dial(seed)
    stranger.say("peer list")
    assert stranger.hear() == f"peer list:{fake.address.listed}"
    listed(net, seed, fake)
    assert seed.registry.addresses() == (fake.address,)
    assert count(seed, "removed:") == 0 and count(seed, "registered:") == 2


def test_a_peer_that_does_not_come_back_is_gone_when_its_time_is_over(net):
    net.settings = FAST._replace(grace=1.0)
    seed, = net.seeds(1)
    goes, stays, before = net.fake(), net.fake(), time.monotonic()
    listed(net, seed, stays)
    listed(net, seed, goes).close()
    assert wait_event(seed, f"removed:{goes.address}:gone")
    assert time.monotonic() - before >= 1.0
    assert seed.registry.addresses() == (stays.address,)


def test_a_peer_that_does_not_answer_has_no_time_to_come_back(net):
    net.settings = FAST._replace(grace=3600.0)
    seed, = net.seeds(1)
    fake = net.fake()
    end = listed(net, seed, fake)
    fake.close()
    end.close()
    assert wait_event(seed, f"removed:{fake.address}:gone")
