"""Flooding: what is sent at once, what waits, what a late peer gathers; links, the flusher
and the clock are stand-ins."""

import pytest

from gossip.spread import flood
from gossip.spread.flood import Flood


class Link:
    """Notes what it is given."""

    def __init__(self):
        self.sent = []

    def send(self, data, urgent=False):
        self.sent.append(data)


class Jobs(list):
    """A flusher that does what it took over when it is told to, and what it took over for later
    when `later` is told the time."""

    def __init__(self):
        self.now = 100.0
        self.put_off = []

    def take_over(self, job, after=0.0):
        if after:
            self.put_off.append((self.now + after, job))
        else:
            self.append(job)

    def do(self):
        while self:
            self.pop(0)()

    def later(self, seconds):
        """So many seconds go by."""
        self.now += seconds
        self += [job for when, job in self.put_off if when <= self.now]
        self.put_off = [(when, job) for when, job in self.put_off if when > self.now]
        self.do()


def flood_over(links, jobs, gathering=lambda: 0.0):
    return Flood(lambda: links, jobs, lambda: jobs.now, gathering)


def test_alone_a_line_goes_at_once_to_all_but_its_source():
    links, jobs = [Link(), Link(), Link()], Jobs()
    flood_over(links, jobs).forward([b"a", b"b"], links[1])
    assert [link.sent for link in links] == [[b"a\nb\n"], [], [b"a\nb\n"]] and jobs == []


def test_a_hub_leaves_all_sending_to_the_flusher():
    links, jobs = [Link() for _ in range(flood.MANY_LINKS)], Jobs()
    flood_over(links, jobs).forward([b"a"], links[0])
    assert not any(link.sent for link in links)
    jobs.do()
    assert [link.sent for link in links] == [[], *[[b"a\n"]] * (flood.MANY_LINKS - 1)]


def test_what_comes_before_the_flusher_sends_goes_together():
    links, jobs = [Link() for _ in range(flood.MANY_LINKS)], Jobs()
    flooding = flood_over(links, jobs)
    flooding.forward([b"one"], links[0])
    flooding.forward([b"two"], links[1])
    assert len(jobs) == 1 and not flooding.all_sent()
    jobs.do()
    assert [link.sent for link in links[:3]] == [[b"two\n"], [b"one\n"], [b"one\ntwo\n"]]
    assert flooding.all_sent()


def test_a_hub_does_not_keep_more_than_may_wait():
    links, jobs = [Link() for _ in range(flood.MANY_LINKS)], Jobs()
    flooding = flood_over(links, jobs)
    flooding.forward([b"one"], links[0])
    flooding.forward([b"x" * flood.CROWDED], links[0])
    assert flooding.all_sent() and len(links[1].sent) == 1 and links[0].sent == []
    jobs.do()
    assert len(links[1].sent) == 1


class Late:
    """A late peer with three neighbours; it has just sent something, and sends every 2 seconds."""

    def __init__(self):
        self.links, self.jobs, self.pause = [Link(), Link(), Link()], Jobs(), 2.0
        self.flood = flood_over(self.links, self.jobs, lambda: self.pause)
        self.say(b"first", None)
        self.forget()

    def say(self, line, source, *covers):
        self.flood.forward([line], source, covers)

    def sent(self):
        return [link.sent for link in self.links]

    def forget(self):
        for link in self.links:
            link.sent.clear()


@pytest.fixture
def late():
    return Late()


def test_a_late_peer_that_was_quiet_sends_at_once(late):
    late.jobs.later(2.0)
    late.say(b"a", None)
    assert late.sent() == [[b"a\n"]] * 3


def test_a_late_peer_sends_together_and_in_order_what_it_has_gathered(late):
    for number in range(5):
        late.say(b"%d" % number, late.links[number % 3])
        late.jobs.later(0.25)
    assert late.sent() == [[], [], []] and not late.flood.all_sent()
    assert len(late.jobs.put_off) == 1
    late.jobs.later(0.75)
    assert late.sent() == [[b"1\n2\n4\n"], [b"0\n2\n3\n"], [b"0\n1\n3\n4\n"]]
    assert late.flood.all_sent()
    late.jobs.later(10.0)
    assert all(len(sent) == 1 for sent in late.sent())


def test_a_late_peer_goes_on_gathering_after_it_has_sent(late):
    for line in (b"a", b"b"):
        late.say(line, None)
        late.jobs.later(1.75)
        assert late.sent() == [[], [], []]
        late.jobs.later(0.25)
        assert late.sent() == [[line + b"\n"]] * 3
        late.forget()


def test_what_comes_while_a_late_peer_sends_is_gathered(late):
    late.say(b"a", None)
    late.links[0].send = lambda data, urgent=False: late.say(b"b", None) if data == b"a\n" else None
    late.jobs.later(2.0)
    assert late.links[1].sent == [b"a\n"] and late.jobs == []
    late.jobs.later(2.0)
    assert late.links[1].sent == [b"a\n", b"b\n"]


def test_signed_lines_are_gathered_before_the_lines_that_they_cover(late):
    late.say(b"a", None, b"signed a")
    late.say(b"b", late.links[0], b"signed b")
    late.jobs.later(2.0)
    assert late.sent() == [[b"signed a\na\n"], *[[b"signed a\na\nsigned b\nb\n"]] * 2]


def test_a_peer_that_is_on_time_again_sends_with_the_next_line_what_it_has_gathered(late):
    late.say(b"a", None)
    late.pause = 0.0
    late.say(b"b", None)
    assert late.sent() == [[b"a\nb\n"]] * 3
    late.jobs.later(2.0)
    assert late.sent() == [[b"a\nb\n"]] * 3


def test_no_more_is_gathered_than_may_wait(late):
    late.say(b"a", None)
    late.say(b"x" * flood.CROWDED, None)
    assert late.links[0].sent == [b"a\n" + b"x" * flood.CROWDED + b"\n"]


def test_who_has_become_a_neighbour_meanwhile_gets_what_was_gathered(late):
    late.say(b"a", None)
    gone, new = late.links.pop(0), Link()
    late.links.append(new)
    late.jobs.later(2.0)
    assert new.sent == [b"a\n"] and gone.sent == []


def test_a_reply_leaves_behind_what_was_gathered_and_at_once_when_nothing_was(late):
    late.flood.say_behind(late.links[0], b"reply")
    assert late.links[0].sent == [b"reply"]
    late.say(b"a", None)
    late.flood.say_behind(late.links[0], b"reply")
    late.jobs.later(1.75)
    assert late.links[0].sent == [b"reply"]
    late.jobs.later(0.25)
    assert late.links[0].sent == [b"reply", b"a\n", b"reply"]


def test_who_leaves_sends_at_once_what_it_has_gathered_and_gathers_no_more(late):
    late.say(b"a", None)
    late.flood.hurry()
    assert late.sent() == [[b"a\n"]] * 3 and late.flood.all_sent()
    late.say(b"b", None)
    assert late.sent() == [[b"a\n", b"b\n"]] * 3
