"""From output files to the events of the stream: what a page is shown of a network."""

import json
import random

import pytest

from grapevine.lab.pictures import live_follow, live_lines, live_sample
from grapevine.lab.pictures.live_follow import Follow
from grapevine.lab.pictures.live_states import States
from grapevine.lab.pictures.live_story import KINDS, Story
from tests.tools.pictures import BEGIN, LATER, add, text
from tests.tools.stories import THREE, tell

ONE, TWO = "127.0.0.1:5001", "127.0.0.1:5002"
STARTED = text(0, f"started:peer:{ONE}")
KILL = """
    3.0 5002 parts 5001 closed
    3.0 5003 parts 5001 closed
    3.1 8080 removed:@5001:gone
    6.0 5002 dead:@5001
"""


@pytest.fixture
def follow(tmp_path):
    return Follow(tmp_path)


def told(follow, now=LATER):
    """The events of a page that comes now."""
    follow.turn(now)
    while follow.is_behind:
        follow.turn(now)
    return events_of(follow.log)


def events_of(log):
    parts, end = log.read(0, 1 << 40)
    assert end == len(log)
    return json.loads(b"[" + b",".join(parts) + b"]")


def story(events):
    return [event[3] for event in events if event[1] == "story"]


def test_events_are_in_the_order_of_time_and_nodes_introduced_first(tmp_path, follow):
    tell(tmp_path, THREE, KILL, "2.0 5001 says 1", "2.1 5002 hears 5001/1 from 5001")
    events = told(follow)
    assert [event[0] for event in events] == sorted(event[0] for event in events)
    assert events[0] == [0, "node", 0, "seed", "127.0.0.1:8080"]
    numbers = {event[4]: event[2] for event in events if event[1] == "node"}
    one, two = numbers["127.0.0.1:5001"], numbers["127.0.0.1:5002"]
    assert [2_000_000, "generated", one, 1, "x"] in events
    assert [2_100_000, "received", two, one, 1] in events
    assert [3_000_000, "state", one, "lost"] in events
    assert [6_000_000, "dead", two, one, ""] in events


def test_figures_tell_what_the_files_say(tmp_path, follow):
    tell(tmp_path, THREE, KILL, "69.0 5002 says 1", "69.1 5003 hears 5002/1 from 5002",
         "69.5 5002 says 2")
    follow.turn(BEGIN + 70_500_000)
    figures = follow.figures(BEGIN + 70_500_000)
    assert figures.items() >= {
        "peers": 2, "seeds": 2, "links": 1, "pieces": 1, "least": 1, "median": 1, "most": 1,
        "messages": 2, "deliveries": 1, "rate": 0.2, "counted": 0, "toread": 0, "behind": 0.15,
        "now": BEGIN + 70_350_000, "last": BEGIN + 69_500_000}.items()
    assert figures["latency"] == pytest.approx(100, rel=0.06) == figures["latency99"]
    assert figures["missing"]["message"] == 2 and figures["missing"]["lacking"] == 1
    assert [follow.states.numbered[number].address for number in figures["missing"]["nodes"]] == [
        "127.0.0.1:5003"]


@pytest.mark.parametrize("story", [
    KILL + "2.9 5001 says 1",  # it died with all who had it
    "3.0 5001 kicked:@8080:0.912 \n 3.5 5001 says 1",
    *(f"""3.0 5002 says 1
          3.1 5003 hears 5002/1 from 5002
          {end}""" for end in ("4.0 5001 starts", "5.0 5002 dead:@5001"))])
def test_a_message_that_cannot_come_any_more_is_not_waited_for(tmp_path, follow, story):
    tell(tmp_path, THREE, story)
    told(follow)
    assert follow.figures(LATER)["missing"] is None


def test_who_heard_a_message_before_its_line_was_read_does_not_lack_it(tmp_path, follow):
    tell(tmp_path, THREE, "3.1 5003 hears 5002/1 from 5002", "3.2 5001 hears 5002/1 from 5003",
         "3.5 5002 says 1")
    events = told(follow)
    figures = follow.figures(LATER)
    assert (figures["missing"], figures["deliveries"], figures["counted"]) == (None, 2, 1)
    assert waves(events) == {}


@pytest.mark.parametrize("stories, said", [
    ([THREE, KILL, "4.0 5002 liveness missed:@5001:1",
      "6.0 5002 reported:@8080:Dead Node:@5001:1.000000:@5002", "30.0 5003 leaving:@5003",
      "30.1 5003 stopped:quit", "30.1 8080 removed:@5003:left"],
     ["2 seeds start", "3 peers start", "5001: every connection to it has broken",
      "seed 8080 has lost 5001, and removed it", "5002 gets no answer from 5001: miss 1 of 3",
      "5001 answers again: 5002 has heard from it", "5002 probes once more, and calls 5001 dead",
      "5002 reports 5001 to seed 8080", "5003 says goodbye"]),
    ([THREE, "2.5 8080 dies", "5.01 8081 dies",
      *(f"3.{port} {port} unregistered:@8080:closed" for port in (5001, 5002, 5003)),
      "5.0 8081 stopped:interrupted", "9.0 5002 registered:@8080", "12.0 8081 starts"],
     ["2 seeds start", "3 peers start", "seed 8080 is gone", "seed 8081 is gone",
      "seed 8080 is up again", "seed 8081 is up again"]),
    ([*(f"{port / 10000} {port} starts" for port in range(5001, 5041)),
      *(f"9.{at} {port} liveness missed:@5001:2" for at, port in enumerate(range(5002, 5011)))],
     ["40 peers start", "5002 gets no answer from 5001: miss 2 of 3",
      "8 more get no answer from 5001: miss 2 of 3"])],
    ids=["a death, and a goodbye", "seeds go and come back", "many within a second are one line"])
