"""One ResourceQuota, as far as it counts objects of our resource. Pure.

`count/<plural>.<group>` is what kube-apiserver counts objects by where it has no better idea of them
(apiserver, quota/v1/generic). Like its counting, this knows no scopes: a quota that has some is about
pods, and never about us. What counts is what the quota controller has taken over into the status.
"""

from dataclasses import dataclass

from apiserver.jsontypes import JsonObject, array_at, object_at, text_at
from apiserver.quantity import QuantityError, parse_quantity
from apiserver.wire.resources import Resource


def counted_as(resource: Resource) -> str:
    """Return the name by which quotas know the number of objects of a resource."""
    return f"count/{resource.group_resource}"


def limits(quota: JsonObject, counted: str) -> bool:
    """Tell whether a quota limits that number."""
    return counted in object_at(object_at(quota, "status"), "hard") and not _has_scopes(quota)


@dataclass(frozen=True, slots=True)
class Count:
    """What a quota says of a number: how many there may be, and how many there are, as written.

    `used` is empty as long as nobody has counted.
    """

    quota: str
    counted: str
    hard: str
    used: str

    @property
    def why_not(self) -> str:
        """Why there may not be one more; empty where there may."""
        if not self.used:
            return f"status unknown for quota: {self.quota}, resources: {self.counted}"
        try:
            if parse_quantity(self.used) + 1 <= parse_quantity(self.hard):
                return ""
        except QuantityError as error:
            return f"failed quota: {self.quota}: {error}"
        return (
            f"exceeded quota: {self.quota}, requested: {self.counted}=1, "
            f"used: {self.counted}={self.used}, limited: {self.counted}={self.hard}"
        )

    @property
    def one_more(self) -> str:
        """How many there are with one more. Only where there may be."""
        return f"{parse_quantity(self.used) + 1:f}"


def read_count(quota: JsonObject, counted: str) -> Count:
    """Read what a quota that `limits` the number says of it."""
    status = object_at(quota, "status")
    return Count(
        quota=text_at(object_at(quota, "metadata"), "name"),
        counted=counted,
        hard=text_at(object_at(status, "hard"), counted),
        used=text_at(object_at(status, "used"), counted),
    )


def charged(quota: JsonObject, count: Count) -> JsonObject:
    """Return the quota with one more."""
    status = object_at(quota, "status")
    used = {**object_at(status, "used"), count.counted: count.one_more}
    return {**quota, "status": {**status, "used": used}}


def _has_scopes(quota: JsonObject) -> bool:
    spec = object_at(quota, "spec")
    selector = object_at(spec, "scopeSelector")
    return bool(array_at(spec, "scopes") or array_at(selector, "matchExpressions"))
