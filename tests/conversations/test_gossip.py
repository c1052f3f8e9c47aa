"""Messages: made, taken, forwarded byte for byte, known again; rumors; what a neighbour may say."""

import pytest

from tests.tools.virtual import A, B, C, NODE, TIME, gossip, neighbours


def numbers_of(lines: list[str]) -> list[int]:
    return [int(line.split(":")[5]) for line in lines if line.startswith("gmessage:")]


# Made here.

def test_the_generator_makes_ten_messages_five_seconds_apart():
    end, = neighbours(A, gossip_count=10, gossip_interval=5.0)
    scene = end.scene
    assert scene.node.run == f"{NODE}:1700000000000"
    scene.run(4.9)
    assert scene.events("generated:") == []
    for number in range(1, 11):
        line = end.hear(5.1)
        assert line.split(":", 2)[2] == f"{scene.node.run}:{number}:message {number}"
        assert scene.event("generated:") == f"generated:{line}"
    scene.run(20.0)
    assert end.lines == []


def test_a_message_is_in_the_file_before_it_is_passed_on():
    end, = neighbours(A)
    scene, last = end.scene, []
    scene.node.way.new = lambda lines, source: last.append(scene.events()[-1].partition(":")[0])
    scene.node.originate(["mine"])
    end.say(gossip(A, 1))
    scene.run(0.1)
    assert last == ["generated", "received"]


@pytest.mark.parametrize("text", ["a\nb", "x" * 65_536])
def test_a_text_that_is_no_message_makes_none_not_even_of_those_beside_it(text):
    end, = neighbours(A)
    node = end.scene.node
    with pytest.raises(ValueError):
        node.check(text)
    with pytest.raises(ValueError):
        node.originate(["fine", text])
    node.originate(["fine"])
    assert numbers_of(end.hear_all()) == [1]


# Forwarded.

@pytest.mark.parametrize("line", [gossip(A, 1), gossip(B, 3), gossip(A, 1, ""),
                                  gossip(A, 1, "gmessage: €:\\x"), "any:thing:" + gossip(C, 1)])
def test_a_new_message_goes_to_all_neighbours_but_its_source_as_it_came(line):
    source, *others = neighbours(A, B, C)
    source.say(line)
    assert [end.hear_all() for end in others] == [[line], [line]]
    assert source.lines == []
    shown = line[line.index("gmessage:"):].replace("\\", "\\\\")
    assert source.scene.events("received:") == [f"received:{A}:{shown}"]


def test_a_message_with_a_forbidden_word_is_written_down_and_neither_kept_nor_forwarded():
    one, other = neighbours(A, B, filter=("virus",), antientropy_interval=1000.0)
    bad = gossip(A, 1, "a VIRUS!")
    one.say(bad, gossip(A, 2, "an antivirus"))
    assert numbers_of(other.hear_all()) == [2]
    assert one.scene.events("forbidden:") == [f"forbidden:{A}:{bad}"]
    other.say(f"status:want:{A}:7=1-2")
    assert other.hear_all() == [gossip(A, 2, "an antivirus"), f"status:gone:{A}:7=1",
                                "status:sent"]
    with pytest.raises(ValueError):
        one.scene.node.check("the virus")


# Rumors.

def test_a_digest_goes_along_with_the_answer_once_a_second_at_most():
    end, = neighbours(A, antientropy_interval=1000.0)
    heard = []
    for number in range(1, 5):
        end.say("rumor:" + gossip(A, number))
        heard.append(len(end.hear_all(0.4)))
    assert heard == [2, 1, 1, 2]


def test_a_peer_is_crowded_while_64_kib_wait_for_a_neighbour_that_reads_on():
    end, other = neighbours(A, B)
    scene = end.scene
    scene.run(2.0)
    end.stop_reading()
    scene.node.originate(["x" * 60_000] * 5)
    scene.run(0.1)
    assert not scene.node.is_crowded()  # 256 KiB are on the way, and less than 64 wait
    scene.node.originate(["x" * 60_000])
    assert scene.node.is_crowded()
    scene.run(1.1)
    assert not scene.node.is_crowded()  # nobody waits for a neighbour that reads nothing


