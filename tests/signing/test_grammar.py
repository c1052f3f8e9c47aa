"""The lines about runs: questions, answers and proofs."""

import pytest

from gossip import wire
from gossip.addresses import address_of
from gossip.signing import grammar

ADDRESS = address_of("127.0.0.1", 5001)


@pytest.mark.parametrize("address", [ADDRESS, address_of("::1", 5001)])
@pytest.mark.parametrize("starts", [(), (0,), (7,), tuple(range(1, 9)), (2**63 - 1,)])
def test_a_line_of_runs_reads_as_it_was_written(address, starts):
    line = grammar.runs(address, starts)
    assert line.endswith(b"\n")
    assert wire.parse(line[:-1]) == grammar.Runs(address, starts)


def test_a_proof_reads_as_it_was_written():
    key, signature = bytes(range(32)), bytes(range(64))
    assert wire.parse(grammar.proof(key, signature, "")[:-1]) == grammar.Proof(key, signature, "")


def test_the_proof_of_a_link_has_its_time_behind_it():
    key, signature = bytes(range(32)), bytes(range(64))
    line = grammar.proof(key, signature, "1700000000.123456")
    assert line == grammar.proof(key, signature, "")[:-1] + b":1700000000.123456\n"
    assert wire.parse(line[:-1]) == grammar.Proof(key, signature, "1700000000.123456")


@pytest.mark.parametrize("line", [
    f"proof:{'A' * 43}:{'A' * 86}:", f"proof:{'A' * 43}:{'A' * 86}:1.0",
    f"proof:{'A' * 43}:{'A' * 86}:-1.000000", f"proof:{'A' * 43}:{'A' * 86}:1.000000:",
    "runs:", "runs:127.0.0.1:5001", "runs:127.0.0.1:5001:07", "runs:127.0.0.1:5001:1,",
    "runs:127.0.0.1:5001:1,0", "runs:127.0.0.1:5001:1,2,3,4,5,6,7,8,9",
    f"runs:127.0.0.1:5001:{2**63}", "runs:127.0.0.1:5001:-1", "runs:127.0.0.1:99999:1",
    "runs:127.0.0.1:5001:1 ", "runs", "proof:", "proof", f"proof:{'A' * 43}:{'A' * 85}",
    f"proof:{'A' * 42}B:{'A' * 86}", f"proof:{'A' * 43}:{'A' * 85}B",
    f"proof:{'+' * 43}:{'A' * 86}", f"proof:{'A' * 43}=:{'A' * 86}"])
def test_another_spelling_is_refused(line):
    with pytest.raises(wire.WireError):
        wire.parse(line.encode())


def test_lines_about_runs_are_no_gossip_whatever_they_hold():
    for line in (b"runs:gmessage:x", b"proof:gmessage:x"):
        assert not wire.is_gossip(line)
