"""Admission webhooks: one HTTPS server, a path for each, that answers as it is told."""

from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

import orjson
from aiohttp import web

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, object_at, text_at
from apiserver.pki import Identity, issue, new_authority
from apiserver.serving.clock import utc_now
from apiserver.serving.tls import PemPair, ServerTLS

# What a webhook says: the response to a request, or the whole of the answer.
Answer: TypeAlias = Callable[[JsonObject], Awaitable[JsonObject | web.Response]]

_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class Asked:
    """One question that came."""

    path: str
    query: str
    user_agent: str
    server_name: str
    review: JsonObject

    @property
    def request(self) -> JsonObject:
        """What admission is asked about."""
        return object_at(self.review, "request")


@dataclass
class WebhookServer:
    """What it was asked, and what it says at each path."""

    ca: PemPair
    address: str
    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    server_names: list[str] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        """Who was asked, in order."""
        return [each.path for each in self.asked]

    def at(self, path: str, answer: Answer | None = None, **changes: JsonValue) -> JsonObject:
        """Answer at a path from now on, and return the webhook of a configuration that calls it."""
        self.answers[path] = answer or allowing()
        return {
            "name": f"{path.strip('/')}.example.com",
            "clientConfig": {
                "url": f"https://{self.address}:{self.port}{path}",
                "caBundle": b64encode(self.ca.certificate).decode(),
            },
            "rules": [a_rule()],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 10,
            **changes,
        }

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one question."""
        review = orjson.loads(await request.read())
        name = self.server_names[-1] if self.server_names else ""
        agent = request.headers.get("User-Agent", "")
        self.asked.append(Asked(request.path, request.query_string, agent, name, review))
        answer = await self.answers[request.path](object_at(review, "request"))
        if isinstance(answer, web.Response):
            return answer
        uid = text_at(object_at(review, "request"), "uid")
        return web.json_response(
            {
                "kind": "AdmissionReview",
                "apiVersion": review["apiVersion"],
                "response": {"uid": uid, **answer},
            }
        )


def a_configuration(name: str, *webhooks: JsonObject) -> JsonObject:
    """Return a configuration of either kind."""
    return {"metadata": {"name": name}, "webhooks": list(webhooks)}


def a_rule(*operations: str, **changes: JsonValue) -> JsonObject:
    """Return a rule about captures."""
    return {
        "operations": list(operations) or ["*"],
        "apiGroups": ["projectcalico.org"],
        "apiVersions": ["v3"],
        "resources": ["packetcaptures"],
        "scope": "*",
        **changes,
    }


def saying(response: JsonObject) -> Answer:
    """Always say the same."""

    async def answer(_request: JsonObject) -> JsonObject:
        return response

    return answer


def allowing(*warnings: str) -> Answer:
    """Say yes."""
    return saying({"allowed": True, "warnings": list(warnings)})


def denying(message: str = "", **status: JsonValue) -> Answer:
    """Say no."""
    return saying({"allowed": False, "status": {"message": message, **status}})


def patching(*operations: JsonObject) -> Answer:
    """Say yes, with a JSON patch."""
    return saying(a_patch(list(operations)))


def a_patch(operations: JsonArray) -> JsonObject:
    """Return a response with a JSON patch."""
    text = b64encode(orjson.dumps(operations)).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": text}


def replying(code: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer with something else than a review."""

    async def answer(_request: JsonObject) -> web.Response:
        return web.Response(status=code, body=body, headers=headers)

    return answer


@asynccontextmanager
async def serving_webhooks(
    dns_names: Sequence[str] = (), *, address: str = "127.0.0.1"
) -> AsyncGenerator[WebhookServer]:
    """Serve on a free port of an address, under that address and these names."""
    now = utc_now()
    server = WebhookServer(new_authority("webhooks", now=now, lifetime=_LIFETIME), address)
    names = Identity("webhook", dns_names=tuple(dns_names), addresses=(address,))
    tls = ServerTLS.any_client(issue(server.ca, names, now=now, lifetime=_LIFETIME)).context

    def note(_connection: object, name: str | None, _context: object) -> None:
        server.server_names.append(name or "")

    tls.sni_callback = note
    app = web.Application(client_max_size=16 * 2**20)
    app.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, address, 0, ssl_context=tls).start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()
