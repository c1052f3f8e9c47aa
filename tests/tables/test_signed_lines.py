"""The lines of signing: made, read, and everything that is none of them."""

import base64
import hashlib

import pytest

from grapevine import wire
from grapevine.addresses import Address
from grapevine.signing import grammar
from grapevine.signing.ed25519 import signing_key
from grapevine.signing.grammar import Proof, Signer, parse, parse_signed, start_of
from grapevine.tools import ProtocolError
from tests.tables.samples import A, B, peer

TIME, SECRET = "1.000000", bytes(range(32))
V6 = peer(5001, "2001:db8::1")
K, S = "A" * 43, "A" * 86  # a key and a signature of zeros


def run(origin: Address = A, secret: bytes = SECRET) -> str:
    return f"{origin}:{Signer(origin, secret).start}"


def gossip(number: int, *texts: str, origin: Address = A) -> list[bytes]:
    return [wire.make_gossip(TIME, run(origin), at, text) for at, text in enumerate(texts, number)]


def signed(number: int, *texts: str, origin: Address = A) -> bytes:
    [line] = Signer(origin, SECRET).sign(gossip(number, *texts, origin=origin))
    return line


def by_hand(*texts: bytes, lengths: str = "", number: object = 1, name: str = run(), time=TIME,
            secret: bytes = SECRET) -> bytes:
    """Return a line that is signed well, whatever it says."""
    key = signing_key(secret)
    head = f"{lengths}:gmessage:{time}:{name}:{number}:".encode()
    hashes = b"".join(hashlib.sha256(text).digest() for text in texts)
    fields = [base64.urlsafe_b64encode(data).rstrip(b"=")
              for data in (key.public, key.sign(b"gossip " + head + hashes))]
    return b":".join([b"signed", *fields, head + b"".join(texts)])


# What is signed.

@pytest.mark.parametrize("origin", [A, V6])
@pytest.mark.parametrize("texts", [
    ["hello"], [""], ["one", "two", "three"], ["", ""], ["", "x", ""], ["€", "\U0001f347", "é"],
    ["a\rb", "\rc"], ["1,2:gmessage:1.000000:127.0.0.1:5001:7:1:x", "::", ":"], ["\0", " "],
    [f"{run()}:2:signed:", "signed:"], [f"text {at}" for at in range(128)], ["x" * 65_000]])
def test_what_is_signed_reads_as_it_was_said(texts, origin):
    line = signed(7, *texts, origin=origin)
    read = parse_signed(line)
    assert read.messages == gossip(7, *texts, origin=origin) and read.is_good()
    assert read.run == run(origin).encode() and read.key == signing_key(SECRET).public
    assert read.line == line and read.numbers == range(7, 7 + len(texts))


def test_a_line_is_as_the_grammar_says_and_its_signature_covers_hashes_instead_of_texts():
    for texts, lengths in ([b"secret"], ""), ([b"secret", b"", "é".encode()], "6,0,2"):
        line = by_hand(*texts, lengths=lengths, number=9)
        assert signed(9, *map(bytes.decode, texts)) == line
        hashes = b"".join(hashlib.sha256(text).digest() for text in texts)
        content = f"gossip {lengths}:gmessage:{TIME}:{run()}:9:".encode() + hashes
        assert parse_signed(line).content == content and b"secret" not in content


@pytest.mark.parametrize("messages, spans", [
    ([], []), (gossip(1, *"x" * 128), [(1, 128)]),
    (gossip(1, *"x" * 257), [(1, 128), (129, 256), (257, 257)]),
    (gossip(5, "x" * 8_192, "x" * 8_192), [(5, 6)]),
    (gossip(5, "x" * 8_192, "x" * 8_193), [(5, 5), (6, 6)]),
    (gossip(1, "x", "x" * 60_000, "x", "x"), [(1, 1), (2, 2), (3, 4)]),
    ([*gossip(1, *"ab"), *gossip(4, *"cd"), *gossip(3, "e")], [(1, 2), (4, 5), (3, 3)])],
    ids=lambda given: str(given)[-20:])
