"""The states of nodes, by what the files of all of them say."""

from grapevine.lab.pictures.live_states import States
from tests.tools.pictures import BEGIN, THREE, lines_of_folder, tell


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
            line = self._lines.pop(0)
            self.states.take(line)
            self.events += self.states.changes
            self.states.changes = []
        return self

    def state(self, port: int) -> str | None:
        return self.states.nodes[f"127.0.0.1:{port}"].state

    def all(self, *ports: int) -> set[str]:
        """The states of some nodes."""
        return {self.state(port) for port in ports}

    def links(self) -> int:
        """The number of links between peers that are up."""
        return sum(self.states.degrees()) // 2

    def states_of(self, port: int) -> list[str]:
        """All states that a node has been in, in order."""
        number = self.states.nodes[f"127.0.0.1:{port}"].number
        return [event[3] for event in self.events if event[1:3] == ["state", number]]

    def streamed(self, kind: str) -> list[tuple]:
        """(node, other, the rest) of all events of a kind; nodes by their ports."""
        ports = {node.number: int(address.rpartition(":")[2])
                 for address, node in self.states.nodes.items()}
        return [(ports[event[2]], ports.get(event[3]), *event[4:])
                for event in self.events if event[1] == kind]


def test_a_peer_joins_until_its_first_link(tmp_path):
    told = Told(tmp_path, THREE)
    assert told.until(0.9).all(5001, 5002, 5003) == {"joining"}
    assert told.state(8080) == "up"
    assert told.until(1.05).all(5001, 5002, 5003) == {"up"}
    assert told.links() == 3 and len(told.states.pieces) == 1
    assert told.states.degrees() == [2, 2, 2]


def test_a_link_is_there_when_both_ends_say_so(tmp_path):
    told = Told(tmp_path, """
        0.5 5001 starts
        0.5 5002 starts
        1.0 5001 connected:@5002
        2.0 5002 connected:@5001
        3.0 5002 disconnected:@5001:full
        4.0 5001 disconnected:@5002:full
    """)
    assert told.until(1.5).links() == 0
    assert told.until(2.5).links() == 1
    assert told.until(3.5).links() == 0


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


def test_who_is_killed_is_lost_at_once_and_dead_when_a_neighbour_says_so(tmp_path):
    told = Told(tmp_path, THREE, KILL)
    assert told.until(2.9).state(5001) == "up"
    assert told.until(3.5).state(5001) == "lost"
    assert told.all(5002, 5003) == {"up"}
    assert len(told.states.pieces) == 1 and len(told.states.up("peer")) == 2
    assert told.until(6.9).state(5001) == "lost"
    assert told.until(7.5).state(5001) == "dead"
    assert told.streamed("liveness missed") == [(5002, 5001, 1), (5002, 5001, 2), (5002, 5001, 3)]
    assert told.streamed("reported") == [(5002, 8080, "Dead Node:127.0.0.1:5001:1.000000:"
                                          "127.0.0.1:5002")]


def test_who_is_frozen_keeps_its_links_and_answers_again(tmp_path):
    told = Told(tmp_path, THREE.replace("5001 until 60", "5001 until 3"), """
        4.5 5002 liveness missed:@5001:1
        5.5 5002 liveness missed:@5001:2
        6.2 5002 liveness reply:@5001:1.000
        7.2 5002 liveness reply:@5001:1.000
    """)
    assert told.until(80).states_of(5001) == ["joining", "up"]
    assert told.links() == 3
    assert told.streamed("liveness reply") == [(5002, 5001, "1.000")]


def test_a_page_that_begins_anew_hears_of_misses_after_all_states(tmp_path):
    told = Told(tmp_path, THREE, "4.5 5001 liveness missed:@5002:2").until(5)
    kinds = [event[1] for event in told.states.present(0)]
    assert kinds.index("liveness missed") > max(at for at, kind in enumerate(kinds)
                                                if kind == "state")


