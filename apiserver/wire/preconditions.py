"""What a write expects of the stored object; each check raises the `ApiError` that clients look for."""

from http import HTTPStatus

from apiserver import fields
from apiserver.jsontypes import JsonObject, text_at
from apiserver.wire.deleteoptions import DeleteOptions
from apiserver.wire.objectmeta import resource_version_in
from apiserver.wire.resources import Resource
from apiserver.wire.status import ApiError, Details, conflict, invalid, modified


def check_put(resource: Resource, metadata: JsonObject, old: JsonObject) -> None:
    """Hold an update to the stored object: the same UID if it says one, and the very same version.

    Raises `ApiError`: 409, 422 where the version is missing, 400 where it does not parse.
    """
    name, uid, stored = text_at(old, "name"), text_at(metadata, "uid"), text_at(old, "uid")
    if uid and uid != stored:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored}"
        raise conflict(resource, name, why)
    check_patch(resource, metadata, old)


def check_patch(resource: Resource, metadata: JsonObject, old: JsonObject) -> None:
    """Hold the result of a patch to the version that it has: that of `old`, unless the patch set it.

    Raises `ApiError`: 409, 422 where the patch removed the version, 400 where it does not parse.
    """
    name, version = text_at(old, "name"), resource_version_in(metadata)
    if version is None:
        error = fields.invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(resource.plural, resource.group, name, [error])
    if version != resource_version_in(old):
        raise modified(resource, name)


def check_delete(resource: Resource, options: DeleteOptions, old: JsonObject) -> None:
    """Hold a deletion to its preconditions, also of an object that is terminating. Raises a 409."""
    name, uid, version = (text_at(old, each) for each in ("name", "uid", "resourceVersion"))
    if options.uid is not None and options.uid != uid:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated"
        )
        raise _unmet(resource, name, why)
    if options.resource_version is not None and options.resource_version != version:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match "
            f"the ResourceVersion in record ({version}). The object might have been modified"
        )
        raise _unmet(resource, name, why)


def _unmet(resource: Resource, name: str, why: str) -> ApiError:
    # Unlike all other conflicts, Kubernetes names the kind here.
    message = f'Operation cannot be fulfilled on {resource.group_kind} "{name}": {why}'
    details = Details(name=name, group=resource.group, kind=resource.kind)
    return ApiError(HTTPStatus.CONFLICT, "Conflict", message, details=details)
