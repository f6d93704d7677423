"""One of the two sides, as an administrator reaches it: sends steps, and remembers what later steps refer to."""

import gzip
import http.client
import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from apiserver.jsontypes import JsonObject, JsonValue, array_at, object_at, text_at
from apiserver.resource.types import GROUP, KIND, PLURAL, VERSION
from tests.conformance.sidebyside.mirror import mirrored, unmirrored
from tests.conformance.sidebyside.steps import Step

_SECONDS = 30.0
_REFERENCE = re.compile(r"<((?:first )?version|uid) of ([\w.-]+)>")
_CLIENT = {"User-Agent": "sidebyside/1.0", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read whole; whatever says the mirror's group says ours. Names of headers are in lower case."""

    code: int
    headers: Mapping[str, tuple[str, ...]]
    body: str


@dataclass(frozen=True, slots=True)
class KubeApiserver:
    """Where it listens, and how an administrator connects to it."""

    host: str
    port: int
    tls: ssl.SSLContext

    def connect(self) -> http.client.HTTPSConnection:
        """Return a new connection, which opens itself when it is used."""
        return http.client.HTTPSConnection(
            self.host, self.port, timeout=_SECONDS, context=self.tls
        )


class Memory:
    """What a side said of its objects."""

    def __init__(self, namespace: str) -> None:
        self._said: dict[tuple[str, str], str] = {("namespace", ""): namespace}

    def resolve(self, text: str) -> str:
        """Return a text with what stands for its references; one to nothing known stays."""
        known = _REFERENCE.sub(lambda each: self._said.get((each[1], each[2]), each[0]), text)
        for name in ("namespace", "continue", "version of the list"):
            known = known.replace(f"<{name}>", self._said.get((name, ""), f"<{name}>"))
        return known

    def learn(self, document: JsonValue) -> None:
        """Keep the identity of an object, or the place in a list, that was answered."""
        if not isinstance(document, dict):
            return
        metadata = object_at(document, "metadata")
        version = text_at(metadata, "resourceVersion")
        if isinstance(document.get("items"), list):
            self._said["version of the list", ""] = version
            self._said["continue", ""] = text_at(metadata, "continue")
            for item in array_at(document, "items"):
                self.learn(item)
        elif document.get("kind") == KIND and version:
            name = text_at(metadata, "name")
            self._said["uid", name] = text_at(metadata, "uid")
            self._said["version", name] = version
            self._said.setdefault(("first version", name), version)


class Side:
    """Our resource, or its mirror, in one namespace."""

    def __init__(self, server: KubeApiserver, namespace: str, *, mirror: bool) -> None:
        self._server = server
        self._namespace = namespace
        self._rename: Callable[[str], str] = mirrored if mirror else str
        self._connection = server.connect()
        self._memory = Memory(namespace)

    def send(self, step: Step) -> Answer:
        """Send a request and read the answer; code 0 is that none came."""
        try:
            answer = _read(self._begin(self._connection, step))
        except http.client.RemoteDisconnected as error:
            return Answer(0, {}, str(error))
        if answer.code == http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            self._connection.close()  # as the server does, with what it has not read
        if answer.code < http.HTTPStatus.BAD_REQUEST and "dryRun" not in step.query:
            self._memory.learn(_parsed(answer.body))
        return answer

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    @contextmanager
    def watching(self, query: str) -> Iterator[Iterator[JsonObject]]:
        """Watch the collection: events, until the server ends them or the block ends."""
        connection = self._server.connect()
        step = Step("", "GET", query=f"watch=true&{query}")
        try:
            response = self._begin(connection, step)
            assert response.status == http.HTTPStatus.OK, response.read()
            yield (json.loads(unmirrored(line.decode())) for line in response)
        finally:
            connection.close()

    def _begin(
        self, connection: http.client.HTTPSConnection, step: Step
    ) -> http.client.HTTPResponse:
        typed = {"Content-Type": step.content_type} if step.content_type else {}
        accepting = {"Accept": step.accept} if step.accept else {}
        headers = {**_CLIENT, **typed, **accepting, **step.headers}
        connection.request(
            step.method,
            self._target(step),
            body=None if step.body is None else self._written(step.body),
            headers={name: self._memory.resolve(each) for name, each in headers.items()},
        )
        return connection.getresponse()

    def _target(self, step: Step) -> str:
        within = f"/namespaces/{self._namespace}" if step.scope == "namespace" else ""
        collection = "" if step.scope == "group" else f"{within}/{PLURAL}"
        path = f"/apis/{GROUP}/{VERSION}{collection}" + (f"/{step.path}" if step.path else "")
        query = quote(self._memory.resolve(step.query), safe="=&%/,!()+-._~")
        return self._rename(self._memory.resolve(path) + (f"?{query}" if query else ""))

    def _written(self, body: bytes) -> bytes:
        # Bodies that are not UTF-8 pass through, byte for byte.
        text = body.decode("utf-8", "surrogateescape")
        return self._rename(self._memory.resolve(text)).encode("utf-8", "surrogateescape")


def _read(response: http.client.HTTPResponse) -> Answer:
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in response.getheaders():
        headers[name.lower()] = (*headers.get(name.lower(), ()), unmirrored(value))
    content = response.read()
    if "gzip" in headers.get("content-encoding", ()):
        content = gzip.decompress(content)
    return Answer(response.status, headers, unmirrored(content.decode("utf-8", "replace")))


def _parsed(body: str) -> JsonValue:
    try:
        document: JsonValue = json.loads(body)
    except ValueError:  # YAML, or nothing
        return None
    return document
