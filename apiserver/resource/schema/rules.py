"""The schema of one rule of a capture's filters; what a rule means is calico-semantics 3 and DESIGN 3."""

from apiserver.resource.schema.parts import (
    atomic_list,
    choice,
    form,
    int_or_string,
    number,
    ours,
    structure,
    text,
)
from apiserver.resource.spec.ports import PROTOCOL_NUMBERS
from apiserver.resource.spec.rules import MAX_ICMP_TYPE
from apiserver.resource.spec.tcpflags import FLAG_BITS
from apiserver.resource.types import Direction

_FLAG = f"!?({'|'.join(FLAG_BITS)})"
_PROTOCOLS = ", ".join(PROTOCOL_NUMBERS)

RULE = structure(
    "PacketCaptureRule",
    "PacketCaptureRule is met by a packet of which all is true that the rule says; what it leaves out does "
    "not matter. An empty rule is met by every packet. Of tunnelled packets the outer headers count; a "
    "VLAN tag is looked behind. Of a packet in fragments only the first has ports, flags and types, and of "
    "IPv6 only what follows the fixed header at once.",
    {
        "protocol": int_or_string(
            f"The protocol that IP carries: one of {_PROTOCOLS}, in exactly this spelling, or its number, "
            "from 1 to 255 (47 is GRE). Absent: any protocol."
        ),
        "ports": atomic_list(
            int_or_string(
                "A port from 1 to 65535 (80), a range with both its ends (8000:8080), or the name of a "
                "port of the pod's containers (http)."
            ),
            "Ports, of which one must be the packet's source or destination. Each is a number from 1 "
            "to 65535, such as 80; a range with both its ends, such as 8000:8080; or the name that the "
            "pod's containers give a port, such as http. On a pod that has no port of a name, the name "
            "matches nothing. The protocol must be one that has ports (TCP, UDP, SCTP), or absent. "
            "Absent or empty: any packet, also one without ports.",
        ),
        "srcNets": atomic_list(
            text("A network (10.0.0.0/8, fd00::/8), or one address (10.1.2.3)."),
            ours(
                "Networks, one of which must have the packet's source address: 10.0.0.0/8 or fd00::/8; an "
                "address alone is itself. Addresses are what the pod sees. ARP has none here. Absent or "
                "empty: any."
            ),
        ),
        "dstNets": atomic_list(
            text("A network (10.0.0.0/8, fd00::/8), or one address (10.1.2.3)."),
            ours("Networks, one of which must have the packet's destination address; as srcNets."),
        ),
        "direction": choice(
            [str(each) for each in Direction],
            ours("Which way the packet goes: In, to the pod; Out, from the pod. Absent: either."),
        ),
        "tcpFlags": atomic_list(
            form(
                rf"{_FLAG}(\+{_FLAG})*",
                "Flags that must be set, joined by +, with ! before one that must not be: SYN+!ACK.",
            ),
            ours(
                f"Flags of TCP ({', '.join(FLAG_BITS)}): alternatives, one of which must be true of the "
                "packet. Each names flags that must be set, joined by +, with ! before one that must not "
                "be. Others do not matter: SYN is met by SYN+ACK as well, SYN+!ACK by the first packet of a "
                "connection alone. The protocol must be TCP, or absent, which means TCP here.\n"
                "Example, how connections begin and break: [SYN, RST]"
            ),
        ),
        "icmpType": number(
            ours(
                "The type of the message: 8 is ICMP's echo request, 3 its unreachable; 128 is ICMPv6's echo "
                "request. The protocol must be ICMP, which is of IPv4, or ICMPv6, of IPv6. Absent: any."
            ),
            0,
            MAX_ICMP_TYPE,
            bits=32,
        ),
        "expression": text(
            ours(
                "A filter in the language of tcpdump (pcap-filter) that must be true as well, such as "
                "'vlan 5 and tcp[tcpflags] & tcp-rst != 0' or 'greater 1000'. It is met as by tcpdump on the "
                "pod's link: what is behind a VLAN tag needs the word vlan. Names that would have to be looked "
                "up, of hosts, networks, ports or protocols, are refused: write numbers; instead of inbound "
                "and outbound, set direction. Absent or empty: no such filter."
            )
        ),
    },
)
