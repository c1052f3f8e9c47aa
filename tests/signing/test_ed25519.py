"""Ed25519, by OpenSSL and by our own code: the vectors of RFC 8032, section 7.1, and everything
that is no signature."""

import hashlib

import pytest

from gossip.signing import ed25519
from gossip.signing.ed25519 import L, P, Y_OF_ORDER_8, check, signing_key
from tests.tools.signatures import IMPLEMENTATIONS, signing_by

VECTORS = [  # secret, public, message, signature
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a"),
    ("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     hashlib.sha512(b"abc").hexdigest(),
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431"
     "e0303dca179c138ac17ad9bef1177331a704"),
]


@pytest.fixture(scope="module", params=IMPLEMENTATIONS, autouse=True)
def implementation(request):
    with signing_by(request.param):
        yield


@pytest.fixture(scope="module")
def signed(implementation):
    key = signing_key(bytes(range(32)))
    return key.public, b"message", key.sign(b"message")


@pytest.mark.parametrize("vector", VECTORS, ids=["empty", "one byte", "two bytes", "SHA(abc)"])
def test_the_vectors_of_the_rfc(vector):
    secret, public, message, signature = map(bytes.fromhex, vector)
    key = signing_key(secret)
    assert key.public == public and key.sign(message) == signature
    assert check(public, message, signature) and not check(public, message + b"x", signature)


def test_every_changed_bit_is_refused(signed):
    for which, part in enumerate(signed):
        for bit in range(8 * len(part)):
            changed = list(signed)
            number = int.from_bytes(part, "little") ^ 1 << bit
            changed[which] = number.to_bytes(len(part), "little")
            assert not check(*changed), f"bit {bit} of part {which}"


def test_a_signature_has_one_spelling(signed):
    public, message, signature = signed
    scalar = int.from_bytes(signature[32:], "little")
    for times in range(1, (2**256 - scalar) // L):
        assert not check(public, message,
                         signature[:32] + (scalar + times * L).to_bytes(32, "little"))


@pytest.mark.parametrize("scalar", [0, 1, L - 1, L, L + 1, 2**252, 2**253, 2**255, 2**256 - 1])
def test_another_scalar_is_refused(scalar, signed):
    public, message, signature = signed
    assert not check(public, message, signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 63, 65, 128])
def test_a_key_and_a_signature_have_one_length(size, signed):
    public, message, signature = signed
    assert not check(public, message, (signature * 2)[:size])
    assert not check((public * 4)[:size] if size != 32 else b"", message, signature)


@pytest.mark.parametrize("point, fits", [
    (1, True), (P + 1, False), (1 | 1 << 255, False), (P + 1 | 1 << 255, False)])
def test_the_point_of_a_signature_has_one_spelling(point, fits):
    """Who has the key can sign with the neutral point, and would be free to spell it otherwise."""
    key, point = signing_key(bytes(32)), point.to_bytes(32, "little")
    secret = int.from_bytes(hashlib.sha512(bytes(32)).digest()[:32], "little")
    secret = secret & (2**254 - 8) | 2**254
    challenge = int.from_bytes(hashlib.sha512(point + key.public + b"message").digest(), "little")
    scalar = (challenge * secret % L).to_bytes(32, "little")
    assert check(key.public, b"message", point + scalar) == fits


@pytest.mark.parametrize("y, what", [
    (2, "no point of the curve has this y"), (P + 3, "a y that is not below the field's size"),
    (1 | 1 << 255, "x is 0, and called odd"), (P - 1 | 1 << 255, "x is 0, and called odd"),
    (P, "0 that is not below the field's size"), (P + 1, "1 that is not below the field's size"),
    (2**255 - 1, "the largest y"), (2**256 - 1, "the largest number"),
    (1, "the neutral point"), (P - 1, "order 2"), (0, "order 4"), (1 << 255, "order 4"),
    *((y | odd << 255, "order 8") for y in (Y_OF_ORDER_8, P - Y_OF_ORDER_8) for odd in (0, 1))])
def test_what_is_no_key_fits_no_message(y, what):
    key = y.to_bytes(32, "little")
    neutral = (1).to_bytes(32, "little") + bytes(32)  # fits every message of a key of small order
    assert not check(key, b"message", neutral)
    assert not check(key[:31], b"message", neutral)


def test_a_point_has_one_spelling():
    """Nobody knows the secret of such a key, so that no signature could show this."""
    spelled = [(ed25519._decode(y.to_bytes(32, "little")), ed25519._decode(
        (y + P).to_bytes(32, "little"))) for y in range(19)]
    assert [again for _, again in spelled] == [None] * 19
    assert sum(point is not None for point, _ in spelled) > 5


def test_two_keys_differ_and_a_key_checks_only_its_own(signed):
    public, message, signature = signed
    other = signing_key(bytes(32))
    assert other.public != public and not check(other.public, message, signature)
    assert check(other.public, message, other.sign(message))
