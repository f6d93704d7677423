"""What a kube-apiserver answered to 600 random writes (vectors/README.md)."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apiserver.managedfields.errors import ConflictError
from apiserver.managedfields.times import same_but_for_times
from apiserver.wire.mergepatch import merge_patch
from apiserver.wire.schema import prune
from tests.support.documents import as_sent

RECORDED = Path(__file__).parent / "vectors" / "managed-fields.jsonl.gz"
VECTORS = [json.loads(line) for line in gzip.decompress(RECORDED.read_bytes()).splitlines()]
NOW = datetime(2030, 1, 1, tzinfo=UTC)

# What the server sets, and what storing changes: no business of managedFields.
SET_BY_SERVER = ("uid", "creationTimestamp", "resourceVersion", "generation", "namespace")


def title(vector):
    request = vector["request"]
    verb = {"POST": "create", "PATCH": "apply" if is_apply(request) else "patch"}
    forced = " forced" if request["query"].get("force") == "true" else ""
    return f"{verb[request['method']]}{forced} {request['subresource']}".strip()


def is_apply(request):
    return request["contentType"].startswith("application/apply")


def time_of(response):
    """Return when an answer was given: no entry is younger."""
    entries = response["body"].get("metadata", {}).get("managedFields", [])
    times = [entry["time"] for entry in entries if "time" in entry]
    return datetime.fromisoformat(max(times)) if times else NOW


def write(fields, schema, vector):
    """Return the object as it would be stored."""
    request, old = vector["request"], vector["stored"]
    subresource = request["subresource"]
    by = {
        "manager": request["query"]["fieldManager"],
        "subresource": subresource,
        "now": time_of(vector["response"]),
    }
    if is_apply(request):
        force = request["query"].get("force") == "true"
        applied = fields.apply(old, request["body"], force=force, **by)
        new = completed(decoded(applied, schema), old or {}, subresource)
    else:
        sent = merge_patch(old, request["body"]) if old else request["body"]
        new = completed(decoded(sent, schema), old or {}, subresource)
        new = fields.update(old, new, **by)
    return old if old and same_but_for_times(new, old) else new


def decoded(sent, schema):
    """Return an object without nulls, but for the one that may be, and with its default."""
    document = as_sent(prune(sent, schema).document)
    spec = document.get("spec", {})
    if spec != {} and sent["spec"].get("startTime", "") is None:
        spec["startTime"] = None
    if "spec" in document:
        spec.setdefault("selector", "all()")
    return document


def completed(new, old, subresource):
    """Return an object with what its endpoint leaves alone taken from the old one."""
    if subresource:
        managed = new["metadata"].get("managedFields")
        whole = {**old, "status": new.get("status")}
        whole["metadata"] = {**old["metadata"], "managedFields": managed}
    else:
        whole = {**new, "status": old.get("status")}
    metadata = {name: value for name, value in whole["metadata"].items() if value}
    whole = {**whole, "metadata": metadata}
    return {name: value for name, value in whole.items() if value is not None}


def without_what_the_server_sets(document):
    metadata = {k: v for k, v in document["metadata"].items() if k not in SET_BY_SERVER}
    return {**document, "metadata": metadata}


@pytest.mark.parametrize("vector", VECTORS, ids=title)
def test_a_write_ends_as_it_does_in_kubernetes(fields, schema, vector):
    code, body = vector["response"]["code"], vector["response"]["body"]

    if code == 409:
        with pytest.raises(ConflictError) as caught:
            write(fields, schema, vector)

        told = {(each.message, each.field) for each in caught.value.conflicts}
        causes = {(each["message"], each["field"]) for each in body["details"]["causes"]}
        assert (str(caught.value), told) == (body["message"], causes)
        return

    stored = write(fields, schema, vector)

    if code == 422:
        assert {} in (stored["spec"], stored["status"]) or stored["spec"] == {"selector": "all()"}
    else:
        assert without_what_the_server_sets(stored) == without_what_the_server_sets(body)


def test_enough_was_recorded():
    assert len(VECTORS) == 600
