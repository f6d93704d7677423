"""What is installed: names that agree, and nothing that is somebody else's."""

from pathlib import Path

import pytest
import yaml

from apiserver.config import parse_config as parse_apiserver
from nodeagent.config import parse_config as parse_agent

MANIFESTS = Path(__file__).parents[3] / "manifests"
SERVER = "packetcapture-apiserver"
AGENT = "packetcapture-agent"


def _container(pod):
    (container,) = pod["containers"]
    return container


def _port(container, name):
    (port,) = (each for each in container["ports"] if each["name"] == name)
    return port["containerPort"]


def test_every_component_is_used_by_a_test(installed_with):
    components = {each.name for each in (MANIFESTS / "components").iterdir()}

    assert components == {"static-apiservice", "tap-pod"}
    for component in components:
        assert installed_with(component).documents


def test_every_overlay_is_used_by_a_test(installed_with_tap_pod):
    assert [each.name for each in (MANIFESTS / "overlays").iterdir()] == ["tap-pod"]
    assert installed_with_tap_pod.documents


def test_the_default_holds_no_apiservice(installed):
    assert not installed.of("APIService")


def test_everything_is_in_the_namespace_but_what_reads_the_front_proxys_ca(installed):
    elsewhere = [
        (each["kind"], each["metadata"]["namespace"])
        for each in installed.documents
        if each["metadata"].get("namespace", "packetcapture") != "packetcapture"
    ]

    assert elsewhere == [("RoleBinding", "kube-system")]


def test_every_object_says_what_it_is_part_of(installed):
    labels = [each["metadata"]["labels"] for each in installed.documents]

    assert all(each["app.kubernetes.io/part-of"] == "packetcapture" for each in labels)


def test_the_service_leads_to_the_servers_port(installed):
    service = installed.get("Service", SERVER)["spec"]
    template = installed.get("Deployment", SERVER)["spec"]["template"]

    (port,) = service["ports"]

    assert port["port"] == 443
    assert _port(_container(template["spec"]), port["targetPort"]) == 8443
    assert service["selector"].items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize("kind", ["PodDisruptionBudget", "NetworkPolicy"])
def test_a_policy_selects_the_servers_pod(installed, kind):
    spec = installed.get(kind, SERVER)["spec"]
    selector = spec["podSelector" if kind == "NetworkPolicy" else "selector"]["matchLabels"]
    labels = installed.get("Deployment", SERVER)["spec"]["template"]["metadata"]["labels"]

    assert selector.items() <= labels.items()


def test_the_network_policy_opens_the_servers_port_alone(installed):
    policy = installed.get("NetworkPolicy", SERVER)["spec"]

    assert policy["ingress"] == [{"ports": [{"port": "https", "protocol": "TCP"}]}]


def test_no_drain_waits_for_the_server(installed):
    assert installed.get("PodDisruptionBudget", SERVER)["spec"]["maxUnavailable"] == 1


def test_two_servers_never_run_on_one_store(installed):
    deployment = installed.get("Deployment", SERVER)["spec"]

    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "Recreate"}


def _agent_config(container):
    """Read an agent's flags as its container gets them from a kubelet."""
    fields = {
        "spec.nodeName": "node-a",
        "status.hostIP": "192.0.2.1",
        "metadata.namespace": "packetcapture",
        "metadata.name": "agent-x",
    }
    paths = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in container["env"]}
    environment = {name: fields[path] for name, path in paths.items()}
    program, *flags = container["args"]
    assert program == "nodeagent"
    for name, value in environment.items():
        flags = [each.replace(f"$({name})", value) for each in flags]
    return parse_agent(flags, environment)


def test_the_server_takes_its_flags(installed):
    container = _container(installed.pod("Deployment", SERVER))
    program, *flags = container["args"]

    config = parse_apiserver(flags, {"POD_NAMESPACE": "packetcapture"})

    assert program == "apiserver"
    assert config.secure_port == _port(container, "https")
    assert str(config.data_dir) in [each["mountPath"] for each in container["volumeMounts"]]


