"""The lines of monitoring: read as they were said, in one spelling only; and contradictions."""

import base64
import hashlib

import pytest

from grapevine import wire
from grapevine.addresses import address_of, parse_address
from grapevine.monitoring.evidence import contradiction_of, parse_contradiction
from grapevine.monitoring.grammar import JUDGED_LIMIT, Entry, parse, say, say_verdicts
from grapevine.signing import grammar
from grapevine.signing.ed25519 import signing_key
from grapevine.signing.grammar import STARTS_LIMIT, Signer, parse_signed, run_of, say_runs, start_of
from grapevine.tools import ProtocolError
from tests.tools.signing import TIME, signed, signer

A, B, C = map(parse_address, ["127.0.0.1:5001", "[::1]:5002", "10.0.0.9:65535"])
NONCE, MOST = "0123456789abcdef" * 2, 10**9
ENTRIES = (Entry(A, 10, 0, 0, 0, 0), Entry(B, 100, 7, 93, 5, 12), Entry(C, *[MOST] * 5))
LONGEST = [address_of(f"{number:x}:db81:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535)
           for number in range(4_096, 4_096 + 1_001)]  # the longest addresses there are
BIGGEST = 10**19 - 1

SAID = [  # kind, values, the line
    ("report", (1, 1, ()), "report:1:1:"),
    ("report", (9, 2, ENTRIES[:2]),
     "report:9:2:127.0.0.1#5001=10,0,0,0,0 [::1]#5002=100,7,93,5,12"),
    ("report", (BIGGEST, BIGGEST, ENTRIES[2:]),
     f"report:{BIGGEST}:{BIGGEST}:10.0.0.9#65535={','.join([str(MOST)] * 5)}"),
    ("kick", (B, 0.5, 60.0), "kick:[::1]:5002:0.500:60.000"),
    ("kick", (A, 1.0, 0.0), "kick:127.0.0.1:5001:1.000:0.000"),
    ("unconfirmed", (A,), "unconfirmed:127.0.0.1:5001"),
    ("listen", (B,), "seed listens:[::1]:5002"),
    ("is_it_you", (NONCE,), f"seed asks:{NONCE}"),
    ("it_is_me", (NONCE,), f"seed confirms:{NONCE}"),
    ("tree", (0, A, ((0, A),)), f"tree:0:127.0.0.1:5001:127.0.0.1#5001={'0' * 24}"),
    ("tree", (3, C, ((0, B), (255, A), (2**96 - 1, C))),
     f"tree:3:10.0.0.9:65535:[::1]#5002={'0' * 24} 127.0.0.1#5001={'ff':0>24} "
     f"10.0.0.9#65535={'f' * 24}"),
    ("load", (0, ()), "load:0:"), ("load", (7, (3, 3, 16)),
                                   f"load:7:{'3':0>24} {'3':0>24} {'10':0>24}"),
    ("loads", ((),), "loads:"), ("loads", (((A, 3), (B, 0)),),
                                 "loads:127.0.0.1#5001=3 [::1]#5002=0"),
    ("rows", (0.25, "about", C, 9, 2, ENTRIES[:1]),
     "rows:0.250:about:10.0.0.9:65535:9:2:127.0.0.1#5001=10,0,0,0,0"),
    ("rows", (12345.678, "by", B, 1, 1, ()), "rows:12345.678:by:[::1]:5002:1:1:"),
    ("verdicts", (0, ((), (), ())), "verdicts:0:||"),
    ("charged", (parse_address("127.0.0.1:5001"), 3, 1.5), "charged:127.0.0.1:5001:3:1.500"),
    ("verdicts", (5, (((A, 0.5), (C, 1.0)), (B,), ((A, B), (B, A)))),
     "verdicts:5:127.0.0.1#5001=0.500 10.0.0.9#65535=1.000|[::1]#5002|"
     "127.0.0.1#5001>[::1]#5002 [::1]#5002>127.0.0.1#5001")]


def test_no_line_of_monitoring_begins_as_one_of_the_wire_does():
    words = {spelling.partition(":")[0] for spelling in wire.LINES.values()}
    assert words.isdisjoint(line.partition(":")[0] for _, _, line in SAID)


@pytest.mark.parametrize("kind, values, line", SAID, ids=lambda given: str(given)[:20])
def test_a_line_reads_as_it_was_said(kind, values, line):
    assert say(kind, *values).decode() == line + "\n" and parse(line.encode()) == (kind, values)


def test_all_other_lines_are_those_of_signing():
    assert parse(b"ask tree") == ("ask_tree", ())
    assert parse(b"peer list") == wire.parse(b"peer list")
    assert parse(say_runs(A, range(1, STARTS_LIMIT))[:-1])[0] == "runs"


E, E2, ZERO, ONE = "1.2.3.4#5=1,0,0,0,0", "1.2.3.4#6=1,0,0,0,0", "0" * 24, "1".zfill(24)


@pytest.mark.parametrize("line", [
    f"report:1:1:{E}  {E2}", f"report:1:1:{E} {E}", f"report:1:1:{E} ", f"report:1:1: {E}",
    "report", "report:1:1", "report:0:1:", "report:1:0:", "report:01:1:", "report:-1:1:",
    "report:1:1:\n", "report:1:1: ",
    f"report:1:{'9' * 20}:", "report::1:", "report:1:1:1.2.3.4#5=1,0,0,0",
    f"report:1:1:{E},0", "report:1:1:1.2.3.4:5=1,0,0,0,0", "report:1:1:1.2.3.4#5=1,2,0,0,0",
    "report:1:1:1.2.3.4#5=1,0,2,0,0", "report:1:1:1.2.3.4#5=01,0,0,0,0",
    "report:1:1:1.2.3.4#5=+1,0,0,0,0", "report:1:1:1.2.3.4#5=1,0,0,0,1000000001",
    "report:1:1:1.2.3.4#5=1,0,0,0,1_0", "report:1:1:1.2.3.4#5=1,0,0,-1,0",
    "report:1:1:[0::1]#5=1,0,0,0,0", "report:1:1:1.2.3.04#5=1,0,0,0,0",
    "report:1:1:1.2.3.4#65536=1,0,0,0,0", "report:1:1:[::ffff:1.2.3.4]#5=1,0,0,0,0",
    f"rows:1:about:1.2.3.4:9:1:1:{E}", f"rows:01.000:about:1.2.3.4:9:1:1:{E}",
    f"rows:-1.000:about:1.2.3.4:9:1:1:{E}", f"rows:1.000:of:1.2.3.4:9:1:1:{E}",
    f"rows:1.0000:by:1.2.3.4:9:1:1:{E}", f"rows:1000000000.000:by:1.2.3.4:9:1:1:{E}",
    f"rows:nan:by:1.2.3.4:9:1:1:{E}", f"rows:1.000:by:1.2.3.4#9:1:1:{E}",
    f"rows:1.000:by:1.2.3.4:9:1:{E}", f"rows:1.000:by:1.2.3.4:9:1:1:{E} {E}",
    "tree:1:1.2.3.4:5:", f"tree:1:1.2.3.4:5:1.2.3.4#5={ONE}", "tree:1:1.2.3.4:5:1.2.3.4#5=0",
    f"tree:1:1.2.3.4:5:1.2.3.4#5={ZERO} 1.2.3.4#6={ZERO}",
    f"tree:1:1.2.3.4:5:1.2.3.4#5={ZERO} 1.2.3.4#5={ONE}",
    f"tree:1:1.2.3.4:5:1.2.3.4#5={ZERO} 1.2.3.4#6={'2'.zfill(24)} 1.2.3.4#7={ONE}",
    f"tree:1:1.2.3.4:5:1.2.3.4#5={ZERO} 1.2.3.4#6={'F' * 24}",
    f"tree:00:1.2.3.4:5:1.2.3.4#5={ZERO}", f"load:1:{ONE} {ZERO}", "load::", "load:1", "load:1:0",
    "load:1000000001:", f"load:16:{' '.join([ONE] * 16)}", "loads:1.2.3.4#5=1 1.2.3.4#5=2",
    "loads:1.2.3.4#5=1000000001", "loads:1.2.3.4#5", "verdicts:1:||1.2.3.4#5", "verdicts:1:|",
    "verdicts::||", "verdicts:1:1.2.3.4#5=1.001||", "verdicts:1:1.2.3.4#5=2.000||",
    "verdicts:1:1.2.3.4#5=0.1||", "verdicts:1:1.2.3.4#5=0.100 1.2.3.4#5=0.200||",
    "verdicts:1:|1.2.3.4#5 1.2.3.4#5|", "verdicts:1:||1.2.3.4#5>1.2.3.4#6 1.2.3.4#5>1.2.3.4#6",
    "kick:1.2.3.4:5", "kick:1.2.3.4:5:0.500", "kick:1.2.3.4:5:0.500:", "kick:1.2.3.4:5:.500:1.000",
    "kick:1.2.3.4:5:1.001:1.000", "kick:1.2.3.4:5:0.500:09.000", "kick:1.2.3.4:5:0.500:inf",
    "kick:1.2.3.4#5:0.500:1.000", "unconfirmed:1.2.3.4#5", "unconfirmed:", "unconfirmed:1.2.3.4:5 ",
    "seed listens", "seed listens:", "seed:1.2.3.4:5", f"seed asks:{'a' * 31}",
    f"seed asks:{'A' * 32}", f"seed confirms:{'a' * 33}", "seed confirms", "ask tree:", "ask tree ",
    "contradiction", "contradiction:", "contradiction:|", "any:report:1:1:", "peer list "])
def test_what_is_malformed_is_refused(line):
    with pytest.raises(ProtocolError):
        parse(line.encode())


# Limits.

def most(count: int, **changed) -> dict:
    """Return the arguments of lines with lists of so many words, each as long as can be."""
    some = LONGEST[:count]
    entries = [Entry(peer, *[MOST] * 5) for peer in some]
    lists = {"judged": JUDGED_LIMIT, "void": JUDGED_LIMIT, "pairs": JUDGED_LIMIT} | changed
    parts = ([(peer, 0.5) for peer in LONGEST[:lists["judged"]]], LONGEST[:lists["void"]],
             list(zip(LONGEST, LONGEST[1:]))[:lists["pairs"]])
    return {"report": (BIGGEST, BIGGEST, entries), "load": (MOST, range(count)),
            "rows": (9e8, "about", LONGEST[0], BIGGEST, BIGGEST, entries),
            "tree": (BIGGEST, LONGEST[0], tuple(enumerate(some))),
            "loads": ([(peer, MOST) for peer in some],), "verdicts": (BIGGEST, parts)}


@pytest.mark.parametrize("kind, limit, name", [
    ("report", 68, ""), ("rows", 68, ""), ("load", 15, ""), ("tree", 1_000, ""),
    ("loads", 1_000, ""), ("verdicts", 500, "judged"), ("verdicts", 500, "void"),
    ("verdicts", 500, "pairs")])
def test_a_line_with_as_many_words_as_may_be_is_read_and_a_longer_one_is_refused(kind, limit, name):
    line = say(kind, *most(limit)[kind])
    assert parse(line[:-1])[0] == kind and len(line) <= wire.LINE_LIMIT
    with pytest.raises(ProtocolError):
        parse(say(kind, *most(limit + 1, **{name: limit + 1})[kind])[:-1])


def test_verdicts_are_said_in_as_few_lines_as_can_be():
    judged = tuple((peer, 0.5) for peer in LONGEST)
    for found, counts in (((judged, (A,), ()), [(500, 1, 0), (500, 0, 0), (1, 0, 0)]),
                          (((), tuple(LONGEST[:501]), ((A, B),)), [(0, 500, 1), (0, 1, 0)]),
                          (((), (), ()), [(0, 0, 0)])):
        read = [parse(line)[1] for line in say_verdicts(7, *found).splitlines()]
        assert [tuple(map(len, parts)) for _, parts in read] == counts
        assert {known for known, _ in read} == {7}
        assert tuple(each for _, parts in read for each in parts[0]) == found[0]


@pytest.mark.parametrize("seconds, shown", [
    (-1e-9, "0.000"), (-5.0, "0.000"), (0.0004, "0.000"), (0.9996, "1.000"),
    (1e300, "999999999.000")])
def test_seconds_are_said_so_that_they_can_be_read(seconds, shown):
    line = say("kick", A, 0.5, seconds)
    assert line.decode() == f"kick:127.0.0.1:5001:0.500:{shown}\n"
    assert parse(line[:-1])[1][2] == float(shown)


@pytest.mark.parametrize("start, part", [
    ("report:1:1:", f"{E} "), ("report:1:1:", "1.2.3.4#5=1,1,1,1,"), ("report:1:1:", "[:"),
    ("report:", "1"), ("rows:", "1."), ("tree:1:1.2.3.4:5:", f"1.2.3.4#5={ZERO} "),
    ("load:1:", f"{ZERO} "), ("verdicts:1:||", "1.2.3.4#5>1.2.3.4#5 "), ("verdicts:1:", "|"),
    ("contradiction:", "A"), (f"contradiction:{'A' * 43}:", f"{'A' * 86}:1,1:"),
    (f"contradiction:{'A' * 43}:{'A' * 86}:", "1,")])
def test_a_long_line_of_anything_is_refused(start, part):
    """A pattern that tries all ways to read one would take minutes here."""
    with pytest.raises(ProtocolError):
        parse((start + part * ((wire.LINE_LIMIT - len(start)) // len(part))).encode())


# Contradictions.

KEY = signer(str(A))


def proof_of(*said, secrets=("", ""), origins=(A, A)):
    """Return the evidence of two lines (NUMBER, texts)."""
    one, other = [parse_signed(signed(str(origin), signer(str(origin), secret), *what).encode())
                  for what, secret, origin in zip(said, secrets, origins)]
    return contradiction_of(one, other)


def head(number: int, *texts: bytes, lengths=None, time=TIME, origin=A, secret=None) -> str:
    """Return a HEAD that the key of the run, or another, has signed, whatever it says."""
    if lengths is None:
        lengths = ",".join(str(len(text)) for text in texts) if len(texts) > 1 else ""
    key = signing_key(hashlib.sha256(f"{origin} ".encode()).digest())
    run = run_of(origin, start_of(origin.text, key.public)).decode()
    about = f"{lengths}:gmessage:{time}:{run}"
    hashes = b"".join(hashlib.sha256(text).digest() for text in texts)
    signer = signing_key(secret) if secret else key
    signature = signer.sign(f"gossip {about}:{number}:".encode() + hashes)
    signature, hashes = (base64.urlsafe_b64encode(data).rstrip(b"=").decode()
                         for data in (signature, hashes))
    return f"{signature}:{about}:{number}:{hashes}"


def field(*heads: str, key=None) -> bytes:
    public = signing_key(hashlib.sha256(f"{A} ".encode()).digest()).public
    return f"{key or base64.urlsafe_b64encode(public).decode()[:43]}:{'|'.join(heads)}".encode()


def is_true(proof: bytes) -> bool:
    """Tell whether a contradiction is well formed, and signed."""
    try:
        return parse_contradiction(proof).is_true()
    except ProtocolError:
        return False


@pytest.mark.parametrize("one, other", [
    ((7, "yes"), (7, "no")), ((7, "x" * 65_000), (7, "y" * 65_000)), ((1, "a|b"), (1, "|signed:")),
    ((1, *"abc"), (3, "d")), ((3, "d"), (1, *"abc")), ((1, *"abc"), (3, *"cd")),
    ((1, "same", "x"), (1, "same")), ((1, *"x" * 128), (128, *"y" * 128)), ((2, ""), (1, "", "x"))])
def test_two_lines_that_share_a_number_are_a_contradiction_and_read_as_they_were_said(one, other):
    evidence = proof_of(one, other)
    line = say("contradiction", evidence)
    assert len(line) < 16_384
    assert parse(line[:-1]) == ("contradiction", (evidence,))
    assert evidence.is_true() and evidence.run == run_of(A, KEY.start)
    texts = ["|".join([head(number, *map(str.encode, said)) for number, *said in (one, other)])]
    assert evidence.text.encode() == field(*texts)


def test_a_contradiction_covers_time_and_lengths_too():
    assert is_true(field(head(7, b"x"), head(7, b"x", time="1.000000")))
    assert is_true(field(head(7, b"x", b"y"), head(7, b"x", b"y", lengths="2,0")))


@pytest.mark.parametrize("one, other, words", [
    ((7, "x"), (7, "x"), {}), ((1, *"abc"), (4, "d"), {}), ((4, "d"), (1, *"abc"), {}),
    ((1, "x"), (2, "y"), {}), ((7, "x"), (7, "y"), {"secrets": ("", "other")}),
    ((7, "x"), (7, "y"), {"origins": (A, C)}), ((7, "x"), (7, "y"), {"origins": (C, A)})])
def test_twice_the_same_other_numbers_or_other_runs_contradict_nothing(one, other, words):
    with pytest.raises(ProtocolError, match="^no contradiction"):
        parse_contradiction(proof_of(one, other, **words).text.encode())


def test_the_key_is_that_of_the_run():
    good = field(head(7, b"x"), head(7, b"y"))
    stranger = Signer(A, bytes(32))
    key = stranger.proof("x").split(b":")[1].decode()
    assert is_true(good) and not is_true(field(head(7, b"x"), head(7, b"y"), key=key))
    assert not is_true(field(head(7, b"x", origin=B), head(7, b"y", origin=B)))
    forged = [head(7, text, secret=bytes(32)) for text in (b"x", b"y")]
    assert not is_true(field(*forged, key=key)), "anybody can make a key for this address"
    assert not is_true(field(head(7, b"x"), f"{key}:{forged[1]}")), "nor may that be the second"
    assert not is_true(good.partition(b":")[2]), "there is one"


@pytest.mark.parametrize("lengths, count, is_read", [
    ("", 1, True), ("", 2, False), ("", 0, False), ("1", 1, False), ("1,1", 2, True),
    ("1,1", 1, False), ("1,1", 3, False), ("1,1,1", 3, True), ("1,1,1", 2, False),
    (",", 2, False), ("01,1", 2, False), ("1,", 2, False), ("123456,1", 2, False),
    (",".join("1" * 128), 128, True), (",".join("1" * 129), 129, False)])
def test_there_are_as_many_hashes_as_lengths(lengths, count, is_read):
    odd = head(7, *[b"x"] * count, lengths=lengths)
    for heads in (odd, head(7, b"y")), (head(7, b"y"), odd):
        assert is_true(field(*heads)) == is_read


@pytest.mark.parametrize("text", ["other", "one"])
def test_two_keys_of_one_run_contradict_each_other(text, monkeypatch):
    """Who makes some 2^32 keys has two with one START."""
    monkeypatch.setattr(grammar, "start_of", lambda address, key: 7)
    monkeypatch.setattr(grammar, "key_of", grammar.key_of.__wrapped__)
    evidence = proof_of((7, "one"), (7, text), secrets=("", "other"))
    assert parse(say("contradiction", evidence)[:-1]) == ("contradiction", (evidence,))
    assert evidence.is_true() and evidence.run == run_of(A, 7)


def test_every_field_has_one_spelling():
    good = field(head(7, b"x"), head(7, b"y")).decode()
    key, signature, _, *_, hashes = good.split("|")[0].split(":")
    for word in key, signature, hashes:
        spare = [chr(ord(word[-1]) + 1), chr(ord(word[-1]) ^ 1)]
        for other in [word + "=", word + "A", word[:-1], "", "+" + word[1:], "/" + word[1:],
                      " " + word, word[:9] + "\n" + word[9:], *(word[:-1] + end for end in spare)]:
            assert not is_true(good.replace(word, other).encode()), other
    for old, new in (":7:", ":07:"), (":7:", ":0:"), (TIME, "1.0"), ("127.", "127.0"), \
            ("gmessage", "any:gmessage"), ("|", "||"), ("|", "|x"), ("|", ":|"), ("|", "| "):
        assert not is_true(good.replace(old, new).encode()), new
    assert not is_true(good.encode() + b"|" + head(7, b"z").encode())
    assert not is_true(good.partition("|")[0].encode()) and not is_true(good.encode() + b"\xff")


def test_both_signatures_count():
    one, other = head(7, b"x"), head(7, b"y")
    wrong = head(7, b"z")[:86] + other[86:]
    assert parse_contradiction(field(one, wrong)) and not is_true(field(one, wrong))
    assert not is_true(field(wrong, one)) and is_true(field(other, one))
