"""Anti-entropy between tables: what two neighbours say until they have the same, and attacks."""

import collections
import random

import pytest

from grapevine import messages as room
from grapevine import sync as limits
from grapevine import wire
from grapevine.sync import Sync
from grapevine.wire import Status
from tests.tables.samples import A, B, C, line, message_list, peer, run_of

RUN, RUN_B, RUN_C = run_of(A), run_of(B), run_of(C)


class Node:
    """A message list and its anti-entropy. Nodes stand for the links to them."""

    def __init__(self, *lines: bytes, interval: float = 10.0, **settings):
        self.messages = message_list(*lines, **settings)
        self.sync = Sync(self.messages, interval)

    def hear(self, link, said: bytes, now: float = 0.0) -> bytes:
        """Take a line of a neighbour; return the answer and the next question to it."""
        if wire.gossip_form(said):
            self.messages.add([said])
            return b""
        status, = wire.parse(said)[1]
        answer = self.sync.heard(link, status, now)
        want = self.sync.next_want(now) if status.verb in ("seen", "sent") else None
        return answer + (want[1] if want and want[0] is link else b"")

    def offer(self, link, *entries: tuple, now: float = 0.0) -> None:
        """Hear that a neighbour has seen something."""
        self.sync.heard(link, Status("seen", entries=list(entries)), now)

    def wanted(self, now: float = 0.0):
        """Return the link that is asked, and for what; None if nobody is."""
        want = self.sync.next_want(now)
        return want and (want[0], wire.parse(want[1][:-1])[1][0].entries)

    def sent(self, link, *lines: bytes, now: float = 0.0) -> None:
        """Hear a portion, and its end."""
        self.messages.add(list(lines))
        self.sync.heard(link, Status("sent"), now)


def compare(one: Node, other: Node, now: float = 0.0) -> list[bytes]:
    """Let two tell each other their digests; return all lines until both are silent."""
    said, waiting = [], collections.deque()
    for teller, hearer in ((one, other), (other, one)):
        waiting.append((teller, hearer, wire.say_digest(teller.messages.digest())))
    while waiting:
        teller, hearer, data = waiting.popleft()
        for told in data.splitlines():
            said.append(told)
            if answer := hearer.hear(teller, told, now):
                waiting.append((hearer, teller, answer))
    return said


def verbs(said: list[bytes]) -> collections.Counter:
    return collections.Counter(told.split(b":")[1].decode() for told in said
                               if told.startswith(b"status:"))


# Comparing.

