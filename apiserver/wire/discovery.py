"""Discovery documents: which groups, versions, resources and verbs there are.

Two forms: the legacy lists, one per path, and the aggregated document, all in one under `/apis`. They
never list a verb that is not served: the garbage collector and namespace deletion go by the verbs.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence

from apiserver.jsontypes import JsonArray, JsonObject
from apiserver.wire.resources import Resource, Subresource

# The aggregator parses the document only if exactly these parameters come back.
AGGREGATED_CONTENT_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

_STORED_VERBS = frozenset({"get", "list", "watch"})


def etag(body: bytes) -> str:
    """Return the entity tag of a document: it changes when the document does."""
    return f'"{hashlib.sha512(body).hexdigest().upper()}"'


def api_group_list(resources: Sequence[Resource]) -> JsonObject:
    """Return the legacy document of `/apis`, of all groups that the resources are in."""
    groups = dict.fromkeys(each.group for each in resources)
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(name, resources) for name in groups],
    }


def api_group(resources: Sequence[Resource]) -> JsonObject:
    """Return the legacy document of `/apis/GROUP`; the resources are of one group."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(resources[0].group, resources)}


def api_resource_list(resources: Sequence[Resource]) -> JsonObject:
    """Return the legacy document of `/apis/GROUP/VERSION`; the resources are of one group version.

    It is also what the aggregator probes to see whether this server is available.
    """
    entries: JsonArray = []
    for resource in resources:
        entries.append(_entry(resource))
        entries.extend(_subresource_entry(resource, each) for each in resource.subresources)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": resources[0].group_version,
        "resources": entries,
    }


def aggregated(resources: Sequence[Resource]) -> JsonObject:
    """Return the aggregated document (apidiscovery.k8s.io/v2) of `/apis`."""
    items: JsonArray = []
    for name in dict.fromkeys(each.group for each in resources):
        inside = [each for each in resources if each.group == name]
        items.append({"metadata": {"name": name}, "versions": _discovered_versions(inside)})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _group(name: str, resources: Sequence[Resource]) -> JsonObject:
    versions = [*dict.fromkeys(each.version for each in resources if each.group == name)]
    return {
        "name": name,
        "versions": [_group_version(name, each) for each in versions],
        "preferredVersion": _group_version(name, versions[0]),
    }


def _group_version(group: str, version: str) -> JsonObject:
    return {"groupVersion": f"{group}/{version}", "version": version}


def _entry(resource: Resource) -> JsonObject:
    entry: JsonObject = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": [*sorted(resource.verbs)],
        **_names(resource),
    }
    if _STORED_VERBS & set(resource.verbs):
        entry["storageVersionHash"] = _storage_version_hash(resource)
    return entry


def _subresource_entry(resource: Resource, subresource: Subresource) -> JsonObject:
    return {
        "name": f"{resource.plural}/{subresource.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": subresource.kind or resource.kind,
        "verbs": [*sorted(subresource.verbs)],
    }


def _discovered_versions(resources: Sequence[Resource]) -> JsonArray:
    versions: JsonArray = []
    for version in dict.fromkeys(each.version for each in resources):
        discovered = [_discovered(each) for each in resources if each.version == version]
        versions.append({"version": version, "freshness": "Current", "resources": [*discovered]})
    return versions


def _discovered(resource: Resource) -> JsonObject:
    entry: JsonObject = {
        "resource": resource.plural,
        "responseKind": _response_kind(resource, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": [*sorted(resource.verbs)],
        **_names(resource),
    }
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": each.name,
                "responseKind": _response_kind(resource, each.kind or resource.kind),
                "verbs": [*sorted(each.verbs)],
            }
            for each in resource.subresources
        ]
    return entry


def _names(resource: Resource) -> JsonObject:
    names: JsonObject = {
        "shortNames": [*resource.short_names],
        "categories": [*resource.categories],
    }
    return {key: value for key, value in names.items() if value}


def _response_kind(resource: Resource, kind: str) -> JsonObject:
    # Clients pass over a resource whose response kind is empty.
    return {"group": resource.group, "version": resource.version, "kind": kind}


def _storage_version_hash(resource: Resource) -> str:
    digest = hashlib.sha256(f"{resource.group_version}/{resource.kind}".encode()).digest()
    return b64encode(digest[:8]).decode()
