"""Rights of users: RBAC, waited for until the cluster answers by it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.conformance.client import Client

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_GROUP = "projectcalico.org"


@dataclass(frozen=True, slots=True)
class Rights:
    """Who gives rights is an administrator at kube-apiserver."""

    kubernetes: Client

    async def allow(
        self,
        user: str,
        verbs: Sequence[str],
        *,
        namespace: str = "",
        resource: str = "packetcaptures",
        group: str = _GROUP,
        names: Sequence[str] = (),
    ) -> None:
        """Let a user do this to resources of a namespace, or of all; return when that has effect.

        Answers are cached, by our server too: ask for a user's rights first, and then act as that
        user. One call per user and kind of right, with a user that no other test has.
        """
        rule = {"apiGroups": [group], "resources": [resource], "verbs": [*verbs]}
        rule |= {"resourceNames": [*names]} if names else {}
        name = f"{user}-{resource.replace('/', '-')}-{verbs[0]}"
        kind, path = (
            ("Role", f"{_RBAC}/namespaces/{namespace}/roles")
            if namespace
            else ("ClusterRole", f"{_RBAC}/clusterroles")
        )
        binding = {
            "metadata": {"name": name},
            "roleRef": {"kind": kind, "name": name, "apiGroup": "rbac.authorization.k8s.io"},
            "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
        }
        await self._make(path, {"metadata": {"name": name}, "rules": [rule]})
        await self._make(path.removesuffix("s") + "bindings", binding)
        plural, _, subresource = resource.partition("/")
        question = {
            "user": user,
            "resourceAttributes": {
                "namespace": namespace,
                "verb": verbs[0],
                "group": group,
                "resource": plural,
                "subresource": subresource,
                "name": names[0] if names else "",
            },
        }
        async with asyncio.timeout(10):
            while not await self._may(question):
                pass

    async def _make(self, path: str, document: Any) -> None:
        answer = await self.kubernetes.request("POST", path, document)
        assert answer.code == 201, answer.body

    async def _may(self, question: Any) -> bool:
        answer = await self.kubernetes.request("POST", _REVIEWS, {"spec": question})
        return bool(answer.json["status"]["allowed"])
