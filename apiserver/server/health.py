"""`/livez`, `/readyz`, `/healthz`, and each of their checks below them: for everybody who asks.

A kubelet shows no credentials. Whoever does is told more: everything on success, reasons on failure.
"""

from collections.abc import Mapping

from aiohttp import web

from apiserver.serving.probes import Probe, ProbeResult
from apiserver.wire import status
from apiserver.wire.query import Query


class Health:
    """The probes of a server, by their paths."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = probes

    def is_at(self, path: str) -> bool:
        """Say whether a path is one of a probe, or below one."""
        return self._find(path) is not None

    async def answer(self, path: str, query: Query, *, is_known: bool) -> web.Response:
        """Answer whoever it is; `is_known` where credentials were shown.

        Raises ApiError where there is no such check: 404, and 401 for whoever may not know even that.
        """
        found = self._find(path)
        assert found is not None
        probe, name = found
        if name is None:
            result = await probe.run(
                # Whatever its value, as to kube-apiserver.
                verbose=is_known and "verbose" in query,
                reasons=is_known,
                excluded=frozenset(query.get("exclude", ())),
            )
            return _respond(result)
        one = await probe.run_one(name, reasons=is_known)
        if one is None:
            raise status.path_not_found() if is_known else status.unauthorized()
        return _respond(one)

    def _find(self, path: str) -> tuple[Probe, str | None] | None:
        """Return the probe, and the name of one check of it where the path has one."""
        root, slash, name = path[1:].partition("/")
        probe = self._probes.get(f"/{root}")
        return None if probe is None else (probe, name if slash else None)


def _respond(result: ProbeResult) -> web.Response:
    return web.Response(
        text=result.text,
        status=200 if result.ok else 500,
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache, private"},
    )