@pytest.mark.parametrize("tree", ["installed", "installed_with_tap_pod"])
def test_the_agent_takes_its_flags(request, tree):
    container = _container(request.getfixturevalue(tree).pod("DaemonSet", AGENT))

    config = _agent_config(container)

    assert (config.node_name, config.bind_address) == ("node-a", "192.0.2.1")
    assert config.secure_port == _port(container, "files")
    assert str(config.capture_dir) in [each["mountPath"] for each in container["volumeMounts"]]


def test_the_agents_probes_ask_the_port_for_them(installed):
    container = _container(installed.pod("DaemonSet", AGENT))
    config = _agent_config(container)
    probes = {kind: container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")}

    assert {kind: each["httpGet"]["path"] for kind, each in probes.items()} == {
        "startup": "/livez",
        "liveness": "/livez",
        "readiness": "/readyz",
    }
    for each in probes.values():
        asked = each["httpGet"]["host"], each["httpGet"]["port"]
        assert asked == (config.healthz_bind_address, config.healthz_port)


def test_no_agent_is_killed_before_it_has_had_time(installed):
    container = _container(installed.pod("DaemonSet", AGENT))
    seconds = {
        kind: container[f"{kind}Probe"]["periodSeconds"]
        * container[f"{kind}Probe"]["failureThreshold"]
        for kind in ("startup", "liveness")
    }

    assert seconds["startup"] >= 300
    assert seconds["liveness"] >= 60


def test_the_server_has_time_to_end(installed):
    pod = installed.pod("Deployment", SERVER)
    _, *flags = _container(pod)["args"]

    config = parse_apiserver(flags, {"POD_NAMESPACE": "packetcapture"})

    ending = config.shutdown_delay_seconds + config.shutdown_seconds
    assert pod["terminationGracePeriodSeconds"] > ending


@pytest.mark.parametrize(("kind", "name"), [("Deployment", SERVER), ("DaemonSet", AGENT)])
def test_the_pods_names_come_from_the_downward_api(installed, kind, name):
    variables = _container(installed.pod(kind, name))["env"]
    paths = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in variables}

    assert paths.items() >= {
        ("POD_NAMESPACE", "metadata.namespace"),
        ("POD_NAME", "metadata.name"),
    }
    if kind == "DaemonSet":
        assert (paths["NODE_NAME"], paths["NODE_IP"]) == ("spec.nodeName", "status.hostIP")


@pytest.mark.parametrize(("kind", "name"), [("Deployment", SERVER), ("DaemonSet", AGENT)])
def test_no_cpu_limit_throttles_a_program(installed, kind, name):
    resources = _container(installed.pod(kind, name))["resources"]

    assert resources["requests"].keys() == {"cpu", "memory"}
    assert "cpu" not in resources.get("limits", {})


def test_agents_run_on_every_node(installed):
    agent = installed.pod("DaemonSet", AGENT)

    assert agent["tolerations"] == [{"operator": "Exists"}]
    assert agent["priorityClassName"] == "system-node-critical"


def test_the_static_apiservice_is_the_one_the_server_would_make(installed_with):
    (apiservice,) = installed_with("static-apiservice").of("APIService")

    assert apiservice["metadata"]["name"] == "v3.projectcalico.org"
    assert apiservice["spec"] == {
        "group": "projectcalico.org",
        "version": "v3",
        "groupPriorityMinimum": 1500,
        "versionPriority": 200,
        "service": {"namespace": "packetcapture", "name": SERVER, "port": 443},
    }


def test_the_static_apiservice_does_not_claim_to_be_the_servers(installed_with):
    (apiservice,) = installed_with("static-apiservice").of("APIService")

    assert "app.kubernetes.io/managed-by" not in apiservice["metadata"]["labels"]


def test_every_tree_names_one_image_of_both_programs():
    kustomizations = sorted(MANIFESTS.rglob("kustomization.yaml"))
    images = [
        each.get("images")
        for each in map(yaml.safe_load, (path.read_text() for path in kustomizations))
        if "images" in each
    ]

    assert len(images) == 2  # the default, and the overlay
    assert all(each == images[0] for each in images)
