"""OpenSSL's signatures and our own: alike to the last bit, by many threads, without a leak; and
what is done where there is no OpenSSL."""

import concurrent.futures
import ctypes
import functools
import random
import subprocess
import sys

import pytest

from gossip.signing import ed25519
from tests.tools.files import lines_of
from tests.tools.ports import free_port
from tests.tools.programs import ROOT, Program, environment, peer_file, run
from tests.tools.signatures import TwistedKey, needs_openssl, openssl, signing_by, small_points
from tests.tools.waiting import wait_until

pytestmark = needs_openssl
KEYS = 16


def judged(public, message, signature):
    """What both say, which must be the same."""
    answers = set()
    for implementation in (ed25519, openssl):
        with signing_by(implementation):
            answers.add(ed25519.check(public, message, signature))
    assert len(answers) == 1, (public.hex(), message.hex(), signature.hex())
    return answers.pop()


def number(data):
    return int.from_bytes(data, "little")


def test_both_make_the_same_keys_and_signatures():
    rng = random.Random(1)
    for size in (0, 1, 31, 64, 127, 128, 129, 8_500):
        secret, message = rng.randbytes(32), rng.randbytes(size)
        own, theirs = ed25519.SigningKey(secret), openssl.SigningKey(secret)
        assert own.public == theirs.public
        assert own.sign(message) == theirs.sign(message)
        assert judged(own.public, message, own.sign(message))


class Mutator:
    """Signatures and changed ones, by chance: most are spelled well, and have to be computed."""

    def __init__(self, rng):
        self._rng = rng
        self._keys = [ed25519.SigningKey(rng.randbytes(32)) for _ in range(KEYS)]
        self._points = small_points()
        self._twisted = [TwistedKey(rng.randbytes(32), rng.choice(self._points))
                         for _ in range(KEYS)]
        self._ways = [self.honest, self.twisted, self.twisted, self.flipped, self.flipped,
                      self.mixed, self.of_small_points, self.with_another_scalar]

    def __call__(self):
        return self._rng.choice(self._ways)()

    def honest(self):
        key, message = self._rng.choice(self._keys), self._rng.randbytes(self._rng.randrange(99))
        return key.public, message, key.sign(message)

    def twisted(self):
        key, message = self._rng.choice(self._twisted), self._rng.randbytes(9)
        return key.public, message, key.sign(
            message, self._rng.randrange(ed25519.L), self._rng.choice(self._points))

    def flipped(self):
        """One bit is another: of the message and of the signature mostly, as keys are dear."""
        parts = list(self._rng.choice([self.honest, self.twisted])())
        which = self._rng.choice([0] + [1, 2] * 4)
        if parts[which]:
            bit = self._rng.randrange(8 * len(parts[which]))
            changed = number(parts[which]) ^ 1 << bit
            parts[which] = changed.to_bytes(len(parts[which]), "little")
        return tuple(parts)

    def mixed(self):
        """Parts of three signatures."""
        one, two, three = self.honest(), self.twisted(), self._rng.choice(self._ways[:2])()
        return one[0], two[1], self._rng.choice([two, three])[2][:32] + one[2][32:]

    def of_small_points(self):
        """The point of the signature, and sometimes the key, is of small order."""
        point, other = (ed25519._encode(self._rng.choice(self._points)) for _ in range(2))
        scalar = self._rng.choice([0, 1, ed25519.L - 1, self._rng.randrange(ed25519.L)])
        public = self._rng.choice([other, self._rng.choice(self._twisted).public])
        return public, b"message", point + scalar.to_bytes(32, "little")

    def with_another_scalar(self):
        public, message, signature = self._rng.choice([self.honest, self.twisted])()
        scalar = self._rng.choice([number(signature[32:]) + ed25519.L, 0, ed25519.L,
                                   self._rng.randrange(2**256)])
        return public, message, signature[:32] + scalar.to_bytes(32, "little")


@pytest.mark.parametrize("times", [100, pytest.param(100_000, marks=pytest.mark.slow)])
def test_both_judge_alike_whatever_was_changed(times):
    mutated = Mutator(random.Random(2))
    good = sum(judged(*mutated()) for _ in range(times))
    assert times / 10 < good < times / 2


def test_both_judge_alike_keys_with_a_part_of_small_order():
    """An owner of such a key could part those who compute otherwise."""
    rng, points, good = random.Random(3), small_points(), 0
    for of_key in points:
        key = TwistedKey(bytes(32), of_key)
        for of_signature in points:
            for _ in range(2):
                message = rng.randbytes(8)
                good += judged(key.public, message,
                               key.sign(message, rng.randrange(ed25519.L), of_signature))
    assert 5 < good < 50  # an eighth of 128