def test_who_was_called_dead_and_is_thawed_is_up_again(tmp_path):
    told = Told(tmp_path, THREE, """
        5.0 5003 dead:@5001
        5.0 5003 disconnected:@5001:dead
        6.5 5002 liveness missed:@5001:3
    """)
    assert told.until(5.5).state(5001) == "dead"
    assert told.states.degrees() == [1, 1]
    assert told.until(7.5).state(5001) == "up"  # 5002 hears from it
    assert told.states.degrees() == [1, 1, 2]


def test_who_says_goodbye_has_left(tmp_path):
    told = Told(tmp_path, THREE, """
        5.0 5001 leaving:@5001
        5.1 5002 disconnected:@5001:left
        5.1 5003 disconnected:@5001:left
        5.2 8080 removed:@5001:left
        5.3 5001 stopped:quit
    """)
    assert told.until(80).states_of(5001) == ["joining", "up", "left"]
    assert told.links() == 1 and told.all(5002, 5003) == {"up"}


def test_who_is_met_while_it_leaves_has_left_all_the_same(tmp_path):
    told = Told(tmp_path, THREE, "5.0 5001 leaving:@5001", "5.0 5004 starts",
                "5.1 5004 links 5001", "5.2 5004 parts 5001 left")
    assert told.until(80).states_of(5001) == ["joining", "up", "left"]
    assert told.state(5004) == "joining"


def test_who_is_started_again_before_the_others_notice_is_never_lost(tmp_path):
    told = Told(tmp_path, THREE, """
        5.000 5001 starts
        5.010 5001 connected:@5002
        5.011 5002 disconnected:@5001:replaced
        5.011 5002 connected:@5001
        5.012 5003 disconnected:@5001:closed
    """)
    assert told.until(80).states_of(5001) == ["joining", "up"] * 2
    assert told.states.degrees() == [1, 1, 2]


def test_who_is_interrupted_is_gone_seeds_too(tmp_path):
    told = Told(tmp_path, THREE, "5.0 5001 stopped:interrupted", "6.0 8080 stopped:interrupted",
                "6.01 8080 dies")
    assert told.until(5.5).all(5001) == {"gone"}
    assert told.until(6.5).all(8080) == {"gone"}


RESTART = """
    8.0 5001 starts
    8.5 5001 links 5003
"""


def test_who_is_started_again_joins_and_is_up(tmp_path):
    told = Told(tmp_path, THREE.replace("until 60", "until 4"), KILL, RESTART)
    assert told.until(8.2).state(5001) == "joining"
    assert told.until(8.9).state(5001) == "up"
    assert told.states_of(5001) == ["joining", "up", "lost", "dead", "joining", "up"]
    assert told.links() == 2 and told.states.degrees() == [1, 1, 2]


def test_who_is_killed_twice_is_lost_and_dead_twice(tmp_path):
    told = Told(tmp_path, THREE.replace("until 60", "until 4"), KILL, RESTART, """
        10.0 5003 parts 5001 closed
        13.0 5003 dead:@5001
    """)
    assert told.until(80).states_of(5001) == ["joining", "up", "lost", "dead"] * 2


def test_who_is_lost_is_so_until_it_connects_again(tmp_path):
    told = Told(tmp_path, THREE, """
        3.0 5002 parts 5001 closed
        3.0 5003 parts 5001 closed
        4.0 5001 disconnected:@5003:closed
        4.5 5001 links 5003
    """)
    assert told.until(80).states_of(5001) == ["joining", "up", "lost", "up"]


def massacre(first, last):
    """Twelve peers in a ring and across; 5001 to 5004 die, of whom each knows two others."""
    ports = list(range(5001, 5013))
    links = [(one, other) for at, one in enumerate(ports)
             for other in (ports[(at + 1) % 12], ports[(at + 5) % 12])]
    dead = set(range(first, last + 1))
    story = ["0.0 8080 starts", *(f"0.1 {port} starts" for port in ports),
             *(f"0.2 {port} registered:@8080" for port in ports),
             *(f"1.0 {one} links {other}" for one, other in links)]
    for one, other in [*links, *[(other, one) for one, other in links]]:
        if one not in dead and other in dead:
            story += [f"5.0 {one} parts {other} closed", f"8.0 {one} dead:@{other}"]
    story += [f"5.2 8080 removed:@{port}:gone" for port in sorted(dead)]
    return "\n".join(story)


