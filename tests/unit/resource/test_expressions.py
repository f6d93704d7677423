import pytest

from apiserver.resource.expressions import expression_problem

HARMLESS = """
    tcp
    tcp port 80
    udp and port 53
    tcp or udp or sctp
    tcp || udp && ! port 80
    not (port 80 or port 443)
    portrange 1-65535
    tcp src portrange 1000-1010
    port 0x50
    src port 80
    dst port 80
    src or dst port 80
    proto 6
    ip proto 47
    ip6 proto 58
    ether proto 0x88cc
    host 10.0.0.1
    src host 10.0.0.1
    10.0.0.1
    net 10
    net 10.0
    net 10.0.0
    net 10.0.0.0/8
    net 10.0.0.0 mask 255.0.0.0
    net 10.0.0.0 mask 0xff000000
    host 2001:db8::1
    host ::1
    host ::
    host ::ffff:10.0.0.1
    src net 2001:db8::/32
    dst net ::/0
    ether host 02:00:00:00:00:01
    ether host aa:bb:cc:dd:ee:ff
    ether host AA:BB:CC:DD:EE:FF
    ether src a:b:c:d:e:f
    ether dst aa-bb-cc-dd-ee-ff
    ether host aabb.ccdd.eeff
    ether host aabbccddeeff
    ether broadcast
    ether multicast
    ip multicast
    broadcast
    arp
    rarp or stp
    arp host 10.0.0.1
    vlan
    vlan 100
    vlan 100 and tcp port 80
    vlan 5 and vlan 6
    mpls 16 and ip
    pppoed
    pppoes 1 and ip
    geneve 5
    igmp or igrp or pim or vrrp or carp
    ah or esp
    icmp[0] = 8
    icmp[icmptype] = icmp-echo
    icmp[icmptype] != icmp-echoreply
    icmp[icmpcode] = 0
    icmp6[icmp6type] = icmp6-neighborsolicit
    icmp6[icmp6code] = 0
    tcp[13] = 2
    tcp[13] & 0x12 == 2
    tcp[tcpflags] & (tcp-syn|tcp-ack) != 0
    tcp[tcpflags] == tcp-fin|tcp-push|tcp-urg|tcp-rst|tcp-ece|tcp-cwr
    tcp[tcpflags:1] = tcp-syn
    tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420
    tcp[0:2] > 1024
    udp[8:4]=1
    ip[6:2] & 0x1fff = 0
    ip[2:2] - ((ip[0] & 0xf) << 2) > 20
    ip[-1] = 1
    ip6[6] = 44 and ip6[40] = 6
    ether[12:2] <= 1500
    link[0] & 1 != 0
    1 + 1 = 2
    udp[0:2] * 2 ^ 3 % 10 = 1
    len > 60
    length = 60
    less 64
    greater 1500
    llc
    llc i
    llc s and llc rr
    llc rnr
    iso proto 1
    isis or is-is or es-is or esis
    atalk or aarp or decnet or lat or mopdl or moprc or ipx or netbeui
"""
SPACES = [" tcp ", "tcp\tport\n80", "tcp\r\nand port 80", "(tcp)and(port 80)", "   "]


@pytest.mark.parametrize(
    "text", [*(line.strip() for line in HARMLESS.strip().splitlines()), *SPACES]
)
def test_words_numbers_and_addresses_are_harmless(text):
    assert expression_problem(text) == ""


