"""Errors as clients of Kubernetes know them: an HTTP code, a reason, and a `Status` document.

Clients decide on `reason` before they look at the code, and some read `details`; the texts are for
people, and kept as Kubernetes words them (apimachinery, api/errors).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from apiserver.fields import FieldError, quoted
from apiserver.jsontypes import JsonObject
from apiserver.wire.resources import Resource

LIST_TOO_OLD = "The resourceVersion for the provided list is too old."
CONTINUE_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the first "
    "chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Cause:
    """One of the causes of an error, with the path of the field that it is about, if any."""

    reason: str
    message: str
    field: str = ""

    def to_json(self) -> JsonObject:
        """Return the entry of `details.causes`."""
        members: JsonObject = {"reason": self.reason, "message": self.message, "field": self.field}
        return {key: value for key, value in members.items() if value}


@dataclass(frozen=True, slots=True)
class Details:
    """What an error is about. `kind` is the plural resource nearly everywhere, as in Kubernetes."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_seconds: int = 0

    def to_json(self) -> JsonObject:
        """Return `details` without what is empty."""
        members: JsonObject = {
            "name": self.name,
            "group": self.group,
            "kind": self.kind,
            "uid": self.uid,
            "causes": [each.to_json() for each in self.causes],
            "retryAfterSeconds": self.retry_after_seconds,
        }
        return {key: value for key, value in members.items() if value}


class ApiError(Exception):
    """An answer that is an error. `details` None leaves the member out, which differs from `{}`."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Details | None = None,
        continue_token: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.continue_token = continue_token
        # Texts for `Warning` headers: they accompany errors too (apiserver-protocol 13.2).
        self.warnings: tuple[str, ...] = ()

    @property
    def retry_after_seconds(self) -> int:
        """Return the value for the `Retry-After` header; 0 where there should be none.

        Clients written in Go retry 429 and 5xx only if the header is there.
        """
        return self.details.retry_after_seconds if self.details else 0

    def to_json(self) -> JsonObject:
        """Return the `Status` document."""
        metadata: JsonObject = {"continue": self.continue_token} if self.continue_token else {}
        document: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details is not None:
            document["details"] = self.details.to_json()
        # An HTTPStatus is a number to JSON, but not to YAML.
        document["code"] = int(self.code)
        return document


def _about(resource: Resource, name: str, causes: tuple[Cause, ...] = ()) -> Details:
    return Details(name=name, group=resource.group, kind=resource.plural, causes=causes)


def _quoted(resource: Resource, name: str) -> str:
    return f"{resource.group_resource} {quoted(name)}" if name else resource.group_resource


def bad_request(message: str) -> ApiError:
    """Say that the request cannot be understood."""
    return ApiError(HTTPStatus.BAD_REQUEST, "BadRequest", message)


def unauthorized() -> ApiError:
    """Say that nobody knows who is asking."""
    return ApiError(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, name: str, why: str, causes: tuple[Cause, ...] = ()) -> ApiError:
    """Say that the object may not be treated so; `name` is empty for a whole collection."""
    message = f"{_quoted(resource, name)} is forbidden: {why}"
    details = _about(resource, name, causes)
    return ApiError(HTTPStatus.FORBIDDEN, "Forbidden", message, details=details)


def namespace_terminating(resource: Resource, name: str, namespace: str) -> ApiError:
    """Refuse a new object in a namespace that goes away; controllers look for the cause."""
    cause = Cause(
        "NamespaceTerminating",
        f"namespace {namespace} is being terminated",
        "metadata.namespace",
    )
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    return forbidden(resource, name, why, (cause,))


class MissingError(ApiError):
    """The 404 about an object that the store does not have; webhooks may say 404 to what they like."""


def not_found(resource: Resource, name: str) -> MissingError:
    """Say that there is no such object."""
    message = f"{_quoted(resource, name)} not found"
    return MissingError(HTTPStatus.NOT_FOUND, "NotFound", message, details=_about(resource, name))


def namespace_not_found(namespace: str) -> ApiError:
    """Say that the namespace of a new object does not exist."""
    details = Details(name=namespace, kind="namespaces")
    message = f"namespaces {quoted(namespace)} not found"
    return ApiError(HTTPStatus.NOT_FOUND, "NotFound", message, details=details)


def path_not_found() -> ApiError:
    """Say that nothing is served at a path. Never for something that may yet appear: see `unavailable`."""
    message = "the server could not find the requested resource"
    return ApiError(HTTPStatus.NOT_FOUND, "NotFound", message, details=Details())


def method_not_allowed() -> ApiError:
    """Say that a path is served, but not with this HTTP method."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", message, details=Details())


def method_not_supported(resource: Resource, verb: str) -> ApiError:
    """Say that a resource does not have a verb."""
    message = f'{verb} is not supported on resources of kind "{resource.group_resource}"'
    return ApiError(
        HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", message, details=_about(resource, "")
    )


def not_acceptable(supported: Sequence[str]) -> ApiError:
    """Say which media types there are, to who wants one of them in a form that there is not."""
    message = f"only the following media types are accepted: {', '.join(supported)}"
    return ApiError(HTTPStatus.NOT_ACCEPTABLE, "NotAcceptable", message)


def no_representation(supported: Sequence[str]) -> ApiError:
    """Say which media types there are, to who wants none of them."""
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(supported)}"
    return ApiError(HTTPStatus.NOT_ACCEPTABLE, "NotAcceptable", message, details=Details())


