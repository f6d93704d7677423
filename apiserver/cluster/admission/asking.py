"""What a webhook's answer, or that there is none, means for a write; and an account of each call."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from apiserver.cluster.admission.calling import Calls, FailedCallError
from apiserver.cluster.admission.configurations import Phase, Webhook
from apiserver.jsontypes import JsonObject
from apiserver.wire import status
from apiserver.wire.admissionreview import (
    Admitted,
    Attributes,
    UnusableAnswerError,
    Verdict,
    denial,
)
from apiserver.wire.jsonpatch import json_patch
from apiserver.wire.patcherrors import PatchError
from apiserver.wire.status import ApiError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: the HTTP status that it amounts to, and why the write was refused if it was.

    `error_type` has the words of Kubernetes' metrics (apiserver-protocol 10.3): `no_error` where the
    webhook said no, `calling_webhook_error` where it said nothing, else `apiserver_internal_error`.
    """

    code: int
    error_type: str = ""
    failed_open: bool = False

    @property
    def is_rejection(self) -> bool:
        """Tell whether the write was refused for it."""
        return bool(self.error_type)


@dataclass(frozen=True, slots=True)
class Called:
    """One call, for those who count them."""

    webhook: str
    phase: Phase
    operation: str
    seconds: float
    outcome: Outcome


Account: TypeAlias = Callable[[Called], None]


def uncounted(_called: Called) -> None:
    """Count nothing."""


class Asking:
    """Asks webhooks about writes."""

    def __init__(
        self, calls: Calls, account: Account, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._calls = calls
        self._account = account
        self._monotonic = monotonic

    async def ask(self, webhook: Webhook, attributes: Attributes, phase: Phase) -> Admitted:
        """Return the object as the webhook wants it: itself where it is to stay as it is.

        Raises ApiError.
        """
        began = self._monotonic()

        def over(outcome: Outcome) -> None:
            operation, seconds = attributes.operation.value, self._monotonic() - began
            self._account(Called(webhook.name, phase, operation, seconds, outcome))

        try:
            verdict = await self._calls.ask(webhook, attributes, phase)
            document = _patched(webhook, verdict, attributes.document)
        except FailedCallError as error:
            over(_outcome(webhook, error))
            return _without_answer(webhook, error, attributes)
        except ApiError:
            over(Outcome(0, "apiserver_internal_error"))
            raise
        if verdict.allowed:
            over(Outcome(HTTPStatus.OK))
            return Admitted(document, verdict.warnings)
        refusal = denial(webhook.name, verdict.status)
        refusal.warnings = verdict.warnings
        over(Outcome(refusal.code, "no_error"))
        raise refusal


def _patched(webhook: Webhook, verdict: Verdict, document: JsonObject | None) -> JsonObject | None:
    """Apply the patch. Raises FailedCallError where it is none, ApiError where it does not fit."""
    if not verdict.allowed:
        return document
    try:
        operations = verdict.operations()
    except UnusableAnswerError as error:
        raise FailedCallError(webhook.name, str(error), HTTPStatus.SERVICE_UNAVAILABLE) from error
    if not operations:
        return document
    if document is None:
        raise status.internal(
            f'admission webhook "{webhook.name}" attempted to modify the object, which is not '
            "supported for this operation"
        )
    try:
        patched = json_patch(document, operations)
    except PatchError as error:
        raise status.internal(str(error)) from error
    if not isinstance(patched, dict):
        raise status.internal(
            f'admission webhook "{webhook.name}" made something else of the object'
        )
    return document if patched == document else patched


def _outcome(webhook: Webhook, error: FailedCallError) -> Outcome:
    if webhook.fails_open:
        return Outcome(error.code, failed_open=True)
    return Outcome(error.code, "calling_webhook_error")


def _without_answer(webhook: Webhook, error: FailedCallError, attributes: Attributes) -> Admitted:
    """Go on or refuse, as `failurePolicy` says."""
    told = {"webhook": webhook.name, "error": error.reason}
    if webhook.fails_open:
        log.warning("failed calling a webhook, failing open", extra=told)
        return Admitted(attributes.document)
    log.warning("failed calling a webhook, failing closed", extra=told)
    raise status.internal(str(error)) from error
