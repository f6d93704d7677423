"""Endpoints of this node: a pod's interface, its labels and named ports. Pure.

Here they come from Calico's `WorkloadEndpoint` documents (projectcalico.org/v3), as `calicoctl get
workloadendpoints -o yaml` writes them. Fields that say nothing about a capture are ignored; documents
of other nodes are checked no further than their node's name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid5

from apiserver.fields import (
    FieldError,
    FieldErrorType,
    invalid,
    not_supported,
    required,
    type_invalid,
)
from apiserver.jsontypes import JsonObject, JsonValue, array_at, object_at, text_at
from apiserver.resource.filters import NamedPorts
from apiserver.resource.pods import (
    INHERITED_PREFIXES,
    NAMESPACE_LABEL,
    ORCHESTRATOR_LABEL,
    SERVICE_ACCOUNT_LABEL,
)
from apiserver.resource.spec.badvalues import InvalidError, MalformedError
from apiserver.resource.spec.ports import MAX_PORT, parse_protocol
from apiserver.resource.types import GROUP_VERSION

KIND: Final = "WorkloadEndpoint"
# Linux' IFNAMSIZ is 16, the final zero included.
MAX_INTERFACE_BYTES: Final = 15

# Any constant will do, as long as it never changes: files on disk are matched by what it makes.
_POD_UIDS: Final = UUID("6f1c9d0e-3a74-5b0c-9a57-1f2d0f6f7b11")


@dataclass(frozen=True, slots=True)
class EndpointPort:
    """A port that a container names; `protocol` is an IP protocol number."""

    name: str
    protocol: int
    port: int


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that cannot be mistaken for a later one of the same number.

    `start_time` is in clock ticks since boot: field 22 of /proc/PID/stat, proc_pid_stat(5).
    """

    pid: int
    start_time: int


@dataclass(frozen=True, slots=True)
class NamedTap:
    """The interface of this name in the node's namespace, whichever that is: its source is trusted."""


@dataclass(frozen=True, slots=True)
class HostTap:
    """The interface of this index in the node's namespace: its peer was seen to be in the pod.

    The kernel gives out no index twice before it has given out all of them, unless it is told to.
    """

    index: int


@dataclass(frozen=True, slots=True)
class PodTap:
    """The interface of this index in the pod's own namespace.

    That namespace is `/proc/PID/ns/net` of `process`, a file with the inode `namespace_inode`.
    """

    index: int
    process: ProcessId
    namespace_inode: int


Tap = NamedTap | HostTap | PodTap
BY_NAME: Final = NamedTap()


def is_same_link(one: Tap, other: Tap) -> bool:
    """Say whether two taps are of one link, whichever process of the pod leads to it.

    For a tap that is in use: its socket keeps the namespace, and with it the inode's meaning.
    """
    if isinstance(one, PodTap) and isinstance(other, PodTap):
        return (one.index, one.namespace_inode) == (other.index, other.namespace_inode)
    return one == other


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One interface of one pod; `labels` are those that selectors see.

    `tap` is where its packets are taken. `problem` says why it cannot be captured now; `interface`
    may be empty then.
    """

    namespace: str
    pod: str
    pod_uid: str
    interface: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    ports: tuple[EndpointPort, ...] = ()
    tap: Tap = BY_NAME
    problem: str = ""

    @property
    def named_ports(self) -> NamedPorts:
        """The ports by name and protocol, and under None by name alone."""
        found: dict[tuple[str, int | None], set[int]] = {}
        for each in self.ports:
            for protocol in (each.protocol, None):
                found.setdefault((each.name, protocol), set()).add(each.port)
        return found


@dataclass(frozen=True, slots=True)
class EndpointProblem:
    """What is wrong with a field of a document; `document` is its name, or its place in the file."""

    document: str
    error: FieldError

    def __str__(self) -> str:
        return f"{self.document}: {self.error}"


class InvalidEndpointsError(Exception):
    """Documents that cannot be used, with everything that is wrong with them."""

    def __init__(self, problems: tuple[EndpointProblem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def parse_endpoints(documents: Iterable[JsonValue], *, node: str) -> tuple[Endpoint, ...]:
    """Return the endpoints of `node` from WorkloadEndpoints and Lists of them; a null is nothing.

    Raises:
        InvalidEndpointsError: Something is wrong; all of it is said.
    """
    problems: list[EndpointProblem] = []
    endpoints: dict[str, Endpoint] = {}
    for place, document in enumerate(_flatten(documents), start=1):
        errors: list[FieldError] = []
        endpoint = _parse(document, errors, node=node)
        if endpoint is not None and endpoint.interface in endpoints:
            errors.append(_duplicate("spec.interfaceName", endpoint.interface))
        title = _title(document, place)
        problems += [EndpointProblem(title, error) for error in errors]
        if endpoint is not None and not errors:
            endpoints[endpoint.interface] = endpoint
    if problems:
        raise InvalidEndpointsError(tuple(problems))
    return tuple(endpoints.values())


def _flatten(documents: Iterable[JsonValue]) -> Iterator[JsonValue]:
    for document in documents:
        if isinstance(document, dict) and text_at(document, "kind").endswith("List"):
            yield from array_at(document, "items")
        elif document is not None:
            yield document


def _title(document: JsonValue, place: int) -> str:
    metadata = object_at(document, "metadata") if isinstance(document, dict) else {}
    name = text_at(metadata, "name")
    return f"{text_at(metadata, 'namespace')}/{name}" if name else f"document {place}"


def _parse(document: JsonValue, errors: list[FieldError], *, node: str) -> Endpoint | None:
    """Return the endpoint of a document, None if it is another node's; errors are appended."""
    if not isinstance(document, dict):
        errors.append(type_invalid("", document, "must be an object"))
        return None
    _check_type(document, errors)
    metadata, spec = object_at(document, "metadata"), object_at(document, "spec")
    if _text(spec, "node", "spec.node", errors) != node:
        return None
    namespace = _name(metadata, "namespace", "metadata.namespace", errors)
    pod = _name(spec, "pod", "spec.pod", errors)
    return Endpoint(
        namespace=namespace,
        pod=pod,
        pod_uid=text_at(metadata, "uid") or _pod_uid(namespace, pod),
        interface=_interface(spec, errors),
        labels=_labels(metadata, spec, namespace, errors),
        ports=tuple(_ports(spec, errors)),
    )


