"""The field manager of PacketCaptures."""

import pytest

from apiserver.managedfields.fieldmanager import FieldManager
from apiserver.managedfields.schema import compile_schema
from apiserver.resource.schema.kind import kind_schema
from apiserver.wire.metaschema import OBJECT_META


@pytest.fixture(scope="session")
def schema():
    return kind_schema(OBJECT_META)


@pytest.fixture(scope="session")
def root(schema):
    return compile_schema(schema)


@pytest.fixture(scope="session")
def fields(schema):
    return FieldManager(schema, group_version="projectcalico.org/v3", kind="PacketCapture")
