"""Sentences about events of nodes, for the person at their terminal.

Pure. Events that do not matter to an onlooker have no sentence. In a form, {other} is the subject
of an event, {rest} what follows, {limit} how many misses make a death.
"""

import time
from collections import Counter, defaultdict

from grapevine.addresses import Address
from grapevine.events import RENEWED, about, end_of_link, gossip_fields, parted
from grapevine.settings import majority
from grapevine.tools import Recent

SHOWN = 20  # messages shown a second, and as many of the peer's own; the rest is counted
DAY = 86_400  # seconds
OLD = 10.0  # age in seconds above which an arriving message is old
CAUGHT_UP = 5  # old messages that must arrive together to be told in a single sentence
DEATHS = 1_000  # remembered dead peers, so that each death is told once
START_SEEDS = "Start them in another terminal: python runner.py"

_HELP = {  # why a seed does not list a peer, or a peer no neighbour -> advice
    "no Liveness Reply": "A firewall, or a router, has to let others through to port {port} here.",
    "is not your IP": "This is NAT: --host ROUTERS-IP --listen OWN-IP, or --host with a VPN's IP.",
    "Too many open files": "The system lets this node open too few files: see `ulimit -n`.",
    "line b'proof:": "A peer that signs its gossip was refused: all peers take --sign, or none.",
}
_HIDDEN = {"started", "settings", "stopped", "seed", "peer list", "degree",
           "liveness request", "reported", "unconfirmed"}
Sentence = tuple[str, str, str, str]  # time, head, text, and a remark for the right edge

FORMS = {  # kind of an event, perhaps with its rest -> sign, text; the signs: + came, - went,
    # ? is silent or does wrong, x dead, ~ caught up
    "leaving": ("-", "saying goodbye to all"),
    "failed": ("x", "a thread failed: {rest}"),
    # Neighbours.
    "connected": ("+", "{other} is a neighbour"),
    "disconnected": ("-", "{other} is no neighbour any more: {rest}"),
    "disconnected left": ("-", "{other} said goodbye"),
    "disconnected closed by the other end": ("-", "{other} closed its connection"),
    "not read": ("?", "{other} has not read all that was said: {rest} may be lost"),
    "caught up": ("~", "caught up: {rest} from {other}"),
    # Liveness.
    "liveness missed": ("?", "{other} does not answer: {rest} of {limit}"),
    "liveness reply": ("+", "{other} answers again"),
    "dead": ("x", "{other} is dead; {rest}"),
    "told": ("x", "{rest} dead, says seed {other}"),
    # Misbehaviour.
    "corrupt": ("?", "{other} sent a message whose signature is wrong"),
    "forbidden": ("?", "{other} sent a message with a forbidden word"),
    "contradiction": ("?", "somebody has signed two messages with the same number"),
    "kicked": ("x", "seed {other} shuts me out as malicious ({rest})"),
    # Seeds, as peers see them.
    "registered": ("", "registered with {rest}"),
    "unregistered": ("-", "seed {other} is gone: {rest}"),
    "registration refused": ("?", "seed {other} does not list me: {rest}"),
    # Peers, as seeds see them.
    "dead report": ("x", "{other} reports {rest} dead"),
    "rejected": (" ", "{other} answers: it stays on the lists"),
    "removed": ("x", "{other} is shut out: {rest}"),
    "removed left": ("-", "{other} said goodbye"),
    "removed gone": ("-", "{other} is gone: its connection has ended, or is silent"),
    "removed dead": ("x", "{other} is dead: a peer has reported it, and it does not answer"),
}


