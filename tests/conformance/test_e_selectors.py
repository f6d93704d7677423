"""E. Selectors."""

import pytest

from tests.conformance.checks import check
from tests.conformance.documents import fill, labelled, names
from tests.support.client import capture, collection


@check(51)
@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("a in (x,y),!b,c!=d", "ae"),
        ("a in (x,y)", "abde"),
        ("a notin (x)", "cef"),
        ("!a", "cf"),
        ("a", "abde"),
        ("a!=x", "cef"),
        ("a==x", "abd"),
        ("n>1", "f"),
        ("n<5", "cf"),
        ("a in ()", ""),
    ],
)
async def test_labels_select(admin, namespace, selector, selected):
    await fill(
        admin,
        namespace,
        labelled("a", a="x"),
        labelled("b", a="x", b="1"),
        labelled("c", c="d", n="1"),
        labelled("d", a="x", c="d"),
        labelled("e", a="y"),
        labelled("f", n="2"),
    )

    listed = await admin.get(collection(namespace), labelSelector=selector)

    assert names(listed.json) == [*selected]


@check(51)
@pytest.mark.parametrize("selector", ["a in x", "a=b,", "=b", "a b", "a>x"])
async def test_a_label_selector_has_a_syntax(admin, namespace, selector):
    answer = await admin.get(collection(namespace), labelSelector=selector)

    assert (answer.code, answer.json["reason"]) == (400, "BadRequest")


@check(52)
@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("metadata.name=a", "a"),
        ("metadata.name==a", "a"),
        ("metadata.name!=a", "b"),
        ("metadata.namespace!=t", "ab"),
        ("metadata.namespace=t", ""),
        ("metadata.name!=a,metadata.namespace!=t,", "b"),
    ],
)
async def test_fields_select(admin, namespace, selector, selected):
    await fill(admin, namespace, capture("a"), capture("b"))

    listed = await admin.get(collection(namespace), fieldSelector=selector)

    assert names(listed.json) == [*selected]


@check(52)
@pytest.mark.parametrize(
    ("selector", "said"),
    [
        (
            "spec.selector=all()",
            '"spec.selector" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ("x", "invalid selector: 'x'; can't understand 'x'"),
        ("metadata.name=\\x", "invalid escape sequence"),
    ],
)
async def test_other_fields_do_not(admin, namespace, selector, said):
    answer = await admin.get(collection(namespace), fieldSelector=selector)

    assert (answer.code, answer.json["reason"]) == (400, "BadRequest")
    assert said in answer.json["message"]


@check(52)
async def test_a_name_is_found_across_namespaces(admin, namespace):
    made = (await admin.create(namespace, capture(namespace))).json

    listed = await admin.get(collection(), fieldSelector=f"metadata.name={namespace}")

    assert listed.json["items"] == [made]


@check(53)
async def test_a_right_to_one_name_lists_that_name(as_user, user, rights, admin, namespace):
    await fill(admin, namespace, capture("x"), capture("y"))
    await rights.allow(user, ["list", "watch"], namespace=namespace, names=["x"])
    client = as_user(user)

    one = await client.get(collection(namespace), fieldSelector="metadata.name=x")
    other = await client.get(collection(namespace), fieldSelector="metadata.name=y")
    everything = await client.get(collection(namespace))

    assert (one.code, names(one.json)) == (200, ["x"])
    assert (other.code, everything.code) == (403, 403)
