"""Ed25519, by OpenSSL and by our own code: the vectors of RFC 8032, and everything that is no
signature. Both judge alike, because peers blame each other for bad signatures."""

import concurrent.futures
import functools
import hashlib
import random
import subprocess
import sys

import pytest

import grapevine.signing
from grapevine.signing import ed25519
from grapevine.signing.ed25519 import L, P, check, implementation
from tests.tables.curve import (
    NEUTRAL, NONCES, SMALL, TwistedKey, as_others, bytes_of, flipped, hashed, number, spelled)
from tests.tools.programs import ROOT

try:
    import _ctypes
    import _hashlib
    import ctypes

    from grapevine.signing import openssl
except ImportError:
    openssl = None  # then our own code is tested alone

needs_openssl = pytest.mark.skipif(openssl is None, reason="this Python has no OpenSSL")
BOTH = [module for module in (ed25519, openssl) if module]
VECTORS = [  # tests 1 to 3 and SHA(abc) of section 7.1
    *ed25519.SIGNED,
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     hashlib.sha512(b"abc").hexdigest(),
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431"
     "e0303dca179c138ac17ad9bef1177331a704")]
KEY = ed25519.SigningKey(bytes(range(32)))
SIGNATURE = KEY.sign(b"message")
TWISTED = [TwistedKey(bytes(32), small) for small in SMALL]
NO_POINTS = [2, P + 3, 1 | 1 << 255, P - 1 | 1 << 255, P, P + 1, 2**255 - 1, 2**256 - 1]


@pytest.fixture(params=BOTH, ids=lambda module: module.NAME)
def chosen(request, monkeypatch):
    """The implementation by which all is signed and checked meanwhile."""
    monkeypatch.setattr(ed25519, "implementation", lambda: request.param)
    return request.param


