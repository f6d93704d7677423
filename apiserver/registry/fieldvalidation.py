"""Unknown and mistyped fields of a request's object: dropped, warned of or refused."""

import orjson

from apiserver.fields import invalid
from apiserver.jsontypes import JsonObject
from apiserver.registry.requests import Origin, Request
from apiserver.registry.strategy import Strategy
from apiserver.wire import status
from apiserver.wire.body import WrongTypeError, cannot_be_handled, identified
from apiserver.wire.schema import prune
from apiserver.wire.writeoptions import FieldValidation


def readable(request: Request, strategy: Strategy) -> JsonObject:
    """Return the object with nothing but fields of its schema, each of the right type.

    What else there was is handled as `fieldValidation` says. Raises ApiError: 400 for a body, 422
    for the result of a patch (apiserver-protocol 4.7).
    """
    try:
        document = identified(request.document, strategy.resource)
    except WrongTypeError as error:
        raise _undecodable(request, strategy, str(error)) from error
    pruned = prune(document, strategy.schema)
    detail = "; ".join(str(error) for error in pruned.errors)
    validation = request.options.field_validation
    if not detail and validation is FieldValidation.STRICT:
        detail = request.decoded.strict_errors(pruned.unknown)
    if detail:
        raise _undecodable(request, strategy, detail)
    if validation is FieldValidation.WARN:
        request.warn(request.decoded.warnings(pruned.unknown))
    return pruned.document


def heed_duplicates(request: Request) -> None:
    """Refuse or tell of keys that are set twice in an object that was applied.

    Only what could be applied is looked at so closely, as in Kubernetes. Raises ApiError 400.
    """
    duplicates, validation = request.decoded.duplicates, request.options.field_validation
    if duplicates and validation is FieldValidation.STRICT:
        listed = "\n  ".join(("yaml: unmarshal errors:", *duplicates))
        raise status.bad_request(
            f"error strict decoding YAML: error converting YAML to JSON: {listed}"
        )
    if validation is FieldValidation.WARN:
        request.warn(duplicates)


def _undecodable(request: Request, strategy: Strategy, detail: str) -> status.ApiError:
    if request.origin is Origin.BODY:
        return cannot_be_handled(strategy.resource, detail)
    shown = orjson.dumps(request.document).decode()
    return status.invalid("", "", "", [invalid("patch", shown, detail)])
