"""What a peer that signs takes, passes on, and blames nobody for."""

import pytest

import grapevine.signing.messages
import grapevine.signing.peer
from grapevine.signing.peer import SignedPeer
from tests.tools.signing import neighbour, signer
from tests.tools.virtual import A, B, NODE, TIME, Scene


def scene_with(*addresses: str, **settings):
    """Return a scene and its neighbours: a pair of machine and end for each address."""
    scene = Scene(SignedPeer, **settings)
    return scene, *[neighbour(scene, address) for address in addresses]


def test_what_a_neighbour_signs_is_named_message_by_message_and_goes_on_as_one_line():
    scene, (one, end), (_, other) = scene_with(A, B)
    line = one.signed(1, "first", "second:1", "")
    end.say(line)
    assert other.hear() == line
    assert [event.rpartition("START")[0] or event.split(":")[-1]
            for event in scene.events(f"received:{A}:")] == ["first", "1", ""]
    end.say(line)
    other.say(line)
    assert other.hear(0.1) is None and len(scene.events("received:")) == 3
    assert scene.node.messages.checked == 1


def test_what_is_said_at_once_here_is_one_line():
    scene, (_, end) = scene_with(A)
    scene.node.originate(["one", "two"])
    line = end.hear()
    assert line.startswith("signed:") and line.endswith(":1:onetwo")
    assert [event[-5:] for event in scene.events("generated:")] == ["1:one", "2:two"]


def test_a_forgery_gets_no_further_and_the_true_line_still_comes():
    scene, (one, end), (_, other) = scene_with(A, B)
    true = one.signed(1, "hello")
    other.say(true[:-1] + "!")
    assert scene.event(f"corrupt:{B}:") and end.hear(0.5) is None
    end.say(true)
    assert other.hear() == true and other.closed is None


def test_the_third_corrupt_line_in_a_minute_ends_the_link_for_that_minute():
    scene, (one, end) = scene_with(A)
    for _ in range(2):
        end.say("gmessage:1.000000:127.0.0.1:6001:7:1:hello")
    scene.run(61.0)
    for count in 1, 1, 3:
        assert end.closed is None
        end.say(*["gmessage:1.000000:127.0.0.1:6001:7:1:hello"] * count)
        scene.run(0.1)
    assert end.hear_until("connection refused:") == f"connection refused:{NODE}:corrupt"
    assert len(scene.events("corrupt:")) == 5, "the one that ends the link is the last shown"
    again = one.dial()
    one.say_connect(again, "1700000001.000000")
    assert again.hear() == f"connection refused:{NODE}:corrupt"
    scene.run(61.0)
    assert one.link("1700000002.000000").closed is None


def test_two_lines_that_share_a_number_are_a_contradiction_and_what_is_new_is_taken():
    scene, (one, end), (_, other) = scene_with(A, B)
    end.say(one.signed(1, "a", "b"))
    other.say(one.signed(2, "b", "c"))
    assert scene.event(f"contradiction:{one.run}:2")
    scene.run(0.1)
    assert len(scene.events("received:")) == 3
    assert other.closed is None and scene.events("corrupt:") == []


def test_who_has_signatures_checked_in_vain_is_heard_more_slowly_and_what_is_true_still_comes(
        monkeypatch):
    monkeypatch.setattr(grapevine.signing.messages.SignedMessages, "CORRUPT_LIMIT", 10_000)
    scene, (one, end) = scene_with(A)
    for at in range(1, 1_001):
        end.say(one.signed(at, "said").replace(":said", ":Said"))
    end.say(one.signed(1, "true"))
    scene.run(1.0)
    assert 200 <= scene.node.messages.checked < 500, "what came together is checked together"
    assert scene.event(f"received:{A}:", 120.0)


def test_a_line_of_its_own_costs_a_neighbour_all_its_bytes_however_little_is_new():
    scene, (one, end) = scene_with(A, rate=10, burst=80)
    for at in range(20):
        end.say(one.signed(1, *["x"] * (at + 1), "y" * 12_000))
        scene.run(0.01)
    assert scene.node.messages.count() < 15, "it is heard more slowly"


def test_lines_that_cost_their_neighbour_count_every_message():
    scene, (one, end) = scene_with(A, rate=100, burst=256)
    for at in range(4):
        end.say(one.signed(1 + 128 * at, *["x"] * 128))
        scene.run(0.05)
    assert scene.node.messages.count() <= 384, "it is heard more slowly"
    scene.run(5.0)
    assert scene.node.messages.count() == 512


