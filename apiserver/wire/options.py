"""Options of the reading verbs: get, list and watch (apimachinery, meta/internalversion).

What cannot be read is a 400; what can be read but may not stand together is a 422 about `ListOptions`.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from apiserver import fields
from apiserver.fields import FieldError
from apiserver.wire.fieldselectors import SelectorError, parse_field_selector
from apiserver.wire.negotiation import META_GROUP
from apiserver.wire.query import Query, first, flag, integer
from apiserver.wire.selection import Selection
from apiserver.wire.selectors import parse_label_selector
from apiserver.wire.status import ApiError, bad_request, invalid

_VERSION = re.compile(r"[0-9]{1,20}\Z", re.ASCII)


class VersionMatch(StrEnum):
    """How `resourceVersion` is meant."""

    EXACT = "Exact"
    NOT_OLDER_THAN = "NotOlderThan"


@dataclass(frozen=True, slots=True)
class GetOptions:
    """`resource_version` is None for the most recent state, 0 for any, else the oldest allowed."""

    resource_version: int | None = None


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What to list, of when, and how much. A `limit` of 0 is none."""

    selection: Selection = field(default_factory=Selection)
    resource_version: int | None = None
    match: VersionMatch | None = None
    limit: int = 0
    continue_token: str = ""
    timeout_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What to watch, and from where. `timeout_seconds` None leaves the length to the server.

    `send_initial_events` None is for those who know nothing of it: they get the present state as
    synthetic events unless `resource_version` is above zero.
    """

    selection: Selection = field(default_factory=Selection)
    resource_version: int | None = None
    send_initial_events: bool | None = None
    allow_bookmarks: bool = False
    timeout_seconds: int | None = None


def parse_get_options(query: Query) -> GetOptions:
    """Return the options of a get. Raises a 400 `ApiError`."""
    if flag(query, "export"):
        raise bad_request("the export parameter, deprecated since v1.14, is no longer supported")
    return GetOptions(parse_resource_version(first(query, "resourceVersion") or ""))


def parse_list_options(query: Query) -> ListOptions:
    """Return the options of a list. Raises `ApiError`, 400 or 422."""
    limit, timeout = integer(query, "limit"), integer(query, "timeoutSeconds")
    selection = parse_selection(query)
    _raise_invalid(_list_errors(query))
    token = first(query, "continue") or ""
    version = first(query, "resourceVersion") or ""
    try:
        resource_version = parse_resource_version(version)
    except ApiError as error:
        raise bad_request(f"invalid resource version: {error.message}") from error
    match = first(query, "resourceVersionMatch")
    return ListOptions(
        selection=selection,
        resource_version=resource_version,
        match=VersionMatch(match) if match else None,
        limit=max(limit or 0, 0),
        continue_token=token,
        timeout_seconds=timeout,
    )


def parse_watch_options(query: Query) -> WatchOptions:
    """Return the options of a watch. Raises `ApiError`, 400 or 422.

    A resourceVersion that does not parse is a 400 here; Kubernetes answers 500.
    """
    integer(query, "limit")
    timeout = integer(query, "timeoutSeconds")
    selection = parse_selection(query)
    _raise_invalid(_watch_errors(query))
    return WatchOptions(
        selection=selection,
        resource_version=parse_resource_version(first(query, "resourceVersion") or ""),
        send_initial_events=flag(query, "sendInitialEvents"),
        allow_bookmarks=bool(flag(query, "allowWatchBookmarks")),
        timeout_seconds=timeout if timeout and timeout > 0 else None,
    )


def parse_resource_version(text: str) -> int | None:
    """Return a resource version, or None for an empty text. Raises a 400 `ApiError`."""
    if not text:
        return None
    if _VERSION.match(text) and int(text) < 1 << 64:
        return int(text)
    problem = "value out of range" if text.isdecimal() else "invalid syntax"
    raise bad_request(
        f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": {problem}'
    )


def parse_selection(query: Query) -> Selection:
    """Return what `labelSelector` and `fieldSelector` select. Raises a 400 `ApiError`."""
    try:
        return Selection(
            parse_label_selector(first(query, "labelSelector") or ""),
            parse_field_selector(first(query, "fieldSelector") or ""),
        )
    except SelectorError as error:
        raise bad_request(str(error)) from error


def _raise_invalid(errors: list[FieldError]) -> None:
    if errors:
        raise invalid("ListOptions", META_GROUP, "", errors)


def _list_errors(query: Query) -> list[FieldError]:
    errors = []
    match = first(query, "resourceVersionMatch")
    version = first(query, "resourceVersion")
    name = "resourceVersionMatch"
    if match and not version:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        errors.append(fields.forbidden(name, why))
    if match and first(query, "continue"):
        why = "resourceVersionMatch is forbidden when continue is provided"
        errors.append(fields.forbidden(name, why))
    if match and match not in set(VersionMatch):
        errors.append(fields.not_supported(name, match, (*VersionMatch, "")))
    if match == VersionMatch.EXACT and version == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        errors.append(fields.forbidden(name, why))
    if flag(query, "sendInitialEvents") is not None:
        errors.append(
            fields.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")
        )
    return errors


def _watch_errors(query: Query) -> list[FieldError]:
    errors = []
    match = first(query, "resourceVersionMatch")
    with_initial_events = flag(query, "sendInitialEvents") is not None
    name, wanted = "resourceVersionMatch", VersionMatch.NOT_OLDER_THAN
    if with_initial_events and match != wanted:
        why = f"sendInitialEvents requires setting resourceVersionMatch to {wanted}"
        errors.append(fields.forbidden(name, why))
    if match and not with_initial_events:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        errors.append(fields.forbidden(name, why))
    if match and match != wanted:
        errors.append(fields.not_supported(name, match, (wanted,)))
    # Who says no version wants what there is first, which implies a match.
    implied = not with_initial_events and first(query, "resourceVersion") in (None, "", "0")
    if (match or implied) and first(query, "continue"):
        why = "resourceVersionMatch is forbidden when continue is provided"
        errors.append(fields.forbidden(name, why))
    return errors
