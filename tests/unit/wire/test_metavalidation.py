"""Rules for names, labels, annotations, owners and finalizers."""

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.wire.metavalidation import (
    metadata_warnings,
    owner_warnings,
    validate_metadata,
    validate_metadata_update,
)
from apiserver.wire.names import (
    dns_label_problems,
    label_key_problems,
    label_value_problems,
    path_segment_problems,
    subdomain_problems,
)

OWNER: JsonObject = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}


def faults(metadata):
    return [str(each) for each in validate_metadata(metadata, subdomain_problems)]


def update_faults(metadata, old):
    return [str(each) for each in validate_metadata_update(metadata, old, subdomain_problems)]


def test_metadata_that_is_right_has_no_faults():
    assert not faults(
        {
            "name": "a.b", "generateName": "a-", "labels": {"x.io/y": "z", "e": ""},
            "annotations": {"Kubectl.IO/x": "y" * 1000}, "finalizers": ["x.io/y", "plain"],
            "ownerReferences": [OWNER, {**OWNER, "controller": True}],
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ({}, "metadata.name: Required value: name or generateName is required"),
        ({"name": "A_b"}, 'metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must'),
        (
            {"name": "a", "generateName": "A"},
            'metadata.generateName: Invalid value: "A": a lowercase RFC 1123 subdomain',
        ),
        (
            {"name": "a", "labels": {"a b": "c"}},
            'metadata.labels: Invalid value: "a b": name part must consist of alphanumeric',
        ),
        (
            {"name": "a", "labels": {"a": "-"}},
            'metadata.labels: Invalid value: "-": a valid label must be an empty string or',
        ),
        (
            {"name": "a", "annotations": {"/a": "c"}},
            'metadata.annotations: Invalid value: "/a": prefix part must be non-empty',
        ),
        (
            {"name": "a", "annotations": {"a": "é" * (128 * 1024)}},
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        (
            {"name": "a", "finalizers": ["a b"]},
            'metadata.finalizers: Invalid value: "a b": name part must consist',
        ),
        (
            {"name": "a", "finalizers": ["orphan", "foregroundDeletion"]},
            ('metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan '
            "and foregroundDeletion cannot be both set"),
        ),
        (
            {"name": "a", "ownerReferences": [{**OWNER, "uid": ""}]},
            'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
        ),
        (
            {"name": "a", "ownerReferences": [{**OWNER, "apiVersion": ""}]},
            'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
        ),
        (
            {"name": "a", "ownerReferences": [{**OWNER, "kind": "Event"}]},
            'metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event"',
        ),
    ],
)  # fmt: skip
def test_each_fault_is_told(metadata, fault):
    (found,) = faults(metadata)

    assert found.startswith(fault)


def test_only_one_owner_can_be_the_controller():
    owners = [{**OWNER, "controller": True}, {**OWNER, "name": "q", "controller": True}]

    (found,) = faults({"name": "a", "ownerReferences": owners})

    assert found.endswith(
        'Only one reference can have Controller set to true. Found "true" in references for Pod/p and '
        "Pod/q"
    )


def test_each_further_controller_is_a_fault():
    owners = [{**OWNER, "name": each, "controller": True} for each in "pqr"]

    found = faults({"name": "a", "ownerReferences": owners})

    assert [each.rpartition(" for ")[2] for each in found] == [
        "Pod/p and Pod/q",
        "Pod/p and Pod/r",
    ]


@pytest.mark.parametrize("version", ["a/b/c", "/", "a/"])
def test_an_owner_needs_a_version(version):
    (found,) = faults({"name": "a", "ownerReferences": [{**OWNER, "apiVersion": version}]})

    assert found == (
        f'metadata.ownerReferences.apiVersion: Invalid value: "{version}": version must not be empty'
    )


def test_an_event_is_no_owner_however_its_version_is_written():
    (found,) = faults(
        {"name": "a", "ownerReferences": [{**OWNER, "apiVersion": "/v1", "kind": "Event"}]}
    )

    assert found.endswith("/v1, Kind=Event is disallowed from being an owner")


def test_all_faults_are_told_at_once():
    assert len(faults({"name": "A", "labels": {"-": "-"}, "finalizers": ["-"]})) == 4


OLD = {"name": "a", "namespace": "n", "uid": "u"}


@pytest.mark.parametrize("key", ["name", "namespace", "uid", "deletionTimestamp"])
def test_identity_and_deletion_cannot_be_changed(key):
    (found,) = update_faults({**OLD, key: "other"}, OLD)

    assert found == f'metadata.{key}: Invalid value: "other": field is immutable'


def test_an_update_of_nothing_has_no_faults():
    assert not update_faults(OLD, OLD)


def test_a_terminating_object_gets_no_new_finalizers():
    old = {**OLD, "deletionTimestamp": "t", "finalizers": ["x/a"]}

    (found,) = update_faults({**old, "finalizers": ["x/a", "x/b"]}, old)

    assert found == (
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
        'deleted, found new finalizers []string{"x/b"}'
    )


def test_a_terminating_object_may_lose_finalizers():
    old = {**OLD, "deletionTimestamp": "t", "finalizers": ["x/a"]}

    assert not update_faults({**old, "finalizers": []}, old)


def test_a_finalizer_without_a_domain_is_warned_of_when_it_is_new():
    metadata: JsonObject = {"finalizers": ["plain", "x.io/y", "orphan"]}

    (warning,) = metadata_warnings(metadata)

    assert warning.startswith('metadata.finalizers: "plain": prefer a domain-qualified finalizer')
    assert metadata_warnings(metadata, metadata) == ()


def test_a_repeated_owner_is_warned_of():
    (warning,) = owner_warnings({"ownerReferences": [OWNER, OWNER, {**OWNER, "uid": "v"}]})

    assert warning.endswith("duplicate UID(s) observed: u")
    assert owner_warnings({"ownerReferences": [OWNER]}) == ()


@pytest.mark.parametrize("key", ["a", "a.b_c-d", "x.io/y", "z", "x" * 63])
def test_label_keys(key):
    assert label_key_problems(key) == []


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("", "name part must be non-empty"),
        ("x/", "name part must be non-empty"),
        ("/x", "prefix part must be non-empty"),
        ("X/y", "prefix part a lowercase RFC 1123 subdomain must consist of"),
        ("a/b/c", "a valid label key must consist of"),
        ("x" * 64, "name part must be no more than 63 bytes"),
        ("a\n", "name part must consist of"),
    ],
)
def test_label_keys_that_are_none(key, problem):
    assert label_key_problems(key)[0].startswith(problem)


