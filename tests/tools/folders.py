"""Folders of output files written by hand."""

import datetime


START = datetime.datetime(2026, 1, 2, 3, 4, 5)


class Folder:
    """A folder of output files of a network: peers with these links, and one seed."""

    def __init__(self, path, count, links, base=5000, capacity="rule"):
        self.path = path
        self.peers = [f"127.0.0.1:{base + at}" for at in range(count)]
        self.seed = "127.0.0.1:8080"
        self.lines = {peer: [] for peer in [*self.peers, self.seed]}
        self.degrees = dict.fromkeys(self.peers, 0)
        self.dead = set()
        self.say(self.seed, 0, f"started:seed:{self.seed}")
        self.say(self.seed, 0, "late:0")
        for at, peer in enumerate(self.peers):
            self.say(peer, at / 1000, f"started:peer:{peer}")
            self.say(peer, at / 1000, f"settings:gossip-count=0:gossip-interval=1:"
                                      f"liveness-interval=1:capacity={capacity}")
            self.say(peer, at / 1000, "late:0")
            self.say(peer, 1, f"registered:{self.seed}")
            self.say(self.seed, 1, f"registered:{peer}")
        for one, other in links:
            for mine, theirs in ((one, other), (other, one)):
                self.link(self.peers[mine], self.peers[theirs])

    def say(self, node, second, event):
        self.lines[node].append((second, event))

    def link(self, peer, other):
        self.degrees[peer] += 1
        self.say(peer, 2, f"connected:{other}")
        self.say(peer, 2, f"degree:{peer}=>{self.degrees[peer]}")

    def gossip(self, origin, second, words):
        """A message of one peer that all others have 0.01 s, 0.02 s, ... later."""
        line = f"gmessage:1.000000:{origin}:1:{len(self.lines[origin])}:{words}"
        self.say(origin, second, f"generated:{line}")
        for at, peer in enumerate(p for p in self.peers if p != origin):
            self.say(peer, second + (at + 1) / 100, f"received:{origin}:{line}")

    def die(self, peer, second):
        """Let a peer write nothing after that second."""
        self.dead.add(peer)
        self.lines[peer] = [line for line in self.lines[peer] if line[0] < second]
        self.say(peer, second, f"peer list:{self.seed}:")

    def write(self, second=10):
        """Write the files; a node that neither stopped nor died has a last line at that second."""
        for node, lines in self.lines.items():
            if node not in self.dead and not lines[-1][1].startswith("stopped"):
                if not any(event.startswith("liveness") for _, event in lines):
                    self.say(node, second, f"late:{second:.3f}")  # no rounds were due
                self.say(node, second, "peer list:x:0")
            name = "seed" if node == self.seed else "peer"
            text = "".join(f"{START + datetime.timedelta(seconds=at):%Y-%m-%d %H:%M:%S.%f}:"
                           f"{event}\n" for at, event in sorted(lines, key=lambda line: line[0]))
            (self.path / f"{name}_{node.replace(':', '_')}.txt").write_text(text)
        return self.path
