import ssl
from datetime import UTC, datetime

import pytest
import yaml

from apiserver.auth.certificates import Authority, Subject, parse_certificate, subject_of
from apiserver.standalone.credentials import write_credentials
from apiserver.standalone.layout import Layout

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
URL = "https://127.0.0.1:6443"


@pytest.fixture
def layout(tmp_path):
    made = Layout(tmp_path / "state")
    write_credentials(made, node="n1", server_url=URL, now=NOW)
    return made


def test_everything_is_its_owners_alone(layout):
    modes = {
        path.relative_to(layout.root).as_posix(): path.stat().st_mode & 0o077
        for path in layout.root.rglob("*")
    }

    assert len(modes) == 13
    assert not any(modes.values()), modes


@pytest.mark.parametrize(
    ("name", "user", "groups"),
    [
        ("admin", "admin", ("system:masters",)),
        ("agent", "packetcapture:node:n1", ("packetcapture:nodes",)),
        ("server_as_client", "packetcapture-apiserver", ()),
    ],
)
def test_each_certificate_is_who_it_should_be_to_the_ca(layout, name, user, groups):
    authority = Authority(layout.authority.certificate.read_bytes())
    pem = getattr(layout, name).certificate.read_text()
    certificate = parse_certificate(ssl.PEM_cert_to_DER_cert(pem))

    assert authority.vouches_for(certificate, now=NOW)
    assert subject_of(certificate) == Subject(user, groups)


@pytest.mark.parametrize("name", ["admin", "agent"])
def test_a_kubeconfig_names_files_that_are_there_wherever_it_is_read(layout, name):
    config = yaml.safe_load(getattr(layout, f"{name}_kubeconfig").read_text())

    (cluster,), (user,) = config["clusters"], config["users"]
    files = getattr(layout, name)
    assert cluster["cluster"] == {
        "server": URL,
        "certificate-authority": str(layout.authority.certificate.resolve()),
    }
    assert user["user"] == {
        "client-certificate": str(files.certificate.resolve()),
        "client-key": str(files.key.resolve()),
    }
    assert config["current-context"] == config["contexts"][0]["name"]


def test_a_new_start_makes_a_new_ca(layout):
    before = layout.authority.certificate.read_bytes()

    write_credentials(layout, node="n1", server_url=URL, now=NOW)

    assert layout.authority.certificate.read_bytes() != before
