"""Words for each kind of event, and sentences about a peer's events.

Pure. Events that do not matter to an onlooker have no sentence. In a form, {node} is the node that
wrote the event, {other} its subject, {rest} what follows, {count} the number of such nodes.
"""

from collections import Counter
from typing import NamedTuple

from gossip.events import RENEWED, about, gossip_fields, parted
from gossip.settings import majority
from gossip.tools import Recent

SHOWN = 20  # messages shown a second, and as many of the peer's own; the rest is counted
DAY = 86_400  # seconds
OLD = 10.0  # age in seconds above which an arriving message is old
CAUGHT_UP = 5  # old messages that must arrive together to be told in a single sentence
DEATHS = 1_000  # remembered dead peers, so that each death is told once
START_SEEDS = "Start them in another terminal: python runner.py"

_HELP = {  # why a seed does not list a peer, or a peer no neighbour -> advice
    "no Liveness Reply": "A firewall, or a router, has to let others through to port {port} here.",
    "is not your IP": "This is NAT: --host ROUTERS-IP --listen OWN-IP, or --host with a VPN's IP.",
    "that peer signs": "A peer that signs its gossip was refused: all peers take --sign, or none.",
}
_HIDDEN = {"seed", "settings", "peer list", "degree", "liveness request", "unconfirmed"}
Sentence = tuple[str, str, str, str]  # time, head, text, and a remark for the right edge


class Forms(NamedTuple):
    """The words for a kind of event. An empty form is not shown."""

    sign: str = ""  # + came, - went, ? is silent or does wrong, x dead, ~ caught up
    mine: str = ""  # on the terminal of the node itself, or of the seed
    one: str = ""  # in the story of the live page
    many: str = ""  # there, of further nodes with the same event in the same second


FORMS = {
    # Starts and ends.
    "started": Forms(one="{node} starts", many="{count} {kind}s start"),
    "stopped": Forms(one="{node} is stopped: {rest}",
                     many="{count} more peers are stopped: {rest}"),
    "leaving": Forms("-", "saying goodbye to all", "{node} says goodbye",
                     "{count} more peers say goodbye"),
    "failed": Forms("x", "a thread failed: {rest}", "a thread of {node} failed: {rest}",
                    "threads of {count} more nodes failed"),
    "full": Forms("?", "the output file is full: what comes now is not written down",
                  "the file of {node} is full", "the files of {count} more nodes are full"),
    # Neighbours.
    "connected": Forms("+", "{other} is a neighbour"),
    "disconnected": Forms("-", "{other} is no neighbour any more: {rest}"),
    "disconnected left": Forms("-", "{other} said goodbye"),
    "disconnected closed by the other end": Forms("-", "{other} closed its connection"),
    "lost": Forms("?", "{rest}", "{node}: every connection to it has broken",
                  "{count} more peers: every connection to them has broken"),
    "back": Forms(one="{node} is connected again", many="{count} more peers are connected again"),
    "not read": Forms("?", "{other} has not read all that was said: {rest} may be lost"),
    "address lost": Forms("?", "{rest} is gone; with another IP, start this peer anew"),
    "caught up": Forms("~", "caught up: {rest} from {other}"),
    # Liveness.
    "liveness missed": Forms("?", "{other} does not answer: {rest} of {limit}",
                             "{node} gets no answer from {other}: miss {rest} of {limit}",
                             "{count} more get no answer from {other}: miss {rest} of {limit}"),
    "liveness reply": Forms("+", "{other} answers again",
                            "{other} answers again: {node} has heard from it",
                            "{other} answers again: {count} more have heard from it"),
    "dead": Forms("x", "{other} is dead; {rest}", "{node} probes once more, and calls {other} dead",
                  "{count} more call {other} dead"),
    "reported": Forms(one="{node} reports {dead} to {other}",
                      many="{count} more reports: {dead} is dead"),
    "told": Forms("x", "{rest} dead, says seed {other}"),
    # Misbehaviour.
    "flood": Forms("?", "{other} says more than it may"),
    "corrupt": Forms("?", "{other} sent a message whose signature is wrong"),
    "forbidden": Forms("?", "{other} sent a message with a forbidden word"),
    "contradiction": Forms("?", "somebody has signed two messages with the same number"),
    "kicked": Forms("x", "seed {other} shuts me out as malicious ({rest})",
                    "{other} shuts {node} out", "{count} more seeds shut {node} out"),
    # Seeds, as peers see them.
    "registered": Forms("", "registered with {rest}"),
    "unregistered": Forms("-", "seed {other} is gone: {rest}"),
    "registration refused": Forms("?", "seed {other} does not list me: {rest}"),
    "seed gone": Forms(one="{node} is gone", many="{count} more seeds are gone"),
    "seed back": Forms(one="{node} is up again", many="{count} more seeds are up again"),
    # Peers, as seeds see them.
    "dead report": Forms("x", "{other} reports {rest} dead"),
    "rejected": Forms(" ", "{other} answers: it stays on the lists"),
    "removed": Forms("x", "{other} is shut out: {rest}", "{node} removed {other}: {rest}",
                     "{count} more seeds removed {other}"),
    "removed left": Forms("-", "{other} said goodbye"),
    "removed gone": Forms("-", "{other} is gone: its connection has ended, and it does not answer",
                          "{node} lost its connection to {other}, probed it, and removed it",
                          "{count} more seeds removed {other}"),
    "removed dead": Forms("x", "{other} is dead: a peer has reported it, and it does not answer",
                          "{node} probed {other}, and removed it as dead",
                          "{count} more seeds removed {other}"),
}