def test_what_is_said_at_once_is_one_line_up_to_its_limits_and_as_numbers_follow(messages, spans):
    read = [parse_signed(line) for line in Signer(A, SECRET).sign(messages)]
    assert [(one.first, one.last) for one in read if one.is_good()] == spans
    assert [message for one in read for message in one.messages] == messages


def test_a_line_has_its_limits():
    most = [b"x"] * 128
    assert parse_signed(by_hand(*most, lengths=",".join(["1"] * 128))).last == 128
    assert parse_signed(by_hand(*most, b"x", lengths=",".join(["1"] * 129))) is None
    assert parse_signed(by_hand(b"x" * 16_383, b"y", lengths="16383,1")) is not None
    assert parse_signed(by_hand(b"x" * 16_384, b"y", lengths="16384,1")) is None
    room = wire.GOSSIP_LIMIT - len(gossip(1, "")[0])
    assert parse_signed(by_hand(b"x" * room)) and not parse_signed(by_hand(b"x" * (room + 1)))
    assert parse_signed(by_hand(b"x", number=2**63 - 1)).last == 2**63 - 1
    assert parse_signed(by_hand(b"x", b"y", lengths="1,1", number=2**63 - 1)) is None
    assert parse_signed(by_hand(b"x", number=2**63)) is None


# What is none.

@pytest.mark.parametrize("lengths", [
    "1,1", "2,2", "2,1,1", "02,1", "2,01", "2,1,", ",2,1", "2,,1", ",", "3", "+2,1", "-1,4", "2, 1",
    "2,1,00", "2.0,1", "2;1", "1e0,2", "65536,1", "100000,1", "\u0662,1"])
def test_lengths_have_one_spelling_and_are_those_of_the_texts(lengths):
    assert parse_signed(by_hand(b"ab", b"c", lengths="2,1"))
    assert parse_signed(by_hand(b"ab", b"c", lengths=lengths)) is None


def test_each_text_is_utf_8_by_itself():
    assert parse_signed(by_hand("é".encode(), b"", lengths="2,0"))
    for texts, lengths in ([b"\xc3", b"\xa9"], "1,1"), ([b"\xff"], ""), ([b"a", b"\xc3"], "1,1"):
        assert parse_signed(by_hand(*texts, lengths=lengths)) is None


@pytest.mark.parametrize("change", [
    {"number": "01"}, {"number": "0"}, {"number": "-1"}, {"number": ""}, {"number": "9" * 20},
    {"time": "1"}, {"time": "1.0"}, {"time": ""}, {"name": run(A, bytes(32))},
    {"name": run().replace("5001:", "5002:")}, {"name": run().replace("5001:", "5001:0")},
    {"name": run().replace("127.", "127.0")}, {"name": f"127.0.0.1:99999:{2**62}"},
    {"name": f"127.0.0.1:5001:{2**63}"}, {"name": f"127.0.0.1:5001:{'9' * 5_000}"},
    {"name": run(V6).replace("db8::1", "db8:0::1")}, {"secret": bytes(32)}], ids=str)
def test_a_run_and_a_number_have_one_spelling_and_the_run_is_that_of_the_key(change):
    assert parse_signed(by_hand(b"text"))
    assert parse_signed(by_hand(b"text", **change)) is None


def test_base64_has_one_spelling():
    line = signed(1, "text")
    key, signature = line.split(b":")[1:3]
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare = [[field[:-1] + bytes([other]) for other in letters if other != field[-1]
              and letters.index(other) >> bits == letters.index(field[-1]) >> bits]
             for field, bits in ((key, 2), (signature, 4))]
    assert list(map(len, spare)) == [3, 15], "other letters that stand for the same bytes"
    for field, others in (key, spare[0]), (signature, spare[1]):
        for other in [*others, field + b"=", field[:-1], field + b"A", b"", b"+" + field[1:],
                      b"/" + field[1:], field[:9] + b"\n" + field[9:], b" " + field[1:]]:
            assert parse_signed(line.replace(field, other)) is None