def already_exists(resource: Resource, name: str, *, terminating: bool = False) -> ApiError:
    """Say that the name is taken, maybe by an object that is on its way out."""
    prefix = "object is being deleted: " if terminating else ""
    message = f"{prefix}{_quoted(resource, name)} already exists"
    return ApiError(HTTPStatus.CONFLICT, "AlreadyExists", message, details=_about(resource, name))


def name_not_generated(resource: Resource, name: str) -> ApiError:
    """Say that every generated name was taken; `name` is the last that was tried."""
    message = (
        f"{_quoted(resource, name)} already exists, the server was not able to generate a unique "
        "name for the object"
    )
    details = Details(name=name, group=resource.group, kind=resource.plural, retry_after_seconds=1)
    return ApiError(HTTPStatus.CONFLICT, "AlreadyExists", message, details=details)


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    """Say that the object is not as the request expected it."""
    message = f"Operation cannot be fulfilled on {_quoted(resource, name)}: {why}"
    return ApiError(HTTPStatus.CONFLICT, "Conflict", message, details=_about(resource, name))


def apply_conflict(message: str, causes: tuple[Cause, ...]) -> ApiError:
    """Say whose fields an apply would change; nothing but the causes says what it is about."""
    details = Details(causes=causes)
    return ApiError(HTTPStatus.CONFLICT, "Conflict", message, details=details)


def modified(resource: Resource, name: str) -> ApiError:
    """Say that somebody else wrote in between: the conflict that controllers retry on."""
    why = (
        "the object has been modified; please apply your changes to the latest version and try "
        "again"
    )
    return conflict(resource, name, why)


def expired(message: str, *, continue_token: str = "") -> ApiError:
    """Say that history no longer reaches back so far; `continue_token` goes on inconsistently."""
    return ApiError(HTTPStatus.GONE, "Expired", message, continue_token=continue_token)


def too_old_resource_version(asked: int, oldest: int) -> ApiError:
    """Say that changes after `asked` are gone; the history begins at `oldest`."""
    return expired(f"too old resource version: {asked} ({oldest})")


def too_large(limit_bytes: int) -> ApiError:
    """Say how large a body may be."""
    return too_much(f"limit is {limit_bytes}")


def too_much(why: str) -> ApiError:
    """Say that a request asks for too much at once."""
    message = f"Request entity too large: {why}"
    return ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", message)


def unsupported_media_type(supported: Sequence[str]) -> ApiError:
    """Say which media types a body may have. The garbage collector falls back on this code only."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(supported)}"
    )
    return ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)


def invalid(kind: str, group: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    """Say all that is wrong with an object; here, and only here, `details.kind` is the kind."""
    texts = list(dict.fromkeys(str(each) for each in errors))
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    group_kind = f"{kind}.{group}" if group else kind
    causes = tuple(Cause(each.type.value, each.message, each.field) for each in errors)
    return ApiError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Invalid",
        f"{group_kind} {quoted(name)} is invalid: {listed}",
        details=Details(name=name, group=group, kind=kind, causes=causes),
    )


def rejected() -> ApiError:
    """Say that a patch does not fit its object; Kubernetes does not say why."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message, details=Details())


def too_many_requests(why: str, *, retry_after_seconds: int) -> ApiError:
    """Ask to come back later."""
    details = Details(retry_after_seconds=retry_after_seconds)
    return ApiError(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", why, details=details)


def internal(why: str) -> ApiError:
    """Say that we failed; `why` is shown to the client."""
    return ApiError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "InternalError",
        f"Internal error occurred: {why}",
        details=Details(causes=(Cause("", why),)),
    )


def server_timeout(resource: Resource, verb: str, *, retry_after_seconds: int) -> ApiError:
    """Say that storage cannot be reached. Yes, code 500: that is what Kubernetes sends."""
    message = (
        f"The {verb} operation against {resource.group_resource} could not be completed at this "
        "time, please try again."
    )
    # What Kubernetes calls the name here is the verb.
    details = Details(
        name=verb,
        group=resource.group,
        kind=resource.plural,
        retry_after_seconds=retry_after_seconds,
    )
    return ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "ServerTimeout", message, details=details)


def unavailable(message: str, *, retry_after_seconds: int = 0) -> ApiError:
    """Say that we are not able to answer yet, or any more."""
    details = Details(retry_after_seconds=retry_after_seconds) if retry_after_seconds else None
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", message, details=details)


def timeout(why: str, *, retry_after_seconds: int = 0) -> ApiError:
    """Say that it took too long."""
    details = Details(retry_after_seconds=retry_after_seconds)
    return ApiError(HTTPStatus.GATEWAY_TIMEOUT, "Timeout", f"Timeout: {why}", details=details)


def too_large_resource_version(asked: int, current: int) -> ApiError:
    """Say that a version has not been written yet; client-go recognises the cause."""
    cause = Cause("ResourceVersionTooLarge", "Too large resource version")
    return ApiError(
        HTTPStatus.GATEWAY_TIMEOUT,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {current}",
        details=Details(causes=(cause,), retry_after_seconds=1),
    )


def deleted(resource: Resource, name: str, uid: str) -> JsonObject:
    """Return the `Status` of a delete that is done.

    kubectl compares `uid` to tell the object that it waits for from a later one of its name.
    """
    details = Details(name=name, group=resource.group, kind=resource.plural, uid=uid)
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details.to_json(),
    }
