"""What to do about the APIService: make it, keep its CA bundle right, or leave it to whom it belongs. Pure.

An APIService gives all of its group and version to one Service: taking somebody else's would take
away all their resources, so that is done only where it is asked for (DESIGN 4). What happens to one:

* There is none: it is made, unless this installation is just being removed.
* It names our Service: its bundle is kept right; of one that was made here, its owner as well.
* It names another Service, or kube-apiserver itself serves the group from CRDs: that is a problem.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from apiserver.cluster.authority import tells
from apiserver.cluster.objects import MANAGED_BY_US
from apiserver.jsontypes import JsonObject, JsonValue, array_at, object_at, text_at

GROUP: Final = "projectcalico.org"
VERSION: Final = "v3"
APISERVICE_NAME: Final = f"{VERSION}.{GROUP}"

# Of an APIService that kube-apiserver made for CRDs; it leaves alone what does not carry it.
_AUTOMANAGED: Final = "kube-aggregator.kubernetes.io/automanaged"
# Those of Calico's own manifest: other groups may have a resource of the same name.
_GROUP_PRIORITY: Final = 1500
_VERSION_PRIORITY: Final = 200


@dataclass(frozen=True, slots=True)
class ServiceReference:
    """A Service, by its names."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Installation:
    """What the decision needs to know of us.

    `bundle` is the CAs to be believed (PEM), None where the certificate comes from outside: then the
    APIService is left to whoever brings it. `owner_uid` is the ClusterRole's, of the Service's name, that
    takes the APIService along when it goes; empty where there is none.
    """

    service: ServiceReference
    bundle: bytes | None
    owner_uid: str
    is_leaving: bool
    may_take_over: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write, None for nothing; and what is to be said about it."""

    document: JsonObject | None = None
    problem: str = ""
    warning: str = ""


def is_leaving(namespace: JsonObject | None, owner: JsonObject | None, *, had_owner: bool) -> bool:
    """Tell whether the installation is being removed: its namespace or its owner is going or gone.

    An owner that was never there says nothing.
    """
    if namespace is None or _is_going(namespace):
        return True
    return had_owner if owner is None else _is_going(owner)


def holder_of(apiservice: JsonObject) -> ServiceReference | None:
    """Return which Service has the group, None where kube-apiserver serves it itself."""
    service = object_at(object_at(apiservice, "spec"), "service")
    if not service:
        return None
    return ServiceReference(text_at(service, "namespace"), text_at(service, "name"))


def changes(found: JsonObject | None, document: JsonObject) -> tuple[str, ...]:
    """Return what writing `document` changes, as field paths; nothing where there was none."""
    if found is None:
        return ()
    return tuple(
        f"{part}.{key}"
        for part in ("metadata", "spec")
        for key in sorted({*object_at(found, part), *object_at(document, part)})
        if object_at(found, part).get(key) != object_at(document, part).get(key)
    )


def decide(found: JsonObject | None, ours: Installation, *, now: datetime) -> Decision:
    """Decide what to do about the APIService, None where there is none."""
    if found is None:
        return _absent(ours)
    if holder_of(found) != ours.service:
        return _foreign(found, ours)
    if ours.bundle is None or _is_going(found):
        return Decision()
    return _own(found, ours, ours.bundle, now)


def _absent(ours: Installation) -> Decision:
    if ours.is_leaving:
        return Decision(problem="is not made again: this installation is being removed")
    if ours.bundle is None:
        return Decision(
            problem="there is none. With a certificate from outside (--tls-cert-file) it is yours to"
            " make, with the caBundle of that certificate's CA"
        )
    document: JsonObject = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": _metadata({}, ours),
        "spec": _spec(ours, ours.bundle),
    }
    return Decision(document, warning=_no_owner(ours))


def _foreign(found: JsonObject, ours: Installation) -> Decision:
    holder = holder_of(found)
    who = (
        f"the Service {holder.name} in namespace {holder.namespace}"
        if holder
        else "kube-apiserver itself, for CustomResourceDefinitions of that group"
    )
    if ours.may_take_over and ours.bundle is not None and not ours.is_leaving:
        document = {
            **found,
            "metadata": _metadata(object_at(found, "metadata"), ours),
            "spec": _spec(ours, ours.bundle),
        }
        return Decision(document, warning=_no_owner(ours))
    return Decision(
        problem=f"belongs to {who}. Remove that first, or start this server with --take-over: it"
        f" then gets all of {APISERVICE_NAME}, and the other resources of the group are not served"
    )


def _own(found: JsonObject, ours: Installation, bundle: bytes, now: datetime) -> Decision:
    """Keep ours right; of a static one the bundle alone, where its maker wants it verified at all."""
    spec, metadata = object_at(found, "spec"), object_at(found, "metadata")
    is_made_here = MANAGED_BY_US.items() <= object_at(metadata, "labels").items()
    if spec.get("insecureSkipTLSVerify") is True and not is_made_here:
        return Decision(warning="says insecureSkipTLSVerify, so anybody may pose as this server")
    if not tells(_bundle_of(spec), bundle, now=now):
        spec = {key: value for key, value in spec.items() if key != "insecureSkipTLSVerify"}
        spec["caBundle"] = b64encode(bundle).decode()
    if is_made_here and ours.owner_uid:
        metadata = _metadata(metadata, ours)
    document: JsonObject = {**found, "metadata": metadata, "spec": spec}
    return Decision(
        document=document if document != found else None,
        warning=_no_owner(ours) if is_made_here else "",
    )


def _spec(ours: Installation, bundle: bytes) -> JsonObject:
    return {
        "group": GROUP,
        "version": VERSION,
        "groupPriorityMinimum": _GROUP_PRIORITY,
        "versionPriority": _VERSION_PRIORITY,
        "service": {
            "namespace": ours.service.namespace,
            "name": ours.service.name,
            "port": 443,
        },
        "caBundle": b64encode(bundle).decode(),
    }


def _metadata(found: JsonObject, ours: Installation) -> JsonObject:
    """Return the metadata of one that is ours and goes with its owner alone."""
    labels = {**object_at(found, "labels"), **MANAGED_BY_US}
    labels.pop(_AUTOMANAGED, None)
    owners: list[JsonValue] = [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "name": ours.service.name,
            "uid": ours.owner_uid,
        }
    ]
    metadata: JsonObject = {**found, "name": APISERVICE_NAME, "labels": labels}
    if not ours.owner_uid:
        metadata.pop("ownerReferences", None)
    elif not any(_has_uid(each, ours.owner_uid) for each in array_at(found, "ownerReferences")):
        metadata["ownerReferences"] = owners
    return metadata


def _has_uid(reference: JsonValue, uid: str) -> bool:
    return isinstance(reference, dict) and text_at(reference, "uid") == uid


def _no_owner(ours: Installation) -> str:
    if ours.owner_uid:
        return ""
    return (
        f"has no owner, because there is no ClusterRole {ours.service.name}: it has to be deleted by hand"
        " when this server is removed, or else no namespace can be deleted any more"
    )


def _bundle_of(spec: JsonObject) -> bytes:
    try:
        return b64decode(text_at(spec, "caBundle"), validate=True)
    except (Base64Error, ValueError):
        return b""


def _is_going(document: JsonObject) -> bool:
    return bool(text_at(object_at(document, "metadata"), "deletionTimestamp")) or (
        text_at(object_at(document, "status"), "phase") == "Terminating"
    )
