"""Bodies in JSON and YAML become documents, or one clear refusal."""

import tracemalloc

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from apiserver.wire import yamltext
from apiserver.wire.body import (
    MAX_DEPTH,
    Decoded,
    DecodeError,
    WrongTypeError,
    cannot_be_handled,
    decode,
    decode_object,
    identified,
)
from apiserver.wire.negotiation import BodyMedia
from apiserver.wire.resources import Resource
from apiserver.wire.status import ApiError

THINGS = Resource("g.io", "v1", "things", "thing", "Thing", "ThingList", ("create",))
JSON, YAML = BodyMedia.JSON, BodyMedia.YAML


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def test_json_is_read():
    decoded = decode(b' {"a": [1, -2.5, true, null, "\\u00e9"]} ', JSON)

    assert decoded == Decoded({"a": [1, -2.5, True, None, "é"]})


def test_a_key_set_twice_keeps_its_last_value_and_is_reported_with_its_path():
    decoded = decode(b'{"s":1,"a":{"b":[{},{"c":1,"c":2,"c":3}]},"s":4}', JSON)

    assert decoded.document == {"s": 4, "a": {"b": [{}, {"c": 3}]}}
    assert decoded.duplicates == ('duplicate field "s"', 'duplicate field "a.b[1].c"')


def test_a_long_key_around_many_values_takes_memory_once():
    key, values = "k" * 20_000, ",".join(["0"] * 10_000)
    body = f'{{"a":1,"a":2,"{key}":[{values}]}}'.encode()
    tracemalloc.start()
    try:
        decode(body, JSON)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 100 * len(body)


def test_duplicates_below_a_long_key_are_reported_up_to_a_bound():
    key, twice = "k" * 30_000, ",".join(f'"{each}":1,"{each}":1' for each in "abcdefgh")
    decoded = decode(f'{{"{key}":{{{twice}}}}}'.encode(), JSON)

    assert [each[-3:] for each in decoded.duplicates] == ['.a"', '.b"', '.c"']


def test_no_more_than_a_hundred_duplicates_are_reported():
    body = b'{"a":[' + b",".join([b'{"b":1,"b":1}'] * 200) + b"]}"

    assert len(decode(body, JSON).duplicates) == 100


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b'"\\ud800"', "\ufffd", id="lone high surrogate"),
        pytest.param(b'"\\udc00x"', "\ufffdx", id="lone low surrogate"),
        pytest.param(b'"\\ud83d\\ude00"', "\U0001f600", id="a pair"),
        pytest.param(b'"\\\\ud800"', "\\ud800", id="an escaped backslash"),
        pytest.param(b'"\xff"', "\ufffd", id="invalid UTF-8"),
    ],
)
def test_broken_characters_become_replacement_characters(body, text):
    assert decode(b'{"a":%b}' % body, JSON).document == {"a": text}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"18446744073709551615", 18446744073709551615),
        (b"18446744073709551616", 18446744073709551616.0),
        (b"-9223372036854775809", -9223372036854775809.0),
        (b"1e3", 1000.0),
    ],
)
def test_numbers_over_64_bits_become_floats(text, number):
    value = decode(b'{"a":%b}' % text, JSON).document["a"]

    assert value == number
    assert type(value) is type(number)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[1]", b"5", b'"x"', b"{} x", b'{"a":NaN}', b'{"a":Infinity}',
        b'{"a":-Infinity}', b"\xef\xbb\xbf{}", b'{"a":"\x01"}', b'{"a":1e999}', b"{'a':1}",
        b'{"a":%b}' % (b"9" * 5000), b"{}{}", b"\x1f\x8b\x08", b'{"a":1,}',
    ],
)  # fmt: skip
def test_what_is_not_one_json_object_is_refused(body):
    with pytest.raises(DecodeError):
        decode(body, JSON)


def test_depth_is_bounded_exactly():
    assert decode(nested(MAX_DEPTH), JSON).document
    with pytest.raises(DecodeError, match="exceeded max depth"):
        decode(nested(MAX_DEPTH + 1), JSON)


