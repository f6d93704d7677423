"""Rules of every kind, to be judged on `tests.support.packets`."""

from ipaddress import ip_network

from apiserver.resource.selector.parser import parse
from apiserver.resource.types import (
    Direction,
    Filter,
    NamedPort,
    Network,
    PortRange,
    Spec,
    TCPFlags,
)
from tests.support.meaning import NamedPorts

ICMP, TCP, UDP, GRE, ICMPV6, SCTP, UDPLITE = 1, 6, 17, 47, 58, 132, 136
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
IN, OUT = Direction.IN, Direction.OUT

# So long that libpcap itself needs jumps over more than 255 instructions.
LONG_EXPRESSION = " or ".join(f"portrange {port}-{port + 2}" for port in range(50, 450, 10))
# Behind how many tags the rest of its rule looks (`tests.support.meaning`).
EXPRESSIONS = {
    "tcp": 0,
    "port 80": 0,
    "udp or icmp or icmp6": 0,
    "tcp or udp port 53": 0,
    "not tcp": 0,
    "not port 80": 0,
    "udp[8:4] = 1": 0,
    "tcp[100:4] = 1 or icmp": 0,
    "arp": 0,
    "ether broadcast": 0,
    "less 60": 0,
    "greater 1000 or len < 20": 0,
    "ip[8] = 64 and ip[6:2] & 0x1fff = 0": 0,
    "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn": 0,
    **dict.fromkeys(
        (
            f"{header}:{size}] = {value}"
            for header, values in {"ip[20": (0, 80, 0x509C40), "udp[8": (0, 1)}.items()
            for value in values
            for size in (1, 2, 4)
        ),
        0,
    ),
    "less 1000": 0,
    LONG_EXPRESSION: 0,
    "udp[-8:4] = 0x0a000001": 0,
    "vlan": 1,
    "vlan 5": 1,
    "vlan 6 and vlan 5": 2,
    "vlan and tcp": 1,
}
PORT_NAMES: NamedPorts = {
    ("http", TCP): {80},
    ("http", None): {80},
    ("dns", UDP): {53},
    ("dns", TCP): {443},
    ("dns", None): {53, 443},
    ("odd", SCTP): {79, 81},
    ("odd", None): {79, 81},
}


_EVERY_POD = parse("all()")


def spec(*rules: Filter, headers_only: bool = False, snap_length: int = 0) -> Spec:
    return Spec(
        _EVERY_POD,
        *(rules, None, None),
        snap_length=snap_length,
        headers_only=headers_only,
    )


def ports(*numbers: int) -> tuple[PortRange, ...]:
    return tuple(PortRange(number, number) for number in numbers)


