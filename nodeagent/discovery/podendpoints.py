"""A pod's endpoints from what is known of its links. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from nodeagent.discovery.endpoints import Endpoint, HostTap, PodTap, ProcessId
from nodeagent.discovery.links import Link
from nodeagent.discovery.pod import Pod


@dataclass(frozen=True, slots=True)
class Interior:
    """A pod's network namespace, by a process in it and its inode, and the links that it has."""

    process: ProcessId
    inode: int
    links: tuple[Link, ...]


def host_endpoints(
    pod: Pod, labels: Mapping[str, str], links: Iterable[Link]
) -> Iterator[Endpoint]:
    """Yield an endpoint for each of the node's links that lead into the pod."""
    for link in links:
        yield replace(_blank(pod, labels), interface=link.name, tap=HostTap(link.index))


def interior_endpoints(
    pod: Pod, labels: Mapping[str, str], interior: Interior
) -> Iterator[Endpoint]:
    """Yield an endpoint for each interface that the pod itself has up.

    Those that are down are left out: the kernel gives each namespace some tunnels that way. A name
    that is no plain text is the pod's doing, and would be a part of files' names.
    """
    for link in interior.links:
        if link.is_loopback or not link.up:
            continue
        tap = PodTap(link.index, interior.process, interior.inode)
        if link.name.isascii() and link.name.isprintable():
            yield replace(_blank(pod, labels), interface=link.name, tap=tap)
        else:
            yield problem_endpoint(pod, labels, "the pod has an interface whose name is no text")


def problem_endpoint(pod: Pod, labels: Mapping[str, str], problem: str) -> Endpoint:
    """Return an endpoint that says why the pod has no other."""
    return replace(_blank(pod, labels), problem=problem)


def _blank(pod: Pod, labels: Mapping[str, str]) -> Endpoint:
    return Endpoint(pod.namespace, pod.name, pod.uid, "", labels, pod.ports)
