"""What a list or a watch selects: label selector and field selector together."""

from dataclasses import dataclass, field

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.wire.fieldselectors import FieldSelector
from apiserver.wire.selectors import LabelSelector


@dataclass(frozen=True, slots=True)
class Selection:
    """Both selectors must match."""

    labels: LabelSelector = field(default_factory=LabelSelector)
    fields: FieldSelector = field(default_factory=FieldSelector)

    @property
    def is_everything(self) -> bool:
        """Say whether no object is left out."""
        return self.labels.is_everything and self.fields.is_everything

    def matches(self, metadata: JsonObject) -> bool:
        """Say whether an object with this metadata is selected."""
        return self.fields.matches(
            text_at(metadata, "name"), text_at(metadata, "namespace")
        ) and self.labels.matches(object_at(metadata, "labels"))
