"""The words that `expression`, pcap-filter text of users, may have.

libpcap takes every word that it does not know for a name: of a host, a net, a port or a protocol. It
would ask the resolver and the files of the machine that it runs on, or take the name for 0. So words
are an allow-list: the grammar's own (pcap-filter(7); libpcap 1.10's scanner.l), numbers and addresses.
"""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

# What is looked at; of what (the second line: Ethernet's other names); constants for brackets.
_GRAMMAR: Final = """
    src dst host net mask port portrange proto less greater len length byte broadcast multicast
    ether link fddi tr wlan ppp slip
    ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp igrp pim vrrp carp ah esp
    atalk aarp decnet lat moprc mopdl sca stp ipx netbeui llc
    iso clnp esis es-is isis is-is l1 l2 iih lsp snp csnp psnp
    vlan mpls pppoed pppoes geneve
    and or not

    tcpflags tcp-fin tcp-syn tcp-rst tcp-push tcp-ack tcp-urg tcp-ece tcp-cwr
    icmptype icmpcode icmp-echoreply icmp-unreach icmp-sourcequench icmp-redirect icmp-echo
    icmp-routeradvert icmp-routersolicit icmp-timxceed icmp-paramprob icmp-tstamp icmp-tstampreply
    icmp-ireq icmp-ireqreply icmp-maskreq icmp-maskreply
    icmp6type icmp6code icmp6-destinationunreach icmp6-packettoobig icmp6-timeexceeded
    icmp6-parameterproblem icmp6-echo icmp6-echoreply icmp6-multicastlistenerquery
    icmp6-multicastlistenerreportv1 icmp6-multicastlistenerdone icmp6-routersolicit
    icmp6-routeradvert icmp6-neighborsolicit icmp6-neighboradvert icmp6-redirect
    icmp6-routerrenum icmp6-nodeinformationquery icmp6-nodeinformationresponse
    icmp6-ineighbordiscoverysolicit icmp6-ineighbordiscoveryadvert
    icmp6-multicastlistenerreportv2 icmp6-homeagentdiscoveryrequest
    icmp6-homeagentdiscoveryreply icmp6-mobileprefixsolicit icmp6-mobileprefixadvert
    icmp6-certpathsolicit icmp6-certpathadvert icmp6-multicastrouteradvert
    icmp6-multicastroutersolicit icmp6-multicastrouterterm
"""
_KEYWORDS: Final = frozenset(_GRAMMAR.split())

# Kinds of LLC frames: words only behind `llc`.
_LLC_KINDS: Final = frozenset(
    ["i", "s", "u", "rr", "rnr", "rej", "ui", "ua", "disc", "sabme", "test", "xid", "frmr"]
)

_DIRECTION: Final = "means the opposite on either end of a pod's link: use the field direction"
_INTERFACE: Final = "is of this machine: each interface of a pod has a capture of its own"
_FIREWALL: Final = "is of a packet filter that Linux does not have"
_REFUSED: Final = {
    "inbound": _DIRECTION,
    "outbound": _DIRECTION,
    "ifindex": _INTERFACE,
    "ifname": _INTERFACE,
    "on": _INTERFACE,
    **dict.fromkeys(
        ("rnr", "rulenum", "srnr", "subrulenum", "rset", "ruleset", "reason", "action"), _FIREWALL
    ),
    "gateway": "looks a name up: write ether host and the address of its interface",
    "protochain": "takes a loop, which the kernel's filters do not have: write proto",
}

# By the word that asks for it, what to write instead of a name.
_INSTEAD: Final = {
    "port": "the port's number",
    "portrange": "the numbers of the ports, as 8000-8080",
    "proto": "the protocol's number",
    "host": "the host's address",
    "net": "the network's address, as 10.0.0.0/8",
    "vlan": "the number of the VLAN",
}
_ANY_INSTEAD: Final = "a number, an address or a word of pcap-filter"

