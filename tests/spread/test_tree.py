"""A tree for each run: what is pushed to whom, prunes, grafts, announcements, limits; links, the
flusher and the clock are stand-ins."""

import random
import types

import pytest

from gossip import wire
from gossip.spread import tree
from gossip.spread.message_list import MessageList
from gossip.spread.tree import Tree, by_run
from gossip.settings import Settings
from tests.spread.test_flood import Jobs
from tests.tools.fakes import peer

RUN, OTHER, THIRD = (b"127.0.0.1:%d:7" % port for port in (6001, 6002, 6003))


def line(run, number):
    return b"gmessage:1.000000:%b:%d:x" % (run, number)


class Link:
    """Notes what it is given, line by line."""

    def __init__(self, port):
        self.peer, self.sent, self.ended = peer(port), [], False

    def send(self, data, urgent=False):
        self.sent += data.splitlines()

    def take(self):
        """What it was given since this was called last."""
        sent, self.sent = self.sent, []
        return sent


class Chance(random.Random):
    """Draws the least of what may be drawn."""

    def uniform(self, low, high):
        return low


class Node:
    """A tree with its links, and what else a node has."""

    def __init__(self, links=4, **changes):
        self.links = [Link(5001 + number) for number in range(links)]
        self.jobs, self.messages, self.asked = Jobs(), MessageList(Settings()), None
        node = types.SimpleNamespace(flusher=self.jobs, now=lambda: self.jobs.now,
                                     rng=Chance(1), is_late=lambda: False,
                                     settings=Settings()._replace(**changes))
        self.tree = Tree(lambda: tuple(self.links), node, self.messages,
                         lambda link: link is self.asked)

    def bring(self, source, *lines, asked=False):
        """Lines come together over a link, or are made here (None)."""
        self.asked = source if asked else None
        if source is not None:
            self.tree.repeated(source, list(lines))
        fresh = self.messages.add(list(lines), made_here=source is None).lines
        if fresh:
            self.tree.forward(fresh, source)
        self.asked = None

    def say(self, link, verb, *runs):
        entries = [(run, tree.ONE) for run in runs]
        self.tree.answered(link, wire.Status(verb, entries=entries))

    def take(self):
        return [link.take() for link in self.links]

    def count(self, name):
        return self.tree.dropped()[name]


def told(verb, *runs):
    return b"status:%b:%b" % (verb, b" ".join(run + b"=1" for run in runs))


@pytest.fixture
def node():
    return Node()


def test_the_first_message_is_flooded_and_whoever_repeats_it_is_told_once_to_be_quiet(node):
    parent, other = node.links[:2]
    node.bring(parent, line(RUN, 1))
    assert node.take() == [[], *[[line(RUN, 1)]] * 3]
    node.bring(other, line(RUN, 1))
    node.bring(other, line(RUN, 1))
    node.bring(parent, line(RUN, 1))  # nobody tells its parent to be quiet
    assert node.take() == [[], [told(b"prune", RUN)], [], []]
    node.jobs.later(tree.TOLD_AGAIN)
    node.bring(other, line(RUN, 1))
    assert other.take() == [told(b"prune", RUN)]


def test_a_prune_silences_one_link_for_one_run(node):
    node.bring(node.links[0], line(RUN, 1), line(OTHER, 1))
    node.say(node.links[1], "prune", RUN, THIRD)
    node.take()
    node.bring(node.links[0], line(RUN, 2), line(OTHER, 2), line(RUN, 3))
    assert node.take() == [[], [line(OTHER, 2)],
                           *[[line(RUN, 2), line(RUN, 3), line(OTHER, 2)]] * 2]
    for _ in range(2):  # the second changes nothing
        node.say(node.links[1], "graft", RUN)
    assert node.links[1].take() == [b"status:seen:" + RUN + b"=1-3"]
    node.bring(node.links[0], line(RUN, 4))
    assert node.take()[1] == [line(RUN, 4)]


def test_where_neighbours_are_watched_some_messages_go_to_all_and_are_no_reason_for_a_prune():
    node = Node(monitor=True)
    parent, other, quiet = node.links[:3]
    some = [line(RUN, number) for number in range(1, tree.TO_ALL + 2 * tree.SHARE_TO_ALL + 1)]
    owed = [*some[:tree.TO_ALL], *some[tree.TO_ALL:][tree.SHARE_TO_ALL - 1::tree.SHARE_TO_ALL]]
    node.say(quiet, "prune", RUN)  # too early, nobody knows the run
    node.bring(parent, *some[:5])
    node.say(quiet, "prune", RUN)
    node.bring(parent, *some[5:])
    assert node.take() == [[], some, owed, some]
    node.bring(other, *owed)
    assert node.take() == [[]] * 4
    node.bring(other, some[-2])
    assert other.take() == [told(b"prune", RUN)]


