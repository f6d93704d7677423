"""The pods of this node with the labels that selectors see, from what the API has told so far. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from apiserver.jsontypes import JsonObject, object_at, text_at
from nodeagent.discovery.pod import Pod, inherited_labels, labels_at, read_pod

# How long a pod's service account may be told of after the pod.
ACCOUNT_SECONDS: Final = 5.0

# Namespace, which a namespace itself has none of, and name.
_Key: TypeAlias = tuple[str, str]
_Labels: TypeAlias = Mapping[str, str]


class Kind(StrEnum):
    """What is followed; the value is its path in the API."""

    PODS = "/api/v1/pods"
    NAMESPACES = "/api/v1/namespaces"
    ACCOUNTS = "/api/v1/serviceaccounts"


class PodSet:
    """What is known; of service accounts only while they are wanted."""

    def __init__(self, *, node: str) -> None:
        self._node = node
        self._pods: dict[_Key, Pod] = {}
        self._labels: dict[Kind, dict[_Key, _Labels]] = {each: {} for each in Kind}
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
        self._forget(kind)
        for document in documents:
            self._put(kind, document)
        self._synced.add(kind)
        self._note_pods(now)

    def put(self, kind: Kind, document: JsonObject, *, now: float) -> None:
        """Take an object that came or changed."""
        self._put(kind, document)
        self._note_pods(now)

    def remove(self, kind: Kind, document: JsonObject, *, now: float) -> None:
        """Take the deletion of an object."""
        key = _key(document)
        self._labels[kind].pop(key, None)
        if kind is Kind.PODS:
            self._pods.pop(key, None)
        self._note_pods(now)

    def forget_accounts(self) -> None:
        """Know nothing of service accounts any more."""
        self._forget(Kind.ACCOUNTS)
        self._synced.discard(Kind.ACCOUNTS)

    def pods(self, *, now: float) -> Iterator[tuple[Pod, _Labels]]:
        """Yield each pod whose labels are known, and those; nothing before the first sync.

        The collections are not in step: a pod may be told of before its namespace, which it cannot
        outlive, or before its service account, which it can. So one is waited for without end, the
        other for ACCOUNT_SECONDS.
        """
        for pod in self._pods.values() if self.is_synced else ():
            namespace = self._labels[Kind.NAMESPACES].get(("", pod.namespace))
            if namespace is None or self._is_account_late(pod, now):
                continue
            account = self._labels[Kind.ACCOUNTS].get(_account_key(pod), {})
            yield pod, inherited_labels(pod, namespace, account if self.has_accounts else None)

    def next_moment(self, *, now: float) -> float | None:
        """Return when time alone shows another pod; None for never."""
        late = (pod for pod in self._pods.values() if self._is_account_late(pod, now))
        return min((self._first_seen[pod.uid] + ACCOUNT_SECONDS for pod in late), default=None)

    def _is_account_late(self, pod: Pod, now: float) -> bool:
        if not self.has_accounts or not pod.service_account:
            return False
        is_known = _account_key(pod) in self._labels[Kind.ACCOUNTS]
        return not is_known and now - self._first_seen[pod.uid] < ACCOUNT_SECONDS

    def _put(self, kind: Kind, document: JsonObject) -> None:
        key = _key(document)
        if kind is not Kind.PODS:
            self._labels[kind][key] = labels_at(document)
        elif pod := read_pod(document, node=self._node):
            self._pods[key] = pod
        else:
            self._pods.pop(key, None)

    def _forget(self, kind: Kind) -> None:
        self._labels[kind].clear()
        if kind is Kind.PODS:
            self._pods.clear()

    def _note_pods(self, now: float) -> None:
        """Keep the times of the pods that there are, and of no others."""
        uids = [pod.uid for pod in self._pods.values()]
        self._first_seen = {uid: self._first_seen.get(uid, now) for uid in uids}


def _key(document: JsonObject) -> _Key:
    metadata = object_at(document, "metadata")
    return text_at(metadata, "namespace"), text_at(metadata, "name")


def _account_key(pod: Pod) -> _Key:
    return pod.namespace, pod.service_account
