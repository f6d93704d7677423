"""A listener that asks for a client certificate and takes any: who it proves is decided later.

Go's servers do so (`tls.RequestClientCert`), and Kubernetes relies on it: a certificate of a CA that
is unknown, or not known any more, ends in an HTTP answer and not in a broken connection, and CAs come
and go without a word to TLS. The client has proven that it holds the certificate's key; that is all.

Python's ssl cannot: CERT_OPTIONAL asks, and breaks the handshake of whom no listed CA vouches for. So
OpenSSL is told behind its back, by the one call that differs. The library is the one that `_ssl`
itself uses, and its SSL_CTX is the first member of CPython's context object (Modules/_ssl.c,
PySSLContext; the same from 3.2 to 3.14).
"""

import _ssl
import ssl
import sys
from ctypes import c_void_p
from typing import Any, Final

from cffi import FFI

_SSL_VERIFY_PEER: Final = 1


class UnsupportedRuntimeError(Exception):
    """This Python's TLS cannot be told to take any client certificate."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"client certificates cannot be asked for: {problem}")
        self.problem = problem


_ffi = FFI()
_ffi.cdef("void SSL_CTX_set_verify(void *, int, int (*)(int, void *));")


@_ffi.callback("int(int, void *)")
def _go_on(_verified: int, _store: object) -> int:
    return 1


def take_any_client(context: ssl.SSLContext) -> None:
    """Make a listening context ask for a certificate and take whatever comes, or none.

    Raises:
        UnsupportedRuntimeError: Python is not CPython, or not linked as this needs.
    """
    if sys.implementation.name != "cpython":
        raise UnsupportedRuntimeError(f"{sys.implementation.name} is not CPython")
    try:
        # Where `_ssl` is built into the interpreter it has no file, and the process has the symbols.
        library: Any = _ffi.dlopen(getattr(_ssl, "__file__", None))
        set_verify = library.SSL_CTX_set_verify
    except (OSError, AttributeError) as error:
        raise UnsupportedRuntimeError(str(error)) from error
    pointer = c_void_p.from_address(id(context) + object.__basicsize__).value
    assert pointer is not None
    set_verify(_ffi.cast("void *", pointer), _SSL_VERIFY_PEER, _go_on)
    if context.verify_mode is not ssl.CERT_OPTIONAL:
        raise UnsupportedRuntimeError("OpenSSL does not keep the setting")
