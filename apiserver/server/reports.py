"""`create packetcapturereports`: how node agents say what they run (DESIGN 4, 9.1)."""

from aiohttp import web

from apiserver.agentapi.reports import REPORT_KIND, REPORT_PLURAL, NodeReport
from apiserver.auth.access import PodNodes, node_of
from apiserver.jsontypes import object_at
from apiserver.registry.statuses.reports import ReportMerger, report_answer
from apiserver.resource.types import GROUP, VERSION
from apiserver.server.context import Call
from apiserver.server.responses import respond
from apiserver.wire import status
from apiserver.wire.body import decode_object
from apiserver.wire.negotiation import body_media
from apiserver.wire.resources import Resource

REPORTS = Resource(
    group=GROUP,
    version=VERSION,
    plural=REPORT_PLURAL,
    singular="packetcapturereport",
    kind=REPORT_KIND,
    list_kind=f"{REPORT_KIND}List",
    verbs=("create",),
    namespaced=False,
)


class ReportHandler:
    """Takes reports; nothing of them is stored as it comes."""

    def __init__(self, merger: ReportMerger, pods: PodNodes | None = None) -> None:
        self._merger = merger
        self._pods = pods

    async def create(self, call: Call) -> web.Response:
        """POST a report of the caller's own node."""
        media = body_media(call.http.headers.get("Content-Type"))
        document = decode_object(await call.body(), media, REPORTS).document
        report = NodeReport.from_json(object_at(document, "spec"))
        if not report.node or report.node != node_of(call.user, self._pods):
            why = f'user "{call.user.name}" cannot report for node "{report.node}"'
            raise status.forbidden(REPORTS, "", why)
        answer = await self._merger.take(report)
        return respond(report_answer(document, answer), code=201)
