import pytest

from apiserver.jsontypes import object_at
from apiserver.resource.schema.kind import kind_schema
from apiserver.wire.structure import structural_errors

STATUS = object_at(object_at(kind_schema({"type": "object"}), "properties"), "status")


@pytest.mark.parametrize(
    ("status", "errors"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"files": [{"node": "a"}, {"node": "b"}]}, [], id="two nodes"),
        pytest.param(
            {"files": [{"state": "Capturing"}]},
            ["status.files[0].node: Required value"],
            id="no key",
        ),
        pytest.param(
            {"files": [{"node": "a"}, {"node": "b"}, {"node": "a"}]},
            ['status.files[2]: Duplicate value: {"node":"a"}'],
            id="a key twice",
        ),
        pytest.param(
            {"files": [{"node": "a", "endpoints": [{"podUID": "u"}, {"podUID": "u"}]}]},
            [
                "status.files[0].endpoints[0].interface: Required value",
                'status.files[0].endpoints[1]: Duplicate value: {"podUID":"u"}',
                "status.files[0].endpoints[1].interface: Required value",
            ],
            id="everything at once",
        ),
        pytest.param(
            {"files": [{"node": "a", "state": "Some"}]},
            [
                (
                    'status.files[0].state: Unsupported value: "Some": supported values: '
                    '"Scheduled", "WaitingForTraffic", "Capturing", "Finished", "Error"'
                )
            ],
            id="no state",
        ),
    ],
)
def test_what_a_schema_demands_is_told_with_its_path(status, errors):
    assert [str(each) for each in structural_errors(status, STATUS, "status")] == errors