class Narrator:
    """A narrator of events for a person. A subclass has methods `_on_<kind>`, which take the
    address in the event, and what follows; `is_waiting()`, which tells whether something is to be
    told later, perhaps together with later events; and `prompt(room)`, the beginning of the last
    line."""

    def __init__(self, own: str = "", misses: int = 0):
        """After `misses` misses in a row a neighbour is dead."""
        self._own, self._misses = own, misses
        self._said: list[Sentence] = []
        self._clock = ""  # the time HH:MM:SS.mmm of the last event or look
        self._now = 0.0  # the same time in seconds since midnight
        self._seed: Address | None = None  # whose event that is, if it is one of several

    def rest(self) -> list[Sentence]:
        """Return the sentences about all that waits."""
        return []

    def tell(self, clock: str, event: str = "", seed: Address | None = None) -> list[Sentence]:
        """Return the sentences about what waited until `HH:MM:SS.mmm`, and about an event of that
        time, if there is one, perhaps of one of several seeds."""
        kind, one, rest = parted(event)
        self._said, self._seed = [], seed
        self._pass(clock)
        tell = getattr(self, f"_on_{kind.replace(' ', '_')}", None)
        if tell is not None:
            tell(one, rest)
        elif event:
            self._on_other(kind, one, rest, event)
        return self._said

    def _on_other(self, kind: str, one: str, rest: str, event: str) -> None:
        """Tell an event for whose kind there is no method."""

    def _pass(self, clock: str) -> None:
        """Tell what waited until this time."""
        hours, minutes, seconds = clock.split(":")
        self._now = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        self._clock = clock

    def name(self, address: str) -> str:
        """Return an address, or its port if it has the same IP as `own`."""
        host, _, port = address.rpartition(":")
        return port if host == self._own.rpartition(":")[0] else address

    def _say(self, kind: str, other: str = "", rest: str = "", aside: str = "") -> None:
        """Tell an event of a kind in FORMS."""
        sign, text = FORMS.get(f"{kind} {rest}", FORMS[kind])
        self._say_so(text.format(other=other and self.name(other), rest=rest, limit=self._misses),
                     sign, aside)

    def _say_so(self, text: str, head: str = "", aside: str = "", clock: str = "") -> None:
        self._said.append(((clock or self._clock)[:8], head, text, aside))


