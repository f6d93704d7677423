from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.discovery.cgroupnames import holds_pods, pod_uid

UID = "01234567-89ab-cdef-0123-456789abcdef"
HASH = "0123456789abcdef0123456789abcdef"
SPELLED = UID.replace("-", "_")


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        pytest.param(f"pod{UID}", UID, id="cgroupfs"),
        pytest.param(f"pod{HASH}", HASH, id="cgroupfs, static pod"),
        pytest.param(f"kubepods-pod{SPELLED}.slice", UID, id="systemd, guaranteed"),
        pytest.param(f"kubepods-besteffort-pod{SPELLED}.slice", UID, id="systemd, best effort"),
        pytest.param(f"kubepods-burstable-pod{HASH}.slice", HASH, id="systemd, static pod"),
        pytest.param(f"kubelet-kubepods-burstable-pod{SPELLED}.slice", UID, id="systemd, kind"),
        pytest.param(f"pod{SPELLED}", None, id="the other driver's spelling"),
        pytest.param(f"kubepods-besteffort-pod{UID}.slice", None, id="and the other way round"),
        pytest.param(f"pod{UID}\n", None, id="a line more"),
        pytest.param(f"pod{UID}x", None, id="more than a uid"),
        pytest.param(f"xpod{UID}", None, id="another word"),
        pytest.param(f"pod{UID.upper()}", None, id="capitals"),
        pytest.param(f"my-pod{SPELLED}.slice", None, id="a slice that is not the kubelet's"),
        pytest.param(f"cri-containerd-{HASH}.scope", None, id="a container"),
        pytest.param("besteffort", None, id="a class of service"),
    ],
)
def test_a_pod_is_known_by_its_uid_in_either_spelling(name, uid):
    assert pod_uid(name) == uid


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        pytest.param("kubepods", True, id="cgroupfs"),
        pytest.param("kubepods/besteffort", True, id="a class of service"),
        pytest.param("node-a/kubepods", True, id="below another root"),
        pytest.param("docker/0123/kubelet/kubepods/burstable", True, id="nested"),
        pytest.param("kubepods.slice/kubepods-burstable.slice", True, id="systemd"),
        pytest.param("kubelet.slice/kubelet-kubepods.slice", True, id="systemd, kind"),
        pytest.param("", False, id="the root"),
        pytest.param("user.slice/user-1000.slice", False, id="a user's"),
        pytest.param("my-kubepods", False, id="another name"),
    ],
)
def test_only_the_kubelets_part_of_the_tree_has_pods(path, holds):
    assert holds_pods(PurePath(path)) is holds


@given(st.text(alphabet="0123456789abcdef-_podkubes.lic", max_size=80))
def test_a_name_that_is_not_exactly_a_pods_is_none(name):
    found = pod_uid(name)

    assert found is None or name.replace("_", "-").endswith((f"pod{found}", f"pod{found}.slice"))


@given(st.uuids())
def test_both_spellings_are_one_pod(uid):
    names = (f"pod{uid}", f"kubepods-pod{str(uid).replace('-', '_')}.slice")

    assert {pod_uid(name) for name in names} == {str(uid)}
