"""Blocks: lines that are taken at once leave a message list as line by line would."""

import random

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.settings import Settings
from gossip.signing.signed_messages import SignedMessages
from gossip.spread.message_list import MessageList
from tests.tools.texts import sifted

OWN = b"127.0.0.1:5000:1"
RUNS = [b"127.0.0.1:%d:%d" % (port, start) for port in (5001, 5002, 65535)
        for start in (1, 1_700_000_000_000)] + [b"[::1]:5001:7", OWN]
TEXTS = [b"", b"hello", b"a:b:c", "gr\u00fc\u00dfe".encode(), b"\x1b[31mred", b"\\", b"gmessage:",
         b"gmessage:1.000000:127.0.0.1:5001:1:1:inner", b"\xe2\x80\xa8", b"\x00", b"x" * 300]
SMALL = Settings(cache_size=60, cache_bytes=8_000, intervals_kept=4, intervals_of_one=6,
                 intervals_in_all=9, runs_kept=3, runs_of_one=2, runs_unvouched=3,
                 runs_of_address=2)


def line(run, number, text=b"hello"):
    return b"gmessage:1.000000:%s:%d:%s" % (run, number, text)


def mistake(rng, good):
    """A line with something wrong, or strange, in it."""
    at = rng.randrange(len(good))
    return rng.choice([
        good[:at] + bytes([rng.randrange(256)]).replace(b"\n", b"?") + good[at + 1:],
        good[:at], b"rumor:" + good, b"x:" + good, b"gmessage:" + good,
        good.replace(b":1:", b":01:"), good + b"\xff", good + b"\xc3",
        line(RUNS[0], 2**63 - rng.randrange(3)), line(RUNS[0], 0),
        line(RUNS[1], 1, b"x" * (wire.GOSSIP_LIMIT - rng.choice([40, 45, 50]))),
        b"signed:" + good, b"Liveness Request:1.000000:127.0.0.1:5001"])


class Mixtures:
    """Batches of lines as neighbours and attackers may send them: mostly what continues a run."""

    def __init__(self, rng):
        self._rng = rng
        self._next = dict.fromkeys(RUNS, 1)

    def batch(self):
        rng, lines = self._rng, []
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            run = rng.choice(RUNS)
            first = max(1, self._next[run] + rng.choice([0] * 12 + [-3, 1, 5]))
            count = rng.choice([1, 1, 2, 5, 30])
            lines += [line(run, number, rng.choice(TEXTS))
                      for number in range(first, first + count)]
            self._next[run] = first + count
        if rng.random() < 0.2:
            at = rng.randrange(len(lines))
            lines[at] = mistake(rng, lines[at])
        if rng.random() < 0.1:
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
        if rng.random() < 0.05:
            rng.shuffle(lines)
        return lines


def state(messages):
    """What a message list knows."""
    runs = messages._runs.values()
    return (messages.digest(), messages.seen(), messages.latest(1_000), messages.dropped(),
            messages.vector(), messages._texts._bytes, messages._texts.digests,
            [(run.key, run.weight, run.vouched, run.owner) for run in runs])


def compare(seed, batches):
    """Hand the same batches to two lists, one of which never takes a block; answer how many the
    other one has taken."""
    rng, blocks = random.Random(seed), 0
    settings = rng.choice([Settings(), SMALL])
    by_block, by_line = MessageList(settings, OWN), MessageList(settings, OWN)
    mixtures = Mixtures(rng)
    neighbours = [address_of("127.0.0.1", port) for port in (5001, 5002, 5003)]
    for _ in range(batches):
        lines, made_here, neighbour = mixtures.batch(), rng.random() < 0.1, rng.choice(neighbours)
        if rng.random() < 0.02:
            assert by_block.vouch([neighbour]) == by_line.vouch([neighbour])
        left = sifted(by_block, lines)
        assert left == sifted(by_line, lines)
        one = by_block.add_block(left, made_here) if left else None
        blocks += one is not None
        left = [line for line in left if wire.is_gossip(line)]
        one = one or by_block.add(left, made_here, brought_by=neighbour)
        other = by_line.add(left, made_here, brought_by=neighbour)
        assert str(one.fault) == str(other.fault)
        assert ((one.lines, one.shown, *map(list, one[3:9])) ==
                (other.lines, other.shown, *map(list, other[3:9])))
    assert state(by_block) == state(by_line)
    return blocks


@pytest.mark.parametrize("seed", range(20))
def test_both_ways_through_a_batch_agree(seed):
    assert compare(seed, 100) > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1_000, 1_500))
def test_both_ways_through_a_batch_agree_at_length(seed):
    assert compare(seed, 200) > 0


def test_a_block_is_what_its_lines_are_one_by_one():
    """And what is no block has a line with a fault, a prefix, another run, or a gap before it."""
    rng, blocks = random.Random(1), 0
    for _ in range(3_000):
        run, first = rng.choice(RUNS), rng.choice([1, 9, 10**18, 2**63 - 3])
        lines = [line(run, first + n, rng.choice(TEXTS)) for n in range(rng.choice([1, 2, 4]))]
        if rng.random() < 0.5:
            at = rng.randrange(len(lines))
            lines[at] = mistake(rng, lines[at])
        try:
            parsed = [wire.parse_gossip(one) for one in lines]
        except wire.WireError:
            parsed = None
        block = wire.parse_block(lines)
        is_plain = (parsed is not None and all(one.startswith(wire.GOSSIP) for one in lines)
                    and len({message.run for message in parsed}) == 1
                    and [message.number for message in parsed]
                    == list(range(parsed[0].number, parsed[0].number + len(lines))))
        assert is_plain is (block is not None)
        if is_plain:
            blocks += 1
            assert block == (parsed[0].run, parsed[0].number, parsed[-1].number,
                             "\n".join(message.shown for message in parsed))
    assert blocks > 500


def test_no_block_is_taken_where_words_are_forbidden_or_gossip_is_signed():
    words = Settings(filter=Settings().filter._replace(words=("virus",)))
    for messages in (MessageList(words, OWN), SignedMessages(Settings(), OWN, lambda signed: True)):
        messages.add([line(RUNS[0], 1)])
        assert messages.add_block([line(RUNS[0], 2)]) is None
    messages = MessageList(Settings(), OWN)
    messages.add([line(RUNS[0], 1)])
    assert messages.add_block([line(RUNS[0], 2)]).lines == [line(RUNS[0], 2)]
