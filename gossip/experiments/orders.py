"""Orders: what the buttons of the live page do to a network that the runner has started.

`Orders.do` is called by the thread that serves the page, with what a page has posted: an object
with `do`, a word, and `node` and `text` where the word needs them. It never waits for a node.
"""

from gossip.addresses import Address, parse_address
from gossip.experiments.network import Network, NotNow


class Orders:
    """Carries out orders on one network."""

    def __init__(self, network: Network):
        self._network = network
        self._about_nodes = {"kill": network.kill_node, "start": network.start_again,
                             "freeze": network.freeze, "thaw": network.thaw}

    def words(self, own_processes: bool) -> tuple[str, ...]:
        """The orders that a network takes whose peers have processes of their own, or not."""
        freezing = ("freeze", "thaw") if own_processes else ()
        return ("kill", "start", "say", *freezing, "add")

    def do(self, order: dict[str, str]) -> tuple[int, str]:
        """Carry out an order; answers (HTTP status, a line for who gave it)."""
        word = order.get("do", "")
        try:
            if word == "add":
                return 200, f"{self._network.add_peer()} starts"
            if word != "say" and word not in self._about_nodes:
                return 400, f"do is one of {', '.join(self.words(True))}"
            address = parse_address(order.get("node", ""))
            if word == "say":
                return self._say(address, order.get("text", ""))
            self._about_nodes[word](address)
            return 200, f"{word} {address}: done"
        except NotNow as reason:
            return 409, str(reason)
        except OSError as error:  # no room for one more process, for example
            return 409, f"the system does not allow it: {error.strerror}"
        except ValueError as error:
            return 400, f"node: {error}"

    def _say(self, address: Address, text: str) -> tuple[int, str]:
        if not text.strip():
            return 400, "text: what shall it say?"
        self._network.say(address, text)
        return 200, f"{address} says it"
