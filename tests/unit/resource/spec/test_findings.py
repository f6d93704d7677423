from apiserver.fields import invalid
from apiserver.jsontypes import JsonObject
from apiserver.resource.spec.findings import in_order, is_about, new_errors


def error(field):
    return invalid(field, "x", "why")


def test_errors_come_in_the_order_of_the_fields_and_the_rest_last():
    fields = [
        "metadata.name",
        "spec.ttlSecondsAfterFinished",
        "spec.limits.packets",
        "spec.filters[10].ports[0]",
        "spec.filters[2]",
        "spec.filters",
        "spec.selector",
    ]

    found = [each.field for each in in_order(error(field) for field in fields)]

    assert found == [*reversed(fields[1:]), "metadata.name"]


def test_an_error_is_about_a_member_and_all_in_it():
    assert is_about(error("spec.filters[1].ports[0]"), "filters")
    assert is_about(error("spec.filters"), "filters")
    assert not is_about(error("spec.selector"), "filters")
    assert not is_about(error("metadata.name"), "filters")


def test_what_is_not_about_a_spec_is_never_old():
    errors = [error("metadata.name")]

    assert new_errors(errors, {}, {}) == errors


def test_a_rule_that_is_not_there_is_new():
    spec: JsonObject = {"filters": []}

    assert len(new_errors([error("spec.filters[3].protocol")], spec, {"filters": [{}]})) == 1
