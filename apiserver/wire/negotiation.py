"""Content negotiation: which representation `Accept` asks for, and what a body's type says it is.

Media types are compared exactly, as Kubernetes does; a clause that we cannot serve is passed over, and
if none is left the answer is 406. Protobuf and CBOR are not served: typed clients fall back to JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from http import HTTPStatus

from apiserver.wire.query import Query, flag
from apiserver.wire.status import (
    ApiError,
    no_representation,
    not_acceptable,
    unsupported_media_type,
)

META_GROUP = "meta.k8s.io"
_META_VERSIONS = frozenset({"v1", "v1beta1"})
_AGGREGATED_DISCOVERY = {"g": "apidiscovery.k8s.io", "v": "v2", "as": "APIGroupDiscoveryList"}
# No client has more alternatives; reading a header of a megabyte would take seconds.
_MAX_CLAUSES = 100
_BROWSERS = ("curl", "Wget", "Mozilla/5.0")


class BodyMedia(StrEnum):
    """The formats of bodies, in both directions."""

    JSON = "application/json"
    YAML = "application/yaml"


class Form(Enum):
    """What an object or a list is turned into; the values are those of the `as` parameter."""

    OBJECT = ""
    TABLE = "Table"
    PARTIAL = "PartialObjectMetadata"
    PARTIAL_LIST = "PartialObjectMetadataList"


class PatchType(StrEnum):
    """The media types of patches."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Representation:
    """What to answer with. `version` is that of meta.k8s.io, for every form but OBJECT."""

    media: BodyMedia
    form: Form = Form.OBJECT
    version: str = "v1"
    pretty: bool = False


@dataclass(frozen=True, slots=True)
class _Clause:
    """One alternative of an Accept header."""

    media: str
    parameters: dict[str, str]

    @property
    def quality(self) -> float:
        try:
            asked = float(self.parameters.get("q", "1"))
        except ValueError:
            return 1.0
        return asked if 0 <= asked <= 1 else 1.0

    @property
    def breadth(self) -> int:
        """Rank exact types before `type/*` before `*/*`."""
        return self.media.count("*")

    def body_media(self) -> BodyMedia | None:
        """Return the format that the clause allows, or None where it is none of ours."""
        if self.parameters.get("stream", "") not in {"", "watch"}:
            return None
        if self.media in {"*/*", "application/*"}:
            return BodyMedia.JSON
        return next((each for each in BodyMedia if each.value == self.media), None)

    def form(self) -> tuple[Form, str] | None:
        """Return the conversion that the clause wants and its version, or None for one we lack."""
        kind, group, version = (self.parameters.get(each, "") for each in ("as", "g", "v"))
        if not (kind or group or version):
            return Form.OBJECT, "v1"
        if not kind or group != META_GROUP or version not in _META_VERSIONS:
            return None
        form = next((each for each in Form if each.value == kind), None)
        return (form, version) if form else None


def negotiate(accept: str | None, *, is_list: bool) -> Representation:
    """Return the representation of an object, or with `is_list` of a list. Raises a 406 `ApiError`.

    A clause that wants one as if it were the other is not passed over: it is the answer that fails.
    """
    chosen = _first_served(accept, frozenset(Form))
    if chosen.form is (Form.PARTIAL if is_list else Form.PARTIAL_LIST):
        what = "a list" if is_list else "not a list"
        message = f"you requested {chosen.form.value}, but the requested object is {what}"
        raise ApiError(HTTPStatus.NOT_ACCEPTABLE, "NotAcceptable", message)
    return chosen


def negotiate_plain(accept: str | None) -> Representation:
    """Return how to send what has but one form, as discovery. Raises a 406 `ApiError`."""
    return _first_served(accept, frozenset({Form.OBJECT}))


def negotiate_watch(accept: str | None) -> Representation:
    """Return the representation of watch events. Raises a 406 `ApiError`.

    The first clause that is served elsewhere decides, although YAML has no form for streams, and no
    event can be told as a PartialObjectMetadataList.
    """
    chosen = _first_served(accept, frozenset(Form))
    if chosen.media is not BodyMedia.JSON:
        raise not_acceptable(["application/json;stream=watch"])
    return chosen


def error_representation(accept: str | None, query: Query, user_agent: str) -> Representation:
    """Return the representation of an error: it is never converted.

    Who accepts no plain form gets JSON for people, as nobody else will look at it.
    """
    try:
        chosen = negotiate_plain(accept)
    except ApiError:
        return Representation(BodyMedia.JSON, pretty=True)
    return replace(chosen, pretty=wants_pretty(query, user_agent, chosen))


def accepts_json(accept: str | None) -> bool:
    """Say whether any clause allows JSON as such, for what has no other format, as OpenAPI."""
    return any(
        each.body_media() is BodyMedia.JSON and "as" not in each.parameters
        for each in _clauses(accept)
    )


def wants_aggregated_discovery(accept: str | None) -> bool:
    """Say whether any clause asks for aggregated discovery v2; order and quality do not matter."""
    return any(
        each.body_media() is BodyMedia.JSON
        and each.parameters.items() >= _AGGREGATED_DISCOVERY.items()
        for each in _clauses(accept)
    )


def wants_pretty(query: Query, user_agent: str, representation: Representation) -> bool:
    """Say whether a person reads along: `?pretty` decides, else the clause, else the client's name."""
    asked = flag(query, "pretty")
    if asked is not None:
        return asked
    return representation.pretty or user_agent.startswith(_BROWSERS)


def body_media(content_type: str | None) -> BodyMedia:
    """Return the format of a body; none said means JSON. Raises a 415 `ApiError`.

    Unlike in Accept, and for patches, Kubernetes does not mind capitals here.
    """
    media = (content_type or "").partition(";")[0].strip().lower()
    if not media:
        return BodyMedia.JSON
    try:
        return BodyMedia(media)
    except ValueError as error:
        raise unsupported_media_type([each.value for each in BodyMedia]) from error


def patch_type(content_type: str | None, supported: Sequence[PatchType]) -> PatchType:
    """Return the type of a patch, which must be said. Raises a 415 `ApiError` that lists `supported`."""
    media = (content_type or "").partition(";")[0].strip()
    for each in supported:
        if each.value == media:
            return each
    raise unsupported_media_type([each.value for each in supported])


def _clauses(accept: str | None) -> list[_Clause]:
    """Return the clauses, best first. No header, or an empty one, accepts everything."""
    parts = ((accept or "").strip() or "*/*").split(",", _MAX_CLAUSES)[:_MAX_CLAUSES]
    clauses = [_clause(part) for part in parts if part.strip()]
    return sorted(clauses, key=lambda each: (-each.quality, each.breadth))


def _clause(text: str) -> _Clause:
    media, *parameters = (part.strip() for part in text.split(";"))
    pairs = (part.partition("=") for part in parameters)
    return _Clause(media, {key.strip(): value.strip() for key, _, value in pairs})


def _first_served(accept: str | None, forms: frozenset[Form]) -> Representation:
    clauses = _clauses(accept)
    for clause in clauses:
        media, form = clause.body_media(), clause.form()
        if media and form and form[0] in forms:
            pretty = clause.parameters.get("pretty") == "1"
            return Representation(media, *form, pretty=pretty)
    served = [each.value for each in BodyMedia]
    # Kubernetes' router looks at the types alone; what it lets pass is looked at again.
    if any(each.media.startswith("*/") or each.media in served for each in clauses):
        raise not_acceptable(served)
    raise no_representation(served)
