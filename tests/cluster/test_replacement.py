"""The API server's pod is replaced while it is busy: what its clients see of that."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPException, HTTPResponse
from itertools import groupby

import pytest

from tests.cluster import captures
from tests.cluster.callers import (
    Caller,
    RefusedError,
    administrator,
    kube_apiserver,
    product_server,
)
from tests.cluster.cluster import Cluster
from tests.cluster.interruptions import delete_server, replace_server, until_server_replaced
from tests.cluster.operating import is_available, until_apiservice
from tests.cluster.traffic import address_of
from tests.cluster.workloads import pod
from tests.support.client import collection

NUMBER, LAST = "test/number", "test/last"

NODE = "node-b"
PORT = 9000
# Much more than what fits into all the buffers between a node and a client.
FILE_BYTES = 32 << 20
BUFFER_BYTES = 64 << 10


def test_a_watch_hears_of_each_change_once(product, namespace):
    captures.create(product, namespace)
    admin, path = administrator(product), collection(namespace)
    version = admin.get(path).json["metadata"]["resourceVersion"]

    with ThreadPoolExecutor() as threads:
        followed = threads.submit(follow, product, f"{path}?watch=true&resourceVersion=", version)
        replaced = threads.submit(replace_server, product)
        changes = 1
        while not replaced.done():
            annotate(product, namespace, {NUMBER: str(changes)})
            changes += 1
        annotate(product, namespace, {NUMBER: str(changes), LAST: ""})

    replaced.result()
    versions, numbers = zip(*followed.result(), strict=True)
    assert list(versions) == sorted({*versions})
    # The server may have written the status in between.
    assert [number for number, _ in groupby(numbers)] == [*range(1, changes + 1)]


def annotate(cluster: Cluster, namespace: str, annotations: dict[str, str]) -> None:
    """Write annotations, again where the server was away: what is there already is no change."""
    admin, document = administrator(cluster), {"metadata": {"annotations": annotations}}
    while (code := admin.patch(collection(namespace, "all"), document).code) != 200:
        assert code == 503
        until_apiservice(cluster, is_available)


def follow(cluster: Cluster, path: str, version: str) -> list[tuple[int, int]]:
    """Watch from a version on, again from the last one wherever it ends.

    Return the versions and the numbers of all events.
    """
    admin, heard = administrator(cluster), []
    while True:
        try:
            with admin.watching(f"{path}{version}") as events:
                for event in events:
                    metadata = event["object"]["metadata"]
                    version = metadata["resourceVersion"]
                    annotations = metadata.get("annotations", {})
                    heard.append((int(version), int(annotations.get(NUMBER, 1))))
                    if LAST in annotations:
                        return heard
        except RefusedError as refusal:
            if refusal.code != 503:
                raise
        except (HTTPException, OSError):
            pass
        until_apiservice(cluster, is_available)


@pytest.fixture
def file(product: Cluster, namespace: str) -> tuple[str, bytes]:
    """The path of a large file of a capture, and its content."""
    command = ["sh", "-c", f"nc -l -p {PORT} > /dev/null; sleep 1000000"]
    product.apply(pod("sink", node=NODE, command=command), namespace=namespace)
    address = address_of(product, namespace, "sink")
    captures.create(product, namespace, limits={"fileSize": 2 * FILE_BYTES})
    captures.until_running(product, namespace, "sink")
    with socket.create_connection((address, PORT)) as connection:
        connection.sendall(bytes(FILE_BYTES))
    captures.finish(product, namespace)
    (item,) = captures.list_files(product, namespace)
    content = product.node(NODE).captures / namespace / "all" / item["name"]
    return collection(namespace, "all", "files", NODE, item["name"]), content.read_bytes()


def test_what_is_under_way_ends_whole_or_visibly_cut_off(product, namespace, file):
    path, content = file
    pair = product.authorities.cluster.issue("admin", organizations=["system:masters"])
    callers = [Caller(server(product), pair) for server in (kube_apiserver, product_server)]

    with ExitStack() as stack:
        watches, downloads, stalled = (
            [stack.enter_context(each.reading(it, buffer_bytes=BUFFER_BYTES)) for each in callers]
            for it in (f"{collection(namespace)}?watch=true", path, path)
        )
        heads = [each.read(BUFFER_BYTES) for each in (*downloads, *stalled)]
        begun = time.monotonic()
        former = delete_server(product)
        events = [rest(each) for each in watches]
        files = [rest(each) for each in downloads]
        until_server_replaced(product, former)
        print(f"replaced after {time.monotonic() - begun:.1f} s")
        files += [rest(each) for each in stalled]

    assert None not in events
    wholes = [head + tail for head, tail in zip(heads, files, strict=True) if tail is not None]
    assert files[:2] == [content[BUFFER_BYTES:]] * 2
    assert wholes == [content] * len(wholes)


def rest(response: HTTPResponse) -> bytes | None:
    """Return what is left of a response; None where it does not end as it should."""
    try:
        return response.read()
    except (HTTPException, OSError):
        return None