class Words:
    """The narrator of a peer's events. After `misses` misses in a row a neighbour is dead. A method
    `_on_<kind>` takes the address in the event, and what follows."""

    def __init__(self, own: str, misses: int, seeds: int):
        self._own, self._misses, self._seeds = own, misses, seeds
        self._one_ip = True  # so far, so that ports suffice as names
        self._said: list[Sentence] = []
        self._clock, self._batch = "", []  # the time HH:MM:SS.ffffff and the events to tell
        self._now = 0.0  # the same time in seconds since midnight
        self._old: set[str] = set()  # lines of the batch that are told together
        self._neighbours: set[str] = set()
        self._silent: set[str] = set()  # neighbours that have missed a round
        self._leaving = False
        self._dead = Recent(DEATHS)
        self._messages = 0
        self._shown: Counter[bool] = Counter()  # messages of this second, by whether made here
        self._speakers: set[str] = set()  # origins of counted messages of this second
        self._caught_up: Counter[str] = Counter()  # neighbour -> old messages in this second
        self._registered: set[str] = set()  # seeds that list this peer
        self._changed_at: float | None = None  # `_now` when `_registered` changed, until it is told
        self._was_listed = False  # by any seed, at any time
        self._needs_seeds = False  # the person knows that no seed answers
        self._refusals: dict[str, str] = {}  # seed -> why it does not list this peer
        self._help = dict(_HELP)  # advice that was not given yet

    @property
    def waiting(self) -> bool:
        """Return whether something waits to be told with later events."""
        return bool(self._changed_at is not None or self._caught_up
                    or max(self._shown.values(), default=0) > SHOWN)

    def name(self, address: str) -> str:
        """Return an address, or its port while all share an IP."""
        host, _, port = address.rpartition(":")
        self._one_ip = self._one_ip and host == self._own.rpartition(":")[0]
        return port if self._one_ip else address

    def prompt(self) -> str:
        """Return the text before the typed line."""
        return f"{self.name(self._own)}, {self._degree()}, {many(self._messages, 'message')} > "

    def _degree(self) -> str:
        return many(len(self._neighbours), "neighbour")

    def tell(self, clock: str, events: list[str]) -> list[Sentence]:
        """Return the sentences about events that came together at `HH:MM:SS.ffffff`."""
        self._said = []
        if clock[:8] != self._clock[:8]:
            self._tell_second()
        hours, minutes, seconds = clock.split(":")
        self._now = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        self._clock, self._batch, self._old = clock, events, self._old_ones(events)
        if self._changed_at is not None and (self._now - self._changed_at) % DAY >= 1:
            self._tell_seeds()
        for event in events:
            kind, one, rest = parted(event)
            tell = getattr(self, f"_on_{kind.replace(' ', '_')}", None)
            if tell is not None:
                tell(one, rest)
            elif kind in FORMS:
                self._say(kind, one, rest)
            elif kind not in _HIDDEN:
                self._say_so(event)
        return self._said

    def rest(self) -> list[Sentence]:
        """Return sentences about what waits."""
        self._said = []
        self._tell_second()
        self._tell_seeds()
        return self._said

    def _say(self, kind: str, other: str = "", rest: str = "", aside: str = "") -> None:
        form = FORMS.get(f"{kind} {rest}", FORMS[kind])
        if form.mine:
            self._say_so(form.mine.format(other=other and self.name(other), rest=rest,
                                          limit=self._misses), form.sign, aside)

    def _say_so(self, text: str, head: str = "", aside: str = "") -> None:
        self._said.append((self._clock[:8], head, text, aside))

    # Messages.

    def message(self, line: str) -> str:
        """Return a line `gmessage:…` of the message list for people."""
        found = gossip_fields(line)
        if found is None:
            return line
        moment, origin, _, _, text = found
        minutes, second = divmod(int(moment) % DAY, 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}  {self._speaker(origin)}  {text}"

    def _old_ones(self, events: list[str]) -> set[str]:
        """Return the old messages of a batch, if this peer catches up."""
        old = set()
        for kind, neighbour, line in map(parted, events if len(events) >= CAUGHT_UP else ()):
            found = gossip_fields(line) if kind == "received" and neighbour else None
            if found and OLD < (self._now - int(found[0])) % DAY < DAY / 2:
                old.add(line)
        return old if len(old) >= CAUGHT_UP else set()

    def _speaker(self, origin: str) -> str:
        return f"{'me' if origin == self._own else self.name(origin):>6}"

    def _on_received(self, neighbour: str, line: str) -> None:
        self._messages += 1
        own, found = not neighbour, gossip_fields(line)
        if line in self._old:
            self._caught_up[neighbour] += 1
        elif found is None:
            self._say_so(line)
        else:
            _, origin, _, _, text = found
            self._shown[own] += 1
            if self._shown[own] > SHOWN:
                self._speakers.add(origin)
            else:
                through = "" if own or neighbour == origin else f"through {self.name(neighbour)}"
                self._say_so(text, self._speaker(origin), through)

    _on_generated = _on_received

    def _tell_second(self) -> None:
        """Tell how many messages of a second were not shown."""
        for neighbour, count in self._caught_up.items():
            self._say("caught up", neighbour, many(count, "message"))
        for own in (True, False):
            if self._shown[own] > SHOWN:
                others = many(len(self._speakers - {self._own}), "peer")
                self._say_so(f"    ... {many(self._shown[own] - SHOWN, 'more message')} "
                             f"{'of mine' if own else f'from {others}'} in this second")
        for counted in self._shown, self._speakers, self._caught_up:
            counted.clear()

    # Neighbours.

    def _on_connected(self, one: str, _: str) -> None:
        self._dead.pop(one)
        if one not in self._neighbours:
            self._neighbours.add(one)
            self._say("connected", one, aside=self._degree())

    def _on_disconnected(self, one: str, reason: str) -> None:
        self._silent.discard(one)
        if reason in RENEWED:
            return
        self._neighbours.discard(one)
        if reason not in ("dead", "told dead") and not self._leaving:  # these are told elsewhere
            self._say("disconnected", one, reason, self._degree())

    def _on_leaving(self, _: str, __: str) -> None:
        self._leaving = True
        self._say("leaving")

    def _on_liveness_missed(self, one: str, count: str) -> None:
        self._silent.add(one)
        self._say("liveness missed", one, count)

    def _on_liveness_reply(self, one: str, _: str) -> None:
        if one in self._silent:
            self._silent.remove(one)
            self._say("liveness reply", one)

    def _on_dead(self, one: str, _: str) -> None:
        self._dead.put(one, True)
        told = sum(event.startswith("reported:") and f":Dead Node:{one}:" in event
                   for event in self._batch)
        self._say("dead", one, f"told my {many(told, 'seed')}" if told else "no seed could be told")

    def _on_told(self, seed: str, report: str) -> None:
        dead, _ = about(report.removeprefix("Dead Node:"))
        if dead and self._dead.add(dead, True):
            self._say("told", seed, "I am" if dead == self._own else f"{self.name(dead)} is")

    # Seeds.

    def _on_registered(self, seed: str, _: str) -> None:
        self._registered.add(seed)
        self._refusals.pop(seed, None)
        self._changed_at = self._now
        if len(self._registered) == majority(self._seeds):
            self._tell_seeds()

    def _on_unregistered(self, seed: str, reason: str) -> None:
        if seed in self._registered:
            self._registered.remove(seed)
            self._changed_at = self._now
            self._say("unregistered", seed, reason)
            return
        if not self._registered and not self._needs_seeds:
            self._changed_at = self._changed_at or self._now
        if not seed:  # only its name is known
            self._say_so(f"seed {reason}")
        elif reason.startswith("registration refused") and self._refusals.get(seed) != reason:
            self._refusals[seed] = reason
            self._say("registration refused", seed, reason.partition(": ")[2])
            self._on_refused(seed, reason)

    def _on_refused(self, _: str, reason: str) -> None:
        for why in [why for why in self._help if why in reason]:
            self._say_so(self._help.pop(why).format(port=self._own.rpartition(":")[2]))

    def _tell_seeds(self) -> None:
        if self._changed_at is None:
            return
        self._changed_at, count = None, len(self._registered)
        self._needs_seeds = not count
        if count:
            self._was_listed = True
            names = " ".join(map(self.name, sorted(self._registered)))
            self._say("registered", "", f"{count} of {many(self._seeds, 'seed')}: {names}")
        else:
            self._say_so(f"No seed answers{'' if self._was_listed else ' yet'}. {START_SEEDS}")


def many(count: int, what: str) -> str:
    """Return a number of things as `1 peer` or `1,200 peers`."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")
