"""Statuses of captures, and what is known of a cluster, in few words."""

from datetime import UTC, datetime

from apiserver.resource.schedule import Schedule
from apiserver.resource.status.conditions import condition
from apiserver.resource.status.merging import NodeStatus, merge_nodes
from apiserver.resource.status.unreported import Circumstances
from apiserver.resource.surroundings import NodeView, SelectedPod

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
TIME = "2026-01-02T15:00:00Z"


def endpoint(pod="web", state="Capturing", *, packets=0, dropped=0, **more):
    """An endpoint as an agent reports it."""
    return {
        "podUID": f"uid-{pod}",
        "interface": f"cali-{pod}",
        "pod": pod,
        "state": state,
        "packets": packets,
        "bytes": packets * 100,
        "droppedRing": dropped,
        "droppedWriter": 0,
        "dropped": dropped,
        "lossless": dropped == 0,
        **more,
    }


def ended(pod="web", reason="EndTime", **more):
    """An endpoint that has ended."""
    return endpoint(pod, "Finished", stopReason=reason, **more)


def node(name="n1", *endpoints, boot="boot-1", sequence=1, generation=1, files=("web.pcap",)):
    """What a node says of a capture."""
    return NodeStatus(
        node=name,
        boot_id=boot,
        sequence=sequence,
        observed_generation=generation,
        directory="/pcap/ns/http",
        endpoints=endpoints,
        file_names=files,
    )


def status_with(*reports, status=None):
    """A status after these reports."""
    status = {} if status is None else status
    for report in reports:
        status = merge_nodes(status, [report], observed_time=TIME)
    return status


def pod(name="web", *, node="n1", problem=""):
    """A pod that the selector matches."""
    return SelectedPod("shop", name, f"uid-{name}", node, problem)


def known(
    *,
    pods=None,
    silent=None,
    gone=None,
    start=None,
    end=None,
    generation=1,
    now=NOW,
    is_new=False,
    awaits_pods=False,
):
    """What is known beside the reports; `silent` and `gone` are nodes, and since when.

    A server that `is_new` has neither heard of any agent nor seen any node yet.
    """
    silent, gone = silent or {}, gone or {}
    return Circumstances(
        generation=generation,
        schedule=Schedule(start, end),
        pods=None if pods is None else tuple(pods),
        node=lambda name: NodeView(
            silent.get(name),
            gone.get(name),
            is_present=not is_new and name not in gone,
            is_heard=not is_new,
        ),
        now=now,
        awaits_pods=awaits_pods,
    )


def answer(status, kind):
    """A condition as (status, reason)."""
    found = condition(status, kind)
    return found.get("status"), found.get("reason")