@pytest.mark.parametrize(("value", "count"), [("", 0), ("a", 0), ("-a", 1), ("a" * 64, 1)])
def test_label_values(value, count):
    assert len(label_value_problems(value)) == count


@pytest.mark.parametrize(
    ("name", "count"), [("a", 0), ("a-b.c", 0), ("A", 1), ("a..b", 1), ("a" * 254, 1), ("", 1)]
)
def test_subdomains(name, count):
    assert len(subdomain_problems(name)) == count


@pytest.mark.parametrize(("name", "count"), [("a", 0), ("..", 1), (".", 1), ("/%", 2), ("...", 0)])
def test_path_segments(name, count):
    assert len(path_segment_problems(name)) == count


@pytest.mark.parametrize("name", ["a", "a-b", "0", "a" * 63])
def test_a_namespace_is_a_dns_label(name):
    assert dns_label_problems(name) == []


@pytest.mark.parametrize("name", ["", "A", "a_b", "a.b", "-a", "a-", "a\n", "a" * 64])
def test_nothing_else_is_a_namespace(name):
    (error, *_) = [*validate_metadata({"name": "a", "namespace": name or "-"}, lambda _: [])]

    assert dns_label_problems(name)
    assert error.field == "metadata.namespace"


def test_equal_owners_are_warned_of_once_whatever_the_order_of_their_members():
    owner: JsonObject = {"apiVersion": "v1", "kind": "A", "name": "a", "uid": "1"}
    turned: JsonObject = dict(reversed(owner.items()))
    other: JsonObject = owner | {"uid": "2"}

    (warning,) = owner_warnings({"ownerReferences": [owner, other, turned, owner, other]})

    assert warning.endswith("observed: 1, 1, 2")


def test_equal_owners_in_a_patched_object_are_noticed_later():
    owner: JsonObject = {"apiVersion": "v1", "kind": "A", "name": "a", "uid": "1"}

    (warning,) = owner_warnings({"ownerReferences": [owner, owner]}, patched=True)

    assert warning.startswith(
        ".metadata.ownerReferences contains duplicate entries after mutating admission happens; API"
    )


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"labels": {f"{i}": "a b" for i in range(5_000)}}, id="labels"),
        pytest.param({"finalizers": ["-"] * 5_000}, id="finalizers"),
        pytest.param(
            {
                "ownerReferences": [
                    {**OWNER, "uid": str(i), "controller": True} for i in range(5_000)
                ]
            },
            id="controllers",
        ),
    ],
)
def test_very_many_faults_are_not_all_told(metadata):
    found = faults({"name": "a", **metadata})

    assert len(found) == 100
    assert sum(map(len, found)) < 1_000_000
