import pytest

from nodeagent.discovery.calico import calico_interface, unexpected_names
from nodeagent.discovery.endpoints import Endpoint, HostTap, PodTap, ProcessId


@pytest.mark.parametrize(
    ("namespace", "pod", "prefix", "interface"),
    [
        pytest.param("default", "podA", "cali", "cali7f94ce7c295", id="Calico"),
        pytest.param("storefront", "logging", "eni", "eni00ad604076b", id="Amazon VPC"),
        pytest.param(
            "storefront", "frontend-75875cb97c-2fkt2", "eni", "enib222096b242", id="long name"
        ),
        pytest.param("default", "podA", "azv,cali", "azv7f94ce7c295", id="the first of several"),
        pytest.param("default", "podA", "", "cali7f94ce7c295", id="no prefix"),
    ],
)
def test_trap_34_of_several_prefixes_the_first_makes_the_name(namespace, pod, prefix, interface):
    assert calico_interface(namespace, pod, prefix) == interface


@pytest.mark.parametrize(
    ("interface", "tap", "expected"),
    [
        pytest.param("cali7f94ce7c295", HostTap(3), [], id="its own"),
        pytest.param("veth1234", HostTap(3), [], id="of another CNI"),
        pytest.param("cali00ad604076b", HostTap(3), ["cali7f94ce7c295"], id="another pod's"),
        pytest.param("cali0", PodTap(3, ProcessId(1, 1), 1), [], id="a name within the pod"),
    ],
)
def test_only_a_name_of_calicos_can_be_unexpected(interface, tap, expected):
    endpoint = Endpoint("default", "podA", "uid", interface, tap=tap)

    assert [name for _, name in unexpected_names([endpoint])] == expected
