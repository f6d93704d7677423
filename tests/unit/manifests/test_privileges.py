"""Who may do what: no more than DESIGN 5 and the restricted profile of pod security say."""

import pytest

SERVER = "packetcapture-apiserver"
AGENT = "packetcapture-agent"


def _container(pod):
    (container,) = pod["containers"]
    return container


def _verbs(rules, resource):
    """Return the verbs on a resource, and the names they are for (None: any)."""
    return {
        (verb, name)
        for rule in rules
        if resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [None])
    }


def _on(verbs, name=None):
    return {(verb, name) for verb in verbs.split()}


def test_the_server_keeps_to_the_restricted_profile(installed):
    pod = installed.pod("Deployment", SERVER)
    container = _container(pod)

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] != 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all(volume.keys() & {"persistentVolumeClaim", "emptyDir"} for volume in pod["volumes"])


@pytest.mark.parametrize(
    ("tree", "capabilities"),
    [
        pytest.param("installed", {"NET_RAW"}, id="default"),
        pytest.param(
            "installed_with_tap_pod", {"NET_RAW", "SYS_ADMIN", "SYS_PTRACE"}, id="tap=pod"
        ),
    ],
)
def test_the_agent_has_the_capabilities_it_needs_and_no_other(request, tree, capabilities):
    pod = request.getfixturevalue(tree).pod("DaemonSet", AGENT)
    context = _container(pod)["securityContext"]

    assert context["capabilities"]["drop"] == ["ALL"]
    assert set(context["capabilities"]["add"]) == capabilities
    assert context["privileged"] is False
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_of_the_nodes_directories_the_agent_writes_the_captures_alone(installed):
    pod = installed.pod("DaemonSet", AGENT)
    paths = {each["name"]: each["hostPath"]["path"] for each in pod["volumes"]}

    writable = {
        paths[each["name"]]
        for each in _container(pod)["volumeMounts"]
        if not each.get("readOnly", False)
    }

    assert set(paths.values()) == {"/var/log/calico/pcap", "/sys/fs/cgroup"}
    assert writable == {"/var/log/calico/pcap"}


def test_the_agent_shares_the_nodes_network_and_process_ids_and_nothing_else(installed):
    pod = installed.pod("DaemonSet", AGENT)

    assert pod["hostNetwork"] is True
    assert pod["hostPID"] is True
    assert "hostIPC" not in pod


def test_what_the_agent_may_do(installed):
    rules = installed.rules_for(AGENT)
    looking = _on("list watch")

    assert _verbs(rules, "packetcaptures") == looking
    assert _verbs(rules, "packetcapturereports") == _on("create")
    assert _verbs(rules, "pods") == looking
    assert _verbs(rules, "namespaces") == looking
    assert _verbs(rules, "serviceaccounts") == looking
    assert _verbs(rules, "certificatesigningrequests") == _on("create list watch")
    assert _verbs(rules, "configmaps") == _on("get list watch", "packetcapture-trust")
    assert {resource for rule in rules for resource in rule["resources"]} == {
        "packetcaptures",
        "packetcapturereports",
        "pods",
        "namespaces",
        "serviceaccounts",
        "certificatesigningrequests",
        "configmaps",
    }


def test_what_the_server_may_do_in_the_cluster(installed):
    rules = installed.get("ClusterRole", SERVER)["rules"]

    assert _verbs(rules, "namespaces") == _on("get list watch")
    for seen in ("pods", "serviceaccounts", "nodes"):
        assert _verbs(rules, seen) == _on("list watch")
    assert _verbs(rules, "events") == _on("create patch")
    for configuration in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        assert _verbs(rules, configuration) == _on("list watch")
    for policy in ("validatingadmissionpolicies", "validatingadmissionpolicybindings"):
        assert _verbs(rules, policy) == _on("list watch")
    assert _verbs(rules, "services") == _on("get")
    assert _verbs(rules, "endpointslices") == _on("list")
    assert _verbs(rules, "resourcequotas") == _on("list watch")
    assert _verbs(rules, "resourcequotas/status") == _on("update")
    assert _verbs(rules, "apiservices") == _on("create") | _on(
        "get list watch update", "v3.projectcalico.org"
    )
    assert _verbs(rules, "clusterroles") == _on("get", SERVER)
    assert _verbs(rules, "certificatesigningrequests") == _on("get list watch")
    assert _verbs(rules, "certificatesigningrequests/approval") == _on("update")
    assert _verbs(rules, "certificatesigningrequests/status") == _on("update")
    assert _verbs(rules, "signers") == _on("approve sign", "projectcalico.org/packetcapture-agent")
    assert "secrets" not in {resource for rule in rules for resource in rule["resources"]}


def test_what_the_server_may_do_in_its_namespace(installed):
    rules = installed.get("Role", SERVER)["rules"]
    keeping = "get list watch update"

    assert _verbs(rules, "pods") == _on("get list watch")
    assert _verbs(rules, "secrets") == _on("create") | _on(keeping, "packetcapture-ca")
    assert _verbs(rules, "configmaps") == _on("create") | _on(keeping, "packetcapture-trust")


def test_no_rule_has_a_wildcard(installed):
    rules = [rule for each in installed.of("ClusterRole", "Role") for rule in each["rules"]]

    assert not [rule for rule in rules if "*" in (*rule["apiGroups"], *rule["resources"])]
    assert not [rule for rule in rules if "*" in rule["verbs"]]


@pytest.mark.parametrize(
    ("role", "added_to", "verbs", "files", "log"),
    [
        pytest.param("view", {"view"}, "get list watch", "", "", id="view"),
        pytest.param(
            "edit",
            {"edit", "admin"},
            "get list watch create update patch delete deletecollection",
            "get delete",
            "get",
            id="edit and admin",
        ),
    ],
)
def test_what_users_may_do(installed, role, added_to, verbs, files, log):
    found = installed.get("ClusterRole", f"packetcapture-{role}")
    rules, prefix = found["rules"], "rbac.authorization.k8s.io/aggregate-to-"

    labels = {each for each in found["metadata"]["labels"] if each.startswith(prefix)}
    assert labels == {f"{prefix}{each}" for each in added_to}
    assert _verbs(rules, "packetcaptures") == _on(verbs)
    assert _verbs(rules, "packetcaptures/status") == _on("get")
    assert _verbs(rules, "packetcaptures/files") == _on(files)
    assert _verbs(rules, "packetcaptures/log") == _on(log)


@pytest.mark.parametrize("component", ["static-apiservice", "tap-pod"])
def test_a_component_gives_nobody_a_permission(installed, installed_with, component):
    kinds = ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding")

    assert installed_with(component).of(*kinds) == installed.of(*kinds)
