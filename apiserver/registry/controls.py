"""What others than the resource have to say about a write: webhooks, policies, quotas.

kube-apiserver runs no admission for what it passes on, so it is asked here (apiserver-protocol 9).
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from apiserver.jsontypes import JsonObject
from apiserver.registry.requests import Warn
from apiserver.wire.admissionreview import Admitted, Attributes
from apiserver.wire.status import ApiError


class AdmissionControl(Protocol):
    """One of those who are asked. Both questions may raise ApiError: then nothing is written."""

    async def mutate(self, attributes: Attributes) -> Admitted:
        """Return the object as it should be, before it is completed and validated."""

    async def validate(self, attributes: Attributes) -> tuple[str, ...]:
        """Return warnings about an object that is valid otherwise."""


class Stepped(Protocol):
    """Takes how long one step of admission took (`admit` or `validate`), and whether it refused."""

    def __call__(
        self, step: str, operation: str, /, *, seconds: float, rejected: bool
    ) -> None: ...


def _uncounted(_step: str, _operation: str, *, seconds: float, rejected: bool) -> None:
    """Count nothing."""


class Controls:
    """All that are asked, in order."""

    def __init__(
        self, controls: Sequence[AdmissionControl] = (), *, stepped: Stepped = _uncounted
    ) -> None:
        self._controls = tuple(controls)
        self._stepped = stepped

    async def mutate(self, attributes: Attributes, warn: Warn) -> JsonObject | None:
        """Return the object as all of them want it. Raises ApiError."""
        with self._heard("admit", attributes, warn):
            for control in self._controls:
                admitted = await control.mutate(attributes)
                warn(admitted.warnings)
                attributes = replace(attributes, document=admitted.document)
        return attributes.document

    async def validate(self, attributes: Attributes, warn: Warn) -> None:
        """Ask all of them about what is going to be stored. Raises ApiError."""
        with self._heard("validate", attributes, warn):
            for control in self._controls:
                warn(await control.validate(attributes))

    @contextmanager
    def _heard(self, step: str, attributes: Attributes, warn: Warn) -> Iterator[None]:
        """Count a step, and pass on what a refusal warns of."""
        if not self._controls:
            yield
            return
        began, rejected = time.monotonic(), True
        try:
            yield
            rejected = False
        except ApiError as error:
            warn(error.warnings)
            raise
        finally:
            seconds = time.monotonic() - began
            self._stepped(step, attributes.operation, seconds=seconds, rejected=rejected)
