"""The real kubectl, without cluster: what a person types."""

import subprocess
from pathlib import Path

import pytest

from tests.support.client import KEEPS_LITTLE
from tests.support.standalone import KUBECTL

MANIFEST = """\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata:
  name: http
spec:
  selector: app == "web"
  filters:
  - protocol: TCP
    ports: [80, 8000:8080]
  limits:
    files: 10
"""


class Kubectl:
    """kubectl in one namespace, with a home of its own (its discovery cache is there)."""

    def __init__(self, url, installation, namespace, home: Path) -> None:
        layout = installation.layout
        self.home = home
        self._command = [
            str(KUBECTL),
            f"--server={url}",
            f"--certificate-authority={layout.authority.certificate}",
            f"--client-certificate={layout.admin.certificate}",
            f"--client-key={layout.admin.key}",
            f"--namespace={namespace}",
        ]

    def __call__(self, *arguments: str, fails: bool = False, text: str = "") -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            input=text,
            capture_output=True,
            text=True,
            env={
                "HOME": str(self.home),
                "PATH": "/usr/bin:/bin",
                "KUBE_EDITOR": "sed -i s/web/db/",
            },
            timeout=30,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def kubectl(server, installation, namespace, tmp_path):
    return Kubectl(server.url, installation, namespace, tmp_path)


def test_create_get_and_delete(kubectl):
    made = kubectl("create", "-f", "-", text=MANIFEST)
    shown = kubectl("get", "packetcaptures.p", "http", "-o", "yaml")
    table = kubectl("get", "packetcaptures.p")
    gone = kubectl("delete", "packetcaptures.p", "http")

    assert made == "packetcapture.projectcalico.org/http created\n"
    assert "- 8000:8080\n" in shown
    assert table.split()[:7] == ["NAME", "STATE", "PODS", "PACKETS", "DROPPED", "SIZE", "AGE"]
    assert gone.startswith('packetcapture.projectcalico.org "http" deleted')
    assert "NotFound" in kubectl("get", "packetcaptures.p", "http", fails=True)


def test_who_sets_no_limits_reads_how_little_is_kept_and_only_once(kubectl):
    without, _, _ = MANIFEST.partition("  limits:")

    made = kubectl("apply", "-f", "-", text=without)
    changed = kubectl("apply", "-f", "-", text=without.replace("web", "db"))

    assert made.splitlines() == [
        "packetcapture.projectcalico.org/http created",
        f"Warning: {KEEPS_LITTLE}",
    ]
    assert changed == "packetcapture.projectcalico.org/http configured\n"


@pytest.mark.parametrize(
    "name",
    [
        "packetcapture",
        "packetcaptures",
        "PacketCaptures",
        "packetcaptures.p",
        "packetcapture.projectcalico.org",
        "packetcaptures.projectcalico.org",
        "packetcaptures.v3.projectcalico.org",
    ],
)
def test_every_name_of_the_resource_works(kubectl, name):
    kubectl("create", "-f", "-", text=MANIFEST)

    assert kubectl("get", name, "-o", "name") == "packetcapture.projectcalico.org/http\n"


def test_a_misspelt_field_is_refused_by_name(kubectl):
    said = kubectl("create", "-f", "-", fails=True, text=MANIFEST.replace("filters", "filter"))

    assert 'unknown field "spec.filter"' in said


def test_a_selector_that_does_not_parse_is_refused_with_the_parsers_words(kubectl):
    said = kubectl("create", "-f", "-", fails=True, text=MANIFEST.replace("==", "="))

    assert "spec.selector: Invalid value" in said
    assert "expected ==" in said


def test_edit_label_patch_and_replace(kubectl):
    kubectl("create", "-f", "-", text=MANIFEST)

    kubectl("edit", "packetcaptures.p", "http")
    edited = kubectl("get", "packetcaptures.p", "http", "-o", "jsonpath={.spec.selector}")
    kubectl("label", "packetcaptures.p", "http", "team=x")
    kubectl("annotate", "packetcaptures.p", "http", "note=y")
    selected = kubectl("get", "packetcaptures.p", "-l", "team=x", "-o", "name")
    kubectl("replace", "-f", "-", text=MANIFEST)
    replaced = kubectl("get", "packetcaptures.p", "http", "-o", "jsonpath={.metadata.labels}")
    patch = '{"spec":{"endTime":"2026-01-01T00:00:00Z"}}'
    kubectl("patch", "packetcaptures.p", "http", "--type=merge", "-p", patch)

    assert edited == 'app == "db"'
    assert selected == "packetcapture.projectcalico.org/http\n"
    assert replaced == ""


