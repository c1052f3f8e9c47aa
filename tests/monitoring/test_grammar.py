"""The lines of monitoring: read as written, in one spelling only, and refused whatever is wrong."""

import random

import pytest

from gossip import wire
from gossip.addresses import address_of, parse_address
from gossip.monitoring import grammar
from gossip.monitoring.grammar import JUDGED_LIMIT

A, B, C = map(parse_address, ["127.0.0.1:5001", "[::1]:5002", "10.0.0.9:65535"])
NONCE = "0123456789abcdef" * 2
TIMES = 10_000
NUMBER_LIMIT = 2**63 - 1
LONGEST = [address_of(f"{number:x}:db81:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535)
           for number in range(4_096, 4_096 + 1_000)]  # the longest addresses there are

ENTRIES = (grammar.Entry(A, 10, 0, 0, 0, 0), grammar.Entry(B, 100, 7, 93, 5, 12),
           grammar.Entry(C, 10**9, 10**9, 10**9, 10**9, 10**9))
STARTS = ((0, B), (1, A), (2**96 - 1, C))

VALUES = [
    grammar.Report(1, 1, ()), grammar.Report(NUMBER_LIMIT, NUMBER_LIMIT, ENTRIES),
    grammar.Rows(0.0, "about", parse_address("127.0.0.1:1"), 17, 4, ENTRIES),
    grammar.Rows(12345.678, "by", parse_address("[::2]:9"), 17, 4, ENTRIES[:1]),
    grammar.Part(0.001, "about", parse_address("127.0.0.1:1"), NUMBER_LIMIT, 1, ENTRIES),
    grammar.Tree(0, A, STARTS[:1]), grammar.Tree(NUMBER_LIMIT, C, STARTS),
    grammar.Load(0, ()), grammar.Load(5, (3, 3)), grammar.Load(10**9, tuple(range(15))),
    grammar.Loads(()), grammar.Loads(((A, 0), (B, 17))),
    grammar.Verdicts(0, (), (), ()), grammar.Verdicts(NUMBER_LIMIT, (), (), ()),
    grammar.Verdicts(117, ((A, 0.0), (C, 0.333), (B, 1.0)), (A, B), ((A, B), (B, A))),
    grammar.Kick(B, 0.125, None), grammar.Kick(A, 1.0, 0.0), grammar.Kick(A, 0.101, 599.999),
    grammar.Unconfirmed(B), grammar.SeedHello(B, A, NONCE), grammar.SeedCheck(A, NONCE),
    grammar.SeedChecked(NONCE),
    wire.Bare("ask_tree")]

WRITERS = {
    "report": grammar.report, "rows": grammar.rows, "part": grammar.part, "tree": grammar.tree,
    "load": grammar.load, "loads": grammar.loads,
    "verdicts": grammar.verdicts, "kick": grammar.kick, "unconfirmed": grammar.unconfirmed,
    "seed_hello": grammar.seed_hello, "seed_check": grammar.seed_check,
    "seed_checked": grammar.seed_checked, "ask_tree": lambda kind: grammar.ASK_TREE}


def written(value):
    """A value as a line, without its end."""
    line = WRITERS[value.kind](*value)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    return line[:-1]


LINES = [written(value) for value in VALUES]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.kind)
def test_every_line_of_monitoring_is_read_as_it_was_written(value):
    line = written(value)
    assert wire.parse(line) == value and type(wire.parse(line)) is type(value)
    assert not wire.is_gossip(line)


def test_the_words_of_monitoring_are_as_designed():
    assert grammar.report(9, 2, ENTRIES[:2]) == (
        b"report:9:2:127.0.0.1#5001=10,0,0,0,0 [::1]#5002=100,7,93,5,12\n")
    assert grammar.kick(B, 0.5, None) == b"kick:[::1]:5002:0.500\n"
    assert grammar.kick(B, 0.5, 60) == b"kick:[::1]:5002:0.500:60.000\n"
    assert grammar.unconfirmed(A) == b"unconfirmed:127.0.0.1:5001\n"
    assert grammar.seed_hello(A, B, NONCE) == (
        f"seed:127.0.0.1:5001:to [::1]:5002:{NONCE}\n".encode())
    assert grammar.seed_check(A, NONCE) == f"seed check:127.0.0.1:5001:{NONCE}\n".encode()
    assert grammar.tree(3, A, ((0, A), (255, B))) == (
        b"tree:3:127.0.0.1:5001:127.0.0.1#5001=" + b"0" * 24 + b" [::1]#5002=" + b"0" * 22
        + b"ff\n")
    assert grammar.load(7, (16,)) == b"load:7:" + b"0" * 22 + b"10\n"
    assert grammar.rows(0.25, grammar.ABOUT, C, 9, 2, ENTRIES[:1]) == (
        b"rows:0.250:about:10.0.0.9:65535:9:2:127.0.0.1#5001=10,0,0,0,0\n")
    assert grammar.part(0.25, grammar.BY, C, 9, 2, []) == b"part:0.250:by:10.0.0.9:65535:9:2:\n"
    assert grammar.verdicts(5, [(A, 0.5)], [B], [(A, B)]) == (
        b"verdicts:5:127.0.0.1#5001=0.500|[::1]#5002|127.0.0.1#5001>[::1]#5002\n")
    assert grammar.loads([(A, 3), (B, 0)]) == b"loads:127.0.0.1#5001=3 [::1]#5002=0\n"