class Words(Narrator):
    """The narrator of a peer's events."""

    def __init__(self, own: str, misses: int, seeds: int):
        super().__init__(own, misses)
        self._seeds = seeds
        self._neighbours: set[str] = set()
        self._silent: set[str] = set()  # neighbours that have missed a round
        self._is_leaving = False
        self._dead = Recent(DEATHS)
        self._messages = 0
        self._shown: Counter[bool] = Counter()  # messages of this second, by whether made here
        self._speakers: set[str] = set()  # origins of counted messages of this second
        # neighbour -> times and lines of old messages of this second
        self._old: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        self._registered: set[str] = set()  # seeds that list this peer
        self._changed_at: float | None = None  # `_now` when `_registered` changed, until it is told
        self._told_seeds: int | None = None  # how many were told last to list this peer
        self._refusals: dict[str, str] = {}  # seed -> why it does not list this peer
        self._help = dict(_HELP)  # advice that was not given yet

    def is_waiting(self) -> bool:
        return bool(self._changed_at is not None or self._old
                    or max(self._shown.values(), default=0) > SHOWN)

    def prompt(self, room: int) -> str:
        """Return the text before the typed line, which needs half of the room."""
        whole = f"{self.name(self._own)}, {self._degree()}, {many(self._messages, 'message')} > "
        return whole if 2 * len(whole) <= room else "> "

    def _degree(self) -> str:
        return many(len(self._neighbours), "neighbour")

    def _on_other(self, kind: str, one: str, rest: str, event: str) -> None:
        if kind in FORMS:
            self._say(kind, one, rest)
        elif kind not in _HIDDEN:
            self._say_so(event)

    def rest(self) -> list[Sentence]:
        self._said = []
        self._tell_second()
        self._tell_seeds()
        return self._said

    def _pass(self, clock: str) -> None:
        if clock[:8] != self._clock[:8]:
            self._tell_second()
        super()._pass(clock)
        if self._changed_at is not None and (self._now - self._changed_at) % DAY >= 1:
            self._tell_seeds()

    # Messages.

    def message(self, line: str) -> str:
        """Return a line `gmessage:…` of the message list for people."""
        found = gossip_fields(line)
        if found is None:
            return line
        moment, origin, _, _, text = found
        at = time.strftime("%H:%M:%S", time.gmtime(moment % DAY))
        return f"{at}  {self._speaker(origin)}  {text}"

    def _speaker(self, origin: str) -> str:
        return f"{'me' if origin == self._own else self.name(origin):>6}"

    def _on_received(self, neighbour: str, line: str) -> None:
        self._messages += 1
        found = gossip_fields(line)
        if found and neighbour and OLD < (self._now - int(found[0])) % DAY < DAY / 2:
            self._old[neighbour].append((self._clock, line))
        elif found:
            self._tell_message(self._clock, neighbour, line)
        else:
            self._say_so(line)

    _on_generated = _on_received

    def _tell_message(self, clock: str, neighbour: str, line: str) -> None:
        """Tell a message that a neighbour has brought, or that was made here."""
        _, origin, _, _, text = gossip_fields(line)
        is_own = not neighbour
        self._shown[is_own] += 1
        if self._shown[is_own] > SHOWN:
            self._speakers.add(origin)
        else:
            through = "" if is_own or neighbour == origin else f"through {self.name(neighbour)}"
            self._say_so(text, self._speaker(origin), through, clock)

    def _tell_second(self) -> None:
        """Tell the old messages of a second, and how many messages were not shown."""
        for neighbour, messages in self._old.items():
            if len(messages) >= CAUGHT_UP:
                self._say("caught up", neighbour, many(len(messages), "message"))
                continue
            for clock, line in messages:  # a few are better shown
                self._tell_message(clock, neighbour, line)
        for is_own in (True, False):
            if self._shown[is_own] > SHOWN:
                others = many(len(self._speakers - {self._own}), "peer")
                self._say_so(f"    ... {many(self._shown[is_own] - SHOWN, 'more message')} "
                             f"{'of mine' if is_own else f'from {others}'} in this second")
        for counted in self._shown, self._speakers, self._old:
            counted.clear()

    # Neighbours.

    def _on_connected(self, one: str, _: str) -> None:
        self._dead.pop(one, None)
        if one not in self._neighbours:
            self._neighbours.add(one)
            self._say("connected", one, aside=self._degree())

    def _on_disconnected(self, one: str, rest: str) -> None:
        reason, _ = end_of_link(rest)
        self._silent.discard(one)
        if reason == RENEWED:
            return
        self._neighbours.discard(one)
        if reason not in ("dead", "told dead") and not self._is_leaving:  # these are told elsewhere
            self._say("disconnected", one, reason, self._degree())

    def _on_leaving(self, _: str, __: str) -> None:
        self._is_leaving = True
        self._say("leaving")

    def _on_liveness_missed(self, one: str, count: str) -> None:
        self._silent.add(one)
        self._say("liveness missed", one, count)

    def _on_liveness_reply(self, one: str, _: str) -> None:
        if one in self._silent:
            self._silent.remove(one)
            self._say("liveness reply", one)

    def _on_dead(self, one: str, _: str) -> None:
        self._dead[one] = True
        self._silent.discard(one)
        self._say("dead", one, f"told my {many(len(self._registered), 'seed')}"
                  if self._registered else "no seed could be told")

    def _on_told(self, seed: str, report: str) -> None:
        dead, _ = about(report.removeprefix("Dead Node:"))
        if dead and dead not in self._dead:
            self._dead[dead] = True
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
        if not self._registered and self._told_seeds != 0:
            self._changed_at = self._changed_at or self._now
        if not seed:  # only its name is known
            self._say_so(f"seed {reason}")
        elif reason.startswith("registration refused") and self._refusals.get(seed) != reason:
            self._refusals[seed] = reason
            self._say("registration refused", seed, reason.partition(": ")[2])
            self._advise(reason)

    def _on_refused(self, _: str, reason: str) -> None:
        if not reason.startswith("registration refused"):  # that is told when it has ended
            self._advise(reason)

    def _advise(self, reason: str) -> None:
        for why in [why for why in self._help if why in reason]:
            self._say_so(self._help.pop(why).format(port=self._own.rpartition(":")[2]))

    def _tell_seeds(self) -> None:
        if self._changed_at is None:
            return
        self._changed_at, count = None, len(self._registered)
        if count:
            names = " ".join(map(self.name, sorted(self._registered)))
            self._say("registered", "", f"{count} of {many(self._seeds, 'seed')}: {names}")
        else:
            self._say_so(f"No seed answers{'' if self._told_seeds else ' yet'}. {START_SEEDS}")
        self._told_seeds = count


def many(count: int, what: str) -> str:
    """Return a number of things as `1 peer` or `1,200 peers`."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")