def nets(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


ALL_PORTS = (PortRange(1, 65535),)
V4, V6 = nets("10.0.0.0/24"), nets("fd00::/64")
RULES = {
    "TCP": (Filter(TCP),),
    "UDP": (Filter(UDP),),
    "SCTP": (Filter(SCTP),),
    "ICMP": (Filter(ICMP),),
    "ICMPv6": (Filter(ICMPV6),),
    "UDPLite": (Filter(UDPLITE),),
    "GRE": (Filter(GRE),),
    "routing and destination options of IPv6": (Filter(43), Filter(60)),
    "IPv6's fragment header": (Filter(44),),
    "tunnels of protocol 4": (Filter(4),),
    "tunnels of protocol 41": (Filter(41),),
    "protocol 255": (Filter(255),),
    "no protocol next": (Filter(59),),
    "TCP port": (Filter(TCP, ports(80)),),
    "UDP port": (Filter(UDP, ports(53)),),
    "SCTP port": (Filter(SCTP, ports(80)),),
    "port": (Filter(None, ports(80)),),
    "lowest port": (Filter(None, ports(1)),),
    "highest port": (Filter(None, ports(65535)),),
    "range": (Filter(None, (PortRange(1000, 1010),)),),
    "range of one protocol": (Filter(UDP, (PortRange(1000, 1010),)),),
    "range to the last port": (Filter(TCP, (PortRange(65534, 65535),)),),
    "all ports but 0": (Filter(None, ALL_PORTS),),
    "several ports": (Filter(TCP, (*ports(1, 80, 443), PortRange(999, 1004))),),
    "ports beside each other": (Filter(TCP, (PortRange(79, 80), PortRange(80, 81))),),
    "name": (Filter(TCP, (NamedPort("http"),)),),
    "name of another protocol": (Filter(UDP, (NamedPort("http"),)),),
    "name of two protocols": (Filter(None, (NamedPort("dns"),)),),
    "name and number": (Filter(UDP, (NamedPort("dns"), *ports(80))),),
    "name that nobody has": (Filter(TCP, (NamedPort("nobody"),)),),
    "flags with a name": (Filter(TCP, (NamedPort("dns"),), tcp_flags=(TCPFlags(0, RST),)),),
    "from IPv4": (Filter(src_nets=V4),),
    "to IPv4": (Filter(dst_nets=V4),),
    "from one address": (Filter(src_nets=nets("192.0.2.1/32")),),
    "to one address": (Filter(dst_nets=nets("255.255.255.255/32")),),
    "from /8": (Filter(src_nets=nets("10.0.0.0/8")),),
    "to /7": (Filter(dst_nets=nets("10.0.0.0/7")),),
    "from any IPv4": (Filter(src_nets=nets("0.0.0.0/0")),),
    "to any IPv6": (Filter(dst_nets=nets("::/0")),),
    "from IPv6": (Filter(src_nets=V6),),
    "to IPv6": (Filter(dst_nets=V6),),
    "from /33": (Filter(src_nets=nets("fd00::/33")),),
    "to /127": (Filter(dst_nets=nets("fd00::2/127")),),
    "from one IPv6 address": (Filter(src_nets=nets("fd00:0:0:1::1/128")),),
    "from addresses that begin as IPv4's in IPv6": (Filter(src_nets=nets("::/96")),),
    "both families": (Filter(src_nets=(*V4, *V6)),),
    "from and to": (Filter(src_nets=V4, dst_nets=nets("10.0.1.0/24", "192.0.2.0/24")),),
    "from both, to one": (Filter(src_nets=(*V4, *V6), dst_nets=V6),),
    "from both, to both": (Filter(src_nets=(*V4, *V6), dst_nets=(*V6, *V4)),),
    "port and nets": (Filter(TCP, ports(80), src_nets=(*V4, *V6), dst_nets=(*V4, *V6)),),
    "protocol and net": (Filter(ICMP, src_nets=V4),),
    "SYN": (Filter(TCP, tcp_flags=(TCPFlags(SYN, 0),)),),
    "SYN without ACK": (Filter(TCP, tcp_flags=(TCPFlags(SYN, ACK),)),),
    "RST or FIN": (Filter(TCP, tcp_flags=(TCPFlags(RST, 0), TCPFlags(FIN, 0))),),
    "no flags": (Filter(TCP, tcp_flags=(TCPFlags(0, 0xFF),)),),
    "all flags": (Filter(TCP, tcp_flags=(TCPFlags(0xFF, 0),)),),
    "PSH and ACK on a port": (Filter(TCP, ports(80), tcp_flags=(TCPFlags(PSH | ACK, 0),)),),
    "SYN from IPv6": (Filter(TCP, src_nets=V6, tcp_flags=(TCPFlags(SYN, 0),)),),
    "echo request": (Filter(ICMP, icmp_type=8),),
    "echo reply": (Filter(ICMP, icmp_type=0),),
    "ICMP 255": (Filter(ICMP, icmp_type=255),),
    "echo request of IPv6": (Filter(ICMPV6, icmp_type=128),),
    "neighbour solicitation": (Filter(ICMPV6, icmp_type=135),),
    "rules": (Filter(ICMP), Filter(TCP, ports(80)), Filter(None, src_nets=V6)),
    "a rule that meets what is too short for the one before it": (
        *(Filter(TCP, ports(443)), Filter(TCP)),
    ),
    "in": (Filter(direction=IN),),
    "out": (Filter(direction=OUT),),
    "in, on a port": (Filter(TCP, ports(80), direction=IN),),
    "in one, out the other": (Filter(TCP, direction=IN), Filter(UDP, direction=OUT)),
    "in some, both ways others": (Filter(TCP, ports(80), direction=IN), Filter(UDP)),
    "everything in, some out": (Filter(direction=IN), Filter(ICMP, direction=OUT)),
    **{f"expression {text}": (Filter(expression=text),) for text in EXPRESSIONS},
    "expression and port": (Filter(TCP, ports(80), expression="less 60"),),
    "expression of alternatives, and a protocol": (Filter(UDP, expression="tcp or udp port 53"),),
    "behind a tag": (Filter(TCP, ports(80), expression="vlan 5"),),
    "behind two tags": (Filter(TCP, expression="vlan 6 and vlan 5"),),
    "tag and plain": (Filter(TCP, expression="vlan 5"), Filter(TCP, ports(40000)), Filter(UDP)),
    "expression between": (Filter(ICMP), Filter(UDP, expression="not tcp"), Filter(SCTP)),
    "expression in": (Filter(direction=IN, expression="tcp"), Filter(UDP, direction=OUT)),
    "expressions": (Filter(expression="arp"), Filter(expression="vlan"), Filter(expression="tcp")),
    "plain, and an expression that what is cut off meets": (
        *(Filter(TCP, ports(80)), Filter(ICMP, icmp_type=8), Filter(ICMPV6, icmp_type=128)),
        *(Filter(TCP, tcp_flags=(TCPFlags(SYN, 0),)), Filter(src_nets=(*V4, *V6), dst_nets=V4)),
        Filter(expression="less 60"),
    ),
    "expression that reads behind the end": (Filter(expression="udp[8:4] = 1"), Filter(UDP)),
    **{
        f"expression that reads {size} bytes to the end of some packets, and {what}": (
            *(Filter(expression=f"ip[20:{size}] = {fixed}") for fixed in (0, 80, 0x509C40)),
            *(Filter(expression=f"udp[8:{size}] = {payload}") for payload in (0, 1)),
            Filter(expression=others),
        )
        for size in (1, 2, 4)
        for what, others in {"few others": "arp", "all others": "less 1000"}.items()
    },
    "expression that reads in front of a header": (
        *(Filter(expression="udp[-8:4] = 0x0a000001"), Filter(expression="arp")),
    ),
    "long expression, and another": (Filter(expression=LONG_EXPRESSION), Filter(expression="arp")),
    "expressions that read behind the end": (
        Filter(expression="udp[8:4] = 1"),
        Filter(expression="tcp[100:4] = 1 or icmp"),
        Filter(expression="tcp or udp port 53"),
    ),
    "expression and nets": (Filter(src_nets=(*V4, *V6), expression="udp or icmp or icmp6"),),
    "expression and flags": (
        Filter(TCP, tcp_flags=(TCPFlags(SYN, ACK),), expression="not port 80"),
    ),
}
RULES["as many rules as there may be"] = tuple(
    Filter(None, ports(port), src_nets=nets(f"fd00::{'' if port % 2 else '1:'}1/128"))
    for port in range(60, 188)
)