@pytest.mark.parametrize("line", [
    b"report:0:1:", b"report:1:0:", b"report:1:1", b"report:01:1:", b"report:1:%d:" % 2**63,
    b"report:%d:1:" % 2**63, b"report:-1:1:", b"report:1:1: ", b"report:1:1:\n",
    b"report:1:1:1.2.3.4#5=1,0,0,0", b"report:1:1:1.2.3.4#5=1,0,0,0,0,0",
    b"report:1:1:1.2.3.4:5=1,0,0,0,0", b"report:1:1:1.2.3.4#5=1,2,0,0,0",
    b"report:1:1:1.2.3.4#5=1,0,2,0,0", b"report:1:1:1.2.3.4#5=01,0,0,0,0",
    b"report:1:1:1.2.3.4#5=+1,0,0,0,0", b"report:1:1:1.2.3.4#5=1,0,0,0,1000000001",
    b"report:1:1:1.2.3.4#5=1000000001,0,0,0,0", b"report:1:1:1.2.3.4#5=1,0,0,0,1_0",
    b"report:1:1:1.2.3.4#5=1,0,0,0,0  1.2.3.4#6=1,0,0,0,0",
    b"report:1:1:1.2.3.4#5=1,0,0,0,0 1.2.3.4#5=2,0,0,0,0",
    b"report:1:1:[0::1]#5=1,0,0,0,0", b"report:1:1:1.2.3.04#5=1,0,0,0,0",
    b"report:1:1:1.2.3.4#65536=1,0,0,0,0", b"report:1:1:[::ffff:1.2.3.4]#5=1,0,0,0,0"])
def test_a_broken_report_is_refused(line):
    with pytest.raises(wire.WireError):
        wire.parse(line)


ENTRY = b"1.2.3.4#5=1,0,0,0,0"
ZERO, ONE = b"0" * 24, b"0" * 23 + b"1"


@pytest.mark.parametrize("line", [
    b"rows:1:about:1.2.3.4:9:1:1:" + ENTRY, b"rows:01.000:about:1.2.3.4:9:1:1:" + ENTRY,
    b"rows:-1.000:about:1.2.3.4:9:1:1:" + ENTRY, b"rows:1.000:of:1.2.3.4:9:1:1:" + ENTRY,
    b"rows:1.0000:by:1.2.3.4:9:1:1:" + ENTRY, b"rows:1000000000.000:by:1.2.3.4:9:1:1:" + ENTRY,
    b"rows:nan:by:1.2.3.4:9:1:1:" + ENTRY,
    b"part:1.000:by:1.2.3.4#9:1:1:" + ENTRY, b"part:1.000:by:1.2.3.4:9:1:" + ENTRY,
    b"rejected:1.000:1.2.3.4:5:1.2.3.4:6:1.2.3.4:7",
    b"tree:1:1.2.3.4:5:", b"tree:1:1.2.3.4:5:1.2.3.4#5=" + ONE, b"tree:1:1.2.3.4:5:1.2.3.4#5=0",
    b"tree:1:1.2.3.4:5:1.2.3.4#5=%b 1.2.3.4#6=%b" % (ZERO, ZERO),
    b"tree:1:1.2.3.4:5:1.2.3.4#5=%b 1.2.3.4#5=%b" % (ZERO, ONE),
    b"tree:1:1.2.3.4:5:1.2.3.4#5=%b 1.2.3.4#6=%b" % (ZERO, b"F" * 24),
    b"tree:00:1.2.3.4:5:1.2.3.4#5=" + ZERO, b"tree:%d:1.2.3.4:5:1.2.3.4#5=%b" % (2**63, ZERO),
    b"load:1:%b %b" % (ONE, ZERO), b"load::", b"load:1", b"load:1000000001:", b"load:1:0",
    b"load:16:" + b" ".join([ONE] * 16),
    b"loads:1.2.3.4#5=1 1.2.3.4#5=2", b"loads:1.2.3.4#5=1000000001", b"loads:1.2.3.4#5",
    b"verdicts:1:||1.2.3.4#5", b"verdicts:1:|", b"verdicts::||", b"verdicts:%d:||" % 2**63,
    b"verdicts:1:1.2.3.4#5=1.001||", b"verdicts:1:1.2.3.4#5=2.000||",
    b"verdicts:1:1.2.3.4#5=0.1||", b"verdicts:1:1.2.3.4#5=0.100 1.2.3.4#5=0.200||",
    b"verdicts:1:|1.2.3.4#5 1.2.3.4#5|", b"verdicts:1:||1.2.3.4#5>1.2.3.4#6 1.2.3.4#5>1.2.3.4#6",
    b"kick:1.2.3.4:5", b"kick:1.2.3.4:5:1.001", b"kick:1.2.3.4:5:0.500:", b"kick:1.2.3.4:5:.500",
    b"kick:1.2.3.4:5:0.500:09.000", b"kick:1.2.3.4:5:0.500:inf", b"kick:1.2.3.4#5:0.500",
    b"unconfirmed:1.2.3.4#5", b"unconfirmed:", b"unconfirmed:1.2.3.4:5 ",
    b"seed:1.2.3.4:5:to 1.2.3.4:6", b"seed:1.2.3.4:5:" + b"a" * 32,
    b"seed:1.2.3.4:5:to 1.2.3.4:6:" + b"A" * 32, b"seed:1.2.3.4:5:to 1.2.3.4:6:" + b"a" * 33,
    b"seed:1.2.3.4:5:1.2.3.4:6:" + b"a" * 32, b"seed check:" + b"a" * 32,
    b"seed check:", b"seed check", b"seed checked:" + b"a" * 31, b"ask tree:", b"ask tree "])
