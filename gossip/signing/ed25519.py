"""Ed25519 signatures (RFC 8032): make a key, sign, verify. It knows nothing of gossip.

OpenSSL does this if Python has one that passes the test below, else our own code. Peers blame each
other for bad signatures, so both must judge alike, also in cases about which libraries differ.
"""

import functools

from gossip.signing import edwards

SIGNATURE_SIZE = 64  # bytes
SIGN_OF_X = 1 << 255  # the highest bit of a key; below it is y
Y_OF_ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826
Y_OF_SMALL_ORDER = {0, 1, edwards.P - 1, Y_OF_ORDER_8, edwards.P - Y_OF_ORDER_8}


def signing_key(secret: bytes):
    """Return the key of 32 random bytes: it has `public`, 32 bytes, and `sign(message)`."""
    return implementation().SigningKey(secret)


def check(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether the owner of a public key has signed this message. Spellings other than the
    canonical one are rejected, and so are keys of small order, because they fit any message."""
    if len(public) != 32 or len(signature) != SIGNATURE_SIZE:
        return False
    y = int.from_bytes(public, "little") & ~SIGN_OF_X
    scalar = int.from_bytes(signature[32:], "little")
    return (y < edwards.P and y not in Y_OF_SMALL_ORDER and scalar < edwards.L
            and implementation().fits(public, message, signature))


@functools.cache
def implementation():
    """Return the module that signs and verifies in this process: `openssl`, or `edwards`."""
    try:
        from gossip.signing import openssl  # here, because only signing needs it, and it takes 1 ms
    except (ImportError, MemoryError):  # a hardened system gives ctypes no memory for code
        return edwards
    return openssl if _is_right(openssl) else edwards


# The self-test.

SIGNED = [  # secret, public, message, signature: tests 1 and 3 of RFC 8032, section 7.1
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a")]
ODD_KEY = "b154bd62188ae283dd187fefe8c31f5e276edf083b4cff11c9d5cff856c74440"
JUDGED = [  # public, message, signature, whether it fits, that is, S·B = R + k·A without a factor;
    # ODD_KEY is the sum of an honest key and a point of small order
    (ODD_KEY, "3130",
     "0c13e1a77df474702be58a3f4c319b4328df3917f6e7a3dbb7e08bef7ec43cfd09735bf40886bd6ccea10fb29c97"
     "aeea9caac3519c03b0ea603fe0d8d98f630c", True),
    (ODD_KEY, "313633",
     "458a1131def510ba1cd57e1928ffb1887efaacbe706eaa28b7bd98cf945eff5cce58648aa01ac22eb24600ede8b7"
     "3fdb67b256d97d7f6dcf5439702c4173040b", False),
    ("02" + "00" * 31, "", "01" + "00" * 63, False)]  # no point of the curve


def _is_right(openssl) -> bool:
    """Return whether OpenSSL has Ed25519 (FIPS may lack it) and judges alike."""
    try:
        return (all(_signs(openssl, *map(bytes.fromhex, vector)) for vector in SIGNED)
                and all(openssl.fits(*map(bytes.fromhex, vector)) == fit
                        for *vector, fit in JUDGED))
    except openssl.Unable:
        return False


def _signs(openssl, secret: bytes, public: bytes, message: bytes, signature: bytes) -> bool:
    key = openssl.SigningKey(secret)
    return (key.public == public and key.sign(message) == signature
            and openssl.fits(public, message, signature)
            and not openssl.fits(public, message + b"x", signature))