@pytest.mark.parametrize("is_contradicted", [False, True])
def test_who_passes_on_what_is_not_wanted_here_is_heard_all_the_same(is_contradicted):
    """An origin proved its run to one peer and not to seeds, or gave two peers other lines: then
    honest neighbours did not hear each other for ten seconds at a time."""
    scene, (one, end), (other, honest) = scene_with(A, B)
    if is_contradicted:
        end.say(*[one.signed(1 + 128 * at, *["x"] * 128) for at in range(20)], one.signed(1, "y"))
    else:
        one.key = signer(A, "another")
    for at in range(2_000):  # a second of what a busy peer can verify
        honest.say(one.signed(1 + 64 * (at % 38), *[str(at)] * 128))
    before = scene.now
    honest.say(f"Liveness Request:{TIME}:{B}")
    assert honest.hear_until("Liveness Reply:", 10.0) and scene.now < before + 0.1


def test_who_passes_on_contradictions_of_many_runs_is_heard_all_the_same():
    """Two honest neighbours of whom each had the other line of each run did not hear each other."""
    scene, (_, honest) = scene_with(B)
    others = []
    for at in range(250):
        one, end = neighbour(scene, f"127.0.0.1:{7_000 + at}")
        end.say(one.signed(1, "x"), f"leave:{one.address}")
        others.append(one.signed(1, "y"))
        scene.run(0.01)
    before = scene.now
    honest.say(*others, f"Liveness Request:{TIME}:{B}")
    assert honest.hear_until("Liveness Reply:", 20.0) and scene.now < before + 0.1
    assert len(scene.events("contradiction:")) == 250


@pytest.mark.parametrize("spread", ["flood", "rumor", "tree"])
def test_a_line_goes_on_in_every_way_of_spreading(spread):
    scene, (one, end), (_, other) = scene_with(A, B, spread=spread)
    line = one.signed(1, "a", "b")
    end.say(f"rumor:{line}" if spread == "rumor" else line)
    assert other.hear() == (f"rumor:{line}" if spread == "rumor" else line)
    if spread == "rumor":
        assert end.hear() == f"status:took:{one.run}=1-2"
        other.say(f"status:knew:{one.run}=1-2")
        scene.run(0.5)
        assert not scene.node.way.is_busy()


def test_a_corrupt_rumor_is_not_answered():
    scene, (one, end) = scene_with(A)
    end.say("rumor:gmessage:1.000000:127.0.0.1:6001:7:1:hello", "rumor:signed:x:gmessage:1:2")
    assert end.hear(0.5) is None and len(scene.events("corrupt:")) == 2


def test_lines_that_repeat_a_number_leave_room_for_rumors():
    scene, (one, end), (_, other) = scene_with(A, B, spread="rumor")
    for at in range(40):
        number = 1 + 2 * at
        end.say(f"rumor:{one.signed(number, 'x' * 7_000)}",
                f"rumor:{one.signed(number, 'x' * 7_000, 'y')}")
        scene.run(0.05)
    scene.run(10.0)
    assert scene.node.way.has_room() and not scene.node.way.is_busy()


def test_a_known_rumor_with_many_texts_is_answered_with_all_their_numbers():
    scene, (one, end), (_, other) = scene_with(A, B)
    end.say(one.signed(5, *["x"] * 128))
    other.say(f"rumor:{one.signed(5, *['x'] * 128)}", f"rumor:{one.signed(2, 'a', 'b')}")
    assert other.hear_until("status:took:") == f"status:took:{one.run}=2-3"
    assert other.hear() == f"status:knew:{one.run}=5-132"


def test_who_says_without_end_what_is_not_wanted_is_heard_more_slowly(monkeypatch):
    """To read 128 texts takes 20 µs, also of a run that has contradicted itself."""
    monkeypatch.setattr(grapevine.signing.peer, "RATE", 5)
    monkeypatch.setattr(grapevine.signing.peer, "AT_ONCE", 2)
    scene, (one, end) = scene_with(A)
    end.say(one.signed(1, *["x"] * 128), one.signed(1, "y"))
    line = one.signed(1, *["z"] * 128)
    end.say(*[f"{line[:-8]}{at:08}" for at in range(1_700)], f"Liveness Request:{TIME}:{A}")
    scene.run(0.5)
    before = scene.now
    assert end.hear_until("Liveness Reply:", 10.0) and scene.now > before + 0.2
    end.say(*[one.signed(at, "z") for at in range(1, 129)] * 20, f"Liveness Request:{TIME}:{A}")
    before = scene.now
    assert end.hear_until("Liveness Reply:", 10.0) and scene.now < before + 1.0, "of one text each"
