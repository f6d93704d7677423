"""One question to one webhook: an AdmissionReview over HTTPS, bounded in time and in size.

Neither proxies nor redirects are followed: the configuration says who is asked, and with which CA it
has to prove that it is the one.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import aiohttp
import orjson
from yarl import URL

from apiserver.cluster.admission.configurations import Phase, Webhook
from apiserver.cluster.admission.services import ServiceResolver, shuffled
from apiserver.jsontypes import text_at
from apiserver.upstream.client import Client
from apiserver.wire.admissionreview import (
    Attributes,
    ReviewVersion,
    UnusableAnswerError,
    Verdict,
    dry_run_unsupported,
    read_review,
    review_request,
)

# What webhooks know as the one who asks them.
USER_AGENT: Final = "kube-apiserver-admission"

# An object has at most 1.5 MiB in etcd and 3 MiB on its way; a patch may hold one anew, in base64.
MAX_ANSWER_BYTES: Final = 8 * 2**20
_CHUNK_BYTES: Final = 2**16
# Of different webhooks that are called again and again; each is some 10 kB.
_KEPT_CONTEXTS: Final = 64


class FailedCallError(Exception):
    """A webhook said neither yes nor no; `reason` is for people, `code` for those who count."""

    def __init__(self, webhook: str, reason: str, code: int) -> None:
        super().__init__(f'failed calling webhook "{webhook}": {reason}')
        self.webhook = webhook
        self.reason = reason
        self.code = code


class Calls:
    """Asks webhooks. See `calling_webhooks`."""

    def __init__(self, session: aiohttp.ClientSession, new_uid: Callable[[], str]) -> None:
        self._session = session
        self._new_uid = new_uid

    async def ask(self, webhook: Webhook, attributes: Attributes, phase: Phase) -> Verdict:
        """Return what the webhook says. Raises FailedCallError, or ApiError 400 for a dry run."""
        if attributes.dry_run and not webhook.may_dry_run:
            raise dry_run_unsupported(webhook.name)
        version = webhook.review_version
        if version is None:
            known = ", ".join(ReviewVersion)
            why = f"webhook does not accept known AdmissionReview versions ({known})"
            raise FailedCallError(
                webhook.name, f"could not create admission objects: {why}", HTTPStatus.BAD_REQUEST
            )
        uid = self._new_uid()
        question = orjson.dumps(review_request(attributes, uid=uid, version=version))
        answer = await self._post(webhook, question)
        try:
            mutating = phase is Phase.MUTATING
            return read_review(answer, uid=uid, version=version, mutating=mutating)
        except UnusableAnswerError as error:
            raise FailedCallError(
                webhook.name, str(error), HTTPStatus.SERVICE_UNAVAILABLE
            ) from error

    async def _post(self, webhook: Webhook, question: bytes) -> bytes:
        url = f"{webhook.url}?timeout={webhook.timeout_seconds}s"
        try:
            tls = _context(webhook.ca_bundle)
            async with asyncio.timeout(webhook.timeout_seconds):
                async with self._session.post(
                    URL(url), data=question, ssl=tls, allow_redirects=False
                ) as response:
                    return await _answer(webhook, response)
        except TimeoutError as error:
            raise _failed(webhook, f'Post "{url}": context deadline exceeded') from error
        # ValueError: a bundle or a URL that cannot be read.
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failed(webhook, f'Post "{url}": {_cause(error)}') from error


async def _answer(webhook: Webhook, response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise _failed(webhook, f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    if not response.ok or response.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise _failed(webhook, _refusal(bytes(body), response.status), response.status)
    return bytes(body)


def _refusal(body: bytes, code: int) -> str:
    """Say what a Status says. Any other body is not repeated: it may be of whatever is there."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict) and document.get("kind") == "Status":
        return text_at(document, "message")
    return f"the server responded with the status code {code} but did not return more information"


def _failed(
    webhook: Webhook, why: str, code: int = HTTPStatus.SERVICE_UNAVAILABLE
) -> FailedCallError:
    return FailedCallError(webhook.name, f"failed to call webhook: {why}", code)


def _cause(error: Exception) -> str:
    """Return what is behind the library's words, which name a host of its own idea."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error)
    return str(error) or type(error).__name__


@lru_cache(maxsize=_KEPT_CONTEXTS)
def _context(ca_bundle: bytes) -> ssl.SSLContext:
    """Return what checks a webhook's certificate: by the bundle, or by the system's CAs.

    Raises ValueError or ssl.SSLError where the bundle is none.
    """
    if ca_bundle:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # What is not ASCII can only be in remarks around the certificates.
        context.load_verify_locations(cadata=ca_bundle.decode("ascii", "ignore"))
    else:
        context = ssl.create_default_context()
    # As in Go: whatever is in the bundle is believed, be it no CA of its own making, and a name
    # counts only where it stands as one.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    return context


@asynccontextmanager
async def calling_webhooks(client: Client, new_uid: Callable[[], str]) -> AsyncGenerator[Calls]:
    """Be able to call webhooks for as long as the block lasts.

    A connection is made for each call: captures are written rarely, and a webhook that was replaced
    meanwhile costs nobody a write.
    """
    resolver = ServiceResolver(client, shuffled)
    # As many at a time as there are writes, which are bounded: a webhook that hangs would else keep
    # others from being asked within their time, and those that fail open would be passed by.
    connector = aiohttp.TCPConnector(
        resolver=resolver, use_dns_cache=False, force_close=True, limit=0
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={
            "Accept": "application/json, */*",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
        },
    ) as session:
        yield Calls(session, new_uid)