def test_what_happens_is_told_in_words(tmp_path, follow, stories, said):
    tell(tmp_path, *stories)
    assert story(told(follow)) == said


def waves(events):
    """Message -> how many of its deliveries are told."""
    found = {event[3]: 0 for event in events if event[1] == "generated"}
    for event in events:
        if event[1] == "received":
            found[event[4]] += 1
    return found


@pytest.mark.parametrize("room, least, most", [(60, 15, 18), (10, 2, 4)],
                         ids=["room for three a second", "a second has not room for one"])
def test_whole_messages_are_left_out_and_all_are_counted(tmp_path, monkeypatch, room, least, most):
    monkeypatch.setattr(live_sample, "SHOWN_PER_SECOND", room)
    ports, numbers = range(5002, 5021), range(11, 61)
    tell(tmp_path, "0 5001 starts",
         *(f"0 {port} starts \n 0.5 5001 links {port}" for port in ports),
         *(f"{number / 10:.1f} 5001 says {number}" for number in numbers),
         *(f"{number / 10:.1f}01 {port} hears 5001/{number} from 5001"
           for number in numbers for port in ports))
    follow = Follow(tmp_path)
    shown = waves(told(follow))
    assert set(shown.values()) == {19} and least <= len(shown) <= most
    figures = follow.figures(LATER)
    assert figures["messages"] == 50 and figures["deliveries"] == 50 * 19
    assert figures["counted"] == 50 - len(shown)


def test_a_network_after_another_is_shown_alone(tmp_path, follow):
    tell(tmp_path, THREE.replace("until 60", "until 3"),
         *(f"70.5 {port} stopped:interrupted" for port in (8080, 8081, 5001, 5002, 5003)),
         "90.0 8080 starts", "91.0 5001 starts")
    events = told(follow)
    assert follow.begin(LATER) == BEGIN + 90_000_000
    assert [event[1] for event in events if event[1] == "started"] == ["started"] * 2
    assert follow.figures(LATER)["peers"] == 1


def test_when_all_files_are_begun_anew_the_new_network_is_shown_alone(tmp_path, follow):
    tell(tmp_path, THREE)
    told(follow)
    for path in tmp_path.iterdir():
        path.unlink()
    tell(tmp_path, "80.0 8080 starts", "80.1 5001 starts")
    events = told(follow, LATER + 2_000_000)
    assert sum(event[1] == "node" for event in events) == 2
    assert follow.figures(LATER + 2_000_000)["peers"] == 1


def test_hostile_files_end_nothing(tmp_path, follow):
    chance = random.Random(1)
    whole = text(1, "started:peer:127.0.0.1:5001", "connected:127.0.0.1:5002",
                 "received:x:gmessage:1:127.0.0.1:5001:1:1:a", "removed:127.0.0.1:5001:dead",
                 "liveness missed:127.0.0.1:5002:1", "generated:gmessage:1:127.0.0.1:5001:1:1:a")
    for port in range(5001, 5011):
        data = bytearray(whole * 50)
        for _ in range(300):
            data[chance.randrange(len(data))] = chance.randrange(256)
        add(tmp_path / f"peer_127.0.0.1_{port}.txt", bytes(data))
    add(tmp_path / "peer_127.0.0.1_5020.txt", text(90, "started:peer:127.0.0.1:5020"))
    events = told(follow)
    number, = (event[2] for event in events if event[1:2] + event[4:] == ["node", "127.0.0.1:5020"])
    assert [event[3] for event in events if event[1:3] == ["state", number]] == ["joining"]
    figures = json.loads(json.dumps(follow.figures(LATER), allow_nan=False))
    assert figures["peers"] > 0 and figures["toread"] == 0


def test_links_that_come_and_go_without_an_end_take_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(live_follow, "LIMIT", 20_000)
    monkeypatch.setattr(live_lines, "TURN", 20)
    add(tmp_path / "peer_127.0.0.1_5002.txt", text(0, f"started:peer:{TWO}", f"connected:{ONE}"))
    add(tmp_path / "peer_127.0.0.1_5001.txt", STARTED, text(1, f"connected:{TWO}"),
        text(2, *["connected:127.0.0.1:5003", "disconnected:127.0.0.1:5003:x"] * 2_000))
    follow = Follow(tmp_path)
    first = follow.log
    follow.turn(LATER)
    while follow.is_behind:
        follow.turn(LATER)
        assert follow.log.size < 30_000
    told = json.loads(b"[%s]" % b",".join(follow.log.read(0, 1 << 30)[0]))
    assert follow.log is not first
    now = [event[1:] for event in told]
    assert now[:3] == [["node", 0, "peer", ONE], ["node", 1, "peer", TWO],
                       ["node", 2, "peer", "127.0.0.1:5003"]]
    for number, other in ((0, 1), (1, 0)):
        assert ["state", number, "up"] in now and ["connected", number, other, ""] in now


def test_a_second_with_endless_kinds_of_steps_is_told_in_few_words():
    states, story = States(), Story()
    states.node(ONE, BEGIN)
    found = [story.follow([BEGIN, "stopped", 0, None, f"reason {n}"], states)
             for n in range(1_000)]
    assert sum(map(bool, found)) == KINDS
    assert story.due(BEGIN + 2_000_000) == []