def test_lines_of_several_runs_that_came_together_leave_together(node):
    pieces = []
    node.links[1].send = pieces.append
    node.bring(node.links[0], line(RUN, 1), line(OTHER, 1), line(RUN, 2))
    assert pieces == [b"%b\n%b\n%b\n" % (line(RUN, 1), line(RUN, 2), line(OTHER, 1))]


def test_what_an_origin_says_after_its_first_message_waits_a_moment_once(node):
    node.bring(None, line(RUN, 1), line(RUN, 2))
    node.bring(None, line(RUN, 3))
    node.say(node.links[0], "prune", RUN)
    assert node.take() == [[line(RUN, 1)]] * 4 and not node.tree.all_sent()
    node.jobs.later(tree.ALONE)
    assert node.take() == [[], *[[line(RUN, 2), line(RUN, 3)]] * 3] and node.tree.all_sent()
    node.bring(None, line(RUN, 4))
    assert node.take() == [[], *[[line(RUN, 4)]] * 3]


def test_where_there_is_no_neighbour_nothing_is_held_back():
    node = Node(links=0)
    node.bring(None, line(RUN, 1), line(RUN, 2))
    assert node.tree.all_sent()
    node.links.append(Link(5001))
    node.bring(None, line(RUN, 3), line(RUN, 4))
    assert node.take() == [[line(RUN, 3)]] and not node.tree.all_sent()


def test_not_too_much_is_held_back(node):
    node.bring(None, line(RUN, 1), line(RUN, 2))
    node.bring(None, *[line(RUN, number) + b"x" * 60_000 for number in range(3, 30)])
    assert node.tree.all_sent() and len(node.links[0].take()) == 29


@pytest.mark.parametrize("leaves", [False, True])
def test_what_is_held_back_leaves_before_a_reply_and_before_the_peer(node, leaves):
    node.bring(None, line(RUN, 1), line(RUN, 2))
    node.tree.hurry() if leaves else node.tree.say_behind(node.links[0], b"reply")
    node.jobs.do()
    assert node.links[0].take() == [line(RUN, 1), line(RUN, 2), *([] if leaves else [b"reply"])]


def test_what_was_seen_is_announced_later_to_those_that_are_not_pushed_to_and_only_once(node):
    node.bring(node.links[0], line(RUN, 1), line(OTHER, 1))
    node.say(node.links[1], "prune", RUN)
    node.jobs.later(tree.LATER / 2)
    node.bring(node.links[0], line(RUN, 2))
    node.take()
    node.jobs.later(tree.LATER / 2)
    assert node.take() == [[], [b"status:seen:" + RUN + b"=1"], [], []]
    node.jobs.later(tree.LATER)
    assert node.take() == [[], [b"status:seen:" + RUN + b"=1-2"], [], []]
    node.jobs.later(60)
    assert node.take() == [[]] * 4 and node.jobs.put_off == []


def test_nothing_is_announced_to_who_has_announced_as_much(node):
    node.bring(node.links[0], line(RUN, 1), line(RUN, 2), line(OTHER, 1))
    for link in node.links[1:]:
        node.say(link, "prune", RUN, OTHER)
    for link, seen in ((node.links[1], [(1, 3)]), (node.links[2], [(2, 9)])):
        node.tree.answered(link, wire.Status("seen", entries=[(RUN, seen), (THIRD, [(1, 1)])]))
    node.take()
    node.jobs.later(tree.LATER)
    both = b"status:seen:" + RUN + b"=1-2 " + OTHER + b"=1"
    assert node.take() == [[], [b"status:seen:" + OTHER + b"=1"], [both], [both]]
    node.bring(node.links[0], line(RUN, 3))
    node.take()
    node.jobs.later(tree.LATER)  # it was spared once
    assert node.take()[1] == [b"status:seen:" + RUN + b"=1-3"]


def test_an_announcement_has_the_last_ranges_of_a_run(node):
    node.bring(node.links[0], line(RUN, 1))
    node.say(node.links[1], "prune", RUN)
    node.bring(node.links[0], *[line(RUN, 2 * number) for number in range(2, 101)])
    node.take()
    node.jobs.later(tree.LATER)
    node.jobs.later(tree.LATER)
    [first, second] = node.links[1].take()
    assert second.count(b",") == tree.RANGES - 1 and second.endswith(b",200")