def test_apply_creates_and_then_changes(kubectl):
    made = kubectl("apply", "-f", "-", text=MANIFEST)
    changed = kubectl("apply", "-f", "-", text=MANIFEST.replace("web", "db"))
    same = kubectl("apply", "-f", "-", text=MANIFEST.replace("web", "db"))

    shown = kubectl("get", "packetcaptures.p", "http", "-o", "jsonpath={.spec.selector}")
    assert [each.split()[-1] for each in (made, changed, same)] == [
        "created",
        "configured",
        "unchanged",
    ]
    assert shown == 'app == "db"'


def test_delete_by_label_deletes_no_other(kubectl):
    kubectl("create", "-f", "-", text=MANIFEST)
    kubectl("create", "-f", "-", text=MANIFEST.replace("http", "other"))
    kubectl("label", "packetcaptures.p", "http", "team=x")

    kubectl("delete", "packetcaptures.p", "-l", "team=x")

    assert kubectl("get", "packetcaptures.p", "-o", "name") == (
        "packetcapture.projectcalico.org/other\n"
    )


def test_a_dry_run_stores_nothing(kubectl):
    kubectl("create", "-f", "-", "--dry-run=server", text=MANIFEST)

    assert "No resources found" in kubectl("get", "packetcaptures.p")


def test_watching_shows_changes(kubectl):
    kubectl("create", "-f", "-", text=MANIFEST)

    rows = kubectl("get", "packetcaptures.p", "-w", "--request-timeout=1s")

    assert rows.splitlines()[1].startswith("http")


def test_the_resource_describes_itself(kubectl):
    resources = kubectl("api-resources", "--api-group=projectcalico.org", "--no-headers")
    explained = kubectl("explain", "packetcapture.spec.filters")

    assert ["packetcaptures", "projectcalico.org/v3", "true", "PacketCapture"] in [
        line.split() for line in resources.splitlines()
    ]
    assert "ports" in explained
    assert "Absent: any" in " ".join(explained.split())


def test_replace_by_force_describe_and_diff(kubectl, tmp_path):
    kubectl("create", "-f", "-", text=MANIFEST)
    changed = MANIFEST.replace("web", "db")

    different = kubectl("diff", "-f", "-", fails=True, text=changed)
    replaced = kubectl("replace", "--force", "-f", "-", text=changed)
    described = kubectl("describe", "packetcaptures.p", "http")
    same = kubectl("diff", "-f", "-", text=changed)

    assert '+  selector: app == "db"' in different
    assert replaced.endswith("replaced\n")
    assert 'Selector:  app == "db"' in described
    assert same == ""


def test_the_status_alone_is_edited_and_waited_for(kubectl):
    kubectl("create", "-f", "-", text=MANIFEST)
    patch = '{"status":{"packets":7}}'

    kubectl("edit", "packetcaptures.p", "http", "--subresource=status")
    kubectl(
        "patch", "packetcaptures.p", "http", "--subresource=status", "--type=merge", "-p", patch
    )
    met = kubectl("wait", "--for=jsonpath={.status.packets}=7", "packetcapture/http")
    kubectl("delete", "packetcaptures.p", "http", "--wait=false")
    gone = kubectl("wait", "--for=delete", "packetcapture/http")

    assert met == "packetcapture.projectcalico.org/http condition met\n"
    assert gone in {"", met}


def test_rows_are_chosen_and_sorted_by_the_client(kubectl):
    kubectl("create", "-f", "-", text=MANIFEST.replace("http", "b"))
    kubectl("create", "-f", "-", text=MANIFEST.replace("http", "a"))
    kubectl("label", "packetcaptures.p", "b", "team=x")

    names = kubectl("get", "packetcaptures.p", "-o", "custom-columns=N:.metadata.name")
    wide = kubectl(
        *("get", "packetcaptures.p", "-o", "wide", "--show-labels", "--sort-by=.metadata.name")
    )

    assert names.split() == ["N", "a", "b"]
    assert [line.split()[0] for line in wide.splitlines()] == ["NAME", "a", "b"]
    assert "team=x" in wide.splitlines()[2]
