"""The reference says what the schema says, and the manifests of it and of the README are right."""

import re
from pathlib import Path

import pytest

from apiserver.jsontypes import object_at
from apiserver.resource.schema.kind import kind_schema
from apiserver.resource.spec.advice import spec_warnings
from apiserver.resource.spec.validation import spelt_spec, validate_spec
from apiserver.wire.metaschema import OBJECT_META
from apiserver.wire.schema import prune
from apiserver.wire.yamltext import parse_yaml
from tests.reference.examples import EXAMPLES
from tests.reference.page import PAGE, page

README = Path(__file__).parents[2] / "README.md"
OF_README = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
MANIFESTS = EXAMPLES | {f"README, {n}": each for n, each in enumerate(OF_README, start=1)}


def test_the_page_is_what_the_schema_says():
    assert PAGE.read_text() == page(), "`make update` writes it anew"


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_is_valid_and_nothing_to_warn_of(manifest):
    document, _ = parse_yaml(manifest.encode(), max_depth=10)
    pruned = prune(object_at({"it": document}, "it"), kind_schema(OBJECT_META))
    spec, unreadable = spelt_spec(object_at(pruned.document, "spec"), None)
    _, errors = validate_spec(spec, None)

    assert (pruned.unknown, pruned.errors, unreadable, errors) == ((), (), [], [])
    assert list(spec_warnings(spec, None)) == []