def judged(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return what both say, which must be the same."""
    answers = set()
    with pytest.MonkeyPatch.context() as patch:
        for module in BOTH:
            patch.setattr(ed25519, "implementation", lambda module=module: module)
            answers.add(check(public, message, signature))
    assert len(answers) == 1, (public.hex(), message.hex(), signature.hex())
    return answers.pop()


# What is a signature, and what is none.

@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{len(vector[2]) // 2} bytes")
def test_the_vectors_of_the_rfc(chosen, vector):
    secret, public, message, signature = map(bytes.fromhex, vector)
    key = ed25519.signing_key(secret)
    assert isinstance(key, chosen.SigningKey)
    assert key.public == public and key.sign(message) == signature
    assert check(public, message, signature) and not check(public, message + b"x", signature)


def test_a_changed_bit_is_refused(chosen):
    for which, part in enumerate(honest := (KEY.public, b"hi", KEY.sign(b"hi"))):
        for bit in range(0, 8 * len(part), 3):  # each bit of a byte, in one of three bytes
            changed = list(honest)
            changed[which] = flipped(part, bit)
            assert not check(*changed), f"bit {bit} of part {which}"


def test_a_key_and_a_scalar_have_one_spelling():
    scalar = number(SIGNATURE[32:])
    others = [scalar + factor * L for factor in range(1, (2**256 - scalar) // L)]
    for other in [*others, 0, 1, L - 1, L, L + 1, 2**252, 2**255, 2**256 - 1]:
        assert not judged(KEY.public, b"message", SIGNATURE[:32] + spelled(other))
    for y in range(P, 2**255):  # 19 numbers, of which the field has smaller ones
        for odd in (0, 1 << 255):
            assert not judged(spelled(y | odd), b"message", bytes([1]) + bytes(63))
            assert not judged(spelled(y | odd), b"message", SIGNATURE)


@pytest.mark.parametrize("point, fits", [
    (1, True), (P + 1, False), (1 | 1 << 255, False), (P + 1 | 1 << 255, False)])
def test_the_point_of_a_signature_has_one_spelling(point, fits):
    """Who has the key can sign with the neutral point, and would be free to spell it otherwise."""
    key, point = TwistedKey(bytes(32), NEUTRAL), spelled(point)
    signature = key.sign(b"message", 0, NEUTRAL)
    scalar = number(signature[32:]) * pow(hashed(signature[:32], key.public, b"message"), -1, L)
    made = spelled(hashed(point, key.public, b"message") * scalar % L)
    assert judged(key.public, b"message", point + made) == fits
    assert judged(key.public, b"message", point + signature[32:]) == fits


@pytest.mark.parametrize("public", [
    *map(bytes_of, SMALL), *map(spelled, NO_POINTS)], ids=lambda key: f"{number(key):x}")
def test_what_is_no_key_fits_no_message(public):
    """Our own code alone refuses what spells no point; a key of small order fits any message."""
    signatures = [(b"%d" % at, bytes_of(small) + bytes(32)) for small in SMALL for at in range(8)]
    assert not any(judged(public, *signed) for signed in signatures)
    assert any(ed25519.fits(public, *signed) for signed in signatures) == (
        number(public) not in NO_POINTS)


def test_a_key_and_a_signature_have_one_length():
    """Also a signature whose last byte says nothing."""
    message = next(b"%d" % at for at in range(10**4) if KEY.sign(b"%d" % at)[-1] == 0)
    signature = KEY.sign(message)
    for size in 0, 1, 31, 32, 33, 63, 64, 65, 128:
        assert judged((KEY.public * 4)[:size], message, signature) == (size == 32)
        assert judged(KEY.public, message, (signature + bytes(64))[:size]) == (size == 64)


# Both are alike.

def perhaps_changed(rng: random.Random) -> list[bytes]:
    """Return a key, a message and a signature, of which a bit may have been flipped."""
    message = rng.randbytes(rng.randrange(1, 99))
    if rng.random() < 0.5:
        parts = [KEY.public, message, KEY.sign(message)]
    else:
        key = rng.choice(TWISTED)
        signature = key.sign(message, rng.choice(list(NONCES)), rng.choice(SMALL))
        parts = [key.public, message, signature]
    if rng.random() < 0.7:
        which = rng.randrange(3)
        parts[which] = flipped(parts[which], rng.randrange(8 * len(parts[which])))
    return parts


@pytest.mark.parametrize("count", [150, pytest.param(100_000, marks=pytest.mark.slow)])
def test_both_judge_alike_whatever_was_changed(count):
    rng = random.Random(2)
    assert count / 10 < sum(judged(*perhaps_changed(rng)) for _ in range(count)) < count / 2


def test_both_judge_alike_keys_with_a_part_of_small_order():
    """An owner of such a key could part those who compute otherwise."""
    good = sum(judged(key.public, b"%d" % at, key.sign(b"%d" % at, 1, small))
               for key in TWISTED for small in SMALL for at in range(2))
    assert 5 < good < 50  # an eighth of 128, or more


# Threads, errors, memory.

@needs_openssl
def test_many_threads_sign_and_check_with_one_key_at_the_same_time():
    key, text, interval = openssl.SigningKey(bytes(32)), b"x" * 5_000, sys.getswitchinterval()
    signature = key.sign(text)

    def work(_):
        return all(key.sign(text) == signature and openssl.fits(key.public, text, signature)
                   and not openssl.fits(key.public, b"x", signature) for _ in range(60))

    sys.setswitchinterval(1e-6)
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(8)))
    finally:
        sys.setswitchinterval(interval)


@needs_openssl
def test_no_error_is_left_to_others():
    """Python's ssl module reads the same list of errors."""
    first_error = ctypes.PyDLL(getattr(_hashlib, "__file__", None)).ERR_peek_error
    for public in (KEY.public, spelled(2)):
        assert not openssl.fits(public, b"another", SIGNATURE) and first_error() == 0
    with pytest.raises(openssl.Unable):
        openssl.SigningKey(bytes(31))
    with pytest.raises(openssl.Unable):
        openssl.fits(bytes(31), b"message", SIGNATURE)
    assert first_error() == 0


MEMORY = """
import pathlib, random
from grapevine.signing import openssl
def resident_after(times):
    for at in range(times):
        key = openssl.SigningKey(random.randbytes(32))
        assert openssl.fits(key.public, b"message", key.sign(b"message"))
        openssl.fits(random.randbytes(32), b"message", bytes(64))
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4
print(-resident_after(2_000) + resident_after(10_000))
"""


@pytest.mark.slow
@needs_openssl
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux' account of memory")
def test_nothing_is_left_in_memory():
    """A context or a key that is not freed would be some hundred bytes each time."""
    done = subprocess.run([sys.executable, "-c", MEMORY], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == "" and int(done.stdout) < 512, done


# Where there is no OpenSSL that can be used.

@pytest.fixture
def choose():
    yield lambda: (implementation.cache_clear(), implementation())[1]
    implementation.cache_clear()


def cannot(*_):
    raise openssl.Unable


@needs_openssl
@pytest.mark.parametrize("name, function", [
    ("fits", lambda *_: True), ("fits", lambda *_: False), ("fits", cannot),
    ("fits", functools.partial(as_others, 1)), ("fits", functools.partial(as_others, 8)),
    ("SigningKey", cannot), ("SigningKey", lambda secret: ed25519.SigningKey(secret[::-1]))])
def test_an_openssl_that_judges_otherwise_is_not_used(name, function, monkeypatch, choose):
    assert choose() is openssl and as_others(8, KEY.public, b"message", SIGNATURE)
    monkeypatch.setattr(openssl, name, function)
    assert choose() is ed25519


@needs_openssl
@pytest.mark.parametrize("name, value", [
    ("_ctypes", None), ("_hashlib", None), ("__file__", "nowhere.so"), ("__file__", __file__),
    ("__file__", openssl and getattr(_ctypes, "__file__", ""))], ids=str)  # has other functions
def test_without_a_way_to_openssl_our_own_code_signs(name, value, monkeypatch, choose):
    for module in ("ctypes", "grapevine.signing.openssl"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.delattr(grapevine.signing, "openssl")
    if name == "__file__":
        monkeypatch.setattr(_hashlib, name, value, raising=False)
    else:
        monkeypatch.setitem(sys.modules, name, value)
    assert choose() is ed25519
