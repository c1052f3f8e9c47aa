"""The states of nodes, by what the files of all of them say."""

import pytest

from grapevine.lab.pictures.live_states import States
from tests.tools.pictures import BEGIN, lines_of_folder
from tests.tools.stories import THREE, tell

KILL = """
    3.0 5002 parts 5001 closed
    3.0 5003 parts 5001 closed
    3.1 8080 removed:@5001:gone
    4.0 5002 liveness missed:@5001:1
    5.0 5002 liveness missed:@5001:2
    6.0 5002 liveness missed:@5001:3
    7.0 5002 dead:@5001
    7.0 5002 reported:@8080:Dead Node:@5001:1.000000:@5002
"""
RESTART = """
    8.0 5001 starts
    8.5 5001 links 5003
"""
LINE = """
    0.0 8080 starts
    0.1 5001 starts
    0.1 5002 starts
    0.1 5003 starts
    1.0 5001 links 5002
    1.0 5002 links 5003
"""
TRIANGLE = LINE + """
    1.0 5001 links 5003
    2.0 5003 parts 5001 closed
    2.1 5003 parts 5002 closed
"""
GONE = "\n2.1 8080 removed:@5001:gone\n"


class Told:
    """The states of the nodes of a story, moment by moment."""

    def __init__(self, folder, *stories):
        tell(folder, *stories)
        self._lines = lines_of_folder(folder)
        self.states = States()
        self.events = []

    def until(self, second: float) -> "Told":
        """Take all lines before that second."""
        while self._lines and self._lines[0].at < BEGIN + second * 1_000_000:
            self.states.apply(self._lines.pop(0))
            self.events += self.states.changes
            self.states.changes = []
        return self

    def all(self, *ports: int) -> set[str]:
        """The states of some nodes."""
        return {self.states.nodes[f"127.0.0.1:{port}"].state for port in ports}

    def links(self) -> int:
        """The number of links between peers that are up."""
        return sum(self.states.degrees()) // 2

    def states_of(self, port: int) -> str:
        """All states that a node has been in, in order."""
        number = self.states.nodes[f"127.0.0.1:{port}"].number
        return " ".join(event[3] for event in self.events if event[1:3] == ["state", number])


def test_peers_join_until_their_first_links_which_both_ends_tell(tmp_path):
    told = Told(tmp_path, THREE, "1.5 5003 parts 5002 full")
    assert told.until(0.9).all(5001, 5002, 5003) == {"joining"}
    assert told.all(8080) == {"up"} and told.links() == 0
    assert told.until(1.05).all(5001, 5002, 5003) == {"up"}
    assert told.links() == 3 and told.states.pieces() == 1
    assert told.states.degrees() == [2, 2, 2]
    assert told.until(1.6).links() == 2


@pytest.mark.parametrize("story, states", [
    ("""5.0 5001 leaving:@5001
        5.1 5002 parts 5001 left
        5.1 5003 parts 5001 left
        5.2 8080 removed:@5001:left
        5.3 5001 stopped:quit""", "joining up left"),
    ("""5.0 5001 leaving:@5001
        5.0 5004 starts
        5.1 5004 links 5001
        5.2 5004 parts 5001 left""", "joining up left"),  # met while it leaves
    ("5.0 5001 stopped:interrupted", "joining up gone"),
    ("""5.000 5001 starts
        5.010 5001 connected:@5002
        5.011 5002 parts 5001 duplicate
        5.011 5002 connected:@5001
        5.012 5003 parts 5001 closed""", "joining up joining up"),  # before others notice
    (KILL + RESTART, "joining up lost dead joining up"),
    (KILL + RESTART + """10.0 5003 parts 5001 closed
                         13.0 5003 dead:@5001""", "joining up lost dead joining up lost dead"),
    ("""3.0 5002 parts 5001 closed
        3.0 5003 parts 5001 closed
        4.0 5001 parts 5003 closed
        4.5 5001 links 5003""", "joining up lost up"),
    ("""2.0 5001 parts 5003 full
        2.0 5003 parts 5001 given up
        3.0 5001 parts 5002 closed
        3.1 8080 removed:@5001:gone
        3.5 5002 stopped:interrupted""", "joining up lost dead"),  # 5003 counts no misses
    ("""5.0 5003 dead:@5001
        5.0 5003 parts 5001 dead
        6.5 5002 liveness reply:@5001:1.000""", "joining up dead up"),  # it was frozen
    ("""5.0 5001 kicked:@8080:0.912
        5.1 5002 parts 5001 kicked
        5.1 5003 parts 5001 kicked
        5.1 5004 starts
        5.2 5001 links 5004
        5.3 5004 parts 5001 kicked
        6.0 5001 alive:0:0
        9.0 5001 links 5002
        9.1 5001 registered:@8080""", "joining up gone joining up"),  # 5004 had not heard of it
    ("""2.0 5001 connected:nobody
        2.0 5001 connected:@5001
        2.0 5001 disconnected:::::
        2.0 5001 liveness missed:@5002:many
        2.0 5001 liveness missed:@5002:٣
        2.0 5001 removed:@5002:dead
        2.0 5001 passed on:Dead Node:x""", "joining up"),
])
def test_the_states_of_a_peer_that_has_two_neighbours(tmp_path, story, states):
    lives = [line for line in THREE.splitlines() if "asks" not in line]
    told = Told(tmp_path, "\n".join(lives), story).until(80)
    assert told.states_of(5001) == states
    assert "dead" in states or "liveness missed" not in [event[1] for event in told.events]