def test_a_broken_line_of_seeds_is_refused(line):
    with pytest.raises(wire.WireError):
        wire.parse(line)


class Mutator:
    """Changes lines, each time in a way that chance picks."""

    def __init__(self, lines, rng):
        self._lines, self._rng = lines, rng
        self._ways = [self.flip, self.cut, self.insert, self.repeat, self.swap_fields,
                      self.misspell_number, self.cross]

    def __call__(self):
        line = self._rng.choice(self._lines)
        for _ in range(self._rng.randint(1, 3)):
            line = self._rng.choice(self._ways)(line)
        return line

    def flip(self, line):
        at = self._rng.randrange(len(line) + 1)
        return line[:at] + bytes(byte ^ 1 << self._rng.randrange(8)
                                 for byte in line[at:at + 1]) + line[at + 1:]

    def cut(self, line):
        at = self._rng.randrange(len(line) + 1)
        return line[:at] + line[at + self._rng.randint(1, 9):]

    def insert(self, line):
        at = self._rng.randrange(len(line) + 1)
        return line[:at] + bytes(self._rng.choices(b"0123456789:=,.# |>[]af\n-", k=2)) + line[at:]

    def repeat(self, line):
        """One of the words once more, as if it were another's."""
        words = line.split(b" ")
        return b" ".join([*words, self._rng.choice(words)])

    def swap_fields(self, line):
        mark = bytes([self._rng.choice(b":=,. |>")])
        fields = line.split(mark)
        self._rng.shuffle(fields)
        return mark.join(fields)

    def misspell_number(self, line):
        """Another number, or another spelling of one: a leading zero, a sign, a long one."""
        places = [at for at, byte in enumerate(line) if 48 <= byte < 58]
        if not places:
            return line
        at = self._rng.choice(places)
        return line[:at] + self._rng.choice([b"0", b"+", b"9" * 9, b"9" * 20, b"1"]) + line[at:]

    def cross(self, line):
        """The beginning of one line, and the end of another."""
        other = self._rng.choice(self._lines)
        return line[:self._rng.randrange(len(line) + 1)] + other[
            self._rng.randrange(len(other) + 1):]


def test_ten_thousand_changed_lines_raise_nothing_else_and_have_one_spelling():
    mutated, taken = Mutator(LINES, random.Random(12)), 0
    for _ in range(TIMES):
        line = mutated()
        try:
            value = wire.parse(line)
        except wire.WireError:
            continue
        if value.kind in WRITERS:
            assert written(value) == line
            taken += line not in LINES
    assert taken > TIMES / 50  # enough of them are valid, and different


# Limits.

def entries(count):
    return [grammar.Entry(peer, 10**9, 10**9, 10**9, 10**9, 10**9) for peer in LONGEST[:count]]


