"""Flooding: who sends, what waits, who goes without; links and the flusher are stand-ins."""

import threading

import pytest

from gossip.spread import flood
from gossip.spread.flood import Flood
from tests.tools.waiting import wait_until


class Link:
    """Notes what it is given; may keep the sender waiting."""

    def __init__(self):
        self.sent = []
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.let_go.set()

    def send(self, data):
        self.entered.set()
        assert self.let_go.wait(60)
        self.sent.append(data)


class Jobs(list):
    """A flusher that does what it took over when it is told to."""

    take_over = list.append
    condition = threading.Condition

    def do(self):
        while self:
            self.pop(0)()


@pytest.fixture
def busy():
    """Three links and a flood of which somebody is sending the first line."""
    links, jobs = [Link(), Link(), Link()], Jobs()
    flooding = Flood(lambda: links, jobs)
    links[1].let_go.clear()
    sender = threading.Thread(target=flooding.forward, args=([b"one"], links[0]))
    sender.start()
    assert links[1].entered.wait(60)
    yield flooding, links, jobs
    links[1].let_go.set()
    sender.join(60)


def test_alone_a_line_goes_at_once_to_all_but_its_source():
    links, jobs = [Link(), Link(), Link()], Jobs()
    Flood(lambda: links, jobs).forward([b"a", b"b"], links[1])
    assert [link.sent for link in links] == [[b"a\nb\n"], [], [b"a\nb\n"]] and jobs == []


def test_what_comes_while_another_sends_goes_together_and_keeps_nobody(busy):
    flooding, links, jobs = busy
    flooding.forward([b"two"], links[1])
    flooding.forward([b"three"], links[2])  # both return although the first is not through
    assert jobs == [] and links[2].sent == []
    links[1].let_go.set()
    wait_until(lambda: jobs)
    jobs.do()
    assert [link.sent for link in links] == [
        [b"two\nthree\n"], [b"one\n", b"three\n"], [b"one\n", b"two\n"]]


def test_the_flusher_sends_one_batch_at_a_time_and_comes_back(busy):
    flooding, links, jobs = busy
    flooding.forward([b"two"], None)
    links[1].let_go.set()
    wait_until(lambda: jobs)
    links[0].send = lambda data: flooding.forward([b"more"], None) if data == b"two\n" else None
    jobs.pop(0)()
    assert len(jobs) == 1 and links[2].sent == [b"one\n", b"two\n"]
    jobs.do()
    assert links[2].sent == [b"one\n", b"two\n", b"more\n"]


def test_a_hub_leaves_all_sending_to_the_flusher():
    links, jobs = [Link() for _ in range(flood.MANY)], Jobs()
    Flood(lambda: links, jobs).forward([b"a"], links[0])
    assert not any(link.sent for link in links)
    jobs.do()
    assert [link.sent for link in links] == [[], *[[b"a\n"]] * (flood.MANY - 1)]


@pytest.mark.parametrize("relief", ["sent", "stopped"])
def test_who_brings_very_much_waits_until_it_is_sent_or_all_ends(busy, relief):
    flooding, links, jobs = busy
    bringer = threading.Thread(target=flooding.forward, args=([b"x" * flood.CROWDED], None))
    bringer.start()
    bringer.join(0.2)
    assert bringer.is_alive()
    if relief == "sent":
        links[1].let_go.set()
        wait_until(lambda: jobs)
        jobs.do()
        assert len(links[2].sent) == 2
    else:
        flooding.stop()
    bringer.join(60)
    assert not bringer.is_alive()


def test_who_leaves_waits_until_all_is_sent(busy):
    flooding, links, jobs = busy
    assert not flooding.all_sent()
    links[1].let_go.set()
    wait_until(flooding.all_sent)
