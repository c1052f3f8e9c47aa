"""Anti-entropy with neighbours that bring little, late, nothing, or twice, and over datagrams."""

import collections

from grapevine import sync as limits
from grapevine import wire
from grapevine.sync import Sync
from tests.tables.comparing import RUN, RUN_B, RUN_C, Node
from tests.tables.samples import A, B, C, line, run_of


def test_who_links_again_and_again_and_brings_nothing_stalls_nobody_who_does():
    node, now, brought = Node(), 0.0, 0
    node.offer("honest", (RUN, [(1, 200)]), now=now)
    for attempt in range(20):
        for liar in range(3):
            node.offer((liar, attempt), (RUN_B, [(1, 9)]), now=now)
        while (wanted := node.wanted(now)) is not None and wanted[0] == "honest":
            brought += 10
            now += 0.2
            node.sent("honest", *[line(brought - n) for n in range(10)], now=now)
        now += 2.0
        for liar in range(3):
            node.sync.ended((liar, attempt))
    assert brought == 200 and now < 44.1


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


def test_who_owes_a_portion_is_asked_for_no_more_until_it_has_sent_that():
    node = Node()
    node.offer("slow", (RUN, [(1, 40)]))
    assert [now for now in range(500) if node.wanted(float(now))] == [0]
    node.offer("other", (RUN_B, [(1, 1)]))
    assert node.wanted(500.0)[0] == "other"
    node.sent("slow", *map(line, range(1, 11)), now=501.0)
    assert node.wanted(501.0) is None, "another one is asked"
    node.sent("other", line(1, B), now=501.5)
    assert node.wanted(501.5) == ("slow", [(RUN, [(11, 40)])])


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


def test_32000_ranges_are_kept_of_an_offer_and_the_next_comparison_brings_the_rest():
    node, link = Node(), "link"
    ranges = [(number, number) for number in range(1, 24_001, 2)]
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
    assert got == {RUN: 12_000, RUN_B: 12_000}
    assert b"status:show:" in node.hear(link, digest, 3.0)
    node.offer(link, (RUN_C, ranges), now=3.0)
    assert node.wanted(3.0)[1][0][0] == RUN_C
    node.offer(link, (RUN_C, ranges), now=3.0)
    assert node.hear(link, digest, 5.0) == b"", "all was kept this time"


def test_what_is_lacking_no_more_is_passed_over_in_few_looks():
    node, looks = Node(line(1, B)), []
    node.offer("one", (RUN, [(number, number) for number in range(1, 998, 2)]),
               (RUN_B, [(number, number) for number in range(3, 16_003, 2)]))
    node.messages.add([line(number, B) for number in range(2, 16_003)])
    lacking = node.messages.lacking
    node.messages.lacking = lambda entries: looks.append(entries) or lacking(entries)
    assert node.wanted()[1][0][0] == RUN and len(looks) < 20


def test_one_look_tells_that_not_all_of_an_offer_has_come():
    node, looks = Node(), []
    node.offer("one", (RUN, [(number, number) for number in range(1, 16_001, 2)]))
    lacking = node.messages.lacking
    node.messages.lacking = lambda entries: looks.extend(entries[0][1]) or lacking(entries)
    assert not node.sync.has_caught_up(["one"]) and len(looks) == 1


def test_an_offer_that_is_repeated_counts_once():
    node, ranges = Node(), [(number, number) for number in range(1, 15_001, 2)]
    digest = b"status:digest:" + b"1" * 32
    assert b"status:show:" in node.hear("link", digest, 3.0)
    for _ in range(2):
        node.offer("link", (RUN, ranges), (RUN_B, ranges), now=3.0)
    assert node.hear("link", digest, 5.0) == b"", "all was kept"


def test_so_much_is_remembered_of_what_came_in_vain():
    node = Node()
    for first in range(1, 66_001, 22_000):
        node.offer("liar", (RUN, [(number, number) for number in range(first, first + 22_000, 2)]))
        while node.wanted():
            node.sent("liar")
    node.offer("liar", (RUN, [(1, 1), (65_999, 65_999)]))
    assert node.wanted() == ("liar", [(RUN, [(1, 1)])])