def test_of_a_massacre_of_a_third_none_is_counted_as_a_piece(tmp_path):
    told = Told(tmp_path, massacre(5001, 5004))
    assert told.until(4).links() == 24 and len(told.states.pieces) == 1
    told.until(5.1)
    assert len(told.states.up("peer")) == 8 and len(told.states.pieces) == 1
    assert told.until(10).all(*range(5001, 5005)) == {"dead"}
    assert told.all(*range(5005, 5013)) == {"up"}


def test_peers_that_died_with_all_their_neighbours_are_dead_when_seeds_remove_them(tmp_path):
    told = Told(tmp_path, """
        0.0 8080 starts
        0.1 5001 starts
        0.1 5002 starts
        0.1 5003 starts
        1.0 5001 links 5002
        2.0 5001 parts 5002 closed
        3.0 8080 removed:@5001:gone
        3.0 8080 removed:@5002:gone
        3.0 8080 removed:@5003:gone
    """)
    assert told.until(2.5).all(5001, 5002) == {"lost"}
    assert told.until(80).all(5001, 5002, 5003) == {"dead"}


def test_a_lost_peer_that_seeds_removed_is_dead_when_the_last_who_counts_is_gone(tmp_path):
    told = Told(tmp_path, """
        0.0 8080 starts
        0.1 5001 starts
        0.1 5002 starts
        0.1 5003 starts
        1.0 5001 links 5002
        1.0 5002 links 5003
        2.0 5002 parts 5001 closed
        3.0 8080 removed:@5001:gone
        5.0 5002 stopped:interrupted
    """)
    assert told.until(4.5).state(5001) == "lost"
    assert told.until(80).state(5001) == "dead"


def test_who_gave_a_link_up_counts_no_answers_of_who_dies_later(tmp_path):
    told = Told(tmp_path, THREE, """
        2.0 5001 parts 5003 full
        2.0 5003 parts 5001 given up
        3.0 5001 parts 5002 closed
        3.1 8080 removed:@5001:gone
        3.5 5002 stopped:interrupted
    """)
    assert told.until(80).states_of(5001) == ["joining", "up", "lost", "dead"]


def test_who_was_started_again_counts_no_answers_of_who_died_before(tmp_path):
    told = Told(tmp_path, """
        0.0 8080 starts
        0.1 5001 starts
        0.1 5002 starts
        0.1 5003 starts
        1.0 5001 links 5002
        1.0 5002 links 5003
        2.0 5002 parts 5001 closed
        2.1 8080 removed:@5001:gone
        3.0 5002 starts
    """)
    assert told.until(2.9).state(5001) == "lost"
    assert told.until(80).state(5001) == "dead"


PAIR_CUT_OFF = """
    0.0 8080 starts
    0.1 5001 starts
    0.1 5002 starts
    0.1 5003 starts
    1.0 5001 links 5002
    1.0 5002 links 5003
    1.0 5001 links 5003
    2.0 5003 parts 5001 closed
    2.1 5003 parts 5002 closed
"""


def test_peers_that_were_killed_together_are_lost_though_neither_dropped_the_other(tmp_path):
    told = Told(tmp_path, PAIR_CUT_OFF)
    assert told.until(80).states_of(5001) == told.states_of(5002) == ["joining", "up", "lost"]


def test_peers_that_were_cut_off_and_still_write_are_up_and_a_piece(tmp_path):
    told = Told(tmp_path, PAIR_CUT_OFF, "3.0 5002 liveness request:@5001",
                "3.1 5001 disconnected:@5003:closed", "3.1 5002 disconnected:@5003:closed")
    assert told.until(2.5).all(5001, 5002) == {"lost"}
    assert told.until(80).all(5001, 5002) == {"up"}
    assert told.states.degrees() == [1, 1]


