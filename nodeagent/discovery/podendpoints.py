"""A pod's endpoints from what is known of its links. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from nodeagent.discovery.endpoints import BY_NAME, Endpoint, HostTap, PodTap, ProcessId, Tap
from nodeagent.discovery.link import Link
from nodeagent.discovery.pod import Pod

# A ring takes memory and a thread; a pod that may make interfaces can make any number of them.
MAX_INTERFACES: Final = 16


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
        yield _endpoint(pod, labels, interface=link.name, tap=HostTap(link.index))


def interior_endpoints(
    pod: Pod, labels: Mapping[str, str], interior: Interior
) -> Iterator[Endpoint]:
    """Yield an endpoint for each interface that the pod itself has up, and one for what is too much.

    Those that are down are left out: the kernel gives each namespace some tunnels that way. How many
    there are, and how they are called, may be the pod's own doing.
    """
    present = sorted(
        (link for link in interior.links if link.up and not link.is_loopback),
        key=lambda link: link.index,
    )
    # Names become parts of files' names, and are shown in terminals.
    usable = [link for link in present if link.name.isascii() and link.name.isprintable()]
    for link in usable[:MAX_INTERFACES]:
        tap = PodTap(link.index, interior.process, interior.inode)
        yield _endpoint(pod, labels, interface=link.name, tap=tap)
    if len(usable) < len(present):
        yield problem_endpoint(pod, labels, "the pod has an interface whose name is no plain text")
    elif len(usable) > MAX_INTERFACES:
        problem = f"the pod has more than {MAX_INTERFACES} interfaces: the newer ones are left out"
        yield problem_endpoint(pod, labels, problem)


def problem_endpoint(pod: Pod, labels: Mapping[str, str], problem: str) -> Endpoint:
    """Return an endpoint that says why the pod has no other."""
    return _endpoint(pod, labels, problem=problem)


def _endpoint(
    pod: Pod,
    labels: Mapping[str, str],
    *,
    interface: str = "",
    tap: Tap = BY_NAME,
    problem: str = "",
) -> Endpoint:
    return Endpoint(
        namespace=pod.namespace,
        pod=pod.name,
        pod_uid=pod.uid,
        interface=interface,
        labels=labels,
        ports=pod.ports,
        tap=tap,
        problem=problem,
    )
