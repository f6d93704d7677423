"""YAML as Kubernetes users mean it, into JSON values: the core schema of YAML 1.2. Pure.

PyYAML follows 1.1, where `80:50` is the number 4850, `no` is false and `2026-01-02` is a date. Here
all three are strings. What JSON cannot hold (dates, sets, keys that are no strings) is an error, and
so is a key that stands twice in one mapping.
"""

import re
from collections.abc import Hashable
from typing import Any, Final

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode

from apiserver.jsontypes import JsonValue

_INTEGER_BASES: Final = {"0o": 8, "0x": 16}

_MERGE: Final = "tag:yaml.org,2002:merge"


class YamlError(Exception):
    """A text that is not YAML, or not such as JSON can hold; says where."""


def load_documents(text: str) -> list[JsonValue]:
    """Return the documents of a stream. Raises YamlError."""
    try:
        return list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # The last two: a number of more digits than Python reads, and nesting without bound.
        raise YamlError(str(error)) from error


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping whose keys are strings, each of them once."""
        keys: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise ConstructorError(None, None, "a key is not a string", key_node.start_mark)
            if key in keys:
                raise ConstructorError(None, None, f"key {key!r} twice", key_node.start_mark)
            keys.add(key)
        return super().construct_mapping(node, deep=deep)


# Tables of its own; those of the parent have all of YAML 1.1.
_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {}


def _integer(_loader: _Loader, node: ScalarNode) -> int:
    text: str = node.value
    base = _INTEGER_BASES.get(text[:2], 10)
    return int(text if base == 10 else text[2:], base)  # noqa: PLR2004 - ten


def _boolean(_loader: _Loader, node: ScalarNode) -> bool:
    return bool(node.value.lower() == "true")


def _unknown(_loader: _Loader, node: Node) -> None:
    raise ConstructorError(None, None, f"tag {node.tag!r} means nothing here", node.start_mark)


def _define(kind: str, pattern: str, first: str) -> None:
    tag = f"tag:yaml.org,2002:{kind}"
    _Loader.add_implicit_resolver(tag, re.compile(rf"(?:{pattern})\Z"), list(first))


_define("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_define("int", "[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789")
_define(
    "float",
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?",
    "-+.0123456789",
)
_define("merge", "<<", "<")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]
)

_SAFE: Final = yaml.SafeLoader
for _kind, _construct in {
    "null": _SAFE.construct_yaml_null,
    "bool": _boolean,
    "int": _integer,
    "float": _SAFE.construct_yaml_float,
    "str": _SAFE.construct_yaml_str,
    "seq": _SAFE.construct_yaml_seq,
    "map": _SAFE.construct_yaml_map,
}.items():
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _construct)
_Loader.add_constructor(None, _unknown)
