"""How requests are counted, however strange they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.registry.packetcaptures import PACKET_CAPTURES
from apiserver.server.reports import REPORTS
from apiserver.server.requestlabels import Labelling, RequestLabels, dry_run
from apiserver.wire.query import parse_query
from apiserver.wire.request import parse_request

LABELLING = Labelling((PACKET_CAPTURES, REPORTS))
ALL = "/apis/projectcalico.org/v3/packetcaptures"
INSIDE = "/apis/projectcalico.org/v3/namespaces/shop/packetcaptures"
HTTP = f"{INSIDE}/http"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"


def labels(method, target, content_type=""):
    path, _, query = target.partition("?")
    return LABELLING.labels(parse_request(method, path, parse_query(query)), content_type)


def of_captures(verb, subresource, scope):
    resource = ("projectcalico.org", "v3", "packetcaptures")
    return RequestLabels(verb, *resource, subresource, scope, "apiserver")


@pytest.mark.parametrize(
    ("method", "target", "content_type", "expected"),
    [
        ("GET", HTTP, "", ("GET", "", "resource")),
        ("HEAD", HTTP, "", ("GET", "", "resource")),
        ("GET", INSIDE, "", ("LIST", "", "namespace")),
        ("GET", ALL, "", ("LIST", "", "cluster")),
        ("GET", f"{ALL}?fieldSelector=metadata.name%3Dhttp", "", ("LIST", "", "resource")),
        ("GET", f"{INSIDE}?watch=1", "", ("WATCH", "", "namespace")),
        ("POST", INSIDE, "", ("POST", "", "resource")),
        ("PUT", f"{HTTP}/status", "", ("PUT", "status", "resource")),
        ("PATCH", HTTP, JSON_PATCH, ("PATCH", "", "resource")),
        ("PATCH", HTTP, APPLY, ("APPLY", "", "resource")),
        ("POST", INSIDE, APPLY, ("POST", "", "resource")),
        ("DELETE", HTTP, "", ("DELETE", "", "resource")),
        ("DELETE", INSIDE, "", ("DELETE", "", "namespace")),
        ("GET", f"{HTTP}/files/n1/a.pcap", "", ("GET", "files", "resource")),
        ("GET", f"{HTTP}/nonsense", "", ("GET", "other", "resource")),
        ("BREW", HTTP, "", ("other", "", "resource")),
    ],
)
def test_a_request_for_captures_is_counted_by_what_it_does(method, target, content_type, expected):
    assert labels(method, target, content_type) == of_captures(*expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/apis", ("", "", "", "apis", "", "apiserver")),
        ("/apis/projectcalico.org/v3", ("projectcalico.org", "v3", "", "", "", "apiserver")),
        ("/openapi/v3/apis/projectcalico.org/v3", ("", "", "", "openapi/v3", "", "apiserver")),
        ("/readyz", ("", "", "", "/readyz", "", "")),
        ("/livez/ping", ("", "", "", "/livez", "", "")),
        ("/metrics", ("", "", "", "/metrics", "", "")),
        ("/", ("", "", "", "", "", "apiserver")),
        ("/apis/other.org/v1", ("", "", "", "", "", "apiserver")),
        ("/apis/projectcalico.org/v9/things", ("", "", "", "", "", "apiserver")),
        ("/metrics/x", ("", "", "", "", "", "apiserver")),
    ],
)
def test_a_page_is_counted_by_its_path_and_an_unknown_one_by_none(path, expected):

    assert labels("GET", path)[1:] == expected


@given(
    st.lists(
        st.tuples(
            st.text("GETPOS", max_size=5),
            st.lists(
                st.sampled_from(["apis", "projectcalico.org", "v3", "packetcaptures", "openapi"])
                | st.text("abc%2F.", max_size=4),
                max_size=8,
            ),
        )
    )
)
def test_what_clients_make_up_is_no_label(requests):
    made = {labels(method, "/" + "/".join(segments)) for method, segments in requests}

    for label in set().union(*made):
        assert label in {
            *("", "GET", "LIST", "POST", "other", "apiserver", "projectcalico.org", "v3"),
            *("packetcaptures", "resource", "namespace", "cluster", "apis", "openapi/v3"),
        }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ""),
        ("dryRun=All", "All"),
        ("dryRun=All&dryRun=All", "All"),
        ("dryRun=", "invalid"),
        ("dryRun=all&dryRun=All", "invalid"),
    ],
)
def test_a_dry_run_is_counted_as_one_or_as_invalid(query, expected):
    assert dry_run(parse_query(query)) == expected