def seeds(count):
    return tuple(enumerate(LONGEST[:count]))


def verdicts(judged, void, pairs):
    return grammar.verdicts(1, [(peer, 0.5) for peer in LONGEST[:judged]], LONGEST[:void],
                         list(zip(LONGEST[1:], LONGEST))[:pairs])


@pytest.mark.parametrize("make, limit", [
    (lambda count: grammar.report(NUMBER_LIMIT, NUMBER_LIMIT, entries(count)),
     grammar.ENTRIES_LIMIT),
    (lambda count: grammar.rows(9e8, grammar.ABOUT, A, NUMBER_LIMIT, NUMBER_LIMIT, entries(count)),
     grammar.ENTRIES_LIMIT),
    (lambda count: grammar.part(9e8, grammar.ABOUT, A, NUMBER_LIMIT, NUMBER_LIMIT, entries(count)),
     grammar.ENTRIES_LIMIT),
    (lambda count: grammar.load(10**9, range(count)), grammar.QUANTILES),
    (lambda count: verdicts(count, JUDGED_LIMIT, JUDGED_LIMIT), JUDGED_LIMIT),
    (lambda count: verdicts(JUDGED_LIMIT, count, JUDGED_LIMIT), JUDGED_LIMIT),
    (lambda count: verdicts(JUDGED_LIMIT, JUDGED_LIMIT, count), JUDGED_LIMIT)])
def test_a_line_as_long_as_its_limit_is_read_and_a_longer_one_is_refused(make, limit):
    assert len(make(limit)) <= wire.LINE_LIMIT
    wire.parse(make(limit)[:-1])
    with pytest.raises(wire.WireError):
        wire.parse(make(limit + 1)[:-1])


@pytest.mark.parametrize("make", [
    lambda starts: grammar.tree(NUMBER_LIMIT, LONGEST[0], starts),
    lambda starts: grammar.loads((seed, 10**9) for _, seed in starts)])
def test_a_thousand_seeds_fit_into_a_line_and_no_more_are_read(make):
    assert len(make(seeds(1_000))) <= wire.LINE_LIMIT
    wire.parse(make(seeds(1_000))[:-1])
    with pytest.raises(wire.WireError):
        wire.parse(make((*seeds(1_000), (1_000, A)))[:-1])


@pytest.mark.parametrize("seconds, shown", [
    (-1e-9, b"0.000"), (0.0, b"0.000"), (1e300, b"999999999.000"), (0.0004, b"0.000")])
def test_seconds_are_said_so_that_they_can_be_read(seconds, shown):
    line = grammar.kick(A, 0.5, seconds)
    assert line == b"kick:127.0.0.1:5001:0.500:%b\n" % shown
    assert wire.parse(line[:-1]).seconds == float(shown)


LONG = [  # beginnings and what is repeated behind them until the line is full
    (b"report:1:1:", b"1.2.3.4#5=1,0,0,0,0 "), (b"report:1:1:", b"1.2.3.4#5=1,1,1,1,"),
    (b"report:1:1:", b"9"), (b"report:1:1:", b"[:"), (b"report:", b"1"), (b"report:1:1:", b" "),
    (b"rows:1.000:about:1.2.3.4:5:1:1:", b"1.2.3.4#5=1,0,0,0,0 "), (b"rows:", b"1."),
    (b"tree:1:1.2.3.4:5:", b"1.2.3.4#5=" + ZERO + b" "), (b"load:1:", ZERO + b" "),
    (b"loads:", b"1.2.3.4#5=1 "), (b"verdicts:1:", b"1.2.3.4#5=0.500 "),
    (b"verdicts:1:|", b"1.2.3.4#5 "), (b"verdicts:1:||", b"1.2.3.4#5>1.2.3.4#5 "),
    (b"verdicts:1:", b"|"), (b"kick:", b"1.2.3.4:5:"), (b"seed:", b"[::1]:1:"),
    (b"seed check:", b"a")]


@pytest.mark.parametrize("start, part", LONG)
def test_a_long_line_of_anything_is_refused(start, part):
    """A pattern that tries all ways to read one would take minutes here."""
    line = start + part * ((wire.LINE_LIMIT - len(start)) // len(part))
    with pytest.raises(wire.WireError):
        wire.parse(line)


def test_every_writer_of_monitoring_is_tried_here():
    kinds = {value.kind for value in vars(grammar).values()
             if isinstance(value, type) and isinstance(getattr(value, "kind", None), str)}
    kinds.add("ask_tree")  # without fields, and so without a class
    assert kinds == set(WRITERS) == {value.kind for value in VALUES}
