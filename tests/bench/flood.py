"""A fast sender: numbered packets from a pod, many per system call (sendmmsg), at a steady rate.

It is a process of its own, so that its processor time is nobody else's.
"""

import argparse
import subprocess
import sys
import time
from typing import Any

from cffi import FFI

from tests.support.netns import Pod, frame

_BATCH = 32

ffi = FFI()
ffi.cdef("""
struct iovec { void *iov_base; size_t iov_len; };
struct msghdr {
    void *msg_name; unsigned int msg_namelen;
    struct iovec *msg_iov; size_t msg_iovlen;
    void *msg_control; size_t msg_controllen; int msg_flags;
};
struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);
""")


def flood(pod: Pod, *, packets: int, size: int, rate: int) -> float:
    """Send packets from another process; return how many per second there were."""
    numbers = [str(each) for each in (packets, size, rate)]
    command = [sys.executable, "-m", "tests.bench.flood", pod.namespace, pod.interface, *numbers]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def send(pod: Pod, *, packets: int, size: int, rate: int) -> float:
    """Send from this process; `rate` 0 is as fast as it goes."""
    libc: Any = ffi.dlopen(None)
    content = ffi.from_buffer(frame(0, size=size))
    parts = ffi.new("struct iovec[]", [(content, size)])
    messages = ffi.new("struct mmsghdr[]", _BATCH)
    for message in messages:
        message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen = parts, 1
    with pod.open_sender() as sender:
        sent, began = 0, time.monotonic()
        while sent < packets:
            if rate and sent > rate * (time.monotonic() - began):
                continue
            batch = min(_BATCH, packets - sent)
            count = libc.sendmmsg(sender.socket.fileno(), messages, batch, 0)
            if count < 0:
                raise OSError(ffi.errno, "sendmmsg")
            sent += count
        return sent / (time.monotonic() - began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("namespace", "interface"):
        parser.add_argument(name)
    for name in ("packets", "size", "rate"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    pod = Pod(options.namespace, options.interface)
    print(send(pod, packets=options.packets, size=options.size, rate=options.rate))