def _check_type(document: JsonObject, errors: list[FieldError]) -> None:
    for name, wanted in (("apiVersion", GROUP_VERSION), ("kind", KIND)):
        found = _text(document, name, name, errors)
        if found and found != wanted:
            errors.append(not_supported(name, found, (wanted,)))


def _duplicate(path: str, value: str) -> FieldError:
    """Say that two pods claim one thing: it would be a guess whose packets they are."""
    return FieldError(FieldErrorType.DUPLICATE, path, f'Duplicate value: "{value}"')


def _pod_uid(namespace: str, pod: str) -> str:
    """Return an identity for a pod whose document has none: as stable as its name.

    The interface is no part of it. A pod whose interface was made anew goes on being the same pod,
    and two interfaces of one pod belong together.
    """
    return str(uuid5(_POD_UIDS, f"{namespace}/{pod}"))


def _interface(spec: JsonObject, errors: list[FieldError]) -> str:
    name = _name(spec, "interfaceName", "spec.interfaceName", errors)
    if len(name.encode()) > MAX_INTERFACE_BYTES or any(each.isspace() for each in name):
        detail = f"an interface's name has at most {MAX_INTERFACE_BYTES} bytes and no blanks"
        errors.append(invalid("spec.interfaceName", name, detail))
    return name


def _labels(
    metadata: JsonObject, spec: JsonObject, namespace: str, errors: list[FieldError]
) -> Mapping[str, str]:
    labels: dict[str, str] = {}
    for key, value in object_at(metadata, "labels").items():
        if not isinstance(value, str):
            detail = "a label is a string: quote it"
            errors.append(type_invalid(f"metadata.labels[{key}]", value, detail))
        elif not key.startswith(INHERITED_PREFIXES):
            labels[key] = value
    labels[NAMESPACE_LABEL] = namespace
    labels[ORCHESTRATOR_LABEL] = text_at(spec, "orchestrator") or "k8s"
    if account := text_at(spec, "serviceAccountName"):
        labels[SERVICE_ACCOUNT_LABEL] = account
    return labels


def _ports(spec: JsonObject, errors: list[FieldError]) -> Iterator[EndpointPort]:
    for i, entry in enumerate(array_at(spec, "ports")):
        path = f"spec.ports[{i}]"
        if not isinstance(entry, dict):
            errors.append(type_invalid(path, entry, "must be an object"))
            continue
        # Only ports with a name matter here: Calico writes the others too, with an empty one.
        if name := text_at(entry, "name"):
            number, protocol = _port(entry, path, errors), _protocol(entry, path, errors)
            yield EndpointPort(name, protocol, number)


def _port(entry: JsonObject, path: str, errors: list[FieldError]) -> int:
    value = entry.get("port")
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_PORT:
        return value
    errors.append(invalid(f"{path}.port", value, f"must be a number from 1 to {MAX_PORT}"))
    return 0


def _protocol(entry: JsonObject, path: str, errors: list[FieldError]) -> int:
    value = entry.get("protocol", "TCP")
    try:
        protocol = parse_protocol(value)
    except (InvalidError, MalformedError) as error:
        errors.append(invalid(f"{path}.protocol", value, error.detail))
        return 0
    if protocol is None:
        errors.append(required(f"{path}.protocol"))
        return 0
    return protocol


def _name(document: JsonObject, name: str, path: str, errors: list[FieldError]) -> str:
    """Return a required text that becomes a part of a path or of a file's name."""
    value = _text(document, name, path, errors)
    if value in {".", ".."} or "/" in value or "\0" in value:
        errors.append(invalid(path, value, "may not be . or .. or have a / in it"))
    return value


def _text(document: JsonObject, name: str, path: str, errors: list[FieldError]) -> str:
    value = document.get(name)
    if value is None or value == "":
        errors.append(required(path))
        return ""
    if not isinstance(value, str):
        errors.append(type_invalid(path, value, "must be a string"))
        return ""
    return value
