"""J. Server-side apply by kubectl."""

import json

from tests.conformance.checks import check, client

MANIFEST = """\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata:
  name: http
  labels:
    team: x
spec:
  selector: app == "web"
  endTime: "2030-01-01T00:00:00Z"
"""
RESOURCE = "packetcaptures.p"
SERVER_SIDE = ("apply", "--server-side", "-f-")


def shown(kubectl):
    return json.loads(
        kubectl("get", RESOURCE, "http", "-o", "json", "--show-managed-fields").stdout
    )


def owners(document):
    return [(each["manager"], each["operation"]) for each in document["metadata"]["managedFields"]]


@check(105)
@client("kubectl", "apply --server-side")
def test_objects_move_from_the_client_to_the_server(kubectl):
    kubectl("apply", "-f-", stdin=MANIFEST)
    before = owners(shown(kubectl))

    said = kubectl(*SERVER_SIDE, stdin=MANIFEST).words

    assert before == [("kubectl-client-side-apply", "Update")]
    assert "conflict" not in said
    # The annotation stays, for a kubectl that applies as before.
    assert owners(shown(kubectl)) == [("kubectl", "Apply"), ("kubectl-last-applied", "Apply")]


@check(105)
@client("kubectl", "apply --server-side")
def test_what_a_manifest_drops_is_removed(kubectl):
    kubectl("apply", "-f-", stdin=MANIFEST)
    kubectl(*SERVER_SIDE, stdin=MANIFEST)
    dropped = MANIFEST.replace("  labels:\n    team: x\n", "")
    dropped = dropped.replace('  endTime: "2030-01-01T00:00:00Z"\n', "")

    kubectl(*SERVER_SIDE, stdin=dropped)

    after = shown(kubectl)
    assert after["spec"] == {"selector": 'app == "web"'}
    assert "labels" not in after["metadata"]


@check(98, 99)
@client("kubectl", "apply --server-side, --force-conflicts, --dry-run=server; diff --server-side")
def test_kubectl_applies_on_the_server(kubectl):
    made = kubectl(*SERVER_SIDE, stdin=MANIFEST).stdout
    other = MANIFEST.replace("web", "db")
    kubectl("diff", "--server-side", "-f-", stdin=MANIFEST)
    different = kubectl("diff", "--server-side", "-f-", stdin=other, fails=True).stdout
    refused = kubectl(*SERVER_SIDE, "--field-manager=other", stdin=other, fails=True).stderr
    kubectl(
        *SERVER_SIDE, "--field-manager=other", "--dry-run=server", "--force-conflicts", stdin=other
    )
    kept = shown(kubectl)["spec"]["selector"]
    kubectl(*SERVER_SIDE, "--field-manager=other", "--force-conflicts", stdin=other)

    assert made == "packetcapture.projectcalico.org/http serverside-applied\n"
    assert '+  selector: app == "db"' in different
    assert 'Apply failed with 1 conflict: conflict with "kubectl": .spec.selector' in refused
    assert kept == 'app == "web"'
    assert shown(kubectl)["spec"]["selector"] == 'app == "db"'