def quieted(node, *links):
    """These links were told to be quiet about RUN, some time ago."""
    node.bring(node.links[0], line(RUN, 1))
    for link in links:
        node.bring(link, line(RUN, 1))
    node.jobs.later(2 * tree.SETTLED)
    node.take()


def test_who_fetches_from_a_quiet_link_has_it_push_again_and_keeps_its_parent(node):
    quieted(node, node.links[1], node.links[2])
    node.bring(node.links[1], line(RUN, 2), asked=True)
    assert node.take()[1:3] == [[told(b"graft", RUN)], [line(RUN, 2)]]
    node.bring(node.links[0], line(RUN, 3))
    node.bring(node.links[1], line(RUN, 3))
    assert node.take()[:2] == [[], [line(RUN, 3), told(b"prune", RUN)]]
    assert node.count("repairs") == node.count("grafts") == 1


def test_what_is_fetched_where_nobody_was_told_to_be_quiet_grafts_nothing(node):
    node.bring(node.links[1], line(RUN, 1), asked=True)
    node.bring(node.links[0], line(RUN, 1))
    assert node.take() == [[line(RUN, 1)], [], *[[line(RUN, 1)]] * 2]  # there is no parent yet


@pytest.mark.parametrize("later", [False, True])
def test_where_there_was_a_tree_only_a_link_that_pruned_becomes_the_parent_at_once(
        node, later):
    node.bring(node.links[1], line(RUN, 1), asked=True)
    node.jobs.now += 2 * tree.SETTLED * later
    node.bring(node.links[0], line(RUN, 2))  # otherwise this may be a child
    node.bring(node.links[1], line(RUN, 2))
    assert (told(b"prune", RUN) in node.links[1].take()) is later
    node.say(node.links[2], "prune", RUN)
    node.bring(node.links[2], line(RUN, 3))
    node.bring(node.links[0], line(RUN, 3))
    assert (told(b"prune", RUN) in node.links[0].take()) is not later


def test_a_parent_gives_way_to_a_faster_link_long_after_anything_changed(node):
    parent, faster = node.links[:2]
    node.bring(parent, line(RUN, 1))
    for number, said in ((2, []), (4, []), (5, [told(b"prune", RUN)])):
        node.bring(faster, line(RUN, number))
        if number == 4:
            node.bring(faster, line(RUN, 40))  # it is not the last that is repeated
        node.take()
        node.bring(parent, line(RUN, number))
        assert parent.take() == said
        node.jobs.now += tree.TOLD_AGAIN
    node.bring(faster, line(RUN, 6))
    node.bring(faster, line(RUN, 6))
    assert faster.take() == []


def test_when_a_parents_link_ends_those_that_were_told_to_be_quiet_push_again(node):
    quieted(node, node.links[1], node.links[2])
    node.tree.on_end(node.links.pop(0))
    assert node.take() == [[told(b"graft", RUN)]] * 2 + [[]]
    node.tree.on_end(node.links.pop(0))  # it was no parent
    assert node.take() == [[], []]


def test_of_many_quiet_links_some_replace_a_parent():
    node = Node(links=40)
    quieted(node, *node.links[1:])
    node.tree.on_end(node.links.pop(0))
    assert node.take().count([told(b"graft", RUN)]) == tree.GRAFTS


def test_the_run_used_longest_ago_is_flooded_again(node, monkeypatch):
    monkeypatch.setattr(tree, "RUNS_LIMIT", 2)
    monkeypatch.setattr(tree, "RUNS_IN_LINE", 1)  # then one run goes at a time
    quieted(node, node.links[1])
    node.say(node.links[2], "prune", RUN)
    node.bring(node.links[0], line(OTHER, 1))
    node.bring(node.links[0], line(RUN, 2))  # so it is OTHER that goes
    node.take()
    node.bring(node.links[0], line(THIRD, 1), line(OTHER, 2))  # and now RUN
    assert node.links[1].take() == [told(b"graft", RUN), line(THIRD, 1), line(OTHER, 2)]
    # message 2 was pushed to all but this link, and will not be announced any more
    assert node.links[2].take()[0] == b"status:seen:" + RUN + b"=1-2"
    node.bring(node.links[0], line(RUN, 3))
    assert node.links[2].take()[-1] == line(RUN, 3)
    assert node.count("runs with a parent") == 2