def test_both_refuse_every_key_of_small_order():
    """Also where the equation holds: of a key of order 1, 2, 4 or 8 anybody can make it hold."""
    points = small_points()
    for point in points:
        public = ed25519._encode(point)
        held = False
        for made in map(ed25519._encode, points):
            for message in (b"%d" % at for at in range(4)):
                signature = made + bytes(32)
                held |= ed25519.fits(public, message, signature)
                assert ed25519.fits(public, message, signature) == openssl.fits(
                    public, message, signature)
                assert not judged(public, message, signature)
        assert held


@pytest.mark.parametrize("at", range(8))
def test_both_take_the_point_of_a_signature_in_one_spelling(at):
    """Of small order, if its owner likes, but spelled as it has to be."""
    small, key, rng = small_points()[at], TwistedKey(bytes(32), ed25519.NEUTRAL), random.Random(at)
    signature = key.sign(b"message", 0, small)
    assert judged(key.public, b"message", signature) == (at == 0)
    point = number(signature[:32])
    for other in (point ^ 1 << 255, (point + ed25519.P) % 2**256, rng.randrange(2**256)):
        assert not judged(key.public, b"message", other.to_bytes(32, "little") + signature[32:])


def test_both_take_a_key_and_a_scalar_in_one_spelling():
    key = ed25519.SigningKey(bytes(32))
    signature = key.sign(b"message")
    scalar = number(signature[32:])
    for times in range(1, (2**256 - scalar) // ed25519.L):
        other = (scalar + times * ed25519.L).to_bytes(32, "little")
        assert not judged(key.public, b"message", signature[:32] + other)
    for y in range(ed25519.P, 2**255):  # 19 numbers, of which the field has smaller ones
        for odd in (0, 1 << 255):
            public = (y | odd).to_bytes(32, "little")
            assert not judged(public, b"message", bytes([1]) + bytes(63))
            assert not judged(public, b"message", signature)


@pytest.mark.parametrize("size", [0, 1, 31, 33, 63, 64, 65, 128])
def test_both_refuse_wrong_lengths(size):
    """Also a signature whose last byte says nothing."""
    key = ed25519.SigningKey(bytes(32))
    signature = key.sign(b"message 41")
    assert signature[-1] == 0
    assert not judged((key.public * 4)[:size], b"message 41", signature)
    assert judged(key.public, b"message 41", (signature + bytes(64))[:size]) == (size == 64)


# Threads, memory, errors.

@functools.cache
def said():
    """Signatures, good and bad, and which of them fit."""
    mutated = Mutator(random.Random(4))
    made = [mutated() for _ in range(100)]
    return made, [judged(*one) for one in made]


@pytest.mark.slow
def test_many_threads_check_and_sign_at_the_same_time():
    made, expected = said()
    key = openssl.SigningKey(bytes(32))
    signature = key.sign(b"x" * 5_000)

    def work(seed):
        order = random.Random(seed).sample(range(len(made)), len(made))
        wrong = [at for at in order if ed25519.check(*made[at]) != expected[at]]
        return wrong, key.sign(b"x" * 5_000) == signature

    with signing_by(openssl), concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(24))) == [([], True)] * 24


def test_no_error_is_left_to_others():
    """Python's ssl module reads the same list of errors, one for each thread."""
    first_error = ctypes.PyDLL(openssl._hashlib.__file__).ERR_peek_error
    made, _ = said()
    for one in made:
        openssl.fits(*one)
        assert first_error() == 0
    with pytest.raises(openssl.Unable):
        openssl.SigningKey(bytes(31))
    assert first_error() == 0
    with pytest.raises(openssl.Unable):
        openssl.fits(bytes(31), b"message", bytes(64))
    assert first_error() == 0


