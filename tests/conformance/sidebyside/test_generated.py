"""Whatever two managers do to two objects, in whatever order: both sides answer the same."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.conformance.sidebyside import steps
from tests.conformance.sidebyside.comparison import Difference, compare
from tests.conformance.sidebyside.declared.all import DECLARED
from tests.conformance.sidebyside.differences import judge
from tests.conformance.sidebyside.exchange import KubeApiserver
from tests.conformance.sidebyside.running import Found, both_sides
from tests.conformance.sidebyside.steps import Step, capture

# Every step is two requests, of some ten milliseconds each.
_SETTINGS = settings(
    max_examples=100 if "CI" in os.environ else 10,
    stateful_step_count=30 if "CI" in os.environ else 15,
    deadline=None,
    phases=[each for each in Phase if each is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

_NAMES = st.sampled_from(["a", "b"])
_MANAGERS = st.sampled_from(["one", "two"])
_LABELS = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["", "1", "2"]))
_FINALIZERS = st.lists(st.sampled_from(["a.b/c", "a.b/d"]), unique=True)
_SELECTORS = st.sampled_from(["all()", "has(x)", "app == 'web'"])
_FILTERS = st.sampled_from([[], [{"protocol": "TCP"}], [{"protocol": 17, "ports": [53, "1:9"]}]])
# Past ones: what is to begin the server itself says in the status, some seconds later.
_TIMES = st.sampled_from(["2001-01-01T00:00:00Z", "2001-06-01T00:00:00Z"])
_NODES = st.sampled_from(["n1", "n2"]).map(lambda node: {"node": node, "state": "Capturing"})


def _some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


_METADATA = _some(labels=_LABELS, annotations=_LABELS, finalizers=_FINALIZERS)
_SPECS = _some(selector=_SELECTORS, filters=_FILTERS, startTime=_TIMES)
_CHANGES = _some(
    spec=_some(selector=_SELECTORS | st.none(), filters=_FILTERS | st.none()),
    metadata=_some(labels=_LABELS | st.none(), finalizers=_FINALIZERS | st.none()),
)
# What apply empties is null in a custom resource, and so not what an empty or a missing one is: one
# label and one node are always applied, and a status is never nothing.
_APPLIED = _LABELS.map(lambda labels: {"labels": {"always": "1", **labels}})
_STATUSES = st.builds(
    lambda pods, nodes: {"pods": pods, "files": [{"node": "always"}, *nodes]},
    st.integers(1, 2),
    st.lists(_NODES, max_size=1),
)
_OPERATIONS = st.lists(
    st.sampled_from(
        [
            {"op": "add", "path": "/metadata/labels/x", "value": "3"},
            {"op": "add", "path": "/metadata/labels", "value": {"y": "4"}},
            {"op": "remove", "path": "/metadata/labels"},
            {"op": "remove", "path": "/metadata/finalizers/0"},
            {"op": "add", "path": "/metadata/finalizers", "value": ["a.b/c"]},
            {"op": "replace", "path": "/spec/selector", "value": "has(y)"},
            {"op": "test", "path": "/spec/selector", "value": "all()"},
            {"op": "move", "from": "/metadata/labels/x", "path": "/metadata/labels/y"},
        ]
    ),
    max_size=3,
)
_WRITES = st.fixed_dictionaries({"fieldManager": _MANAGERS}, optional={"dryRun": st.just("All")})
_SELECTIONS = st.sampled_from(["", "x", "!x", "x=1", "y in (1,2)", "x!=2,y"])


class Writers(RuleBasedStateMachine):
    """Requests of two managers to both sides."""

    def __init__(self, server: KubeApiserver, namespace: str) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._both = self._stack.enter_context(both_sides(server, namespace))
        self._watch = self._stack.enter_context(self._both.watched())
        self._seen: set[str] = set()
        self._differs = False

    @rule(name=_NAMES, spec=_SPECS | st.none(), metadata=_METADATA, options=_WRITES)
    def create(self, name, spec, metadata, options):
        self._send(steps.create("create", capture(name, spec, **metadata), _query(options)))
        self._seen.add(name)

    @rule(name=_NAMES, spec=_SPECS, metadata=_METADATA, stale=st.booleans(), options=_WRITES)
    def update(self, name, spec, metadata, stale, options):
        body = capture(name, spec, **metadata, **self._version(name, stale=stale))
        self._send(steps.put("update", name, body, _query(options)))

    @rule(name=_NAMES, changes=_CHANGES, options=_WRITES)
    def merge(self, name, changes, options):
        self._send(steps.merge("merge patch", name, changes, _query(options)))

    @rule(name=_NAMES, operations=_OPERATIONS, options=_WRITES)
    def patch(self, name, operations, options):
        self._send(steps.json_patch("JSON patch", name, operations, _query(options)))

    @rule(
        name=_NAMES,
        spec=_SPECS | st.none(),
        metadata=_APPLIED,
        force=st.booleans(),
        options=_WRITES,
    )
    def apply(self, name, spec, metadata, force, options):
        body = capture(name, spec, **metadata)
        self._send(steps.apply("apply", name, body, _query(options, force=force)))
        self._seen.add(name)

    @rule(name=_NAMES, status=_STATUSES, stale=st.booleans(), options=_WRITES)
    def update_status(self, name, status, stale, options):
        body = {**capture(name, {}, **self._version(name, stale=stale)), "status": status}
        self._send(steps.put("update status", f"{name}/status", body, _query(options)))

    @rule(name=_NAMES, status=_STATUSES, force=st.booleans(), options=_WRITES)
    def apply_status(self, name, status, force, options):
        body = {**capture(name), "status": status}
        self._send(
            steps.apply("apply status", f"{name}/status", body, _query(options, force=force))
        )

    @rule(
        name=_NAMES,
        condition=st.sampled_from(["", "uid", "version", "first version"]),
        dry=st.booleans(),
    )
    def delete(self, name, condition, dry):
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if condition and name in self._seen:
            key = "uid" if condition == "uid" else "resourceVersion"
            options["preconditions"] = {key: f"<{condition} of {name}>"}
        if dry:
            options["dryRun"] = ["All"]
        self._send(steps.delete("delete", name, body=options))

    @rule(selection=_SELECTIONS)
    def delete_collection(self, selection):
        self._send(steps.delete("delete collection", query=f"labelSelector={selection}"))

    @rule(selection=_SELECTIONS)
    def read(self, selection):
        self._send(steps.get("list", query=f"labelSelector={selection}"))

    def teardown(self) -> None:
        self._stack.close()
        if not self._differs:
            self._judge("its watch", self._watch)

    def _version(self, name: str, *, stale: bool) -> dict[str, str]:
        if name not in self._seen:
            return {}
        return {
            "resourceVersion": f"<first version of {name}>" if stale else f"<version of {name}>"
        }

    def _send(self, step: Step) -> None:
        title = f"{step.title} as a try" if "dryRun" in step.query else step.title
        self._judge(title, compare(*self._both.send(step)))

    def _judge(self, title: str, differences: list[Difference]) -> None:
        found = [Found(f"generated: {title}", each) for each in differences]
        undeclared = judge(found, DECLARED).undeclared
        self._differs = self._differs or bool(undeclared)
        assert not undeclared, "\n".join(map(repr, undeclared))


def _query(options: Mapping[str, str], *, force: bool = False) -> str:
    given = {**options, "force": "true"} if force else options
    return "&".join(f"{key}={value}" for key, value in given.items())


@pytest.mark.timeout(900)
def test_whatever_two_managers_do(kube_apiserver, make_namespace):
    class WritersHere(Writers):
        def __init__(self) -> None:
            super().__init__(kube_apiserver, make_namespace())

    run_state_machine_as_test(WritersHere, settings=_SETTINGS)