def test_a_seed_is_gone_when_everybody_lost_it_and_up_when_somebody_has_it_again(tmp_path):
    told = Told(tmp_path, THREE, """
        2.5 8080 dies
        3.0 5001 unregistered:@8080:closed
        3.1 5002 unregistered:@8080:closed
        3.2 5003 unregistered:@8080:closed
        9.0 5002 registered:@8080
    """)
    assert told.until(3.15).state(8080) == "up"
    assert told.until(3.5).state(8080) == "gone"
    assert told.until(80).state(8080) == "up"


def test_a_seed_that_died_before_anybody_registered_is_gone_when_it_is_not_reached(tmp_path):
    told = Told(tmp_path, "0.0 8080 starts", "0.5 5001 starts",
                "1.0 5001 unregistered:@8080:Connection refused")
    assert told.until(0.9).state(8080) == "up"
    assert told.until(80).state(8080) == "gone"


def test_a_kicked_peer_is_gone_until_it_is_linked_again(tmp_path):
    told = Told(tmp_path, THREE, """
        5.0 5001 kicked:@8080:0.912
        5.1 5002 disconnected:@5001:kicked
        5.1 5003 disconnected:@5001:kicked
        9.0 5001 links 5002
    """)
    assert told.until(80).states_of(5001) == ["joining", "up", "gone", "up"]


def test_every_node_is_introduced_before_it_is_named(tmp_path):
    told = Told(tmp_path, THREE, KILL, "2.0 5002 connected:@5009")
    known = set()
    for event in told.until(80).events:
        if event[1] == "node":
            known.add(event[2])
        assert event[2] in known
        assert event[1] in ("node", "state", "started") or event[3] in known


def test_strange_addresses_and_counts_end_nothing(tmp_path):
    told = Told(tmp_path, THREE, """
        2.0 5001 connected:nobody
        2.0 5001 connected:@5001
        2.0 5001 disconnected:::::
        2.0 5001 liveness missed:@5002:many
        2.0 5001 liveness missed:@5002:٣
        2.0 5001 removed:@5002:dead
        2.0 5001 passed on:Dead Node:x
    """)
    assert told.until(80).all(5001, 5002, 5003) == {"up"}
    assert told.streamed("liveness missed") == [] and told.links() == 3


def test_nodes_beyond_the_limit_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("grapevine.lab.pictures.live_states.NODES", 3)
    told = Told(tmp_path, THREE)
    assert len(told.until(80).states.nodes) == 3


def test_a_seed_that_refuses_a_peer_is_up(tmp_path):
    told = Told(tmp_path, """
        0.0 8080 starts
        0.5 5001 starts
        1.0 5001 unregistered:@8080:registration refused: no Liveness Reply from 127.0.0.1:5001
        2.0 5001 unregistered:@8080:cannot be reached
    """)
    assert told.until(1.5).state(8080) == "up"
    assert told.until(2.5).state(8080) == "gone"


def test_peers_whose_only_link_is_replaced_are_not_lost(tmp_path):
    told = Told(tmp_path, """
        0.5 5001 starts
        0.5 5002 starts
        1.0 5001 links 5002
        2.0 5001 parts 5002 replaced
        2.0 5001 connected:@5002
        2.1 5002 parts 5001 duplicate
        2.1 5002 connected:@5001
        3.0 5001 parts 5002 closed by the other end
        3.0 5002 parts 5001 closed by the other end
    """)
    states = {state for second in (1.5, 2.05, 2.5) for state in told.until(second).all(5001, 5002)}
    assert states == {"up"} and told.links() == 1
    assert told.states_of(5001) == told.states_of(5002) == ["joining", "up"]
    assert told.until(3.5).all(5001, 5002) == {"lost"}
