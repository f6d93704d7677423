"""What is shared of libpcap: its types and the calls that need no network interface.

ABI mode: no compiler is needed, and the declarations are checked by nobody but us. They are those of
pcap.h and bpf.h of libpcap 1.9 and later on 64-bit Linux, where time_t and suseconds_t are longs.
"""

from typing import Any, Final, TypeAlias

from cffi import FFI

# Debian's name for it, the one everybody else has, and the one of development packages.
LIBRARY_NAMES: Final = ("libpcap.so.0.8", "libpcap.so.1", "libpcap.so")

# cffi's stubs know neither the fields of C's values nor the functions of a library.
CData: TypeAlias = Any

ffi = FFI()
ffi.cdef(
    """
    typedef struct pcap pcap_t;
    typedef unsigned int bpf_u_int32;

    struct timeval { long tv_sec; long tv_usec; };
    struct pcap_pkthdr { struct timeval ts; bpf_u_int32 caplen; bpf_u_int32 len; };

    struct bpf_insn { unsigned short code; unsigned char jt; unsigned char jf; bpf_u_int32 k; };
    struct bpf_program { unsigned int bf_len; struct bpf_insn *bf_insns; };

    const char *pcap_lib_version(void);
    pcap_t *pcap_open_dead(int link_type, int snap_length);
    void pcap_close(pcap_t *);
    char *pcap_geterr(pcap_t *);

    int pcap_compile(pcap_t *, struct bpf_program *, const char *, int optimize, bpf_u_int32 mask);
    void pcap_freecode(struct bpf_program *);
    int pcap_offline_filter(
        const struct bpf_program *, const struct pcap_pkthdr *, const unsigned char *);
    """
)


class LibpcapMissingError(ImportError):
    """There is no libpcap on this machine; raised when this module is imported."""


def text_of(string: CData) -> str:
    """Return the text of a C string, a message of libpcap's."""
    content = ffi.string(string)
    assert isinstance(content, bytes)
    return content.decode(errors="replace")


def open_library(declared: FFI) -> CData:
    """Open libpcap with the functions that an FFI declares. Raises LibpcapMissingError."""
    failures = []
    for name in LIBRARY_NAMES:
        try:
            return declared.dlopen(name)
        except OSError as error:
            failures.append(str(error))
    raise LibpcapMissingError(f"libpcap is not installed: {'; '.join(failures)}")


lib = open_library(ffi)
