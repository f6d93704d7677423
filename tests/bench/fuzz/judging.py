"""What an answer may be: never a fault of the server's, and every refusal a Status."""

from http import HTTPStatus

import orjson

from tests.bench.fuzz.cases import Case
from tests.support.rawhttp import RawAnswer

# No answer may be much larger than what was asked, apart from lists of what is stored.
_MAX_REFUSAL_BYTES = 64 << 10

_STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
# Said by the HTTP library, to what never gets as far as the API.
_PLAIN = frozenset({400, 404, 414, 417})


def problem(case: Case, answer: RawAnswer) -> str:
    """Return what is wrong with an answer, empty for nothing."""
    code, kind = answer.code, answer.headers.get("content-type", "")
    if code >= 500 and not _is_right(case, code):
        return f"a {code}"
    if code == HTTPStatus.TOO_MANY_REQUESTS and "watch" not in case.target:
        return "too many requests, from so few connections"
    if _is_bare(case, answer):
        return ""
    if code >= 400:
        return _problem_of_refusal(case, answer, kind)
    if kind.startswith("application/json") and not answer.is_stream:
        return "" if _parsed(answer.body) is not None else "an answer that is no JSON"
    return ""


def _is_right(case: Case, code: int) -> bool:
    """Say whether the request asks for what takes longer than it has, or is of the future."""
    asked = case.text.split(b"\r\n", 1)[0]  # of damaged texts the target is not known
    return code == HTTPStatus.GATEWAY_TIMEOUT and any(
        each in asked for each in (b"resourceVersion", b"timeout")
    )


def _is_bare(case: Case, answer: RawAnswer) -> bool:
    """Say whether there can be no document in an answer, or it is not from the API at all."""
    if case.method == "HEAD" or answer.code in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
        return True
    if answer.code == HTTPStatus.NOT_ACCEPTABLE and "openapi" in case.target:
        return not answer.body
    plain = answer.headers.get("content-type", "").startswith("text/plain")
    return plain and answer.code in _PLAIN and not case.is_http


def _problem_of_refusal(case: Case, answer: RawAnswer, kind: str) -> str:
    if len(answer.body) > _MAX_REFUSAL_BYTES + 10 * len(case.text):
        return "a refusal that is much longer than the request"
    if kind.startswith("application/yaml"):
        return "" if b"kind: Status\n" in answer.body else "a refusal in YAML that is no Status"
    status = _parsed(answer.body) if kind.startswith("application/json") else None
    if not isinstance(status, dict) or not _STATUS.items() <= status.items():
        return f"a refusal that is no Status ({kind})"
    if status.get("code") != answer.code:
        return "a Status of another code"
    if not status.get("message") or not status.get("reason"):
        return "a Status that does not say why"
    return ""


def _parsed(body: bytes) -> object:
    """Return a document, None for what is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
