"""Scalars of YAML, as Kubernetes' YAML library resolves them.

That is YAML 1.1 without sexagesimal numbers and dates, which are strings, but with `yes`, `on` and
their like, which are booleans; of YAML 1.2 it knows `0o17`.
"""

import base64
import math
import re

from yaml import events as ev

from apiserver.jsontypes import JsonValue

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"})
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)"
    r"|(?P<dec>0|[1-9][0-9]*))\Z",
    re.ASCII,
)
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
# Longer digits cannot be a 64-bit number in any base, and int() of very long ones is slow.
_MAX_DIGITS = 80
_TAG = "tag:yaml.org,2002:"
_RESOLVED_TAGS = frozenset(f"{_TAG}{each}" for each in ("null", "bool", "int", "float"))


class YamlError(ValueError):
    """Text that is not the YAML we read; the text says why, and where."""


def scalar_value(event: ev.ScalarEvent) -> JsonValue:
    """Return the value of a scalar. Raises `YamlError`."""
    text, tag = event.value, event.tag
    if tag == f"{_TAG}binary":
        return _binary(text)
    # A text stays one under every other tag.
    if tag not in _RESOLVED_TAGS and (tag is not None or not event.implicit[0]):
        return text
    return _resolved(text)


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
    except ValueError as error:
        raise YamlError("!!binary value contains invalid base64 data") from error


def _resolved(text: str) -> JsonValue:
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _NOT_FINITE.match(text):
        raise YamlError(f"JSON has no value for {text}")
    plain = text.replace("_", "") if text[0] in "+-0123456789" else text
    integer = _integer(plain)
    if integer is not None:
        return integer
    number = _float(plain) if _FLOAT.match(plain) else None
    return text if number is None else number


def _integer(text: str) -> int | None:
    found = _INTEGER.match(text) if len(text) <= _MAX_DIGITS else None
    if found is None or found.lastgroup is None:
        return None
    number = int(f"{found['sign']}{found[found.lastgroup]}", _BASES[found.lastgroup])
    return number if -(1 << 63) <= number < 1 << 64 else None


def _float(text: str) -> int | float | None:
    number = float(text)
    if not math.isfinite(number):
        return None
    # The step through JSON text makes 1e3 the same as 1000.
    return int(number) if number.is_integer() and abs(number) < 1 << 63 else number
