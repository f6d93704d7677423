"""Who has set which field: `metadata.managedFields` of every write, and server-side apply."""

from apiserver.jsontypes import JsonObject, object_at
from apiserver.managedfields.entries import parse_entries
from apiserver.managedfields.errors import ConflictError, ManagedFieldsError, UntrackableError
from apiserver.managedfields.fieldmanager import FieldManager
from apiserver.managedfields.kind import managed_fields, with_managed_fields
from apiserver.registry.fieldvalidation import heed_duplicates
from apiserver.registry.requests import Origin, Request
from apiserver.registry.strategy import Strategy
from apiserver.serving.clock import Clock
from apiserver.wire import status

_SPOILED = (
    ".metadata.managedFields was in an invalid state after admission; this could be caused by an "
    "outdated mutating admission controller; please fix your requests"
)


class Tracking:
    """The field managers of one resource."""

    def __init__(self, strategy: Strategy, *, clock: Clock) -> None:
        resource = strategy.resource
        self._fields = FieldManager(
            strategy.schema, group_version=resource.group_version, kind=resource.kind
        )
        self._clock = clock

    def tracked(self, old: JsonObject | None, new: JsonObject, request: Request) -> JsonObject:
        """Return `new` with the fields that it differs in from `old` under the client's name."""
        if request.origin is Origin.APPLY:
            # Whatever was filled in since, as defaults, belongs to nobody.
            return new
        return self._fields.update(
            old,
            new,
            manager=request.options.field_manager,
            subresource=request.subresource,
            now=self._clock(),
        )

    def trusted(self, new: JsonObject, before: JsonObject, request: Request) -> JsonObject:
        """Return an object as others have changed it, with its managers from before if those cannot be read.

        The client is warned of that, as by kube-apiserver (apiserver-protocol 7.2).
        """
        try:
            parse_entries(object_at(new, "metadata").get("managedFields"))
        except UntrackableError as error:
            request.warn([f"{_SPOILED}: {error}"])
            return with_managed_fields(new, managed_fields(before))
        return new

    def applied(self, old: JsonObject | None, request: Request) -> JsonObject:
        """Return what `old` becomes by applying the request's object to it.

        Raises ApiError: 409 where others have set what would change, 400 for what cannot be applied
        (Kubernetes says 500 to that).
        """
        try:
            document = self._fields.apply(
                old,
                request.document,
                manager=request.options.field_manager,
                subresource=request.subresource,
                force=bool(request.options.force),
                now=self._clock(),
            )
        except ConflictError as error:
            causes = tuple(
                status.Cause("FieldManagerConflict", each.message, each.field)
                for each in error.conflicts
            )
            raise status.apply_conflict(str(error), causes) from error
        except ManagedFieldsError as error:
            raise status.bad_request(str(error)) from error
        heed_duplicates(request)
        return document