LEAK = """
import random, sys
sys.path.insert(0, {root!r})
from gossip.signing import openssl

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096

def check(times):
    for at in range(times):
        signature = good if at % 2 else good[:32] + random.randbytes(32)
        assert openssl.fits(key.public, b"message", signature) == at % 2
        if at % 8 == 0:
            openssl.SigningKey(random.randbytes(32)).sign(b"message")
            openssl.fits(random.randbytes(32), b"message", good)
            try:
                openssl.fits(bytes(31), b"message", good)
            except openssl.Unable:
                pass

key = openssl.SigningKey(bytes(32))
good = key.sign(b"message")
check(2_000)
before = resident()
check({times})
print((resident() - before) // 1024, "KiB")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux' account of memory")
@pytest.mark.parametrize("times", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_nothing_is_left_in_memory(times):
    """A context or a key that is not freed would be some hundred bytes each time."""
    done = subprocess.run([sys.executable, "-c", LEAK.format(root=str(ROOT), times=times)],
                          capture_output=True, text=True, timeout=120)
    assert done.stderr == "" and int(done.stdout.split()[0]) < 512, done


# Where there is no OpenSSL that can be used.

def chosen():
    return ed25519.implementation.__wrapped__()


@pytest.mark.parametrize("missing", ["_ctypes", "_hashlib"])
def test_without_a_way_to_openssl_our_own_code_signs(missing, monkeypatch):
    assert chosen() is openssl
    for name in ("ctypes", "gossip.signing.openssl"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("gossip.signing.openssl")
    monkeypatch.setitem(sys.modules, missing, None)
    assert chosen() is ed25519


@pytest.mark.parametrize("file", ["nowhere.so", ROOT / "peer.py", None])
def test_a_library_without_the_functions_is_not_used(file, monkeypatch):
    """None: `_hashlib` is built into the program, which does not show what else is in it."""
    monkeypatch.setattr(openssl._hashlib, "__file__", file and str(file))
    with pytest.raises(ImportError):
        openssl._loaded()


def test_on_windows_the_library_stands_beside_the_extension(tmp_path, monkeypatch):
    for name in ("_hashlib.pyd", "libcrypto-3.dll", "libssl-3.dll", "libcrypto-3.pdb"):
        (tmp_path / name).touch()
    monkeypatch.setattr(openssl._hashlib, "__file__", str(tmp_path / "_hashlib.pyd"))
    assert openssl._libraries() == [str(tmp_path / "_hashlib.pyd")]
    monkeypatch.setattr("os.name", "nt")
    found = openssl._libraries()
    monkeypatch.undo()
    assert found == [str(tmp_path / "libcrypto-3.dll")]


def as_others(doublings, public, message, signature):
    """As other libraries judge: modulo L, or after both sides of the equation are doubled."""
    key = ed25519._decode(public)
    if key is None:
        return False
    challenge = ed25519._hashed(signature[:32], public, message)
    made = ed25519._multiplied((number(signature[32:]), ed25519.BASE),
                               (-challenge % ed25519.L, key))
    sides = made, ed25519._decode(signature[:32])
    for _ in range(doublings):
        sides = [ed25519._added(side, side) for side in sides]
    one, other = map(ed25519._encode, sides)
    return one == other


@pytest.mark.parametrize("name, function", [
    ("fits", lambda *_: True), ("fits", lambda *_: False),
    *(("fits", functools.partial(as_others, doublings)) for doublings in (0, 3)),
    ("SigningKey", lambda secret: ed25519.SigningKey(secret[::-1]))])
def test_an_openssl_that_judges_otherwise_is_not_used(name, function, monkeypatch):
    monkeypatch.setattr(openssl, name, function)
    assert chosen() is ed25519


@pytest.mark.parametrize("doublings", [0, 3])
def test_they_judge_honest_keys_as_we_do(doublings):
    key = ed25519.SigningKey(bytes(32))
    assert as_others(doublings, key.public, b"message", key.sign(b"message"))


WITHOUT_CTYPES = ["-c", "import runpy, sys; sys.modules['_ctypes'] = None; sys.argv[:1] = []; "
                        "runpy.run_path(sys.argv[0], run_name='__main__')"]
NO_PROVIDER = "openssl_conf = c\n[c]\nproviders = p\n[p]\nbase = b\n[b]\nactivate = 1\n"


def test_peers_with_openssl_and_without_understand_one_another(flags, seeds, tmp_path):
    """One has no ctypes; the OpenSSL of another has nothing but names, as under FIPS."""
    (tmp_path / "openssl.cnf").write_text(NO_PROVIDER)
    without = {"env": environment(OPENSSL_CONF=str(tmp_path / "openssl.cnf"))}
    kinds = [([], {}, "OpenSSL"), (WITHOUT_CTYPES, {}, "Python"), ([], without, "Python")]
    ports = [free_port() for _ in kinds]
    peers = [Program(*before, "peer.py", port, *flags, "--sign", "--gossip-count", 0, **popen)
             for (before, popen, _), port in zip(kinds, ports)]
    files = [peer_file(flags, port) for port in ports]

    def told(file, text):
        return sum(line.endswith(text) and ":gmessage:" in line for line in lines_of(file))

    try:
        wait_until(lambda: all(any(line.startswith("connected:") for line in lines_of(file))
                               for file in files))
        for at, peer in enumerate(peers):
            peer.type(f"say from {at}\n")
        wait_until(lambda: all(told(file, f":from {at}") for file in files for at in range(3)))
        for (_, _, name), peer in zip(kinds, peers):
            code, out, err = peer.finish("status\nquit\n")
            assert (code, err) == (0, "") and f"signatures by: {name}\n" in out
    finally:
        for peer in peers:
            peer.__exit__()
    assert not any(line.startswith("corrupt:") for file in files for line in lines_of(file))


@pytest.mark.slow
def test_virtual_time_passes_alike_whichever_signs(tmp_path):
    """START is a hash of the key, and stands in the files."""
    files = []
    for before, folder in ([], "openssl"), (WITHOUT_CTYPES, "own"):
        code, _, err = run(*before, "runner.py", "simulate", "--schedule", 4, "--sign",
                           "--until", 60, "--outputs", tmp_path / folder)
        assert (code, err) == (0, "")
        files.append({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()})
    assert files[0] == files[1] != {}
