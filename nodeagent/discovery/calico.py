"""How Calico names a pod's interface on the node (calico-semantics 5.2). Pure.

Other CNIs follow the rule too, with prefixes of their own (Amazon VPC: `eni`).
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha1
from typing import Final

from nodeagent.discovery.endpoints import Endpoint, HostTap

DEFAULT_PREFIX: Final = "cali"
_DIGITS: Final = 11


# More pods than that no node has.
@lru_cache(maxsize=1024)
def calico_interface(namespace: str, pod: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Return the name; of a list of prefixes, separated by commas, the first one counts.

    Nothing is cut, so that a prefix of more than four characters gives a name that no interface has.
    """
    digest = sha1(f"{namespace}.{pod}".encode(), usedforsecurity=False).hexdigest()
    return first_prefix(prefix) + digest[:_DIGITS]


def first_prefix(prefix: str) -> str:
    """Return the prefix that names are made with; an empty one means Calico's own."""
    return prefix.split(",", maxsplit=1)[0] or DEFAULT_PREFIX


def unexpected_names(
    endpoints: Iterable[Endpoint], prefix: str = DEFAULT_PREFIX
) -> Iterator[tuple[Endpoint, str]]:
    """Yield the proven links that bear a name of Calico's, but another pod's; with the expected one."""
    for endpoint in endpoints:
        expected = calico_interface(endpoint.namespace, endpoint.pod, prefix)
        is_calico = endpoint.interface.startswith(first_prefix(prefix))
        if isinstance(endpoint.tap, HostTap) and is_calico and endpoint.interface != expected:
            yield endpoint, expected