def test_a_parent_that_let_something_lack_twice_is_not_chosen_for_a_minute(node):
    lazy, other, third = node.links[:3]
    for run in (RUN, OTHER):
        node.bring(lazy, line(run, 1))
        node.bring(other, line(run, 1))
        node.jobs.later(2 * tree.SETTLED)
        node.bring(other, line(run, 2), asked=True)
    node.take()
    node.bring(lazy, line(THIRD, 1))
    node.bring(third, line(THIRD, 1))
    assert third.take() == [line(THIRD, 1)]
    node.say(lazy, "prune", THIRD)
    node.jobs.later(tree.SUSPECTED)
    node.bring(lazy, line(THIRD, 2))
    node.bring(third, line(THIRD, 2))
    assert third.take() == [line(THIRD, 2), told(b"prune", THIRD)]


def test_more_prunes_than_one_neighbour_may_say_are_ignored_and_grafts_are_not(node):
    runs = [b"127.0.0.1:%d:7" % port for port in range(6001, 6001 + 5 * tree.RUNS_IN_LINE)]
    node.bring(node.links[0], *[line(run, 1) for run in runs])
    node.say(node.links[1], "prune", *runs)
    assert node.count("links not pushed to") == tree.RUNS_IN_LINE
    assert node.count("prunes and grafts ignored") == len(runs) - tree.RUNS_IN_LINE
    for first in range(0, len(runs), tree.RUNS_IN_LINE):
        node.say(node.links[1], "prune", *runs[first:first + tree.RUNS_IN_LINE])
    quiet = node.count("links not pushed to")
    assert quiet <= tree.CHANGES + tree.RUNS_IN_LINE
    for first in range(0, len(runs), tree.RUNS_IN_LINE):
        node.say(node.links[1], "graft", *runs[first:first + tree.RUNS_IN_LINE])
    assert node.count("links not pushed to") == 0
    node.say(node.links[2], "prune", *runs[:10])  # another neighbour has an account of its own
    assert node.count("links not pushed to") == 10


def test_in_a_flood_of_new_runs_most_get_no_tree_before_they_go_on(node):
    runs = [b"127.0.0.1:%d:7" % port for port in range(6001, 6101 + tree.CHANGES)]
    lines = [line(run, 1) for run in runs]
    node.bring(node.links[0], *lines)
    assert node.take()[1:] == [lines] * 3 and node.count("runs with a parent") == tree.CHANGES + 1
    node.bring(node.links[1], line(OTHER[:-1] + b"8", 1))  # each link has an account of its own
    assert node.count("runs with a parent") == tree.CHANGES + 2
    node.jobs.later(1.0)
    node.bring(node.links[0], line(runs[-1], 2))
    node.bring(node.links[1], line(runs[-1], 2))
    assert told(b"prune", runs[-1]) in node.links[1].take()


def test_no_more_prunes_are_said_than_are_taken(node):
    runs = [b"127.0.0.1:%d:7" % port for port in range(6001, 6051 + tree.CHANGES)]
    lines = [line(run, 1) for run in runs]
    for first in range(0, len(lines), 50):
        node.bring(node.links[0], *lines[first:first + 50])
        node.jobs.now += 1
    for text in lines * 2:
        node.bring(node.links[1], text)
    assert node.count("prunes") == tree.CHANGES + 1
    node.jobs.now += tree.TOLD_AGAIN / 2
    node.bring(node.links[1], lines[-1])
    assert node.count("prunes") == tree.CHANGES + 2


def test_lines_are_told_apart_by_their_runs_whatever_their_texts_and_times_are():
    odd = b"gmessage:1.000000:%b:1:%b:" % (OTHER, RUN)
    assert by_run([line(RUN, 1), line(RUN, 2)]) == [(RUN, [line(RUN, 1), line(RUN, 2)], ())]
    assert by_run([line(RUN, 1), odd, b"any:" + line(RUN, 2)], [b"a", b"b", b"c"]) == [
        (RUN, [line(RUN, 1), b"any:" + line(RUN, 2)], [b"a", b"c"]), (OTHER, [odd], [b"b"])]


def test_a_link_that_has_ended_becomes_no_parent(node):
    """The lines of a run that was not known to be genuine may come out after the end of the link
    that brought them."""
    gone, other = node.links[:2]
    gone.ended = True
    node.bring(gone, line(RUN, 1))
    assert other.take() == [line(RUN, 1)]
    node.bring(other, line(RUN, 1))
    assert other.take() == []  # nobody is told to be quiet


def test_a_parent_gives_way_to_no_link_that_has_ended(node):
    parent, gone = node.links[:2]
    node.bring(parent, line(RUN, 1))
    gone.ended = True
    node.bring(gone, line(RUN, 2))
    node.jobs.later(tree.TOLD_AGAIN)
    node.take()
    node.bring(parent, line(RUN, 2))
    assert parent.take() == []  # it is not told to be quiet
