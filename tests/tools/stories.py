"""Stories: output files of networks that never ran, written by hand, one event after the other.

A line of a story is a second, a node (by its port; seeds have ports from 8000 on) and an event:

    0.5 5001 starts                       its `started:` line, and its settings
    1.0 5001 joins 8080                   `registered:`, in the files of both
    2.0 5001 links 5002                   both ends are `connected:`
    9.0 5001 parts 5002 left              5001 writes `disconnected:`, and who has ended the link
    3.0 5001 says 7                       its message 7 is generated
    3.1 5002 hears 5001/7 from 5003       and received
    4.0 5001 asks 5002                    a liveness reply of 5002
    4.0 5001 asks 5002 until 9            the same every second
    4.0 5001 lives until 9                it writes a line every second; a seed `alive:1`
    9.5 8080 dies                         it writes nothing from then on, until it starts again
    7.9 5001 finds 5002 dead              after three misses
    8.0 5001 reports 5002 to 8080         a dead report, in the files of both

Anything else is written as it stands, with `@5002` for an address.
"""

import datetime
import math
import re

from grapevine.lab.proof.evidence import Proof
from grapevine.lab.proof.records import Records
from grapevine.terminal.folders import SCENARIO

START = datetime.datetime(2026, 1, 2, 3, 4, 5)
SETTINGS = "settings:gossip-count=0:gossip-interval=1:liveness-interval=1:liveness-misses=3"
SEED = """
    0.0 8080 starts
    0.05 8080 lives until 70
    70.0 8080 peer list:@5001:1
"""
PAIR = """
    0.5 5001 starts
    0.5 5002 starts
    1.0 5001 links 5002
    2.0 5001 asks 5002 until 70
    2.5 5002 asks 5001 until 70
"""
THIRD = """
    0.5 5003 starts
    1.0 5003 links 5001
    1.0 5003 links 5002
    2.0 5003 asks 5001 until {last}
    2.0 5003 asks 5002 until {last}
"""
THREE = """
    0.0 8080 starts
    0.0 8081 starts
    0.05 8080 lives until 60
    0.05 8081 lives until 60
    0.5 5001 starts
    0.5 5002 starts
    0.5 5003 starts
    1.0 5001 links 5002
    1.0 5001 links 5003
    1.0 5002 links 5003
    1.1 5001 joins 8080
    1.1 5002 joins 8080
    1.1 5003 joins 8080
    2.0 5001 asks 5002 until 60
    2.0 5002 asks 5001 until 60
"""
FORMS = {  # an event -> what is written, by the node itself or by the one that is named first
    r"joins (\d+)": [("{0}", "registered:@{me}"), ("{me}", "registered:@{0}")],
    r"links (\d+)": [("{me}", "connected:@{0}"), ("{0}", "connected:@{me}")],
    r"parts (\d+) (left|full)": [("{me}", "disconnected:@{0}:{1}:there")],
    r"parts (\d+) (closed.*|.* by peer|.* pipe)": [("{me}", "disconnected:@{0}:{1}:broken")],
    r"parts (\d+) (.*)": [("{me}", "disconnected:@{0}:{1}:here")],
    r"says (\d+)": [("{me}", "generated:gmessage:1.000000:@{me}:1:{0}:x")],
    r"hears (\d+)/(\d+) from (\d+)": [("{me}",
                                      "received:@{2}:gmessage:1.000000:@{0}:1:{1}:x")],
    r"lives": [("{me}", "peer list:@8080:")],
    r"asks (\d+)": [("{me}", "liveness reply:@{0}:1.000")],
    r"finds (\d+) dead": [*(("{me}", f"liveness missed:@{{0}}:{count}") for count in (1, 2, 3)),
                          ("{me}", "dead:@{0}:3.6")],
    r"reports (\d+) to (\d+)": [("{1}", "dead report:Dead Node:@{0}:1.000000:@{me}"),
                                ("{me}", "reported:@{1}:Dead Node:@{0}:1.000000:@{me}")],
}
PROBED = 2.1  # seconds between the last miss, and the word that somebody is dead


def tell(folder, *stories: str, scenario: str = "", **settings) -> Proof:
    """Write the files of a story, and read them. In a scenario, a line is a second and an act."""
    shown = SETTINGS + "".join(f":{name.replace('_', '-')}={value}"
                               for name, value in settings.items())
    lines: dict[str, list] = {}
    dies = []
    for story in stories:
        for line in filter(None, map(str.strip, story.splitlines())):
            second, node, event = line.split(" ", 2)
            event, _, until = event.partition(" until ")
            if event == "dies":
                dies.append((float(second), node))
                continue
            for at in range(int(float(until or second) - float(second)) + 1):
                for who, text in _written(node, event, shown):
                    text = re.sub(r"@(\d+)", r"127.0.0.1:\1", text)
                    before = PROBED if event.startswith("finds ") and "missed" in text else 0.0
                    lines.setdefault(who, []).append((float(second) + at - before, text))
    for second, node in dies:
        again = min((at for at, text in lines[node] if at > second and text.startswith("started:")),
                    default=math.inf)
        lines[node] = [line for line in lines[node] if not second <= line[0] < again]
    for node, events in lines.items():
        text = "".join(f"{START + datetime.timedelta(seconds=at):%Y-%m-%d %H:%M:%S.%f}:{event}\n"
                       for at, event in sorted(events, key=lambda event: event[0]))
        (folder / f"{_kind(node)}_127.0.0.1_{node}.txt").write_text(text)
    if scenario:
        (folder / SCENARIO).write_text("".join(
            f"{START + datetime.timedelta(seconds=float(second)):%Y-%m-%d %H:%M:%S.%f}:"
            f"{act.replace('@', '127.0.0.1:')}\n" if act else f"{second}\n"
            for second, _, act in (line.strip().partition(" ") for line in scenario.splitlines())))
    return Proof(Records(folder).refresh())


def _kind(node: str) -> str:
    return "seed" if int(node) >= 8000 else "peer"


def _written(node: str, event: str, settings: str) -> list[tuple[str, str]]:
    if event == "starts":
        return [(node, f"started:{_kind(node)}:@{node}"), (node, settings), (node, "late:0")]
    if event == "lives" and _kind(node) == "seed":
        return [(node, "alive:1")]
    for form, parts in FORMS.items():
        match = re.fullmatch(form, event)
        if match:
            return [(who.format(*match.groups(), me=node), text.format(*match.groups(), me=node))
                    for who, text in parts]
    return [(node, event)]


def expect(verdict, why, row, folder, *stories, **settings):
    """Let a row answer a story, and say why; return its words."""
    found = row(tell(folder, *stories, **settings))
    words = "; ".join(found.details)
    assert found.verdict == verdict and why in words, words
    return words