@pytest.mark.parametrize(
    "body", [nested(100_000), b'{"a":' * 100_000, b"[" * 1_000_000], ids=["whole", "cut", "arrays"]
)
@pytest.mark.parametrize("media", BodyMedia)
def test_a_bottomless_body_is_refused(body, media):
    with pytest.raises(DecodeError, match="exceeded max depth"):
        decode(body, media)


def test_what_is_read_can_be_written():
    assert orjson.dumps(decode(nested(MAX_DEPTH), JSON).document)


@given(st.binary())
def test_any_bytes_are_read_or_refused(body):
    for media in BodyMedia:
        try:
            document = decode(body, media).document
        except DecodeError:
            continue
        assert orjson.dumps(document)


trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.text(), trees))
def test_json_reads_back_as_it_was_written(document):
    assert decode(orjson.dumps(document), JSON).document == document


# libyaml takes nothing longer than 1024 characters for a key.
@given(st.dictionaries(st.text(max_size=100), trees))
def test_yaml_reads_back_as_it_was_written(document):
    body = yaml.safe_dump(document, default_style='"').encode()

    assert decode(body, YAML).document == document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:30", "1:30"), ("2024-01-01", "2024-01-01"), ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        ("80:50", "80:50"), ("yes", True), ("on", True), ("y", True), ("NO", False), ("off", False),
        ("n", False), ("true", True), ("False", False), ("yEs", "yEs"),
        ("0777", 511), ("0o17", 15), ("0x1F", 31), ("0b101", 5), ("1_000", 1000), ("-7", -7),
        ("+7", 7), ("0", 0), ("08", 8), ("1e3", 1000), ("1.5", 1.5), (".5", 0.5), ("-1.0", -1),
        ("1e40", 1e40), ("18446744073709551615", 18446744073709551615), ("1.2.3", "1.2.3"),
        ("~", None), ("null", None), ("", None), ("'5'", "5"), ('"true"', "true"), ("!!str 5", "5"),
        ("! 5", "5"), ("!!int '5'", 5), ("!mine 5", "5"), ("!!timestamp 2020-01-01", "2020-01-01"),
        ("!!binary aMOp", "hé"), ("1e999", "1e999"), ("-", [None]), ("x y", "x y"), ("a_b", "a_b"),
        ("all()", "all()"), ("|\n  x\n  y\n", "x\ny\n"), ("[1, {b: 2}]", [1, {"b": 2}]),
    ],
)  # fmt: skip
def test_yaml_scalars_are_what_kubernetes_makes_of_them(text, value):
    found = decode(f"a:\n {text}\n".encode(), YAML).document["a"]

    assert found == value
    assert type(found) is type(value)


def test_yaml_reads_the_first_document_only():
    assert decode(b"---\na: 1\n---\nb: [", YAML).document == {"a": 1}


def test_yaml_keys_become_strings():
    document = decode(b"1: a\ntrue: b\n1.5: c\n", YAML).document

    assert document == {"1": "a", "true": "b", "1.5": "c"}


def test_yaml_anchors_and_merge_keys_work():
    body = b"a: &x {k: 1, l: 2}\nb:\n  l: 3\n  <<: *x\nc:\n  <<: [*x, {k: 9, m: 4}]\n"

    document = decode(body, YAML).document

    assert document["b"] == {"k": 1, "l": 3}
    assert document["c"] == {"k": 1, "l": 2, "m": 4}


