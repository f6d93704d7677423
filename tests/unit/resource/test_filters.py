import pytest

from apiserver.resource.filters import (
    CAPTURE_ALL,
    NoMatchError,
    expression,
)
from apiserver.resource.types import Filter, NamedPort, PortRange

HTTP = NamedPort("http")
PORT_80 = PortRange(80, 80)
NAMED_PORTS = {("http", 6): [8080, 80], ("http", None): [8080, 80], ("dns", 17): [53]}


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        pytest.param([], CAPTURE_ALL, id="no filters"),
        pytest.param([Filter(None, ())], CAPTURE_ALL, id="a rule without conditions"),
        pytest.param(
            [Filter(6, (PORT_80,)), Filter(None, ())], CAPTURE_ALL, id="one rule lets all pass"
        ),
        pytest.param([Filter(6, ())], "proto 6", id="protocol"),
        pytest.param([Filter(136, ())], "proto 136", id="UDPLite"),
        pytest.param([Filter(6, (PORT_80,))], "tcp port 80", id="protocol and port"),
        pytest.param([Filter(17, (PORT_80,))], "udp port 80", id="UDP"),
        pytest.param([Filter(132, (PORT_80,))], "sctp port 80", id="SCTP"),
        pytest.param([Filter(None, (PORT_80,))], "port 80", id="port of any protocol"),
        pytest.param([Filter(6, (PortRange(1, 9),))], "tcp portrange 1-9", id="range"),
        pytest.param(
            [Filter(6, (PORT_80, PortRange(1, 9)))], "tcp port 80 or tcp portrange 1-9", id="ports"
        ),
        pytest.param([Filter(6, ()), Filter(None, (PORT_80,))], "proto 6 or port 80", id="rules"),
        pytest.param([Filter(6, (PORT_80,))] * 2, "tcp port 80", id="said twice"),
        pytest.param([Filter(6, (HTTP,))], "tcp port 80 or tcp port 8080", id="name"),
        pytest.param([Filter(None, (HTTP,))], "port 80 or port 8080", id="name, any protocol"),
        pytest.param(
            [Filter(17, (HTTP,)), Filter(6, (PORT_80,))],
            "tcp port 80",
            id="name of another protocol",
        ),
        pytest.param(
            [Filter(6, (NamedPort("metrics"), PORT_80))],
            "tcp port 80",
            id="name that is not there",
        ),
    ],
)
def test_expression(filters, text):
    assert expression(filters, NAMED_PORTS) == text


@pytest.mark.parametrize(
    "filters",
    [
        pytest.param([Filter(6, (NamedPort("metrics"),))], id="unknown name"),
        pytest.param([Filter(None, (NamedPort("dns"),))], id="name under another protocol only"),
        pytest.param([Filter(1, (PORT_80,))], id="ports of a protocol without"),
    ],
)
def test_filters_that_leave_nothing_never_become_a_filter_for_all(filters):
    with pytest.raises(NoMatchError):
        expression(filters, NAMED_PORTS)