_TOKEN: Final = re.compile(
    r"(?P<word>[0-9A-Za-z_.:\\][0-9A-Za-z_.:\\-]*)|(?P<bracket>[][()])|[!<>=&|^+*/%-]|[ \t\r\n]+"
)
_NUMBER: Final = re.compile(
    r"0[xX][0-9a-fA-F]+"
    r"|[0-9]+(?:\.[0-9]+){0,3}"  # also the beginning of an address, for `net`
)
_RANGE: Final = re.compile(r"[0-9]+-[0-9]+")
_MAC: Final = re.compile(
    r"[0-9a-fA-F]{1,2}(?:(?P<by>[:.-])[0-9a-fA-F]{1,2})(?:(?P=by)[0-9a-fA-F]{1,2}){4}"
    r"|[0-9a-fA-F]{1,4}(?:\.[0-9a-fA-F]{1,4}){2}"
    r"|[0-9a-fA-F]{12}"
)
_LONGEST_SHOWN: Final = 64
_PAIRS: Final = {"(": ")", "[": "]"}
_OPENING: Final = {closing: opening for opening, closing in _PAIRS.items()}


def expression_problem(text: str) -> str:
    """Say what is wrong with the words of an expression, and what to write; empty if nothing is.

    libpcap finds what is wrong with their order.
    """
    position, brackets = 0, _Brackets()
    before, qualifier = "", ""
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return f"the character {text[position]!a} means nothing in pcap-filter"
        position = token.end()
        if problem := brackets.problem_with(token["bracket"]):
            return problem
        for word in _words(token["word"]):
            if problem := _word_problem(word, before=before, qualifier=qualifier):
                return problem
            before, qualifier = word, word if word in _INSTEAD else qualifier
    return brackets.problem_at_end()


class _Brackets:
    """Which ones are open: a closed one too many would end what we put around an expression."""

    def __init__(self) -> None:
        self._open: list[str] = []

    def problem_with(self, bracket: str | None) -> str:
        """Say what is wrong with the next bracket, if it is one."""
        if bracket is None:
            return ""
        if bracket in _PAIRS:
            self._open.append(bracket)
        elif not self._open or _PAIRS[self._open.pop()] != bracket:
            return f'there is a "{bracket}" without its "{_OPENING[bracket]}"'
        return ""

    def problem_at_end(self) -> str:
        """Say what is open."""
        return (
            f'there is a "{self._open[-1]}" without its "{_PAIRS[self._open[-1]]}"'
            if self._open
            else ""
        )


def _words(run: str | None) -> list[str]:
    """Return the words of letters, digits and marks that are one piece: colons divide, but in addresses."""
    if run is None:
        return []
    if ":" not in run or _MAC.fullmatch(run) or _is_ipv6(run):
        return [run]
    return [word for word in run.split(":") if word]


def _is_ipv6(word: str) -> bool:
    try:
        IPv6Address(word)
    except AddressValueError:
        return False
    return True


def _word_problem(word: str, *, before: str, qualifier: str) -> str:
    if _is_harmless(word, before):
        return ""
    shown = word if len(word) <= _LONGEST_SHOWN else f"{word[:_LONGEST_SHOWN]}..."
    return f'"{shown}" {_reason(word, qualifier)}'


def _is_harmless(word: str, before: str) -> bool:
    """Tell whether libpcap looks nothing up for a word behind another."""
    return bool(
        word in _KEYWORDS
        or _NUMBER.fullmatch(word)
        or _MAC.fullmatch(word)
        or ":" in word
        or (before == "llc" and word in _LLC_KINDS)
        or (before == "portrange" and _RANGE.fullmatch(word))
    )


def _reason(word: str, qualifier: str) -> str:
    if word in _REFUSED:
        return _REFUSED[word]
    if word.lower() in _KEYWORDS:
        return f"is written in small letters: {word.lower()}"
    if _RANGE.fullmatch(word):
        return "is a range of ports: write portrange in front of it"
    asked = "proto" if word.startswith("\\") else qualifier
    return f"is no word of pcap-filter, and names are not looked up: write {_INSTEAD.get(asked, _ANY_INSTEAD)}"