def test_a_yaml_key_set_twice_is_reported_with_its_line():
    decoded = decode(b"a: 1\nb:\n  c: 1\n  c: 2\n", YAML)

    assert decoded.document == {"a": 1, "b": {"c": 2}}
    assert decoded.duplicates == ('line 4: key "c" already set in map',)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"a: b: c", "mapping values are not allowed"),
        (b"x: 1\na: b: c", "line 2: mapping values are not allowed"),
        (b"{", "line 1: did not find expected node content"),
        (b"x: |\n  a\n b", "line 2: did not find expected key"),
        (b"a: *x", "unknown anchor 'x' referenced"),
        (b"a: &x [*x]", "unknown anchor 'x' referenced"),
        (b"~: 1", "invalid map key: only plain values can be keys"),
        (b"? [a]\n: 1", "invalid map key: only plain values can be keys"),
        (b"a: .inf", "JSON has no value"),
        (b"a: .NaN", "JSON has no value"),
        (b"a: !!binary x", "!!binary value contains invalid base64 data"),
        (b"a:\n  <<: 5", "map merge requires map"),
        (b"a: \x00", "control characters are not allowed"),
        (b"a: \xff", "invalid leading UTF-8 octet"),
        (b"a: \xc3\x28", "invalid trailing UTF-8 octet"),
        (b"a: \xc3", "incomplete UTF-8 octet sequence"),
    ],
)
def test_yaml_that_is_not_json_is_refused(body, problem):
    with pytest.raises(DecodeError) as caught:
        decode(body, YAML)

    assert str(caught.value).startswith(f"yaml: {problem}")


@pytest.mark.parametrize(
    ("body", "found"), [(b"- a", "array"), (b"text", "string"), (b"5", "number")]
)
def test_yaml_that_is_no_object_is_refused(body, found):
    with pytest.raises(
        DecodeError, match=f"json parse error: json: cannot unmarshal {found} into"
    ):
        decode(body, YAML)


@pytest.mark.parametrize(("body", "media"), [(b"null", JSON), (b"", YAML), (b"--- ~", YAML)])
def test_null_is_an_empty_object(body, media):
    assert decode(body, media).document == {}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "unexpected end of JSON input"),
        ('{"a":[1', "unexpected end of JSON input"),
        ('{"a":"x', "unexpected end of JSON input"),
        ("abc", "invalid character 'a' looking for beginning of value"),
        ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
        ("{'a':1}", r"invalid character '\'' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 2}', "invalid character '2' after a value"),
        ('{"a":1} x', "invalid character 'x' after top-level value"),
        ('{"a":"\t"}', r"invalid character '\t' in string literal"),
        (r'{"a":"\q"}', "invalid character 'q' in string escape code"),
        ("5", "json: cannot unmarshal number into an object"),
        ("true", "json: cannot unmarshal bool into an object"),
    ],
)
def test_malformed_json_is_told_in_gos_words(body, problem):
    with pytest.raises(DecodeError) as caught:
        decode(body.encode(), JSON)

    assert str(caught.value) == f"couldn't get version/kind; json parse error: {problem}"


def test_aliases_may_not_blow_up():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in ("ab", "bc", "cd", "de", "ef")
    ]

    with pytest.raises(DecodeError, match="excessive aliasing"):
        decode("\n".join(lines).encode(), YAML)


@pytest.mark.parametrize(
    "repeated",
    [
        pytest.param("[" + "*a," * 1000 + "]", id="as-items"),
        pytest.param("[" + "{*a : 1}," * 1000 + "]", id="as-keys"),
        pytest.param("[&b {*a : 1}" + ",*b" * 1000 + "]", id="within-what-is-repeated"),
    ],
)
def test_aliases_of_a_long_text_may_not_blow_up(repeated):
    body = f"text: &a {'x' * 10_000}\nall: {repeated}\n"

    with pytest.raises(DecodeError, match="excessive aliasing"):
        decode(body.encode(), YAML)


def test_aliases_count_into_the_depth():
    inner, outer = "[" * 150, "]" * 150
    body = f"a: &x {inner}1{outer}\nb: {inner}*x{outer}\n"

    with pytest.raises(DecodeError, match="exceeded max depth"):
        decode(body.encode(), YAML)


def test_a_yaml_of_very_many_nodes_is_refused():
    with pytest.raises(DecodeError, match="too many nodes"):
        decode(b"a: [" + b"1," * yamltext.MAX_NODES + b"]", YAML)


