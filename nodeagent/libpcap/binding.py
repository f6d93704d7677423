"""libpcap's functions for live handles, and the few of the C library that capturing needs.

Signatures only; policy is in the other modules. The types, the compiler and `pcap_close` are
declared once, in `apiserver.pcap.binding`, and are called through `pcap_lib` from there: a cffi
library does not offer the functions of the declarations that it includes.
"""

from typing import Any, TypeAlias

from cffi import FFI

from apiserver.pcap.binding import ffi as pcap_ffi
from apiserver.pcap.binding import lib as shared_lib
from apiserver.pcap.binding import open_library

# The attributes of a library and of a C value are those that the declarations give it; the type
# checker does not read C.
CData: TypeAlias = Any

ffi = FFI()
ffi.include(pcap_ffi)
ffi.cdef("""
struct pcap_stat { unsigned int ps_recv, ps_drop, ps_ifdrop; };
typedef struct pcap_dumper pcap_dumper_t;
typedef void (*pcap_handler)(
    unsigned char *, const struct pcap_pkthdr *, const unsigned char *);

pcap_t *pcap_create(const char *source, char *errbuf);
int pcap_set_snaplen(pcap_t *, int);
int pcap_set_promisc(pcap_t *, int);
int pcap_set_timeout(pcap_t *, int milliseconds);
int pcap_set_immediate_mode(pcap_t *, int);
int pcap_set_buffer_size(pcap_t *, int bytes);
int pcap_set_tstamp_precision(pcap_t *, int);
int pcap_set_protocol_linux(pcap_t *, int protocol);
int pcap_activate(pcap_t *);
int pcap_setnonblock(pcap_t *, int, char *errbuf);
int pcap_datalink(pcap_t *);
int pcap_get_selectable_fd(pcap_t *);
int pcap_dispatch(pcap_t *, int max_packets, pcap_handler, unsigned char *user);
int pcap_stats(pcap_t *, struct pcap_stat *);
const char *pcap_statustostr(int);

pcap_dumper_t *pcap_dump_fopen(pcap_t *, FILE *);
void pcap_dump(unsigned char *dumper, const struct pcap_pkthdr *, const unsigned char *);
void pcap_dump_close(pcap_dumper_t *);

FILE *fdopen(int fd, const char *mode);
int setvbuf(FILE *, char *buffer, int mode, size_t size);
int fflush(FILE *);
int ferror(FILE *);
void clearerr(FILE *);
void __fpurge(FILE *);
int __fsetlocking(FILE *, int type);
int abs(int);
void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset);
int munmap(void *address, size_t length);

struct sock_fprog { unsigned short len; struct bpf_insn *filter; };
struct sockaddr_ll {
    unsigned short sll_family, sll_protocol;
    int sll_ifindex;
    unsigned short sll_hatype;
    unsigned char sll_pkttype, sll_halen, sll_addr[8];
};
struct ring_frame {
    unsigned int tp_next_offset, tp_sec, tp_nsec, tp_snaplen, tp_len, tp_status;
    unsigned short tp_mac, tp_net;
    unsigned int tp_rxhash, tp_vlan_tci;
    unsigned char other[12];
    struct sockaddr_ll address;
};
int getsockname(int fd, void *address, unsigned int *length);
int bind(int fd, const void *address, unsigned int length);
int setsockopt(int fd, int level, int name, const void *value, unsigned int length);
int setns(int fd, int kind);
""")


pcap_lib: CData = shared_lib
live_lib = open_library(ffi)
libc: CData = ffi.dlopen(None)

# pcap_dispatch calls this address itself, once per packet, without the interpreter: a callback in
# Python costs some 1.3 us a packet, this one 0.2 us (libpcap 1.10.3).
pcap_dump = ffi.addressof(live_lib, "pcap_dump")

# What pcap_dispatch may call where packets are to be taken out of the ring and nothing else: it looks
# at its first argument's bits and has no effect. By every Linux ABI the caller owns the others.
no_effect: CData = ffi.cast("pcap_handler", ffi.addressof(libc, "abs"))

# Python would mangle their names within a class. The first throws away what a stream has buffered.
purge = getattr(libc, "__fpurge")
set_locking = getattr(libc, "__fsetlocking")
