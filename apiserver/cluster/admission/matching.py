"""Which writes a webhook or a policy is about: rules and selectors, as pure values.

`matchPolicy` adds nothing: our resource has one version, so nothing else is equivalent to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from apiserver.jsontypes import JsonObject, JsonValue, array_at, object_at, text_at
from apiserver.wire.admissionreview import Attributes
from apiserver.wire.fieldselectors import SelectorError
from apiserver.wire.labelselector import read_label_selector
from apiserver.wire.resources import Resource
from apiserver.wire.selectors import LabelSelector

_ANY: Final = "*"
_NAMESPACED: Final = "Namespaced"


@dataclass(frozen=True, slots=True)
class Rule:
    """A RuleWithOperations, or one with names: every list must have what is asked about, or `*`.

    `resources` are `packetcaptures`, `packetcaptures/status`, `*`, `*/status`, `packetcaptures/*`,
    `*/*`; one without a slash means no subresource. No `names` are all names.
    """

    operations: tuple[str, ...]
    groups: tuple[str, ...]
    versions: tuple[str, ...]
    resources: tuple[str, ...]
    scope: str = _ANY
    names: tuple[str, ...] = ()

    def covers(self, attributes: Attributes) -> bool:
        """Tell whether the rule is about this write."""
        return (
            _has(self.operations, attributes.operation)
            and self.is_about(attributes.resource)
            and self._has_resource(attributes.resource.plural, attributes.subresource)
            and self.scope in {_ANY, _NAMESPACED if attributes.namespace else "Cluster"}
            and (not self.names or attributes.name in self.names)
        )

    def is_about(self, resource: Resource) -> bool:
        """Tell whether there may be a write of the resource, or below it, that the rule covers."""
        return (
            _has(self.groups, resource.group)
            and _has(self.versions, resource.version)
            and any(each.partition("/")[0] in {_ANY, resource.plural} for each in self.resources)
        )

    def _has_resource(self, plural: str, subresource: str) -> bool:
        wanted = (each.partition("/") for each in self.resources)
        return any(
            resource in {_ANY, plural} and below in {_ANY, subresource}
            for resource, _, below in wanted
        )


EVERYTHING: Final = Rule((_ANY,), (_ANY,), (_ANY,), ("*/*",))


@dataclass(frozen=True, slots=True)
class Match:
    """All that has to be met: any of the rules, none of the excluded ones, both selectors."""

    rules: tuple[Rule, ...]
    excluded: tuple[Rule, ...] = ()
    namespaces: LabelSelector = LabelSelector()  # noqa: RUF009 - it is frozen
    objects: LabelSelector = LabelSelector()  # noqa: RUF009 - it is frozen

    def is_about(self, resource: Resource) -> bool:
        """Tell whether any write of the resource may meet it."""
        return any(each.is_about(resource) for each in self.rules)

    def covers(self, attributes: Attributes) -> bool:
        """Tell whether all is met that can be told without the labels of the namespace."""
        return (
            any(each.covers(attributes) for each in self.rules)
            and not any(each.covers(attributes) for each in self.excluded)
            and self._selects(attributes)
        )

    def covers_namespace(self, labels: Mapping[str, JsonValue]) -> bool:
        """Tell whether a namespace with these labels is selected."""
        return self.namespaces.matches(labels)

    def _selects(self, attributes: Attributes) -> bool:
        """Either state of the object will do: what leaves the selection is asked about too."""
        if self.objects.is_everything:
            return True
        states = (each for each in (attributes.document, attributes.old) if each is not None)
        return any(self.objects.matches(_labels(each)) for each in states)


def read_match(document: JsonObject, *, rules: str, excluded: str = "") -> Match:
    """Read the rules under the named members, and the selectors beside them."""
    return Match(
        rules=tuple(map(_rule, _objects(document, rules))),
        excluded=tuple(map(_rule, _objects(document, excluded))),
        namespaces=_selector(object_at(document, "namespaceSelector")),
        objects=_selector(object_at(document, "objectSelector")),
    )


def texts_at(document: JsonObject, name: str) -> tuple[str, ...]:
    """Return the strings of the array under `name`."""
    return tuple(each for each in array_at(document, name) if isinstance(each, str))


def _rule(document: JsonObject) -> Rule:
    return Rule(
        operations=texts_at(document, "operations"),
        groups=texts_at(document, "apiGroups"),
        versions=texts_at(document, "apiVersions"),
        resources=texts_at(document, "resources"),
        scope=text_at(document, "scope") or _ANY,
        names=texts_at(document, "resourceNames"),
    )


def _selector(document: JsonObject) -> LabelSelector:
    # kube-apiserver has validated it. One in a form of a later version that we do not know rather
    # selects too much than too little: what is asked too often is annoyed, not passed by.
    try:
        return read_label_selector(document)
    except SelectorError:
        return LabelSelector()


def _objects(document: JsonObject, name: str) -> Iterable[JsonObject]:
    return (each for each in array_at(document, name) if isinstance(each, dict))


def _has(wanted: tuple[str, ...], found: str) -> bool:
    return _ANY in wanted or found in wanted


def _labels(document: JsonObject) -> JsonObject:
    return object_at(object_at(document, "metadata"), "labels")