def test_an_object_need_not_say_what_it_is():
    document = decode_object(b'{"spec":{}}', JSON, THINGS).document

    assert document == {"apiVersion": "g.io/v1", "kind": "Thing", "spec": {}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b'{"apiVersion":"a/b"}',
            "the API version in the data (a/b) does not match the expected API version (g.io/v1)",
        ),
        (
            b'{"kind":"Other"}',
            ('Other in version "v1" cannot be handled as a Thing: no kind "Other" is registered for '
            'version "g.io/v1"'),
        ),
        (
            b"{",
            ("the object provided is unrecognized (must be of type Thing): couldn't get version/kind; "
            "json parse error: unexpected end of JSON input ({)"),
        ),
        (
            b'{"kind":5}',
            ("the object provided is unrecognized (must be of type Thing): couldn't get version/kind; "
            "json parse error: json: cannot unmarshal number into Go struct field .kind of type string "
            '({"kind":5})'),
        ),
        (
            b'{"apiVersion":"a/b/c"}',
            ("the object provided is unrecognized (must be of type Thing): unexpected GroupVersion "
            'string: a/b/c ({"apiVersion":"a/b/c"})'),
        ),
    ],
)  # fmt: skip
def test_an_object_of_another_type_or_none_is_a_bad_request(body, message):
    with pytest.raises(ApiError) as caught:
        decode_object(body, JSON, THINGS)

    assert (caught.value.code, caught.value.message) == (400, message)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", "(<empty>)"), (b"xy", "(7879)"), (b"x" * 31, f"({'78' * 30} ...)"),
        (b"{" + b"x" * 30, "({" + "x" * 29 + " ...)"),
    ],
)  # fmt: skip
def test_a_refusal_shows_the_beginning_of_the_body(body, shown):
    with pytest.raises(ApiError) as caught:
        decode_object(body, JSON, THINGS)

    assert caught.value.message.endswith(shown)


def test_strict_errors_and_warnings_tell_duplicates_first():
    decoded = Decoded({}, ('duplicate field "a"',))

    assert decoded.strict_errors(['unknown field "b"']) == (
        'strict decoding error: duplicate field "a", unknown field "b"'
    )
    assert decoded.warnings(['unknown field "b"']) == ('duplicate field "a"', 'unknown field "b"')


def test_strict_errors_of_yaml_are_one_list():
    decoded = Decoded({}, ("line 1: x", "line 2: y"), YAML)

    assert decoded.strict_errors([]) == (
        "strict decoding error: yaml: unmarshal errors:\n  line 1: x\n  line 2: y"
    )


def test_nothing_to_object_to_is_an_empty_text():
    assert Decoded({}).strict_errors([]) == ""


def test_a_document_that_does_not_fit_names_its_kind():
    assert cannot_be_handled(THINGS, "why").message == (
        'Thing in version "v1" cannot be handled as a Thing: why'
    )


@pytest.mark.parametrize("document", [{}, {"kind": None}, {"kind": "", "apiVersion": ""}])
def test_an_object_need_not_say_its_type(document):
    made = identified({"spec": {}, **document}, THINGS)

    assert made == {"apiVersion": "g.io/v1", "kind": "Thing", "spec": {}}


@pytest.mark.parametrize("document", [{"kind": "Pod"}, {"apiVersion": "v1"}, {"kind": ["Thing"]}])
def test_an_object_of_another_type_is_refused(document):
    with pytest.raises(WrongTypeError):
        identified(document, THINGS)


def test_yaml_merge_keys_keep_the_first_of_each_member():
    body = b"a: &a {k: 1, l: 1}\nb: &b {l: 2, m: 2}\nc: {<<: [*a, *b], m: 3}"

    assert decode(body, BodyMedia.YAML).document["c"] == {"k": 1, "l": 1, "m": 3}


def test_very_many_directives_are_refused_before_anybody_compares_them():
    directives = "".join(f"%TAG !a{i}! tag:x,2000:\n" for i in range(20_000))

    with pytest.raises(DecodeError, match="too many directives"):
        decode(f"{directives}---\na: b".encode(), YAML)