def test_what_is_not_signed_or_has_a_prefix_is_no_signed_line():
    line = signed(1, "text")
    for other in (gossip(1, "text")[0], b"any:" + line, b"rumor:" + line, b"", b"signed:",
                  line[:99], line.replace(b"signed", b"Signed"), line[:-len(b":text")],
                  line.replace(b":gmessage", b":any:gmessage"), line.replace(b":gmessage", b"")):
        assert parse_signed(other) is None


def test_a_line_with_a_changed_byte_is_malformed_or_not_good():
    for line in signed(11, "one"), signed(11, "one", "two", "thrée"):
        for at, byte in enumerate(line):
            for other in byte ^ 1, byte ^ 4, byte ^ 9:
                read = parse_signed(line[:at] + bytes([other]) + line[at + 1:])
                assert read is None or not read.is_good(), (at, other)
    for lengths in (b"1,5,6", b"3,2,7", b"6,0,6", b"0,6,6"):  # the same texts, cut elsewhere
        assert not parse_signed(line.replace(b":3,3,6:", b":%b:" % lengths)).is_good()


# Runs, proofs, questions.

def test_a_run_is_a_hash_of_its_address_and_key():
    key = bytes(32)
    digest = hashlib.sha256(b"127.0.0.1:5001 " + key).digest()
    assert start_of("127.0.0.1:5001", key) == int.from_bytes(digest[:8], "big") // 2
    assert grammar.run_of(V6, 7) == b"[2001:db8::1]:5001:7"


def test_a_proof_proves_the_start_of_its_address_for_one_text():
    texts = [grammar.registering(A, B), grammar.registering(B, A), grammar.registering(A, A),
             grammar.linking(A, B, TIME), grammar.linking(A, B, "2.000000"),
             grammar.replying(TIME, B, A)]
    assert len(set(texts)) == 6 and texts[-1] == f"Liveness Reply:{TIME}:{B}:{A}"
    for text in texts:
        kind, values = parse(Signer(A, SECRET).proof(text).removesuffix(b"\n"))
        proofs = [Proof(*values).start(A, other) for other in texts]
        assert kind == "proof" and proofs == [
            Signer(A, SECRET).start if other == text else None for other in texts]
    assert Proof(*values).start(B, texts[-1]) == Signer(B, SECRET).start, "of the same key there"
    with_time = Signer(A, SECRET).proof(texts[-1], TIME)
    assert parse(with_time[:-1]) == ("proof", (*values, TIME)), "that of a link"


@pytest.mark.parametrize("address", [A, V6])
@pytest.mark.parametrize("starts", [(), (0,), (7,), tuple(range(1, 33)), (2**63 - 1,)])
def test_a_line_of_runs_reads_as_it_was_said(address, starts):
    assert parse(grammar.say_runs(address, starts)[:-1]) == ("runs", (address, starts))


@pytest.mark.parametrize("line", [
    "proof", "proof:", f"proof:{K}", f"proof:{K}:{S}:", f"proof:{K}:{S}:1.0", f"proof:{K}:{S}:x",
    f"proof:{K}:{S}:-1.000000", f"proof:{K}:{S}:1.000000:", f"proof:{K}:{S[1:]}", f"proof:{K}=:{S}",
    f"proof:{K[1:]}B:{S}", f"proof:{K}:{S[1:]}B", f"proof:+{K[1:]}:{S}", f"any:proof:{K}:{S}",
    "runs", "runs:", f"runs:{A}", f"runs:{A}:07", f"runs:{A}:1,", f"runs:{A}:,1", f"runs:{A}:-1",
    f"runs:{A}:1 ", f"runs:{A}:1:2", "runs:127.0.0.1:99999:1", f"runs:{A}:{'9' * 20}",
    f"runs:{A}:{','.join(['1'] * 33)}", "runs:x:1:1", "signed:x", "unknown"])
def test_what_is_malformed_is_refused(line):
    with pytest.raises(ProtocolError):
        parse(line.encode())


@pytest.mark.parametrize("line", [b"peer list", b"status:sent", b"leave:127.0.0.1:5001"])
def test_all_other_lines_are_those_of_the_wire(line):
    assert parse(line) == wire.parse(line)
