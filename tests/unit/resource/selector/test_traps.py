"""Traps 1 to 11 of calico-semantics 8, each by its number."""

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.resource.pods import read_pod
from apiserver.resource.selector.nodes import SelectorError
from apiserver.resource.selector.parser import parse
from apiserver.resource.spec.codec import canonical_spec


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('k != "v"', True),
        ('k not in {"v"}', True),
        ("k not in {}", True),
        ('k == "v"', False),
        ('k == ""', False),
        ('k in {"v", ""}', False),
        ('k contains ""', False),
        ('k starts with ""', False),
        ('k ends with ""', False),
        ("has(k)", False),
    ],
)
def test_trap_1_of_a_label_that_is_missing_only_the_negative_is_true(text, matches):
    assert parse(text).matches({"other": "v"}) is matches


@pytest.mark.parametrize("blank", ["\n", "\r", "\r\n", "\f", "\v", "\u00a0", "\u2003", "\ufeff"])
@pytest.mark.parametrize(
    "template",
    [
        *["all(){}", "{}all()", "all() &&{}all()"],
        *["a in{}{{}}", "a not in{}{{}}", 'a starts with{}"b"'],
        *['a =={}"b"', 'a in {{{}"b"}}', 'a in {{"b"{}}}'],
    ],
)
def test_trap_2_between_words_only_spaces_and_tabs_are_blank(template, blank):
    parse(template.format(" \t"))
    with pytest.raises(SelectorError):
        parse(template.format(blank))


WITHIN = [
    *["has({}a)", "has(a{})", "all({})", "global({})"],
    *["a not{}in {{}}", 'a starts{}with "b"', 'a ends{}with "b"'],
]


@pytest.mark.parametrize("blank", ["\n", "\r", "\r\n", "\f"])
@pytest.mark.parametrize("template", WITHIN)
def test_trap_2_within_a_word_a_line_break_is_blank_too(template, blank):
    assert parse(template.format(blank)) == parse(template.format(" "))


@pytest.mark.parametrize("blank", ["\v", "\u00a0", "\u2003", "\ufeff"])
@pytest.mark.parametrize("template", WITHIN)
def test_trap_2_within_a_word_no_other_character_is_blank(template, blank):
    with pytest.raises(SelectorError):
        parse(template.format(blank))


def test_trap_2_a_string_of_yaml_with_a_line_break_at_its_end_is_no_selector():
    with pytest.raises(SelectorError, match=r"found '\\n' \(at character 6\)"):
        parse("all()\n")


@pytest.mark.parametrize("text", ['a = "b"', "a='b'", 'a =="b" && c = "d"', "has (a)", "all ()"])
def test_trap_3_one_equals_sign_is_no_operator_and_has_no_blank(text):
    with pytest.raises(SelectorError):
        parse(text)


def test_trap_4_a_set_may_be_empty_and_end_with_a_comma():
    assert parse("a in {}").canonical == "a in {}"
    assert parse('a in {"b",}').canonical == 'a in {"b"}'
    with pytest.raises(SelectorError):
        parse('a in {,"b"}')
    with pytest.raises(SelectorError):
        parse('a in {"b",,}')


WORDS = ["has", "all", "global", "in", "not", "contains", "starts", "ends", "with", "notin"]


@pytest.mark.parametrize("word", WORDS)
def test_trap_5_no_word_is_reserved(word):
    texts = [f'{word} == "{word}"', f'{word} in {{"{word}"}}', f'{word} starts with "{word}"']

    for text in texts:
        assert parse(text).canonical == text
        assert parse(text).matches({word: word})


@pytest.mark.parametrize("word", ["contains", "in", "not in", "starts with", "ends with"])
def test_trap_5_operators_are_words_only_right_after_a_label(word):
    with pytest.raises(SelectorError):
        parse(f'{word} "a"')
    with pytest.raises(SelectorError):
        parse(f'a {word}x "a"')


def test_trap_6_a_negation_is_of_the_whole_comparison_and_two_cancel():
    assert parse('!a == "b"').matches({"a": "c"})
    assert not parse('!a == "b"').matches({"a": "b"})
    assert parse('!a == "b" || has(c)').matches({"a": "b", "c": ""})
    assert parse('!!a == "b"').canonical == 'a == "b"'


def test_trap_7_the_canonical_text_has_parentheses_around_every_run_and_no_others():
    assert parse('(((a=="b")))').canonical == 'a == "b"'
    assert parse("has(a)&&has(b)").canonical == "(has(a) && has(b))"
    assert parse("(has(a))&&(has(b)&&has(c))").canonical == "(has(a) && (has(b) && has(c)))"


@pytest.mark.parametrize("template", ["has({})", "{} == 'a'", "a in {{}} || {} in {{}}"])
def test_trap_8_a_label_of_513_characters_is_none(template):
    with pytest.raises(SelectorError):
        parse(template.format("x" * 513))


def test_trap_8_a_label_of_512_characters_is_one_and_strings_have_no_limit():
    label, value = "x" * 512, "y" * 100_000

    assert parse(f"has( {label} )").matches({label: ""})
    assert parse(f'{label} == "{value}"').matches({label: value})


def test_trap_9_global_is_true():
    assert parse("global()").matches({})
    assert not parse("!global()").matches({})


def test_trap_10_pods_cannot_give_themselves_inherited_labels_nor_another_namespace():
    labels: JsonObject = {
        "pcns.a": "b",
        "pcsa.a": "b",
        "projectcalico.org/namespace": "other",
        "a": "b",
    }
    metadata: JsonObject = {"namespace": "shop", "name": "web", "uid": "1", "labels": labels}

    pod = read_pod({"metadata": metadata})

    assert pod is not None
    assert parse('a == "b" && projectcalico.org/namespace == "shop"').matches(pod.labels)
    assert not parse("has(pcns.a) || has(pcsa.a)").matches(pod.labels)


@pytest.mark.parametrize("spec", [{}, {"selector": ""}], ids=["absent", "empty"])
def test_trap_11_no_selector_is_all(spec):
    canonical, errors = canonical_spec(spec)

    assert (canonical["selector"], errors) == ("all()", [])
    assert parse("").canonical == parse(" \t").canonical == "all()"