@pytest.mark.parametrize("runs", [1, 16, 17, 300])
def test_two_that_compare_have_the_same_afterwards(runs):
    rng = random.Random(runs)
    everything = [line(number, peer(port)) for port in range(1, runs + 1) for number in (1, 2, 4)]
    one, other = (Node(*rng.sample(everything, 2 * len(everything) // 3)) for _ in range(2))
    compare(one, other)
    assert one.messages.digest() == other.messages.digest()
    assert one.messages.count() == other.messages.count() > len(everything) * 2 // 3


def test_few_runs_are_told_at_once_and_many_are_compared_in_slices():
    few = [line(1, peer(port)) for port in range(1, limits.FEW_RUNS + 1)]
    said = verbs(compare(Node(*few), Node(*few[1:])))
    assert said["parts"] == 0 and said["want"] == said["sent"] == 1
    many = [line(1, peer(port)) for port in range(1, 501)]
    said = compare(Node(*many), Node(*many[1:]))
    assert verbs(said)["parts"] == 2 and verbs(said)["want"] == 1
    told = [wire.parse(one)[1][0].entries for one in said if one.startswith(b"status:seen:")]
    assert sum(map(len, told)) < 4 * 500 / wire.SLICES, "only the slice that differs"


def test_the_same_two_digests_are_not_compared_again_for_ten_intervals():
    one, other = Node(line(1), line(2, text="virus"), words=("virus",)), Node(line(1))
    said = [verbs(compare(one, other, now))["show"] for now in (0.0, 50.0, 99.9, 100.0, 150.0)]
    assert said == [2, 0, 0, 2, 0]
    other.messages.add([line(1, B)])
    assert verbs(compare(one, other, 160.0))["want"] == 1, "another digest is another comparison"
    assert [verbs(compare(one, other, now))["show"] for now in (170.0, 171.0)] == [2, 0]
    for node in (one, other):
        node.sync.compare_anew()
    assert verbs(compare(one, other, 172.0))["show"] == 2


def test_slices_are_shown_once_a_second_and_not_if_they_were_told_a_moment_ago():
    node, link = Node(line(1)), object()
    vector = b"status:seen:%b=1\n" % RUN
    show = f"status:show:{wire.ALL_SLICES:x}".encode()
    assert [node.hear(link, show, now) for now in (5.0, 5.9, 6.0)] == [vector, b"", vector]
    for now, told in ((10.0, vector + show + b"\n"), (10.5, b"")):
        assert node.hear(link, b"status:digest:" + b"1" * 32, now) == told
    assert node.hear(link, show, 10.9) == b"" and node.hear(link, show, 11.0) == vector
    at = 1 << next(iter(node.messages.runs.values())).slice
    node.hear(link, wire.say_slices("parts", [one ^ at for one in node.messages.slices()])[:-1], 20)
    assert node.hear(object(), show, 20.0) == vector, "that was somebody else"


def test_of_slices_that_were_told_the_others_are_shown():
    node, link = Node(*[line(1, peer(port)) for port in range(1, 101)]), object()
    parts = node.messages.slices()[:]
    parts[5] ^= 1
    told = node.hear(link, wire.say_slices("parts", parts)[:-1], 10.0)
    assert told.endswith(b"status:show:0000000000000020\n")
    rest = node.hear(link, b"status:show:" + b"f" * 16, 10.5)
    assert told.count(b"=") + rest.count(b"=") == 100
    parts[6] ^= 1
    told = node.hear(link, wire.say_slices("parts", parts)[:-1], 10.6)
    assert told.endswith(b"status:show:0000000000000040\n"), "the other one was told just now"
    parts[6] ^= 1
    assert node.hear(link, wire.say_slices("parts", parts)[:-1], 10.7) == b""
    assert node.hear(link, wire.say_slices("parts", node.messages.slices())[:-1], 30.0) == b""


def test_a_digest_is_told_as_often_as_it_may():
    sync, link = Node().sync, object()
    assert [sync.may_tell_digest(link, now, 1.0) for now in (5.0, 5.9, 6.0)] == [True, False, True]
    assert sync.may_tell_digest(link, 6.1) and not sync.may_tell_digest(link, 7.0, 1.0)
    assert sync.may_tell_digest(object(), 7.0, 1.0), "that is somebody else"


# Fetching.

def test_a_question_is_answered_in_portions_with_what_is_gone_and_an_end():
    node = Node(*[line(number, text="x" * 60_000) for number in range(1, 9)])
    node.messages.add([line(9, B), line(1, C)])
    answer = node.hear(object(), b"status:want:%b=9,11 %b=1-8" % (RUN_B, RUN)).splitlines()
    assert answer[0] == line(9, B) and answer[-1] == b"status:sent" and len(answer) == 7
    assert sum(map(len, answer)) < limits.PORTION + 70_000
    assert node.hear(object(), b"status:want:") == b"status:sent\n"
    forbidding = Node(line(1), line(2, text="virus"), line(3), words=("virus",))
    assert forbidding.hear(object(), b"status:want:%b=1-9" % RUN).splitlines() == [
        line(1), line(3), b"status:gone:%b=2" % RUN, b"status:sent"]


def test_one_neighbour_is_asked_at_a_time_for_the_oldest_runs_first():
    node, one, other = Node(), "one", "other"
    young, old = run_of(A, 2_000), run_of(B, 300)
    node.offer(one, (young, [(1, 2)]), (old, [(1, 1)]))
    node.offer(other, (young, [(1, 3)]))
    assert node.wanted() == (one, [(old, [(1, 1)]), (young, [(1, 2)])])
    assert node.wanted(1.9) is None, "it has time"
    node.sent(one, line(1, B, 300), line(1, A, 2_000), now=1.9)
    assert node.wanted(1.9) == (one, [(young, [(2, 2)])]), "it has brought something"
    node.sent(one, line(2, A, 2_000), now=1.9)
    assert node.wanted(1.9) == (other, [(young, [(3, 3)])])
    node.sent(other, line(3, A, 2_000), now=1.9)
    node.offer(one, (old, [(2, 2)]), now=2.0)
    node.offer(other, (old, [(2, 3)]), now=2.0)
    assert node.wanted(2.0) == (other, [(old, [(2, 3)])]), "one was waited for longer"
    node.sent(other, line(2, B, 300), now=4.0)
    node.offer(one, (old, [(3, 3)]), now=4.0)
    assert node.wanted(4.0) == (one, [(old, [(3, 3)])])
    node.sent(one, line(3, B, 300), now=4.0)
    assert node.wanted(4.0) is None and node.sync.offering() == []


def test_500_ranges_are_asked_for_at_once():
    node, link = Node(), "link"
    ranges = [(number, number) for number in range(1, 2_401, 2)]
    node.offer(link, (RUN, ranges[:300]), (RUN_B, ranges[:900]))
    got = {RUN: [], RUN_B: []}
    for size in (500, 500, 200):
        _, entries = node.wanted()
        assert sum(len(wanted) for _, wanted in entries) == size
        for run, wanted in entries:
            got[run] += wanted
            origin = A if run == RUN else B
            node.messages.add([line(first, origin) for first, _ in wanted])
        node.sent(link)
    assert got == {RUN: ranges[:300], RUN_B: ranges[:900]} and node.wanted() is None


def test_what_has_no_room_is_not_asked_for_in_circles(monkeypatch):
    monkeypatch.setattr(room, "RUN_GAPS", 1)
    node = Node(line(50))
    for now in (0.0, 1.0):
        node.offer("link", (RUN, [(60, 60), (70, 70)]), now=now)
        assert node.wanted(now) is None


def test_the_next_is_asked_after_two_seconds_and_at_once_when_a_link_ends():
    node = Node()
    for link in ("one", "other", "third"):
        node.offer(link, (RUN, [(1, 9)]))
    assert node.wanted(0.0)[0] == "one" and node.wanted(1.9) is None
    assert node.wanted(2.0)[0] == "other"
    node.sync.ended("other")
    assert node.wanted(2.1)[0] == "third"
    node.sync.ended("third")
    node.sync.ended("one")
    assert node.wanted(9.0) is None and node.sync.offering() == []


# Attacks.

def test_who_links_again_and_again_and_brings_nothing_stalls_nobody_who_does():
    node, now, brought = Node(), 0.0, 0
    node.offer("honest", (RUN, [(1, 200)]), now=now)
    for attempt in range(20):
        for liar in range(3):
            node.offer((liar, attempt), (RUN_B, [(1, 9)]), now=now)
        while (wanted := node.wanted(now)) is not None and wanted[0] == "honest":
            brought += 10
            node.sent("honest", *[line(brought - n) for n in range(10)], now=now)
        now += 2.0
        for liar in range(3):
            node.sync.ended((liar, attempt))
    assert brought == 200 and now <= 40.0


def test_who_brings_little_and_late_keeps_others_waiting_only_for_its_part_of_the_time():
    node, now = Node(), 0.0
    for link in ("late", "honest"):
        node.offer(link, (RUN, [(1, 100)]))
    while (wanted := node.wanted(now)) is not None:
        link, [(_, [(first, last)])] = wanted
        now += 1.9 if link == "late" else 0.1
        size = 1 if link == "late" else 10
        node.sent(link, *map(line, range(first, min(last + 1, first + size))), now=now)
    assert node.messages.count() == 100 and now < 8.0


def test_what_a_neighbour_did_not_bring_is_asked_of_others_and_of_it_later():
    node, liar, honest = Node(), "liar", "honest"
    node.offer(liar, (RUN, [(1, 2**63 - 1)]))
    assert node.wanted(0.0)[0] == liar
    node.sent(liar, now=0.0)
    assert node.wanted(0.0) is None and node.sync.offering() in ([], [liar])
    node.offer(liar, (RUN, [(1, 9)]), (RUN_B, [(1, 1)]), now=50.0)
    assert node.wanted(50.0) == (liar, [(RUN_B, [(1, 1)])]), "the rest was in vain"
    node.sent(liar, line(1, B), now=50.0)
    node.offer(honest, (RUN, [(1, 2)]), now=50.0)
    assert node.wanted(50.0) == (honest, [(RUN, [(1, 2)])])
    node.sent(honest, line(1), now=50.0)
    assert node.wanted(60.0) == (honest, [(RUN, [(2, 2)])]), "it has brought something"
    node.sent(honest, now=60.0)
    node.offer(liar, (RUN, [(1, 9)]), now=99.9)
    assert node.wanted(99.9) is None
    node.offer(liar, (RUN, [(1, 9)]), now=100.0)
    assert node.wanted(100.0) == (liar, [(RUN, [(2, 9)])]), "ten intervals have passed"


def test_a_new_link_of_the_same_neighbour_is_asked_anew():
    node = Node()
    for _ in range(2):
        node.offer("link", (RUN, [(1, 9)]))
        assert node.wanted() == ("link", [(RUN, [(1, 9)])])
        node.sent("link")
        assert node.wanted() is None
        node.sync.ended("link")


def test_who_owes_more_portions_has_twice_the_time_and_twice_again():
    node = Node()
    node.offer("slow", (RUN, [(1, 40)]))
    assert [now for now in range(60) if node.wanted(float(now))] == [0, 2, 6, 14, 30]


def test_who_owes_ten_portions_is_asked_for_more_once_it_has_sent_one():
    node = Node()
    node.offer("silent", (RUN, [(1, 40)]))
    assert sum(node.wanted(float(now)) is not None for now in range(5_000)) == limits.OWED_LIMIT
    node.sent("silent", line(1), now=5_000.0)
    assert node.wanted(5_000.0)


def test_each_portion_answers_its_own_question_however_late():
    node = Node()
    node.offer("slow", (RUN, [(1, 40)]))
    assert [node.wanted(now)[0] for now in (0.0, 2.0, 6.0)] == ["slow"] * 3
    assert node.wanted(13.9) is None, "a slow link has twice the time, and twice again"
    node.sent("slow", *[line(number) for number in range(1, 11)], now=7.0)
    for _ in range(2):
        assert node.wanted(7.0) is None, "it owes more"
        node.sent("slow", now=7.0)
    assert node.wanted(7.0) == ("slow", [(RUN, [(11, 40)])])
    node.offer("other", (RUN_B, [(1, 1)]))
    assert node.wanted(9.0)[0] == "other"
    node.sent("slow", now=9.0)
    node.sent("other", line(1, B), now=9.0)
    assert node.wanted(30.0) is None, "the late portion came in vain"


def test_over_datagrams_a_portion_that_does_not_come_is_given_up_after_a_short_while():
    node = Node()
    node.sync = Sync(node.messages, 1.0, patience=0.25, is_reliable=False)
    node.offer("lossy", (RUN, [(1, 40)]))
    assert [now for now in range(10) if node.wanted(now / 8)] == [0, 2, 4, 6, 8]
    node.sent("lossy", *[line(number) for number in range(1, 11)], now=1.125)
    assert node.wanted(1.125) == ("lossy", [(RUN, [(11, 40)])]), "it owes nothing of earlier ones"


def test_over_datagrams_the_second_answer_to_a_question_that_was_asked_twice_ends_no_other():
    node = Node()
    node.sync = Sync(node.messages, 1.0, patience=0.25, is_reliable=False)
    node.offer("slow", (RUN, [(1, 40)]))
    assert node.wanted(0.0) == node.wanted(0.25) == ("slow", [(RUN, [(1, 40)])])
    first = [line(number) for number in range(1, 11)]
    node.sent("slow", *first, now=0.3)
    assert node.wanted(0.3) == ("slow", [(RUN, [(11, 40)])])
    node.sent("slow", *first, now=0.31)
    assert node.wanted(0.31) is None and node.wanted(0.55) == ("slow", [(RUN, [(11, 40)])])
    for at in range(limits.VAIN_LIMIT - 1):
        assert node.wanted(1.0 + at)
        node.sent("slow", now=1.5 + at)
    assert node.wanted(100.0) is None, "it has them no more"


def test_over_datagrams_what_was_seen_is_told_again_after_a_short_while():
    node = Node(line(1))
    node.sync = Sync(node.messages, 1.0, patience=0.25, is_reliable=False)
    told = [node.hear("lossy", b"status:digest:" + b"%032x" % n, n / 8) for n in range(1, 6)]
    assert [said.count(b"status:seen:") for said in told] == [1, 0, 1, 0, 1]


def test_the_size_of_a_portion_may_be_chosen():
    node = Node(*[line(number, text="x" * 1_000) for number in range(1, 11)])
    for limit, count in (1, 1), (3_000, 3):
        node.sync = Sync(node.messages, 1.0, portion=limit)
        said = node.hear("link", wire.say_entries("want", [wire.entry(RUN, [(1, 10)])])[:-1])
        assert said.count(b"gmessage:") == count and said.endswith(b"status:sent\n")


def test_digests_agree_if_they_are_the_same_or_were_compared_to_no_end_a_while_ago():
    node, theirs = Node(line(1)), "1" * 32
    assert node.sync.agrees("link", node.messages.digest(), 0.0)
    assert not node.sync.agrees("link", theirs, 0.0)
    node.hear("link", b"status:digest:" + theirs.encode())
    node.hear("link", b"status:seen:")
    assert node.sync.agrees("link", theirs, 99.0) and not node.sync.agrees("other", theirs, 99.0)
    assert not node.sync.agrees("link", theirs, 101.0)
    node.messages.add([line(2)])
    assert not node.sync.agrees("link", theirs, 99.0)


def test_more_ends_of_portions_than_questions_change_nothing():
    node = Node()
    for _ in range(3):
        node.sent("eager")
    node.offer("eager", (RUN, [(1, 9)]))
    assert node.wanted(0.0)[0] == "eager"
    node.sent("eager")
    assert node.wanted(9.0) is None


def test_20000_ranges_are_kept_of_an_offer_and_the_next_comparison_brings_the_rest():
    node, link = Node(), "link"
    ranges = [(number, number) for number in range(1, 15_001, 2)]
    digest = b"status:digest:" + b"1" * 32
    for now in (0.0, 1.0):
        assert b"status:show:" in node.hear(link, digest, now)
        for origin in (A, B, C):
            node.offer(link, (run_of(origin), ranges), now=now)
    got = collections.Counter()
    while (want := node.wanted(1.0)) is not None:
        for run, wanted in want[1]:
            got[run] += len(wanted)
        node.sent(link, now=1.0)  # in vain
    assert got == {RUN: 7_500, RUN_B: 7_500}
    assert b"status:show:" in node.hear(link, digest, 3.0)
    node.offer(link, (RUN_C, ranges), now=3.0)
    assert node.wanted(3.0)[1][0][0] == RUN_C
    node.offer(link, (RUN_C, ranges), now=3.0)
    assert node.hear(link, digest, 5.0) == b"", "all was kept this time"


def test_an_offer_that_is_repeated_counts_once():
    node, ranges = Node(), [(number, number) for number in range(1, 15_001, 2)]
    digest = b"status:digest:" + b"1" * 32
    assert b"status:show:" in node.hear("link", digest, 3.0)
    for _ in range(2):
        node.offer("link", (RUN, ranges), (RUN_B, ranges), now=3.0)
    assert node.hear("link", digest, 5.0) == b"", "all was kept"


def test_so_much_is_remembered_of_what_came_in_vain():
    node = Node()
    for first in range(1, 42_001, 14_000):
        node.offer("liar", (RUN, [(number, number) for number in range(first, first + 14_000, 2)]))
        while node.wanted():
            node.sent("liar")
    node.offer("liar", (RUN, [(1, 1), (41_999, 41_999)]))
    assert node.wanted() == ("liar", [(RUN, [(1, 1)])])
