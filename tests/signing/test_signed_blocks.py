"""Signed gossip that is taken as a block leaves a message list as line by line would."""

import random

import pytest

from gossip import wire
from gossip.settings import Settings
from gossip.signing.grammar import Signer
from gossip.signing.signed_messages import SignedMessages
from gossip.signing.signed_spreading import SignedSpreading
from tests.signing.test_mutations import Mutator, said
from tests.tools.fakes import FakeLink, peer
from tests.tools.texts import sifted

SMALL = Settings(corrupt_limit=3, cache_size=20, cache_bytes=9_000, runs_kept=2, runs_unvouched=2,
                 intervals_kept=3)


@pytest.fixture(scope="module")
def parts():
    """Covers with their lines, of three runs; in each, one cover repeats what another says."""
    return [said(port, key, first, count) for port, key in ((5001, 1), (5001, 2), (5002, 3))
            for first, count in ((1, 4), (5, 1), (6, 12), (18, 3), (6, 2))]


def link_of(number):
    link = FakeLink()
    link.peer = peer(5001 + number)
    return link


def batches(parts, rng, count):
    """Lines as they come over two links: parts in order or not, cut, repeated, and changed."""
    mutated = Mutator([line for covers, lines in parts for line in (*covers, *lines)], rng)
    for at in range(count):
        covers, lines = parts[at % len(parts)] if rng.random() < 0.7 else rng.choice(parts)
        batch = [*covers, *lines]
        if rng.random() < 0.3:
            batch = batch[:rng.randrange(1, len(batch) + 1)]
        if rng.random() < 0.2:
            batch += sum(rng.choice(parts), [])
        if rng.random() < 0.2:
            batch[rng.randrange(len(batch))] = mutated()
        if rng.random() < 0.1:
            rng.shuffle(batch)
        yield [line for line in batch if b"\n" not in line
               and (line.startswith(SignedSpreading.BEGINNINGS) or wire.is_gossip(line))]


def shown(fresh):
    return (fresh.lines, fresh.shown, str(fresh.fault), fresh.forbidden, fresh.refused,
            fresh.covers, fresh.corrupt, fresh.unknown, dict(fresh.checks), fresh.contradictions)


def state(messages):
    covers = messages._covers
    return (messages.digest(), messages.seen(), messages.latest(1_000), messages.dropped(),
            messages._texts._bytes, covers.size, {line: cover.texts for line, cover
                                                  in covers.kept.items()},
            [(run.key, run.weight) for run in messages._runs.values()])


def compare(parts, seed):
    """Hand the same batches to two lists, one of which never takes a block; answer how many the
    other one has taken."""
    rng, blocks = random.Random(seed), 0
    settings = rng.choice([Settings(), SMALL])
    by_block, by_line = (SignedMessages(settings, b"", Signer.is_good) for _ in range(2))
    by_line._add_behind = lambda *_: False
    take_block = by_block._add_behind

    def counted(*arguments):
        nonlocal blocks
        taken = take_block(*arguments)
        blocks += taken
        return taken

    by_block._add_behind = counted
    links = {list_: [link_of(0), link_of(1)] for list_ in (by_block, by_line)}
    for batch in batches(parts, rng, 100):
        number = rng.randrange(2)
        fresh = [list_.add(sifted(list_, batch, links[list_][number]), brought_by=peer(5001),
                           link=links[list_][number]) for list_ in (by_block, by_line)]
        assert shown(fresh[0]) == shown(fresh[1])
    assert state(by_block) == state(by_line)
    return blocks


def test_both_ways_through_signed_lines_agree(parts):
    assert sum(compare(parts, seed) for seed in range(60)) > 100


@pytest.mark.slow
def test_both_ways_through_signed_lines_agree_at_length(parts):
    assert sum(compare(parts, seed) for seed in range(1_000, 3_000)) > 4_000