# Budgets: above its own, a neighbour is read more slowly, and not cut off.

def test_messages_of_others_and_duplicates_are_free():
    one, other = neighbours(A, B, rate=10, burst=20, liveness_interval=100.0)
    for number in range(1, 101):
        one.say(gossip(C, number, f":{A}: is named in a text"))
        one.say(gossip(C, number, f":{A}: is named in a text"))
        one.scene.run(0.005)
    assert numbers_of(other.hear_all(0.1)) == list(range(1, 101))


@pytest.mark.parametrize("line, count", [(f"Liveness Request:{TIME}:{A}", 100),
                                         ("known peers", 1), (f"leave:{B}", 100),
                                         ("status:want:", 100)])
def test_all_other_lines_cost_their_neighbour(line, count):
    one, other = neighbours(A, B, rate=10, burst=20, liveness_interval=100.0)
    for _ in range(count):
        one.say(line)
        one.scene.run(0.002)
    one.say(gossip(C, 1))
    assert other.hear(0.7) is None
    assert other.hear(10.0) == gossip(C, 1)


def test_a_neighbour_above_its_budget_is_heard_again_after_a_second():
    one, _ = neighbours(A, B, rate=10, burst=20, liveness_interval=100.0)
    one.say(*[gossip(A, number) for number in range(1, 101)], f"Liveness Request:{TIME}:{A}")
    assert one.hear(0.9) is None
    assert one.hear(0.2) == f"Liveness Reply:{TIME}:{A}:{NODE}"


def test_answers_to_want_cost_who_asks():
    one, other = neighbours(A, B, rate=10, burst=100, liveness_interval=1000.0)
    for number in range(1, 30):
        other.say(gossip(C, number, "x" * 60_000))
        other.scene.run(0.05)
    one.hear_all(0.1)
    for _ in range(5):
        one.say(f"status:want:{C}:7=1-29")
        one.scene.run(0.05)
    assert 1 <= one.lines.count("status:sent") <= 3
    one.hear_all(60.0)
    assert one.closed is None and one.machine.said.count("status:sent") == 5


def test_answers_to_rumors_cost_who_tells_them():
    one, other = neighbours(A, B, rate=10, burst=20, liveness_interval=100.0)
    one.say(*[form + gossip(C, number) for number, form in enumerate(["rumor:", ""] * 100, 1)])
    assert len(numbers_of(other.hear_all(0.5))) < 60


@pytest.mark.parametrize("line, answer", [
    (f"status:seen:{C}:7=1-1801", "status:want"), (f"status:digest:{'1' * 32}", "status:seen")],
    ids=["offer", "digest"])
def test_to_look_through_many_gaps_costs_who_causes_that(line, answer):
    one, other = neighbours(A, B, rate=1, burst=5, liveness_interval=1000.0)
    one.say(*[gossip(C, number) for number in range(1801, 1, -2)], line)
    assert other.hear_all(0.1) and one.hear_until(answer)
    one.say(gossip(C, 1802))
    assert other.hear(0.7) is None
    assert other.hear(10.0) == gossip(C, 1802)


def test_a_budget_belongs_to_an_address_not_to_a_link():
    one, other = neighbours(A, B, rate=10, burst=20, liveness_interval=100.0)
    one.say(*[f"leave:{B}"] * 19)
    one.scene.run(0.1)
    one.say(f"leave:{A}")
    assert one.ends_within(0.5)
    again = one.machine.ask_to_link()
    again.hear()
    for number in range(1, 51):
        again.say(gossip(A, number))
        again.scene.run(0.005)
    assert len(numbers_of(other.hear_all(0.1))) < 25
