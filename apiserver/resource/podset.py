"""The pods of a node, or of all, with the labels that selectors see, from what the API has told so far.

Pure. Pods, namespaces and service accounts are three collections of the API, and labels come from
all of them.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Final, Generic, TypeAlias, TypeVar

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.resource.pods import (
    Labels,
    Pod,
    account_labels,
    labels_of_unknown_account,
    namespace_labels,
)

P = TypeVar("P", bound=Pod)

# How long a pod's service account may be told of after the pod.
ACCOUNT_SECONDS: Final = 5.0

# Namespace and name.
_Key: TypeAlias = tuple[str, str]


class Kind(StrEnum):
    """What is followed; the value is its path in the API."""

    PODS = "/api/v1/pods"
    NAMESPACES = "/api/v1/namespaces"
    ACCOUNTS = "/api/v1/serviceaccounts"


class PodSet(Generic[P]):
    """What is known; of service accounts only while they are wanted.

    `read` makes a pod of a document, or None of one that is of no interest.
    """

    def __init__(self, read: Callable[[JsonObject], P | None]) -> None:
        self._read = read
        # By namespace and name.
        self._pods: dict[str, dict[str, P]] = {}
        # What is inherited from each.
        self._namespaces: dict[str, Labels] = {}
        self._accounts: dict[_Key, Labels] = {}
        self._synced: set[Kind] = set()
        # By the uid of a pod, in monotonic seconds.
        self._first_seen: dict[str, float] = {}

    @property
    def is_synced(self) -> bool:
        """Whether pods and namespaces have been listed: without a label, `!=` is true."""
        return {Kind.PODS, Kind.NAMESPACES} <= self._synced

    @property
    def has_accounts(self) -> bool:
        """Whether the labels of service accounts are known."""
        return Kind.ACCOUNTS in self._synced

    def replace(self, kind: Kind, documents: Iterable[JsonObject], *, now: float) -> None:
        """Take a whole collection; `now` in monotonic seconds."""
        first_seen = self._first_seen
        self._forget(kind)
        for document in documents:
            self.put(kind, document, now=now)
        if kind is Kind.PODS:
            # The pods that were there have been seen before.
            self._first_seen = {uid: first_seen.get(uid, now) for uid in self._first_seen}
        self._synced.add(kind)

    def put(self, kind: Kind, document: JsonObject, *, now: float) -> bool:
        """Take an object that came or changed; tell whether that makes a difference."""
        namespace, name = _key(document)
        match kind:
            case Kind.PODS:
                return self._put_pod(namespace, name, self._read(document), now)
            case Kind.NAMESPACES:
                before = self._namespaces.get(name)
                self._namespaces[name] = namespace_labels(document)
                return before != self._namespaces[name]
            case Kind.ACCOUNTS:
                known = self._accounts.get((namespace, name))
                self._accounts[namespace, name] = account_labels(document)
                return known != self._accounts[namespace, name]

    def remove(self, kind: Kind, document: JsonObject) -> bool:
        """Take the deletion of an object; tell whether that makes a difference."""
        namespace, name = _key(document)
        match kind:
            case Kind.PODS:
                return self._put_pod(namespace, name, None, 0.0)
            case Kind.NAMESPACES:
                return self._namespaces.pop(name, None) is not None
            case Kind.ACCOUNTS:
                return self._accounts.pop((namespace, name), None) is not None

    def forget_accounts(self) -> None:
        """Know nothing of service accounts any more."""
        self._forget(Kind.ACCOUNTS)
        self._synced.discard(Kind.ACCOUNTS)

    def pods(self, *, now: float) -> Iterator[tuple[P, Labels]]:
        """Yield each pod whose labels are known, and those; nothing before the first sync."""
        for namespace in self._pods:
            yield from self.pods_of(namespace, now=now)

    def pods_of(self, namespace: str, *, now: float) -> Iterator[tuple[P, Labels]]:
        """Yield each pod of a namespace whose labels are known, and those; nothing before the sync.

        The collections are not in step: a pod may be told of before its namespace, which it cannot
        outlive, or before its service account, which it can. So one is waited for without end, the
        other for ACCOUNT_SECONDS.
        """
        inherited = self._namespaces.get(namespace)
        if inherited is None or not self.is_synced:
            return
        for pod in self._pods.get(namespace, {}).values():
            if not self._is_account_late(pod, now):
                yield pod, {**inherited, **self._account_labels(pod), **pod.labels}

    def namespaces_on(self, nodes: frozenset[str]) -> frozenset[str]:
        """Return the namespaces that have pods on any of these nodes."""
        return frozenset(
            namespace
            for namespace, pods in self._pods.items()
            if any(pod.node in nodes for pod in pods.values())
        )

    def next_moment(self, *, now: float) -> float | None:
        """Return when time alone shows another pod; None for never."""
        everywhere = (pod for pods in self._pods.values() for pod in pods.values())
        late = (pod for pod in everywhere if self._is_account_late(pod, now))
        return min((self._first_seen[pod.uid] + ACCOUNT_SECONDS for pod in late), default=None)

    def _account_labels(self, pod: P) -> Labels:
        if not self.has_accounts or not pod.service_account:
            return {}
        known = self._accounts.get((pod.namespace, pod.service_account))
        return labels_of_unknown_account(pod.service_account) if known is None else known

    def _is_account_late(self, pod: P, now: float) -> bool:
        if not self.has_accounts or not pod.service_account:
            return False
        is_known = (pod.namespace, pod.service_account) in self._accounts
        return not is_known and now - self._first_seen[pod.uid] < ACCOUNT_SECONDS

    def _put_pod(self, namespace: str, name: str, pod: P | None, now: float) -> bool:
        pods = self._pods.setdefault(namespace, {})
        before = pods.get(name)
        if before is not None and (pod is None or pod.uid != before.uid):
            self._first_seen.pop(before.uid, None)
        if pod is not None:
            pods[name] = pod
            self._first_seen.setdefault(pod.uid, now)
        else:
            pods.pop(name, None)
        if not pods:
            del self._pods[namespace]
        return before != pod

    def _forget(self, kind: Kind) -> None:
        match kind:
            case Kind.PODS:
                self._pods, self._first_seen = {}, {}
            case Kind.NAMESPACES:
                self._namespaces = {}
            case Kind.ACCOUNTS:
                self._accounts = {}


def _key(document: JsonObject) -> _Key:
    metadata = object_at(document, "metadata")
    return text_at(metadata, "namespace"), text_at(metadata, "name")
