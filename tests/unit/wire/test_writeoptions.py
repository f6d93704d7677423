"""Options of create, update, patch and delete."""

import pytest

from apiserver.wire.deleteoptions import DeleteOptions, Propagation, parse_delete_options
from apiserver.wire.negotiation import PatchType
from apiserver.wire.query import parse_query
from apiserver.wire.resources import Resource
from apiserver.wire.status import ApiError
from apiserver.wire.writeoptions import (
    FieldValidation,
    default_field_manager,
    parse_create_options,
    parse_patch_options,
    parse_update_options,
)
from tests.support.documents import as_sent

THINGS = Resource("g.io", "v1", "things", "thing", "Thing", "ThingList", ("delete",))


def refused(parse, *arguments) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse(*arguments)
    return caught.value


def test_unknown_fields_are_warned_of_unless_the_request_says_otherwise():
    options = parse_create_options(parse_query(""), "kubectl/v1.36 (linux)")

    assert options.field_validation is FieldValidation.WARN
    assert options.field_manager == "kubectl"
    assert not options.dry_run


def test_a_write_with_all_that_it_may_have():
    options = parse_update_options(
        parse_query("dryRun=All&dryRun=All&fieldManager=me&fieldValidation=Strict"), ""
    )

    assert (options.dry_run, options.field_manager) == (True, "me")
    assert options.field_validation is FieldValidation.STRICT


@pytest.mark.parametrize(
    ("agent", "manager"),
    [
        ("kubectl/v1", "kubectl"), ("curl", "curl"), ("", "unknown"), ("/x", "unknown"),
        ("a\x07b/1", "ab"), ("é" * 100, "é" * 64),
    ],
)  # fmt: skip
def test_the_program_is_the_manager_of_those_who_do_not_say(agent, manager):
    assert default_field_manager(agent) == manager


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("dryRun=x", 'dryRun: Unsupported value: ["x"]: supported values: "All"'),
        ("dryRun=", 'dryRun: Unsupported value: [""]: supported values: "All"'),
        (
            "fieldValidation=x",
            (
                'fieldValidation: Unsupported value: "x": supported values: "", "Ignore", "Strict", '
                '"Warn"'
            ),
        ),
        (f"fieldManager={'x' * 129}", "fieldManager: Too long: may not be more than 128 bytes"),
        (
            "fieldManager=a%07b",
            r'fieldManager: Invalid value: "a\ab": invalid character U+0007 (at position 1)',
        ),
    ],
)
def test_a_write_that_makes_no_sense_is_invalid(query, message):
    error = refused(parse_create_options, parse_query(query), "")

    assert error.code == 422
    assert error.message == f'CreateOptions.meta.k8s.io "" is invalid: {message}'


def test_all_faults_are_told_in_one_order():
    query = parse_query(f"fieldValidation=x&dryRun=x&fieldManager={'x' * 129}")

    causes = as_sent(refused(parse_update_options, query, "").to_json())["details"]["causes"]

    assert [each["field"] for each in causes] == ["fieldManager", "dryRun", "fieldValidation"]


@pytest.mark.parametrize("force", ["force", "force=false"])
def test_force_is_for_apply_only(force):
    error = refused(parse_patch_options, parse_query(force), "", PatchType.MERGE)

    assert error.message == (
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for '
        "non-apply patch"
    )


def test_apply_needs_a_manager():
    error = refused(parse_patch_options, parse_query(""), "kubectl/v1", PatchType.APPLY)

    assert error.message.endswith("fieldManager: Required value: is required for apply patch")


def test_apply_may_force():
    query = parse_query("fieldManager=m&force=true")

    assert parse_patch_options(query, "", PatchType.APPLY).force is True


def test_a_deletion_without_options():
    assert parse_delete_options(parse_query(""), None, THINGS) == DeleteOptions()


def test_a_deletion_with_options_in_the_query():
    query = parse_query("dryRun=All&gracePeriodSeconds=5&propagationPolicy=Orphan")

    assert parse_delete_options(query, None, THINGS) == DeleteOptions(
        dry_run=True, grace_period_seconds=5, propagation=Propagation.ORPHAN
    )


def test_a_body_makes_the_query_not_count():
    assert not parse_delete_options(parse_query("dryRun=All"), {}, THINGS).dry_run


@pytest.mark.parametrize("version", ["v1", "meta.k8s.io/v1", "g.io/v1"])
def test_a_deletion_with_options_in_the_body(version):
    body = {
        "kind": "DeleteOptions",
        "apiVersion": version,
        "dryRun": ["All"],
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "unknown": 1,
    }

    assert parse_delete_options(parse_query(""), body, THINGS) == DeleteOptions(
        dry_run=True,
        grace_period_seconds=0,
        propagation=Propagation.FOREGROUND,
        uid="u",
        resource_version="7",
    )


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Thing"},
        {"apiVersion": "other/v1"},
        {"kind": 5},
        {"dryRun": "All"},
        {"dryRun": [1]},
        {"gracePeriodSeconds": "1"},
        {"gracePeriodSeconds": True},
        {"orphanDependents": 1},
        {"preconditions": "u"},
        {"preconditions": {"uid": 5}},
    ],
    ids=str,
)
def test_a_body_that_is_no_delete_options_is_a_bad_request(body):
    assert refused(parse_delete_options, parse_query(""), body, THINGS).code == 400


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "propagationPolicy=Foo",
            (
                'propagationPolicy: Unsupported value: "Foo": supported values: "Foreground", '
                '"Background", "Orphan", "nil"'
            ),
        ),
        (
            "propagationPolicy=Foreground&orphanDependents=true",
            (
                'propagationPolicy: Invalid value: "Foreground": orphanDependents and '
                "deletionPropagation cannot be both set"
            ),
        ),
        ("dryRun=x", 'dryRun: Unsupported value: ["x"]: supported values: "All"'),
    ],
)
def test_a_deletion_that_makes_no_sense_is_invalid(query, message):
    error = refused(parse_delete_options, parse_query(query), None, THINGS)

    assert error.code == 422
    assert error.message == f'DeleteOptions.meta.k8s.io "" is invalid: {message}'


def test_a_manager_that_is_too_long_is_not_looked_at():
    error = refused(parse_create_options, {"fieldManager": ["\a" * 129]}, "")

    assert error.message.endswith("fieldManager: Too long: may not be more than 128 bytes")