@pytest.mark.parametrize("story, states", [
    ("2.0 5001 parts 5002 closed" + GONE + """2.0 5003 parts 5002 closed
        3.0 8080 removed:@5002:gone""", "joining up lost dead"),  # with all that are there
    ("2.0 5002 liveness missed:@5001:3", "joining up"),  # it is frozen
    ("2.0 5002 parts 5001 closed" + GONE, "joining up lost"),  # 5002 counts misses,
    ("2.0 5002 parts 5001 closed" + GONE
     + "5.0 5002 stopped:interrupted", "joining up lost dead"),  # until it ends,
    ("2.0 5002 parts 5001 closed" + GONE
     + "3.0 5002 starts", "joining up lost dead"),  # or begins anew
    ("""2.0 5001 parts 5002 duplicate
        2.0 5001 connected:@5002
        2.1 5002 parts 5001 duplicate
        2.1 5002 connected:@5001""", "joining up"),
    ("""2.0 5001 parts 5002 closed by the other end
        2.0 5002 parts 5001 closed by the other end""", "joining up lost"),
])
def test_the_states_of_a_peer_that_has_one_neighbour(tmp_path, story, states):
    assert Told(tmp_path, LINE, story).until(80).states_of(5001) == states


@pytest.mark.parametrize("stories, moments, links", [
    ([TRIANGLE, "3.0 5002 liveness request:@5001", "3.1 5001 parts 5003 closed",
      "3.1 5002 parts 5003 closed"], [(2.5, "lost", [5001, 5002]), (80, "up", [5001, 5002])], 1),
    ([TRIANGLE, "9.0 5002 starts"], [(80, "lost", [5001]), (80, "joining", [5002])], 0),
    ([THREE, """
        2.1 5001 unregistered:@8080:closed
        2.1 5002 unregistered:@8080:closed
        2.2 5003 unregistered:@8080:closed
        2.2 5002 dead:@5003:1.000
        2.3 5001 dead:@5003:1.000
        3.0 5003 alive:1:2"""], [(2.15, "up", [8080]),  # 5003 has it still
                                 (2.5, "gone", [8080]), (2.5, "dead", [5003]),
                                 (4, "up", [8080, 5003])], 3),
    ([LINE, """
        1.0 5001 unregistered:@8080:registration refused: no Liveness Reply from 127.0.0.1:5001
        2.0 5001 unregistered:@8080:Connection refused"""], [
            (1.5, "up", [8080]), (2.5, "gone", [8080])], 2)],
    ids=["peers that were killed together are lost until they write",
         "who was killed with a peer that begins anew stays lost",
         "who writes that it lives is up whatever others have said",
         "a seed that refuses is up, and one that is not reached is gone"])
def test_the_states_of_nodes_at_a_moment(tmp_path, stories, moments, links):
    told = Told(tmp_path, *stories)
    for second, state, ports in moments:
        assert told.until(second).all(*ports) == {state}
    assert told.links() == links


def test_nodes_beyond_the_limit_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("grapevine.lab.pictures.live_states.NODES", 3)
    assert len(Told(tmp_path, THREE).until(80).states.nodes) == 3


def test_a_page_that_begins_anew_hears_of_misses_after_all_states(tmp_path):
    told = Told(tmp_path, THREE, "4.5 5001 liveness missed:@5002:2").until(5)
    kinds = [event[1] for event in told.states.present(0)]
    assert kinds.index("liveness missed") > max(at for at, kind in enumerate(kinds)
                                                if kind == "state")
