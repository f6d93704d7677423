"""Options of get, list and watch, alone and together."""

import pytest

from apiserver.wire.options import (
    GetOptions,
    ListOptions,
    VersionMatch,
    WatchOptions,
    parse_get_options,
    parse_list_options,
    parse_watch_options,
)
from apiserver.wire.query import parse_query
from apiserver.wire.status import ApiError
from tests.support.documents import as_sent

FORBIDDEN = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden"
UNPARSABLE = (
    'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'
)


def refused(parse, query: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse(parse_query(query))
    return caught.value


def test_nothing_asked_for_is_the_most_recent_of_everything():
    assert parse_get_options(parse_query("")) == GetOptions(None)
    assert parse_list_options(parse_query("")) == ListOptions()
    assert parse_watch_options(parse_query("")) == WatchOptions()


def test_a_list_with_all_that_it_may_have():
    options = parse_list_options(
        parse_query(
            "resourceVersion=05&resourceVersionMatch=Exact&limit=3&timeoutSeconds=9"
            "&labelSelector=a&fieldSelector=metadata.name=b"
        )
    )

    assert (options.resource_version, options.match) == (5, VersionMatch.EXACT)
    assert (options.limit, options.timeout_seconds) == (3, 9)
    assert options.selection.labels.render() == "a"
    assert options.selection.fields.exact_name == "b"


def test_a_negative_limit_is_none():
    assert parse_list_options(parse_query("limit=-1")).limit == 0


def test_a_list_may_continue_with_version_zero():
    options = parse_list_options(parse_query("continue=t&resourceVersion=0"))

    assert (options.continue_token, options.resource_version) == ("t", 0)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("resourceVersion=abc", 400, f"invalid resource version: {UNPARSABLE}"),
        ("limit=", 400, 'strconv.ParseInt: parsing "": invalid syntax'),
        ("labelSelector=a,", 400, "found '', expected: identifier after ','"),
        ("fieldSelector=x", 400, "invalid selector: 'x'; can't understand 'x'"),
        ("labelSelector=a,&resourceVersionMatch=Exact", 400, "found '', expected: identifier after ','"),
        (
            "resourceVersionMatch=Exact", 422,
            f'ListOptions.meta.k8s.io "" is invalid: {FORBIDDEN} unless resourceVersion is provided',
        ),
        (
            "resourceVersionMatch=Exact&resourceVersion=1&continue=t", 422,
            f'ListOptions.meta.k8s.io "" is invalid: {FORBIDDEN} when continue is provided',
        ),
        (
            "resourceVersionMatch=Exact&resourceVersion=0", 422,
            ('ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
            'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
        ),
        (
            "resourceVersionMatch=Bogus&resourceVersion=1", 422,
            ('ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: '
            '"Bogus": supported values: "Exact", "NotOlderThan", ""'),
        ),
        (
            "sendInitialEvents=true", 422,
            ('ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: '
            "sendInitialEvents is forbidden for list"),
        ),
    ],
)  # fmt: skip
def test_a_list_that_makes_no_sense_is_refused(query, code, message):
    error = refused(parse_list_options, query)

    assert (error.code, error.message) == (code, message)


def test_what_informers_send_to_watch():
    options = parse_watch_options(
        parse_query(
            "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
            "&allowWatchBookmarks=true&timeoutSeconds=400"
        )
    )

    assert options == WatchOptions(
        send_initial_events=True, allow_bookmarks=True, timeout_seconds=400
    )


def test_initial_events_may_be_declined():
    options = parse_watch_options(
        parse_query("sendInitialEvents=false&resourceVersionMatch=NotOlderThan")
    )

    assert options.send_initial_events is False


def test_a_watch_without_a_positive_timeout_is_as_long_as_the_server_likes():
    assert parse_watch_options(parse_query("timeoutSeconds=0")).timeout_seconds is None


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        (
            "sendInitialEvents=true", 422,
            ('ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        ),
        (
            "resourceVersionMatch=NotOlderThan", 422,
            (f'ListOptions.meta.k8s.io "" is invalid: {FORBIDDEN} for watch unless sendInitialEvents '
            "is provided"),
        ),
        (
            "sendInitialEvents=1&resourceVersionMatch=NotOlderThan&continue=t", 422,
            f'ListOptions.meta.k8s.io "" is invalid: {FORBIDDEN} when continue is provided',
        ),
        ("resourceVersion=abc", 400, UNPARSABLE),
        ("timeoutSeconds=abc", 400, 'strconv.ParseInt: parsing "abc": invalid syntax'),
    ],
)  # fmt: skip
def test_a_watch_that_makes_no_sense_is_refused(query, code, message):
    error = refused(parse_watch_options, query)

    assert (error.code, error.message) == (code, message)


def test_a_watch_with_another_match_is_told_both_faults():
    error = refused(parse_watch_options, "sendInitialEvents=1&resourceVersionMatch=Exact")

    assert len(as_sent(error.to_json())["details"]["causes"]) == 2


@pytest.mark.parametrize(("text", "version"), [("0", 0), ("12", 12), ("01", 1)])
def test_a_get_names_the_oldest_version_that_will_do(text, version):
    options = parse_get_options(parse_query(f"resourceVersion={text}"))

    assert options.resource_version == version


def test_a_get_of_a_version_that_does_not_parse_is_a_bad_request():
    assert refused(parse_get_options, "resourceVersion=abc").message == UNPARSABLE
    too_large = refused(parse_get_options, f"resourceVersion={1 << 64}")
    assert too_large.message.endswith("value out of range")
