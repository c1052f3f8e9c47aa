"""Ed25519 by the OpenSSL of Python's own hashlib. Without one the import fails.

Calls keep Python's interpreter lock. To release it for a check, some 0.1 ms, costs more, because
other readers then wake up only to wait for the node's lock. Each key has one context, which begins
anew for each signature, because a new one costs as much again in a process that has slept; so of
all threads one at a time begins and ends a call. No other libcrypto is looked for, because macOS
ends a process that loads the system's. What is public here is the same as in ed25519.py.
"""

import ctypes
import functools
import os
import sys
import threading

import _hashlib

from grapevine.signing.ed25519 import KEY_SIZE, KEYS_KEPT, SIGNATURE_SIZE

NAME = "OpenSSL"  # as `status` tells it

ED25519 = 1087  # OpenSSL's number of this kind of key (NID_ED25519)

POINTER, INT, SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
BYTES, SIZE_OUT = ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t)
FUNCTIONS = {  # name -> what it returns, then what it is given
    "EVP_PKEY_new_raw_private_key": (POINTER, INT, POINTER, BYTES, SIZE),
    "EVP_PKEY_new_raw_public_key": (POINTER, INT, POINTER, BYTES, SIZE),
    "EVP_PKEY_get_raw_public_key": (INT, POINTER, BYTES, SIZE_OUT),
    "EVP_PKEY_free": (None, POINTER),
    "EVP_MD_CTX_new": (POINTER,),
    "EVP_MD_CTX_free": (None, POINTER),
    "EVP_DigestSignInit": (INT, POINTER, POINTER, POINTER, POINTER, POINTER),
    "EVP_DigestVerifyInit": (INT, POINTER, POINTER, POINTER, POINTER, POINTER),
    "EVP_DigestSign": (INT, POINTER, BYTES, SIZE_OUT, BYTES, SIZE),
    "EVP_DigestVerify": (INT, POINTER, BYTES, SIZE, BYTES, SIZE),
    "ERR_clear_error": (None,),
}


class Unable(Exception):
    """OpenSSL has no Ed25519, or no memory."""


def _libraries() -> list[str | None]:
    """Return where to look for libcrypto. None is the program itself, into which `_hashlib` may be
    built. Except on Windows, what a file depends on is searched, too."""
    file = getattr(_hashlib, "__file__", None)
    if os.name != "nt":
        return [file]
    folder = os.path.dirname(file or sys.executable)
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
            if name.startswith("libcrypto-") and name.endswith(".dll")]


def _loaded() -> ctypes.CDLL:
    """Return a libcrypto that has all functions."""
    for library in _libraries():
        try:
            crypto = ctypes.PyDLL(library)
            for name, (returned, *given) in FUNCTIONS.items():
                function = getattr(crypto, name)
                function.restype, function.argtypes = returned, given
            return crypto
        except (OSError, AttributeError):  # no libcrypto, or one without a function
            continue
    raise ImportError("no libcrypto with Ed25519")


_openssl = _loaded()
_one_at_a_time = threading.Lock()
if hasattr(os, "register_at_fork"):  # or a child might inherit it from a thread that it lacks
    os.register_at_fork(before=_one_at_a_time.acquire, after_in_parent=_one_at_a_time.release,
                        after_in_child=_one_at_a_time.release)


class _Key:
    """A key, and a context that is begun with it anew for each call."""

    def __init__(self, new_key, begin, data: bytes):
        self.key = self.context = None  # until there is one
        self.key = _checked(new_key(ED25519, None, data, len(data)))
        self.context = _checked(_openssl.EVP_MD_CTX_new())
        self._begin, self._begun_with = begin, self.key

    def __del__(self, free_context=_openssl.EVP_MD_CTX_free, free_key=_openssl.EVP_PKEY_free):
        free_context(self.context)  # which are given here, because the end of Python clears names
        free_key(self.key)

    def begin(self) -> int:
        """Begin a call; return the context, which remembers its key from the first one on."""
        _checked(self._begin(self.context, None, None, None, self._begun_with))
        self._begun_with = None
        return self.context


class SigningKey:
    def __init__(self, secret: bytes):
        self._key = _Key(_openssl.EVP_PKEY_new_raw_private_key, _openssl.EVP_DigestSignInit, secret)
        public, size = ctypes.create_string_buffer(KEY_SIZE), ctypes.c_size_t(KEY_SIZE)
        _checked(_openssl.EVP_PKEY_get_raw_public_key(self._key.key, public, size))
        self.public = public.raw

    def sign(self, message: bytes) -> bytes:
        signature = ctypes.create_string_buffer(SIGNATURE_SIZE)
        size = ctypes.c_size_t(SIGNATURE_SIZE)
        with _one_at_a_time:
            _checked(_openssl.EVP_DigestSign(
                self._key.begin(), signature, size, message, len(message)))
        return signature.raw


@functools.lru_cache(maxsize=KEYS_KEPT)
def _public_key(public: bytes) -> _Key:
    return _Key(_openssl.EVP_PKEY_new_raw_public_key, _openssl.EVP_DigestVerifyInit, public)


def fits(public: bytes, message: bytes, signature: bytes) -> bool:
    with _one_at_a_time:
        context = _public_key(public).begin()
        result = _openssl.EVP_DigestVerify(
            context, signature, len(signature), message, len(message))
    if result != 1:
        _openssl.ERR_clear_error()  # OpenSSL keeps a list for each thread
    return result == 1


def _checked(result: int | None) -> int:
    """Return what OpenSSL has returned: 1, or a pointer. Raise Unable if it is neither."""
    if result is None or result < 1:
        _openssl.ERR_clear_error()
        raise Unable
    return result
