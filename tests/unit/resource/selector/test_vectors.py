import json
from pathlib import Path

from apiserver.resource.selector.nodes import SelectorError
from apiserver.resource.selector.parser import parse

# Selectors with what Calico's own parser (libcalico-go of August 2025) answers: some by hand, at the
# edges of the rules; the others random, the rare kinds of answers as often as the common. Its messages
# are those of its later tokenizer, which says more and refuses the same, but for line breaks in `has( )`.
VECTORS = [
    json.loads(line)
    for line in Path(__file__).with_name("vectors.jsonl").read_text().split("\n")
    if line
]

OPERATOR = "expected an operator after label '"
STRING = "expected a string in quotes, found "
SET = "expected a set of strings in { }, found "

# How Calico begins each of its messages, and how we begin ours.
MESSAGES = {
    "expected operator after label": (OPERATOR, STRING, SET),
    "unexpected end of string looking for op": (OPERATOR,),
    "expected == or != not: ": (OPERATOR,),
    "expected ==": ("expected ==, found a single =",),
    "expected &&": ("expected &&, found a single &",),
    "expected ||": ("expected ||, found a single |",),
    "expected string": (STRING,),
    "expected set literal": (SET,),
    "expected }": ("expected a comma or }, ", "expected a string in quotes or }, "),
    "expected )": ("expected &&, || or ) for the ( at character ",),
    "expected identifier": (
        "expected a word, a string or an operator, found ",
        "expected only spaces and tabs between words, found ",
        "expected a label without quotes after has(, found ",
    ),
    "label too long": ("a label has at most 512 characters, ",),
    "no closing ')' after ": ("expected ) to close ",),
    "unexpected token: ": ("expected a label, has(), all(), global(), ! or (, found ",),
    "unexpected content at end of selector": ("expected &&, || or the end of the selector, ",),
    "unterminated string": ("expected ' at the end of", 'expected " at the end of'),
}


def answer(text, labels):
    """Return what we answer, in the form of a vector."""
    try:
        selector = parse(text)
    except SelectorError as error:
        return {"ok": False, "error": error.message}
    match, canonical = selector.matches(labels), selector.canonical
    return {"ok": True, "match": match, "canonical": canonical, "id": selector.unique_id}


def begins_as_ours(theirs, ours):
    return ours.startswith(
        next(ours for calico, ours in MESSAGES.items() if theirs.startswith(calico))
    )


def test_there_are_vectors_of_both_kinds():
    assert len(VECTORS) > 2000
    assert 800 < sum(vector["ok"] for vector in VECTORS) < len(VECTORS) - 800


def test_agrees_with_calico_on_what_is_a_selector_and_what_it_matches():
    agreed = [vector for vector in VECTORS if vector["ok"]]

    answers = [answer(vector["selector"], vector["labels"]) for vector in agreed]

    differing = [
        (vector, ours)
        for vector, ours in zip(agreed, answers, strict=True)
        if vector | ours != vector
    ]
    assert differing == []


def test_agrees_with_calico_on_what_is_no_selector_and_why():
    refused = [vector for vector in VECTORS if not vector["ok"]]

    answers = [answer(vector["selector"], {}) for vector in refused]

    differing = [
        (vector, ours)
        for vector, ours in zip(refused, answers, strict=True)
        if ours["ok"] or not begins_as_ours(vector["error"], ours["error"])
    ]
    assert differing == []
