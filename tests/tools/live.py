"""What the live page makes of output files: written at once or line by line, and read."""

import datetime

from gossip.lab.pictures.live_lines import Line, LiveLines
from gossip.lab.pictures.live_states import States
from tests.tools.stories import START, tell

BEGIN = int(START.replace(tzinfo=datetime.timezone.utc).timestamp()) * 1_000_000
LATER = BEGIN + 3_600_000_000  # an hour after the start of a story
START_TEXT = f"{START:%Y-%m-%d %H:%M:%S}"


def text(second: float, *events: str) -> bytes:
    """Lines of an output file, with a time in seconds after the start."""
    at = START + datetime.timedelta(seconds=second)
    return "".join(f"{at:%Y-%m-%d %H:%M:%S.%f}:{event}\n" for event in events).encode()


def add(path, *data: bytes) -> None:
    """Append to a file."""
    with path.open("ab") as file:
        file.write(b"".join(data))


def lines_of_folder(folder, now=LATER) -> list[Line]:
    """All lines of a folder, in order."""
    lines = LiveLines(folder)
    found = lines.turn(now)
    while lines.to_read():
        found += lines.turn(now)
    return found


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
            self.states.take(line, ":8" in line.node)
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
