"""The limits in docs/api.md are those of the code. (Defaults of flags: tests/unit/test_config.py.)"""

import re
from pathlib import Path

import pytest

from apiserver.pcap.compiler import COMPILE_SECONDS
from apiserver.pcap.expressions import MAX_INSTRUCTIONS
from apiserver.pcap.memory import MAX_KERNEL_BYTES
from apiserver.resource.selector.tokens import MAX_LABEL_LENGTH
from apiserver.resource.spec import bounds
from apiserver.resource.status.bounds import STATUS_BYTES
from apiserver.server.app import REQUEST_SECONDS
from apiserver.server.context import MAX_BODY_BYTES
from apiserver.server.files import MAX_DOWNLOADS, MAX_DOWNLOADS_PER_USER
from apiserver.server.watching import UNREAD_SECONDS
from apiserver.wire.body import MAX_DEPTH

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
LIMITS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("`spec.filters`", f"{bounds.MAX_RULES} rules"),
        ("`spec.filters`", f"{bounds.MAX_PORT_TERMS} ports"),
        ("`spec.filters`", f"{bounds.MAX_NETS} networks"),
        ("`spec.filters`", f"{bounds.MAX_FLAG_TERMS} flags"),
        ("`spec.filters`", f"{bounds.MAX_EXPRESSION_BYTES >> 10} KiB of expressions"),
        ("`spec.filters`", f"{MAX_INSTRUCTIONS:,} instructions"),
        ("`spec.filters`", f"{MAX_KERNEL_BYTES >> 10} KiB of the kernel's memory"),
        ("`spec.filters`", f"{COMPILE_SECONDS} s to compile"),
        ("`spec.selector`", f"{bounds.MAX_SELECTOR_BYTES >> 10} KiB"),
        ("`spec.selector`", f"{MAX_LABEL_LENGTH} characters of a label's name"),
        ("a status", f"{STATUS_BYTES >> 10} KiB"),
        ("body", f"{MAX_BODY_BYTES >> 20} MiB, {MAX_DEPTH} levels deep"),
        ("downloads of files", f"{MAX_DOWNLOADS}, and {MAX_DOWNLOADS_PER_USER} of one user"),
        ("time of a request that is no watch and no download", f"{REQUEST_SECONDS:.0f} s"),
        ("a watcher that does not read", f"{UNREAD_SECONDS:.0f} s"),
    ],
)
def test_a_limit_is_as_it_is_written(what, limit):
    assert limit in LIMITS[what]