NAME = '"{}" is no word of pcap-filter, and names are not looked up: write {}'
HOST, PORT, PROTOCOL = "the host's address", "the port's number", "the protocol's number"
NET, RANGE = "the network's address, as 10.0.0.0/8", "the numbers of the ports, as 8000-8080"
ANY = "a number, an address or a word of pcap-filter"
DIRECTION = "means the opposite on either end of a pod's link: use the field direction"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("host localhost", NAME.format("localhost", HOST)),
        ("src host example.com", NAME.format("example.com", HOST)),
        ("host 10.0.0.1 or example.com", NAME.format("example.com", HOST)),
        ("host cafe", NAME.format("cafe", HOST)),
        ("ether host router", NAME.format("router", HOST)),
        ("host aa:bb", NAME.format("aa", HOST)),
        ("host fe80::1%eth0", NAME.format("eth0", HOST)),
        ("host 0xzz", NAME.format("0xzz", HOST)),
        ("host 1.2.3.4.5", NAME.format("1.2.3.4.5", HOST)),
        ("host 10.0.0.1.", NAME.format("10.0.0.1.", HOST)),
        ("port http", NAME.format("http", PORT)),
        ("tcp port 80 or ssh", NAME.format("ssh", PORT)),
        ("portrange ssh-http", NAME.format("ssh-http", RANGE)),
        ("net loopback", NAME.format("loopback", NET)),
        ("net 10.0.0.0 mask loopback", NAME.format("loopback", NET)),
        ("proto gre", NAME.format("gre", PROTOCOL)),
        (r"proto \tcp", NAME.format(r"\tcp", PROTOCOL)),
        (r"ip proto \icmp", NAME.format(r"\icmp", PROTOCOL)),
        (r"ether proto \arp", NAME.format(r"\arp", PROTOCOL)),
        (r"\tcp", NAME.format(r"\tcp", PROTOCOL)),
        (r"port \80", NAME.format(r"\80", PROTOCOL)),
        ("vlan mgmt", NAME.format("mgmt", "the number of the VLAN")),
        ("example.com", NAME.format("example.com", ANY)),
        ("_", NAME.format("_", ANY)),
        (".", NAME.format(".", ANY)),
        ("len-14 > 5", NAME.format("len-14", ANY)),
        ("icmp[icmptype] = icmp-nosuch", NAME.format("icmp-nosuch", ANY)),
        ("tcp[tcpflags] = tcp-nosuch", NAME.format("tcp-nosuch", ANY)),
        ("type mgt", NAME.format("type", ANY)),
        ("i", NAME.format("i", ANY)),
        ("a" * 100, NAME.format("a" * 64 + "...", ANY)),
        ("port 80-90", '"80-90" is a range of ports: write portrange in front of it'),
        ("portrange 1-2 or 8-9", '"8-9" is a range of ports: write portrange in front of it'),
        ("TCP port 80", '"TCP" is written in small letters: tcp'),
        ("tcp And udp", '"And" is written in small letters: and'),
        ("inbound", f'"inbound" {DIRECTION}'),
        ("tcp and not outbound", f'"outbound" {DIRECTION}'),
        ("tcp and ((udp) or (inbound))", f'"inbound" {DIRECTION}'),
        ("gateway 10.0.0.1", '"gateway" looks a name up'),
        ("ip6 protochain 6", '"protochain" takes a loop'),
        ("ifindex 1", '"ifindex" is of this machine'),
        ("ifname eth0", '"ifname" is of this machine'),
        ("on eth0", '"on" is of this machine'),
        ("rnr 1", '"rnr" is of a packet filter that Linux does not have'),
        ("rulenum 1", '"rulenum" is of a packet filter'),
        ("srnr 1", '"srnr" is of a packet filter'),
        ("subrulenum 1", '"subrulenum" is of a packet filter'),
        ("rset main", '"rset" is of a packet filter'),
        ("ruleset main", '"ruleset" is of a packet filter'),
        ("reason match", '"reason" is of a packet filter'),
        ("action pass", '"action" is of a packet filter'),
        ("tcp\0 port 80", r"the character '\x00' means nothing in pcap-filter"),
        ("tcp\x7f", r"the character '\x7f' means nothing in pcap-filter"),
        ("t\u00e9l\u00e9com", NAME.format("t", ANY)),
        ("tcp \u00e9", r"the character '\xe9' means nothing in pcap-filter"),
        ("port \u0668\u0660", r"the character '\u0668' means nothing in pcap-filter"),
        ("\ud800", r"the character '\ud800' means nothing in pcap-filter"),
        ("tcp\u00a0port 80", r"the character '\xa0' means nothing in pcap-filter"),
        ("tcp; udp", "the character ';' means nothing"),
        ("tcp, udp", "the character ',' means nothing"),
        ("'tcp'", 'the character "\'" means nothing'),
        ("tcp # all", "the character '#' means nothing"),
        ("$5", "the character '$' means nothing"),
        ("{tcp}", "the character '{' means nothing"),
        ("tcp) or (udp", 'there is a ")" without its "("'),
        ("(tcp", 'there is a "(" without its ")"'),
        ("tcp[0 = 1", 'there is a "[" without its "]"'),
        ("ip]0[ = 1", 'there is a "]" without its "["'),
        ("tcp[(0]) = 1", 'there is a "]" without its "["'),
    ],
)
def test_what_is_refused_is_named_with_what_to_write(text, problem):
    assert expression_problem(text).startswith(problem)


def test_a_long_text_takes_no_longer_than_its_length():
    assert "without its" in expression_problem("(" * 500_000)
    assert expression_problem("tcp or " * 70_000) == ""
    assert "no word" in expression_problem("a-" * 250_000)
