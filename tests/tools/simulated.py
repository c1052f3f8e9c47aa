"""The real seeds and peers in virtual time, for tests."""

from gossip.addresses import address_of
from gossip.lab.experiments.accidents import Schedule
from gossip.lab.experiments.drawing import draw_schedule
from gossip.lab.experiments.schedules import Outcome, play
from gossip.lab.experiments.virtual_network import VirtualNetwork
from gossip.lab.simulation.virtual_links import Cables
from gossip.settings import Settings
from peer import Peer
from seed import Seed
from tests.tools.nets import SPREAD, neighbours

CLASSES = {"seed": Seed, "peer": Peer}
SEED, ONE, OTHER = (address_of("127.0.0.1", 5000 + n) for n in range(3))
STEP = 0.01  # seconds between two looks at what has happened


def outcome_of(schedule: Schedule | int) -> Outcome:
    """Play a schedule, or the one of a number."""
    if isinstance(schedule, int):
        schedule = draw_schedule(schedule)
    if schedule.conditions.spread == "flood":
        schedule = schedule._replace(conditions=schedule.conditions._replace(spread=SPREAD))
    return play(schedule, CLASSES)


def faults_of(schedule: Schedule | int, sign: bool = False) -> list[str]:
    """What went wrong in a schedule, or in the one of a number, in a network that signs or not."""
    if isinstance(schedule, int):
        schedule = draw_schedule(schedule, sign=sign)
    return [str(fault) for fault in outcome_of(schedule).faults]


class Nodes:
    """A seed and two peers in virtual time."""

    def __init__(self, **settings):
        self.network = VirtualNetwork(1, CLASSES, [SEED],
                                      Settings(**{"spread": SPREAD, **settings}), Cables())
        for address in (SEED, ONE, OTHER):
            self.network.start(address)
        self.seed, self.one, self.other = self.network.nodes.values()
        self.until(lambda: neighbours(self.one) == {OTHER} and neighbours(self.other) == {ONE}, 5)

    def until(self, predicate, limit):
        """Let things happen until the predicate holds, for so many seconds at most."""
        time, end = self.network.time, self.network.time.now + limit
        while not predicate():
            assert time.now < end, f"not within {limit} s"
            time.run(time.now + STEP)

    def events(self, node):
        data = self.network.folder.file(node.output.path).data
        return [line[27:] for line in data.decode().splitlines()]

    def count(self, node, start):
        return sum(event.startswith(start) for event in self.events(node))
